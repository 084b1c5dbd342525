"""JSON reading and writing.

orjson reads if it is installed, otherwise the standard library does. Reading is the hot path (a timeline has
60 KB), and both readers follow the same rules. The standard library always writes: requests are small, and
orjson turns NaN into null without an error.
"""

import json
import math
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Never

Bytes = bytes | bytearray | memoryview


def read_with_json(data: Bytes) -> Any:
    """Read JSON without orjson, by the same rules.

    Everything that orjson refuses is refused, except halves of surrogate pairs.
    """
    try:
        return json.loads(str(data, "utf-8"), parse_constant=no_number, parse_float=finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None


loads: Final[Callable[[Bytes], Any]] = (
    import_module("orjson").loads if find_spec("orjson") else read_with_json
)
"""Read a JSON document.

Raises:
    ValueError: The text is no JSON or no UTF-8, is nested too deeply, or holds a number that is not finite.
"""


def dumps(value: Any) -> bytes:
    """Write a value as JSON, in UTF-8 and without blanks.

    Raises:
        TypeError: Part of the value has no form in JSON.
        ValueError: A number is not finite, a text is not Unicode, or the value contains itself.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def no_number(name: str) -> Never:
    """Refuse NaN and infinities, which `json` accepts; for `parse_constant`."""
    raise ValueError(f"{name} is no number")


def _whole(digits: str) -> int:
    if len(digits) > _SURE:
        finite(digits)
    return int(digits)


_SURE: Final = 300
"""Digits with which any integer is within the range of floats."""


def finite(digits: str) -> float:
    """Refuse a number beyond the range of floats; for `parse_float`.

    `json` would read it as an infinity.
    """
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number is beyond the range of floats")
    return number
