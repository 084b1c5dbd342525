"""Fixtures that the emulator's own tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from eversince_async.emulator import Emulator, Limits
from helpers.emulator_client import Calls, calling


@pytest.fixture
async def call() -> AsyncIterator[Calls]:
    """Calls of an April emulator without a request limit."""
    async with calling(Emulator(limits=Limits(requests_per_minute=None))) as calls:
        yield calls


@pytest.fixture
async def may() -> AsyncIterator[Calls]:
    """Calls of a May emulator without a request limit."""
    async with calling(Emulator(revision="2026-05", limits=Limits(requests_per_minute=None))) as calls:
        yield calls
