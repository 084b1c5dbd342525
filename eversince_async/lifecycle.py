"""The life of a project: its statuses and what may be done in each.

Source: "Project lifecycle" in the overview and "Status values" in the endpoint catalogue. The graph is
deliberately absent: the agent works in cycles and a look may miss a step, so any transition is taken as
it comes.
"""

from enum import StrEnum
from typing import Final


class ProjectStatus(StrEnum):
    """Where a project stands; open: a status added later arrives as a plain string."""

    QUEUED = "queued"
    """Waiting to start."""
    RUNNING = "running"
    """The agent plans and works."""
    GENERATING = "generating"
    """Waiting for the model providers."""
    RENDERING = "rendering"
    """The video is being assembled."""
    IDLE = "idle"
    """The agent finished its run; ready for what comes next."""
    COMPLETED = "completed"
    """Settled like idle; named by the May 2026 catalogue beside messages, in no status table."""
    FAILED = "failed"
    """Something went wrong; the project's `error_message` says what."""
    CANCELLED = "cancelled"
    """Stopped with the cancel endpoint; may also follow a finished run."""


ACTIVE: Final = frozenset(
    {ProjectStatus.QUEUED, ProjectStatus.RUNNING, ProjectStatus.GENERATING, ProjectStatus.RENDERING}
)
"""Statuses that hold one of the account's active-project slots."""

FINAL: Final = frozenset({ProjectStatus.FAILED, ProjectStatus.CANCELLED})
"""Statuses nothing more is expected of (though a May 2026 server takes messages even then)."""

SETTLED: Final = frozenset({ProjectStatus.IDLE, ProjectStatus.COMPLETED}) | FINAL
"""Statuses that end polling. A status in neither set is unknown: keep polling, and say so."""
