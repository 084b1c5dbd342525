"""Every test runs in virtual time, against an emulator of its own, and must leave nothing behind."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from eversince_async.testing import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from eversince_async import Eversince
    from eversince_async.emulator import Emulator


pytest_plugins = [
    "pytester",  # tests of tests
    "helpers.fake_server",  # tests that talk with a scripted server
]

# Shells start what is to run in the background with Ctrl-C ignored, and processes hand that down to those
# they start: the tests that press it would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A slow machine is no failure. At a developer's desk every run tries something new; a run that decides
# whether a change lands tries the same everywhere.
hypothesis.settings.register_profile(
    "eversince", deadline=None, derandomize="NOX_CURRENT_SESSION" in os.environ
)
hypothesis.settings.load_profile("eversince")


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> None:
    """Let anyio's plugin run every `async def test_…`; its own auto mode is newer than our oldest anyio."""
    if collector.istestfunction(obj, name):
        function = obj.hypothesis.inner_test if hasattr(obj, "hypothesis") else obj
        if inspect.iscoroutinefunction(function):
            pytest.mark.usefixtures("anyio_backend", "no_task_left_behind")(obj)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """An event loop for each test, whose time jumps."""
    return "asyncio", {"loop_factory": VirtualTimeLoop}


@pytest.fixture
async def no_task_left_behind() -> AsyncIterator[None]:
    """A test fails whose tasks outlive it and its fixtures."""
    yield
    await asyncio.sleep(0)  # a task that was just cancelled ends in the next round
    left = [task for task in asyncio.all_tasks() if "TestRunner." not in repr(task.get_coro())]
    assert [] == left


@pytest.fixture
async def no_long_hold() -> AsyncIterator[None]:
    """A test fails in which one callback kept all others waiting for a second of real time.

    Virtual time does not show that. Milliseconds are noise, above all on a crowded machine.
    """
    yield
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    assert loop.longest_hold is None or loop.longest_hold.seconds < 1, loop.longest_hold


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """A local Eversince of its own for each test."""
    from eversince_async.emulator import Emulator

    async with Emulator() as emulator:
        yield emulator


@pytest.fixture
async def eversince(emulator: Emulator) -> AsyncIterator[Eversince]:
    """A client of that emulator."""
    from eversince_async import Eversince

    async with Eversince(**emulator.connection) as eversince:
        yield eversince
