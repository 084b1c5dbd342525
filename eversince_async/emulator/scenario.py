"""Scenarios: durations, outcomes and costs of projects.

They are seeded, so that a run can be repeated.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any, Final, Literal, TypeAlias, cast

import attrs

Span: TypeAlias = float | tuple[float, float]
"""Seconds: an exact number, or a range to draw from evenly."""

Walk: TypeAlias = Mapping[str, float] | Iterable[tuple[str, float]]
"""Statuses and the seconds that each lasts, in order."""

_ASSETS_ONLY: Final = re.compile(
    r"\b(assets only|only assets|just (an? )?(images?|pictures?|photos?|stills?)|no video|(a|one) still)\b",
    re.IGNORECASE,
)


def draw(span: Span, rng: Random) -> float:
    """Draw a number of seconds from a span."""
    return rng.uniform(*span) if isinstance(span, tuple) else float(span)


@attrs.frozen
class Step:
    """One status of a project's run.

    Attributes:
        status: The status.
        seconds: Duration of the status, in seconds.
        work: Work completed when the step ends: "plan", "images", "videos", "retake", "render" or nothing.
    """

    status: str
    seconds: float
    work: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Scenario:
    """Rules for what happens to projects.

    The durations are the vendor's: images take 30 s to 3 minutes, videos 3 to 15, a render 1 to 5.

    Attributes:
        queued: Seconds a project waits to start.
        running: Seconds of each stretch of planning and working.
        images: Seconds the image providers take.
        videos: Seconds the video providers take.
        rendering: Seconds of a render.
        cycles: Number of times the agent goes running -> generating -> running: 0 makes nothing, 1 everything
            at once, 2 images and then videos, more make retakes.
        scenes: Smallest and largest number of scenes in a video.
        failure: Share of runs that fail.
        failure_in: Status in which they fail; None for any of theirs.
        render_failure: Share of renders that fail.
        error_message: Error message of a failed project.
        reviews: Stops for review in collaborative mode before the work is complete, at most two.
        self_render: Share of autonomous video projects that render by themselves before they are idle.
        output: "assembled" or "assets" for all projects; None follows expected_output, else the brief.
        settles_as: Status of a finished run: "idle", or May's "completed".
        activate_variations: True if a variation made by message becomes the active one at once; in the
            documents' example it does not.
        walk: Statuses and seconds of a project's first run, in place of all the above.
        image_credits: Credits an image takes.
        video_credits: Credits a video takes.
        audio_credits: Credits a voiceover or a piece of music takes.
        seed: Seed of everything random except IDs, which no two emulator runs share.
        exceptions: Other scenarios for some projects, selected by the request that created them; the first
            match applies. `when()` adds one.
    """

    queued: Span = (2.0, 12.0)
    running: Span = (15.0, 60.0)
    images: Span = (30.0, 180.0)
    videos: Span = (180.0, 900.0)
    rendering: Span = (60.0, 300.0)
    cycles: int = 2
    scenes: tuple[int, int] = (3, 6)
    failure: float = 0.0
    failure_in: str | None = None
    render_failure: float = 0.0
    error_message: str = "The video provider refused the generation. No further work was done."
    reviews: int = 2
    self_render: float = 0.0
    output: Literal["assembled", "assets"] | None = None
    settles_as: Literal["idle", "completed"] = "idle"
    activate_variations: bool = False
    walk: Walk | None = None
    image_credits: float = 2
    video_credits: float = 8
    audio_credits: float = 1
    seed: int = 0
    exceptions: tuple[tuple[Callable[[Mapping[str, Any]], bool], "Scenario"], ...] = ()

    def when(self, matches: Callable[[Mapping[str, Any]], bool] | str, **changes: Any) -> "Scenario":
        """Return this scenario with different rules for some projects.

        Args:
            matches: Function that takes the body of `POST /projects`; a string matches briefs that contain
                it.
            changes: Attributes of the other scenario.
        """
        wanted = _brief_contains(matches) if isinstance(matches, str) else matches
        other = attrs.evolve(self, exceptions=(), **changes)
        return attrs.evolve(self, exceptions=(*self.exceptions, (wanted, other)))

    def of(self, brief: Mapping[str, Any]) -> "Scenario":
        """Return the scenario that applies to one project."""
        for matches, scenario in self.exceptions:
            if matches(brief):
                return scenario
        return self

    def makes(self, brief: str, expected_output: str | None) -> str:
        """Return "assembled" for one video or "assets" for single assets."""
        if self.output is not None:
            return self.output
        return expected_output or ("assets" if _ASSETS_ONLY.search(brief) else "assembled")

    def works(self, output: str) -> list[str]:
        """Return the agent's work on a new project, in order."""
        if output == "assets":
            return ["plan", "images"][: 1 + min(1, self.cycles)]
        generations = [[], ["all"], ["images", "videos"]][min(2, self.cycles)]
        return ["plan", *generations, *["retake"] * (self.cycles - 2)]

    def run(self, works: Iterable[str], rng: Random, *, queued: bool) -> list[Step]:
        """Build the steps of one run that does the given work."""
        steps = [Step("queued", draw(self.queued, rng))] if queued else []
        steps.append(Step("running", draw(self.running, rng)))
        for work in works:
            if work == "plan":
                steps[-1] = attrs.evolve(steps[-1], work=("plan",))
                continue
            steps.append(Step("generating", self._generating(work, rng), (work,)))
            steps.append(Step("running", draw(self.running, rng)))
        return steps

    def rendering_step(self, rng: Random) -> Step:
        """Build the single step of a render."""
        return Step("rendering", draw(self.rendering, rng), ("render",))

    def follow(self, works: Iterable[str]) -> list[Step]:
        """Build the steps of the given walk, whose end completes all work."""
        assert self.walk is not None
        pairs = self.walk
        if isinstance(pairs, Mapping):  # a type checker might infer pairs as keys
            pairs = cast("Mapping[str, float]", pairs).items()
        steps = [Step(status, float(seconds)) for status, seconds in pairs]
        if steps:
            steps[-1] = attrs.evolve(steps[-1], work=tuple(works))
        return steps

    def _generating(self, work: str, rng: Random) -> float:
        if work == "images":
            return draw(self.images, rng)
        seconds = draw(self.videos, rng)
        return seconds + draw(self.images, rng) if work == "all" else seconds

    def fails_at(self, steps: list[Step], rng: Random, share: float) -> int | None:
        """Return the index of the step that fails, or None."""
        if rng.random() >= share:
            return None
        places = [
            at
            for at, step in enumerate(steps)
            if (step.status == self.failure_in if self.failure_in else step.status != "queued")
        ]
        return rng.choice(places) if places else None


def _brief_contains(text: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda brief: text in str(brief.get("brief", ""))
