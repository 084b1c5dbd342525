"""Fixtures for pipelines: a journal file, an emulator and a photo."""

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
    """Run a local emulator whose agent is quick."""
    async with Emulator(scenario=QUICK) as emulator:
        yield emulator


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Return the path of a journal that does not exist yet."""
    return tmp_path / "pipelines.db"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return the path of a picture to upload."""
    file = tmp_path / "mug.png"
    file.write_bytes(b"\x89PNG" + bytes(100))
    return file
