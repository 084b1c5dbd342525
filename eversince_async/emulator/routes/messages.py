"""Operations on messages, the conversation with the agent."""

from itertools import islice

from eversince_async.emulator.agent import say
from eversince_async.emulator.call import Answer, Call
from eversince_async.emulator.errors import Json, insufficient_credits, validation
from eversince_async.emulator.routes._references import need_uploads, read_references


def page(call: Call) -> Answer:
    """Respond to GET /projects/:id/messages, oldest message first.

    The page is the newest one, or the one before or after a given message.
    """
    project = call.project()
    query = call.query_params()
    limit = query.whole("limit", 20, 1, 50)
    places = {message["id"]: at for at, message in enumerate(project.messages)}
    for cursor in ("before", "after"):
        if cursor in query and call.query[cursor] not in places:
            query.problem(cursor, f"{cursor} must be a message of this project")
    query.check()
    first = places[call.query["after"]] + 1 if "after" in query else 0
    end = places[call.query["before"]] if "before" in query else len(project.messages)
    chosen: list[Json]
    if "after" in query:
        chosen = list(islice(project.messages, first, min(end, first + limit)))
        has_more = first + limit < end
    else:
        chosen = project.messages[max(0, end - limit) : end]
        has_more = end - limit > 0
    return Answer(body={"messages": chosen, "has_more": has_more})


def send(call: Call) -> Answer:
    """Respond to POST /projects/:id/messages, and start another run."""
    project = call.project()
    fields = call.fields()
    text = fields.text("message", required=True, longest=8_000, blank=False)
    uploads = read_references(call, fields)
    fields.flag("extract_content")
    fields.check()
    need_uploads(call, uploads)
    if project.status not in call.rules.messages_in:
        raise validation(f"Messages cannot be sent while the project is {project.status}")
    if call.account.credits < call.rules.credits_to_message:
        raise insufficient_credits(call.rules.credits_to_message, call.account.credits)
    call.world.need_slot(call.account)
    say(project, "user", text or "", call.now)
    project.pending = None if project.works else text
    call.world.life.start(project, queued=False, at=call.now)
    return Answer(body={"id": project.id, "status": project.status}, status=202)
