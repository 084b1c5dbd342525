"""Operations on output: render and share."""

import hashlib

from eversince_async.emulator.account import Share
from eversince_async.emulator.call import Answer, Call
from eversince_async.emulator.errors import (
    conflict,
    forbidden,
    insufficient_credits,
    rate_limited,
    validation,
)


def render(call: Call) -> Answer:
    """Respond to POST /projects/:id/render; the body is optional."""
    project = call.project()
    fields = call.fields()
    quality = fields.choice("quality", ("1080p", "4k")) or "1080p"
    fields.check()
    if quality == "4k" and not call.account.pro:
        raise forbidden("4K rendering requires a Pro subscription")
    if project.status not in call.rules.render_in:
        raise conflict(f"Project cannot be rendered while it is {project.status}")
    if call.account.credits < call.rules.credits_to_render:
        raise insufficient_credits(call.rules.credits_to_render, call.account.credits)
    _need_render_of_the_day(call)
    call.world.need_slot(call.account)
    call.account.rendered_today.add(call.now)
    call.world.touch(call.account)
    call.world.life.render(project, quality, call.now)
    return Answer(body={"id": project.id, "status": project.status, "quality": quality}, status=202)


def _need_render_of_the_day(call: Call) -> None:
    limits, rendered = call.world.limits, call.account.rendered_today
    most = limits.renders(call.rules, subscribed=call.account.plan is not None)
    today = rendered.today(call.now, limits.day)
    if most is not None and today >= most:
        wait = rendered.frees_in(call.now, limits.day) if rendered.stamps else 86_400.0
        raise rate_limited(f"Daily render limit reached: {most} renders a day", wait)


def share(call: Call) -> Answer:
    """Respond to POST /projects/:id/share; the body is optional.

    It creates a public page for the newest render.
    """
    project = call.project()
    fields = call.fields()
    title, description = fields.text("title"), fields.text("description")
    fields.check()
    render = project.last_render
    if render is None:
        raise validation("Sharing requires a completed render")
    text = f"{call.world.signer.secret}:{len(call.world.shares)}"
    share = Share(
        token=hashlib.sha256(text.encode()).hexdigest()[:12],
        project_id=project.id,
        render=render.number,
        title=title if title is not None else project.title,
        description=description,
        aspect_ratio=render.aspect_ratio,
        created_at=call.now,
    )
    call.account.shares.append(share)
    call.world.shares[share.token] = (share, project)
    call.world.touch(call.account)
    body = {"share_url": call.views.share_url(share), "video_url": call.views.shared_video(share)}
    return Answer(body=body, status=201)
