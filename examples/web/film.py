"""One film: what was ordered, how far it is, and how it ended."""

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
    """What a customer asks for."""

    brief: str
    aspect_ratio: str = RATIOS[0]

    @classmethod
    def of(cls, body: bytes) -> Self:
        """From the body of a request.

        Raises:
            Refused: It asks for no film.
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
        id: Its name here.
        customer: Who ordered it, as `guard.customer_of` says.
        key: The idempotency key of its project.
        ordered_at: When, in Unix seconds.
        project_id: Its project, once there is one.
        problem: Why there is no film, as a title, a text, and links to what helps.
        is_over: Whether nothing more will happen to it.
    """

    def __init__(self, id: str, customer: str, order: Order) -> None:  # noqa: A002 - what it is called outside
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
        """A film that was kept."""
        order = Order(record["brief"], record["aspect_ratio"])
        film = cls(record["id"], record["customer"], order)
        vars(film).update(record)
        return film

    def to_record(self) -> dict[str, Any]:
        """What to keep of it: enough to show its end, or to go on with it in another process."""
        return {name: getattr(self, name) for name in KEPT}

    def to_json(self) -> dict[str, Any]:
        """What there is to show. Times are seconds of this process; `Films.watch` tells what time it is."""
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
        """What a page has seen of it: another one after every change, and in another process."""
        return f"{self._process}-{self._changes}"

    def note(self, event: Event) -> None:
        """Take in what the production tells."""
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
        """There it is."""
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
        """It will not be. What the error says goes to the log: it is written for us, not for customers."""
        logger.warning("film %s: %s", self.id, plain(error))
        self.problem = explained(error)
        self.is_over = True
        self._changed()

    async def news(self, seconds: float) -> None:
        """Wait for a change, but no longer than so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    def wake(self) -> None:
        """Let nobody wait for news any longer."""
        self._news.set()
        self._news = asyncio.Event()

    def _changed(self) -> None:
        self._changes += 1
        self.wake()

    def _stages(self) -> list[dict[str, Any]]:
        """Each is done, running, stopped, or still ahead. One before another that has begun is done."""
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
    """Whether it can be sent, and does not steer what shows it: no half characters, no control characters."""
    return not any(unicodedata.category(each) in {"Cc", "Cs"} and each not in "\n\r\t" for each in text)
