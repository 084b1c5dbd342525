"""Which render qualities an account was refused, and which it was given: only a render tells."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import attrs

from eversince_async import clock
from eversince_async.errors import JournalError, QualityRefused
from eversince_async.journal import Journal, Json

USUAL: Final = "1080p"
"""The quality that every account may have; a refusal of it is about a project, or passes."""

HOLDS: Final = timedelta(days=1)
"""How long an answer is believed; then it is asked for again, as a plan may have been bought, or ended."""

NOTE: Final = "entitlements"
"""The name of a journal's note."""


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
        self._granted: dict[str, datetime] = {}
        self._kept: Json = None
        self._waiting = set[asyncio.Future[None]]()

    def add_granted(self, quality: str) -> None:
        """Note that a render was accepted."""
        self._refused.pop(quality, None)
        self._granted[quality] = clock.now()
        self.wake()

    def add_refusal(self, quality: str, message: str) -> None:
        """Note that a render was refused with 403."""
        self._granted.pop(quality, None)
        self._refused[quality] = Refusal(quality, clock.now(), message)
        self.wake()

    def refusal(self, quality: str) -> Refusal | None:
        """Return the refusal of a quality, if it is of today."""
        found = self._refused.get(quality)
        return None if found is None or not _holds(found.at) else found

    def is_granted(self, quality: str) -> bool:
        """Whether it needs no try: everybody has it, or this account was given it within the last day."""
        at = self._granted.get(quality)
        return quality == USUAL or (at is not None and _holds(at))

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

    async def learn_from(self, journal: Journal, account: str) -> None:
        """Add what a journal keeps of an account; what is known here is newer.

        Args:
            journal: The journal.
            account: The journal's name for the account; see `orchestrator.accounts`.
        """
        kept = await journal.noted(NOTE)
        if isinstance(kept, Mapping) and kept.get("account") == account:
            self.learn(kept)
        self._kept = {"account": account, **self.to_json()}

    async def keep_in(self, journal: Journal, account: str) -> None:
        """Have a journal keep what is known of an account, if that has changed since it was read."""
        known = {"account": account, **self.to_json()}
        if known != self._kept:
            with suppress(JournalError):  # whoever needs to write next will learn of it
                await journal.note(NOTE, known)
                self._kept = known

    def to_json(self) -> dict[str, Json]:
        """What a journal keeps."""
        refused = {
            each.quality: {"at": each.at.isoformat(), "message": each.message}
            for each in self._refused.values()
            if each.quality != USUAL and _holds(each.at)
        }
        granted = {
            quality: at.isoformat()
            for quality, at in sorted(self._granted.items())
            if quality != USUAL and _holds(at)
        }
        return {"refused": refused, "granted": granted}

    def learn(self, kept: Json) -> None:
        """Add what a journal kept; what cannot be read is left out, and what is known here is newer."""
        match kept:
            case {"refused": Mapping() as refused, "granted": Mapping() as granted}:
                pass
            case _:
                return
        known = {*self._refused, *self._granted}
        for quality, at in granted.items():
            if quality not in known and isinstance(at, str) and (when := _instant(at)) is not None:
                self._granted[quality] = when
        for quality, found in refused.items():
            match found:
                case {"at": str() as at, "message": str() as message} if quality not in known:
                    if (when := _instant(at)) is not None:
                        self._refused[quality] = Refusal(quality, when, message)
                case _:
                    pass


def _holds(at: datetime) -> bool:
    """Whether an answer is of today; one of the future was told by a clock that was set since."""
    return timedelta(0) <= clock.now() - at < HOLDS


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if at.tzinfo is None else at
