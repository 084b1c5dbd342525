"""Texts for display: free of secrets, harmless, and limited in length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async.report.formatting import format_duration, link_url, odd_url, plural, printable
from eversince_async.report.markup import EMPTY, Markup, tag


@given(st.text())
def test_every_text_can_be_written(text):
    clean = printable(text)

    clean.encode("utf-8")
    assert not set(clean) & {*map(chr, range(9)), "\r", "\x0b", "\x0c", "\x7f"}


@pytest.mark.parametrize(
    "sign", ["\x1b", "\x9b", "\x9d", "\u202e", "\u2066", "\u2060", "\ufff9", "\ud800"], ids=ascii
)
def test_what_steers_a_terminal_or_turns_text_around_is_replaced(sign):
    """People print reports in terminals, too, as with `cat report.csv`."""
    assert "a\ufffdb" == printable(f"a{sign}b")


@pytest.mark.parametrize(
    "text", ["שלום\u200f!", "\u0645\u06cc\u200c\u062e\u0648", "👩\u200d👧", "größe", "東京"]
)
def test_what_people_write_stays(text):
    assert text == printable(text)


def test_lines_and_tabs_stay():
    assert "one\ntwo\n\tthree\nfour\nfive" == printable("one\r\ntwo\r\tthree\x85four\u2028five")


def test_a_long_text_says_that_it_goes_on():
    assert "abcd…" == printable("abcdefgh", 5)
    assert "abcde" == printable("abcde", 5)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://eversince.ai/v/1", "https://eversince.ai/v/1"),
        ("http://127.0.0.1:8000/share/1", "http://127.0.0.1:8000/share/1"),
        ("https://eversince.ai/watch?v=1", "https://eversince.ai/watch?v=1"),
        ("https://a.example/f.mp4?X-Amz-Signature=abc&Expires=1", "https://a.example/f.mp4"),
        ("https://a.example/f.mp4?token=abc#t=1", "https://a.example/f.mp4"),
        ("https://me:secret@a.example/", None),
        ("https://me@a.example/", None),
        ("javascript:alert(1)", None),
        ("JaVaScRiPt://x.example/%0aalert(1)", None),
        ("data:text/html,hello", None),
        ("//evil.example", None),
        ("https://", None),
        ("https://[", None),
        ("https://a.example/ b", None),
        ("https://a.example/\x00", None),
        ("https://a.example/ü", None),
        ("https://a..example/", None),
        ("https://a.example:99999/", None),
        ("", None),
        (None, None),
    ],
)
def test_only_web_addresses_without_secrets_are_linked_to(url, expected):
    assert expected == link_url(url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("javascript:alert(1)", "share_url is no http(s) address: javascript:alert(1)"),
        (
            "ftp://a b/?token=hush",
            "share_url has blanks or other characters that no address has: ftp://a b/?…",
        ),
        ("x" * 500, f"share_url is no http(s) address: {'x' * 79}…"),
        ("https://eversince.ai/v/1", None),
        ("", None),
        (None, None),
    ],
)
def test_why_an_address_is_not_linked_to_is_told_with_its_field(url, told):
    assert told == odd_url("share_url", url)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.26, "0.3 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (250, "4 min 10 s"),
        (3600, "1 h"),
        (5415, "1 h 30 min"),
        (26 * 3600, "1 d 2 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds, text):
    assert text == format_duration(seconds)


def test_one_is_not_several():
    assert ("1 item", "2 items", "1,000 items") == (
        plural(1, "item"),
        plural(2, "item"),
        plural(1000, "item"),
    )


@given(st.text(), st.text())
def test_what_is_put_into_an_element_stays_text(text, value):
    made = tag("p", text, title=value)

    assert made.startswith('<p title="')
    assert (1, 1, 2) == (made.count("<p"), made.count("</p"), made.count("<"))
    assert 2 == made.count('"')


def test_markup_is_put_in_as_it_is():
    assert "<p><b>x</b>&lt;</p>" == tag("p", [tag("b", "x"), "<"], None, EMPTY)
    assert isinstance(tag("p"), Markup)


def test_attributes_may_be_left_out_or_have_no_value():
    assert '<input data-x="1" hidden>' == tag("input", data_x=1, hidden=True, title=None, disabled=False)
