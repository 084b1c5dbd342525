"""Wall clocks that somebody sets, and machines that sleep, in virtual time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from eversince_async.emulator import api, storage, studio, webhooks
from eversince_async.emulator import emulator as server
from eversince_async.testing import VirtualTimeLoop


def set_clock(seconds: float) -> None:
    """Set the wall clock of everybody in this loop, by so much, but for a server that is `unmoved`."""
    _loop()._started_at += seconds


def sleep_through(seconds: float) -> None:
    """Let the machine sleep: clocks go on, and no timer notices."""
    _loop().suspend(seconds)


def unmoved(monkeypatch: Any) -> None:
    """Give the emulator a clock that `set_clock` does not set."""
    began: dict[int, float] = {}

    def wall_seconds() -> float:
        loop = _loop()
        return began.setdefault(id(loop), loop.wall_time() - loop.boot_time()) + loop.boot_time()

    for place in (api, server, storage, studio, webhooks):
        monkeypatch.setattr(place, "clock", SimpleNamespace(wall_seconds=wall_seconds))


def _loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop
