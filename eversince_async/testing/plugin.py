"""The pytest plugin: emulators and clients for tests, in virtual time.

pytest loads the plugin wherever this package is installed; `-p no:eversince` disables it. It touches only
tests that use its fixtures or markers, and imports nothing large before the first of those tests runs.

Fixtures:

- `eversince_emulator`: an emulator for this test alone. EVERSINCE_API_KEY and EVERSINCE_BASE_URL point to it,
  so that `Eversince()` finds it from anywhere in the application. `emulator` is a shorter name for it. A
  project that has another fixture named `emulator` keeps its own; the plugin itself never requests the short
  name.
- `eversince`: a client of that emulator, closed after the test. For a client with other options, define a
  fixture of this name that creates it with `Eversince(**eversince_emulator.connection, …)`.

Markers:

- `@pytest.mark.eversince(scenario=…, faults=…, revision=…)` gives the test an emulator with these options of
  `Emulator`. Of several markers the closest applies, option by option. Each test gets a copy of its faults:
  `emulator.faults`.
- `@pytest.mark.virtual_time` gives a test without an emulator virtual time; a test with an emulator needs no
  marker. `virtual_time(speed=60, start=…)` takes the arguments of `VirtualTimeLoop`; `virtual_time(False)`
  leaves the test on the loop that its runner makes.

A test with an emulator fails if it has passed but

- was refused with 429 by the emulator's limits; a 429 from its faults does not count,
- left a slot held for a project, by a client that was created in it,
- left such a client open.

`@pytest.mark.eversince(allow="429")`, `"slots"`, `"clients"` or a list of these allows it; the ini option
`eversince_allow` does so for all tests.

pytest-asyncio (and with it pytest-aiohttp) runs its own tests, selected by mode or by marker. Other tests
that use one of the fixtures or markers need no further marker: anyio's plugin runs them.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import pytest

from eversince_async.testing import _runners

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Mapping

    from eversince_async.client import Eversince
    from eversince_async.emulator import Emulator
    from eversince_async.testing._session import EmulatorSession

MARKERS: Final = (
    "eversince(*, allow=(), **options): give the test an Eversince emulator with these options of `Emulator`",
    "virtual_time(wanted=True, *, speed=None, start=None): let time jump from timer to timer in this test",
)

TRIAL: Final = pytest.StashKey["EmulatorSession"]()
"""Key under which a test's item stores its `EmulatorSession`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the ini option that applies to all tests."""
    parser.addini(
        "eversince_allow", "what tests with an Eversince emulator may do: 429 slots clients", "args"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers and register the fixtures that pytest-asyncio runs."""
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    if _runners.has_pytest_asyncio(config):
        config.pluginmanager.register(_runners.fixtures_for_pytest_asyncio(_trial), "eversince-on-asyncio")


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: Any, name: str, obj: Any) -> None:
    """Give marked async tests the emulator, and a runner if needed."""
    if not (_runners.is_async(obj) and collector.istestfunction(obj, name)):
        return
    marks = {mark.name for mark in (*getattr(obj, "pytestmark", ()), *collector.iter_markers())}
    if "eversince" in marks:
        pytest.mark.usefixtures("eversince_emulator")(obj)
    is_ours = marks & {"eversince", "virtual_time"} or _takes_ours(collector, obj)
    if is_ours and _runners.has_no_runner(collector.config, marks):
        pytest.mark.usefixtures("anyio_backend")(obj)  # as anyio's own marker does


def _takes_ours(collector: Any, test: Any) -> bool:
    """Return True if a test function uses one of this plugin's fixtures.

    A project may have an `emulator` fixture of its own, which does not count.
    """
    arguments = inspect.signature(test).parameters.keys()
    return not arguments.isdisjoint({"eversince_emulator", "eversince"}) or (
        "emulator" in arguments and _runners.defined_in(__name__, "emulator", collector)
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None]:
    """Make the test's runner use a `VirtualTimeLoop` if the test wants one."""
    arguments = virtual_time(metafunc.definition, metafunc.fixturenames)
    if arguments is None:
        if "_eversince_trial" in metafunc.fixturenames:
            _runners.on_asyncio_only(metafunc)
        return (yield)
    with _runners.virtual_loop(metafunc, arguments):
        return (yield)


def virtual_time(node: pytest.Item, fixtures: list[str]) -> Mapping[str, Any] | None:
    """Return a test's arguments for `VirtualTimeLoop`, or None without one."""
    mark = node.get_closest_marker("virtual_time")
    if mark is None:
        return {} if "_eversince_trial" in fixtures else None
    return mark.kwargs if all(mark.args) else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Set up the emulator before all other function-scoped fixtures.

    Such a fixture may be an application that closes its client at shutdown. The emulator must therefore
    outlive it, and may check the clients only afterwards.
    """
    names: list[str] = getattr(item, "fixturenames", [])
    if "_eversince_trial" in names:
        names.remove("_eversince_trial")
        names.insert(_runners.first_of_function_scope(item, names), "_eversince_trial")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail a test that passed although the limits refused a request."""
    yield
    trial = item.stash.get(TRIAL, None)
    if trial is not None:
        trial.passed = True
        if refused := trial.refusals():
            pytest.fail(refused, pytrace=False)


# -- Fixtures ----------------------------------------------------------------------------------------------


async def _trial(request: pytest.FixtureRequest) -> AsyncIterator[EmulatorSession]:
    from eversince_async.testing._session import Options, session

    loop = virtual_time(request.node, request.fixturenames)
    options = Options.of(request.node, request.config.getini("eversince_allow"))
    async with session(options, in_virtual_time=loop is not None) as trial:
        request.node.stash[TRIAL] = trial
        yield trial
    if complaints := trial.failures():
        pytest.fail("\n\n".join(complaints), pytrace=False)


_eversince_on_anyio = pytest.fixture(name="_eversince_on_anyio")(_trial)


@pytest.fixture
def _eversince_trial(request: pytest.FixtureRequest) -> EmulatorSession:
    """The emulator and its clients, on the test's own loop."""
    name = _runners.trial_fixture(request.node, request.fixturenames)
    if name is None:
        pytest.fail(
            "an emulator lives on the event loop of an async test, and no plugin runs this test on one. "
            "Make it `async def`, and mark it with @pytest.mark.eversince unless pytest-asyncio or anyio "
            "runs it already",
            pytrace=False,
        )
    trial: EmulatorSession = request.getfixturevalue(name)
    return trial


@pytest.fixture
def eversince_emulator(_eversince_trial: EmulatorSession) -> Emulator:
    """An Eversince emulator for this test; `Eversince()` finds it by the environment."""
    return _eversince_trial.emulator


@pytest.fixture
def emulator(eversince_emulator: Emulator) -> Emulator:
    """A short name for `eversince_emulator`."""
    return eversince_emulator


@pytest.fixture
def eversince(_eversince_trial: EmulatorSession) -> Eversince:
    """A client of this test's Eversince emulator, closed after the test."""
    return _eversince_trial.client()
