"""What earlier runs took of the day, as a journal remembers it."""

import os
import weakref
from datetime import timedelta
from typing import Final

from eversince_async import clock
from eversince_async.governor import AccountGovernor, QuotaName
from eversince_async.journal import Journal, SpentKind

_QUOTAS: Final[tuple[tuple[SpentKind, QuotaName], ...]] = (("create", "projects"), ("render", "renders"))

_counted: weakref.WeakKeyDictionary[AccountGovernor, "_Journals"] = weakref.WeakKeyDictionary()


class _Journals:
    """Those whose uses are counted: by their files, or themselves where they have none."""

    def __init__(self) -> None:
        self._files = set[str]()
        self._others = weakref.WeakSet[Journal]()

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
