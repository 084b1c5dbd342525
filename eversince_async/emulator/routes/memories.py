"""Memories (May): short facts that the user recorded for all projects."""

import uuid

from eversince_async.emulator.account import Memory
from eversince_async.emulator.call import Answer, Call
from eversince_async.emulator.errors import Json, not_found, validation

_BUDGET = 10_000


def _size_of(call: Call) -> int:
    return sum(len(memory.body) for memory in call.account.memories.values() if memory.is_active)


def _budget(call: Call) -> Json:
    return call.views.budget(_size_of(call), _BUDGET, kept=call.world.limits.budgets)


def _need_budget(call: Call, body: str, *, instead_of: int = 0) -> None:
    wanted = _size_of(call) - instead_of + len(body)
    if call.world.limits.budgets and wanted > _BUDGET:
        raise validation(f"is_active: active memories would take {wanted} of {_BUDGET} characters")


def _memory(call: Call) -> Memory:
    memory = call.account.memories.get(call.id)
    if memory is None:
        raise not_found("Memory")
    return memory


def listing(call: Call) -> Answer:
    """Respond to GET /account/memories."""
    memories = [call.views.memory(memory) for memory in call.account.memories.values()]
    return Answer(body={"memories": memories, "budget": _budget(call)})


def create(call: Call) -> Answer:
    """Respond to POST /account/memories."""
    fields = call.fields()
    title = fields.text("title", required=True, longest=100, blank=False)
    body = fields.text("body", required=True, longest=10_000, blank=False)
    is_active = fields.flag("is_active")
    fields.check()
    if is_active is not False:
        _need_budget(call, body or "")
    memory = Memory(
        id=str(uuid.uuid4()),
        title=title or "",
        body=body or "",
        is_active=is_active is not False,
        sort_order=max((each.sort_order + 1 for each in call.account.memories.values()), default=0),
        created_at=call.now,
        updated_at=call.now,
    )
    call.account.memories[memory.id] = memory
    call.world.touch(call.account)
    return Answer(body={"memory": call.views.memory(memory), "budget": _budget(call)}, status=201)


def detail(call: Call) -> Answer:
    """Respond to GET /account/memories/:id."""
    return Answer(body={"memory": call.views.memory(_memory(call))})


def change(call: Call) -> Answer:
    """Respond to PATCH /account/memories/:id.

    At least one of title, body and is_active is required.
    """
    memory = _memory(call)
    fields = call.fields()
    title = fields.text("title", longest=100, blank=False)
    body = fields.text("body", longest=10_000, blank=False)
    is_active = fields.flag("is_active")
    if not any(name in fields for name in ("title", "body", "is_active")):
        fields.problem("title", "at least one of title, body, is_active is required")
    fields.check()
    text = memory.body if body is None else body
    active = memory.is_active if is_active is None else is_active
    if active:
        _need_budget(call, text, instead_of=len(memory.body) if memory.is_active else 0)
    memory.title = memory.title if title is None else title
    memory.body, memory.is_active, memory.updated_at = text, active, call.now
    call.world.touch(call.account)
    return Answer(body={"memory": call.views.memory(memory), "budget": _budget(call)})


def delete(call: Call) -> Answer:
    """Respond to DELETE /account/memories/:id."""
    del call.account.memories[_memory(call).id]
    call.world.touch(call.account)
    return Answer(body={"deleted": True})
