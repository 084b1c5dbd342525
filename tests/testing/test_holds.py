"""A virtual-time loop reports the longest hold, in real time."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from eversince_async.testing import VirtualTimeLoop, run

if TYPE_CHECKING:
    from eversince_async.testing.virtual_time import Hold


def longest() -> Hold:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    assert loop.longest_hold is not None
    return loop.longest_hold


async def block(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251 - the point


async def test_a_task_that_blocks_is_named():
    await asyncio.create_task(block(0.3), name="the one")
    await asyncio.sleep(0)

    assert 0.25 < longest().seconds
    assert "the one: block" == longest().callback


async def test_a_function_that_computes_is_named_without_its_arguments():
    def compute(secret: str) -> None:
        ends_at = time.thread_time() + 0.3
        while time.thread_time() < ends_at:
            pass

    asyncio.get_running_loop().call_soon(compute, "sk_secret")
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert 0.25 < longest().seconds
    assert longest().callback.endswith("compute")


async def test_of_several_the_longest_counts():
    for seconds in (0.01, 0.2, 0.05):
        await asyncio.create_task(block(seconds), name=str(seconds))
    await asyncio.sleep(0)

    assert "0.2: block" == longest().callback


async def test_many_short_callbacks_are_no_long_one():
    ends_at = time.thread_time() + 0.5
    while time.thread_time() < ends_at:
        await asyncio.sleep(0)

    assert longest_or_zero() < 0.25


async def test_waiting_holds_nothing():
    await asyncio.sleep(3600)
    await asyncio.to_thread(time.sleep, 0.5)
    await asyncio.sleep(1)

    assert longest_or_zero() < 0.25


def longest_or_zero() -> float:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return 0.0 if loop.longest_hold is None else loop.longest_hold.seconds


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how long a thread waits for a core")
async def test_a_core_that_others_use_is_not_held_against_a_callback():
    """Five processes on the core leave this thread a sixth of it."""
    core = min(os.sched_getaffinity(0))
    others = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", ON_ONE_CORE, str(core)) for _ in range(5)
    ]
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        began, cpu = time.perf_counter(), time.thread_time()
        while time.thread_time() - cpu < 0.2:
            pass
        wall = time.perf_counter() - began
        await asyncio.sleep(0)
        held = longest_or_zero()
    finally:
        os.sched_setaffinity(0, before)
        for each in others:
            each.kill()
            await each.wait()

    assert 0.15 < held < 0.2 + wall / 2
    assert held < wall


ON_ONE_CORE = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
while time.process_time() < 30:
    pass
"""


def test_it_is_measured_at_a_finite_speed_too():
    async def main() -> float:
        await asyncio.create_task(block(0.3))
        await asyncio.sleep(0)
        return longest().seconds

    assert 0.25 < run(main(), speed=60)


def test_a_loop_that_has_ended_still_tells():
    loop = VirtualTimeLoop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(block(0.3)))
    thread.start()
    thread.join()
    loop.close()

    assert loop.longest_hold is not None
    assert 0.25 < loop.longest_hold.seconds
