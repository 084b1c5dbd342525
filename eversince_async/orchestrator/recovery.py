"""What earlier runs have left behind at the account, as a journal remembers it and a look shows."""

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
"""Stages of jobs that are over, or wait for a person or a time: none of their projects is at work."""

_learnt: weakref.WeakKeyDictionary[GovernorProtocol, "_Journals"] = weakref.WeakKeyDictionary()


async def learn_what_is_left(journal: Journal, runtime: Runtime) -> None:
    """Learn what earlier runs took of the day, and which slots are taken by what they have left; once.

    So nothing new begins in a slot that something unfinished still has, and nothing is refused for that. A
    journal in which nothing is at work costs no request.

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
    """An active project that an earlier run may have made of a brief; the account is looked at once for all.

    So what an idempotency key brings back goes on in the slot that it has, and nothing new takes it.
    """
    learnt = _learnt.setdefault(runtime.governor, _Journals())
    async with learnt.lock.get():
        if not learnt.has_looked:
            await _look_at_all(runtime, learnt)
    return learnt.lookalike(brief)


async def _look_at_all(runtime: Runtime, learnt: "_Journals") -> None:
    """See which projects of the account are active; if it cannot be asked, the server refuses, as ever."""
    with suppress(EversinceError):
        await retry_transient(runtime, lambda: _list_all(runtime, learnt))
    learnt.has_looked = True


async def _list_all(runtime: Runtime, learnt: "_Journals") -> None:
    def tell(project: Project | ProjectSummary, requested_at: float) -> None:
        runtime.governor.observed(project.id, project.status, requested_at=requested_at)
        if isinstance(project, ProjectSummary) and project.status in ACTIVE:
            learnt.active.setdefault(start_of(project.brief or ""), []).append(project.id)

    looks = PollRequests(runtime.session, tell)
    _, complete = await looks.list_projects(set())
    if not complete:
        await looks.list_active()


class _Journals:
    """Those that are read, by their files, or themselves where they have none; and what a look has shown."""

    def __init__(self) -> None:
        self.has_looked = False
        self.active: dict[str, list[str]] = {}  # projects by how their briefs begin
        self.lock = LoopLock()
        self._files = set[str]()
        self._others = weakref.WeakSet[Journal]()

    def lookalike(self, brief: str) -> str | None:
        """An active project of such a brief, for one production alone."""
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
    """Have the governor count the projects and renders of the last day, which earlier runs took; once.

    Raises:
        JournalError: They cannot be read; then nothing is counted, and the next one tries again.
    """
    counted = _seeded.setdefault(governor, _Journals())
    if journal in counted:
        return  # what has been done since then, this process has counted itself
    since = clock.now() - timedelta(days=1, minutes=1)
    spent: dict[QuotaName, list[datetime]] = {}
    for kind, quota in _QUOTAS:
        spent[quota] = await journal.spent(kind, since)
    if journal in counted:
        return  # by another who read it meanwhile
    counted.add(journal)
    for quota, times in spent.items():
        governor.quota.seed(quota, times)
