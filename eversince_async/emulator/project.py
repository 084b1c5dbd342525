"""One project as the server stores it.

It holds plain values only, so that it can be written to disk and read back.
"""

from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from typing import Any

import attrs

from eversince_async.emulator.errors import Json
from eversince_async.emulator.revision import ACTIVE
from eversince_async.emulator.scenario import Step


@lru_cache(maxsize=8192)
def iso(seconds: float) -> str:
    """Format a time as the documents do."""
    instant = datetime.fromtimestamp(seconds, UTC)
    return instant.isoformat(timespec="milliseconds" if instant.microsecond else "seconds")[:-6] + "Z"


@attrs.define(kw_only=True)
class Variation:
    """One cut of a project.

    Attributes:
        id: E.g. "var_001"; unique in its project.
        title: Title of the variation.
        description: Purpose of the variation.
        aspect_ratio: E.g. "9:16".
        created_at: Unix seconds.
        scenes: Scenes in their documented shape, media as paths.
        tracks: Audio tracks, likewise.
        overlays: Overlays, likewise.
        captions: Captions, likewise.
    """

    id: str
    title: str
    description: str | None = None
    aspect_ratio: str
    created_at: float
    scenes: list[Json] = attrs.field(factory=list)
    tracks: list[Json] = attrs.field(factory=list)
    overlays: list[Json] = attrs.field(factory=list)
    captions: Json = attrs.field(factory=lambda: {"enabled": False, "preset": None})


@attrs.define(kw_only=True)
class Render:
    """One rendered video.

    Attributes:
        number: 1 for the project's first render.
        quality: "1080p" or "4k".
        aspect_ratio: Aspect ratio of the variation that was rendered.
        at: Unix seconds when the render completed.
        expires_at: Unix seconds when its URL stops working.
        path: Path and signature of its URL.
    """

    number: int
    quality: str
    aspect_ratio: str
    at: float
    expires_at: float
    path: str


@attrs.define(kw_only=True, eq=False)
class Project:
    """A project: its request, status, results and scheduled steps.

    Attributes:
        id: ID of the project.
        number: Position in the order of creation, from 1.
        account_id: ID of the account that owns the project.
        asked: The body of the request that created the project.
        status: Documented status.
        created_at: Unix seconds.
        updated_at: Unix seconds of the last change.
        output: Final form of the project: "assembled" or "assets".
        works: Work that the agent still has to do before it calls the project complete.
        steps: Scheduled steps; the first is the current one.
        due: Unix seconds when the current step ends; None when nothing is scheduled.
        failing: True if the run fails with its last step.
        quality: Quality of the render in progress.
        pending: Message to which the current run responds.
        runs: Number of runs so far, renders included; with the seed it determines the randomness.
        rendered: Renders, oldest first.
        assets: Assets, oldest first, in the documented shape with media as paths.
        messages: The conversation, oldest first, in the documented shape.
        variations: Variations, oldest first.
        source_project_id: The studio project from which this one was adopted.
        studio: True if the project belongs to the studio and was never adopted; the API does not show it.
        before: The project before its latest change, for stale reads; not saved to disk.
    """

    id: str
    number: int
    account_id: str
    asked: Json
    title: str | None
    mode: str
    aspect_ratio: str
    craft: str = "auto"
    craft_auto: bool = True
    skills: list[str] = attrs.field(factory=list)
    reasoning_mode: str = "thinking"
    video_model: str | None = None
    image_model: str | None = None
    agent_model: str = "opus-4.7"
    expected_output: str | None = None
    webhook_url: str | None = None
    idempotency_key: str | None = None
    status: str = "queued"
    created_at: float
    updated_at: float
    error_message: str | None = None
    agent_message: str | None = None
    output: str = "assembled"
    works: list[str] = attrs.field(factory=list)
    steps: list[Step] = attrs.field(factory=list)
    due: float | None = None
    failing: bool = False
    quality: str = "1080p"
    pending: str | None = None
    runs: int = 0
    rendered: list[Render] = attrs.field(factory=list)
    assets: list[Json] = attrs.field(factory=list)
    messages: list[Json] = attrs.field(factory=list)
    variations: list[Variation] = attrs.field(factory=list)
    active_variation: str | None = None
    source_project_id: str | None = None
    studio: bool = False
    before: "Project | None" = None

    @property
    def brief(self) -> str:
        """The brief."""
        return str(self.asked.get("brief", ""))

    @property
    def active(self) -> bool:
        """True if the project holds one of the account's slots."""
        return self.status in ACTIVE

    @property
    def last_render(self) -> Render | None:
        """The newest render, or None."""
        return self.rendered[-1] if self.rendered else None

    def variation(self, variation_id: str | None = None) -> Variation | None:
        """Return a variation by its ID; without an ID, the active one."""
        wanted = variation_id or self.active_variation
        return next((variation for variation in self.variations if variation.id == wanted), None)

    def rng(self, seed: int, purpose: str) -> Random:
        """Return randomness that depends only on seed, purpose and project history."""
        return Random(f"{seed}:{self.number}:{self.runs}:{purpose}")

    def to_json(self) -> Json:
        """Return the project as JSON values."""
        return attrs.asdict(self, filter=lambda attribute, _: attribute.name != "before")

    @classmethod
    def from_json(cls, values: Json) -> "Project":
        """Build the project from the values of `to_json`."""
        known: dict[str, Any] = dict(values)
        known["steps"] = [
            Step(step["status"], step["seconds"], tuple(step["work"])) for step in known["steps"]
        ]
        known["rendered"] = [Render(**render) for render in known["rendered"]]
        known["variations"] = [Variation(**variation) for variation in known["variations"]]
        return cls(**known)
