"""Steps as the function asks for them: in branches, each under a name that is the same in every run.

A name is given at the call, not when its turn comes: `run.gather(run.produce(a), run.produce(b))` names them
in the order in which they are written, however long each takes.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import attrs

from eversince_async.durable.lease import RunStopped
from eversince_async.errors import ConfigurationError
from eversince_async.journal import Json
from eversince_async.journal.redaction import redact_for_resend
from eversince_async.tasks import end

RESERVED_CHARACTERS: Final = "/:"
"""`/` stands between branches, `:` before the parts of a step."""


@attrs.frozen
class BranchPoint:
    """Where a branch begins.

    Attributes:
        branch: The branch it was opened from, with a `/` behind each part.
        at: How many steps that had had.
        name: Its own name.
    """

    branch: str
    at: int
    name: str


@attrs.frozen(kw_only=True)
class StepCall:
    """One step, as the function asks for it.

    Attributes:
        name: Its name, with its branches.
        branch: The branches alone, with a `/` behind each.
        operation: What it does.
        at: Its place in its branch, from 0.
        arguments: With what, as it is compared with an earlier run's.
        caught_failures: Steps that had failed before and were got over, since the function goes on.
        branches: The branches that had been opened from its own by then.
        ancestors: Where its own branch, and each above it, was opened.
        display: What else is kept of it for people to read.
    """

    name: str
    branch: str
    operation: str
    at: int
    arguments: Json
    caught_failures: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    ancestors: tuple["BranchPoint", ...] = ()
    display: dict[str, Json] = attrs.field(factory=dict[str, Json])

    def request(self, **more: Json) -> dict[str, Json]:
        """What the journal keeps of it."""
        return {
            "verb": self.operation,
            "at": self.at,
            "arguments": self.arguments,
            **({"past": list(self.caught_failures)} if self.caught_failures else {}),
            **({"branches": list(self.branches)} if self.branches else {}),
            **self.display,
            **more,
        }


class Branch:
    """One line of steps after another, in one task.

    Args:
        prefix: The names of the branches, with a `/` behind each; empty for the function's own.
        failed: The names of the steps that have failed in this run, shared by all branches.
        lineage: Where it, and each branch above it, was opened.
    """

    def __init__(self, prefix: str, failed: list[str], lineage: tuple[BranchPoint, ...] = ()) -> None:
        self.prefix = prefix
        self._failed = failed
        self._lineage = lineage
        self._branches = list[str]()
        self._names = set[str]()
        self._counts = Counter[str]()
        self._at = 0
        self._task: asyncio.Task[Any] | None = None

    def branch(self, name: str) -> "Branch":
        """A branch of this one.

        Raises:
            ConfigurationError: The name cannot be one, or is taken.
        """
        prefix = f"{self.prefix}{self._claim_name(f'{_check_name(name)}/')}"
        self._branches.append(name)
        return Branch(prefix, self._failed, (*self._lineage, BranchPoint(self.prefix, self._at, name)))

    def call(self, verb: str, arguments: Json, name: str | None, **shown: Json) -> StepCall:
        """The next step.

        Raises:
            ConfigurationError: The name cannot be one, or is taken; or another task asks for it.
            JournalError: What stands in the arguments cannot be written down.
        """
        self._check_task()
        if name is None:
            self._counts[verb] += 1
            count = self._counts[verb]
            name = verb if count == 1 else f"{verb}-{count}"
        whole = f"{self.prefix}{self._claim_name(_check_name(name))}"
        at, self._at = self._at, self._at + 1
        past = [failed for failed in self._failed if failed.startswith(self.prefix)]
        return StepCall(
            name=whole,
            branch=self.prefix,
            operation=verb,
            at=at,
            arguments=redact_for_resend(arguments),
            caught_failures=tuple(past),
            branches=tuple(self._branches),
            ancestors=self._lineage,
            display=shown,
        )

    def _claim_name(self, name: str) -> str:
        if name in self._names:
            raise ConfigurationError(f"there is a {self.prefix}{name} already: give it another name")
        self._names.add(name)
        return name

    def _check_task(self) -> None:
        """In another task, the order of steps would be a matter of time, and another one in each run."""
        task = asyncio.current_task()
        self._task = self._task or task
        if task is not self._task:
            raise ConfigurationError(
                "this run is used by another task: give what runs beside it a branch of its own, "
                "`run.branch(name)`"
            )


def _check_name(name: str) -> str:
    if not name or any(mark in name for mark in RESERVED_CHARACTERS):
        raise ConfigurationError(f"a name has characters, and neither / nor : among them, unlike {name!r}")
    return name


T = TypeVar("T")


async def gather(*awaitables: Awaitable[T]) -> tuple[T, ...]:
    """Wait for all; then give all results, or raise the first error in the order in which they are given.

    One that fails does not end the others: what they have begun is paid for. Cancelled, it cancels all, and
    waits until they have ended.
    """
    tasks = [asyncio.ensure_future(_to_coroutine(line)) for line in awaitables]
    try:
        if tasks:
            await asyncio.wait(tasks)
    finally:
        await end(*tasks)
    ends: list[BaseException | None] = [None if task.cancelled() else task.exception() for task in tasks]
    for left in ends:
        if isinstance(left, RunStopped):
            raise left
    return tuple([task.result() for task in tasks])


async def _to_coroutine(line: Awaitable[T]) -> T:
    return await line
