"""Changed code or arguments under an old key raise an error.

The error says what has changed, and comes before any request.
"""

from __future__ import annotations

import asyncio

import pytest

from eversince_async import EversinceError, PipelineChanged, Run, pipeline

DONE: list[str] = []


async def noted(text: str) -> str:
    DONE.append(text)
    return text


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()


async def before(run: Run) -> str:
    """Run the original code: two steps, then a wait.

    The process ends during the wait.
    """
    first = await run.step("first", noted, "a")
    second = await run.produce(f"A film of {first}", render=None)
    await run.sleep(3600)
    return second.project_id


async def other_argument_of_its_own_code(run: Run) -> str:
    await run.step("first", noted, "b")
    return ""


async def other_brief(run: Run) -> str:
    first = await run.step("first", noted, "a")
    await run.produce(f"Another film of {first}", render=None)
    return ""


async def one_inserted(run: Run) -> str:
    await run.step("zeroth", noted, "z")
    return await before(run)


async def one_left_out(run: Run) -> str:
    film = await run.produce("A film of a", render=None)
    return film.project_id


async def ends_too_soon(run: Run) -> str:
    return await run.step("first", noted, "a")


async def other_verb(run: Run) -> str:
    await run.sleep(1, name="first")
    return ""


async def other_type(run: Run) -> str:
    await run.step("first", counted, "a")
    return ""


async def counted(text: str) -> int:
    return len(text)


async def moved_into_a_branch(run: Run) -> str:
    return await before(run.branch("part"))


async def swallowing(run: Run) -> str:
    await run.step("first", noted, "a")
    try:
        await run.produce("Another film", render=None)
    except EversinceError:
        return "swallowed"
    return ""


async def renamed_variables_and_more_code(run: Run) -> str:
    text = await run.step("first", noted, "a")
    DONE.append("between")
    film = await run.produce(f"A film of {text}", render=None)
    await run.sleep(3600)
    await run.step("after", noted, "at its end")
    return film.project_id


async def run_of(eversince, journal, function):
    return await eversince.run(pipeline(name="campaign")(function), key="mug", journal=journal)


async def cut_off(emulator, eversince, journal, function=before, seconds=600):
    """Run the original code once, and stop it during its wait."""
    running = asyncio.create_task(run_of(eversince, journal, function))
    await asyncio.sleep(seconds)
    running.cancel()
    await asyncio.wait([running])
    emulator.world.log.clear()


@pytest.mark.parametrize(
    ("function", "step", "message"),
    [
        (other_argument_of_its_own_code, "first", r'arguments\[0\]: "a", now "b"'),
        (other_brief, "produce", r'brief.brief: "A film of a", now "Another film of a"'),
        (one_inserted, "zeroth", "step 1 was 'first', and is 'zeroth' now"),
        (one_left_out, "produce", "step 1 was 'first', and is 'produce' now"),
        (ends_too_soon, "produce", "'produce' was begun, and is not called now"),
        (other_verb, "first", "it was 'step', and is 'sleep' now"),
        (other_type, "first", "has another type than it had: it is not of type int: expected int, got str"),
        (moved_into_a_branch, "part/first", "branch 'part' was not there before 'first', and is now"),
        (swallowing, "produce", 'brief.brief: "A film of a", now "Another film"'),
    ],
)
async def test_a_changed_step_is_refused_before_anything_is_sent(
    emulator, eversince, journal, function, step, message
):
    await cut_off(emulator, eversince, journal)
    with pytest.raises(PipelineChanged, match=message) as raised:
        await run_of(eversince, journal, function)

    assert ("mug", step) == (raised.value.key, raised.value.step)
    assert 0 == len(emulator.world.log)


async def test_the_error_says_what_to_do(emulator, eversince, journal):
    await cut_off(emulator, eversince, journal)
    with pytest.raises(PipelineChanged) as raised:
        await run_of(eversince, journal, other_brief)

    assert (
        "pipeline 'mug' has changed at step 'produce': "
        'brief.brief: "A film of a", now "Another film of a"; '
        "finish it with the code it was begun with, or run this under another key"
    ) == str(raised.value)


async def test_it_is_no_failure_of_the_run(emulator, eversince, journal):
    """With the original code, the same key continues."""
    await cut_off(emulator, eversince, journal)
    with pytest.raises(PipelineChanged):
        await run_of(eversince, journal, other_brief)

    assert (await run_of(eversince, journal, before)).startswith("proj_")
    assert 1 == emulator.world.counts["projects"]


async def test_other_code_that_does_the_same_goes_on(emulator, eversince, journal):
    """The code itself is not compared, and more steps may follow."""
    await cut_off(emulator, eversince, journal)
    await run_of(eversince, journal, renamed_variables_and_more_code)

    assert ["a", "between", "at its end"] == DONE
    assert 1 == emulator.world.counts["projects"]


async def in_a_branch(run: Run) -> str:
    return await before(run.branch("part"))


async def test_a_step_moved_out_of_a_branch_is_refused_before_anything_is_sent(emulator, eversince, journal):
    await cut_off(emulator, eversince, journal, in_a_branch)

    with pytest.raises(PipelineChanged, match="branch 'part' was there before it, and is not now"):
        await run_of(eversince, journal, before)
    assert 0 == len(emulator.world.log)


async def slow_branch(run: Run) -> str:
    """Reach the branch's first step long after the function's second."""

    async def line(run: Run) -> None:
        await asyncio.sleep(1000)
        await run.step("late", noted, "late")

    async with asyncio.TaskGroup() as group:
        group.create_task(line(run.branch("slow")))
        await run.step("first", noted, "a")
        await run.step("second", noted, "b")
    return ""


async def test_a_branch_that_is_slow_has_not_changed(emulator, eversince, journal):
    await cut_off(emulator, eversince, journal, slow_branch, 500)
    await run_of(eversince, journal, slow_branch)

    assert ["a", "b", "late"] == DONE
