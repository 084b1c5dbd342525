"""Finding a project again that its idempotency key no longer stands for, or cannot be asked for.

The same key brings back whatever the first create made, unless that has failed: then it would make another.
So before a create in doubt is sent again, the failed projects are looked through; and all of them where a
gateway would not pass it on again. A list shows no key, but
the beginning of the brief and the time; where these fit several projects, or several creates, a person has
to tell which is whose.
"""

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from eversince_async._wire.endpoints import CREATE_PROJECT
from eversince_async.governor import AccountGovernor
from eversince_async.journal import Effect, Json
from eversince_async.journal.fields import Field
from eversince_async.lifecycle import ProjectStatus
from eversince_async.limits import PAGE_PROJECTS
from eversince_async.models.projects import ProjectSummary
from eversince_async.orchestrator.desk import Desk, begun, now
from eversince_async.orchestrator.doubt import Ambiguous, is_made_after, is_made_before
from eversince_async.orchestrator.effects import Deed

ARRIVES: Final = timedelta(seconds=120)
"""After what time a request that was sent has arrived, or never will."""

OTHERS_END: Final = 120.0
"""Seconds for which others that may have made the same project are given time to learn what they made."""

LOOKS_AGAIN: Final = 10.0
"""Seconds between looks meanwhile."""

BRIEF_SHOWN: Final = 200
"""Characters of a brief that a list shows."""

KNOWN: Final = 500
"""Projects that are remembered as somebody's; only those of the last minutes matter."""


async def project_of(desk: Desk, deed: Deed, status: ProjectStatus | None = None) -> ProjectSummary | None:
    """The project that an earlier try of a create has made; None: there is none.

    Args:
        desk: What to work with.
        deed: The create.
        status: Only of this status; None for any.

    Raises:
        Ambiguous: It may be one of several, or another create's.
    """
    ours, account = _Try.of(desk, deed), _account(desk.governor)
    gives_up_at = now() + OTHERS_END
    while True:
        found = [
            project
            async for project in _made_since(desk, ours, status)
            if ours.may_have_made(project)
            and project.id not in account.made
            and not await deed.belongs_to_another(project.id)
        ]
        if not found:
            return None
        others = [each for each in await _others(desk, deed, account) if any(map(each.may_have_made, found))]
        if len(found) == 1 + len(others) and all(other.asks_for == ours.asks_for for other in others):
            # One for each, and all the same: so take the one that suits the fewest others.
            return min(found, key=lambda project: sum(other.may_have_made(project) for other in others))
        if now() >= gives_up_at or not others:
            raise Ambiguous(
                f"{len(found)} projects may be of {1 + len(others)} creates",
                endpoint=CREATE_PROJECT.name,
                find_out="look at " + ", ".join(project.id for project in found),
                candidates=[project.id for project in found],
            )
        await asyncio.sleep(LOOKS_AGAIN)


async def _made_since(
    desk: Desk, ours: "_Try", status: ProjectStatus | None
) -> AsyncIterator[ProjectSummary]:
    older = 0
    async for project in desk.api.projects.iter(status=status):
        if not is_made_before(project.created_at, ours.since):
            older = 0
            yield project
        elif (older := older + 1) >= PAGE_PROJECTS:
            return  # the newest come first, by and large: by what time is not documented


@contextmanager
def create_under_way(desk: Desk, deed: Deed) -> Generator[Callable[[str], None], None, None]:
    """While a create is under way: others of this process take no failed project for theirs that may be its.

    Yields:
        What is to be called with the project it has made.
    """
    account = _account(desk.governor)
    account.under_way.add(deed)
    try:
        yield account.add
    finally:
        account.under_way.discard(deed)


async def _others(desk: Desk, deed: Deed, account: "_Account") -> "list[_Try]":
    """Other creates of which it is not known what they made: of the journal's jobs, or of this process."""
    if deed.journal is None:
        others = [other for other in account.under_way if other is not deed and other.journal is None]
        return [_Try.of(desk, other) for other in others]
    effects = await deed.journal.open_creates()
    return [_Try.of_effect(desk, effect) for effect in effects if not deed.is_of(effect)]


@attrs.frozen
class _Try:
    """What was asked for, and when it may have been carried out, by the server's clock."""

    desk: Desk
    asks_for: Mapping[str, Any]
    baseline: Mapping[str, Json]
    effect: Effect | None = None

    @classmethod
    def of(cls, desk: Desk, deed: Deed) -> "_Try":
        if deed.entry is not None:
            return cls.of_effect(desk, deed.entry)
        return cls(desk, _without_key(deed.request), deed.baseline)

    @classmethod
    def of_effect(cls, desk: Desk, effect: Effect) -> "_Try":
        request = Field.of(effect, "request")
        request["brief"].text()
        return cls(desk, _without_key(request.mapping()), begun(Field.of(effect, "baseline")), effect)

    @property
    def since(self) -> datetime:
        return self.desk.began(self.baseline)

    @property
    def until(self) -> datetime | None:
        if self.effect is None:
            return None
        return self.desk.server_time(self.effect.intent_moment, self.effect.intent_at) + ARRIVES

    def may_have_made(self, project: ProjectSummary) -> bool:
        """Whether a project looks as what was asked for would, and was made at the time."""
        if start_of(project.brief or "") != start_of(self.asks_for["brief"]):
            return False
        at, until = project.created_at, self.until
        return not is_made_before(at, self.since) and (until is None or not is_made_after(at, until))


def _without_key(request: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in request.items() if name != "idempotency_key"}


def start_of(brief: str) -> str:
    """What a list and a brief have in common: the list's is cut, and its end may say so."""
    return " ".join(brief.split())[: BRIEF_SHOWN - 10]


class _Account:
    """What this process creates on one account.

    Attributes:
        under_way: Creates of which it is not known what they made.
        made: Projects that are known to be somebody's.
    """

    def __init__(self) -> None:
        self.under_way = set[Deed]()
        self.made = OrderedDict[str, None]()

    def add(self, project_id: str) -> None:
        self.made[project_id] = None
        if len(self.made) > KNOWN:
            self.made.popitem(last=False)


_accounts: weakref.WeakKeyDictionary[AccountGovernor, _Account] = weakref.WeakKeyDictionary()


def _account(governor: AccountGovernor) -> _Account:
    return _accounts.setdefault(governor, _Account())
