"""The prices of finished videos.

The server prices the operations in their timelines.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from math import inf
from typing import Any, Final

import attrs

from eversince_async.errors import EversinceError
from eversince_async.lifecycle import ProjectStatus
from eversince_async.limits import ESTIMATE_COUNT, ESTIMATE_OPERATIONS
from eversince_async.models.content import Audio, OverlayType, Scene, Timeline
from eversince_async.models.discovery import Operation, Tool
from eversince_async.models.projects import ProjectSummary
from eversince_async.resources import Resources

PAGE: Final = 20
"""The number of finished projects that are searched for videos."""

MOST_OPERATIONS: Final = 200
"""The largest number of different operations of a video that are priced.

That is four requests. A video with more is left out."""


_Fields = tuple[tuple[str, Any], ...]
"""The fields of an operation, by which it is counted."""


class CannotTell(Exception):
    """A timeline does not tell what was done for it."""


@attrs.frozen(kw_only=True)
class PricedFilm:
    """A finished video with its price.

    Attributes:
        credits: The price of all operations in the video's timeline.
        video_models: The models that made its clips.
        image_models: The models that made its images.
    """

    credits: float
    video_models: frozenset[str]
    image_models: frozenset[str]


async def price_films(api: Resources, most: int) -> Sequence[PricedFilm]:
    """Price the latest finished videos of the account.

    A video takes two requests, or more if it has many operations. A video that cannot be priced as a whole is
    left out. If the account's projects cannot be listed, nothing is priced.

    Args:
        api: The account.
        most: The largest number of videos to price.
    """
    if most < 1:
        return ()
    try:
        page = await api.projects.list(status=ProjectStatus.IDLE, limit=PAGE)
    except EversinceError:  # prices are an extra: their lack is no error
        return ()
    finished = [project for project in page.projects if _is_film(project)]
    films = await asyncio.gather(*(_price(api, project.id) for project in finished[:most]))
    return tuple(film for film in films if film is not None)


def _is_film(project: ProjectSummary) -> bool:
    return bool(project.assembled_url) and project.expected_output != "assets"


async def _price(api: Resources, project_id: str) -> PricedFilm | None:
    with suppress(EversinceError, CannotTell):
        timeline = await api.content.timeline(project_id)
        parts, total = list(operations(timeline)), 0.0
        if len(parts) > MOST_OPERATIONS:
            return None
        for first in range(0, len(parts), ESTIMATE_OPERATIONS):
            estimate = await api.discovery.estimate_cost(parts[first : first + ESTIMATE_OPERATIONS])
            if estimate.is_partial or any(item.error for item in estimate.items):
                return None
            total += estimate.total_credits
        if 0 < total < inf:
            scenes = timeline.scenes
            return PricedFilm(
                credits=total,
                video_models=frozenset(scene.video_model for scene in scenes if scene.video_model),
                image_models=frozenset(scene.image_model for scene in scenes if scene.image_model),
            )
    return None


def operations(timeline: Timeline) -> Iterator[Operation]:
    """List the operations that made the parts of a timeline.

    Equal operations are counted together.

    Raises:
        CannotTell: The timeline does not tell how a part was made; the part may have been uploaded.
    """
    found = Counter[_Fields]()
    for scene in timeline.scenes:
        found.update(_of_scene(scene))
    found.update(_of_audio(timeline.audio or Audio()))
    found.update(
        _as_key(tool=Tool.MOTION_OVERLAY)
        for overlay in timeline.overlays
        if overlay.type == OverlayType.MOTION
    )
    for fields, count in found.items():
        for first in range(0, count, ESTIMATE_COUNT):
            yield Operation(count=min(ESTIMATE_COUNT, count - first), **dict(fields))


def _of_scene(scene: Scene) -> Iterator[_Fields]:
    if (scene.video_url and not scene.video_model) or (scene.image_url and not scene.image_model):
        raise CannotTell
    if scene.image_model:
        yield _as_key(tool=Tool.GENERATE_IMAGE, model=scene.image_model)
    if scene.video_model:
        yield _as_key(tool=Tool.GENERATE_VIDEO, model=scene.video_model, duration=scene.duration)


def _of_audio(audio: Audio) -> Iterator[_Fields]:
    for track in audio.tracks:
        if not track.type:
            raise CannotTell
        yield _as_key(tool=Tool.GENERATE_AUDIO, type=str(track.type), duration=track.duration)
    if not audio.tracks:
        for kind, sound in (("voiceover", audio.voiceover), ("music", audio.music)):
            if sound is not None:
                yield _as_key(tool=Tool.GENERATE_AUDIO, type=kind, duration=sound.duration)


def _as_key(**fields: str | float | None) -> _Fields:
    return tuple((name, value) for name, value in fields.items() if value is not None)
