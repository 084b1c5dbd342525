"""The package offers every model, and builds only those in use."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from eversince_async import models

PACKAGE = Path(models.__file__).parent
PAGES = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("_"))
BASE = {"ItemList", "Model", "Request", "Response", "UNSET", "UnreadableValue", "Unset"}


def public_names(page: str) -> set[str]:
    module = import_module(f"eversince_async.models.{page}")
    own = {
        name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__
    }
    return {name for name in own if name[0].isupper()}


def test_all_is_the_union_of_the_pages() -> None:
    """The package offers exactly the public classes of its modules."""
    assert BASE | {"Reference"} | {n for page in PAGES for n in public_names(page)} == set(models.__all__)


def test_the_static_imports_are_the_lazy_names() -> None:
    """Type checkers see the same names in the same modules as `__getattr__`."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    static = {
        alias.name: node.module.rpartition(".")[2]
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assert static == models._HOME_OF
    assert set(static) == set(models.__all__)


def test_every_name_is_found() -> None:
    """Each name resolves, and is listed by `dir`."""
    assert all(getattr(models, name) is not None for name in models.__all__)
    assert set(models.__all__) <= set(dir(models))


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A typo raises the same error as in any module."""
    with pytest.raises(AttributeError, match="has no attribute 'Projekt'"):
        models.Projekt  # noqa: B018 - asking is the test


def test_importing_the_package_builds_nothing() -> None:
    """Using a model imports only its module and the modules it needs."""
    code = (
        "import sys, eversince_async.models as models; models.Project; "
        "print(*sorted(name.rpartition('.')[2] for name in sys.modules if 'models.' in name))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [
        "_base",
        "_checks",
        "_repr",
        "_unset",
        "projects",
        "receipt",
        "references",
    ] == done.stdout.split()
