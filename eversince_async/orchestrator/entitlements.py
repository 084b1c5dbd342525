"""Which render qualities an account was refused, and which it was given: only a render tells."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import attrs

from eversince_async import clock
from eversince_async.errors import QualityRefused
from eversince_async.journal import Json

USUAL: Final = "1080p"
"""The quality that every account may have; a refusal of it is about a project, or passes."""

HOLDS: Final = timedelta(days=1)
"""How long a refusal is believed; then it is asked for again, as a plan may have been bought."""


@attrs.frozen
class Refusal:
    """A 403 that answered a render.

    Attributes:
        quality: What was asked for.
        at: When.
        message: The server's words.
    """

    quality: str
    at: datetime
    message: str

    def error(self) -> QualityRefused:
        """What to raise instead of asking again."""
        return QualityRefused(self.quality, refused_at=self.at, message=self.message)


class Entitlements:
    """Remember what one account was answered when it asked for renders."""

    def __init__(self) -> None:
        self._refused: dict[str, Refusal] = {}
        self._granted = set[str]()
        self._waiting = set[asyncio.Future[None]]()

    def granted(self, quality: str) -> None:
        """Note that a render was accepted."""
        self._refused.pop(quality, None)
        self._granted.add(quality)
        self.wake()

    def refused(self, quality: str, message: str) -> None:
        """Note that a render was refused with 403."""
        self._granted.discard(quality)
        self._refused[quality] = Refusal(quality, clock.now(), message)
        self.wake()

    def refusal(self, quality: str) -> Refusal | None:
        """Return the refusal of a quality, if it is of today."""
        found = self._refused.get(quality)
        return None if found is None or not _holds(found.at) else found

    def is_granted(self, quality: str) -> bool:
        """Whether it needs no try any more: everybody has it, or this account was given it."""
        return quality == USUAL or quality in self._granted

    def check(self, quality: str | None) -> None:
        """Refuse to begin what could not be rendered in the end.

        Raises:
            QualityRefused: The account was refused this quality today.
        """
        found = None if quality in {None, USUAL} else self.refusal(str(quality))
        if found is not None:
            raise found.error()

    def forget_refusals(self) -> None:
        """Ask for everything again."""
        self._refused.clear()

    async def change(self) -> None:
        """Wait until something has changed, or somebody says `wake`."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)

    def wake(self) -> None:
        """Have all who wait look again."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def to_json(self) -> dict[str, Json]:
        """What a journal keeps."""
        refused = {
            each.quality: {"at": each.at.isoformat(), "message": each.message}
            for each in self._refused.values()
            if each.quality != USUAL and _holds(each.at)
        }
        return {"refused": refused, "granted": sorted(self._granted - {USUAL})}

    def learn(self, kept: Json) -> None:
        """Add what a journal kept; what cannot be read is left out, and what is known here is newer."""
        match kept:
            case {"refused": Mapping() as refused, "granted": list() as granted}:
                pass
            case _:
                return
        known = {*self._refused, *self._granted}
        self._granted |= {each for each in granted if isinstance(each, str) and each not in known}
        for quality, found in refused.items():
            match found:
                case {"at": str() as at, "message": str() as message} if quality not in known:
                    if (when := _instant(at)) is not None:
                        self._refused[quality] = Refusal(quality, when, message)
                case _:
                    pass


def _holds(at: datetime) -> bool:
    """Whether a refusal is of today; one of the future was told by a clock that was set since."""
    return timedelta(0) <= clock.now() - at < HOLDS


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if at.tzinfo is None else at
