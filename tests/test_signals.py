"""Ctrl-C in a separate process: the first drains, the second leaves.

Nothing is lost by either.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eversince_async._signals import on_first_sigint

PRESSING = Path(__file__).with_name("pressing.py")


def run(folder: Path, presses: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, PRESSING, folder / "emulator.db", folder / "campaign.db", str(presses)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


def finishes_all(folder: Path) -> None:
    """Check that the same batch makes the rest, and nothing twice."""
    last = json.loads(run(folder, 0).stdout)
    assert {"succeeded": 8} == last["counts"]
    assert (8, 8, 8) == tuple(last["made"][what] for what in ("projects", "renders", "shares"))


def test_once_brings_to_its_end_what_has_begun(tmp_path):
    drained = json.loads(run(tmp_path, 1).stdout)

    assert {"succeeded": 5, "paused": 3} == drained["counts"]
    assert "drained" in drained["paused"]
    assert 5 == drained["made"]["projects"]
    finishes_all(tmp_path)


def test_twice_leaves_at_once(tmp_path):
    left = run(tmp_path, 2)

    assert "KeyboardInterrupt" in left.stderr
    assert "" == left.stdout
    finishes_all(tmp_path)


async def test_a_ctrl_c_that_arrives_twice_at_once_counts_once():
    """`timeout`, for example, signals the process and then its group."""
    told = []
    with on_first_sigint(lambda: told.append("drain")):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(1)

    assert ["drain"] == told


# -- The handler ------------------------------------------------------------------------------------------


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def others() -> Iterator[list[int]]:
    """The signals that an earlier handler of the application receives.

    The handler must be in place afterwards, too.
    """
    heard: list[int] = []

    def hear(number: int, _: object) -> None:
        heard.append(number)

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield heard
        assert hear is signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


async def test_the_second_goes_to_whoever_was_there_before(others: list[int]) -> None:
    told = []
    with on_first_sigint(lambda: told.append("drain")):
        for expected in (0, 1, 2):
            press()
            await asyncio.sleep(1)
            assert expected == len(others)

    assert ["drain"] == told


@pytest.mark.parametrize("first_to_leave", [0, 1])
async def test_blocks_beside_each_other_are_all_told_and_leave_in_any_order(
    others: list[int], first_to_leave: int
) -> None:
    """Neither of two concurrent batches takes the other's Ctrl-C.

    Neither leaves a handler that no block listens to.
    """
    told: list[int] = []
    blocks = [on_first_sigint(lambda n=n: told.append(n)) for n in (0, 1)]  # type: ignore[misc]
    for block in blocks:
        block.__enter__()
    press()
    await asyncio.sleep(1)
    blocks[first_to_leave].__exit__(None, None, None)
    press()
    await asyncio.sleep(1)
    blocks[1 - first_to_leave].__exit__(None, None, None)

    assert [0, 1] == told
    assert 1 == len(others)


async def test_one_that_was_left_is_told_of_nothing(others: list[int]) -> None:
    told: list[int] = []
    with on_first_sigint(lambda: told.append(1)):
        with on_first_sigint(lambda: told.append(2)):
            pass
        press()
        await asyncio.sleep(1)

    assert [1] == told


async def test_a_block_entered_after_the_first_takes_no_second_one(others: list[int]) -> None:
    told: list[int] = []
    with on_first_sigint(lambda: told.append(1)):
        press()
        await asyncio.sleep(1)
        with on_first_sigint(lambda: told.append(2)):
            press()
            await asyncio.sleep(1)

    assert [1] == told
    assert 1 == len(others)


async def test_what_begins_later_hears_of_ctrl_c_again(others: list[int]) -> None:
    told: list[int] = []
    for number in (1, 2):
        with on_first_sigint(lambda number=number: told.append(number)):  # type: ignore[misc]
            press()
            await asyncio.sleep(1)

    assert [1, 2] == told
    assert [] == others


def test_one_that_comes_while_something_holds_up_the_loop_is_not_swallowed(others: list[int]) -> None:
    """A callback blocks the loop, on a real clock, during two presses."""

    async def stuck() -> list[int]:
        told: list[int] = []
        with on_first_sigint(lambda: told.append(1)):
            press()
            time.sleep(0.3)  # noqa: ASYNC251 - the test needs a blocked loop
            press()
            assert 1 == len(others)
            await asyncio.sleep(0)
        return told

    assert [1] == asyncio.run(stuck())


def test_a_loop_that_died_in_the_block_swallows_nothing(others: list[int]) -> None:
    loop = asyncio.new_event_loop()
    block = on_first_sigint(lambda: None)

    async def enter() -> None:
        block.__enter__()

    loop.run_until_complete(enter())
    loop.close()
    press()

    assert 1 == len(others)
    with contextlib.suppress(ValueError):
        block.__exit__(None, None, None)


def test_the_next_loop_is_not_bothered_by_one_that_died(others: list[int]) -> None:
    loop = asyncio.new_event_loop()
    block = on_first_sigint(lambda: None)

    async def enter() -> None:
        block.__enter__()

    loop.run_until_complete(enter())
    loop.close()

    async def story() -> list[int]:
        told: list[int] = []
        with on_first_sigint(lambda: told.append(1)):
            press()
            await asyncio.sleep(0.01)
        return told

    assert [1] == asyncio.run(story())
    assert [] == others


async def test_a_handler_of_the_application_in_the_loop_is_left_alone() -> None:
    """Web servers have such a handler."""
    heard: list[str] = []
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, lambda: heard.append("application"))
    try:
        with on_first_sigint(lambda: heard.append("drain")):
            press()
            await asyncio.sleep(1)
        press()
        await asyncio.sleep(1)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)

    assert ["application", "application"] == heard


async def test_a_handler_that_came_meanwhile_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)

    def theirs(*_: Any) -> None: ...

    try:
        with on_first_sigint(lambda: None):
            signal.signal(signal.SIGINT, theirs)
        assert theirs is signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


async def test_a_process_that_ignores_ctrl_c_goes_on_ignoring_it() -> None:
    told: list[int] = []
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with on_first_sigint(lambda: told.append(1)):
            press()
            await asyncio.sleep(1)
        assert signal.SIG_IGN is signal.getsignal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert [] == told


def test_elsewhere_than_in_the_main_thread_it_changes_nothing(others: list[int]) -> None:
    async def story() -> None:
        with on_first_sigint(lambda: None):
            pass

    thread = threading.Thread(target=lambda: asyncio.run(story()))
    thread.start()
    thread.join()


async def test_an_exception_in_the_block_leaves_no_handler(others: list[int]) -> None:
    with contextlib.suppress(ZeroDivisionError), on_first_sigint(lambda: None):
        raise ZeroDivisionError
