"""Branches run side by side, and their speed changes no names."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest

from eversince_async import (
    ConfigurationError,
    Eversince,
    Production,
    ProjectFailed,
    Run,
    StepCompleted,
    StepStarted,
    pipeline,
)
from eversince_async.emulator import Emulator
from eversince_async.journal import SqliteJournal
from helpers.pipeline_runs import QUICK, counts, said


async def paused(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@pipeline
async def two_films(run: Run) -> tuple[str, str]:
    one, two = await run.gather(run.produce("One"), run.produce("Two"))
    return one.project_id, two.project_id


@pipeline
async def two_variations(run: Run) -> list[str]:
    film = await run.produce("A film")
    tall, square = await run.gather(
        run.variation(film, "Create a 9:16 version", name="tall"),
        run.variation(film, "Create a 1:1 version", name="square"),
    )
    made = [await run.render_and_share(each) for each in (tall, square)]
    return [str(each.share_url) for each in made]


@pipeline
async def lines(run: Run, first: float, second: float) -> list[float]:
    async def line(run: Run, seconds: float) -> float:
        return await run.step("first", paused, seconds) + await run.step("second", paused, seconds)

    pair = await run.gather(line(run.branch("left"), first), line(run.branch("right"), second))
    return [*pair, await run.step("last", paused, 1.0)]


@pipeline
async def tasks(run: Run) -> float:
    async def line(run: Run) -> float:
        return await run.step("pause", paused, 1.0)

    async with asyncio.TaskGroup() as group:
        left = group.create_task(line(run.branch("left")))
        right = group.create_task(line(run.branch("right")))
    return left.result() + right.result()


@pipeline
async def tasks_without_branches(run: Run) -> float:
    async def line() -> float:
        return await run.step("pause", paused, 1.0) + await run.step("again", paused, 1.0)

    async with asyncio.TaskGroup() as group:
        left, right = group.create_task(line()), group.create_task(line())
    return left.result() + right.result()


@pipeline
async def one_fails(run: Run) -> str:
    try:
        await run.gather(run.step("fail", failed), run.produce("A film"), run.step("pause", paused, 1.0))
    except KeyError as problem:
        return repr(problem)
    return "no"


async def failed() -> None:
    raise KeyError("mug")


@pipeline
async def part(run: Run, seconds: float) -> float:
    return await run.step("pause", paused, seconds)


@pipeline
async def whole(run: Run) -> float:
    return await part(run.branch("part"), 1.0) + await part(run.branch("other"), 2.0)


@pipeline
async def same_branch_twice(run: Run) -> None:
    run.branch("a")
    run.branch("a")


@pipeline
async def naming(run: Run, name: str) -> float:
    return await run.step(name, paused, 1.0)


async def steps_of(eversince, journal, made, *args) -> list[str]:
    """Return the names of the steps in the order of completion."""
    async with eversince.run(made, *args, key="mug", journal=journal) as running:
        names = [event.step async for event in running if isinstance(event, StepCompleted)]
        await running
    return names


async def test_gathered_steps_run_at_a_time(emulator, eversince, journal):
    made = await eversince.run(two_films, key="mug", journal=journal)

    assert 2 == len(set(made))
    assert 2 == emulator.world.most_active


async def test_steps_have_their_names_in_the_order_in_which_they_are_written(emulator, eversince, journal):
    one, two = await eversince.run(two_films, key="mug", journal=journal)
    async with SqliteJournal(journal) as opened:
        first, second = await opened.effect("mug", "produce"), await opened.effect("mug", "produce-2")

    assert ("One", one) == (first.request["arguments"]["brief"]["brief"], first.result["project"]["id"])
    assert ("Two", two) == (second.request["arguments"]["brief"]["brief"], second.result["project"]["id"])


async def test_who_is_quicker_changes_no_name(eversince, journal, tmp_path):
    left_first = await steps_of(eversince, journal, lines, 1.0, 5.0)
    right_first = await steps_of(eversince, tmp_path / "other.db", lines, 5.0, 1.0)

    assert ["left/first", "left/second", "right/first", "right/second", "last"] == left_first
    assert sorted(left_first) == sorted(right_first)
    assert "right/first" == right_first[0]


async def test_in_another_run_whoever_is_quicker_finds_its_own_again(eversince, journal):
    """The first run is stopped while one branch is ahead."""

    async def run() -> list[float]:
        return await eversince.run(lines, 5.0, 50.0, key="mug", journal=journal)

    running = asyncio.create_task(run())
    await asyncio.sleep(20)
    running.cancel()
    await asyncio.wait([running])

    assert [10.0, 100.0, 1.0] == await run()


async def test_variations_of_one_film_wait_for_each_other(emulator, eversince, journal):
    urls = await eversince.run(two_variations, key="mug", journal=journal)

    assert 2 == len(set(urls))
    (project,) = [each for each in emulator.world.projects.values() if each.rendered]
    assert ["16:9", "9:16", "1:1"] == [render.aspect_ratio for render in project.rendered]
    assert [
        "Create a 9:16 version",
        "Switch to variation var_002",
        "Create a 1:1 version",
        "Switch to variation var_003",
        "Switch to variation var_002",
        "Switch to variation var_003",
    ] == said(emulator, project.id)


async def test_task_groups_work_with_branches(eversince, journal):
    assert 2.0 == await eversince.run(tasks, key="mug", journal=journal)


async def test_tasks_without_branches_are_refused(eversince, journal):
    async def run() -> float:
        return await eversince.run(tasks_without_branches, key="mug", journal=journal)

    with pytest.raises(ExceptionGroup) as raised:  # after which Python 3.12 takes a task for cancelled
        await asyncio.create_task(run())
    (refusal,) = raised.value.exceptions

    assert isinstance(refusal, ConfigurationError)
    assert "give what runs beside it a branch of its own, `run.branch(name)`" in str(refusal)


async def test_one_that_fails_does_not_end_the_others(emulator, eversince, journal):
    assert "KeyError('mug')" == await eversince.run(one_fails, key="mug", journal=journal)
    assert {"projects": 1, "renders": 1, "shares": 1} == counts(emulator)


async def test_a_pipeline_may_be_a_part_of_another(eversince, journal):
    names = await steps_of(eversince, journal, whole)

    assert ["part/pause", "other/pause"] == names


async def test_a_branch_has_a_name_of_its_own(eversince, journal):
    with pytest.raises(ConfigurationError, match="there is a a/ already: give it another name"):
        await eversince.run(same_branch_twice, key="mug", journal=journal)


@pytest.mark.parametrize("name", ["", "a/b", "a:b"])
async def test_some_names_are_none(eversince, journal, name):
    with pytest.raises(ConfigurationError, match="a name must not be empty"):
        await eversince.run(naming, name, key="mug", journal=journal)


@pipeline
async def both_fail(run: Run) -> tuple[Production, Production]:
    return await run.gather(run.produce("One"), run.produce("Two"))


async def test_all_that_failed_is_tried_again(journal):
    scenario = attrs.evolve(QUICK, failure=1.0)
    async with Emulator(scenario=scenario) as emulator, Eversince(**emulator.connection) as eversince:
        with pytest.raises(ProjectFailed):
            await eversince.run(both_fail, key="mug", journal=journal)
        emulator.world.life.scenario = QUICK

        films = await eversince.run(both_fail, key="mug", journal=journal, retry_failed=True)

    assert 2 == len({film.share_url for film in films})
    assert 4 == emulator.world.counts["projects"]


@pipeline
async def gets_over_it(run: Run) -> str:
    try:
        film = await run.produce("A difficult film")
    except ProjectFailed:
        film = await run.produce("An easy film")
    await run.step("stop", stop)
    return film.project_id


STOP: list[Any] = [True]


async def stop() -> None:
    if STOP[0]:
        raise KeyError("stop")


async def test_what_the_function_has_got_over_is_not_tried_again(journal):
    """A retry would send the function down another path.

    The productions paid for on this path would then be lost.
    """
    STOP[0] = True
    scenario = attrs.evolve(QUICK, failure=1.0)
    async with Emulator(scenario=scenario) as emulator, Eversince(**emulator.connection) as eversince:

        async def mend() -> None:
            while not emulator.world.counts["projects"] or any(
                each.status not in {"failed", "idle"} for each in emulator.world.projects.values()
            ):
                await asyncio.sleep(1)
            emulator.world.life.scenario = QUICK

        mending = asyncio.create_task(mend())
        with pytest.raises(KeyError):
            await eversince.run(gets_over_it, key="mug", journal=journal)
        await mending
        STOP[0] = False
        await eversince.run(gets_over_it, key="mug", journal=journal, retry_failed=True)

    assert 2 == emulator.world.counts["projects"]


async def test_each_step_is_told_when_it_begins(eversince, journal):
    async with eversince.run(whole, key="mug", journal=journal) as running:
        began = [(event.step, event.operation) async for event in running if isinstance(event, StepStarted)]

    assert [("part/pause", "step"), ("other/pause", "step")] == began
