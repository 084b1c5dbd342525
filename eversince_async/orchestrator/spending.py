"""What earlier runs took of the day, as a journal remembers it."""

import weakref
from datetime import timedelta
from typing import Final

from eversince_async import clock
from eversince_async.governor import AccountGovernor, QuotaName
from eversince_async.journal import Journal, SpentKind

_QUOTAS: Final[tuple[tuple[SpentKind, QuotaName], ...]] = (("create", "projects"), ("render", "renders"))

_counted: weakref.WeakKeyDictionary[AccountGovernor, set[str]] = weakref.WeakKeyDictionary()


async def count_what_was_spent(journal: Journal, governor: AccountGovernor) -> None:
    """Have the governor count the projects and renders of the last day, which earlier runs took; once."""
    counted = _counted.setdefault(governor, set())
    journal_is = str(getattr(journal, "path", id(journal)))
    if journal_is in counted:
        return  # what has been done since then, this process has counted itself
    counted.add(journal_is)
    since = clock.now() - timedelta(days=1, minutes=1)
    for kind, quota in _QUOTAS:
        governor.quota.seed(quota, await journal.spent(kind, since))
