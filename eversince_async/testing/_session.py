"""The plugin's state of one test: emulator, clients and final checks."""

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
"""Values of `allow`."""

SHOWN: Final = 5
"""Number of refusals that a complaint lists.

More would add nothing.
"""

ROUNDS: Final = 10
"""Rounds of the loop in which cancelled tasks may release their slots."""


@attrs.frozen
class Options:
    """The options that a test's markers give.

    Attributes:
        emulator: Options of the emulator.
        allowed: Findings that do not make the test fail.
    """

    emulator: Mapping[str, Any]
    allowed: frozenset[str]

    @classmethod
    def of(cls, node: pytest.Item, allowed: Iterable[str]) -> Options:
        """Gather the options of all markers; the closest one wins.

        Args:
            node: The test.
            allowed: Findings that are allowed to all tests.
        """
        options: dict[str, Any] = {}
        all_allowed = set(allowed)
        for mark in reversed(list(node.iter_markers("eversince"))):
            if mark.args:
                pytest.fail("@pytest.mark.eversince takes options by name only", pytrace=False)
            options |= mark.kwargs
            allow = options.pop("allow", ())
            all_allowed |= {allow} if isinstance(allow, str) else set(allow)
        _check("@pytest.mark.eversince", options, inspect.signature(Emulator).parameters)
        _check("eversince allow", all_allowed, ALLOWANCES)
        if "faults" in options:  # scripted faults are used up, and several tests may share the marker
            options["faults"] = copy.deepcopy(options["faults"])
        return cls(options, frozenset(all_allowed))


def _check(where: str, names: Iterable[str], known: Iterable[str]) -> None:
    if unknown := sorted(set(names) - set(known)):
        pytest.fail(
            f"{where}: there is no {', '.join(map(repr, unknown))}; there is {', '.join(known)}",
            pytrace=False,
        )


@attrs.define(eq=False)
class CreatedClient:
    """A client that was created in a test.

    Attributes:
        client: The client.
        where: File and line of its creation.
        ours_to_close: True if the plugin closes it, not the test.
    """

    client: Eversince
    where: str
    ours_to_close: bool = False


class EmulatorSession:
    """The emulator and the clients of one test.

    Args:
        emulator: The running emulator.
        allowed: Findings that do not make the test fail.
        clients: The clients created in the test; the list grows.

    Attributes:
        emulator: The emulator.
        passed: True if the test's own code has run to its end. A test that failed before gets no complaints:
            it had no chance to clean up.
    """

    def __init__(self, emulator: Emulator, allowed: frozenset[str], clients: list[CreatedClient]) -> None:
        self.emulator = emulator
        self.passed = False
        self._allowed = allowed
        self._created = clients
        self._log = emulator.world.log
        self._position = 0
        self._complaints: list[str] = []

    def client(self) -> Eversince:
        """Create a client that is closed after the test."""
        client = Eversince(**self.emulator.connection)
        self._created[-1].ours_to_close = True
        return client

    def failures(self) -> list[str]:
        """Return the complaints about a test that passed, after its end."""
        return self._complaints if self.passed else []

    async def end(self) -> None:
        """Check for leftovers, then close all clients."""
        found = [self.refusals(), await self._slots(), self._clients()]
        self._complaints = [complaint for complaint in found if complaint is not None]
        for each in self._created:
            await each.client.aclose()

    def refusals(self) -> str | None:
        """Return a complaint about the 429s since the last call, or None."""
        entries = self._log.since(self._position)
        self._position = self._log.total
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
        governors = {id(each.client.governor): each.client.governor for each in self._created}
        leases = (lease for each in governors.values() for lease in each.snapshot().slots.leases)
        return [lease for lease in leases if lease.held]

    def _clients(self) -> str | None:
        still_open = [each for each in self._created if not each.ours_to_close and is_open(each.client)]
        if "clients" in self._allowed or not still_open:
            return None
        return _complaint(
            f"{_count(len(still_open), 'client')} left open:",
            [f"  made at {each.where}" for each in still_open],
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
    """Run an emulator, point all clients to it, and check for leftovers."""
    if in_virtual_time and not isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
        pytest.fail(
            "a test with an emulator lives in virtual time, but this one runs on a loop of another kind, "
            "which it may share with other tests. Give it a loop of its own, or say "
            "@pytest.mark.virtual_time(False)",
            pytrace=False,
        )
    with track_clients() as clients, pytest.MonkeyPatch.context() as patch:
        async with Emulator(**options.emulator) as emulator:
            patch.setenv("EVERSINCE_API_KEY", emulator.connection["api_key"])
            patch.setenv("EVERSINCE_BASE_URL", emulator.connection["base_url"])
            trial = EmulatorSession(emulator, options.allowed, clients)
            try:
                yield trial
            finally:
                await trial.end()


@contextmanager
def track_clients() -> Iterator[list[CreatedClient]]:
    """Record the clients created in the context, with file and line."""
    clients: list[CreatedClient] = []
    make = Eversince.__init__

    @functools.wraps(make)
    def create_and_record(self: Eversince, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        clients.append(CreatedClient(self, _caller()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Eversince, "__init__", create_and_record)
        yield clients


def _caller() -> str:
    """Return the file and line of the code that creates a client."""
    frame = sys._getframe(2)  # noqa: SLF001 - inspect.stack reads every file on the way
    path = Path(frame.f_code.co_filename)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{shown}:{frame.f_lineno}"


def is_open(client: Eversince) -> bool:
    """Return True if a client has connections to close.

    A client that was never used has none.
    """
    owned = (client._transport._owned, client._store._owned)  # noqa: SLF001 - no other code needs this
    return any(each._session is not None for each in owned)  # noqa: SLF001 - likewise
