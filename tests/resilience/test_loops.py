"""One client, several tasks, several event loops."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from eversince_async import ConfigurationError, Eversince
from eversince_async.emulator import Emulator
from eversince_async.testing import VirtualTimeLoop

LEAKS = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@asynccontextmanager
async def same_place(eversince: Eversince) -> AsyncIterator[Emulator]:
    """An emulator of this loop, which the client takes for the one it knows."""
    async with Emulator() as emulator:
        eversince._transport.base_url = emulator.base_url
        yield emulator


@contextmanager
def told_of_leaks() -> Iterator[list[warnings.WarningMessage]]:
    """The warnings in here, those of the garbage collector included."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        yield said
        gc.collect()


async def test_many_tasks_share_one_client(emulator: Emulator, eversince: Eversince) -> None:
    """Their productions share its limits, and their requests its connections."""
    films = await asyncio.gather(*(eversince.produce(f"Film {n}") for n in range(12)))

    assert 12 == len({film.project_id for film in films})
    assert 5 == emulator.world.most_active
    assert 0 == emulator.world.log.statuses()[429]


def test_a_client_of_the_module_works_in_a_loop_for_each_test() -> None:
    """With its `aclose()` at the end of each, as a fixture does it."""
    eversince = Eversince("es_live_emulator", base_url="http://127.0.0.1:1/api/v1")

    async def one_test() -> None:
        async with same_place(eversince):
            assert (await eversince.produce("A film")).share_url is not None
            await eversince.aclose()

    for _ in range(3):
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(one_test())


@LEAKS
def test_a_loop_that_ended_without_closing_is_forgotten() -> None:
    """What was open there is lost, as warnings say; the client itself works."""

    def story() -> None:
        eversince = Eversince("es_live_emulator", base_url="http://127.0.0.1:1/api/v1")

        async def one_test() -> None:
            async with same_place(eversince):
                assert (await eversince.produce("A film")).share_url is not None

        for _ in range(3):
            with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
                runner.run(one_test())
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(eversince.aclose())

    story()
    gc.collect()  # here, where what has leaked is no error, and nobody holds it any more


@LEAKS
def test_a_loop_closed_with_a_production_under_way_is_forgotten_too() -> None:
    """Even its look that never ended, and its waits: nobody is there to be told."""

    def story() -> None:
        eversince = Eversince("es_live_emulator", base_url="http://127.0.0.1:1/api/v1")
        dead = VirtualTimeLoop()
        emulator = Emulator()

        async def broken_off() -> asyncio.Task[object]:
            await emulator.start()
            eversince._transport.base_url = emulator.base_url
            task = asyncio.create_task(eversince.produce("A film")._get_result())
            await asyncio.sleep(20)
            return task

        async def next_one() -> None:
            async with same_place(eversince):
                async with asyncio.timeout(7200):
                    assert (await eversince.produce("A film")).share_url is not None
                await eversince.aclose()

        task = dead.run_until_complete(broken_off())
        dead.run_until_complete(emulator.stop())
        dead.close()
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(next_one())
        assert not task.done()

    story()
    gc.collect()  # likewise


def test_a_loop_in_another_thread_is_told_so() -> None:
    said: list[BaseException] = []

    async def story() -> None:
        async with Emulator() as emulator, Eversince(**emulator.connection) as eversince:
            await eversince.account.credits()

            def elsewhere() -> None:
                try:
                    asyncio.run(eversince.account.credits())
                except ConfigurationError as error:
                    said.append(error)

            thread = threading.Thread(target=elsewhere)
            thread.start()
            await asyncio.to_thread(thread.join)
            assert await eversince.account.credits()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(story())

    assert "another running event loop" in str(said[0])


# -- Never closed -----------------------------------------------------------------------------------------


async def test_a_client_that_is_never_closed_says_where_it_was_made(emulator: Emulator) -> None:
    eversince = Eversince(**emulator.connection)
    line = inspect.currentframe().f_lineno - 1  # type: ignore[union-attr]  # CPython has frames
    await eversince.account.credits()
    owned = eversince._transport._owned
    with told_of_leaks() as said:
        del eversince
    await owned.aclose()

    (warning,) = said
    assert warning.category is ResourceWarning
    assert f"{__file__}:{line}, was never closed" in str(warning.message)


@pytest.mark.parametrize("used", [True, False])
async def test_a_closed_or_unused_client_says_nothing(emulator: Emulator, *, used: bool) -> None:
    eversince = Eversince(**emulator.connection)
    if used:
        await eversince.account.credits()
        await eversince.aclose()
    with told_of_leaks() as said:
        del eversince

    assert [] == said


def test_a_client_that_was_refused_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVERSINCE_API_KEY", raising=False)
    with told_of_leaks() as said, pytest.raises(ConfigurationError):
        Eversince()

    assert [] == said
