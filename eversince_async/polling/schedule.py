"""The intervals at which projects are polled."""

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
"""Seconds between polls, by status.

Source: "Project lifecycle" in the overview.
"""

DEFAULT_POLL_INTERVAL: Final = 30.0
"""Seconds between polls of a project with an unknown status.

The interval is that of a running project.
"""

MIN_POLL_INTERVAL: Final = 5.0
"""The shortest time between two polls, in seconds.

It is the shortest documented interval. Only a poll on request comes sooner.
"""


def _positive(_: object, field: "attrs.Attribute[float]", value: float) -> None:
    if not value > 0:
        raise ConfigurationError(f"{field.name} is seconds and must be positive, not {value!r}")


def _share(_: object, field: "attrs.Attribute[float]", value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigurationError(f"{field.name} is a share of the request budget, 0 to 1, not {value!r}")


@attrs.frozen(kw_only=True)
class PollSchedule:
    """The times at which projects are polled, and the tolerance for failures.

    Attributes:
        intervals: Seconds between polls, by status; a status that is missing here has the interval of a
            running project.
        spare: The share of the request budget for polls before they are due, as far as no other caller needs
            it at that moment. Such polls find an end sooner, which frees slots and starts renders sooner.
            They are never closer than 5 seconds. With 0, polls keep strictly to the intervals.
        max_failure_time: The longest time for which polls may fail in a row, in seconds; then the waits end
            with the failure.
        grace: Seconds after the response to a create, or an adoption, in which any 404 for the project means
            that the server has not caught up; and after a message or render in which `idle` means a response
            from before it.
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
        """Return the seconds until the next poll of a project.

        Args:
            status: The last observed status; None for a new project.
        """
        if status is None:
            return MIN_POLL_INTERVAL
        return self.intervals.get(status, DEFAULT_POLL_INTERVAL)
