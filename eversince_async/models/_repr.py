"""The short text of a value for a person, without secrets."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final

from eversince_async._redaction import HIDDEN, MAX_REDACTED, redact, shorten

TEXT_SHOWN: Final = 200
"""The most characters shown of a text; the brief in a list of projects just fits."""

ITEMS_SHOWN: Final = 10
"""The most items shown of a list or mapping."""

DEPTH_SHOWN: Final = 6
"""The most levels shown of nested lists and mappings."""

_BITS_SHOWN: Final = 128
"""The most bits of an integer that is shown; Python refuses to print huge integers."""

_URL_WITH_TAIL: Final = re.compile(r"(\s*\w+://[^?#]*)[?#].*", re.DOTALL)


def format_value(value: Any, depth: int = DEPTH_SHOWN, text: int = TEXT_SHOWN) -> str:
    """Return a repr on one line, redacted and of limited length.

    The function is safe for values of any size and depth.

    Args:
        value: Any JSON value, or a model.
        depth: The number of levels of lists and mappings to show.
        text: The number of characters to show of a text.
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
    # A text that *is* a URL loses its whole query, even a query with blanks or quotes.
    whole = _URL_WITH_TAIL.fullmatch(text)
    return shorten(f"{whole[1]}?" if whole else str(text), MAX_REDACTED)


def _join(parts: Iterable[str], count: int) -> str:
    more = [f"{HIDDEN} {count - ITEMS_SHOWN} more"] if count > ITEMS_SHOWN else []
    return ", ".join([*islice(parts, ITEMS_SHOWN), *more])
