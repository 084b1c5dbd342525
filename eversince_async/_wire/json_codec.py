"""JSON in and out of bytes: orjson reads when it is installed, the standard library otherwise.

Reading is the hot path (a timeline is 60 KB) and both readers are held to the same rules. Writing is
always the standard library's: requests are small, and orjson turns NaN into null without a word.
"""

import json
import math
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Never

Bytes = bytes | bytearray | memoryview


def read_with_json(data: Bytes) -> Any:
    """`loads` without orjson: refuses all that orjson refuses, up to halves of surrogate pairs."""
    try:
        return json.loads(str(data, "utf-8"), parse_constant=no_number, parse_float=finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None


loads: Final[Callable[[Bytes], Any]] = (
    import_module("orjson").loads if find_spec("orjson") else read_with_json
)
"""Read a JSON document.

Raises:
    ValueError: It is no JSON, no UTF-8, nested beyond reason, or has a number that is none.
"""


def dumps(value: Any) -> bytes:
    """Write a value as JSON, in UTF-8 and without blanks.

    Raises:
        TypeError: Something in it has no form in JSON.
        ValueError: A number is not finite, a text is not Unicode, or the value contains itself.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def no_number(name: str) -> Never:
    """For `parse_constant`: NaN and infinities are no JSON, whatever `json` says."""
    raise ValueError(f"{name} is no number")


def _whole(digits: str) -> int:
    if len(digits) > _SURE:
        finite(digits)
    return int(digits)


_SURE: Final = 300
"""Digits with which a whole number surely is within the range of floats."""


def finite(digits: str) -> float:
    """For `parse_float`: what is too large for a float is no infinity."""
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is beyond the range of floats")
    return number
