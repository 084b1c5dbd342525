"""Operations on content: timeline, assets, variations and the agent's memory."""

from eversince_async.emulator.call import Answer, Call
from eversince_async.emulator.errors import not_found


def timeline(call: Call) -> Answer:
    """Respond to GET /projects/:id/timeline, also for an inactive variation."""
    project = call.project()
    variation_id = call.query.get("variation_id")
    variation = project.variation(variation_id)
    if variation_id is not None and variation is None:
        raise not_found("Variation")
    return Answer(body={"timeline": call.views.timeline(project, variation)})


def assets(call: Call) -> Answer:
    """Respond to GET /projects/:id/assets with the assets, newest first."""
    project = call.project()
    query = call.query_params()
    limit, offset = query.page(call.rules.assets_page)
    query.check()
    newest_first = project.assets[::-1]
    body = {
        "assets": [call.views.asset(asset) for asset in newest_first[offset : offset + limit]],
        "total": len(project.assets),
        "limit": limit,
        "offset": offset,
    }
    return Answer(body=body)


def variations(call: Call) -> Answer:
    """Respond to GET /projects/:id/variations."""
    project = call.project()
    return Answer(body={"variations": [call.views.variation(project, each) for each in project.variations]})


def memory(call: Call) -> Answer:
    """Respond to GET /projects/:id/memory."""
    return Answer(body=call.views.memory_of(call.project()))
