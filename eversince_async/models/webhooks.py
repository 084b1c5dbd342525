"""The body that the server posts to a `webhook_url`."""

import attrs

from eversince_async.lifecycle import ProjectStatus
from eversince_async.models.content import Asset, Timeline
from eversince_async.models.projects import Project


@attrs.frozen(kw_only=True, repr=False, eq=False)
class WebhookEvent(Project):
    """A project at the moment of a status change.

    The new status is `running`, `generating`, `rendering`, `idle` or `failed`. There is no event for `queued`
    and `cancelled`, and the server does not repeat a lost event: take events as hints.

    Attributes:
        event: The event's name, which equals the status; use it to dispatch events.
        timeline: The present state of the video; early events may have none.
        assets: The assets made so far.
    """

    event: ProjectStatus | str | None = None
    timeline: Timeline | None = None
    assets: tuple[Asset, ...] = ()
