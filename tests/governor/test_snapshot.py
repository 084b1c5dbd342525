import asyncio

from eversince_async.governor import Governor, Lane, Limits
from eversince_async.models.receipt import RateLimit


async def test_an_unused_governor_says_little() -> None:
    assert "<Governor 0/5 projects; 0/30 requests this minute>" == repr(Governor())


async def test_a_busy_governor_reads_like_a_sentence() -> None:
    governor = Governor(Limits(renders_per_day=50))
    for n in range(3):
        await governor.slots.acquire(f"film {n}")
    governor.observed_page(["of the studio", "of another"], complete=True)
    for _ in range(41):
        await governor.quota.reserve("renders")
    for _ in range(30):
        governor.answered(await governor.admit())
    waiting: list[asyncio.Task[object]] = [
        *(asyncio.create_task(governor.admit(Lane.WORK)) for _ in range(3)),
        *(asyncio.create_task(governor.slots.acquire(f"new {n}")) for n in range(12)),
    ]
    await asyncio.sleep(59.1)
    governor.record_credits(310)

    assert (
        "<Governor 5/5 projects (2 foreign), 12 waiting for a slot; "
        "30/30 requests this minute, 3 waiting, next in 1.4 s; 41/50 renders today; 310 credits>"
    ) == repr(governor)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_it_says_what_others_use_that_it_is_paused_and_when_the_day_has_more() -> None:
    governor = Governor(Limits(renders_per_day=1, requests_per_minute=None, active_projects=None))
    await governor.admit()
    governor.pause(5)
    render = await governor.quota.reserve("renders")

    assert (
        "<Governor 0 projects; 1 requests under way, no limit, paused for 5.0 s; "
        f"1/1 renders today, more at {governor.quota.resets_at('renders'):%Y-%m-%d %H:%M} UTC>"
    ) == repr(governor)
    render.give_back()

    shared = Governor()
    shared.answered(await shared.admit(), RateLimit(limit=30, remaining=19))
    lease = await shared.slots.acquire("film")
    lease.rejected()

    assert (
        "<Governor 0/5 projects, the server says full; 1/30 requests this minute (12 more left to others)>"
    ) == repr(shared)


async def test_a_snapshot_says_who_holds_and_who_waits() -> None:
    governor = Governor(Limits(active_projects=1))
    lease = await governor.slots.acquire("film 1")
    lease.mark_sent()
    lease.bind("project 1")
    waiting = asyncio.create_task(governor.slots.acquire("film 2"))
    await asyncio.sleep(3)
    seen = governor.snapshot()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    [held] = seen.slots.leases
    [waits] = seen.waits
    assert ("film 1", "project 1", True, True) == (held.key, held.project_id, held.held, held.active)
    assert ("film 2", 3.0) == (waits.who, round((seen.at - waits.since).total_seconds(), 3))
    assert str(waits) == "film 2: the one active project is taken"


def test_a_governor_can_be_shown_when_no_loop_runs() -> None:
    assert "<Governor 0/5 projects; 0/30 requests this minute>" == repr(Governor())
