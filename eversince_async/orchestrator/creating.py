"""Finding a project again that its idempotency key no longer stands for.

The same key brings back whatever the first create made, unless that has failed: then it would make another.
"""

from datetime import datetime, timedelta
from typing import Final

from eversince_async.lifecycle import ProjectStatus
from eversince_async.models.projects import Brief, ProjectSummary
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.effects import Deed

SKEW: Final = timedelta(seconds=60)
"""How far the server's clock may be behind ours."""

BRIEF_SHOWN: Final = 200
"""Characters of a brief that a list shows."""


async def failed_project(desk: Desk, deed: Deed, brief: Brief) -> ProjectSummary | None:
    """The failed project that an earlier create of ours has made; None: there is none."""
    since = datetime.fromisoformat(deed.baseline["since"]) - SKEW
    said = _start_of(brief.brief)
    async for project in desk.api.projects.iter(status=ProjectStatus.FAILED):
        if project.created_at is not None and project.created_at < since:
            return None  # the newest come first
        if _start_of(project.brief or "") == said and not await deed.belongs_to_another(project.id):
            return project
    return None


def _start_of(brief: str) -> str:
    """What a list and a brief have in common: the list's is cut, and its end may say so."""
    return " ".join(brief.split())[: BRIEF_SHOWN - 10]
