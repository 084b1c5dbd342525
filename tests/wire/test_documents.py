"""The kind of a body by its first bytes, and error codes."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async._wire.documents import HEAD, error_code, is_decided, kind_of_document

ERROR = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>no</Message></Error>'
)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "nothing"),
        (b" \r\n", "blanks"),
        (b"\xef\xbb\xbf", "blanks"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"\n\t <html>", "HTML"),
        (b"\xef\xbb\xbf<html>", "HTML"),
        (b"\xff\xfe<\0h\0t\0m\0l\0>\0", "HTML"),
        (b"<h1>502 Bad Gateway</h1>", "HTML"),
        (b"<!-- error -->", "HTML"),
        (b'<?xml version="1.0"?><!DOCTYPE html><html/>', "HTML"),
        (ERROR, "XML"),
        (b"<Error><Code>SlowDown</Code></Error>", "XML"),
        (b'{"error": 1}', "JSON"),
        (b"{}", "JSON"),
        (b" [1]", "JSON"),
        (b'"expired"', "JSON"),
        (b"null\n", "JSON"),
        (b"false", "JSON"),
        (b"-12.5e3", "JSON"),
    ],
)
def test_what_is_no_video_is_named(body, kind):
    assert kind == kind_of_document(body)


@pytest.mark.parametrize(
    "body",
    [
        b"\0\0\0\x20ftypisom",
        b"\x1aE\xdf\xa3",
        b"RIFF....AVI ",
        b"OggS",
        b"FLV\x01",
        b"GIF89a",
        b"\x47\x40\x00",
        b"\x00" * 2000,
        b"\xff\xfb\x90",
        b"nothing that we know",
        b"7z\xbc\xaf",
    ],
)
def test_what_may_be_a_video_is_not_looked_into(body):
    assert kind_of_document(body) is None


@given(st.binary(max_size=3000), st.integers(0, 3000))
def test_what_is_decided_stays_decided(body, length):
    """Further bytes change nothing; otherwise the network's pieces would."""
    head = body[:length]
    if is_decided(head) and len(head) < HEAD:
        assert kind_of_document(head) == kind_of_document(body)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (ERROR, "AccessDenied"),
        (b"<Error>\n  <Code>\n ExpiredToken </Code>\n</Error>", "ExpiredToken"),
        (b'<Error xmlns="x"><Message/><Code>SlowDown</Code></Error>', "SlowDown"),
        (b"<Error><Code></Code></Error>", None),
        (b"<Error><Code>&xxe;</Code></Error>", None),
        (b"<Error><Code><![CDATA[x]]></Code></Error>", None),
        (b"<Error><Code>two words</Code></Error>", None),
        (b"<Error><Code>" + b"a" * 65 + b"</Code></Error>", None),
        (b"<html><Code>x</Code></html>", None),
        (b'{"error": {"code": "forbidden"}}', None),
        (b"", None),
    ],
)
def test_a_code_is_a_plain_word_in_an_error(body, code):
    assert code == error_code(body)


@given(st.binary())
def test_any_answer_may_be_searched_for_a_code(body):
    assert error_code(body) is None or b"<Error" in body


@pytest.mark.parametrize(
    "piece", [b"<Error", b"<Code>", b"<Code> ", b"<Code>a", b" ", b"<!ENTITY a '&a;&a;'>"]
)
def test_searching_takes_no_longer_than_the_answer_is_long(piece):
    body = b"<Error>" + piece * 100_000
    began = time.process_time()
    error_code(body)

    assert time.process_time() - began < 5
