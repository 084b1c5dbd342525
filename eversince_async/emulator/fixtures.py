"""Invented offers of the platform: models, voices, packages, skills and prices.

Names and numbers are only plausible; the shapes are the documented ones.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from eversince_async.emulator.account import Skill
from eversince_async.emulator.errors import Json
from eversince_async.emulator.revision import RevisionRules

_RATIOS: Final = ["16:9", "9:16", "1:1"]
_WIDE: Final = [*_RATIOS, "21:9"]


def _video(id_: str, name: str, durations: str, **more: Any) -> Json:
    """Build a video model; features missing from `more` are unsupported."""
    model: Json = {
        "id": id_,
        "name": name,
        "type": "video",
        "generation_types": ["text-to-video", "image-to-video"],
        "aspect_ratios": _RATIOS,
        "durations": durations.split(),
        "resolutions": ["720p", "1080p"],
        "has_sound": False,
        "supports_audio_toggle": False,
        "supports_audio_input": False,
        "supports_image_input": True,
        "supports_end_frame": False,
        "supports_multi_shot": False,
        "supports_reference_images": False,
        "max_reference_images": None,
        "supports_reference_videos": False,
        "max_reference_videos": None,
        "supports_video_input": False,
        "max_input_video_duration": None,
        "supports_negative_prompt": False,
        "supports_camera_fixed": False,
        "supports_camera_motion": False,
        "camera_motion_options": None,
        "max_prompt_length": 2500,
    }
    return {**model, **more}


def _image(id_: str, name: str, references: int | None, **more: Any) -> Json:
    """Build an image model that takes up to `references` reference images."""
    model: Json = {
        "id": id_,
        "name": name,
        "type": "image",
        "generation_types": ["text-to-image", "image-to-image"] if references else ["text-to-image"],
        "aspect_ratios": _WIDE,
        "supports_image_input": references is not None,
        "supports_reference_images": references is not None,
        "max_reference_images": references,
        "max_prompt_length": 5000,
    }
    return {**model, **more}


_SOUND: Final[Json] = {"has_sound": True, "supports_audio_toggle": True}

MODELS: Final[tuple[Json, ...]] = (
    _video("kling-3.0", "Kling 3.0", "5s 10s", supports_end_frame=True, supports_multi_shot=True, **_SOUND),
    _video("kling-2.6", "Kling 2.6", "5s 10s", supports_negative_prompt=True),
    _video(
        "veo-3.1", "Veo 3.1", "4s 6s 8s", supports_reference_images=True, max_reference_images=3, **_SOUND
    ),
    _video("veo-3.1-fast", "Veo 3.1 Fast", "4s 6s 8s", max_prompt_length=5000, **_SOUND),
    _video("sora-2", "Sora 2", "4s 8s 12s", max_prompt_length=5000, **_SOUND),
    _video(
        "runway-gen-4.5",
        "Runway Gen-4.5",
        "5s 8s 10s",
        aspect_ratios=_WIDE,
        supports_video_input=True,
        max_input_video_duration=10,
        supports_reference_videos=True,
        max_reference_videos=1,
    ),
    _video(
        "hailuo-2.3",
        "Hailuo 2.3",
        "6s 10s",
        supports_camera_motion=True,
        camera_motion_options=["pan_left", "pan_right", "zoom_in", "zoom_out", "static"],
    ),
    _video("seedance-1.5-pro", "Seedance 1.5 Pro", "5s 10s", aspect_ratios=_WIDE, supports_camera_fixed=True),
    _video("wan-2.6", "Wan 2.6", "5s 10s 15s", supports_audio_input=True, supports_negative_prompt=True),
    _image("nano-banana-pro", "Nano Banana Pro", 14),
    _image("seedream-4.5", "Seedream 4.5", 10),
    _image("flux-2-pro", "FLUX.2 Pro", 8),
    _image("gpt-image-1.5", "GPT Image 1.5", 16, aspect_ratios=_RATIOS),
    _image("recraft-v3", "Recraft V3", None, max_prompt_length=1000),
)
"""All models, video models first."""

MODEL_IDS: Final = frozenset(model["id"] for model in MODELS)
"""IDs of all models."""


def _voice(name: str, gender: str, age: str, accent: str, style: str, description: str) -> Json:
    return {
        "name": name,
        "gender": gender,
        "age": age,
        "accent": accent,
        "style": style,
        "description": description,
    }


VOICES: Final[tuple[Json, ...]] = (
    _voice(
        "Isabella", "female", "adult", "American", "conversational", "Warm and close, for stories of people."
    ),
    _voice("Amelia", "female", "young", "British", "bright", "Quick and friendly, for social media."),
    _voice("Chloe", "female", "adult", "Australian", "relaxed", "Easy-going, for travel and lifestyle."),
    _voice("Priya", "female", "adult", "Indian", "clear", "Calm and exact, for explanations."),
    _voice("Margaret", "female", "senior", "British", "narrative", "A storyteller with a long breath."),
    _voice("Daniel", "male", "adult", "British", "documentary", "Grave and curious, for documentaries."),
    _voice("Marcus", "male", "adult", "American", "deep", "A low voice for trailers."),
    _voice("Leo", "male", "young", "American", "energetic", "Lively, for launches and sport."),
    _voice("Mateo", "male", "adult", "Spanish", "warm", "Soft and sunny, for food and places."),
    _voice("Walter", "male", "senior", "American", "wise", "Weathered and kind."),
    _voice("Robin", "neutral", "adult", "American", "neutral", "Even and modern, for products."),
    _voice("Sky", "neutral", "young", "British", "airy", "Light and dreamy, for beauty and fashion."),
)
"""All voices."""

PACKAGES: Final[tuple[Json, ...]] = tuple(
    {
        "id": id_,
        "credits": amount,
        "price": f"${price}",
        "price_cents": price * 100,
        "purchase_url": f"https://eversince.ai/app/subscription?buy={id_}",
    }
    for id_, amount, price in (("1k", 1000, 15), ("4k", 4000, 50))
)
"""Credit packages: the two in the documents."""

CRAFTS: Final = (
    "auto",
    "general",
    "cinema",
    "animation",
    "ugc",
    "music",
    "photography",
    "motion-graphics",
)
"""Values of `craft` on create (catalogue of April)."""

AGENT_MODELS: Final = ("opus-4.7", "opus-4.6", "sonnet-4.6")
"""Values of `agent_model`."""

ASPECT_RATIOS: Final = ("16:9", "9:16", "1:1", "21:9")
"""Values of `aspect_ratio`."""

_PLATFORM: Final = (
    (
        "cinema",
        "Cinema",
        "craft",
        "Story-driven filmmaking with shot design, camera movement, and emotional pacing.",
    ),
    (
        "animation",
        "Animation",
        "craft",
        "Characters and worlds drawn frame by frame, from flat to stop motion.",
    ),
    ("ugc", "UGC", "craft", "Handheld, spoken to the camera, made to look unmade."),
    ("music", "Music", "craft", "Cut to the beat: lyric films, visualizers and performance."),
    ("photography", "Photography", "craft", "Single frames with the light and lens of a still photographer."),
    ("motion-graphics", "Motion Graphics", "craft", "Type, shape and data that move with intent."),
    ("hook-writing", "Hook Writing", "technique", "Openings that hold a viewer for the first three seconds."),
    ("product-demo", "Product Demo", "workflow", "Problem, product, proof, in the order that sells."),
)
_PLATFORM_CHARACTERS: Final = 14_000  # 3,500 tokens each, so that all together leave room for little else


def platform_skills(rules: RevisionRules) -> list[Skill]:
    """Return the platform's skills as a new account has them, all inactive."""
    skills = []
    for at, (slug, name, category, description) in enumerate(_PLATFORM):
        prefix = "skill" if rules.skills_stack else category
        skills.append(
            Skill(
                id=f"{prefix}-{slug}",
                name=name,
                instructions=_instructions(description),
                is_active=False,
                category=category,
                description=description,
                sort_order=at,
                slug=slug,
                platform=True,
            )
        )
    return skills


@cache  # every emulator needs them, and a test suite starts many emulators
def _instructions(description: str) -> str:
    text = f"{description} "
    return (text * (_PLATFORM_CHARACTERS // len(text) + 1))[:_PLATFORM_CHARACTERS]


PRICES: Final[Mapping[str, float]] = {
    "generate_image": 2,
    "generate_video": 1.6,
    "generate_audio": 1,
    "upscale_media": 3,
    "analyze_media": 1,
    "remove_background": 1,
    "motion_overlay": 4,
}
"""Credits that each tool takes: a second for video, otherwise a piece."""
