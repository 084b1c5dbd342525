"""Waits of the governor, in virtual time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from eversince_async.clock import now as wall_now
from eversince_async.errors import ConfigurationError, QuotaExhausted, WouldWait
from eversince_async.governor import Governor, Lane, Limits, WaitKind, WaitReason
from eversince_async.governor.waiters import CallbackList
from eversince_async.models.receipt import RateLimit
from eversince_async.testing import VirtualTimeLoop


async def seconds_of(waiting: Awaitable[object]) -> float:
    """Return the seconds that a wait takes."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await waiting
    return loop.time() - began


async def spend(governor: Governor, count: int, lane: Lane = Lane.INTERACTIVE) -> None:
    for _ in range(count):
        governor.answered(await governor.admit(lane))


async def given_up(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# -- Requests ---------------------------------------------------------------------------------------------


async def test_the_thirty_first_request_waits_for_the_window_and_its_guard() -> None:
    governor = Governor()
    await spend(governor, 30)

    assert 60.5 == pytest.approx(await seconds_of(governor.admit()))


async def test_an_answer_wakes_those_who_wait_for_more_than_time() -> None:
    """With all requests in flight, the next free place cannot be foreseen."""
    governor = Governor(Limits(requests_per_minute=1))
    departure = await governor.admit()
    waiting = asyncio.create_task(seconds_of(governor.admit()))
    await asyncio.sleep(30)
    governor.answered(departure)

    assert 90.05 == pytest.approx(await waiting)


async def test_a_request_that_never_left_lets_the_next_go_at_once() -> None:
    governor = Governor(Limits(requests_per_minute=1))
    departure = await governor.admit()
    waiting = asyncio.create_task(seconds_of(governor.admit()))
    await asyncio.sleep(3)
    governor.give_back(departure)

    assert 3 == pytest.approx(await waiting)


async def test_a_higher_limit_in_the_headers_lets_those_who_wait_go() -> None:
    governor = Governor()
    departure = await governor.admit()
    await spend(governor, 29)
    waiting = [asyncio.create_task(seconds_of(governor.admit())) for _ in range(90)]
    await asyncio.sleep(1)
    governor.answered(departure, RateLimit(limit=120, remaining=90))

    assert [pytest.approx(1)] * 90 == await asyncio.gather(*waiting)


async def test_a_pause_holds_everybody() -> None:
    governor = Governor()
    await spend(governor, 1)
    governor.pause(12)

    assert 12 == pytest.approx(await seconds_of(governor.admit()))


async def test_a_user_waits_no_more_than_a_few_seconds_beside_a_batch() -> None:
    governor = Governor()
    batch = [asyncio.create_task(spend(governor, 1, Lane.WORK)) for _ in range(300)]
    looks = [asyncio.create_task(spend(governor, 1, Lane.POLL)) for _ in range(100)]
    waits = []
    for pause in range(1, 21):
        await asyncio.sleep(10 + pause % 7)
        waits.append(await seconds_of(spend(governor, 1)))
    await given_up(*batch, *looks)

    assert max(waits) <= 5


# -- Cancellation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ticks", range(6))
async def test_cancelling_at_any_point_of_the_wait_loses_no_place(ticks: int) -> None:
    """The cancellation comes after `ticks` rounds of the event loop.

    The last rounds come after the grant.
    """
    governor = Governor(Limits(requests_per_minute=1))
    departure = await governor.admit()
    waiting = asyncio.create_task(governor.admit())
    for tick in range(ticks):
        if tick == 2:
            governor.give_back(departure)
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    governor.give_back(departure)
    if not waiting.cancelled():
        governor.give_back(waiting.result())

    assert 0 == await seconds_of(governor.admit())


async def test_cancelling_in_the_instant_of_the_grant_lets_the_next_go() -> None:
    governor = Governor(Limits(requests_per_minute=1))
    departure = await governor.admit()
    first = asyncio.create_task(governor.admit())
    second = asyncio.create_task(seconds_of(governor.admit()))
    await asyncio.sleep(1)
    governor.give_back(departure)  # grants the first request
    first.cancel()

    assert 1 == pytest.approx(await second)
    assert first.cancelled()


async def test_a_thousand_who_give_up_leave_nothing_behind() -> None:
    governor = Governor(Limits(requests_per_minute=1))
    await spend(governor, 1)
    waiting = [asyncio.create_task(governor.admit(lane)) for lane in Lane for _ in range(333)]
    await asyncio.sleep(1)
    await given_up(*waiting)

    assert [] == list(governor.waiting())


@pytest.mark.parametrize("ticks", range(5))
async def test_cancelling_at_any_point_of_the_wait_loses_no_slot(ticks: int) -> None:
    governor = Governor(Limits(active_projects=1))
    lease = await governor.slots.acquire("first")
    waiting = asyncio.create_task(governor.slots.acquire("second"))
    for tick in range(ticks):
        if tick == 2:
            lease.release()
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    lease.release()
    if not waiting.cancelled():
        waiting.result().release()

    assert 0 == governor.snapshot().slots.occupied
    assert 0 == await seconds_of(governor.slots.acquire("third"))


async def test_cancelling_in_the_instant_of_the_grant_passes_the_slot_on() -> None:
    governor = Governor(Limits(active_projects=1))
    lease = await governor.slots.acquire("first")
    second = asyncio.create_task(governor.slots.acquire("second"))
    third = asyncio.create_task(governor.slots.acquire("third"))
    await asyncio.sleep(1)
    lease.release()
    second.cancel()

    assert "third" == (await third).key


async def test_cancelling_in_the_instant_of_the_grant_gives_the_day_its_render_back() -> None:
    governor = Governor(Limits(renders_per_day=1))
    render = await governor.quota.reserve("renders")
    waiting = asyncio.create_task(governor.quota.reserve("renders"))
    await asyncio.sleep(1)
    render.give_back()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert 1 == governor.quota.left("renders")


# -- Slots ------------------------------------------------------------------------------------------------


async def test_a_production_waits_until_a_slot_is_seen_free() -> None:
    governor = Governor(Limits(active_projects=1))
    with await governor.slots.acquire("first") as lease:
        lease.mark_sent()
        lease.bind("project 1")
    waiting = asyncio.create_task(seconds_of(governor.slots.acquire("second")))
    await asyncio.sleep(90)
    governor.observed("project 1", "idle")

    assert 90 == pytest.approx(await waiting)


async def test_without_waiting_a_taken_slot_is_an_error() -> None:
    governor = Governor(Limits(active_projects=1))
    await governor.slots.acquire("first")

    with pytest.raises(WouldWait) as refusal:
        await governor.slots.acquire("second", wait=False)

    assert "would have to wait: the one active project is taken" == str(refusal.value)


async def test_a_turned_away_production_goes_on_when_a_list_shows_room() -> None:
    governor = Governor()
    lease = await governor.slots.acquire("film")
    lease.mark_sent()
    assert lease.rejected()
    waiting = asyncio.create_task(seconds_of(governor.slots.acquire("film")))
    await asyncio.sleep(20)
    governor.observed_page(["a", "b", "c", "d"], complete=True)

    assert 20 == pytest.approx(await waiting)


async def test_whoever_looks_learns_that_somebody_waits_for_a_slot() -> None:
    governor = Governor(Limits(active_projects=1))
    governor.observed_page(["of the studio"], complete=True)
    called: list[bool] = []
    governor.slots.on_wait(lambda: called.append(governor.slots.needs_poll()))
    waiting = asyncio.create_task(governor.slots.acquire("film"))
    await asyncio.sleep(1)

    assert [True] == called
    await given_up(waiting)


# -- Quotas -----------------------------------------------------------------------------------------------


async def test_waiting_for_another_day_ends_when_the_first_of_today_is_a_day_old() -> None:
    governor = Governor(Limits(renders_per_day=2))
    for _ in range(2):
        (await governor.quota.reserve("renders")).confirmed()

    assert 86_460 == pytest.approx(await seconds_of(governor.quota.reserve("renders")))


async def test_without_waiting_a_spent_day_is_an_error_that_says_when() -> None:
    governor = Governor(Limits(renders_per_day=1))
    await governor.quota.reserve("renders")

    with pytest.raises(QuotaExhausted) as refusal:
        await governor.quota.reserve("renders", wait=False)

    assert "renders" == refusal.value.quota
    assert refusal.value.resets_at is not None
    assert timedelta(seconds=86_460) == pytest.approx(
        refusal.value.resets_at - wall_now(), abs=timedelta(milliseconds=1)
    )


async def test_a_journal_can_tell_what_was_done_before() -> None:
    governor = Governor(Limits(renders_per_day=2))
    governor.quota.seed("renders", [wall_now() - timedelta(hours=3), datetime(2020, 1, 1, tzinfo=UTC)])

    assert 1 == governor.quota.left("renders")


async def test_projects_and_renders_are_counted_apart() -> None:
    governor = Governor(Limits(renders_per_day=1))
    await governor.quota.reserve("renders")

    assert 500 == governor.quota.left("projects")


# -- Credits ----------------------------------------------------------------------------------------------


async def test_credits_are_known_once_an_answer_told_them() -> None:
    governor = Governor(Limits(credits_reserve=100))
    governor.record_credits(80)

    assert governor.credits is not None
    assert governor.credits.below_reserve
    assert 0 == governor.credits.spendable


# -- Reasons of waits -------------------------------------------------------------------------------------


async def reasons_of(
    governor: Governor, wait: Callable[[], Awaitable[object]], seconds: float
) -> list[WaitReason]:
    """Return the reasons that subscribers receive while a wait lasts."""
    reasons: list[WaitReason] = []
    unsubscribe = governor.on_wait(reasons.append)
    waiting = asyncio.ensure_future(wait())
    await asyncio.sleep(seconds)
    unsubscribe()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    return reasons


async def test_a_wait_for_the_budget_is_explained_once() -> None:
    governor = Governor()
    await spend(governor, 30)
    [reason] = await reasons_of(governor, lambda: governor.admit(who="GET /credits"), 30)

    assert (WaitKind.REQUESTS, "GET /credits") == (reason.kind, reason.who)
    assert "30 of 30 requests are spent" == reason.detail
    assert reason.until is not None
    assert 60.5 == pytest.approx((reason.until - reason.since).total_seconds(), abs=1e-3)


async def test_a_wait_of_less_than_a_second_is_not_worth_telling() -> None:
    governor = Governor()
    await spend(governor, 30)

    assert [] == await reasons_of(governor, governor.admit, 0.9)


async def test_a_pause_is_explained() -> None:
    governor = Governor()
    await spend(governor, 1)
    governor.pause(12)
    [reason] = await reasons_of(governor, governor.admit, 2)

    assert (WaitKind.PAUSE, "requests are paused for 11.0 s") == (reason.kind, reason.detail)


async def test_a_wait_for_a_slot_is_explained() -> None:
    governor = Governor(Limits(active_projects=2))
    await governor.slots.acquire("first")
    governor.observed_page(["of the studio"], complete=True)
    [reason] = await reasons_of(governor, lambda: governor.slots.acquire("second"), 2)

    assert (WaitKind.SLOT, "second") == (reason.kind, reason.who)
    assert "all 2 active projects are taken, 1 of them not ours" == reason.detail


async def test_a_wait_for_another_day_is_explained() -> None:
    governor = Governor(Limits(renders_per_day=1))
    await governor.quota.reserve("renders")
    [reason] = await reasons_of(governor, lambda: governor.quota.reserve("renders", who="film 7"), 2)

    assert (WaitKind.RENDERS, "film 7") == (reason.kind, reason.who)
    assert "the renders of a day are used up (1 of 1)" == reason.detail
    assert governor.quota.resets_at("renders") == reason.until


async def test_who_subscribes_late_is_told_of_those_who_wait_already() -> None:
    governor = Governor()
    await spend(governor, 30)
    waiting = asyncio.create_task(governor.admit())
    await asyncio.sleep(10)

    assert 1 == len(await reasons_of(governor, lambda: asyncio.sleep(0), 1))
    await given_up(waiting)


async def test_a_subscriber_that_fails_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    governor = Governor()

    def fail(reason: WaitReason) -> None:
        raise RuntimeError(reason.detail)

    governor.on_wait(fail)
    await spend(governor, 30)
    with caplog.at_level(logging.ERROR, "eversince_async"):
        told = await reasons_of(governor, governor.admit, 2)

    assert 1 == len(told)
    assert "a callback of the governor failed" in caplog.text


# -- Clocks -----------------------------------------------------------------------------------------------


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def wrapped() -> None:
        await main()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(wrapped())


def test_a_governor_moves_to_another_loop_and_forgets_nothing() -> None:
    governor = Governor(Limits(requests_per_minute=1))
    waits: list[float] = []

    async def first() -> None:
        await asyncio.sleep(1000)
        await spend(governor, 1)
        await asyncio.sleep(10)

    async def second() -> None:
        waits.append(await seconds_of(governor.admit()))

    run(first)
    run(second)

    assert [pytest.approx(50.5)] == waits


def test_those_who_waited_in_a_loop_that_stopped_hold_nobody_up() -> None:
    governor = Governor(Limits(requests_per_minute=1, active_projects=1))

    async def first() -> None:
        lease = await governor.slots.acquire("first")
        await spend(governor, 1)
        for waiting in (governor.admit(), governor.slots.acquire("second")):
            task = asyncio.ensure_future(waiting)
            await asyncio.sleep(0)
            task.cancel()
        lease.release()

    async def second() -> None:
        await governor.slots.acquire("third")
        await governor.admit()

    run(first)
    run(second)


async def test_two_running_loops_cannot_share_a_governor() -> None:
    governor = Governor()
    await spend(governor, 1)
    errors: list[Exception] = []

    async def elsewhere() -> None:
        try:
            await spend(governor, 1)
        except ConfigurationError as error:
            errors.append(error)

    await asyncio.to_thread(run, elsewhere)

    assert ["this governor is in use by another running event loop; make one for each loop"] == list(
        map(str, errors)
    )


def test_a_callback_that_is_subscribed_twice_stays_subscribed_once_when_one_ends_twice():
    callbacks, calls = CallbackList[[int]](), list[int]()
    callbacks.add(calls.append)
    unsubscribe = callbacks.add(calls.append)
    unsubscribe()
    unsubscribe()

    callbacks.notify(1)

    assert [1] == calls
