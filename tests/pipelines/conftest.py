"""A journal file for each test, and pipelines to run in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eversince_async.emulator import Emulator
from helpers.pipeline_runs import QUICK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """A local Eversince whose agent is quick."""
    async with Emulator(scenario=QUICK) as emulator:
        yield emulator


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A file that is no journal yet."""
    return tmp_path / "pipelines.db"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture to upload."""
    file = tmp_path / "mug.png"
    file.write_bytes(b"\x89PNG" + bytes(100))
    return file
