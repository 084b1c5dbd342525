"""Limits of a call: attempt timeout, deadline and cancellation."""

import asyncio
import itertools
from typing import Any

import pytest

from eversince_async import (
    Eversince,
    Governor,
    InternalError,
    Lane,
    Limits,
    OutcomeUnknown,
    RateLimit,
    RateLimited,
    RequestTimedOut,
    RetryPolicy,
)
from eversince_async.governor import Departure
from helpers.fake_server import Hang, Reset, Say, ScriptedServer, refusal

PROJECT = Say(json={"id": "proj_1", "status": "idle"})
ONE_A_MINUTE = Limits(requests_per_minute=1)


def now() -> float:
    return asyncio.get_running_loop().time()


# -- One attempt ------------------------------------------------------------------------------------------


async def test_attempt_times_out(server: ScriptedServer) -> None:
    server.plays(Hang())
    async with server.client(timeout=10, retry=RetryPolicy(attempts=1)) as eversince:
        with pytest.raises(RequestTimedOut, match="no answer within 10 s") as raised:
            await eversince.projects.get("proj_1")

    assert 10.0 == pytest.approx(now())
    assert isinstance(raised.value, TimeoutError)
    assert "unknown" == raised.value.outcome


async def test_timeout_starts_when_the_request_leaves(server: ScriptedServer) -> None:
    """A minute of waiting for the budget does not count.

    The attempt still has its ten seconds.
    """
    server.plays(PROJECT, Say(json=PROJECT.json, after=9))
    async with server.client(timeout=10, limits=ONE_A_MINUTE) as eversince:
        await eversince.projects.get("proj_1")
        await eversince.projects.get("proj_1")

    assert now() > 69.0


async def test_late_body_times_out_too(server: ScriptedServer) -> None:
    server.plays(Say(json=PROJECT.json, after=11), PROJECT)
    async with server.client(timeout=10) as eversince:
        await eversince.projects.get("proj_1")

    assert 2 == len(server.seen)


# -- All attempts -----------------------------------------------------------------------------------------


async def test_deadline_ends_a_call(server: ScriptedServer) -> None:
    server.plays(Hang())
    async with server.client() as eversince:
        with pytest.raises(RequestTimedOut, match="not done within the deadline of 5 s") as raised:
            await eversince.with_options(deadline=5).projects.get("proj_1")

    assert 5.0 == pytest.approx(now())
    assert "unknown" == raised.value.outcome


async def test_deadline_of_a_write_leaves_it_in_doubt(server: ScriptedServer) -> None:
    server.plays(Hang())
    async with server.client() as eversince:
        with pytest.raises(OutcomeUnknown) as raised:
            await eversince.with_options(deadline=5).output.render("proj_1")

    assert RequestTimedOut is type(raised.value.__cause__)


async def test_deadline_of_a_create_is_a_timeout(server: ScriptedServer) -> None:
    """The idempotency key resolves any doubt, so there is none."""
    server.plays(Hang())
    async with server.client() as eversince:
        with pytest.raises(RequestTimedOut):
            await eversince.with_options(deadline=5).projects.create("A film")


async def test_deadline_while_waiting_for_the_budget_sends_nothing(server: ScriptedServer) -> None:
    server.plays(PROJECT)
    async with server.client(limits=ONE_A_MINUTE) as eversince:
        await eversince.projects.get("proj_1")
        with pytest.raises(RequestTimedOut) as raised:
            await eversince.with_options(deadline=5).output.render("proj_1")

    assert "never_sent" == raised.value.outcome
    assert 1 == len(server.seen)


async def test_deadline_after_a_refusal_leaves_no_doubt(server: ScriptedServer) -> None:
    """The server refused, and the deadline passed before the next attempt."""
    server.plays(refusal(503, "service_unavailable"))
    async with server.client(limits=ONE_A_MINUTE, retry=RetryPolicy(base=0)) as eversince:
        with pytest.raises(RequestTimedOut) as raised:
            await eversince.with_options(deadline=5).output.render("proj_1")

    assert "never_sent" == raised.value.outcome


async def test_pace_that_does_not_fit_is_raised_at_once(server: ScriptedServer) -> None:
    """The refusal itself is raised, with a note about the missing wait."""
    server.plays(refusal(429, "rate_limited", headers={"Retry-After": "30"}))
    async with server.client() as eversince:
        with pytest.raises(RateLimited) as raised:
            await eversince.with_options(deadline=10).projects.get("proj_1")

    assert 0.0 == pytest.approx(now())
    assert any("would outlast the call's deadline" in note for note in raised.value.__notes__)


async def test_pace_that_fits_is_waited_for(server: ScriptedServer) -> None:
    server.plays(refusal(429, "rate_limited", headers={"Retry-After": "30"}), PROJECT)
    async with server.client() as eversince:
        await eversince.with_options(deadline=40).projects.get("proj_1")

    assert 30.0 <= now() < 31.0


async def test_deadline_long_enough_changes_nothing(server: ScriptedServer) -> None:
    server.plays(Reset(), PROJECT)
    async with server.client() as eversince:
        await eversince.with_options(deadline=100).projects.get("proj_1")

    assert 2 == len(server.seen)


async def test_attempts_timeout_within_a_deadline_is_told_as_such(server: ScriptedServer) -> None:
    """Both errors are TimeoutErrors.

    The message of the deadline must not replace that of the attempt.
    """
    server.plays(Hang())
    async with server.client(timeout=3, retry=RetryPolicy(attempts=1)) as eversince:
        with pytest.raises(RequestTimedOut, match="no answer within 3 s"):
            await eversince.with_options(deadline=100).projects.get("proj_1")


async def test_callers_timeout_is_the_callers(server: ScriptedServer) -> None:
    server.plays(Hang())
    async with server.client() as eversince:
        with pytest.raises(TimeoutError) as raised:
            async with asyncio.timeout(5):
                await eversince.projects.get("proj_1")

    assert TimeoutError is type(raised.value)


# -- Departures -------------------------------------------------------------------------------------------


class Ledger(Governor):
    """A governor that records the departures that are still open.

    It raises an error if one is closed twice.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self.open: set[Departure] = set()
        self.closed = 0

    async def admit(self, lane: Lane = Lane.INTERACTIVE, **more: Any) -> Departure:
        departure = await super().admit(lane, **more)
        self.open.add(departure)
        return departure

    def answered(self, departure: Departure, rate_limit: RateLimit | None = None) -> None:
        self.open.remove(departure)
        self.closed += 1
        super().answered(departure, rate_limit)

    def give_back(self, departure: Departure) -> None:
        self.open.remove(departure)
        self.closed += 1
        super().give_back(departure)


@pytest.mark.parametrize(
    "play",
    [
        PROJECT,
        Reset(),
        Hang(),
        Say(json=PROJECT.json, cut=5),
        Say(body=b"<html>"),
        Say(json={"id": 7}),
        refusal(500, "internal_error"),
        refusal(429, "rate_limited", headers={"Retry-After": "1"}),
        refusal(404, "not_found"),
    ],
    ids=lambda play: str(play)[:40],
)
async def test_each_departure_is_closed_once_however_it_ends(server: ScriptedServer, play: Any) -> None:
    server.plays(play)
    ledger = Ledger()
    async with server.client(governor=ledger, timeout=5) as eversince:
        await asyncio.gather(eversince.projects.get("proj_1"), return_exceptions=True)

    assert set() == ledger.open
    assert ledger.closed >= len(server.seen) >= 1


async def test_departure_that_found_no_server_is_given_back(sleeping_server: ScriptedServer) -> None:
    ledger = Ledger()
    async with sleeping_server.client(governor=ledger) as eversince:
        await asyncio.gather(eversince.projects.get("proj_1"), return_exceptions=True)

    assert (set(), 4) == (ledger.open, ledger.closed)
    assert 0 == ledger.budget.in_flight


async def cancelled_after(rounds: int, eversince: Eversince) -> bool:
    """Cancel a call after some rounds of the event loop.

    Returns True if the call was still under way.
    """
    call = asyncio.create_task(eversince.projects.get("proj_1"))
    for _ in range(rounds):
        await asyncio.sleep(0)
    under_way = call.cancel()
    await asyncio.wait([call])
    return under_way


@pytest.mark.parametrize(
    "play", [PROJECT, Reset(), Say(json=PROJECT.json, cut=5)], ids=["200", "reset", "cut"]
)
async def test_departures_are_closed_wherever_a_call_is_cancelled(server: ScriptedServer, play: Any) -> None:
    """The call is cancelled after one round of the event loop.

    Then it is cancelled after two, and so on to its end.
    """
    server.plays(play)
    ledger = Ledger(Limits(requests_per_minute=None))
    policy = RetryPolicy(attempts=2, base=0)
    async with server.client(governor=ledger, retry=policy) as eversince:
        for rounds in itertools.count():
            if not await cancelled_after(rounds, eversince):
                break
            assert set() == ledger.open

    assert rounds > 5
    assert set() == ledger.open


async def test_call_cancelled_in_the_queue_leaves_no_trace(server: ScriptedServer) -> None:
    server.plays(PROJECT)
    ledger = Ledger(ONE_A_MINUTE)
    async with server.client(governor=ledger) as eversince:
        await eversince.projects.get("proj_1")
        queued = asyncio.create_task(eversince.projects.get("proj_1"))
        await asyncio.sleep(10)
        queued.cancel()
        await asyncio.wait([queued])
        await eversince.projects.get("proj_1")

    assert 2 == len(server.seen)
    assert now() < 62.0


async def test_call_cancelled_while_it_sits_out_a_pace_leaves_no_trace(server: ScriptedServer) -> None:
    server.plays(refusal(503, "service_unavailable", headers={"Retry-After": "60"}), PROJECT)
    ledger = Ledger()
    async with server.client(governor=ledger) as eversince:
        waiting = asyncio.create_task(eversince.projects.get("proj_1"))
        await asyncio.sleep(10)
        waiting.cancel()
        await asyncio.wait([waiting])

    assert waiting.cancelled()
    assert (set(), 1) == (ledger.open, len(server.seen))


async def test_error_of_the_last_attempt_is_the_one_raised(server: ScriptedServer) -> None:
    server.plays(Reset(), Reset(), Reset(), refusal(500, "internal_error", "the last one"))
    async with server.client() as eversince:
        with pytest.raises(InternalError, match="the last one"):
            await eversince.projects.get("proj_1")
