"""Whatever the README shows is true: its Python runs against the emulator, its commands parse."""

from __future__ import annotations

import ast
import asyncio
import inspect
import logging
import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from eversince_async.emulator import Emulator

README = Path(__file__).parent.parent / "README.md"


def sections() -> dict[str, str]:
    """The text below each heading."""
    parts = re.split(r"^#+ (.+)$", README.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks(language: str, text: str) -> list[str]:
    """The fenced blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """What is typed behind `eversince`, each time the README does so."""
    lines = [line for block in blocks("shell", README.read_text("utf-8")) for line in block.splitlines()]
    typed = [shlex.split(line.rpartition("&&")[2], comments=True) for line in lines]
    return [words[1:] for words in typed if Path(words[0]).name == "eversince"]


async def show(block: str, namespace: dict[str, Any]) -> None:
    """Run a block; one that needs no loop gets none, so that it can run its own."""
    code = compile(block, str(README), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    known = set(namespace)
    if code.co_flags & inspect.CO_COROUTINE:
        await eval(code, namespace)
    else:
        await asyncio.to_thread(exec, code, namespace)
    for name in namespace.keys() - known:
        if name.startswith("test_"):
            await asyncio.to_thread(namespace[name])


@pytest.mark.parametrize("heading", [name for name, text in sections().items() if blocks("python", text)])
async def test_python_runs(
    heading: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each section's blocks run in their order, with the client that "How to read on" makes."""
    monkeypatch.setenv("EVERSINCE_API_KEY", emulator.connection["api_key"])
    monkeypatch.setenv("EVERSINCE_BASE_URL", emulator.connection["base_url"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mug.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    namespace: dict[str, Any] = {"print": lambda *_: None}
    (makes_client,) = blocks("python", sections()["How to read on"])
    await show(makes_client, namespace)
    client = namespace["eversince"]
    logger = logging.getLogger("eversince_async")  # which a block makes talkative
    level = logger.level
    try:
        for block in blocks("python", sections()[heading]):
            await show(block, namespace)
    finally:
        logger.setLevel(level)
        await client.aclose()


@pytest.mark.parametrize("typed", commands(), ids=" ".join)
def test_commands_parse(typed: list[str]) -> None:
    """Every `eversince …` line is one that the command takes."""
    pytest.importorskip("cyclopts")
    from eversince_async.cli._commands import BY_NAME
    from eversince_async.cli._dispatch import parser

    command = BY_NAME[typed[0]]
    function = getattr(import_module(f"eversince_async.cli.{command.home}"), command.function)

    call, _, _ = parser(command, function).parse_args(typed[1:], print_error=False, exit_on_error=False)

    assert function is call
