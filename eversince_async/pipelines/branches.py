"""Branches of steps, with step names that every run repeats.

A step gets its name at the call, not when its turn comes: `run.gather(run.produce(a), run.produce(b))` names
the steps in the order in which they are written, however long each takes.
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
"""Characters that names must not contain: `/` separates branches, `:` precedes the parts of a step."""


@attrs.frozen
class BranchPoint:
    """The point at which a branch was opened.

    Attributes:
        branch: The prefix of the parent branch, with a `/` after each part.
        at: The number of steps that the parent branch had by then.
        name: The name of the branch itself.
    """

    branch: str
    at: int
    name: str


@attrs.frozen(kw_only=True)
class StepCall:
    """A step as the pipeline's function calls it.

    Attributes:
        name: The step's name, with its branches.
        branch: The names of the branches alone, with a `/` after each.
        operation: The kind of step, such as `produce`.
        at: The step's place in its branch, counted from 0.
        arguments: The arguments, in the form in which they are compared with an earlier run's.
        caught_failures: Names of steps that had failed before this call. The function has caught these
            failures, since it continues.
        branches: Names of the branches that had been opened from the step's own branch by then.
        ancestors: The points at which the step's own branch, and each above it, was opened.
        display: Further values that the journal stores for people to read.
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
        """Build the request that the journal stores for the step."""
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
    """A sequence of steps in one task.

    Args:
        prefix: The names of the branches, with a `/` after each; empty for the function's own branch.
        failed: The names of the steps that have failed in this run, shared by all branches.
        lineage: The points at which this branch, and each above it, was opened.
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
        """Open a branch below this one.

        Raises:
            ConfigurationError: The name is invalid or taken.
        """
        prefix = f"{self.prefix}{self._claim_name(f'{_check_name(name)}/')}"
        self._branches.append(name)
        return Branch(prefix, self._failed, (*self._lineage, BranchPoint(self.prefix, self._at, name)))

    def call(self, verb: str, arguments: Json, name: str | None, **shown: Json) -> StepCall:
        """Build the call of the next step.

        Raises:
            ConfigurationError: The name is invalid or taken, or another task makes the call.
            JournalError: The arguments cannot be stored.
        """
        self._check_task()
        if name is None:
            self._counts[verb] += 1
            count = self._counts[verb]
            name = verb if count == 1 else f"{verb}-{count}"
        whole = f"{self.prefix}{self._claim_name(_check_name(name))}"
        at, self._at = self._at, self._at + 1
        past = [step for step in self._failed if step.startswith(self.prefix)]
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
        """Refuse calls from a second task.

        With two tasks, the order of the steps would depend on timing, and differ between runs.
        """
        task = asyncio.current_task()
        self._task = self._task or task
        if task is not self._task:
            raise ConfigurationError(
                "this run is used by another task: give what runs beside it a branch of its own, "
                "`run.branch(name)`"
            )


def _check_name(name: str) -> str:
    if not name or any(mark in name for mark in RESERVED_CHARACTERS):
        raise ConfigurationError(f"a name must not be empty, nor contain / or :, unlike {name!r}")
    return name


T = TypeVar("T")


async def gather(*awaitables: Awaitable[T]) -> tuple[T, ...]:
    """Wait for all awaitables, and return their results.

    If any fail, the first error in the order of the arguments is raised once all have ended. A failure does
    not end the other awaitables: what they have begun at the server costs money. Cancelling `gather` cancels
    them all, and waits until they have ended.
    """
    tasks = [asyncio.ensure_future(_to_coroutine(line)) for line in awaitables]
    try:
        if tasks:
            await asyncio.wait(tasks)
    finally:
        await end(*tasks)
    errors: list[BaseException | None] = [None if task.cancelled() else task.exception() for task in tasks]
    for error in errors:
        if isinstance(error, RunStopped):
            raise error
    return tuple([task.result() for task in tasks])


async def _to_coroutine(line: Awaitable[T]) -> T:
    return await line
