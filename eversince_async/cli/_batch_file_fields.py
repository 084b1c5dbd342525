"""The columns of a file of briefs, and the parser of each."""

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from mimetypes import guess_type
from typing import Any, Final

from eversince_async._wire.json_codec import read_with_json
from eversince_async.batch.fields import PAGE, no_share, yes_or_no
from eversince_async.models._repr import format_value
from eversince_async.models.projects import AspectRatio, ExpectedOutput, Mode, ReasoningMode
from eversince_async.models.references import Reference, ReferenceType, UploadReference, UrlReference


class FieldError(Exception):
    """An invalid cell; the message says what the cell must be."""


FieldParser = Callable[[Any], Any]
"""A function that converts a cell (a text, or in JSON any value) for a batch, or raises `FieldError`."""

EXTRA: Final = "extra."
"""The prefix of a column for a field that this version does not know; the field's name follows."""

UPLOADED: Final = "upload:"
"""The prefix of an upload's id among references."""


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise FieldError(f"must be text, not {_describe(given)}")
    return given


def _key(given: Any) -> str:
    key = str(given) if isinstance(given, int) and not isinstance(given, bool) else _text(given)
    if not key.isprintable():
        raise FieldError(f"must be one line of printable characters, not {_describe(given)}")
    return key


def _flag(given: Any) -> bool:
    found = yes_or_no(given)
    if found is None:
        raise FieldError(f"must be yes or no, not {_describe(given)}")
    return found


def _one_of(words: type[StrEnum], *, but: Iterable[str] = ()) -> FieldParser:
    """Return a parser that takes only the documented words.

    A typing mistake costs less here than in a thousand refusals by the server.
    """
    known = [str(word) for word in words if word not in but]

    def read(given: Any) -> str:
        if given not in known:
            raise FieldError(f"must be {', '.join(known[:-1])} or {known[-1]}, not {_describe(given)}")
        return str(given)

    return read


def _aspect_ratio(given: Any) -> str:
    """Parse an aspect ratio.

    Spreadsheets take 9:16 for a time, and turn it into 09:16 or 9:16:00.
    """
    if isinstance(given, str) and (time := _TIME.fullmatch(given.strip())):
        given = f"{int(time[1])}:{int(time[2])}"
    return str(_one_of(AspectRatio)(given))


_TIME: Final = re.compile(r"([0-9]{1,2}):([0-9]{1,2})(?::00)?")


def _names(given: Any) -> list[str]:
    """Parse several names, separated by commas or semicolons."""
    if isinstance(given, str):
        return [name for each in given.replace(";", ",").split(",") if (name := each.strip())]
    if isinstance(given, list) and all(isinstance(each, str) for each in given):
        return given
    raise FieldError(f"must be names separated by commas, not {_describe(given)}")


def _address(given: Any) -> str:
    if not _text(given).startswith(("https://", "http://")):
        raise FieldError(f"must be an address that begins with https://, not {_describe(given)}")
    return str(given)


def _references(given: Any) -> list[dict[str, str]]:
    """Parse several references, separated by blanks or line breaks.

    Each is an address, or `upload:` with an id.
    """
    found = given.split() if isinstance(given, str) else given
    if not isinstance(found, list):
        raise FieldError(f"must be addresses separated by blanks, not {_describe(given)}")
    return [each if isinstance(each, dict) else _plain_reference(_text(each)) for each in found]


def _plain_reference(given: str) -> dict[str, str]:
    match reference_to(given):
        case UploadReference(upload_id=upload):
            return {"upload_id": upload}
        case UrlReference(url=url, type=kind):
            return {"url": url, "type": str(kind)}
        case None:
            raise FieldError(
                f"must be an address, or {UPLOADED} with an id, not {_describe(given)}; "
                "for a file, `eversince upload FILE` prints its id"
            )


def reference_to(given: str) -> Reference | None:
    """Return the reference for an address or `upload:ID`; None otherwise."""
    if given.startswith(UPLOADED) and len(given) > len(UPLOADED):
        return UploadReference(upload_id=given.removeprefix(UPLOADED))
    if "://" not in given:
        return None
    kind = (guess_type(given.partition("?")[0])[0] or "").partition("/")[0]
    return UrlReference(url=given, type=kind if kind in {"image", "video", "audio"} else ReferenceType.URL)


def _extra(given: Any) -> dict[str, Any]:
    fields = maybe_json(given)
    if not isinstance(fields, dict):
        raise FieldError(f"must be a JSON object, not {_describe(given)}")
    return fields


def maybe_json(given: Any) -> Any:
    """Parse a text as JSON.

    A text that is not JSON, or a value that is not text, is returned unchanged.
    """
    if not isinstance(given, str):
        return given
    try:
        return read_with_json(given.encode())
    except ValueError:
        return given


def _render(given: Any) -> str | bool | None:
    """Parse a quality; True means the usual one, None no render."""
    if given in ("1080p", "4k"):
        return str(given)
    wanted = yes_or_no(given)
    if wanted is None:
        raise FieldError(f"must be 1080p, 4k, yes or no, not {_describe(given)}")
    return wanted or None


def _share(given: Any) -> bool | dict[str, str]:
    """Parse a `share` cell: yes, no, or the public page's words.

    Nothing else counts as a yes, because a yes makes the video public.
    """
    wanted = yes_or_no(given)
    if wanted is not None:
        return wanted
    if not isinstance(given, dict) or not given.keys() <= set(PAGE.values()):
        raise FieldError(no_share(given))
    return {name: _text(words) for name, words in given.items()}


def _describe(given: Any) -> str:
    return format_value(given, text=40)


COLUMNS: Final[Mapping[str, FieldParser]] = {
    "brief": _text,
    "title": _text,
    "mode": _one_of(Mode, but={Mode.NONE}),
    "aspect_ratio": _aspect_ratio,
    "craft": _text,
    "craft_auto": _flag,
    "skills": _names,
    "reasoning_mode": _one_of(ReasoningMode),
    "video_model": _text,
    "image_model": _text,
    "agent_model": _text,
    "expected_output": _one_of(ExpectedOutput),
    "webhook_url": _address,
    "idempotency_key": _text,
    "references": _references,
    "extract_content": _flag,
    "extra": _extra,
    "key": _key,
    "render": _render,
    "share": _share,
    "share_title": _text,
    "share_description": _text,
    "download": _text,
}
"""All columns and their parsers: the options of `projects.create`, and from `key` on our own columns."""


def parser_for(name: str) -> FieldParser | None:
    """Return the parser for a column's cells; None for an unknown column."""
    if name.startswith(EXTRA) and len(name) > len(EXTRA):
        return maybe_json
    return COLUMNS.get(name)


def column_name(head: str) -> str:
    """Return the column that a heading means, e.g. `aspect_ratio` for `Aspect ratio`.

    The name after `extra.` stays unchanged.
    """
    head = head.strip().strip(_UNSEEN)
    if head.lower().startswith(EXTRA):
        return EXTRA + head[len(EXTRA) :]
    return _BETWEEN.sub("_", head.lower())


_BETWEEN: Final = re.compile(r"[\s_-]+")
_UNSEEN: Final = "\ufeff\u200b\u00a0 "


def is_known(name: str) -> bool:
    """Return True if there is a column for this heading."""
    return parser_for(column_name(name)) is not None


def unknown(name: str) -> str:
    """Describe the problem of an unknown column, with a hint."""
    if not name:
        return "has no name"
    alike = get_close_matches(name, COLUMNS, n=1)
    hint = f"did you mean {alike[0]!r}?" if alike else f"there are {', '.join(COLUMNS)}, and extra.NAME"
    return f"there is no {format_value(name, text=60)}; {hint}"
