"""How a value is shown to a person: on one line, not too long, and without secrets."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final

from eversince_async._redaction import HIDDEN, MAX_REDACTED, redact, shorten

TEXT_SHOWN: Final = 200
"""Characters of a text that are shown; the brief in a list of projects just fits."""

ITEMS_SHOWN: Final = 10
"""Items of a list or mapping that are shown."""

DEPTH_SHOWN: Final = 6
"""Levels of nested lists and mappings that are shown."""

_BITS_SHOWN: Final = 128
"""Size of an integer that is shown; Python refuses to print really huge ones."""

_URL_WITH_TAIL: Final = re.compile(r"(\s*\w+://[^?#]*)[?#].*", re.DOTALL)


def format_value(value: Any, depth: int = DEPTH_SHOWN, text: int = TEXT_SHOWN) -> str:
    """Like `repr`, but redacted, cut to a sane length and safe at any size and depth.

    Args:
        value: Anything JSON may hold, or a model.
        depth: Levels of lists and mappings to go down.
        text: Characters to show of a text.
    """
    match value:
        case str():
            clean = _clean(value)
            return repr(clean if len(clean) <= text else clean[: text - 1] + HIDDEN)
        case datetime():
            return value.isoformat()
        case int() if value.bit_length() > _BITS_SHOWN:
            return f"<an integer of {value.bit_length()} bits>"
        case Mapping() | list() | tuple() if value and depth == 0:
            return HIDDEN
        case Mapping():
            pairs = (f"{format_value(k, 0)}: {format_value(v, depth - 1, text)}" for k, v in value.items())
            return f"{{{_join(pairs, len(value))}}}"
        case list() | tuple():
            return f"[{_join((format_value(item, depth - 1, text) for item in value), len(value))}]"
        case _:
            return redact(repr(value))


def _clean(text: str) -> str:
    # A text that *is* a URL loses all of its query, even one with blanks or quotes in it.
    whole = _URL_WITH_TAIL.fullmatch(text)
    return shorten(f"{whole[1]}?" if whole else str(text), MAX_REDACTED)


def _join(parts: Iterable[str], count: int) -> str:
    more = [f"{HIDDEN} {count - ITEMS_SHOWN} more"] if count > ITEMS_SHOWN else []
    return ", ".join([*islice(parts, ITEMS_SHOWN), *more])
