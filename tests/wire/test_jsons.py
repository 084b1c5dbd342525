"""JSON: the same reading with and without orjson, and strict writing."""

from typing import Any

import pytest

from eversince_async._wire.json_codec import dumps, loads, read_with_json

readers = pytest.mark.parametrize("read", [loads, read_with_json], ids=["loads", "without orjson"])


@readers
def test_reads_json(read: Any) -> None:
    """The document holds texts, numbers, lists and objects, in UTF-8."""
    assert {"a": [1, 2.5, None, True, "é🎬"]} == read('{"a": [1, 2.5, null, true, "é🎬"]}'.encode())


@readers
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"<html>", b"NaN", b"[Infinity]", b"1e999", b"[-1" + b"0" * 400 + b"]"),
        *(b"1" * 5000, b"\xff", b"\xef\xbb\xbf{}", b"[" * 100_000),
    ],
    ids=[
        *("empty", "cut", "html", "nan", "infinity", "1e999", "a whole number beyond floats"),
        *("5000 digits", "no UTF-8", "BOM", "deep"),
    ],
)
def test_refuses_what_is_none(read: Any, body: bytes) -> None:
    """The error is always a ValueError."""
    with pytest.raises(ValueError):
        read(body)


def test_writes_utf_8_without_blanks() -> None:
    """The result is as small as possible, and readable."""
    assert '{"a":[1,"é🎬"]}'.encode() == dumps({"a": [1, "é🎬"]})


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "\ud800", {1, 2}, b"x", object()],
    ids=["nan", "infinity", "half a surrogate pair", "set", "bytes", "object"],
)
def test_writes_nothing_that_is_no_json(value: Any) -> None:
    """NaN does not silently become null."""
    with pytest.raises((TypeError, ValueError)):
        dumps([value])
