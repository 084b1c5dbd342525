"""Operations on feedback."""

from eversince_async.emulator.call import Answer, Call
from eversince_async.emulator.errors import not_found


def report(call: Call) -> Answer:
    """Respond to POST /feedback."""
    fields = call.fields()
    kind = fields.choice("type", ("bug", "suggestion", "question"), required=True)
    message = fields.text("message", required=True, longest=5_000, blank=False)
    project_id = fields.text("project_id")
    fields.check()
    if project_id is not None and call.world.own(call.account, project_id) is None:
        raise not_found("Project")
    call.account.feedback.append({"type": kind, "message": message, "project_id": project_id})
    call.world.touch(call.account)
    return Answer(body={"received": True}, status=201)
