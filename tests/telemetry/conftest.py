"""Tests here see what OpenTelemetry's SDK would export."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from helpers.fake_server import server
from helpers.telemetry_export import Exported

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["server"]


@pytest.fixture
def exported() -> Iterator[Exported]:
    exported = Exported()
    yield exported
    exported.close()
