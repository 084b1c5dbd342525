from __future__ import annotations

import pytest

from eversince_async.emulator import Emulator, Scenario

QUICK = Scenario(queued=2, running=5, images=5, videos=10, rendering=10, cycles=1, scenes=(1, 1))


@pytest.fixture
async def emulator():
    async with Emulator(scenario=QUICK, studio_projects=False, video_bytes=300_000) as emulator:
        yield emulator
