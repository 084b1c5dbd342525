"""Discovery: models, voices, and what things would cost."""

from collections.abc import Sequence
from enum import StrEnum

import attrs

from eversince_async import limits
from eversince_async.models._base import UNSET, Model, Request, Response, Unset
from eversince_async.models._checks import between, length


class ModelType(StrEnum):
    """What a model generates; open."""

    VIDEO = "video"
    IMAGE = "image"


class Gender(StrEnum):
    """How a voice sounds; open."""

    MALE = "male"
    FEMALE = "female"
    NEUTRAL = "neutral"


class Tool(StrEnum):
    """What the agent can do for credits; open."""

    GENERATE_IMAGE = "generate_image"
    GENERATE_VIDEO = "generate_video"
    GENERATE_AUDIO = "generate_audio"
    UPSCALE_MEDIA = "upscale_media"
    ANALYZE_MEDIA = "analyze_media"
    REMOVE_BACKGROUND = "remove_background"
    MOTION_OVERLAY = "motion_overlay"


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Operation(Request):
    """Something to be priced. Which fields a tool needs is not documented.

    Attributes:
        tool: What is done.
        model: Id of a model, for images and video.
        type: For audio `voiceover`, `music` or `sound_effect`; for upscaling `image` or `video`.
        duration: Seconds.
        count: How often: 1 (the server's default) to 100.
        sound: Whether a clip has sound.
        resolution: Such as `1080p`.
        music_model: Id of a music model.
    """

    tool: Tool | str
    model: str | Unset = UNSET
    type: str | Unset = UNSET
    duration: float | Unset = UNSET
    count: int | Unset = attrs.field(default=UNSET, metadata=between(1, limits.ESTIMATE_COUNT))
    sound: bool | Unset = UNSET
    resolution: str | Unset = UNSET
    music_model: str | Unset = UNSET


@attrs.frozen(kw_only=True, repr=False, eq=False)
class EstimateRequest(Request):
    """What to price.

    Attributes:
        operations: 1 to 50.
    """

    operations: Sequence[Operation] = attrs.field(metadata=length(limits.ESTIMATE_OPERATIONS, least=1))


@attrs.frozen(kw_only=True, repr=False, eq=False)
class EstimateItem(Model):
    """The price of one operation.

    Attributes:
        operation: Which.
        credits_per_unit: Credits for each.
        count: How many.
        subtotal: Credits for all of them.
        error: Why it could not be priced.
    """

    operation: str | None = None
    credits_per_unit: float | None = None
    count: float | None = None
    subtotal: float | None = None
    error: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Estimate(Response):
    """What the operations would cost.

    Attributes:
        total_credits: Credits for all that could be priced.
        items: One by one.
        is_partial: True when some item could not be priced.
        note: What the server has to say about it.
    """

    total_credits: float
    items: tuple[EstimateItem, ...] = ()
    is_partial: bool | None = None
    note: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class GenerationModel(Model):
    """A model that generates images or video; image models tell fewer things about themselves.

    Attributes:
        id: What to name it by in `video_model` or `image_model`.
        type: `video` or `image`.
        name: What it is called.
        generation_types: Such as `text-to-video`, `image-to-video`, `text-to-image`.
        aspect_ratios: Such as `16:9`.
        durations: Such as `4s`.
        resolutions: Such as `720p`.
        has_sound: Whether its clips have sound.
        supports_audio_toggle: Whether sound can be switched off.
        supports_audio_input: Whether it takes a sound.
        supports_image_input: Whether it takes a first image.
        supports_end_frame: Whether it takes a last image.
        supports_multi_shot: Whether one clip can have several shots.
        supports_reference_images: Whether it takes reference images.
        max_reference_images: How many.
        supports_reference_videos: Whether it takes reference clips.
        max_reference_videos: How many.
        supports_video_input: Whether it takes a clip to work on.
        max_input_video_duration: How long that may be; seconds are implied.
        supports_negative_prompt: Whether it can be told what to avoid.
        supports_camera_fixed: Whether the camera can be held still.
        supports_camera_motion: Whether the camera can be moved.
        camera_motion_options: In which ways.
        max_prompt_length: Characters it reads.
    """

    id: str
    type: ModelType | str | None = None
    name: str | None = None
    generation_types: tuple[str, ...] | None = None
    aspect_ratios: tuple[str, ...] | None = None
    durations: tuple[str, ...] | None = None
    resolutions: tuple[str, ...] | None = None
    has_sound: bool | None = None
    supports_audio_toggle: bool | None = None
    supports_audio_input: bool | None = None
    supports_image_input: bool | None = None
    supports_end_frame: bool | None = None
    supports_multi_shot: bool | None = None
    supports_reference_images: bool | None = None
    max_reference_images: int | None = None
    supports_reference_videos: bool | None = None
    max_reference_videos: int | None = None
    supports_video_input: bool | None = None
    max_input_video_duration: float | None = None
    supports_negative_prompt: bool | None = None
    supports_camera_fixed: bool | None = None
    supports_camera_motion: bool | None = None
    camera_motion_options: tuple[str, ...] | None = None
    max_prompt_length: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Voice(Model):
    """A voice for voiceovers; ask for it by name in the brief or a message.

    Attributes:
        name: Its name.
        gender: `male`, `female` or `neutral`.
        age: In words.
        accent: In words.
        style: In words.
        description: In words.
    """

    name: str
    gender: Gender | str | None = None
    age: str | None = None
    accent: str | None = None
    style: str | None = None
    description: str | None = None
