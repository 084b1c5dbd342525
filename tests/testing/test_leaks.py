"""Leftovers that tests must not leave, checked on tests that do."""

import re
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CONFTEST = Path(__file__).parent.parent / "conftest.py"


def outcomes_of(pytester: pytest.Pytester, source: str) -> dict[str, int]:
    """Run test source in a separate process, with warnings as errors.

    It uses the conftest of this suite.
    """
    ours = re.sub(r"\n.*helpers\..*", "", CONFTEST.read_text("utf-8"))  # helpers are not on the path there
    pytester.makeconftest(ours)
    pytester.makepyfile(textwrap.dedent(source))
    return pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider").parseoutcomes()


def test_a_task_that_outlives_its_test_is_an_error(pytester):
    outcomes = outcomes_of(
        pytester,
        """
        import asyncio

        kept = []

        async def test_leaves_a_task():
            kept.append(asyncio.create_task(asyncio.sleep(3600)))
            await asyncio.sleep(1)

        async def test_cancels_its_task():
            task = asyncio.create_task(asyncio.sleep(3600))
            await asyncio.sleep(1)
            task.cancel()
        """,
    )

    assert {"passed": 2, "errors": 1} == outcomes


def test_a_socket_that_is_never_closed_is_a_failure(pytester):
    outcomes = outcomes_of(
        pytester,
        """
        import gc
        import socket

        async def test_leaves_a_socket():
            socket.socket()
            gc.collect()
        """,
    )

    assert {"failed": 1} == outcomes
