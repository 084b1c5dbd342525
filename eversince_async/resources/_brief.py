"""The construction of a brief to send from text and options."""

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
    """The options of `projects.create`; see `Brief` for their meanings."""

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
    """Build the whole brief, with an idempotency key.

    Because of the key, sending the brief several times makes only one project.

    Raises:
        TypeError: There is no such option.
    """
    need_options(options)
    given: dict[str, Any] = dict(options)
    whole = attrs.evolve(brief, **given) if isinstance(brief, Brief) else Brief(brief=brief, **given)
    if whole.idempotency_key is UNSET:
        whole = attrs.evolve(whole, idempotency_key=uuid.uuid4().hex)
    return whole


def need_options(options: Mapping[str, Any]) -> None:
    """Refuse unknown options.

    Otherwise a caller who misspells an option would pay for something else.

    Raises:
        TypeError: An option is unknown.
    """
    problems = [unknown_option(name) for name in options if name not in OPTIONS]
    if problems:
        raise TypeError("; ".join(problems))


def unknown_option(name: str, others: Iterable[str] = ()) -> str:
    """Describe the problem of an unknown option, with a hint.

    Args:
        name: The option.
        others: The names of valid options besides those of a project.
    """
    alike = get_close_matches(name.lower(), [*OPTIONS, *others], n=1, cutoff=0.5)
    hint = f"did you mean {alike[0]!r}?" if alike else f"there are {', '.join([*OPTIONS, *others])}."
    shown = format_value(name, text=40)
    return f"there is no option {shown}; {hint} A field newer than this version goes into extra"


OPTIONS: Final = tuple(BriefOptions.__annotations__)
