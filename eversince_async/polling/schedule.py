"""How often a project is looked at."""

from collections.abc import Mapping
from typing import Final

import attrs

from eversince_async.errors import ConfigurationError
from eversince_async.lifecycle import ProjectStatus

POLL_INTERVALS: Final[Mapping[str, float]] = {
    ProjectStatus.QUEUED: 5.0,
    ProjectStatus.RUNNING: 30.0,
    ProjectStatus.GENERATING: 45.0,  # documented as 30-60 s
    ProjectStatus.RENDERING: 30.0,
}
"""Seconds between looks by status: "Project lifecycle" in the overview."""

DEFAULT_POLL_INTERVAL: Final = 30.0
"""Seconds between looks at a status we do not know: as for a running one."""

MIN_POLL_INTERVAL: Final = 5.0
"""Seconds: no two looks are closer than the shortest documented interval, unless one is asked for."""


def _positive(_: object, field: "attrs.Attribute[float]", value: float) -> None:
    if not value > 0:
        raise ConfigurationError(f"{field.name} is seconds and must be positive, not {value!r}")


def _share(_: object, field: "attrs.Attribute[float]", value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigurationError(f"{field.name} is a share of the request budget, 0 to 1, not {value!r}")


@attrs.frozen(kw_only=True)
class PollSchedule:
    """When a project is due for a look, and how much trouble a wait absorbs.

    Attributes:
        intervals: Seconds between looks by status; a status that is missing here waits like a running one.
        spare: Share of the request budget that may buy looks before they are due, as far as nobody else
            wants it at that moment. They find an end sooner, which frees slots and starts renders sooner.
            They are never closer than 5 seconds. 0 keeps strictly to the intervals.
        max_failure_time: Seconds for which polls may fail in a row before the waits end with the failure.
        grace: Seconds after the answer to a create, or an adoption, in which a 404 for the project is taken
            for a server that has not caught up, whatever asks for it; and after a message or render in which
            `idle` is taken for an answer from before it.
    """

    intervals: Mapping[str, float] = attrs.field(factory=lambda: POLL_INTERVALS)
    spare: float = attrs.field(default=0.5, validator=_share)
    max_failure_time: float = attrs.field(default=300.0, validator=_positive)
    grace: float = attrs.field(default=60.0, validator=_positive)

    def __attrs_post_init__(self) -> None:
        for status, seconds in self.intervals.items():
            if not seconds > 0:
                raise ConfigurationError(f"the interval of {status} must be positive, not {seconds!r}")

    def interval(self, status: str | None) -> float:
        """Seconds until the next look at a project last seen in `status`; None is a new project."""
        if status is None:
            return MIN_POLL_INTERVAL
        return self.intervals.get(status, DEFAULT_POLL_INTERVAL)
