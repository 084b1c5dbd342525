"""From a text and options, or a `Brief`, to the one brief that is sent."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import attrs

from eversince_async.models._base import UNSET
from eversince_async.models.projects import Brief
from eversince_async.models.references import Reference


class BriefOptions(TypedDict, total=False):
    """What `projects.create` takes besides the brief; see `Brief` for what each means."""

    title: str
    mode: str
    aspect_ratio: str
    craft: str
    craft_auto: bool
    skills: Sequence[str]
    reasoning_mode: str
    video_model: str
    image_model: str
    agent_model: str
    expected_output: str
    webhook_url: str
    idempotency_key: str
    references: Sequence[Reference]
    extract_content: bool
    extra: Mapping[str, Any]


def brief_of(brief: str | Brief, options: BriefOptions) -> Brief:
    """The whole brief, with an idempotency key, so that however often it is sent it makes one project."""
    given: dict[str, Any] = dict(options)
    whole = attrs.evolve(brief, **given) if isinstance(brief, Brief) else Brief(brief=brief, **given)
    if whole.idempotency_key is UNSET:
        whole = attrs.evolve(whole, idempotency_key=uuid.uuid4().hex)
    return whole
