"""An emulator that the environment leads to, and the applications that find it there."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

import pytest
from applications import EXAMPLES, NEEDS, SECRET, SHORT

from eversince_async.emulator import Emulator


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Emulator]:
    """An emulator that the environment leads to."""
    async with Emulator(
        scenario=SHORT, webhook_secret=SECRET, allow_loopback_webhooks=True, credits=1e6
    ) as emulator:
        monkeypatch.setenv("EVERSINCE_API_KEY", emulator.connection["api_key"])
        monkeypatch.setenv("EVERSINCE_BASE_URL", emulator.connection["base_url"])
        monkeypatch.setenv("EVERSINCE_WEBHOOK_SECRET", SECRET)
        yield emulator


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports an example as a new process would."""
    monkeypatch.syspath_prepend(EXAMPLES)

    def fresh(name: str) -> Any:
        for needed in NEEDS[name]:
            pytest.importorskip(needed, reason=f"{needed} is not installed; nox -s web has it")
        if name != "django_app":  # Django knows its views for as long as it lives
            sys.modules.pop(name, None)
        return import_module(name)

    return fresh
