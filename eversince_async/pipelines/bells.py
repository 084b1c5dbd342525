"""Telling those who wait in this process that an answer has come; other processes look into the journal."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from eversince_async.journal import Journal

Place = tuple[Any, str]
"""Which job of which journal."""

_waiting: dict[Place, set[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}


@contextmanager
def heard(journal: Journal, key: str) -> Generator[asyncio.Event, None, None]:
    """While this lasts, the event is set whenever something was answered."""
    place = _place(journal, key)
    bell = (asyncio.get_running_loop(), asyncio.Event())
    _waiting.setdefault(place, set()).add(bell)
    try:
        yield bell[1]
    finally:
        _waiting[place].discard(bell)
        if not _waiting[place]:
            del _waiting[place]


def ring(journal: Journal, key: str) -> None:
    """Something was answered."""
    here = asyncio.get_running_loop()
    for loop, bell in tuple(_waiting.get(_place(journal, key), ())):
        if loop is here:
            bell.set()
        elif not loop.is_closed():
            loop.call_soon_threadsafe(bell.set)


def _place(journal: Journal, key: str) -> Place:
    return getattr(journal, "path", None) or id(journal), key
