"""Tests that both journals pass the conformance suite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from eversince_async.journal import Journal, MemoryJournal, SqliteJournal
from eversince_async.journal.memory import MemoryTables
from helpers.journal_conformance import JournalConformance, journal, other

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["journal", "other"]


class InMemory:
    def __init__(self) -> None:
        self.rows = MemoryTables()

    def journal(self) -> Journal:
        return MemoryJournal(self.rows)


class InFile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def journal(self) -> Journal:
        return SqliteJournal(self.path)


class TestMemoryJournal(JournalConformance):
    @pytest.fixture
    def backend(self):
        return InMemory()


class TestSqliteJournal(JournalConformance):
    @pytest.fixture
    def backend(self, tmp_path):
        return InFile(tmp_path / "journal.db")
