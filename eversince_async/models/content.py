"""The content of a project: timeline, assets, variations and agent memory."""

import mimetypes
import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import attrs

from eversince_async.models._base import NO_EXTRA, Model, Response


class SceneType(StrEnum):
    """The content of a scene; open, and missing in older responses."""

    VIDEO = "video"
    IMAGE = "image"
    BLACK = "solid_frame_black"
    WHITE = "solid_frame_white"
    EMPTY = "empty"


class TrackType(StrEnum):
    """The kind of an audio track; open."""

    VOICEOVER = "voiceover"
    MUSIC = "music"
    SOUND_EFFECT = "sound_effect"


class OverlayType(StrEnum):
    """The kind of an overlay; open."""

    TEXT = "text"
    LOGO = "logo"
    MOTION = "motion"


class CaptionPreset(StrEnum):
    """The style of captions; open."""

    IMPACT = "impact"
    CLEAN = "clean"
    KINETIC = "kinetic"


class AssetType(StrEnum):
    """The kind of an asset; open: `image-to-video` has been seen."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


# -- Timeline -------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Scene(Model):
    """One shot of the video.

    Attributes:
        id: The scene's id.
        ref: The eight-character reference of the asset in the scene.
        type: The content of the scene; None on older servers.
        position: A number for sorting only: some documents count from 0, one from 1.
        duration: The length in seconds.
        description: The action in the scene.
        image_url: The address of its still image.
        video_url: The address of its clip.
        video_model: The model that generated the clip.
        image_model: The model that generated the image.
        prompt: The prompt for the models.
        volume: The loudness of the clip's own sound, 0 to 1.
        fade_in: The length of the fade-in in seconds.
        fade_out: The length of the fade-out in seconds.
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
    """The voiceover in short.

    Only one example documents this object, so any field may be missing.

    Attributes:
        url: The address of the sound file.
        duration: The length in seconds.
        voice: The name of the voice.
        voice_id: The id of the voice.
        language: The language, such as `en`.
        script: The spoken text.
    """

    url: str | None = None
    duration: float | None = None
    voice: str | None = None
    voice_id: str | None = None
    language: str | None = None
    script: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Music(Model):
    """The music in short.

    Only one example documents this object, so any field may be missing.

    Attributes:
        url: The address of the sound file.
        duration: The length in seconds.
        genre: The genre, such as `ambient`.
        mood: The mood, such as `warm`.
        bpm: The tempo in beats per minute.
        role: The role in the video, such as `background`.
        instrumental: True if the music has no vocals.
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
        id: The track's id.
        type: `voiceover`, `music` or `sound_effect`.
        url: The address of the sound file.
        duration: The length in seconds.
        volume: The loudness as received: 0 to 1 according to the catalogue, 0 to 100 according to the output
            page.
        start_time: The start in seconds from the start of the video.
        name: The name of the track.
        voice: The name of the voice.
        voice_id: The id of the voice.
        language: The language, such as `en`.
        script: The spoken text.
        genre: The genre of music.
        mood: The mood of music.
        bpm: The tempo in beats per minute.
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
        """The volume from 0 to 1, as far as can be guessed.

        A `volume` above 1 is taken for a percentage.
        """
        return self.volume / 100 if self.volume is not None and self.volume > 1 else self.volume


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Audio(Model):
    """All sound of the video.

    Attributes:
        voiceover: The voiceover in short, if there is one.
        music: The music in short, if there is any.
        tracks: All tracks with their places on the timeline.
    """

    voiceover: Voiceover | None = None
    music: Music | None = None
    tracks: tuple[Track, ...] = ()


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Overlay(Model):
    """A text, logo or motion graphic over the picture.

    Attributes:
        id: The overlay's id.
        type: `text`, `logo` or `motion`.
        content: The text, or the address of the picture.
        start_time: The start in seconds from the start of the video.
        duration: The length in seconds.
        position: The position, such as `bottom-center`.
        font_size: The font size of a text; the unit is not documented.
        color: The color of a text, in CSS notation.
        background_color: The color behind a text, in CSS notation.
        width: The width; the unit is not documented.
        opacity: The opacity; the scale is not documented.
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
        enabled: True if the video shows captions.
        preset: The style: `impact`, `clean` or `kinetic`.
    """

    enabled: bool | None = None
    preset: CaptionPreset | str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Timeline(Response):
    """The present state of the video: scenes, sound, overlays, captions.

    Attributes:
        scenes: The shots, in the server's order; see `in_order`.
        duration_seconds: The length of the video in seconds.
        aspect_ratio: The aspect ratio, such as `16:9`.
        craft: April 2026: the creative direction. The documentation calls it a text, its example shows null.
        skills: May 2026, instead of craft: skills such as `skill-cinema`.
        audio: All sound of the video.
        overlays: The texts, logos and motion graphics over the picture.
        captions: The settings of the captions.
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
        """The scenes sorted by position, those without a position last."""
        return tuple(sorted(self.scenes, key=_place))


def _place(scene: Scene) -> tuple[bool, int]:
    return scene.position is None, scene.position or 0


# -- Assets ---------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Asset(Model):
    """An image, clip or sound that was generated or uploaded.

    Attributes:
        url: The address of the file.
        ref: Eight characters that link the asset to scenes.
        type: `image`, `video` or `audio` according to the catalogue; other texts have been seen, see `kind`.
        model: The model that generated the asset.
        prompt: The prompt for the model.
        duration: The length in seconds; None for an image.
        aspect_ratio: The aspect ratio, such as `16:9`.
        source_image_url: The address of the image that a clip was made from.
        source_video_url: The address of the clip that the asset was made from.
        reference_image_url: The address of the image that the asset was modelled on.
        created_at: The time of creation.
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
        """The kind of the asset; None if unclear.

        The last word of the type decides, or else the ending of the URL.
        """
        file_name = re.split(r"[?#]", self.url)[0].rpartition("/")[2]
        by_url, _ = mimetypes.guess_type(file_name)
        words = ((self.type or "").rpartition("-")[2], (by_url or "").partition("/")[0])
        return next((kind for word in words for kind in AssetType if kind == word), None)


@attrs.frozen(kw_only=True, repr=False, eq=False)
class AssetPage(Response):
    """One page of `GET /projects/:id/assets`.

    Attributes:
        assets: At most 50 assets, in May 2026 200.
        total: The number of assets on all pages.
        limit: The page size that was requested.
        offset: The number of assets before this page.
    """

    assets: tuple[Asset, ...]
    total: int | None = None
    limit: int | None = None
    offset: int | None = None


# -- Variations and memory ------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Variation(Model):
    """A version of the video, e.g. for another screen.

    Messages to the agent make and switch variations.

    Attributes:
        id: The variation's id.
        title: The title.
        description: The purpose.
        aspect_ratio: The aspect ratio, such as `9:16`.
        language: The language, such as `en`.
        scene_count: The number of scenes.
        is_active: True if the project's timeline and output belong to this variation.
        created_at: The time of creation.
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
        content: The agent's notes.
        tokens: The size in tokens.
        capacity: April 2026: the size in tokens at which the agent condenses the section.
    """

    content: str = ""
    tokens: int | None = None
    capacity: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class AgentMemory(Response):
    """The agent's working memory of a project, shared by its variations.

    Attributes:
        sections: The sections by name: `creative`, `assets`, and `plan` (April 2026) or `todos` (May).
        total_tokens: The size of all sections in tokens.
        total_capacity: The capacity of all sections in tokens; April 2026: 14,500.
    """

    sections: Mapping[str, MemorySection] = NO_EXTRA
    total_tokens: int | None = None
    total_capacity: int | None = None
