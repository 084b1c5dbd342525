"""Cooperation of the pytest plugin with the runners of async tests.

The runners are anyio's plugin and pytest-asyncio, and the plugin uses only what they offer to everyone. anyio
runs the async fixtures of tests that have the fixture `anyio_backend`, whose value names the loop.
pytest-asyncio runs fixtures made with `pytest_asyncio.fixture`, and calls a hook for loops. Older versions of
it have a fixture with a policy instead, which gives each test a loop of its own, regardless of its
`loop_scope`. The plugin's only fixture that needs a loop therefore exists once for each of them, and a test
requests the one that its runner runs.
"""

from __future__ import annotations

import functools
import inspect
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    AsyncFixture = Callable[[pytest.FixtureRequest], AsyncIterator[Any]]

SCOPES: Final = ("function", "class", "module", "package", "session")
"""Scopes that a loop of pytest-asyncio can have."""

HIDDEN: Final[Any] = getattr(pytest, "HIDDEN_PARAM", "virtual")
"""ID of a parameter that a test's name does not show.

Only pytest 8.4 and later can hide it.
"""


def has_pytest_asyncio(config: pytest.Config) -> bool:
    """Return True if pytest-asyncio is active."""
    return config.pluginmanager.has_plugin("asyncio")


def is_async(test: Any) -> bool:
    """Return True if a test function is async, also within hypothesis."""
    return inspect.iscoroutinefunction(test.hypothesis.inner_test if hasattr(test, "hypothesis") else test)


def has_no_runner(config: pytest.Config, marks: set[str]) -> bool:
    """Return True if neither pytest-asyncio nor pytest-trio runs the test."""
    return "trio" not in marks and not _is_claimed(config, asyncio_mark="asyncio" in marks)


def trial_fixture(node: pytest.Item, fixtures: list[str]) -> str | None:
    """Return the trial fixture that the test's runner runs, or None."""
    if _is_on_pytest_asyncio(node):
        return f"_eversince_on_{_loop_scope(node)}_loop"
    return "_eversince_on_anyio" if "anyio_backend" in fixtures and is_async(_function(node)) else None


def fixtures_for_pytest_asyncio(fixture: AsyncFixture) -> ModuleType:
    """Build a plugin with a fixture for each loop scope of pytest-asyncio."""
    pytest_asyncio = import_module("pytest_asyncio")
    plugin = ModuleType("eversince_on_pytest_asyncio")
    for scope in SCOPES:
        name = f"_eversince_on_{scope}_loop"
        setattr(plugin, name, pytest_asyncio.fixture(_copy(fixture), loop_scope=scope, name=name))
    return plugin


def on_asyncio_only(metafunc: pytest.Metafunc) -> None:
    """Exclude anyio's other backends from a test: an emulator needs asyncio."""
    if "anyio_backend" in metafunc.fixturenames and defined_in(
        "anyio.pytest_plugin", "anyio_backend", metafunc.definition
    ):
        _parametrize(metafunc, "anyio_backend", "asyncio", "module")


def defined_in(module: str, fixture: str, node: Any) -> bool:
    """Return True if a node's fixture of this name is a module's."""
    definitions = node.session._fixturemanager.getfixturedefs(fixture, node)  # noqa: SLF001 - no other way
    return bool(definitions) and definitions[-1].func.__module__ == module


@contextmanager
def virtual_loop(metafunc: pytest.Metafunc, arguments: Mapping[str, Any]) -> Iterator[None]:
    """Make the items that pytest builds here run on a `VirtualTimeLoop`."""
    if _is_on_pytest_asyncio(metafunc.definition):
        factory = _loop_factory(arguments)
        if not hasattr(metafunc.config.hook, "pytest_asyncio_loop_factories"):
            _parametrize(metafunc, "event_loop_policy", _policy(factory), _loop_scope(metafunc.definition))
        else:
            with _provide_loop(metafunc.config, factory):
                yield
            return
    elif "anyio_backend" in metafunc.fixturenames:
        backend = ("asyncio", {"loop_factory": _loop_factory(arguments)})
        _parametrize(metafunc, "anyio_backend", backend, "module")
    yield


def first_of_function_scope(item: pytest.Item, names: list[str]) -> int:
    """Return the index of the first function-scoped fixture."""
    definitions = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]  # noqa: SLF001 - public nowhere
    scopes = [definitions[name][-1].scope if name in definitions else "function" for name in names]
    return scopes.index("function") if "function" in scopes else len(scopes)


# -- Runner of a test ----------------------------------------------------------------------------------------


def _function(node: pytest.Item) -> Any:
    return getattr(node, "function", None)


def _is_on_pytest_asyncio(node: pytest.Item) -> bool:
    marked = node.get_closest_marker("asyncio") is not None
    return is_async(_function(node)) and _is_claimed(node.config, asyncio_mark=marked)


def _is_claimed(config: pytest.Config, *, asyncio_mark: bool) -> bool:
    return has_pytest_asyncio(config) and (asyncio_mark or _is_auto(config))


def _is_auto(config: pytest.Config) -> bool:
    mode = config.getoption("asyncio_mode") or config.getini("asyncio_mode")
    return bool(mode == "auto")


def _loop_scope(node: pytest.Item) -> Any:
    mark = node.get_closest_marker("asyncio")
    scope = mark and (mark.kwargs.get("loop_scope") or mark.kwargs.get("scope"))
    return scope or _ini(node.config, "asyncio_default_test_loop_scope") or "function"


def _ini(config: pytest.Config, name: str) -> Any:
    try:
        return config.getini(name)
    except ValueError:  # an older plugin does not have the option
        return None


def _copy(fixture: AsyncFixture) -> AsyncFixture:
    """Return a copy of the function.

    pytest-asyncio writes on the function object which loop it is for.
    """

    async def same(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
        async for value in fixture(request):
            yield value

    return same


# -- Loop of a test ------------------------------------------------------------------------------------------


def _loop_factory(arguments: Mapping[str, Any]) -> Callable[[], asyncio.AbstractEventLoop]:
    from eversince_async.testing.virtual_time import VirtualTimeLoop

    return functools.partial(VirtualTimeLoop, **arguments) if arguments else VirtualTimeLoop


def _parametrize(metafunc: pytest.Metafunc, fixture: str, value: object, scope: Any) -> None:
    """Give a fixture this value for this test only.

    This needs a marker: direct parametrization would conflict with the parameters of the fixture itself.
    """
    for mark in metafunc.definition.iter_markers("parametrize"):
        if fixture in str(mark.args[0] if mark.args else mark.kwargs.get("argnames")):
            return  # the test itself selects a value
    hidden = [pytest.param(value, id=HIDDEN)]
    metafunc.definition.add_marker(pytest.mark.parametrize(fixture, hidden, scope=scope))


@contextmanager
def _provide_loop(config: pytest.Config, factory: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[None]:
    """Provide pytest-asyncio's hook for loops while the context is open.

    An implementation of that hook applies to all tests, and the others need none.
    """
    plugin = ModuleType("eversince_loops")

    @pytest.hookimpl(tryfirst=True)
    def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
        return {"virtual": factory}

    plugin.pytest_asyncio_loop_factories = pytest_asyncio_loop_factories  # type: ignore[attr-defined]  # a hook
    config.pluginmanager.register(plugin)
    try:
        yield
    finally:
        config.pluginmanager.unregister(plugin)


def _policy(factory: Callable[[], asyncio.AbstractEventLoop]) -> object:
    import asyncio

    class VirtualTimePolicy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            return factory()

    return VirtualTimePolicy()
