"""What earlier runs have left behind at the account, as a journal remembers it and a look shows."""

import asyncio
import os
import weakref
from contextlib import suppress
from datetime import timedelta
from typing import Final

from eversince_async import clock
from eversince_async.errors import EversinceError
from eversince_async.governor import AccountGovernor, QuotaName
from eversince_async.journal import Journal, SpentKind
from eversince_async.models.projects import Project, ProjectSummary
from eversince_async.orchestrator.desk import Desk
from eversince_async.orchestrator.effects import place_of
from eversince_async.orchestrator.looks import Looks
from eversince_async.orchestrator.observing import LOOKS_AFTER, persistently

_QUOTAS: Final[tuple[tuple[SpentKind, QuotaName], ...]] = (("create", "projects"), ("render", "renders"))

_counted: weakref.WeakKeyDictionary[AccountGovernor, "_Journals"] = weakref.WeakKeyDictionary()


_ENDS: Final = frozenset({"succeeded", "failed", "cancelled"})

_learnt: weakref.WeakKeyDictionary[AccountGovernor, "_Journals"] = weakref.WeakKeyDictionary()


async def learn_what_is_left(journal: Journal, desk: Desk) -> None:
    """Learn what earlier runs took of the day, and which slots are taken by what they have left; once.

    So nothing new begins in a slot that something unfinished still has, and nothing is refused for that. A
    journal in which nothing is unfinished costs no request.

    Raises:
        JournalError: The journal cannot be read.
    """
    await count_what_was_spent(journal, desk.governor)
    learnt = _learnt.setdefault(desk.governor, _Journals())
    async with learnt.lock:
        if journal in learnt:
            return
        counts = await journal.counts()
        if any(count for stage, count in counts.items() if stage not in _ENDS):
            for create in await journal.open_creates():
                left = LOOKS_AFTER[-1] - clock.certain_age(create.intent_moment, create.intent_at)
                if left > 0 and create.incarnation != journal.incarnation:
                    desk.governor.slots.expect(place_of(create.job_id, create.name), left)
            with suppress(EversinceError):  # then the server refuses what it has no room for, as ever
                await persistently(desk, lambda: _look_at_all(desk))
        learnt.add(journal)


async def _look_at_all(desk: Desk) -> None:
    """See which projects of the account are active."""

    def tell(project: Project | ProjectSummary, asked_at: float) -> None:
        desk.governor.observed(project.id, project.status, asked_at=asked_at)

    looks = Looks(desk.session, tell)
    _, complete = await looks.through(set())
    if not complete:
        await looks.survey()


class _Journals:
    """Those that are read: by their files, or themselves where they have none."""

    def __init__(self) -> None:
        self._lock: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None
        self._files = set[str]()
        self._others = weakref.WeakSet[Journal]()

    @property
    def lock(self) -> asyncio.Lock:
        """Held while one is read, of the running loop."""
        loop = asyncio.get_running_loop()
        if self._lock is None or self._lock[0] is not loop:
            self._lock = loop, asyncio.Lock()
        return self._lock[1]

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


async def count_what_was_spent(journal: Journal, governor: AccountGovernor) -> None:
    """Have the governor count the projects and renders of the last day, which earlier runs took; once.

    Raises:
        JournalError: They cannot be read; then nothing is counted, and the next one tries again.
    """
    counted = _counted.setdefault(governor, _Journals())
    if journal in counted:
        return  # what has been done since then, this process has counted itself
    since = clock.now() - timedelta(days=1, minutes=1)
    spent = [(quota, await journal.spent(kind, since)) for kind, quota in _QUOTAS]
    if journal in counted:
        return  # by another who read it meanwhile
    counted.add(journal)
    for quota, times in spent:
        governor.quota.seed(quota, times)
