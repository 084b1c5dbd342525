"""Steps as the function asks for them: in branches, each under a name that is the same in every run.

A name is given at the call, not when its turn comes: `run.gather(run.produce(a), run.produce(b))` names them
in the order in which they are written, however long each takes.
"""

import asyncio
from collections import Counter
from typing import Any, Final

import attrs

from eversince_async.errors import ConfigurationError
from eversince_async.journal import Json
from eversince_async.journal.stored import sendable

NOT_IN_NAMES: Final = "/:"
"""`/` stands between branches, `:` before the parts of a step."""


@attrs.frozen
class Opening:
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
class Call:
    """One step, as the function asks for it.

    Attributes:
        name: Its name, with its branches.
        branch: The branches alone, with a `/` behind each.
        verb: What it does.
        at: Its place in its branch, from 0.
        arguments: With what, as it is compared with an earlier run's.
        past: Steps that had failed before and were got over, since the function goes on.
        branches: The branches that had been opened from its own by then.
        lineage: Where its own branch, and each above it, was opened.
        shown: What else is kept of it for people to read.
    """

    name: str
    branch: str
    verb: str
    at: int
    arguments: Json
    past: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    lineage: tuple["Opening", ...] = ()
    shown: dict[str, Json] = attrs.field(factory=dict[str, Json])

    def request(self, **more: Json) -> dict[str, Json]:
        """What the journal keeps of it."""
        return {
            "verb": self.verb,
            "at": self.at,
            "arguments": self.arguments,
            **({"past": list(self.past)} if self.past else {}),
            **({"branches": list(self.branches)} if self.branches else {}),
            **self.shown,
            **more,
        }


class Branch:
    """One line of steps after another, in one task.

    Args:
        prefix: The names of the branches, with a `/` behind each; empty for the function's own.
        failed: The names of the steps that have failed in this run, shared by all branches.
        lineage: Where it, and each branch above it, was opened.
    """

    def __init__(self, prefix: str, failed: list[str], lineage: tuple[Opening, ...] = ()) -> None:
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
        prefix = f"{self.prefix}{self._new(f'{_checked(name)}/')}"
        self._branches.append(name)
        return Branch(prefix, self._failed, (*self._lineage, Opening(self.prefix, self._at, name)))

    def call(self, verb: str, arguments: Json, name: str | None, **shown: Json) -> Call:
        """The next step.

        Raises:
            ConfigurationError: The name cannot be one, or is taken; or another task asks for it.
            JournalError: What stands in the arguments cannot be written down.
        """
        self._need_one_task()
        if name is None:
            self._counts[verb] += 1
            count = self._counts[verb]
            name = verb if count == 1 else f"{verb}-{count}"
        whole = f"{self.prefix}{self._new(_checked(name))}"
        at, self._at = self._at, self._at + 1
        past = [failed for failed in self._failed if failed.startswith(self.prefix)]
        return Call(
            name=whole,
            branch=self.prefix,
            verb=verb,
            at=at,
            arguments=sendable(arguments),
            past=tuple(past),
            branches=tuple(self._branches),
            lineage=self._lineage,
            shown=shown,
        )

    def _new(self, name: str) -> str:
        if name in self._names:
            raise ConfigurationError(f"there is a {self.prefix}{name} already: give it another name")
        self._names.add(name)
        return name

    def _need_one_task(self) -> None:
        """In another task, the order of steps would be a matter of time, and another one in each run."""
        task = asyncio.current_task()
        self._task = self._task or task
        if task is not self._task:
            raise ConfigurationError(
                "this run is used by another task: give what runs beside it a branch of its own, "
                "`run.branch(name)`"
            )


def _checked(name: str) -> str:
    if not name or any(mark in name for mark in NOT_IN_NAMES):
        raise ConfigurationError(f"a name has characters, and neither / nor : among them, unlike {name!r}")
    return name
