"""A process that dies at any moment, in virtual time: power cuts, and the restarts after them.

A power cut is simulated from outside the code: everything the dying run would still have done is thrown
away. Its tasks are cancelled, and from that moment on its journal writes nothing and its client sends nothing
any more. What it had sent is carried out by the server, however much later. And from that moment on its
incarnation counts as dead, as that of a process does that is gone after `kill -9`: so the next life takes its
leases over at once, and has to find out for itself what became of what was under way.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs

from eversince_async import Eversince
from eversince_async._wire.responses import WireResponse
from eversince_async.journal import base as journals
from helpers.wall_clocks import set_clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from eversince_async.emulator import Emulator
    from eversince_async.journal import Journal


WRITES = (
    "put",
    "change",
    "acquire",
    "release",
    "renew",
    "intent",
    "intent_again",
    "done",
    "adopted",
    "refused",
    "in_doubt",
    "claim",
)
WITHOUT_MOMENTS = {"release", "renew"}  # before and after them, nothing is different for anybody

NEVER = 0
"""The moment at which nobody dies."""

dead: set[str] = set()
"""Incarnations that were cut off."""


@attrs.define
class Plug:
    """Counts the moments at which a process may die, and pulls itself at the nth.

    At others somebody sets the wall clock, if it is told to.

    There is one before each journal write, one after each, one before each write to the server, one while it
    is on its way, and one when the answer has arrived.
    """

    nth: int
    sets: Mapping[int, float] = attrs.field(factory=dict)
    moments: int = 0
    last: str = ""
    pulled: asyncio.Event = attrs.field(factory=asyncio.Event)
    graves: list[asyncio.Future[None]] = attrs.field(factory=list)

    async def moment(self, name: str) -> None:
        """Die here, if this is the moment."""
        await self.or_dead()
        self.moments += 1
        self.last = name
        set_clock(self.sets.get(self.moments, 0.0))
        if self.moments == self.nth:
            self.pulled.set()
        await self.or_dead()

    async def or_dead(self) -> None:
        if self.pulled.is_set():
            self.graves.append(asyncio.get_running_loop().create_future())
            await self.graves[-1]  # nothing happens here any more

    def into(self, journal: Journal) -> None:
        """Have a journal die with this."""
        for name in WRITES:
            setattr(journal, name, self._mortal(name, getattr(journal, name)))

    def _mortal(self, name: str, verb: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def mortal(*args: Any, **kwargs: Any) -> Any:
            if name in WITHOUT_MOMENTS:
                await self.or_dead()
                return await verb(*args, **kwargs)
            await self.moment(f"before {name}")
            result = await verb(*args, **kwargs)
            await self.moment(f"after {name}")
            return result

        return mortal

    def wire(self, eversince: Eversince) -> None:
        """Have the client die with this."""
        transport = eversince._transport
        exchange = transport.send

        async def mortal(request: Any, *more: Any, **named: Any) -> Any:
            await self.or_dead()
            if request.endpoint.method == "GET":
                answer = await exchange(request, *more, **named)
                await self.or_dead()
                return answer
            what = f"{request.endpoint.method} {request.target.rpartition('/')[2]}"
            await self.moment(f"before {what}")
            sending = asyncio.ensure_future(exchange(request, *more, **named))
            sending.add_done_callback(lambda sent: sent.cancelled() or sent.exception())
            await asyncio.sleep(0.001)  # it is on its way, and will be carried out
            await self.moment(f"during {what}")
            answer = await sending
            await self.moment(f"after {what}")
            return answer

        object.__setattr__(transport, "send", mortal)


EARLY_PAGE = "page before it is done"


@attrs.define
class Gateway:
    """Answers the first of each write with a page at once, and lets the request through all the same."""

    struck: set[str] = attrs.field(factory=set[str])
    passed_on: list[asyncio.Future[Any]] = attrs.field(factory=list[Any])

    def before(self, eversince: Eversince) -> None:
        transport = eversince._transport
        exchange = transport.send

        async def impatient(request: Any, *more: Any, **named: Any) -> Any:
            what = request.endpoint.name
            if request.endpoint.method == "GET" or what in self.struck or "upload" in what:
                return await exchange(request, *more, **named)
            self.struck.add(what)
            self.passed_on.append(asyncio.ensure_future(exchange(request, *more, **named)))
            return WireResponse.read(408, {}, b"<html>Request Timeout</html>")

        object.__setattr__(transport, "send", impatient)

    async def close(self) -> None:
        if self.passed_on:
            await asyncio.wait(self.passed_on)


def count_as_dead(monkeypatch: Any) -> None:
    """Have every journal know who was cut off."""
    dead.clear()
    monkeypatch.setattr(journals, "is_dead", dead.__contains__)


async def live(
    emulator: Emulator,
    journal: Journal,
    nth: int,
    act: Callable[[Eversince, Journal], Awaitable[None]],
    sets: Mapping[int, float] | None = None,
    gateway: Gateway | None = None,
) -> Plug:
    """One life of the process: to its end, or to its nth moment; the wall clock is set meanwhile."""
    plug = Plug(nth, sets or {})
    await journal.open()
    incarnation = journal.incarnation
    plug.into(journal)
    eversince = Eversince(**emulator.connection)
    if gateway is not None:
        gateway.before(eversince)
    plug.wire(eversince)
    acting = asyncio.ensure_future(act(eversince, journal))
    dying = asyncio.ensure_future(plug.pulled.wait())
    await asyncio.wait([acting, dying], return_when=asyncio.FIRST_COMPLETED)
    dying.cancel()
    if plug.pulled.is_set():
        dead.add(incarnation)
        while not acting.done() or plug.graves:  # its cleaning up comes to nothing: the plug is pulled
            acting.cancel()
            graves, plug.graves = plug.graves, []
            for grave in graves:
                grave.cancel()
            await asyncio.sleep(0.1)
    else:
        await acting
    await journal.aclose()
    if gateway is not None:
        await gateway.close()
    await eversince.aclose()
    return plug
