"""Descriptions of the differences between two JSON values."""

from collections.abc import Iterator, Mapping
from typing import Final

from eversince_async._redaction import excerpt
from eversince_async.journal.records import Json
from eversince_async.journal.redaction import canonical_json

MAX_SHOWN: Final = 5
"""The number of differences that are described; further ones are counted."""

EXCERPT: Final = 60
"""Characters of a value that are shown."""


def describe_differences(before: Json, after: Json) -> str:
    """Describe the differences in one sentence.

    For example: `options.share: true, now false; brief: "a", now "b"`.
    """
    found = list(differences(before, after))
    more = f"; and {len(found) - MAX_SHOWN} more" if len(found) > MAX_SHOWN else ""
    return "; ".join(found[:MAX_SHOWN]) + more


def differences(before: Json, after: Json, path: str = "") -> Iterator[str]:
    """Yield each place at which two JSON values differ, with both values."""
    match before, after:
        case Mapping(), Mapping():
            for name in sorted({*before, *after}):
                inner = f"{path}.{name}" if path else name
                if name not in after:
                    yield f"{inner}: {_excerpt(before[name])}, now missing"
                elif name not in before:
                    yield f"{inner}: missing, now {_excerpt(after[name])}"
                else:
                    yield from differences(before[name], after[name], inner)
        case list(), list() if len(before) == len(after):
            for index, (old, new) in enumerate(zip(before, after, strict=True)):
                yield from differences(old, new, f"{path}[{index}]")
        case _:
            if canonical_json(before) != canonical_json(after):
                old_text, new_text = _excerpts(before, after)
                yield f"{path or 'it'}: {old_text}, now {new_text}"


def _excerpt(value: Json) -> str:
    return excerpt(canonical_json(value), EXCERPT)


def _excerpts(before: Json, after: Json) -> tuple[str, str]:
    """Return both values, cut so that their difference is visible."""
    old, new = canonical_json(before), canonical_json(after)
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    if same <= EXCERPT // 2:
        return _excerpt(before), _excerpt(after)
    start = same - EXCERPT // 3
    return f"…{excerpt(old[start:], EXCERPT)}", f"…{excerpt(new[start:], EXCERPT)}"
