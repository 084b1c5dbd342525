"""One account and two running event loops.

The second loop gets an error before any request leaves.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from threading import Event, Thread
from typing import Any

import aiohttp
import pytest

from eversince_async import ConfigurationError, Eversince
from eversince_async.emulator import Emulator
from eversince_async.governor import Governor, Limits
from eversince_async.models.receipt import RateLimit


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator() as emulator:
        yield emulator


async def in_another_loop(main: Callable[[], Awaitable[Any]]) -> Any:
    """Return the result, or the error, of a plain loop's thread."""

    async def tried() -> Any:
        try:
            return await main()
        except Exception as error:  # noqa: BLE001 - the error is the result
            return error

    return await asyncio.to_thread(asyncio.run, tried())


@pytest.mark.parametrize("call", ["create", "credits", "produce"])
async def test_what_another_loop_asks_for_is_refused_before_it_leaves(emulator: Emulator, call: str) -> None:
    governor = Governor()
    async with Eversince(**emulator.connection, governor=governor) as ours:
        await ours.account.credits()

        async def elsewhere() -> object:
            async with Eversince(**emulator.connection, governor=governor) as theirs:
                if call == "create":
                    return await theirs.projects.create("a film")
                if call == "credits":
                    return await theirs.account.credits()
                return await theirs.produce("a film")

        refusal = await in_another_loop(elsewhere)

        assert isinstance(refusal, ConfigurationError)
        assert 1 == len(emulator.world.log)
        assert 0 == emulator.world.counts["projects"]
        assert 1 == governor.snapshot().requests.used


@pytest.mark.parametrize("what", ["slot", "quota"])
async def test_nothing_of_the_account_is_taken_from_another_loop(what: str) -> None:
    governor = Governor(Limits(active_projects=1, renders_per_day=1))
    governor.answered(await governor.admit())

    async def elsewhere() -> object:
        if what == "slot":
            return await governor.slots.acquire("theirs")
        return await governor.quota.reserve("renders")

    assert isinstance(await in_another_loop(elsewhere), ConfigurationError)
    assert 0 == governor.snapshot().slots.occupied
    assert 1 == governor.quota.left("renders")


def test_an_answer_is_not_lost_when_another_loop_has_taken_over_meanwhile() -> None:
    """The first loop stops with a request in flight, and later continues.

    Another loop takes over meanwhile.
    """
    governor = Governor()
    stops = asyncio.new_event_loop()
    departure = stops.run_until_complete(governor.admit())
    is_taken_over, may_end = Event(), Event()

    async def take_over() -> None:
        governor.answered(await governor.admit())
        is_taken_over.set()
        await asyncio.to_thread(may_end.wait, 10)

    async def go_on() -> None:
        governor.answered(departure, RateLimit(limit=30, remaining=0))
        governor.pause(100)
        governor.give_back(departure)
        with pytest.raises(ConfigurationError):
            await governor.admit()

    other = Thread(target=asyncio.run, args=[take_over()])
    other.start()
    assert is_taken_over.wait(120)
    try:
        stops.run_until_complete(go_on())
    finally:
        may_end.set()
        other.join()
        stops.close()
    assert governor.snapshot().requests.paused_until is None


async def test_a_borrowed_session_of_another_loop_is_refused_before_it_sends(emulator: Emulator) -> None:
    """Over an open connection it would send the request.

    The call would then fail only when the response comes.
    """
    async with aiohttp.ClientSession() as http:
        async with Eversince(**emulator.connection, http=http) as ours:
            await ours.account.credits()
        sent = len(emulator.world.log)

        async def elsewhere() -> object:
            async with Eversince(**emulator.connection, http=http) as theirs:
                return await theirs.projects.create("a film")

        assert isinstance(await in_another_loop(elsewhere), ConfigurationError)
        assert sent == len(emulator.world.log)


async def test_what_was_refused_for_its_loop_has_spent_no_request(emulator: Emulator) -> None:
    governor = Governor()
    async with Eversince(**emulator.connection) as ours:
        await ours.account.credits()

        async def elsewhere() -> object:
            async with Eversince(**emulator.connection, governor=governor) as theirs:
                own, theirs._transport._owned = theirs._transport._owned, ours._transport._owned
                try:
                    return await theirs.account.credits()
                finally:
                    theirs._transport._owned = own

        assert isinstance(await in_another_loop(elsewhere), ConfigurationError)
    assert 0 == governor.snapshot().requests.used
