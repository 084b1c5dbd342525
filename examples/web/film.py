"""One film: what was ordered, how far it is, and how it ended."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from typing import Any, Final, Self

import attrs

from eversince_async import (
    CreditsLow,
    Event,
    EversinceError,
    InsufficientCredits,
    Production,
    ProjectCancelled,
    ProjectFailed,
    StageDone,
    StageStarted,
    StatusChanged,
)

STAGES: Final = ("create", "settle", "render", "share")
RATIOS: Final = ("16:9", "9:16", "1:1", "21:9")
LONGEST: Final = 10_000  # characters of a brief
KEPT: Final = (
    "id", "brief", "aspect_ratio", "project_id", "video_url", "share_url", "problem", "is_over",
)  # fmt: skip


@attrs.frozen
class Order:
    """What a customer asks for."""

    brief: str
    aspect_ratio: str = RATIOS[0]

    @classmethod
    def of(cls, body: bytes) -> Self:
        """From the body of a request.

        Raises:
            ValueError: It asks for no film.
        """
        wanted = json.loads(body)
        brief = wanted.get("brief") if isinstance(wanted, dict) else None
        if not isinstance(brief, str) or not 0 < len(brief.strip()) <= LONGEST:
            raise ValueError(f"a brief has 1 to {LONGEST} characters")
        aspect_ratio = wanted.get("aspect_ratio", RATIOS[0])
        if aspect_ratio not in RATIOS:
            raise ValueError(f"the shape is one of {', '.join(RATIOS)}")
        return cls(brief, aspect_ratio)


class Film:
    """One film.

    Attributes:
        id: Its name here, and the idempotency key of its project.
        project_id: Its project, once there is one.
        problem: Why there is no film, as a title, a text, and links to what helps.
        is_over: Whether nothing more will happen to it.
    """

    def __init__(self, id: str, brief: str, aspect_ratio: str) -> None:  # noqa: A002 - what it is called outside
        self.id = id
        self.brief = brief
        self.aspect_ratio = aspect_ratio
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
        film = cls(record["id"], record["brief"], record["aspect_ratio"])
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
            case StageDone(stage=stage, seconds=seconds):
                self._took[stage] = seconds
            case StatusChanged(status=status):
                self._status = str(status)
            case CreditsLow(warning=warning):
                self._warning = warning
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
            text = f"But {' and '.join(odd)} is no web address; look for {self.project_id} in the studio."
            self.problem = {"title": "The film is made", "text": text, "links": []}
        self.is_over = True
        self._changed()

    def failed(self, error: EversinceError) -> None:
        """It will not be."""
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


def link(address: str | None) -> str | None:
    """What a page may link to: a `javascript:` address would run in it, whoever made it up."""
    return address if (address or "").lower().startswith(("https://", "http://")) else None


def explained(error: EversinceError) -> dict[str, Any]:
    """An error for a customer: what happened, why, and what helps."""
    links: list[dict[str, str]] = []
    match error:
        case InsufficientCredits():
            title, text = "Not enough credits", str(error)
            if error.balance is not None:
                text = f"{error.balance:g} credits are left, which is too few for a film."
            links = [
                {"text": f"{package.credits:g} credits for {package.price}", "url": url}
                for package in error.packages
                if (url := link(package.purchase_url)) and package.credits
            ]
        case ProjectFailed():
            title, text = "The film failed", error.error_message or str(error)
        case ProjectCancelled():
            title, text = "The film was cancelled", "Somebody stopped it in the studio."
        case _:
            title, text = "The film could not be made", str(error)
    return {"title": title, "text": text, "links": links}
