"""What one test has of ours: an emulator, the clients made meanwhile, and what it must not leave behind."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import sys
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from eversince_async.client import Eversince
from eversince_async.emulator import Emulator
from eversince_async.governor.snapshot import LeaseSnapshot
from eversince_async.testing.virtual_time import VirtualTimeLoop

ALLOWANCES: Final = ("429", "slots", "clients")
"""What can be allowed."""

SHOWN: Final = 5
"""Of how many refusals a complaint tells; more would say no more."""

ROUNDS: Final = 10
"""Rounds of the loop in which tasks that were just cancelled may give their slots back."""


@attrs.frozen
class Options:
    """What the markers of a test say.

    Attributes:
        emulator: Options of its emulator.
        allowed: What does not make it fail.
    """

    emulator: Mapping[str, Any]
    allowed: frozenset[str]

    @classmethod
    def of(cls, node: pytest.Item, allowed: Iterable[str]) -> Options:
        """Gather them, the closest marker last.

        Args:
            node: The test.
            allowed: What is allowed to all tests.
        """
        options: dict[str, Any] = {}
        all_allowed = set(allowed)
        for mark in reversed(list(node.iter_markers("eversince"))):
            if mark.args:
                pytest.fail("@pytest.mark.eversince takes options by name only", pytrace=False)
            options |= mark.kwargs
            said = options.pop("allow", ())
            all_allowed |= {said} if isinstance(said, str) else set(said)
        _check("@pytest.mark.eversince", options, inspect.signature(Emulator).parameters)
        _check("eversince allow", all_allowed, ALLOWANCES)
        if "faults" in options:  # scripted faults are used up, and the marker may serve several tests
            options["faults"] = copy.deepcopy(options["faults"])
        return cls(options, frozenset(all_allowed))


def _check(where: str, said: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(said) - set(known)):
        pytest.fail(
            f"{where}: there is no {', '.join(map(repr, unknown))}; there is {', '.join(known)}",
            pytrace=False,
        )


@attrs.define(eq=False)
class CreatedClient:
    """A client that was made in a test.

    Attributes:
        client: The client.
        where: File and line.
        ours_to_close: Whether nobody else is to close it.
    """

    client: Eversince
    where: str
    ours_to_close: bool = False


class EmulatorSession:
    """What one test has of ours.

    Args:
        emulator: Its emulator, running.
        allowed: What does not make it fail.
        made: The clients that are made in it, growing.

    Attributes:
        emulator: The emulator.
        passed: Whether the test's own code has run to its end. One that failed before gets no complaints:
            it had no chance to clean up.
    """

    def __init__(self, emulator: Emulator, allowed: frozenset[str], made: list[CreatedClient]) -> None:
        self.emulator = emulator
        self.passed = False
        self._allowed = allowed
        self._made = made
        self._log = emulator.world.log
        self._read = 0
        self._complaints: list[str] = []

    def client(self) -> Eversince:
        """A client that is closed when the test is over."""
        client = Eversince(**self.emulator.connection)
        self._made[-1].ours_to_close = True
        return client

    def failures(self) -> list[str]:
        """What was wrong with a test that had passed, once it is over."""
        return self._complaints if self.passed else []

    async def end(self) -> None:
        """See what is left, then close it."""
        found = [self.refusals(), await self._slots(), self._clients()]
        self._complaints = [complaint for complaint in found if complaint is not None]
        for made in self._made:
            await made.client.aclose()

    def refusals(self) -> str | None:
        """The 429s since this was asked last."""
        entries = self._log.since(self._read)
        self._read = self._log.total
        refused = [entry for entry in entries if entry.status == 429 and entry.fault != "ErrorAnswer"]
        if not refused or "429" in self._allowed:
            return None
        lines = [f"  {entry.code}: {entry.method} {entry.path}" for entry in refused[:SHOWN]]
        if len(refused) > SHOWN:
            lines.append(f"  and {len(refused) - SHOWN} more")
        return _complaint(
            f"the emulator refused {_count(len(refused), 'request')} with 429:",
            lines,
            "One client keeps the account's limits by itself; several do if they share one Governor.",
            "429",
        )

    async def _slots(self) -> str | None:
        for _ in range(ROUNDS):
            if not self._held_leases():
                return None
            await asyncio.sleep(0)
        held = self._held_leases()
        if "slots" in self._allowed or not held:
            return None
        return _complaint(
            f"{_count(len(held), 'project slot')} still held after the test:",
            [f"  by {lease.key!r}, for {lease.project_id or 'a project not yet created'}" for lease in held],
            "A production goes on, or a lease was not released: await it or cancel it before the test ends.",
            "slots",
        )

    def _held_leases(self) -> list[LeaseSnapshot]:
        governors = {id(made.client.governor): made.client.governor for made in self._made}
        leases = (lease for each in governors.values() for lease in each.snapshot().slots.leases)
        return [lease for lease in leases if lease.held]

    def _clients(self) -> str | None:
        still_open = [made for made in self._made if not made.ours_to_close and is_open(made.client)]
        if "clients" in self._allowed or not still_open:
            return None
        return _complaint(
            f"{_count(len(still_open), 'client')} left open:",
            [f"  made at {made.where}" for made in still_open],
            "Make it with `async with Eversince() as …`, or call `aclose()` when the application ends.",
            "clients",
        )


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _complaint(title: str, lines: list[str], advice: str, allowance: str) -> str:
    allow = f'If the test means it: @pytest.mark.eversince(allow="{allowance}")'
    return "\n".join([title, *lines, advice, allow])


@asynccontextmanager
async def session(options: Options, *, in_virtual_time: bool) -> AsyncGenerator[EmulatorSession]:
    """Run an emulator, lead all clients to it, and see what they leave behind."""
    if in_virtual_time and not isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
        pytest.fail(
            "a test with an emulator lives in virtual time, but this one runs on a loop of another kind, "
            "which it may share with other tests. Give it a loop of its own, or say "
            "@pytest.mark.virtual_time(False)",
            pytrace=False,
        )
    with track_clients() as made, pytest.MonkeyPatch.context() as patch:
        async with Emulator(**options.emulator) as emulator:
            patch.setenv("EVERSINCE_API_KEY", emulator.connection["api_key"])
            patch.setenv("EVERSINCE_BASE_URL", emulator.connection["base_url"])
            trial = EmulatorSession(emulator, options.allowed, made)
            try:
                yield trial
            finally:
                await trial.end()


@contextmanager
def track_clients() -> Iterator[list[CreatedClient]]:
    """The clients that are made in here, each with the place where that was."""
    made: list[CreatedClient] = []
    make = Eversince.__init__

    @functools.wraps(make)
    def make_and_note(self: Eversince, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        made.append(CreatedClient(self, _caller()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Eversince, "__init__", make_and_note)
        yield made


def _caller() -> str:
    """File and line of whoever makes a client."""
    frame = sys._getframe(2)  # noqa: SLF001 - inspect.stack reads every file on the way
    path = Path(frame.f_code.co_filename)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{shown}:{frame.f_lineno}"


def is_open(client: Eversince) -> bool:
    """Whether a client has connections to close; one that was never used has none."""
    owned = (client._transport._owned, client._store._owned)  # noqa: SLF001 - nobody else needs to ask
    return any(each._session is not None for each in owned)  # noqa: SLF001 - likewise
