"""Closing always comes to its end, and always closes."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Any

import pytest

from eversince_async import ClientClosed, Eversince, Limits, Run, StatusChanged, pipeline
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import Faults, Latency
from eversince_async.journal import MemoryJournal, SqliteJournal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

GONE = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(scenario=Scenario(walk={"queued": 10, "running": 50}, rendering=20)) as emulator:
        yield emulator


def is_closed(eversince: Eversince) -> bool:
    return not (eversince._transport.is_open or eversince._store.is_open)


# -- Loops that are gone ----------------------------------------------------------------------------------


def a_loop_that_dies(eversince: Eversince, *stories: Any) -> None:
    """Begin things on a loop that is closed without their having ended."""
    loop = asyncio.new_event_loop()

    async def begin() -> None:
        eversince.governor.pause(300)  # everything waits for its turn
        for story in stories:
            story()
        await asyncio.sleep(0.05)

    loop.run_until_complete(begin())
    loop.close()


@GONE
@pytest.mark.parametrize("productions", ["leave", "drain", "cancel"])
def test_what_was_started_on_a_loop_that_is_gone_is_not_waited_for(productions: Any) -> None:
    eversince = Eversince("es_live_x", base_url="http://127.0.0.1:9")
    a_loop_that_dies(eversince, lambda: eversince.start("A film"), lambda: eversince.start("Another"))

    async def close() -> tuple[Any, ...]:
        async with asyncio.timeout(5):
            return await eversince.aclose(productions=productions)

    assert () == asyncio.run(close())
    assert set() == eversince._background_tasks
    assert 0 == len(eversince._runtime.registry)


@GONE
def test_nor_is_an_answer_that_was_asked_for_there() -> None:
    """What can be bought, which is asked for once for all: on the next loop it is asked for anew."""
    eversince = Eversince("es_live_x", base_url="http://127.0.0.1:9")
    a_loop_that_dies(eversince, eversince._runtime._fetch_packages)

    async def close() -> None:
        async with asyncio.timeout(5):
            before = eversince._runtime._packages
            assert before is not None
            assert eversince._runtime._fetch_packages() is not before[1]
            await eversince.aclose()

    asyncio.run(close())


@GONE
def test_a_loop_that_died_while_draining_hurts_no_workflow_of_the_next() -> None:
    """The closing that waited there is told of nothing any more."""
    eversince = Eversince("es_live_x", base_url="http://127.0.0.1:9")
    closings: list[Any] = []
    a_loop_that_dies(
        eversince,
        lambda: eversince.start("A film"),
        lambda: closings.append(asyncio.ensure_future(eversince.aclose(productions="drain"))),
    )

    async def next_loop() -> str:
        workflow = eversince.start("Another")
        await asyncio.sleep(0.05)
        await eversince.aclose()
        with pytest.raises(ClientClosed):
            await workflow
        return "closed"

    assert "closed" == asyncio.run(next_loop())


@GONE
def test_workflows_of_a_loop_that_is_gone_are_collected_without_a_word(
    capsys: pytest.CaptureFixture[str],
) -> None:
    eversince = Eversince("es_live_x", base_url="http://127.0.0.1:9")
    a_loop_that_dies(eversince, lambda: eversince.start("A film"))
    asyncio.run(eversince.aclose())
    gc.collect()

    assert "Traceback" not in capsys.readouterr().err


# -- Cancelled meanwhile ----------------------------------------------------------------------------------


@pytest.mark.parametrize("productions", ["leave", "drain", "cancel"])
@pytest.mark.parametrize("rounds", range(1, 12))
async def test_cancelled_wherever_it_waits_it_closes_all_the_same(
    emulator: Emulator, rounds: int, productions: Any
) -> None:
    async with Emulator(scenario=Scenario(walk={"running": 500}, rendering=20)) as emulator:
        eversince = Eversince(**emulator.connection)
        workflow = eversince.start("A film", on_cancel="leave")
        await asyncio.sleep(30)
        closing = asyncio.ensure_future(eversince.aclose(productions=productions))
        for _ in range(rounds):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])

        assert is_closed(eversince)
        assert workflow._task is not None
        assert workflow._task.done()
        assert 0 == len(eversince._runtime.registry)


@pytest.mark.parametrize("times", [2, 3, 7])
async def test_cancelled_again_and_again_it_does_so_too(emulator: Emulator, times: int) -> None:
    eversince = Eversince(**emulator.connection)
    workflows = [eversince.start("A film", on_cancel="cancel") for _ in range(3)]
    await asyncio.sleep(30)
    closing = asyncio.ensure_future(eversince.aclose())
    for _ in range(times):
        await asyncio.sleep(0)
        closing.cancel()
    await asyncio.wait([closing])

    assert closing.cancelled()
    assert is_closed(eversince)
    assert all(workflow._task is not None and workflow._task.done() for workflow in workflows)


async def test_a_timeout_around_a_block_does_not_keep_it_from_closing(emulator: Emulator) -> None:
    """The timeout strikes while the client closes."""
    emulator.faults.once("POST", "/projects/*/cancel", Latency(seconds=5))
    eversince = Eversince(**emulator.connection)

    async def block() -> None:
        async with asyncio.timeout(32), eversince:
            eversince.start("A film", on_cancel="cancel")
            await asyncio.sleep(30)

    with pytest.raises(TimeoutError):
        await block()
    assert is_closed(eversince)


# -- What does not end by itself --------------------------------------------------------------------------


async def test_a_person_who_ignores_cancellation_is_left_behind(
    emulator: Emulator, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Code of the user's that takes a cancellation for an error and goes on: after half a minute."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    async def stubborn() -> None:
        while not stop.is_set():
            try:
                await stop.wait()
            except asyncio.CancelledError:
                continue

    @pipeline
    async def lasting(run: Run) -> None:
        await run.step("stubborn", stubborn)

    async with Eversince(**emulator.connection) as eversince:
        running = asyncio.ensure_future(eversince.run(lasting, key="k", journal=tmp_path / "j.db"))
        await asyncio.sleep(1)
        began = loop.time()
        await eversince.aclose()

        assert 25 < loop.time() - began < 35
        assert is_closed(eversince)
        assert "goes on although it was cancelled" in caplog.text
        stop.set()
        await asyncio.wait([running])


async def test_what_takes_the_first_cancellation_for_an_error_is_cancelled_again(emulator: Emulator) -> None:
    deaf = []

    async def once_deaf() -> None:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            deaf.append(True)
        await asyncio.sleep(1000)

    @pipeline
    async def lasting(run: Run) -> None:
        await run.step("deaf", once_deaf)

    async with MemoryJournal() as journal, Eversince(**emulator.connection) as eversince:
        running = asyncio.ensure_future(eversince.run(lasting, key="k", journal=journal))
        await asyncio.sleep(1)
        await eversince.aclose()
        await asyncio.wait([running])

        assert [True] == deaf
        assert isinstance(running.exception(), ClientClosed)
        job = await journal.load("k")
        assert job is not None
        assert job.lease_until is None


async def test_a_workflow_may_close_the_client_it_runs_in(emulator: Emulator) -> None:
    """It is not waited for, and told of nothing."""
    loop = asyncio.get_running_loop()

    @pipeline
    async def closes(run: Run) -> str:
        await eversince.aclose()
        return "closed"

    async with MemoryJournal() as journal:
        eversince = Eversince(**emulator.connection)
        assert "closed" == await eversince.run(closes, key="k", journal=journal)
        assert loop.time() < 1


async def test_draining_does_not_wait_for_what_another_process_works_on(
    emulator: Emulator, tmp_path: Path
) -> None:
    @pipeline
    async def film(run: Run) -> None:
        await run.sleep(1)

    loop = asyncio.get_running_loop()
    async with SqliteJournal(tmp_path / "j.db") as theirs, Eversince(**emulator.connection) as eversince:
        running = asyncio.ensure_future(eversince.run(film, key="k", journal=tmp_path / "j.db"))
        await asyncio.sleep(0.5)
        await asyncio.wait([running])
        job = await theirs.put("k2", {"pipeline": "film", "version": "1", "arguments": {}}, stage="working")
        await theirs.acquire(job.id, 10_000)
        waiting = asyncio.ensure_future(eversince.run(film, key="k2", journal=tmp_path / "j.db"))
        await asyncio.sleep(30)
        began = loop.time()
        await eversince.aclose(productions="drain")

        assert loop.time() - began < 10
        assert isinstance(waiting.exception(), ClientClosed)


async def test_draining_does_not_wait_for_a_pipeline_that_sleeps(emulator: Emulator, tmp_path: Path) -> None:
    @pipeline
    async def sleeper(run: Run) -> None:
        await run.sleep(86_400)

    loop = asyncio.get_running_loop()
    async with Eversince(**emulator.connection) as eversince:
        running = asyncio.ensure_future(eversince.run(sleeper, key="k", journal=tmp_path / "j.db"))
        await asyncio.sleep(30)
        began = loop.time()
        await eversince.aclose(productions="drain")

        assert loop.time() - began < 10
        assert isinstance(running.exception(), ClientClosed)


# -- Steps of an iteration --------------------------------------------------------------------------------


async def test_events_go_on_after_a_timeout_around_a_step(eversince: Eversince) -> None:
    async def events(patience: float) -> list[str]:
        found = []
        async with eversince.produce("A film") as workflow:
            steps = aiter(workflow)
            while True:
                try:
                    async with asyncio.timeout(patience):
                        event = await anext(steps)
                except TimeoutError:
                    continue
                except StopAsyncIteration:
                    return found
                if isinstance(event, StatusChanged):
                    found.append(event.status)

    assert await events(1000) == await events(0.7) != []


# -- A real clock -----------------------------------------------------------------------------------------


def test_the_story_on_a_real_clock() -> None:
    """Closing while a create is on its way: the answer comes a little later, and everything is closed."""

    async def story() -> float:
        faults = Faults()
        faults.once("POST", "/projects", Latency(seconds=0.3, after_commit=True))
        async with Emulator(faults=faults) as emulator:
            eversince = Eversince(**emulator.connection)
            workflow = eversince.start("A film")
            await asyncio.sleep(0.1)
            began = time.perf_counter()
            await eversince.aclose()
            assert is_closed(eversince)
            with pytest.raises(ClientClosed):
                await workflow
            return time.perf_counter() - began

    assert asyncio.run(story()) < 30


# -- What a loop that is gone has left behind --------------------------------------------------------------


@GONE
def test_who_seeks_a_slot_is_not_left_alone_for_those_of_a_loop_that_is_gone() -> None:
    """Nor are looks taken for them: nobody waits there any more."""
    eversince = Eversince("es_live_x", base_url="http://127.0.0.1:9")
    seeking = []

    def seek() -> None:
        seeking.append(eversince._poller.waiting_for_slot)
        seeking[-1].__enter__()

    a_loop_that_dies(eversince, seek)

    async def next_loop() -> None:
        poller = eversince._poller
        with poller.waiting_for_slot:
            assert poller._is_running()
            seeking[0].__exit__(None, None, None)  # as when it is collected
            await asyncio.sleep(0)
            assert poller._is_running()
        await asyncio.sleep(0.5)
        assert not poller._is_running()
        await eversince.aclose()

    asyncio.run(next_loop())


# -- Draining beside what waits for another day ------------------------------------------------------------


@pytest.mark.parametrize("waits_already", [True, False])
async def test_draining_hands_out_what_waits_for_tomorrow(emulator: Emulator, *, waits_already: bool) -> None:
    """Whether it waits by then, or comes to that while the client drains."""
    loop = asyncio.get_running_loop()
    async with Eversince(**emulator.connection, limits=Limits(renders_per_day=1)) as eversince:
        await eversince.produce("The first")
        second = eversince.start("The second")
        await asyncio.sleep(300 if waits_already else 10)
        began = loop.time()
        left = await eversince.aclose(productions="drain")

        assert loop.time() - began < 300
        assert second.handle == left[0]
        assert left[0].project_id is not None
        with pytest.raises(ClientClosed, match="the daily reset") as closed:
            await second
        assert closed.value.handle == left[0].to_json()
        assert closed.value.project_id == left[0].project_id


@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
async def test_each_who_drains_is_handed_what_waits_for_tomorrow(emulator: Emulator, rounds: int) -> None:
    """In whichever round of the loop the others begin to drain."""
    async with Eversince(**emulator.connection, limits=Limits(projects_per_day=1)) as eversince:
        await eversince.produce("The first", share=False)
        waiting = eversince.start("The second")
        await asyncio.sleep(10)

        async def close(after: int) -> Any:
            for _ in range(after):
                await asyncio.sleep(0)
            return await eversince.aclose(productions="drain")

        left = await asyncio.gather(close(0), close(rounds), close(rounds + 1))

        assert (waiting.handle,) == left[0]
        assert {handle for each in left for handle in each} == {waiting.handle}


async def test_who_gives_up_draining_ends_it_for_nobody_else(emulator: Emulator) -> None:
    async with Eversince(**emulator.connection, limits=Limits(projects_per_day=1)) as eversince:
        long = eversince.start("The first", share=False)
        await asyncio.sleep(10)
        registry = eversince._runtime.registry
        drains = asyncio.create_task(registry.drain(None))
        await registry.drain(1)

        assert registry.draining_since is not None
        await drains
        assert (await long).assembled_url is not None
    assert registry.draining_since is None


async def test_one_in_a_batch_is_paused(emulator: Emulator, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with Eversince(**emulator.connection, limits=Limits(renders_per_day=1)) as eversince:
        batch = eversince.batch(["One", "Two"], journal=tmp_path / "j.db")
        reported = asyncio.ensure_future(_reported(batch))
        await asyncio.sleep(300)
        began = loop.time()
        await eversince.aclose(productions="drain")

        assert loop.time() - began < 10
        assert {"succeeded": 1, "paused": 1} == (await reported).counts


async def _reported(batch: Any) -> Any:
    return await batch


async def test_what_does_not_drain_waits_for_tomorrow_as_ever(emulator: Emulator) -> None:
    async with Eversince(**emulator.connection, limits=Limits(renders_per_day=1)) as eversince:
        await eversince.produce("The first", share=False)
        assert (await eversince.produce("The second", share=False)).assembled_url is not None
