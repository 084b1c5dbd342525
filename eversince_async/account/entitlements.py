"""The render qualities that an account was refused or granted.

Only a render tells.
"""

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
"""The quality that every account may have.

A refusal of it is about a project, or passes."""

HOLDS: Final = timedelta(days=1)
"""The time for which a response is believed.

After it, the quality is requested again, as a plan may have been bought, or ended."""

NOTE: Final = "entitlements"
"""The name of the journal's note."""


@attrs.frozen
class Refusal:
    """A response with 403 to a render.

    Attributes:
        quality: The quality that was requested.
        at: The time of the response.
        message: The server's words.
    """

    quality: str
    at: datetime
    message: str

    def error(self) -> QualityRefused:
        """Return the error to raise instead of a new request."""
        return QualityRefused(self.quality, refused_at=self.at, message=self.message)


class Entitlements:
    """The server's responses to one account's renders."""

    def __init__(self) -> None:
        self._refused: dict[str, Refusal] = {}
        self._granted: dict[str, datetime] = {}
        self._note: Json = None
        self._waiting = set[asyncio.Future[None]]()

    def add_granted(self, quality: str) -> None:
        """Record that a render was accepted."""
        self._refused.pop(quality, None)
        self._granted[quality] = clock.now()
        self.wake()

    def add_refusal(self, quality: str, message: str) -> None:
        """Record that a render was refused with 403."""
        self._granted.pop(quality, None)
        self._refused[quality] = Refusal(quality, clock.now(), message)
        self.wake()

    def refusal(self, quality: str) -> Refusal | None:
        """Return the refusal of a quality within the last day, or None."""
        found = self._refused.get(quality)
        return None if found is None or not _holds(found.at) else found

    def is_granted(self, quality: str) -> bool:
        """Return True if the quality needs no try.

        Every account has it, or this account was granted it within the last day.
        """
        at = self._granted.get(quality)
        return quality == USUAL or (at is not None and _holds(at))

    def check(self, quality: str | None) -> None:
        """Refuse to begin a project that could not be rendered.

        Raises:
            QualityRefused: The account was refused this quality within the last day.
        """
        found = None if quality in {None, USUAL} else self.refusal(str(quality))
        if found is not None:
            raise found.error()

    def forget_refusals(self) -> None:
        """Forget all refusals, so that each quality is requested again."""
        self._refused.clear()

    async def change(self) -> None:
        """Wait for a change, or for a call of `wake`."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)

    def wake(self) -> None:
        """Wake all waiters, so that they look again."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    async def learn_from(self, journal: Journal, account: str) -> None:
        """Add the entitlements that a journal keeps of an account.

        What is known here is newer and stays.

        Args:
            journal: The journal.
            account: The journal's name for the account; see `account.identity`.
        """
        note = await journal.noted(NOTE)
        if isinstance(note, Mapping) and note.get("account") == account:
            self.learn(note)
        self._note = {"account": account, **self.to_json()}

    async def keep_in(self, journal: Journal, account: str) -> None:
        """Store the entitlements of an account in a journal.

        Does nothing if they have not changed since they were read.
        """
        note = {"account": account, **self.to_json()}
        if note != self._note:
            with suppress(JournalError):  # the next write that is needed raises it
                await journal.note(NOTE, note)
                self._note = note

    def to_json(self) -> dict[str, Json]:
        """Return the entitlements in the form that a journal keeps."""
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
        """Add the entitlements that a journal kept.

        An entry that cannot be read is left out. What is known here is newer and stays.
        """
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
    """Return True if a response is less than a day old.

    A response of the future was dated by a clock that was set since; it does not count.
    """
    return timedelta(0) <= clock.now() - at < HOLDS


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if at.tzinfo is None else at
