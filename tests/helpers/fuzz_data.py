"""What all of these tests share: how much is tried, what is thrown, and how long and large reading may get.

A plain run tries enough to notice what breaks at once. `nox -s fuzz` tries EVERSINCE_FUZZ times as much, and
with EVERSINCE_FUZZ_SEED=NUMBER other examples than the usual ones.
"""

from __future__ import annotations

import os
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import hypothesis
from hypothesis import HealthCheck
from hypothesis import strategies as st

FACTOR = int(os.environ.get("EVERSINCE_FUZZ", "1"))
SEED = os.environ.get("EVERSINCE_FUZZ_SEED")

SECONDS = 5.0
"""Of CPU time that reading one thing may take: some hundred times what it takes."""

HANGS = 120.0
"""Seconds after which whatever is under way will not end any more."""

MIB = 2**20

T = TypeVar("T", bound=Callable[..., Any])


def fuzzed(examples: int) -> Callable[[T], T]:
    """Try so many examples, or as many times more as was asked for; the same ones in each run."""

    def decorate(test: T) -> T:
        settings = hypothesis.settings(
            max_examples=examples * FACTOR,
            deadline=None,
            derandomize=SEED is None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        return settings(test) if SEED is None else hypothesis.seed(int(SEED))(settings(test))

    return decorate


@contextmanager
def bounded(size: int, *, seconds: float = SECONDS, spare: int = 8 * MIB) -> Iterator[None]:
    """Fail where reading something hangs, takes long, or takes far more memory than the thing has bytes."""
    begin = time.process_time()
    tracemalloc.start()
    try:
        with _ending(HANGS):
            yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert time.process_time() - begin < seconds
    assert peak < spare + 100 * size, f"{peak:,} bytes for {size:,}"


@contextmanager
def _ending(seconds: float) -> Iterator[None]:
    """Break off what never ends, where the system can."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def hangs(*_: object) -> None:
        raise AssertionError(f"it has not ended after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# -- What is thrown ---------------------------------------------------------------------------------------

ODD_TEXTS = [
    "",
    " ",
    "\0",
    "\r\n",
    "\x1b[2J\x1b]0;x\x07",
    "\x9b31m",
    "\u202e\u2066",
    "\ufeff",
    "\ud800",
    "\udcff",
    "🦄" * 40,
    "²",
    "١٢٣",
    "9" * 5000,
    "-1",
    "1e999",
    "NaN",
    "-Infinity",
    "0x10",
    "1_000",
    "null",
    "true",
    "../../etc/passwd",
    "C:\\CON",
    "{}",
    "[" * 200,
    "%s%n{0}{x!r}",
    "es_live_hostile-secret",
    "https://u:p@h.example/?X-Amz-Signature=abc",
    "2026-02-30T25:61:61Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "Sun, 99 Foo 99999 99:99:99 GMT",
    "Thu, 01 Jan 1970 00:00:00 -9999",
]
"""Texts with which something has gone wrong somewhere."""

Edit = tuple[str, int, bytes, int]
"""A kind, a place, what to write there, and a length."""

any_text = st.text(st.characters(exclude_categories=()), max_size=40)
odd_text = st.sampled_from(ODD_TEXTS) | any_text
unicode_text = odd_text.filter(lambda text: text.isprintable() or not _has_surrogates(text))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from([2**53 + 1, -(2**63), 10**30, 10**400])
    | st.floats(allow_nan=False, allow_infinity=False)
    | odd_text
)


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= sign <= "\udfff" for sign in text)


def documents(names: st.SearchStrategy[str], leaves: int = 15) -> st.SearchStrategy[Any]:
    """Anything that JSON can be, with some of these names in it."""
    keys = names | odd_text
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
        max_leaves=leaves,
    )


def edits(most: int = 6) -> st.SearchStrategy[list[Edit]]:
    """A few places of something to overwrite, cut out, double or cut off, whatever that is."""
    kinds = st.sampled_from(["flip", "write", "insert", "delete", "repeat", "cut"])
    edit = st.tuples(kinds, st.integers(0, 2**24), st.binary(min_size=1, max_size=32), st.integers(1, 4096))
    return st.lists(edit, min_size=1, max_size=most)


def edited(whole: bytes, edits: list[Edit]) -> bytes:
    """It with these places changed."""
    content = bytearray(whole)
    for kind, place, piece, length in edits:
        at = place % (len(content) + 1)
        match kind:
            case "flip":
                content[at : at + 1] = bytes(each ^ 1 << length % 8 for each in content[at : at + 1])
            case "write":
                content[at : at + len(piece)] = piece
            case "insert":
                content[at:at] = piece
            case "delete":
                del content[at : at + length]
            case "repeat":
                content[at:at] = content[at : at + length % 512] * 3
            case _:
                del content[at:]
    return bytes(content)


def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
    """Something that was edited."""
    return edits().map(lambda each: edited(whole, each))
