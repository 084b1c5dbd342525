"""One project as the server keeps it: plain values only, so that it can be written to disk and read back."""

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
    """An instant as the documents write it."""
    instant = datetime.fromtimestamp(seconds, UTC)
    return instant.isoformat(timespec="milliseconds" if instant.microsecond else "seconds")[:-6] + "Z"


@attrs.define(kw_only=True)
class Variation:
    """One cut of a project.

    Attributes:
        id: E.g. "var_001"; unique in its project.
        title: Its title.
        description: What it is for.
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
        aspect_ratio: Of the variation that was rendered.
        at: Unix seconds when it was done.
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
    """A project: what was asked, where it stands, what it has made, and what will happen next.

    Attributes:
        id: Its ID.
        number: Its place in the order of creation, from 1.
        account_id: Whose it is.
        asked: The body it was created with.
        status: Documented status.
        created_at: Unix seconds.
        updated_at: Unix seconds of the last change.
        output: "assembled" or "assets": what it ends as.
        works: What the agent still has to do before it calls its work complete.
        steps: What will happen; the first is what happens now.
        due: Unix seconds when the current step ends; None when nothing is to come.
        failing: Whether the run fails with its last step.
        quality: Quality of the render in progress.
        pending: Message whose wish the current run fulfils.
        runs: How many runs there were, renders included; with the seed it makes the randomness.
        rendered: Its renders, oldest first.
        assets: What it has made, oldest first, in the documented shape with media as paths.
        messages: The conversation, oldest first, in the documented shape.
        variations: Its variations, oldest first.
        source_project_id: The studio project it was adopted from.
        studio: Whether it lives in the studio and was never adopted; the API does not show it.
        before: How it was before its latest change, for stale reads; not kept on disk.
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
        """Whether it holds one of the account's slots."""
        return self.status in ACTIVE

    @property
    def last_render(self) -> Render | None:
        """The newest render."""
        return self.rendered[-1] if self.rendered else None

    def variation(self, variation_id: str | None = None) -> Variation | None:
        """A variation by its ID; the active one without."""
        wanted = variation_id or self.active_variation
        return next((variation for variation in self.variations if variation.id == wanted), None)

    def rng(self, seed: int, purpose: str) -> Random:
        """Randomness that depends on the seed and on this project's own past only."""
        return Random(f"{seed}:{self.number}:{self.runs}:{purpose}")

    def to_json(self) -> Json:
        """Everything about it as JSON values."""
        return attrs.asdict(self, filter=lambda attribute, _: attribute.name != "before")

    @classmethod
    def from_json(cls, values: Json) -> "Project":
        """The project that `to_json` described."""
        known: dict[str, Any] = dict(values)
        known["steps"] = [
            Step(step["status"], step["seconds"], tuple(step["work"])) for step in known["steps"]
        ]
        known["rendered"] = [Render(**render) for render in known["rendered"]]
        known["variations"] = [Variation(**variation) for variation in known["variations"]]
        return cls(**known)
