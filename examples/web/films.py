"""The films of a web application: made in the background, watched by any number of pages.

Nothing here knows a web framework. The four applications beside this file say which URL leads where, and
each makes one `Films` when it starts and closes it when it ends.
"""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from eversince_async import (
    ClientClosed,
    Event,
    Eversince,
    EversinceError,
    Production,
    ProjectFailed,
    StageDone,
    StageStarted,
    StatusChanged,
    Waiting,
    Workflow,
)

PAGE: Final = Path(__file__).with_name("page.html")
STAGES: Final = ("create", "settle", "render", "share")
PACE: Final = 1.0  # a page hears of the governor once a second
PATIENCE: Final = float(os.environ.get("PATIENCE", "5"))  # seconds for films to end when the application does


class Film:
    """One film, as a page shows it."""

    def __init__(self, film_id: str, brief: str) -> None:
        self.id = film_id
        self.brief = brief
        self.status: str | None = None
        self.waits_for: str | None = None
        self.video_url: str | None = None
        self.share_url: str | None = None
        self.error: str | None = None
        self.is_over = False
        self._began: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._changed = asyncio.Event()

    def note(self, event: Event) -> None:
        """Take in what the production tells."""
        self.waits_for = None
        match event:
            case StageStarted(stage=stage):
                self._began[stage] = event.at
            case StageDone(stage=stage, seconds=seconds):
                self._took[stage] = seconds
            case StatusChanged(status=status):
                self.status = str(status)
            case Waiting(reason=reason):
                self.waits_for = reason.detail
        self.changed()

    def changed(self) -> None:
        """Wake every page that watches."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self) -> None:
        """Wait for news, but not for long."""
        try:
            async with asyncio.timeout(PACE):
                await self._changed.wait()
        except TimeoutError:
            pass

    def to_json(self) -> dict[str, Any]:
        """All there is to show, as plain values."""
        return {
            "id": self.id,
            "brief": self.brief,
            "status": self.status,
            "waits_for": self.waits_for,
            "stages": [self._stage(name) for name in STAGES],
            "video_url": self.video_url,
            "share_url": self.share_url,
            "error": self.error,
            "is_over": self.is_over,
        }

    def _stage(self, name: str) -> dict[str, Any]:
        if name in self._took:
            return {"name": name, "state": "done", "seconds": self._took[name]}
        if name not in self._began:
            return {"name": name, "state": "ahead", "seconds": None}
        seconds = asyncio.get_running_loop().time() - self._began[name]
        return {"name": name, "state": "stopped" if self.is_over else "running", "seconds": seconds}


class Films:
    """All films of this process.

    Args:
        eversince: The one client of this process. It is closed with this.
        kept: A file for what is unfinished when the application ends; the next one goes on from it.
    """

    def __init__(self, eversince: Eversince, kept: Path | None = None) -> None:
        self.eversince = eversince
        self._kept = kept
        self._films: dict[str, Film] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        public_url = os.environ.get("PUBLIC_URL")  # where the server can reach us, if it can
        self._options: dict[str, Any] = {}
        if public_url:
            self._options["webhook_url"] = f"{public_url}/webhooks/eversince"
        self._take_up()

    def order(self, brief: str, aspect_ratio: str = "16:9") -> Film:
        """Begin a film in the background."""
        film = Film(uuid.uuid4().hex, brief)
        # The idempotency key is the film's: whoever asks again, after a crash or not, gets the same project.
        workflow = self.eversince.produce(
            brief, aspect_ratio=aspect_ratio, idempotency_key=film.id, **self._options
        )
        return self._begin(film, workflow)

    def find(self, film_id: str) -> Film | None:
        """A film by its id."""
        return self._films.get(film_id)

    async def watch(self, film: Film) -> AsyncIterator[str]:
        """Server-Sent Events: each is all there is to know, so a page that missed some has missed nothing."""
        before = None
        while True:
            now = json.dumps({"film": film.to_json(), "governor": self.governor()})
            if now != before:
                yield f"data: {now}\n\n"
            if film.is_over:
                return
            before = now
            await film.change()

    def governor(self) -> dict[str, Any]:
        """How the account's limits stand."""
        seen = self.eversince.governor.snapshot()
        return {
            "slots": {
                "limit": seen.slots.limit,
                "ours": len(seen.slots.leases),
                "others": len(seen.slots.foreign),
                "waiting": seen.slots.waiting,
            },
            "requests": {"limit": seen.requests.limit, "used": seen.requests.used},
            "today": {name: {"limit": day.limit, "used": day.used} for name, day in seen.quotas.items()},
            "credits": None if seen.credits is None else seen.credits.balance,
        }

    async def aclose(self) -> None:
        """Close the client: let films end that are about to, and keep what takes the others up again."""
        left = await self.eversince.aclose(productions="drain", patience=PATIENCE)
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._kept is not None:
            briefs = {film.id: film.brief for film in self._films.values()}
            kept = [{"brief": briefs[handle.key], "handle": handle.to_json()} for handle in left]
            self._kept.write_text(json.dumps(kept))

    def _take_up(self) -> None:
        if self._kept is None or not self._kept.exists():
            return
        for unfinished in json.loads(self._kept.read_text()):
            film = Film(unfinished["handle"]["key"], unfinished["brief"])
            self._begin(film, self.eversince.resume(unfinished["handle"]))

    def _begin(self, film: Film, workflow: Workflow[Production]) -> Film:
        self._films[film.id] = film
        task = asyncio.create_task(self._make(film, workflow))
        self._tasks.add(task)  # asyncio itself would forget it
        task.add_done_callback(self._tasks.discard)
        return film

    async def _make(self, film: Film, workflow: Workflow[Production]) -> None:
        try:
            async with workflow:
                async for event in workflow:
                    film.note(event)
                production = await workflow
            film.video_url, film.share_url = production.video_url, production.share_url
        except ClientClosed:
            film.error = "The application is restarting. The film goes on; come back in a moment."
        except ProjectFailed as failed:
            film.error = failed.error_message or "The film failed."
        except EversinceError as error:
            film.error = str(error)
        finally:
            film.is_over = True
            film.changed()
