"""Content: what a project is made of. Timeline, assets, variations and the agent's memory."""

import mimetypes
import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import attrs

from eversince_async.models._base import NO_EXTRA, Model, Response


class SceneType(StrEnum):
    """What a scene shows; open, and missing in older answers."""

    VIDEO = "video"
    IMAGE = "image"
    BLACK = "solid_frame_black"
    WHITE = "solid_frame_white"
    EMPTY = "empty"


class TrackType(StrEnum):
    """What a track sounds like; open."""

    VOICEOVER = "voiceover"
    MUSIC = "music"
    SOUND_EFFECT = "sound_effect"


class OverlayType(StrEnum):
    """What lies over the picture; open."""

    TEXT = "text"
    LOGO = "logo"
    MOTION = "motion"


class CaptionPreset(StrEnum):
    """How captions look; open."""

    IMPACT = "impact"
    CLEAN = "clean"
    KINETIC = "kinetic"


class AssetType(StrEnum):
    """What an asset is; open: `image-to-video` has been seen."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


# -- Timeline -------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Scene(Model):
    """One shot of the video.

    Attributes:
        id: The scene.
        ref: The asset it shows, by its eight-character reference.
        type: What it shows; None on older servers.
        position: For sorting only: some documents count from 0, one from 1.
        duration: Seconds.
        description: What happens in it.
        image_url: Its still image.
        video_url: Its clip.
        video_model: What generated the clip.
        image_model: What generated the image.
        prompt: What was asked of them.
        volume: Loudness of the clip's own sound, 0 to 1.
        fade_in: Seconds.
        fade_out: Seconds.
    """

    id: str
    ref: str | None = None
    type: SceneType | str | None = None
    position: int | None = None
    duration: float | None = None
    description: str | None = None
    image_url: str | None = None
    video_url: str | None = None
    video_model: str | None = None
    image_model: str | None = None
    prompt: str | None = None
    volume: float | None = None
    fade_in: float | None = None
    fade_out: float | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Voiceover(Model):
    """The voiceover in short. Documented by one example only, so nothing here is certain to be there.

    Attributes:
        url: Where the sound is.
        duration: Seconds.
        voice: Name of the voice.
        voice_id: Its id.
        language: Such as `en`.
        script: What is said.
    """

    url: str | None = None
    duration: float | None = None
    voice: str | None = None
    voice_id: str | None = None
    language: str | None = None
    script: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Music(Model):
    """The music in short. Documented by one example only, so nothing here is certain to be there.

    Attributes:
        url: Where the sound is.
        duration: Seconds.
        genre: Such as `ambient`.
        mood: Such as `warm`.
        bpm: Beats per minute.
        role: Such as `background`.
        instrumental: Whether nobody sings.
    """

    url: str | None = None
    duration: float | None = None
    genre: str | None = None
    mood: str | None = None
    bpm: float | None = None
    role: str | None = None
    instrumental: bool | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Track(Model):
    """A sound on the timeline.

    Attributes:
        id: The track.
        type: `voiceover`, `music` or `sound_effect`.
        url: Where the sound is.
        duration: Seconds.
        volume: Loudness as the server gave it: 0 to 1 by the catalogue, 0 to 100 by the output page.
        start_time: Seconds from the start of the video.
        name: What it is called.
        voice: Name of the voice.
        voice_id: Its id.
        language: Such as `en`.
        script: What is said.
        genre: Of music.
        mood: Of music.
        bpm: Beats per minute.
    """

    id: str
    type: TrackType | str | None = None
    url: str | None = None
    duration: float | None = None
    volume: float | None = None
    start_time: float | None = None
    name: str | None = None
    voice: str | None = None
    voice_id: str | None = None
    language: str | None = None
    script: str | None = None
    genre: str | None = None
    mood: str | None = None
    bpm: float | None = None

    @property
    def volume_fraction(self) -> float | None:
        """A guess at the volume from 0 to 1: above 1, `volume` is taken for a percentage."""
        return self.volume / 100 if self.volume is not None and self.volume > 1 else self.volume


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Audio(Model):
    """All that is heard.

    Attributes:
        voiceover: The voiceover in short, if there is one.
        music: The music in short, if there is some.
        tracks: Every sound with its place.
    """

    voiceover: Voiceover | None = None
    music: Music | None = None
    tracks: tuple[Track, ...] = ()


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Overlay(Model):
    """A text, logo or motion graphic over the picture.

    Attributes:
        id: The overlay.
        type: `text`, `logo` or `motion`.
        content: The text, or where the picture is.
        start_time: Seconds from the start of the video.
        duration: Seconds.
        position: Such as `bottom-center`.
        font_size: Of a text; the unit is not documented.
        color: Of a text, in CSS notation.
        background_color: Behind a text, in CSS notation.
        width: The unit is not documented.
        opacity: The scale is not documented.
    """

    id: str
    type: OverlayType | str | None = None
    content: str | None = None
    start_time: float | None = None
    duration: float | None = None
    position: str | None = None
    font_size: float | None = None
    color: str | None = None
    background_color: str | None = None
    width: float | None = None
    opacity: float | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Captions(Model):
    """Spoken words as text.

    Attributes:
        enabled: Whether they are shown.
        preset: How they look: `impact`, `clean` or `kinetic`.
    """

    enabled: bool | None = None
    preset: CaptionPreset | str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Timeline(Response):
    """The video as it stands: scenes, sound, overlays, captions.

    Attributes:
        scenes: The shots, in the server's order; see `in_order`.
        duration_seconds: Seconds in all.
        aspect_ratio: Such as `16:9`.
        craft: April 2026: creative direction. Documented as a text, shown as null.
        skills: May 2026, instead of craft: such as `skill-cinema`.
        audio: All that is heard.
        overlays: What lies over the picture.
        captions: Spoken words as text.
    """

    scenes: tuple[Scene, ...] = ()
    duration_seconds: float | None = None
    aspect_ratio: str | None = None
    craft: str | None = None
    skills: tuple[str, ...] | None = None
    audio: Audio | None = None
    overlays: tuple[Overlay, ...] = ()
    captions: Captions | None = None

    @property
    def in_order(self) -> tuple[Scene, ...]:
        """The scenes sorted by position; those without one keep their place at the end."""
        return tuple(sorted(self.scenes, key=_place))


def _place(scene: Scene) -> tuple[bool, int]:
    return scene.position is None, scene.position or 0


# -- Assets ---------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Asset(Model):
    """An image, clip or sound that was generated or uploaded.

    Attributes:
        url: Where it is.
        ref: Eight characters that link it to scenes.
        type: `image`, `video` or `audio` by the catalogue; other texts have been seen, see `kind`.
        model: What generated it.
        prompt: What was asked of it.
        duration: Seconds; None for an image.
        aspect_ratio: Such as `16:9`.
        source_image_url: The image a clip was made from.
        source_video_url: The clip it was made from.
        reference_image_url: The image it was modelled on.
        created_at: When.
    """

    url: str
    ref: str | None = None
    type: AssetType | str | None = None
    model: str | None = None
    prompt: str | None = None
    duration: float | None = None
    aspect_ratio: str | None = None
    source_image_url: str | None = None
    source_video_url: str | None = None
    reference_image_url: str | None = None
    created_at: datetime | None = None

    @property
    def kind(self) -> AssetType | None:
        """What it is in the end: by the last word of its type, else by the URL's ending; None if unclear."""
        file_name = re.split(r"[?#]", self.url)[0].rpartition("/")[2]
        by_url, _ = mimetypes.guess_type(file_name)
        words = ((self.type or "").rpartition("-")[2], (by_url or "").partition("/")[0])
        return next((kind for word in words for kind in AssetType if kind == word), None)


@attrs.frozen(kw_only=True, repr=False, eq=False)
class AssetPage(Response):
    """One page of `GET /projects/:id/assets`.

    Attributes:
        assets: At most 50, in May 2026 200.
        total: Assets in all pages.
        limit: Assets asked for.
        offset: Assets before this page.
    """

    assets: tuple[Asset, ...]
    total: int | None = None
    limit: int | None = None
    offset: int | None = None


# -- Variations and memory ------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Variation(Model):
    """A version of the video, e.g. for another screen; made and switched by message.

    Attributes:
        id: The variation.
        title: What it is called.
        description: What it is for.
        aspect_ratio: Such as `9:16`.
        language: Such as `en`.
        scene_count: How many scenes it has.
        is_active: Whether the project's timeline and output are this one's.
        created_at: When.
    """

    id: str
    title: str | None = None
    description: str | None = None
    aspect_ratio: str | None = None
    language: str | None = None
    scene_count: int | None = None
    is_active: bool | None = None
    created_at: datetime | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class MemorySection(Model):
    """One part of the agent's memory.

    Attributes:
        content: What the agent noted.
        tokens: Its size.
        capacity: April 2026: tokens at which the agent condenses it.
    """

    content: str = ""
    tokens: int | None = None
    capacity: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class AgentMemory(Response):
    """The agent's working memory of a project, shared by its variations.

    Attributes:
        sections: By name: `creative`, `assets`, and `plan` (April 2026) or `todos` (May).
        total_tokens: Size of all sections.
        total_capacity: April 2026: 14,500.
    """

    sections: Mapping[str, MemorySection] = NO_EXTRA
    total_tokens: int | None = None
    total_capacity: int | None = None
