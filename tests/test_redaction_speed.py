"""Hiding secrets takes time by the length of a text, whatever is in it, and hides every spelling."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eversince_async._redaction import HIDDEN, redact, register_secret
from eversince_async.journal.redaction import redact_for_resend, redact_observed

MEGABYTE = 2**20

SEEDS = [
    *("a", " ", "://", "://a", "://@", "://a@", "://a?", "http://u:p", "://a://", "?", "#", "?#"),
    *(":", "@", "/", r":\/\/", r":\/\/a?", r"\/", "es_live_", "es_live_a ", "es_", "_live_"),
    *("bearer ", "bearer", "bearer\t", "basic basic ", 'bearer "', "Bearer,"),
    *("token=", "token", "token=token=", "sig=&", "sig=\\", "signature%3d", "signature%253D", "%3d", "%253d"),
    *("x-amz-signature", "x-amz-signature=", "x-amz-signature : ", 'x-amz-credential\\":', "X-Goog-"),
    *('"token" : ', "'token':", '\\"token\\":', r"\u0026token", r"\u003d", "access_token", "accesstoken"),
    *("<", ">", '"', "'", "\\", "&", ";", ",", "\0", "\ud800", "é", "\n", "Aa", "aA", "9f3a71bc0ffee"),
]
"""What texts are made of that would make an expression go back and forth."""


HARDEST = [
    *("://a", "://a@", "://a://", "http://u:p", r":\/\/a?", "bearer ", "bearer\t", "token=token=", "%3d"),
    *("x-amz-signature", "x-amz-signature : ", '\\"token\\":', "es_live_"),
]
"""Those of which every place is looked at for longest."""


def seconds(function, text):
    """The time of this process alone: what else the machine does is none of it."""
    began = time.process_time()
    function(text)
    return time.process_time() - began


def adversarial(seed, length):
    return (seed * (length // len(seed) + 1))[:length]


@pytest.mark.parametrize("seed", HARDEST, ids=ascii)
def test_twice_the_text_takes_about_twice_the_time(seed):
    """What grew with the square would take four times as long: hours for a megabyte."""
    half, whole = adversarial(seed, MEGABYTE // 2), adversarial(seed, MEGABYTE)
    for _ in range(3):  # a pause of the collector is no growth
        spent = seconds(redact, half), seconds(redact, whole)
        if spent[1] < max(3 * spent[0], 0.2):
            return
    pytest.fail(f"{seed!r}: {spent}")


@pytest.mark.parametrize("function", [redact, redact_observed, redact_for_resend])
@pytest.mark.parametrize("ending", ["", "!", '"'], ids=ascii)
def test_nothing_that_texts_are_made_of_takes_long(function, ending):
    """A square would be seconds for each of them."""
    for seed in SEEDS:
        assert seconds(function, adversarial(seed, MEGABYTE // 32) + ending) < 1, seed


# -- What it hides ----------------------------------------------------------------------------------------

SECRET = st.text(st.sampled_from("abcXYZ019_-"), min_size=8, max_size=20)
AROUND = st.text(st.sampled_from("ab 0&=?#/:@.%'\"<>\\\n"), max_size=12)
NAMED = st.sampled_from(
    [
        *("X-Amz-Signature={}", "x-amz-signature: {}", '"X-Amz-Credential": "{}"', "X-Goog-Signature%3D{}"),
        *("&token={}", "'token': '{}'", "\\\\u0026sig\\\\u003d{}", "Bearer {}", "basic  {}", "es_live_{}"),
        *(
            "https://me:{}@h/",
            "https://h/a?{}",
            r"https:\\/\\/h\\/a?{}",
            "https://h/a#{}",
            "GET /a?signature={}",
        ),
    ]
)


@settings(max_examples=150)
@given(before=AROUND, after=AROUND, named=NAMED, secret=SECRET)
def test_no_secret_survives_whatever_stands_around_it(before, after, named, secret):
    shown = redact(f"{before} {named.format('SeCrEt' + secret)} {after}")

    assert "SeCrEt" + secret not in shown
    assert HIDDEN in shown


# What hid secrets before, each expression by itself: whatever one of these finds is hidden.
BEFORE = (
    r"es_live_[\w-]+",
    r"(?i)\b(?:bearer|basic)\s+[^\s,;\"']+",
    r"(?<=://)[^/\s@\"'?#]+@",
)


@settings(max_examples=150)
@given(st.lists(st.sampled_from(SEEDS) | SECRET, max_size=8).map("".join))
def test_nothing_is_left_that_any_single_rule_would_hide(text):
    shown = redact(text)

    for rule in BEFORE:
        for found in re.finditer(rule, shown):
            assert HIDDEN in found[0], (text, shown)
    assert shown == redact(shown)


def test_so_it_is_with_secrets_of_no_known_form():
    class Owner:
        pass

    owner = Owner()
    register_secret("9f3a71bc0ffee/+<", owner)

    assert seconds(redact, adversarial("9f3a71bc0ffee/+", MEGABYTE)) < 2
