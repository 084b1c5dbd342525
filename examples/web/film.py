"""One film: its order, its progress and its end."""

import asyncio
import json
import logging
import secrets
import time
import unicodedata
from collections.abc import Mapping
from typing import Any, Final, Self

import attrs
from guard import Refused, key_of
from words import explained, link, plain, status_of

from eversince_async import (
    CreditsWarning,
    Event,
    EversinceError,
    Production,
    StageCompleted,
    StageStarted,
    StatusChanged,
)

STAGES: Final = ("create", "settle", "render", "share")
RATIOS: Final = ("16:9", "9:16", "1:1", "21:9")
LONGEST: Final = 10_000  # characters of a brief
KEPT: Final = (
    "id", "customer", "ordered_at", "brief", "aspect_ratio", "project_id", "video_url", "share_url",
    "problem", "is_over",
)  # fmt: skip


logger: Final = logging.getLogger("films")


@attrs.frozen
class Order:
    """A customer's order."""

    brief: str
    aspect_ratio: str = RATIOS[0]

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Parse the body of a request.

        Raises:
            Refused: The body is not a valid order.
        """
        try:
            wanted = json.loads(body.decode("utf-8"))
        except (ValueError, RecursionError):
            wanted = None
        if not isinstance(wanted, dict) or not wanted.keys() <= {"brief", "aspect_ratio"}:
            raise Refused(400, "an order is a JSON object with a brief and an aspect_ratio")
        brief, aspect_ratio = wanted.get("brief"), wanted.get("aspect_ratio", RATIOS[0])
        if not isinstance(brief, str) or not 0 < len(brief.strip()) <= LONGEST or not _is_text(brief):
            raise Refused(400, f"a brief is text of 1 to {LONGEST} characters")
        if not isinstance(aspect_ratio, str) or aspect_ratio not in RATIOS:
            raise Refused(400, f"the aspect_ratio is one of {', '.join(RATIOS)}")
        return cls(brief, aspect_ratio)


class Film:
    """One film.

    Attributes:
        id: ID of the film in this application.
        customer: The customer who ordered it, as returned by `guard.customer_of`.
        key: The idempotency key of its project.
        ordered_at: Time of the order, in Unix seconds.
        project_id: ID of its project, once the project exists.
        problem: Reason why there is no film, as a title, a text, and helpful links.
        is_over: True if nothing more will happen to the film.
    """

    def __init__(self, id: str, customer: str, order: Order) -> None:  # noqa: A002 - the name in the API
        self.id = id
        self.customer = customer
        self.key = key_of(customer, id)
        self.ordered_at = time.time()
        self.brief = order.brief
        self.aspect_ratio = order.aspect_ratio
        self.project_id: str | None = None
        self.video_url: str | None = None
        self.share_url: str | None = None
        self.problem: dict[str, Any] | None = None
        self.is_over = False
        self._status: str | None = None
        self._warning: str | None = None
        self._began: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._changes = 0
        self._process = secrets.token_hex(4)
        self._news = asyncio.Event()

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Restore a stored film."""
        order = Order(record["brief"], record["aspect_ratio"])
        film = cls(record["id"], record["customer"], order)
        vars(film).update(record)
        return film

    def to_record(self) -> dict[str, Any]:
        """Return the film as a record.

        It is enough to show the film's end, or to continue the film in another process.
        """
        return {name: getattr(self, name) for name in KEPT}

    def to_json(self) -> dict[str, Any]:
        """Return the values to show.

        Times are in seconds of this process's clock; `Films.watch` sends its present time.
        """
        return {
            "id": self.id,
            "brief": self.brief,
            "aspect_ratio": self.aspect_ratio,
            "status": self._status,
            "warning": self._warning,
            "stages": self._stages(),
            "video_url": self.video_url,
            "share_url": self.share_url,
            "problem": self.problem,
            "is_over": self.is_over,
        }

    @property
    def version(self) -> str:
        """The version of the film that a page has seen.

        It differs after every change and in every process.
        """
        return f"{self._process}-{self._changes}"

    def note(self, event: Event) -> None:
        """Record an event of the production."""
        self.project_id = event.project_id or self.project_id
        match event:
            case StageStarted(stage=stage):
                self._began[stage] = event.at
            case StageCompleted(stage=stage, seconds=seconds):
                self._took[stage] = seconds
            case StatusChanged(status=status):
                self._status = status_of(status)
            case CreditsWarning():
                self._warning = "Credits are running low: this may be the last film for now."
            case _:
                return
        self._changed()

    def ended(self, production: Production) -> None:
        """Record that the film is done."""
        self.video_url, self.share_url = link(production.video_url), link(production.share_url)
        odd = [
            name for name in ("video_url", "share_url") if getattr(self, name) != getattr(production, name)
        ]
        if odd:
            where = f"look for {plain(self.project_id, 100)} in the studio"
            text = f"But {' and '.join(odd)} is no web address; {where}."
            self.problem = {"title": "The film is made", "text": text, "links": []}
        self.is_over = True
        self._changed()

    def failed(self, error: EversinceError) -> None:
        """Record that the film failed.

        The error's own text goes to the log: it is written for developers, not for customers.
        """
        logger.warning("film %s: %s", self.id, plain(error))
        self.problem = explained(error)
        self.is_over = True
        self._changed()

    async def news(self, seconds: float) -> None:
        """Wait for a change, at most for `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    def wake(self) -> None:
        """Wake all waiters for news."""
        self._news.set()
        self._news = asyncio.Event()

    def _changed(self) -> None:
        self._changes += 1
        self.wake()

    def _stages(self) -> list[dict[str, Any]]:
        """Return the stages: each is done, running, stopped or still ahead.

        A stage is done if a later one has begun.
        """
        reached = max((STAGES.index(name) for name in self._began if name in STAGES), default=-1)
        if self.is_over and self.problem is None:
            reached = len(STAGES)

        def state(at: int, name: str) -> str:
            if name in self._took or at < reached:
                return "done"
            if at > reached:
                return "ahead"
            return "stopped" if self.is_over else "running"

        return [
            {
                "name": name,
                "state": state(at, name),
                "began": self._began.get(name),
                "seconds": self._took.get(name),
            }
            for at, name in enumerate(STAGES)
        ]


def _is_text(text: str) -> bool:
    """Return True if the text can be sent and shown safely.

    It must have no lone surrogates and no control characters.
    """
    return not any(unicodedata.category(each) in {"Cc", "Cs"} and each not in "\n\r\t" for each in text)
