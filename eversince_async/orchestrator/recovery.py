"""Recovery of the quotas and slots that earlier runs took."""

import os
import weakref
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from eversince_async import clock
from eversince_async._loop_lock import LoopLock
from eversince_async.durable.confirm import CONFIRM_DELAYS, retry_transient
from eversince_async.durable.executor import place_of
from eversince_async.errors import EversinceError
from eversince_async.governor import GovernorProtocol, QuotaName
from eversince_async.journal import Journal, QuotaKind
from eversince_async.lifecycle import ACTIVE
from eversince_async.models.projects import Project, ProjectSummary
from eversince_async.orchestrator.create import start_of
from eversince_async.orchestrator.runtime import Runtime
from eversince_async.polling.requests import PollRequests

_QUOTAS: Final[tuple[tuple[QuotaKind, QuotaName], ...]] = (("create", "projects"), ("render", "renders"))

_seeded: weakref.WeakKeyDictionary[GovernorProtocol, "_Journals"] = weakref.WeakKeyDictionary()


_WITHOUT_SLOT: Final = frozenset({"succeeded", "failed", "cancelled", "waiting"})
"""Stages of jobs without an active project.

These jobs are over, or wait for a person or a time.
"""

_learnt: weakref.WeakKeyDictionary[GovernorProtocol, "_Journals"] = weakref.WeakKeyDictionary()


async def learn_what_is_left(journal: Journal, runtime: Runtime) -> None:
    """Learn which quotas and slots earlier runs still take, once.

    So no new project begins in a slot that an unfinished project still has, and the server refuses none for
    that. A journal in which no job is at work costs no request.

    Raises:
        JournalError: The journal cannot be read.
    """
    await seed_quotas(journal, runtime.governor)
    learnt = _learnt.setdefault(runtime.governor, _Journals())
    async with learnt.lock.get():
        if journal in learnt:
            return
        counts = await journal.counts()
        if any(count for stage, count in counts.items() if stage not in _WITHOUT_SLOT):
            for create in await journal.open_creates():
                left = CONFIRM_DELAYS[-1] - clock.certain_age(create.intent_moment, create.intent_at)
                if left > 0 and create.incarnation != journal.incarnation:
                    runtime.governor.slots.expect(place_of(create.job_id, create.name), left)
            await _look_at_all(runtime, learnt)
        learnt.add(journal)


async def active_lookalike(runtime: Runtime, brief: str) -> str | None:
    """Return an active project that may come from this brief.

    An earlier run may have made it. The account is listed once for all callers. So a project that an
    idempotency key brings back goes on in the slot that it has, and no new project takes that slot.
    """
    learnt = _learnt.setdefault(runtime.governor, _Journals())
    async with learnt.lock.get():
        if not learnt.has_looked:
            await _look_at_all(runtime, learnt)
    return learnt.lookalike(brief)


async def _look_at_all(runtime: Runtime, learnt: "_Journals") -> None:
    """List the account's active projects.

    If the list cannot be fetched, the server refuses creates without a slot, as ever.
    """
    with suppress(EversinceError):
        await retry_transient(runtime, lambda: _list_all(runtime, learnt))
    learnt.has_looked = True


async def _list_all(runtime: Runtime, learnt: "_Journals") -> None:
    def note(project: Project | ProjectSummary, requested_at: float) -> None:
        runtime.governor.observed(project.id, project.status, requested_at=requested_at)
        if isinstance(project, ProjectSummary) and project.status in ACTIVE:
            learnt.active.setdefault(start_of(project.brief or ""), []).append(project.id)

    requests = PollRequests(runtime.session, note)
    _, complete = await requests.list_projects(set())
    if not complete:
        await requests.list_active()


class _Journals:
    """The journals that were read, and the active projects of the account.

    A journal is known by its file, or by itself if it has none.
    """

    def __init__(self) -> None:
        self.has_looked = False
        self.active: dict[str, list[str]] = {}  # projects by how their briefs begin
        self.lock = LoopLock()
        self._files = set[str]()
        self._others = weakref.WeakSet[Journal]()

    def lookalike(self, brief: str) -> str | None:
        """Return an active project with this brief, each for one production only."""
        alike = self.active.get(start_of(brief))
        return alike.pop(0) if alike else None

    def __contains__(self, journal: Journal) -> bool:
        file = _file_of(journal)
        return journal in self._others if file is None else file in self._files

    def add(self, journal: Journal) -> None:
        file = _file_of(journal)
        if file is None:
            self._others.add(journal)
        else:
            self._files.add(file)


def _file_of(journal: Journal) -> str | None:
    path = getattr(journal, "path", None)
    return None if path is None else os.path.realpath(path)


async def seed_quotas(journal: Journal, governor: GovernorProtocol) -> None:
    """Count the last day's projects and renders of earlier runs, once.

    The governor's quotas start with these counts.

    Raises:
        JournalError: The journal cannot be read; then nothing is counted, and the next call tries again.
    """
    counted = _seeded.setdefault(governor, _Journals())
    if journal in counted:
        return  # this process has counted its own projects and renders since then
    since = clock.now() - timedelta(days=1, minutes=1)
    spent: dict[QuotaName, list[datetime]] = {}
    for kind, quota in _QUOTAS:
        spent[quota] = await journal.spent(kind, since)
    if journal in counted:
        return  # another task has counted them meanwhile
    counted.add(journal)
    for quota, times in spent.items():
        governor.quota.seed(quota, times)
