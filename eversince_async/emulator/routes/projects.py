"""Operations on projects: create, list, status, settings, cancel, discover, adopt."""

from typing import Any

from eversince_async.emulator.agent import say
from eversince_async.emulator.call import Answer, Call
from eversince_async.emulator.errors import (
    Json,
    conflict,
    insufficient_credits,
    not_found,
    project_limit,
    validation,
)
from eversince_async.emulator.fixtures import AGENT_MODELS, ASPECT_RATIOS, CRAFTS
from eversince_async.emulator.project import Project, iso
from eversince_async.emulator.revision import WORKING
from eversince_async.emulator.routes._references import need_uploads, read_references
from eversince_async.emulator.routes.skills import read_project_skills
from eversince_async.emulator.serializers import STUDIO
from eversince_async.emulator.validation import Fields

_MODES = ("autonomous", "collaborative")
_OUTPUTS = ("assembled", "assets")
_BY_MESSAGE = ("aspect_ratio", "language", "captions", "variations")


def create(call: Call) -> Answer:
    """Respond to POST /projects: 202, or 200 for a known idempotency key."""
    fields = call.fields()
    values = _read_creation(call, fields)
    uploads = read_references(call, fields)
    fields.check()
    need_uploads(call, uploads)
    existing = call.holdings.by_idempotency_key.get(values.get("idempotency_key", ""))
    if existing is not None and existing.status != "failed":
        return _exists_already(existing)
    _need_credits_and_room(call)
    project = _new_project(call, values)
    body = {
        "id": project.id,
        "status": project.status,
        "mode": project.mode,
        "project_url": STUDIO + project.id,
        "credits_balance": call.account.credits,
        "created_at": iso(project.created_at),
    }
    return Answer(body=body, status=202, project_id=project.id)


def _read_creation(call: Call, fields: Fields) -> Json:
    """Read the fields of a create request that are present and valid."""
    read: dict[str, Any] = {
        "brief": fields.text("brief", required=True, longest=8_000, blank=False),
        "title": fields.text("title", longest=30),
        "mode": fields.choice("mode", _MODES),
        "aspect_ratio": fields.choice("aspect_ratio", ASPECT_RATIOS),
        "video_model": fields.text("video_model", blank=False),
        "image_model": fields.text("image_model", blank=False),
        "agent_model": fields.choice("agent_model", AGENT_MODELS),
        "webhook_url": fields.webhook_url("webhook_url", call.destinations),
        "idempotency_key": fields.text("idempotency_key", longest=256, blank=False),
        "extract_content": fields.flag("extract_content"),
    }
    read.update(_read_direction(call, fields, outputs=_OUTPUTS))
    return {name: value for name, value in read.items() if value is not None}


def _read_direction(call: Call, fields: Fields, outputs: tuple[str, ...]) -> Json:
    """Read the fields that differ between April and May.

    April has craft and expected_output, May has skills and reasoning_mode. The other revision's fields are
    unknown and therefore ignored.
    """
    if call.rules.crafts:
        return {
            "craft": fields.choice("craft", CRAFTS),
            "craft_auto": fields.flag("craft_auto"),
            "expected_output": fields.choice("expected_output", outputs),
        }
    return {
        "skills": read_project_skills(call, fields),
        "reasoning_mode": fields.choice("reasoning_mode", ("thinking", "fast")),
    }


def _exists_already(project: Project) -> Answer:
    body = {
        "id": project.id,
        "status": project.status,
        "message": "Project already exists for this idempotency key",
    }
    return Answer(body=body, project_id=project.id, replayed=True)


def _need_credits_and_room(call: Call) -> None:
    """Refuse if credits, daily projects or active projects are exhausted.

    The limits are checked in this order.
    """
    if call.account.credits < call.rules.credits_to_create:
        raise insufficient_credits(call.rules.credits_to_create, call.account.credits)
    limits = call.world.limits
    created = call.account.created_today.today(call.now, limits.day)
    if limits.projects_per_day is not None and created >= limits.projects_per_day:
        raise project_limit(f"Daily project limit reached: {limits.projects_per_day} projects a day")
    call.world.need_slot(call.account)


def _new_project(call: Call, values: Json) -> Project:
    world, now = call.world, call.now
    scenario = world.life.scenario.of(call.body)
    output = scenario.makes(values["brief"], values.get("expected_output"))
    craft = values.get("craft", "auto")
    project = Project(
        id=world.new_project_id(),
        number=world.next_number(),
        account_id=call.account.id,
        asked={**values, "references": call.body.get("references", [])},
        title=values.get("title"),
        mode=values.get("mode", "autonomous"),
        aspect_ratio=values.get("aspect_ratio", "16:9"),
        craft=craft,
        craft_auto=values.get("craft_auto", craft == "auto"),
        skills=values.get("skills", []),
        reasoning_mode=values.get("reasoning_mode", "thinking"),
        video_model=values.get("video_model"),
        image_model=values.get("image_model"),
        agent_model=values.get("agent_model", AGENT_MODELS[0]),
        expected_output=values.get("expected_output"),
        webhook_url=values.get("webhook_url"),
        idempotency_key=values.get("idempotency_key"),
        created_at=now,
        updated_at=now,
        output=output,
        works=scenario.works(output),
    )
    say(project, "user", project.brief, now)
    call.account.created_today.add(now)
    world.add(project)
    world.touch(call.account)
    world.life.start(project, queued=True, at=now)
    return project


def page(call: Call) -> Answer:
    """Respond to GET /projects with the projects, newest first."""
    query = call.query_params()
    limit, offset = query.page(100)
    query.check()
    status, title = call.query.get("status"), call.query.get("title")
    projects, total = call.world.list_projects(
        call.account, status=status, title=title, offset=offset, limit=limit
    )
    visible = [each for each in map(call.visible, projects) if each is not None] if call.stale else projects
    body = {
        "projects": [call.views.summary(project) for project in visible],
        "total": total,
        "limit": limit,
        "offset": offset,
    }
    return Answer(body=body, shown=tuple(project.id for project in visible))


def status(call: Call) -> Answer:
    """Respond to GET /projects/:id."""
    project = call.visible(call.project())
    if project is None:
        raise not_found("Project")
    return Answer(body=call.views.project(project, call.account.credits))


def settings(call: Call) -> Answer:
    """Respond to PATCH /projects/:id/settings; an empty change is valid."""
    project = call.project()
    fields = call.fields()
    for name in _BY_MESSAGE:
        if name in fields:
            fields.problem(name, f"{name} cannot be changed here, only by a message to the agent")
    changes = _read_settings(call, fields)
    fields.check()
    if project.status in WORKING:
        raise conflict(f"Settings cannot be changed while the project is {project.status}")
    for name, value in changes.items():
        setattr(project, name, value)
    if changes:
        project.updated_at = call.now
        life = call.world.life
        life.watched = life.watched or project.webhook_url is not None
        call.world.touch(project)
    return Answer(body=call.views.settings(project))


def _read_settings(call: Call, fields: Fields) -> Json:
    """Read the fields that are present and valid.

    A value is None only if null clears the field.
    """
    clearing = {"title": "title", "webhook_url": "webhook_url", "expected_output": "expected_output"}
    if not call.rules.crafts:
        del clearing["expected_output"]
    nulls = {name: None for name in clearing if name in fields and call.body[name] is None}
    rest = fields.without(nulls)
    read: dict[str, Any] = {
        "title": rest.text("title", longest=30),
        "mode": rest.choice("mode", (*_MODES, "none")),
        "video_model": rest.text("video_model", blank=False),
        "image_model": rest.text("image_model", blank=False),
        "agent_model": rest.choice("agent_model", AGENT_MODELS),
        "webhook_url": rest.webhook_url("webhook_url", call.destinations),
    }
    read.update(_read_direction(call, rest, outputs=_OUTPUTS))
    return {**nulls, **{name: value for name, value in read.items() if value is not None}}


def cancel(call: Call) -> Answer:
    """Respond to POST /projects/:id/cancel."""
    project = call.project()
    if project.status not in call.rules.cancel_in:
        raise validation(f"Project cannot be cancelled while it is {project.status}")
    call.world.life.stop(project, call.now)
    return Answer(body={"id": project.id, "status": project.status})


def discover(call: Call) -> Answer:
    """Respond to GET /projects/discover with studio projects not yet adopted."""
    query = call.query_params()
    limit, offset = query.page(100)
    query.check()
    title = call.query.get("title", "").casefold()
    studio = [
        project
        for project in call.holdings.studio.values()
        if project.id not in call.holdings.adopted and title in (project.title or "").casefold()
    ]
    studio.sort(key=lambda project: project.number, reverse=True)
    body = {
        "projects": [call.views.studio_project(project) for project in studio[offset : offset + limit]],
        "total": len(studio),
        "limit": limit,
        "offset": offset,
    }
    return Answer(body=body)


def adopt(call: Call) -> Answer:
    """Respond to POST /projects/adopt: 201, or 200 the second time."""
    fields = call.fields()
    source_id = fields.text("project_id", required=True, blank=False)
    mode = fields.choice("mode", _MODES) or "collaborative"
    fields.check()
    source = call.holdings.studio.get(source_id or "")
    if source is None:
        raise not_found("Project")
    known = call.holdings.adopted.get(source.id)
    project = known or _adopt(call, source, mode)
    body = {
        "id": project.id,
        "status": project.status,
        "mode": project.mode,
        "project_url": STUDIO + source.id,
    }
    if known is not None:
        body["message"] = "Project already adopted"
    return Answer(body=body, status=200 if known else 201, project_id=project.id)


def _adopt(call: Call, source: Project, mode: str) -> Project:
    """Create the API's own copy of a studio project with its content."""
    project = Project.from_json(
        {
            **source.to_json(),
            "id": call.world.new_project_id(),
            "number": call.world.next_number(),
            "mode": mode,
            "studio": False,
            "source_project_id": source.id,
            "updated_at": call.now,
        }
    )
    return call.world.add(project)
