"""New projects that the server hides for a while.

A hidden project has not ended, and keeps its slot.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from eversince_async import Eversince, Limits, NotFound, RetryPolicy
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator import Limits as EmulatedLimits
from eversince_async.session.new_projects import Newborn
from eversince_async.testing import run
from helpers.hidden_projects import Replica

QUICK = Scenario(queued=1, running=5, images=2, videos=8, rendering=8, cycles=1, scenes=(1, 1))
SLOW = Scenario(queued=1, running=20, images=30, videos=60, rendering=30, cycles=1, scenes=(1, 1))


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.fixture
async def quick() -> AsyncIterator[Emulator]:
    async with Emulator(scenario=QUICK) as emulator:
        yield emulator


@pytest.mark.parametrize("hidden", [6, 20, 45, 58])
@pytest.mark.parametrize("count", [1, 2, 12])
@pytest.mark.parametrize("scenario", [QUICK, SLOW], ids=["quick", "slow"])
async def test_batch_waits_for_what_is_hidden(
    hidden: float, count: int, scenario: Scenario, tmp_path: Path
) -> None:
    """Some items waited for a slot long before."""
    items = [{"key": str(n), "brief": f"Film {n}"} for n in range(count)]
    async with (
        Emulator(scenario=scenario) as emulator,
        Replica(emulator, hidden) as replica,
        Eversince(**replica.connection) as eversince,
    ):
        report = await eversince.batch(items, journal=tmp_path / "journal.db")

    assert {"succeeded": count} == dict(report.counts)
    assert count == emulator.world.counts["renders"]
    assert 0 == replica.refusals


async def test_project_that_stays_hidden_for_longer_is_not_there(quick: Emulator) -> None:
    async with Replica(quick, 1000) as replica, Eversince(**replica.connection) as eversince:
        with pytest.raises(NotFound):
            await eversince.produce("A film")
        assert 60 <= now() < 75

        with pytest.raises(NotFound):
            await eversince.projects.get(next(iter(quick.world.projects)))


async def test_one_that_was_never_created_is_told_at_once(quick: Emulator) -> None:
    async with Eversince(**quick.connection) as eversince:
        with pytest.raises(NotFound):
            await eversince.wait("proj_none")

    assert now() < 1


CALLS: dict[str, Callable[[Eversince, str], Awaitable[object]]] = {
    "get": lambda eversince, project_id: eversince.projects.get(project_id),
    "wait": lambda eversince, project_id: eversince.wait(project_id),
    "render": lambda eversince, project_id: eversince.render(project_id),
    "resume": lambda eversince, project_id: eversince.resume(project_id),
    "messages": lambda eversince, project_id: eversince.messages.list(project_id),
    "variations": lambda eversince, project_id: eversince.content.variations(project_id),
    "assets": lambda eversince, project_id: eversince.content.assets(project_id),
    "cancel": lambda eversince, project_id: eversince.projects.cancel(project_id),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_whatever_asks_for_it_right_after_the_create_waits_for_it(
    quick: Emulator, call: Callable[[Eversince, str], Awaitable[object]]
) -> None:
    async with Replica(quick, 15) as replica, Eversince(**replica.connection) as eversince:
        created = await eversince.projects.create("A film")
        await call(eversince, created.id)

        assert replica.refused
        assert now() >= 15


async def test_conversation_with_a_hidden_project_goes_on(quick: Emulator) -> None:
    async with (
        Replica(quick, 50) as replica,
        Eversince(**replica.connection) as eversince,
        eversince.converse("A film") as conversation,
    ):
        first = await conversation.turn()
        await first.reply("Make it shorter")
        second = await conversation.turn()

    assert 2 == second.number


async def test_adopted_project_may_be_hidden_too(emulator: Emulator) -> None:
    async with Replica(emulator, 30) as replica, Eversince(**replica.connection) as eversince:
        there = (await eversince.projects.discover()).projects
        adopted = await eversince.adopt(there[0].project_id)
        project = await eversince.projects.get(adopted.id)

    assert adopted.id == project.id
    assert replica.refused


async def test_project_of_an_earlier_run_may_be_hidden_as_well(quick: Emulator, tmp_path: Path) -> None:
    """The process died a moment after the create's response."""
    items = [{"key": "film", "brief": "A film"}]
    async with Replica(quick, 50) as replica:
        async with Eversince(**replica.connection) as eversince:
            running = asyncio.ensure_future(eversince.batch(items, journal=tmp_path / "journal.db"))
            await asyncio.sleep(2)
            running.cancel()
            await asyncio.wait([running])
        assert 1 == quick.world.counts["projects"]
        async with Eversince(**replica.connection) as eversince:
            report = await eversince.batch(items, journal=tmp_path / "journal.db")

    assert {"succeeded": 1} == dict(report.counts)
    assert 1 == quick.world.counts["projects"]


async def test_handle_of_a_hidden_project_is_resumed(quick: Emulator) -> None:
    async with Replica(quick, 50) as replica:
        async with Eversince(**replica.connection) as eversince:
            workflow = eversince.start("A film")
            await asyncio.sleep(2)
            handle = workflow.handle.to_json()
        async with Eversince(**replica.connection) as eversince:
            film = await eversince.resume(handle)

    assert film.assembled_url is not None


async def test_hidden_project_keeps_its_slot() -> None:
    """A conversation holds no slot while the agent works.

    Its project does, shown or not.
    """
    limits = EmulatedLimits(active_projects=1)
    async with (
        Emulator(scenario=Scenario(walk={"running": 400}), limits=limits, studio_projects=False) as emulator,
        Replica(emulator, 58) as replica,
        Eversince(**replica.connection, limits=Limits(active_projects=1)) as eversince,
        eversince.converse("A film"),
    ):
        eversince.start("Another", render=None, share=False)
        await asyncio.sleep(57)

        assert 1 == len(emulator.world.projects)
        assert 0 == replica.refusals


async def test_who_wants_no_retries_gets_none(quick: Emulator) -> None:
    async with Replica(quick, 30) as replica, Eversince(**replica.connection) as eversince:
        created = await eversince.projects.create("A film")
        with pytest.raises(NotFound):
            await eversince.with_options(retry=RetryPolicy(attempts=1)).projects.get(created.id)


async def test_a_deadline_is_kept_while_a_project_is_hidden(quick: Emulator) -> None:
    async with Replica(quick, 30) as replica, Eversince(**replica.connection) as eversince:
        created = await eversince.projects.create("A film")
        with pytest.raises(NotFound):
            await eversince.with_options(deadline=12).projects.get(created.id)

    assert 10 <= now() <= 12


async def test_cancelled_while_a_project_is_hidden_nothing_is_asked_any_more(quick: Emulator) -> None:
    async with Replica(quick, 50) as replica, Eversince(**replica.connection) as eversince:
        created = await eversince.projects.create("A film")
        reading = asyncio.create_task(eversince.projects.get(created.id))
        await asyncio.sleep(12)
        reading.cancel()
        await asyncio.wait([reading])
        before = len(replica.refused)
        await asyncio.sleep(100)

    assert reading.cancelled()
    assert 0 < before == len(replica.refused)


def test_grace_does_not_outlive_its_loop() -> None:
    """Another loop's clock shows another time, perhaps one long before."""
    newborn = Newborn(60)

    async def late() -> None:
        await asyncio.sleep(10_000)
        newborn.note("proj")
        assert newborn.may_be_missing("proj", now())

    async def anew() -> None:
        assert not newborn.may_be_missing("proj", now())

    run(late())
    run(anew())
