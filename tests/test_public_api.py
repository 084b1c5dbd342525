"""The surface: what `eversince_async` offers, and that its three lists of it agree."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import eversince_async

SOURCE = ast.parse(Path(eversince_async.__file__).read_text(encoding="utf-8"))


def for_type_checkers() -> dict[str, str]:
    """Names in the `TYPE_CHECKING` block, with the modules they come from."""
    blocks = (node for node in SOURCE.body if isinstance(node, ast.If))
    block = next(
        node for node in blocks if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
    imports = (node for node in block.body if isinstance(node, ast.ImportFrom))
    return {alias.asname or alias.name: str(node.module) for node in imports for alias in node.names}


def test_names_are_sorted() -> None:
    """Constants first, then classes, then functions, as ruff sorts them."""

    def kind(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)

    assert sorted(eversince_async.__all__, key=kind) == eversince_async.__all__
    assert len(set(eversince_async.__all__)) == len(eversince_async.__all__)


@pytest.mark.parametrize("name", eversince_async.__all__)
def test_name_can_be_imported(name: str) -> None:
    assert getattr(eversince_async, name) is not None


def test_type_checkers_see_the_same_names() -> None:
    assert sorted(eversince_async.__all__) == sorted(for_type_checkers())


@pytest.mark.parametrize(("name", "module"), for_type_checkers().items())
def test_type_checkers_see_the_same_things(name: str, module: str) -> None:
    assert getattr(eversince_async, name) is getattr(importlib.import_module(module), name)


def test_star_import_works() -> None:
    names: dict[str, object] = {}
    exec("from eversince_async import *", names)

    assert set(eversince_async.__all__) <= set(names)


def test_dir_shows_the_surface() -> None:
    assert sorted(eversince_async.__all__) == dir(eversince_async)


def test_other_names_are_missing() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Eversinse'"):
        _ = eversince_async.Eversinse  # type: ignore[attr-defined]  # the point


@pytest.mark.parametrize("name", eversince_async.__all__)
def test_each_class_and_function_says_what_it_is(name: str) -> None:
    thing = getattr(eversince_async, name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert thing.__doc__


def test_every_error_is_public() -> None:
    errors = importlib.import_module("eversince_async.errors")
    names = {
        name
        for name, thing in vars(errors).items()
        if inspect.isclass(thing) and thing.__module__ == errors.__name__
    }

    assert set() == names - set(eversince_async.__all__)


def test_importing_is_cheap() -> None:
    """Neither aiohttp nor anything else that takes time is imported with the package."""
    heavy = ["aiohttp", "anyio", "attrs", "cattrs", "backoff", "rich", "cyclopts", "asyncio", "orjson"]
    program = f"import sys, eversince_async; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "[]" == run.stdout.strip()


def modules() -> list[str]:
    found = pkgutil.walk_packages(eversince_async.__path__, "eversince_async.")
    return [module.name for module in found if not module.name.endswith("__main__")]


@pytest.mark.parametrize("module", modules())
def test_every_module_says_what_it_is_for(module: str) -> None:
    assert importlib.import_module(module).__doc__
