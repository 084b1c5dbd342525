"""Listeners of a workflow's waits: each hears all, independently of the others."""

import asyncio

import pytest

from eversince_async import Eversince, Limits, Waiting
from eversince_async.batch.usage import UsageRecorder
from eversince_async.emulator import Emulator
from eversince_async.governor import WaitReason


async def blocked(eversince: Eversince, key: str) -> asyncio.Task[object]:
    """Wait for a slot by a key, for a moment."""
    waiting: asyncio.Task[object] = asyncio.create_task(eversince.governor.slots.acquire(key))  # type: ignore[arg-type]
    await asyncio.sleep(2)
    waiting.cancel()
    await asyncio.wait([waiting])
    return waiting


@pytest.fixture
async def full(eversince: Eversince) -> Eversince:
    for n in range(5):
        await eversince.governor.slots.acquire(f"film {n}")
    return eversince


@pytest.mark.parametrize("first_to_end", [0, 1])
async def test_end_of_one_listener_takes_nothing_from_another(full: Eversince, first_to_end: int) -> None:
    heard: tuple[list[WaitReason], ...] = ([], [])
    listening = [full._runtime.listening("proj", each.append) for each in heard]
    for each in listening:
        each.__enter__()
    await blocked(full, "proj")
    listening[first_to_end].__exit__(None, None, None)
    await blocked(full, "proj")
    listening[1 - first_to_end].__exit__(None, None, None)
    await blocked(full, "proj")

    assert 1 == len(heard[first_to_end])
    assert 2 == len(heard[1 - first_to_end])


async def test_same_listener_twice_is_two(full: Eversince) -> None:
    heard = list[WaitReason]()
    with full._runtime.listening("proj", heard.append):
        with full._runtime.listening("proj", heard.append):
            await blocked(full, "proj")
        await blocked(full, "proj")

    assert 3 == len(heard)


async def test_nobody_listens_when_all_have_ended(full: Eversince) -> None:
    with full._runtime.listening("one", lambda _: None), full._runtime.listening("other", lambda _: None):
        assert full._runtime._stop_listening is not None

    assert full._runtime._stop_listening is None
    assert {} == full._runtime._listeners


async def test_listener_hears_nothing_of_others(full: Eversince) -> None:
    heard = list[WaitReason]()
    with full._runtime.listening("proj", heard.append):
        await blocked(full, "another")

    assert [] == heard


async def test_two_opened_workflows_of_one_project_both_hear_that_they_wait(emulator: Emulator) -> None:
    """This holds also if the first of them is left early."""
    async with Eversince(**emulator.connection, limits=Limits(active_projects=1)) as eversince:
        project = emulator.add_project(status="idle")
        other = emulator.add_project(walks={"generating": 100})
        eversince.governor.observed(other.id, "generating")

        async def follow(seconds: float) -> int:
            seen = 0
            async with eversince.render(project.id, force=True) as rendering:
                try:
                    async with asyncio.timeout(seconds):
                        async for event in rendering:
                            seen += isinstance(event, Waiting)
                except TimeoutError:
                    pass
            return seen

        early, late = await asyncio.gather(follow(10), follow(60))

    assert early >= 1
    assert late >= 1


async def test_usage_of_a_batch_takes_no_snapshot(
    eversince: Eversince, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads one number for each ended item, however many wait."""
    usage = UsageRecorder(eversince.governor)

    def refuse() -> None:
        raise AssertionError("a whole snapshot for one number")

    monkeypatch.setattr(eversince.governor, "snapshot", refuse)
    usage._count_early()
    usage._count(0)

    assert 30 == usage.take_unsaved()["requests_per_minute"]
