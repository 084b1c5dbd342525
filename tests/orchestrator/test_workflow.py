"""Workflows: awaited once or often, followed, started, cancelled, forgotten, resumed."""

import asyncio
import gc
import json
import logging
import warnings
from typing import Any

import pytest

from eversince_async import (
    ClientClosed,
    ConfigurationError,
    Eversince,
    InvalidProjectState,
    InvalidRequest,
    NotFound,
    Production,
    ProjectFailed,
    StatusChanged,
    Timeouts,
    UnexpectedCancellation,
    WaitTimedOut,
    Workflow,
)
from eversince_async.emulator import Emulator, Scenario

WALK = Scenario(walk={"queued": 12, "running": 60}, rendering=90)


@pytest.fixture
async def emulator() -> Any:
    async with Emulator(scenario=WALK) as emulator:
        yield emulator


def projects(emulator: Emulator) -> list[str]:
    """Return the statuses of all projects that were added since the start."""
    return [project.status for project in emulator.world.projects.values() if not project.studio]


# -- Awaiting ---------------------------------------------------------------------------------------------


async def test_awaiting_again_gives_the_same_result(emulator: Emulator, eversince: Eversince) -> None:
    workflow = eversince.produce("A film")
    first = await workflow

    assert first is await workflow
    assert 1 == len(projects(emulator))


async def test_awaiting_again_gives_the_same_error(emulator: Emulator, eversince: Eversince) -> None:
    workflow = eversince.resume("proj_none")
    with pytest.raises(NotFound) as first:
        await workflow
    with pytest.raises(NotFound) as second:
        await workflow

    assert first.value is not second.value
    assert repr(first.value) == repr(second.value)


async def test_two_may_await_one(emulator: Emulator, eversince: Eversince) -> None:
    workflow = eversince.produce("A film")
    first, second = await asyncio.gather(asyncio.ensure_future(workflow), asyncio.ensure_future(workflow))

    assert first is second
    assert 1 == len(projects(emulator))


async def test_works_wherever_awaitables_do(eversince: Eversince) -> None:
    film = await asyncio.wait_for(eversince.produce("A film"), timeout=1000)
    films = await asyncio.gather(eversince.produce("A film"), eversince.produce("A film"))

    assert {Production} == {type(each) for each in (film, *films)}


async def test_interrupted_one_says_so(eversince: Eversince) -> None:
    workflow = eversince.produce("A film")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10):
            await workflow
    with pytest.raises(UnexpectedCancellation):
        await workflow


async def test_repr_says_how_it_stands(eversince: Eversince) -> None:
    workflow = eversince.produce("A film")
    before = repr(workflow)
    task = asyncio.ensure_future(workflow)
    await asyncio.sleep(1)
    during = repr(workflow)
    await task

    assert (
        "<Workflow production, not started>",
        "<Workflow production, running>",
        "<Workflow production, done>",
    ) == (before, during, repr(workflow))


async def test_one_that_was_never_awaited_is_warned_of(emulator: Emulator, eversince: Eversince) -> None:
    workflow = eversince.produce("A film")
    with pytest.warns(RuntimeWarning, match="production was never awaited, so nothing was done"):
        del workflow

    assert 0 == len(emulator.world.log)


async def test_one_that_was_awaited_is_not_warned_of(eversince: Eversince) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await eversince.produce("A film")
        gc.collect()


# -- Following --------------------------------------------------------------------------------------------


async def test_events_end_with_the_workflow(eversince: Eversince) -> None:
    async with eversince.produce("A film") as workflow:
        events = [event async for event in workflow]
        film = await workflow

    assert len(events) > 10
    assert film.share_url is not None


async def test_events_come_as_they_happen(eversince: Eversince) -> None:
    loop = asyncio.get_running_loop()
    async with eversince.produce("A film") as workflow:
        delays = [loop.time() - event.at async for event in workflow]

    assert pytest.approx(0.0) == max(delays)


async def test_leaving_the_block_ends_the_workflow_and_leaves_the_project(
    emulator: Emulator, eversince: Eversince
) -> None:
    async with eversince.produce("A film") as workflow:
        async for event in workflow:
            if isinstance(event, StatusChanged) and event.status == "running":
                break
    await asyncio.sleep(100)

    assert ["idle"] == projects(emulator)


async def test_leaving_the_block_may_cancel_the_project_too(emulator: Emulator, eversince: Eversince) -> None:
    async with eversince.produce("A film", on_cancel="cancel") as workflow:
        async for event in workflow:
            if isinstance(event, StatusChanged) and event.status == "running":
                break

    assert ["cancelled"] == projects(emulator)


async def test_failure_nobody_asked_for_is_raised_by_the_block(eversince: Eversince) -> None:
    with pytest.raises(NotFound):
        async with eversince.resume("proj_none") as workflow:
            assert [] == [event async for event in workflow if isinstance(event, StatusChanged)]


async def test_failure_that_was_asked_for_is_raised_where_it_was(eversince: Eversince) -> None:
    caught = False
    async with eversince.resume("proj_none") as workflow:
        try:
            await workflow
        except NotFound:
            caught = True

    assert caught


async def test_error_of_the_block_wins(eversince: Eversince) -> None:
    async def block() -> None:
        async with eversince.resume("proj_none") as workflow:
            async for _ in workflow:
                pass
            raise KeyError

    with pytest.raises(KeyError):
        await block()


async def test_following_needs_a_block(eversince: Eversince) -> None:
    workflow = eversince.produce("A film")
    with pytest.raises(ConfigurationError, match="async with"):
        async for _ in workflow:
            pass
    await workflow


async def test_block_opens_once(eversince: Eversince) -> None:
    workflow = eversince.produce("A film")
    async with workflow:
        with pytest.raises(ConfigurationError, match="started already"):
            async with workflow:
                pass


async def test_whoever_stops_awaiting_in_the_block_does_not_stop_it(eversince: Eversince) -> None:
    async with eversince.produce("A film") as workflow:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await workflow
        film = await workflow

    assert film.share_url is not None


# -- Starting ---------------------------------------------------------------------------------------------


async def test_started_one_begins_at_once(emulator: Emulator, eversince: Eversince) -> None:
    workflow = eversince.start("A film")
    await asyncio.sleep(30)
    assert ["running"] == projects(emulator)

    assert isinstance(await workflow, Production)


async def test_started_one_ends_with_the_client(emulator: Emulator) -> None:
    async with Eversince(**emulator.connection) as eversince:
        workflow = eversince.start("A film")
        await asyncio.sleep(30)
    with pytest.raises(ClientClosed):
        await workflow

    assert ["running"] == projects(emulator)


async def test_started_one_may_cancel_its_project_when_the_client_closes(emulator: Emulator) -> None:
    async with Eversince(**emulator.connection) as eversince:
        eversince.start("A film", on_cancel="cancel")
        await asyncio.sleep(30)

    assert ["cancelled"] == projects(emulator)


# -- Handles ----------------------------------------------------------------------------------------------


def through_json(workflow: Workflow[Production]) -> dict[str, Any]:
    """Return a handle as another process would read it."""
    handle: dict[str, Any] = json.loads(json.dumps(workflow.handle.to_json()))
    return handle


async def test_handle_is_there_from_the_beginning(emulator: Emulator, eversince: Eversince) -> None:
    """Before any request the handle holds the brief and its key.

    So there is never a second project.
    """
    workflow = eversince.produce("A film", title="Mug", idempotency_key="mug-1")
    handle = through_json(workflow)
    await workflow
    film = await eversince.resume(handle)

    assert ("mug-1", None, "A film") == (handle["key"], handle["project_id"], handle["brief"]["brief"])
    assert 1 == len(projects(emulator))
    assert (await workflow).project_id == film.project_id


async def test_handle_of_a_running_one_resumes_it(emulator: Emulator, eversince: Eversince) -> None:
    async with eversince.produce("A film", render="1080p") as workflow:
        async for event in workflow:
            if isinstance(event, StatusChanged) and event.status == "running":
                break
        handle = through_json(workflow)
    film = await eversince.resume(handle)

    assert (film.project_id, None) == (handle["project_id"], handle["brief"])
    assert (1, 1) == (emulator.world.counts["renders"], emulator.world.counts["shares"])


async def test_handle_resumes_during_a_render(emulator: Emulator, eversince: Eversince) -> None:
    async with eversince.produce("A film") as workflow:
        async for event in workflow:
            if isinstance(event, StatusChanged) and event.status == "rendering":
                break
        handle = through_json(workflow)
    film = await eversince.resume(handle)

    assert film.assembled_url is not None
    assert 1 == emulator.world.counts["renders"]


async def test_handle_has_no_secrets(emulator: Emulator, eversince: Eversince) -> None:
    workflow = eversince.produce("A film")
    await workflow

    assert "es_live" not in json.dumps(workflow.handle.to_json())


@pytest.mark.parametrize("odd", [{}, {"key": 7}, {"project_id": "proj_1"}, {"handle": None}])
async def test_something_else_is_no_handle(eversince: Eversince, odd: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="handle"):
        eversince.resume(odd)


async def test_step_has_no_handle(emulator: Emulator, eversince: Eversince) -> None:
    workflow = eversince.wait(emulator.add_project("A film").id)
    with pytest.raises(InvalidProjectState):
        _ = workflow.handle
    await workflow


async def test_resuming_what_failed_says_so(emulator: Emulator, eversince: Eversince) -> None:
    with pytest.raises(ProjectFailed):
        await eversince.resume(emulator.add_project("A film", status="failed").id)


# -- No leftovers -----------------------------------------------------------------------------------------


async def test_no_error_is_logged_for_a_failure_that_was_raised(
    eversince: Eversince, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        workflow = eversince.resume("proj_none")
        with pytest.raises(NotFound):
            async with workflow:
                await workflow
    gc.collect()

    assert [] == [record for record in caplog.records if record.levelno >= logging.WARNING]


# -- Errors -----------------------------------------------------------------------------------------------


async def test_each_who_awaits_one_gets_an_error_of_his_own(eversince: Eversince) -> None:
    """Otherwise the tracebacks of all waiters would hang on one object."""
    workflow = eversince.start("A film", timeouts=Timeouts(settle=1))
    ends = await asyncio.gather(*(_awaited(workflow) for _ in range(3)), return_exceptions=True)

    assert {WaitTimedOut} == {type(end) for end in ends}
    assert 3 == len({id(end) for end in ends})


async def test_an_error_that_leaves_the_block_notes_what_the_workflow_has_failed_of(
    eversince: Eversince,
) -> None:
    async def block() -> None:
        async with eversince.resume("proj_none"):
            await asyncio.sleep(60)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        await block()
    assert "NotFound" in caught.value.__notes__[0]


async def test_one_that_is_given_up_by_whoever_awaits_it_again_fails_in_silence(
    eversince: Eversince, caplog: pytest.LogCaptureFixture
) -> None:
    workflow = eversince.start("A film", timeouts=Timeouts(settle=30))
    waiting = asyncio.ensure_future(_awaited(workflow))
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.sleep(100)
    del workflow
    gc.collect()

    assert "never retrieved" not in caplog.text


async def _awaited(workflow: Workflow[Production]) -> Production:
    return await workflow
