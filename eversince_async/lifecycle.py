"""The life of a project: its statuses and their meanings.

Source: "Project lifecycle" in the overview and "Status values" in the endpoint catalogue. The graph of
transitions is deliberately absent: the agent works in cycles and a poll may miss a step, so any transition is
accepted as it comes.
"""

from enum import StrEnum
from typing import Final


class ProjectStatus(StrEnum):
    """The status of a project.

    The set is open: a status added later arrives as a plain string.
    """

    QUEUED = "queued"
    """The project waits to start."""
    RUNNING = "running"
    """The agent plans and works."""
    GENERATING = "generating"
    """The project waits for the model providers."""
    RENDERING = "rendering"
    """The video is being assembled."""
    IDLE = "idle"
    """The agent finished its run and is ready for the next."""
    COMPLETED = "completed"
    """Settled, like idle.

    The May 2026 catalogue names it beside messages, in no status table."""
    FAILED = "failed"
    """Something went wrong.

    The project's `error_message` describes it."""
    CANCELLED = "cancelled"
    """The project was stopped with the cancel endpoint.

    The status may also follow a finished run."""


ACTIVE: Final = frozenset(
    {ProjectStatus.QUEUED, ProjectStatus.RUNNING, ProjectStatus.GENERATING, ProjectStatus.RENDERING}
)
"""Statuses that hold one of the account's active-project slots."""

FINAL: Final = frozenset({ProjectStatus.FAILED, ProjectStatus.CANCELLED})
"""Statuses after which nothing more is expected.

A May 2026 server takes messages even then."""

SETTLED: Final = frozenset({ProjectStatus.IDLE, ProjectStatus.COMPLETED}) | FINAL
"""Statuses that end polling.

A status in neither set is unknown: polling continues and reports it."""
