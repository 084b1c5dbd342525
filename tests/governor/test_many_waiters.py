"""Thousands of waiters cost little.

Reasons that no subscriber wants are not put into words.
"""

import asyncio
from itertools import pairwise

import pytest

from eversince_async.governor import Governor, Lane, Limits, WaitKind, WaitReason
from eversince_async.governor import explanation as explaining
from eversince_async.governor.waiters import AT_A_TIME

pytestmark = pytest.mark.usefixtures("no_long_hold")

CROWD = 10_000


class Counted:
    """A counter of calls."""

    def __init__(self) -> None:
        self.count = 0


@pytest.fixture
def explained(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Count the waits that are put into words."""
    counted, of = Counted(), explaining._Reasons.of

    def count(*args: object) -> WaitReason:
        counted.count += 1
        return of(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(explaining._Reasons, "of", count)
    return counted


async def crowd_of(governor: Governor, count: int = CROWD, name: str = "film") -> list[asyncio.Task[object]]:
    """Start `count` tasks that wait for a slot."""
    for n in range(governor.limits.active_projects or 0):
        if governor.slots.has_room(f"first {n}"):
            await governor.slots.acquire(f"first {n}")
    crowd: list[asyncio.Task[object]] = [
        asyncio.create_task(governor.slots.acquire(f"{name} {n}")) for n in range(count)
    ]
    await asyncio.sleep(0)
    return crowd


async def leave(crowd: list[asyncio.Task[object]]) -> None:
    for task in crowd:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)


async def test_only_waits_that_are_wanted_are_explained(explained: Counted) -> None:
    governor, told = Governor(), list[WaitReason]()
    governor.on_wait(told.append, wants=lambda who: who == "film 7000")
    crowd = await crowd_of(governor)
    await asyncio.sleep(2)
    await leave(crowd)

    assert [("film 7000", "all 5 active projects are taken, 7000 ahead of it")] == [
        (reason.who, reason.detail) for reason in told
    ]
    assert 1 == explained.count


async def test_who_wants_all_is_told_of_all() -> None:
    governor, all_told, few_told = Governor(), list[WaitReason](), list[WaitReason]()
    governor.on_wait(all_told.append)
    governor.on_wait(few_told.append, wants=lambda who: who == "film 3")
    crowd = await crowd_of(governor, 500)
    await asyncio.sleep(2)
    await leave(crowd)

    assert [f"film {n}" for n in range(500)] == [reason.who for reason in all_told]
    assert ["film 3"] == [reason.who for reason in few_told]


async def test_ended_subscription_wants_nothing_any_more(explained: Counted) -> None:
    governor, told = Governor(), list[WaitReason]()
    first = governor.on_wait(told.append)
    governor.on_wait(told.append, wants=lambda _: False)
    first()
    first()
    crowd = await crowd_of(governor, 20)
    await asyncio.sleep(2)
    await leave(crowd)

    assert [] == told
    assert 0 == explained.count


async def test_mistake_in_what_is_wanted_breaks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    governor = Governor()
    governor.on_wait(lambda _: None, wants=lambda _: 1 / 0 > 0)
    crowd = await crowd_of(governor, 2)
    await asyncio.sleep(2)
    await leave(crowd)

    assert "a callback of the governor failed" in caplog.text


async def test_many_who_are_told_at_once_leave_others_their_turns() -> None:
    governor, told, turns = Governor(), list[WaitReason](), [0]
    crowd = await crowd_of(governor, 10 * AT_A_TIME)
    loop = asyncio.get_running_loop()

    def other() -> None:
        turns.append(len(told))
        if len(told) < len(crowd):
            loop.call_soon(other)

    def tell(reason: WaitReason) -> None:
        if not told:
            loop.call_soon(other)
        told.append(reason)

    governor.on_wait(tell)
    await asyncio.sleep(2.5)
    await leave(crowd)

    assert len(crowd) == len(told)
    assert max(later - earlier for earlier, later in pairwise(turns)) <= AT_A_TIME


async def test_snapshot_puts_into_words_what_is_read(explained: Counted) -> None:
    governor = Governor()
    crowd = await crowd_of(governor)
    seen = governor.snapshot()
    text = repr(governor)

    assert 0 == explained.count
    assert CROWD == len(seen.waits)
    assert "10000 waiting for a slot" in text

    assert "all 5 active projects are taken, 9999 ahead of it" == seen.waits[-1].detail
    await leave(crowd)


async def test_snapshot_shows_what_was_however_late_it_is_read() -> None:
    governor = Governor()
    for _ in range(30):
        governor.answered(await governor.admit())
    waiting: list[asyncio.Task[object]] = [
        asyncio.create_task(governor.admit(Lane.WORK, who=f"call {n}")) for n in range(40)
    ]
    waiting += await crowd_of(governor, 10)
    read_late, read_now = governor.snapshot(), governor.snapshot()
    at_once = tuple(read_now.waits)
    await asyncio.sleep(61)
    await leave(waiting)

    assert at_once == tuple(read_late.waits)
    assert read_late.waits == read_now.waits
    assert hash(read_late.waits) == hash(read_now.waits)
    assert at_once[3:5] == read_late.waits[3:5]
    assert [WaitKind.REQUESTS] * 40 + [WaitKind.SLOT] * 10 == [reason.kind for reason in at_once]
    assert at_once[0].until is not None
    assert at_once[39].until is not None
    assert 55 < (at_once[39].until - at_once[0].until).total_seconds() < 65


async def test_places_in_line_are_right_when_some_have_left() -> None:
    governor, told = Governor(Limits(active_projects=1)), list[WaitReason]()
    governor.on_wait(told.append)
    crowd = await crowd_of(governor, 6)
    urgent: list[asyncio.Task[object]] = [
        asyncio.create_task(governor.slots.acquire("begun", in_flight=True))
    ]
    await asyncio.sleep(0)
    crowd[1].cancel()
    crowd[3].cancel()
    await asyncio.sleep(2)
    await leave([*crowd, *urgent])

    places = {reason.who: reason.detail.rpartition("taken")[2] for reason in told}
    assert {
        "begun": "",
        "film 0": ", 1 ahead of it",
        "film 2": ", 2 ahead of it",
        "film 4": ", 3 ahead of it",
        "film 5": ", 4 ahead of it",
    } == places


async def test_limit_in_force_is_known_without_a_snapshot() -> None:
    governor = Governor()

    assert 30 == governor.request_limit
    assert Governor(Limits(requests_per_minute=None)).request_limit is None
