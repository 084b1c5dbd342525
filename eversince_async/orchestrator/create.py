"""Search for projects that their idempotency keys cannot bring back.

The same key brings back the project of the first create, unless that project has failed: the server would
then make another. So before a create in doubt is sent again, the failed projects are searched; and all
projects, if a gateway would not pass the create on again. A list shows no key, but the beginning of the brief
and the time; if these fit several projects, or several creates, a person has to tell which project belongs to
which create.
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
from eversince_async.durable.api import loop_time, moment_to_json
from eversince_async.durable.doubt import AmbiguousOutcome, is_made_after, is_made_before
from eversince_async.durable.executor import EffectExecution
from eversince_async.governor import GovernorProtocol
from eversince_async.journal import Effect, Json
from eversince_async.journal.fields import Field
from eversince_async.lifecycle import ProjectStatus
from eversince_async.limits import PAGE_PROJECTS
from eversince_async.models.projects import ProjectSummary
from eversince_async.orchestrator.runtime import Runtime

REQUEST_LIFETIME: Final = timedelta(seconds=120)
"""Time after which a sent request has arrived, or never will."""

COMPETING_TIMEOUT: Final = 120.0
"""Seconds for competing creates to learn which project each of them made."""

COMPETING_POLL_INTERVAL: Final = 10.0
"""Seconds between two polls while competing creates are open."""

LISTED_BRIEF_LENGTH: Final = 200
"""Characters of a brief that a list shows."""

MAX_REMEMBERED: Final = 500
"""Claimed projects to remember; only those of the last minutes matter."""


async def project_of(
    runtime: Runtime, execution: EffectExecution, status: ProjectStatus | None = None
) -> ProjectSummary | None:
    """Return the project of an earlier attempt of a create.

    None if there is none.

    Args:
        runtime: The tools of workflows.
        execution: The execution of the create.
        status: The project's status; None for any.

    Raises:
        AmbiguousOutcome: The project may be one of several, or another create's.
    """
    ours, account = _CreateAttempt.of(runtime, execution), _created_projects(runtime.governor)
    gives_up_at = loop_time() + COMPETING_TIMEOUT
    while True:
        found = [
            project
            async for project in _list_since(runtime, ours, status)
            if ours.matches(project)
            and project.id not in account.made
            and not await execution.is_claimed_by_other(project.id)
        ]
        if not found:
            return None
        others = [
            each
            for each in await _competing_creates(runtime, execution, account)
            if any(map(each.matches, found))
        ]
        if len(found) == 1 + len(others) and all(other.asks_for == ours.asks_for for other in others):
            # There is one project for each create, and the creates are alike: take the one that fits the
            # fewest others.
            return min(found, key=lambda project: sum(other.matches(project) for other in others))
        if loop_time() >= gives_up_at or not others:
            raise AmbiguousOutcome(
                f"{len(found)} projects may be of {1 + len(others)} creates",
                endpoint=CREATE_PROJECT.name,
                find_out="look at " + ", ".join(project.id for project in found),
                candidates=[project.id for project in found],
            )
        await asyncio.sleep(COMPETING_POLL_INTERVAL)


async def _list_since(
    runtime: Runtime, ours: "_CreateAttempt", status: ProjectStatus | None
) -> AsyncIterator[ProjectSummary]:
    older = 0
    async for project in runtime.api.projects.iter(status=status):
        if not is_made_before(project.created_at, ours.since):
            older = 0
            yield project
        elif (older := older + 1) >= PAGE_PROJECTS:
            return  # the newest projects come first, roughly: the order's time is not documented


@contextmanager
def register_create(
    runtime: Runtime, execution: EffectExecution
) -> Generator[Callable[[str], None], None, None]:
    """Register a create while it is under way.

    Other creates of this process then do not adopt a failed project that may be this one's.

    Yields:
        A function to call with the id of the created project.
    """
    account = _created_projects(runtime.governor)
    account.under_way.add(execution)
    try:
        yield account.add
    finally:
        account.under_way.discard(execution)


async def _competing_creates(
    runtime: Runtime, execution: EffectExecution, account: "_CreatedProjects"
) -> "list[_CreateAttempt]":
    """Return the other creates that may have made an unknown project.

    These are the creates of the journal's jobs or, without a journal, of this process.
    """
    if execution.journal is None:
        others = [other for other in account.under_way if other is not execution and other.journal is None]
        return [_CreateAttempt.of(runtime, other) for other in others]
    effects = await execution.journal.open_creates()
    return [_CreateAttempt.of_effect(runtime, effect) for effect in effects if not execution.matches(effect)]


@attrs.frozen
class _CreateAttempt:
    """A create's request, and the time of its possible execution.

    The times are those of the server's clock.
    """

    runtime: Runtime
    asks_for: Mapping[str, Any]
    baseline: Mapping[str, Json]
    effect: Effect | None = None

    @classmethod
    def of(cls, runtime: Runtime, execution: EffectExecution) -> "_CreateAttempt":
        if execution.record is not None:
            return cls.of_effect(runtime, execution.record)
        return cls(runtime, _without_idempotency_key(execution.request), execution.baseline)

    @classmethod
    def of_effect(cls, runtime: Runtime, effect: Effect) -> "_CreateAttempt":
        request = Field.of(effect, "request")
        request["brief"].text()
        return cls(
            runtime,
            _without_idempotency_key(request.mapping()),
            moment_to_json(Field.of(effect, "baseline")),
            effect,
        )

    @property
    def since(self) -> datetime:
        return self.runtime.server_time_of(self.baseline)

    @property
    def until(self) -> datetime | None:
        if self.effect is None:
            return None
        return (
            self.runtime.server_time_at(self.effect.intent_moment, self.effect.intent_at) + REQUEST_LIFETIME
        )

    def matches(self, project: ProjectSummary) -> bool:
        """Return True if a project fits this create's request and time."""
        if start_of(project.brief or "") != start_of(self.asks_for["brief"]):
            return False
        at, until = project.created_at, self.until
        return not is_made_before(at, self.since) and (until is None or not is_made_after(at, until))


def _without_idempotency_key(request: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in request.items() if name != "idempotency_key"}


def start_of(brief: str) -> str:
    """Return the start of a brief that lists show.

    A list cuts the brief, and may mark its end.
    """
    return " ".join(brief.split())[: LISTED_BRIEF_LENGTH - 10]


class _CreatedProjects:
    """The projects that this process creates on one account.

    Attributes:
        under_way: Creates whose projects are not known yet.
        made: Projects that are known to belong to a create.
    """

    def __init__(self) -> None:
        self.under_way = set[EffectExecution]()
        self.made = OrderedDict[str, None]()

    def add(self, project_id: str) -> None:
        self.made[project_id] = None
        if len(self.made) > MAX_REMEMBERED:
            self.made.popitem(last=False)


_accounts: weakref.WeakKeyDictionary[GovernorProtocol, _CreatedProjects] = weakref.WeakKeyDictionary()


def _created_projects(governor: GovernorProtocol) -> _CreatedProjects:
    return _accounts.setdefault(governor, _CreatedProjects())
