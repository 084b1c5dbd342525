"""From a text and options, or a `Brief`, to the one brief that is sent."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypedDict

import attrs

from eversince_async.models._base import UNSET
from eversince_async.models._repr import format_value
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


def build_brief(brief: str | Brief, options: BriefOptions) -> Brief:
    """The whole brief, with an idempotency key, so that however often it is sent it makes one project."""
    need_options(options)
    given: dict[str, Any] = dict(options)
    whole = attrs.evolve(brief, **given) if isinstance(brief, Brief) else Brief(brief=brief, **given)
    if whole.idempotency_key is UNSET:
        whole = attrs.evolve(whole, idempotency_key=uuid.uuid4().hex)
    return whole


def need_options(options: Mapping[str, Any]) -> None:
    """Refuse options that there are not: who misspells one would pay for something else.

    Raises:
        TypeError: There are some.
    """
    problems = [unknown_option(name) for name in options if name not in OPTIONS]
    if problems:
        raise TypeError("; ".join(problems))


def unknown_option(name: str, others: Iterable[str] = ()) -> str:
    """What to say of an option that there is not.

    Args:
        name: The option.
        others: What there is besides those of a project.
    """
    alike = get_close_matches(name.lower(), [*OPTIONS, *others], n=1, cutoff=0.5)
    hint = f"did you mean {alike[0]!r}?" if alike else f"there are {', '.join([*OPTIONS, *others])}."
    shown = format_value(name, text=40)
    return f"there is no option {shown}; {hint} A field newer than this version goes into extra"


OPTIONS: Final = tuple(BriefOptions.__annotations__)
