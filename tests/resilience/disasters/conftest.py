from __future__ import annotations

import pytest

from eversince_async.emulator import Emulator
from helpers.batch_runs import QUICK


@pytest.fixture
async def emulator():
    async with Emulator(scenario=QUICK, studio_projects=False, video_bytes=300_000) as emulator:
        yield emulator
