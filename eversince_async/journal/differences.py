"""Where two JSON values differ, in words."""

from collections.abc import Iterator, Mapping
from typing import Final

from eversince_async._redaction import excerpt
from eversince_async.journal.records import Json
from eversince_async.journal.stored import written

SHOWN: Final = 5
"""Differences that are told; more are counted."""

EXCERPT: Final = 60
"""Characters of a value that are shown."""


def told(before: Json, after: Json) -> str:
    """The differences as one sentence: `options.share: true, now false; brief: "a", now "b"`."""
    found = list(differences(before, after))
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return "; ".join(found[:SHOWN]) + more


def differences(before: Json, after: Json, path: str = "") -> Iterator[str]:
    """Each place at which two JSON values differ, with both values."""
    match before, after:
        case Mapping(), Mapping():
            for name in sorted({*before, *after}):
                inner = f"{path}.{name}" if path else name
                if name not in after:
                    yield f"{inner}: {_shown(before[name])}, now missing"
                elif name not in before:
                    yield f"{inner}: missing, now {_shown(after[name])}"
                else:
                    yield from differences(before[name], after[name], inner)
        case list(), list() if len(before) == len(after):
            for index, (old, new) in enumerate(zip(before, after, strict=True)):
                yield from differences(old, new, f"{path}[{index}]")
        case _:
            if written(before) != written(after):
                old_text, new_text = _shown_apart(before, after)
                yield f"{path or 'it'}: {old_text}, now {new_text}"


def _shown(value: Json) -> str:
    return excerpt(written(value), EXCERPT)


def _shown_apart(before: Json, after: Json) -> tuple[str, str]:
    """Both values, cut so that what differs can be seen even in long texts."""
    old, new = written(before), written(after)
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    if same <= EXCERPT // 2:
        return _shown(before), _shown(after)
    start = same - EXCERPT // 3
    return f"…{excerpt(old[start:], EXCERPT)}", f"…{excerpt(new[start:], EXCERPT)}"
