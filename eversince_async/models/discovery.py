"""Discovery: models, voices and cost estimates."""

from collections.abc import Sequence
from enum import StrEnum

import attrs

from eversince_async import limits
from eversince_async.models._base import UNSET, Model, Request, Response, Unset
from eversince_async.models._checks import between, length


class ModelType(StrEnum):
    """The output of a model; open."""

    VIDEO = "video"
    IMAGE = "image"


class Gender(StrEnum):
    """The gender of a voice; open."""

    MALE = "male"
    FEMALE = "female"
    NEUTRAL = "neutral"


class Tool(StrEnum):
    """The tools of the agent that cost credits; open."""

    GENERATE_IMAGE = "generate_image"
    GENERATE_VIDEO = "generate_video"
    GENERATE_AUDIO = "generate_audio"
    UPSCALE_MEDIA = "upscale_media"
    ANALYZE_MEDIA = "analyze_media"
    REMOVE_BACKGROUND = "remove_background"
    MOTION_OVERLAY = "motion_overlay"


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Operation(Request):
    """An operation to be priced.

    The fields that each tool needs are not documented.

    Attributes:
        tool: The tool.
        model: The id of a model, for images and video.
        type: For audio `voiceover`, `music` or `sound_effect`; for upscaling `image` or `video`.
        duration: The length in seconds.
        count: The number of repetitions: 1 (the server's default) to 100.
        sound: True for a clip with sound.
        resolution: The resolution, such as `1080p`.
        music_model: The id of a music model.
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
    """The operations to be priced.

    Attributes:
        operations: 1 to 50 operations.
    """

    operations: Sequence[Operation] = attrs.field(metadata=length(limits.ESTIMATE_OPERATIONS, least=1))


@attrs.frozen(kw_only=True, repr=False, eq=False)
class EstimateItem(Model):
    """The price of one operation.

    Attributes:
        operation: The name of the operation.
        credits_per_unit: The credits for one repetition.
        count: The number of repetitions.
        subtotal: The credits for all repetitions.
        error: The reason why the operation could not be priced.
    """

    operation: str | None = None
    credits_per_unit: float | None = None
    count: float | None = None
    subtotal: float | None = None
    error: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Estimate(Response):
    """The estimated cost of operations.

    Attributes:
        total_credits: The credits for all operations that could be priced.
        items: The price of each operation.
        is_partial: True if some operation could not be priced.
        note: A note by the server.
    """

    total_credits: float
    items: tuple[EstimateItem, ...] = ()
    is_partial: bool | None = None
    note: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class GenerationModel(Model):
    """A model that generates images or video.

    Image models have fewer of these fields.

    Attributes:
        id: The id for `video_model` or `image_model`.
        type: `video` or `image`.
        name: The model's name.
        generation_types: Ways to generate, such as `text-to-video`, `image-to-video`, `text-to-image`.
        aspect_ratios: Possible aspect ratios, such as `16:9`.
        durations: Possible lengths, such as `4s`.
        resolutions: Possible resolutions, such as `720p`.
        has_sound: True if the model's clips have sound.
        supports_audio_toggle: True if sound can be switched off.
        supports_audio_input: True if the model accepts a sound.
        supports_image_input: True if the model accepts a first image.
        supports_end_frame: True if the model accepts a last image.
        supports_multi_shot: True if one clip can have several shots.
        supports_reference_images: True if the model accepts reference images.
        max_reference_images: The greatest number of reference images.
        supports_reference_videos: True if the model accepts reference clips.
        max_reference_videos: The greatest number of reference clips.
        supports_video_input: True if the model accepts a clip to work on.
        max_input_video_duration: The greatest length of that clip; the unit is presumably seconds.
        supports_negative_prompt: True if a prompt can say what to avoid.
        supports_camera_fixed: True if the camera can be held still.
        supports_camera_motion: True if the camera can be moved.
        camera_motion_options: The possible camera movements.
        max_prompt_length: The greatest length of a prompt in characters.
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
    """A voice for voiceovers.

    To get it, name it in the brief or in a message.

    Attributes:
        name: The voice's name.
        gender: `male`, `female` or `neutral`.
        age: The age in words.
        accent: The accent in words.
        style: The style in words.
        description: A description in words.
    """

    name: str
    gender: Gender | str | None = None
    age: str | None = None
    accent: str | None = None
    style: str | None = None
    description: str | None = None
