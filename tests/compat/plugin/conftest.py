"""Runs of users' test files under each installed runner."""

from __future__ import annotations

import gc
import textwrap
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator
from importlib.util import find_spec
from typing import TypeAlias

import attrs
import pytest

# Otherwise every run would import these modules, and drop them again.
import eversince_async.client
import eversince_async.emulator
import eversince_async.testing.plugin
import eversince_async.testing.virtual_time  # noqa: F401 - as above

STRICT = "asyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"
AUTO = STRICT.replace("strict", "auto")

RUNNERS = {
    "anyio": ("", ("-p", "no:asyncio", "-p", "no:aiohttp")),
    "asyncio-strict": (STRICT, ("-p", "no:aiohttp")),
    "asyncio-auto": (AUTO, ("-p", "no:aiohttp")),
    "aiohttp": (AUTO, ()),
}
# What users of a runner write: `runs` marks an async test for it, `fixture` an async fixture.
ANYIO = "import pytest\nruns, fixture = pytest.mark.anyio, pytest.fixture\n"
ASYNCIO = "import pytest, pytest_asyncio\nruns, fixture = pytest.mark.asyncio, pytest_asyncio.fixture\n"

NEEDS = {"asyncio-strict": "pytest_asyncio", "asyncio-auto": "pytest_asyncio", "aiohttp": "pytest_aiohttp"}
INSTALLED = [name for name in RUNNERS if name not in NEEDS or find_spec(NEEDS[name])]  # `nox -s plugin`: all


@pytest.fixture(autouse=True)
def nothing_of_theirs_left() -> Iterator[None]:
    """Clear away the leftovers of a run before the next one begins.

    A task that was never awaited is logged with its traceback when it is collected, and Python 3.11 parses
    code for that. If that happens while pytest parses source itself, the parser breaks.
    """
    gc.freeze()  # a search of all older objects would take longer than the run
    yield
    gc.collect()
    gc.unfreeze()


@attrs.frozen
class Run:
    """The result of a file of tests.

    Attributes:
        outcomes: Number of tests that passed, failed, and so on.
        text: Output of pytest.
        seconds: Duration of each test, including the set-up and shutdown of its emulator.
        cpu_seconds: CPU time of each test, which other processes do not prolong.
    """

    outcomes: Counter[str]
    text: str
    seconds: list[float]
    cpu_seconds: list[float]


class CpuTimes:
    """A plugin that measures the CPU time of each test."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        began = time.process_time()
        result = yield
        self.seconds.append(time.process_time() - began)
        return result


RunTests: TypeAlias = Callable[..., Run]


def runner_for(pytester: pytest.Pytester, name: str) -> RunTests:
    """Return a function that runs test files under one runner.

    Warnings are errors.
    """
    configuration, arguments = RUNNERS[name]

    def run(source: str = "", *more: str, ini: str = "", conftest: str = "") -> Run:
        pytester.makeini(f"[pytest]\nfilterwarnings = error\n{configuration}{ini}")
        if conftest:
            pytester.makeconftest(textwrap.dedent(conftest))
        pytester.makepyfile(runner=ANYIO if name == "anyio" else ASYNCIO)
        if source:
            pytester.makepyfile(test_theirs=textwrap.dedent(source))
        cpu_times = CpuTimes()
        arguments_too = ("-p", "no:cacheprovider", *arguments, *more)
        result = pytester.runpytest_inprocess(*arguments_too, plugins=[cpu_times])
        seconds = defaultdict[str, float](float)
        for report in result.reprec.getreports("pytest_runtest_logreport"):
            seconds[report.nodeid] += report.duration
        return Run(
            outcomes=Counter(result.parseoutcomes()),
            text=result.stdout.str(),
            seconds=list(seconds.values()),
            cpu_seconds=cpu_times.seconds,
        )

    return run


@pytest.fixture(params=INSTALLED)
def run_tests(request: pytest.FixtureRequest, pytester: pytest.Pytester) -> RunTests:
    """A function that runs test files, under each installed runner."""
    return runner_for(pytester, request.param)


@pytest.fixture
def run_on_anyio(pytester: pytest.Pytester) -> RunTests:
    """A function that runs test files with anyio's plugin.

    That plugin is always installed.
    """
    return runner_for(pytester, "anyio")


@pytest.fixture
def run_on_asyncio(pytester: pytest.Pytester) -> RunTests:
    """A function that runs test files with pytest-asyncio in strict mode."""
    pytest.importorskip("pytest_asyncio", reason="nox -s plugin has it")
    return runner_for(pytester, "asyncio-strict")
