"""Run an example as its reader would, but against an emulator and in virtual time.

`python run_example.py path/to/example.py [argument …]`
"""

from __future__ import annotations

import asyncio
import os
import runpy
import sys
from typing import TYPE_CHECKING, Any

from eversince_async.emulator import Emulator
from eversince_async.testing import run

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def beside_an_emulator(main: Coroutine[Any, Any, Any]) -> Any:
    """Await an example's main function while an emulator answers at the address in the environment."""
    async with Emulator() as emulator:
        os.environ["EVERSINCE_BASE_URL"] = emulator.connection["base_url"]
        os.environ["EVERSINCE_API_KEY"] = emulator.connection["api_key"]
        return await main


def run_example(path: str, *arguments: str) -> None:
    """Run a script; its `asyncio.run` is ours."""
    asyncio.run = lambda main, **_: run(beside_an_emulator(main))
    sys.argv = [path, *arguments]
    runpy.run_path(path, run_name="__main__")


if __name__ == "__main__":
    run_example(*sys.argv[1:])
