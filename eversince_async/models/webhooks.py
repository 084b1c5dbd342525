"""What the server posts to a `webhook_url`."""

import attrs

from eversince_async.lifecycle import ProjectStatus
from eversince_async.models.content import Asset, Timeline
from eversince_async.models.projects import Project


@attrs.frozen(kw_only=True, repr=False, eq=False)
class WebhookEvent(Project):
    """A project at the moment of a transition: `running`, `generating`, `rendering`, `idle` or `failed`.

    There is none for `queued` and `cancelled`, and a lost one stays lost: take it as a hint.

    Attributes:
        event: What happened; equals the status, and is the one to dispatch on.
        timeline: The video as it stands; early events may have none.
        assets: What was made so far.
    """

    event: ProjectStatus | str | None = None
    timeline: Timeline | None = None
    assets: tuple[Asset, ...] = ()
