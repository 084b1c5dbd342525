"""Workflows that run operations on one project."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from typing import Any, TypeVar

from eversince_async.durable.api import loop_time
from eversince_async.governor import WaitReason
from eversince_async.governor.protocol import SlotLeaseProtocol, SlotsProtocol
from eversince_async.models.projects import Brief
from eversince_async.orchestrator.events import Waiting
from eversince_async.orchestrator.handle import Handle
from eversince_async.orchestrator.options import DeliveryOptions, WaitPolicy
from eversince_async.orchestrator.produce import produce, resume
from eversince_async.orchestrator.production import Production
from eversince_async.orchestrator.project import ProjectOperations
from eversince_async.orchestrator.recovery import active_lookalike
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.orchestrator.tracing import WorkflowStarted, with_tracer
from eversince_async.orchestrator.workflow import NO_WAIT, StartGate, Workflow

T = TypeVar("T")


def project_workflow(
    runtime: Runtime,
    name: str,
    project_id: str,
    policy: WaitPolicy,
    run: Callable[[ProjectOperations], Awaitable[T]],
) -> Workflow[T]:
    """Return a workflow that runs operations on one project."""

    async def run_steps(workflow: Workflow[T]) -> T:
        steps = ProjectOperations(runtime, policy, workflow.emit, key=project_id, project_id=project_id)
        return await _with_wait_events(runtime, workflow, steps, run(steps))

    return _traced_workflow(runtime, name, project_id, project_id, run_steps)


def resume_workflow(runtime: Runtime, handle: Handle, policy: WaitPolicy) -> Workflow[Production]:
    """Return a workflow that resumes a production from its project's present state."""

    async def run(workflow: Workflow[Production]) -> Production:
        steps = ProjectOperations(
            runtime, policy, workflow.emit, key=handle.key, project_id=handle.project_id
        )
        steps.handle = lambda: handle
        return await _with_wait_events(
            runtime, workflow, steps, resume(runtime, steps, handle.delivery, policy)
        )

    workflow = _traced_workflow(runtime, "production", handle.key, handle.project_id, run)
    workflow.set_handle(lambda: handle)
    return workflow


def _traced_workflow(
    runtime: Runtime,
    name: str,
    key: str,
    project_id: str | None,
    run: Callable[[Workflow[T]], Coroutine[Any, Any, T]],
) -> Workflow[T]:
    started = WorkflowStarted(name=name, key=key, project_id=project_id)
    whole_name = name if project_id is None else f"{name} of {project_id}"
    return Workflow(whole_name, with_tracer(runtime.tracer, started, run), runtime.registry)


async def _with_wait_events(
    runtime: Runtime, workflow: Workflow[T], steps: ProjectOperations, running: Awaitable[T]
) -> T:
    """Await `running`, emit its waits, and attach purchase options to its errors."""

    def emit_wait(reason: WaitReason) -> None:
        workflow.emit(Waiting(at=loop_time(), project_id=steps.project_id, reason=reason))

    listening = runtime.listening(steps.key, emit_wait) if workflow.has_listeners else nullcontext()
    with listening:
        async with runtime.attach_purchase_options():
            return await running


class ProductionWorkflow(Workflow[Production]):
    """A production that starts from its brief.

    Thousands of productions wait for a slot at a time, so each holds no more than its order until its turn
    comes. Its steps then begin with the slot that it was given.
    """

    __slots__ = ("_runtime", "brief", "delivery", "lease", "may_be_known", "policy", "steps")

    def __init__(
        self,
        runtime: Runtime,
        brief: Brief,
        delivery: DeliveryOptions,
        policy: WaitPolicy,
        *,
        may_be_known: bool,
    ) -> None:
        super().__init__("production", registry=runtime.registry)
        self._runtime = runtime
        self.brief = brief
        self.delivery = delivery
        self.policy = policy
        self.steps: ProjectOperations | None = None
        self.lease: SlotLeaseProtocol | None = None
        self.may_be_known = may_be_known  # the server may know its key from an earlier run

    @property
    def key(self) -> str:
        """The idempotency key, which also names the production in the governor."""
        return str(self.brief.idempotency_key)

    @property
    def handle(self) -> Handle:
        """The handle that resumes this production.

        It holds the brief as long as no project is known.
        """
        project_id = None if self.steps is None else self.steps.project_id
        brief = self.brief if project_id is None else None
        return Handle(key=self.key, project_id=project_id, delivery=self.delivery, brief=brief)

    async def _produce(self) -> Production:
        """Run the production with the slot that it was given."""
        runtime, key, policy = self._runtime, self.key, self.policy
        steps = ProjectOperations(runtime, policy, self.emit, key=key)
        if self.lease is not None:
            steps.begins_with(self.lease)
        self.steps = steps
        steps.handle = lambda: self.handle
        if self.may_be_known:
            steps.place = await active_lookalike(runtime, self.brief.brief)
        return await _with_wait_events(
            runtime, self, steps, produce(runtime, steps, self.brief, self.delivery, policy)
        )

    def _start_gate(self) -> StartGate:
        runtime = self._runtime
        slots = runtime.governor.slots
        if self.has_listeners or runtime.tracer is not None or self.may_be_known or slots.has_room(self.key):
            # A listener or a tracer gets the wait as an event; a known key looks for its project first.
            return NO_WAIT
        return self._on_slot(slots), runtime.poller.waiting_for_slot

    async def _on_slot(self, slots: SlotsProtocol) -> None:
        lease = await slots.acquire(self.key)
        if self.lease is None:
            self.lease = lease
        else:
            lease.release()  # another waiter of this workflow got a slot first

    def _over(self, task: asyncio.Task[Production]) -> None:
        if self.lease is not None:
            self.lease.release()  # a run releases it itself, unless it was cancelled before it began
        super()._over(task)

    async def _execute(self) -> Production:
        started = WorkflowStarted(name="production", key=self.key, project_id=None)
        try:
            return await with_tracer(self._runtime.tracer, started, lambda _: self._produce())(self)
        finally:
            if self.lease is not None:
                self.lease.release()  # the steps have released it already, if they ran
