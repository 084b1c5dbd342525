"""Run test files of users as they would, under each of the runners that are installed."""

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

# What else would be imported, and dropped again, by every run.
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
    """Clear away what a run has left behind before the next one begins.

    A task that nobody awaited is logged with its traceback when it is collected, and Python 3.11 parses code
    for that. If that happens while pytest parses source itself, the parser breaks.
    """
    gc.freeze()  # searching all that was there before would take longer than the run
    yield
    gc.collect()
    gc.unfreeze()


@attrs.frozen
class Run:
    """What became of a file of tests.

    Attributes:
        outcomes: How many tests passed, failed, and so on.
        text: What pytest printed.
        seconds: How long each test took, with its emulator set up and taken down.
        cpu_seconds: How long each kept a core busy for that, which other processes do not prolong.
    """

    outcomes: Counter[str]
    text: str
    seconds: list[float]
    cpu_seconds: list[float]


class CpuTimes:
    """A plugin that measures how long each test keeps a core busy."""

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
    """What runs test files under one runner, with warnings as errors."""
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
    """Runs test files, under each runner there is."""
    return runner_for(pytester, request.param)


@pytest.fixture
def run_on_anyio(pytester: pytest.Pytester) -> RunTests:
    """Runs test files where only anyio's plugin is, which is always there."""
    return runner_for(pytester, "anyio")


@pytest.fixture
def run_on_asyncio(pytester: pytest.Pytester) -> RunTests:
    """Runs test files where pytest-asyncio runs what is marked for it."""
    pytest.importorskip("pytest_asyncio", reason="nox -s plugin has it")
    return runner_for(pytester, "asyncio-strict")
