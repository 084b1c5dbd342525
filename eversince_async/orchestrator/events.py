"""The events of a workflow."""

from typing import Literal

import attrs

from eversince_async.governor import WaitReason
from eversince_async.lifecycle import ProjectStatus

Stage = Literal["create", "settle", "message", "render", "share", "download"]
"""The stages of a production.

`message` and `render` include waiting until the project has settled.
"""


@attrs.frozen(kw_only=True)
class Event:
    """An event of a production.

    Attributes:
        at: The time of the event, in loop time (seconds).
        project_id: The project's id; None before the project has one.
    """

    at: float
    project_id: str | None


@attrs.frozen(kw_only=True)
class StageStarted(Event):
    """The start of a stage.

    Attributes:
        stage: The stage.
    """

    stage: Stage


@attrs.frozen(kw_only=True)
class StageCompleted(Event):
    """The end of a stage.

    Attributes:
        stage: The stage.
        seconds: The duration of the stage.
    """

    stage: Stage
    seconds: float


@attrs.frozen(kw_only=True)
class StatusChanged(Event):
    """A change of the project's status since the last observation.

    Attributes:
        status: The new status.
        before: The status before; None at first.
    """

    status: ProjectStatus | str
    before: ProjectStatus | str | None


@attrs.frozen(kw_only=True)
class Waiting(Event):
    """A wait of the production for the account.

    Attributes:
        reason: The reason, the start and, if it can be foreseen, the end of the wait.
    """

    reason: WaitReason


@attrs.frozen(kw_only=True)
class CreditsWarning(Event):
    """A warning of the server that credits are running out.

    Attributes:
        warning: The server's words.
    """

    warning: str
