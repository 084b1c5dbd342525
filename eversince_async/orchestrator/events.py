"""What a workflow tells while it runs."""

from typing import Literal

import attrs

from eversince_async.governor import WaitReason
from eversince_async.lifecycle import ProjectStatus

Stage = Literal["create", "settle", "message", "render", "share", "download"]
"""The stages of a production. `message` and `render` include waiting until the project has settled."""


@attrs.frozen(kw_only=True)
class Event:
    """Something happened to a production.

    Attributes:
        at: When, in loop time (seconds).
        project_id: The project; None before it has an id.
    """

    at: float
    project_id: str | None


@attrs.frozen(kw_only=True)
class StageStarted(Event):
    """A stage begins.

    Attributes:
        stage: Which.
    """

    stage: Stage


@attrs.frozen(kw_only=True)
class StageCompleted(Event):
    """A stage is over.

    Attributes:
        stage: Which.
        seconds: How long it took.
    """

    stage: Stage
    seconds: float


@attrs.frozen(kw_only=True)
class StatusChanged(Event):
    """A look found the project in another status than before.

    Attributes:
        status: The new one.
        before: The one before; None at first.
    """

    status: ProjectStatus | str
    before: ProjectStatus | str | None


@attrs.frozen(kw_only=True)
class Waiting(Event):
    """The production has to wait for the account.

    Attributes:
        reason: For what, since when and, where that can be foreseen, until when.
    """

    reason: WaitReason


@attrs.frozen(kw_only=True)
class CreditsWarning(Event):
    """The server warned that credits are running out.

    Attributes:
        warning: The server's words.
    """

    warning: str
