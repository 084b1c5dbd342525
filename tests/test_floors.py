"""The house has floors: a module imports only from floors below its own.

What stands on the same floor in another room is out of reach, too. Imports inside functions and under
TYPE_CHECKING count: they tell who knows whom just as well.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import resolve_name
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import eversince_async

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "eversince_async"
HOUSE = Path(eversince_async.__file__).parent

FLOORS = {
    "limits": 0,
    "lifecycle": 0,
    "clock": 0,
    "pace": 1,
    "streams": 0,
    "tasks": 0,
    "_redaction": 0,
    "_version": 0,
    "_file_names": 0,
    "_hosts": 0,
    "_loop_lock": 0,
    "_places": 0,
    "_signals": 0,
    "models": 1,
    "errors": 2,
    "_wire": 3,
    "governor": 3,
    "journal": 3,
    "session": 4,
    "transfers": 5,
    "resources": 6,
    "polling": 7,
    "durable": 8,
    "account": 9,
    "orchestrator": 10,
    "webhooks": 11,
    "telemetry": 11,
    "pipelines": 11,
    "report": 11,
    "batch": 12,
    "client": 13,
    "testing": 14,
    "distributed": 14,
    "cli": 15,  # the demo runs an emulator at a speed of its own, on testing's loop
}
# The emulator stands beside the house. Were it to share our wire or models, our mistakes would agree
# with themselves. Only who stands on the roof may start one. What an IP address is nobody disagrees about.
EMULATOR_KNOWS = {"clock", "pace", "_hosts"}
EMULATOR_COMMAND_KNOWS = {"clock", "pace", "_hosts", "testing"}
ROOF = 14

FRONT_DOOR = {Path("__init__.py"), Path("__main__.py")}  # leads everywhere
MODULES = sorted({path.relative_to(HOUSE) for path in HOUSE.rglob("*.py")} - FRONT_DOOR)


def room_of(module: str) -> str:
    """The room a dotted module of ours stands in; the package itself is the front door, ''."""
    _, *rooms = module.split(".")
    return rooms[0] if rooms else ""


def known_rooms(path: Path) -> set[str]:
    """The rooms that a file imports from, its own left out."""
    parts = [PACKAGE, *path.with_suffix("").parts]
    own = ".".join(parts)
    package = ".".join(parts[:-1])  # also of an __init__, whose own last part is that name
    source = (HOUSE / path).read_text("utf-8")
    return {room_of(name) for name in imports(ast.parse(source), package)} - {room_of(own)}


def imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Every module of ours that a file imports, by its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if is_ours(alias.name))
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            if origin == PACKAGE:  # `from eversince_async import clock` means the room, not the door
                yield from (
                    f"{PACKAGE}.{alias.name}" if alias.name in ROOMS else PACKAGE for alias in node.names
                )
            elif is_ours(origin):
                yield origin


def is_ours(module: str) -> bool:
    return module == PACKAGE or module.startswith(f"{PACKAGE}.")


ROOMS = {*FLOORS, "emulator"}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_every_module_imports_only_from_lower_floors(path):
    room = room_of(f"{PACKAGE}.{'.'.join(path.with_suffix('').parts)}")
    if room == "emulator":
        allowed = EMULATOR_COMMAND_KNOWS if path.name in {"__main__.py", "command.py"} else EMULATOR_KNOWS
    else:
        floor = FLOORS[room]
        allowed = {name for name, other in FLOORS.items() if other < floor}
        allowed |= {"emulator", ""} if floor >= ROOF else set()

    assert set() == known_rooms(path) - allowed


def test_imports_are_seen_wherever_they_stand():
    """The reader of imports finds them at the top, in functions, relative, and by name."""
    source = """
import eversince_async.session.retry
import aiohttp, eversince_async
from eversince_async import clock, Eversince
def late():
    from .. import limits
    from ..governor import budget
    from .own import thing
"""
    assert {"session", "", "clock", "limits", "governor", "models"} == {
        room_of(name) for name in imports(ast.parse(source), f"{PACKAGE}.models")
    }


@pytest.mark.parametrize(
    "library", ["aiohttp", "backoff", "cyclopts", "opentelemetry", "orjson", "rich", "av"]
)
def test_importing_the_package_does_not_import(library):
    """What only some callers need, or only once a session opens, is not paid for by all."""
    code = f"import sys, {PACKAGE}; sys.exit({library!r} in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", code], check=False, timeout=180).returncode
