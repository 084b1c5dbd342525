"""Keep secrets out of whatever a person may read: logs, reprs, error texts, journals.

Three things are secret: API keys, the query strings of presigned URLs (the signature *is* the access),
and webhook signing secrets. Everything textual that leaves the library goes through `redact` first.
"""

import json
import re
import threading
import weakref
from typing import Any, Final
from urllib.parse import quote

# All of these are searched in texts that others made up, so none goes back over what it has passed: what
# repeats is possessive (`++`), and what does not repeat has a bound.
_API_KEY: Final = re.compile(r"es_live_[\w-]++")
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s++[^\s,;\"']++")
_USERINFO: Final = re.compile(r"(?<=://)[^/\s@\"'?#]++@")
_URL_HEAD: Final = re.compile(r"[^\s\"'<>?#]*+")
_URL_TAIL: Final = re.compile(r"[^\s\"'<>]*+")

_IN_JSON: Final = (r":\/\/", r":\\/\\/")
"""What stands in URLs where JSON, or JSON in JSON, was written by one who escapes slashes."""

_SIGNED: Final = re.compile(
    r"(?i)((?:x-(?:amz|goog)-(?:signature|credential|security-token)"  # they mean nothing else
    r"""\\?["']?\s?(?:=|:|%(?:25){0,8}3d|\\{1,8}u003d|&(?:#61|#x3d|equals);)\s?"""
    r"|(?:\b|(?<=%[0-9a-f][0-9a-f])|(?<=25[0-9a-f][0-9a-f])|(?<=\\u0026))(?:signature|sig|access_?token|token)"
    r"""(?:\s?=\s?|%(?:25){0,8}3d|\\{1,8}u003d|&(?:#61|#x3d|equals);|\\?["']\s?:\s?(?=\\?["']))"""
    r""")\\?["']?)[^\s&"'<>;,\\]++"""
)
"""Parameters that are access, also in a URL that is cut, relative, percent-encoded, or in JSON."""

HIDDEN: Final = "…"
"""What stands where a secret stood."""

MAX_TEXT: Final = 4000
"""Characters of a text from outside that an error, an event or a log line carries along at most."""

MAX_REDACTED: Final = 64 * 1024
"""Characters of a text from outside that are searched for secrets; what is behind them is cut off."""

SHORTEST: Final = 8
"""Characters. Anything shorter guards nothing, and may well be part of an honest word."""


def redact(text: str) -> str:
    """Return `text` without API keys, credentials, secrets that are kept, or the query string of any URL.

    Args:
        text: Anything about to be shown.
    """
    for kept in _secrets:
        if kept.owners:
            for spelling in kept.spellings:
                text = text.replace(spelling, HIDDEN)
    if "es_live_" in text:
        text = _API_KEY.sub("es_live_" + HIDDEN, text)
    if "://" in text:
        text = _without_queries(_USERINFO.sub(HIDDEN + "@", text), "://")
    for mark in _IN_JSON:
        if mark in text:
            text = _without_queries(text, mark)
    text = _SIGNED.sub(rf"\1{HIDDEN}", text)
    return _BEARER.sub(rf"\1 {HIDDEN}", text)


class HiddenBytes(bytes):
    """Bytes that are access, as `Hidden` is a text: signing keys."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"b{HIDDEN!r}"

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return HiddenBytes(found) if isinstance(found, bytes) else found

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        return bytes, (bytes(self),)


class Hidden(str):
    """A text that is access: itself wherever it is used, and hidden where a local variable is shown.

    Debuggers, crash reporters and `pytest --showlocals` print the repr of whatever a frame holds. What this
    is cut into is a plain text again, but for slices, which those tools make to shorten it.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        shown = without_query(redact(self)) if "://" in self else HIDDEN
        return repr(shown if len(shown) <= MAX_TEXT else HIDDEN)

    def __getitem__(self, index: Any) -> "Hidden":
        return Hidden(super().__getitem__(index))

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)  # pickles are read where this may not be known


def without_query(address: str) -> str:
    """An address as it may be shown: however odd it is, what follows a `?` or `#` may be access."""
    place, *rest = re.split("[?#]", address, maxsplit=1)
    return f"{place}?{HIDDEN}" if rest else place


def _without_queries(text: str, mark: str) -> str:
    """Hide the query and fragment of every URL; each character is looked at only once."""
    parts, kept, at = [], 0, text.find(mark)
    while at >= 0:
        end = _URL_HEAD.match(text, at + len(mark)).end()  # type: ignore[union-attr]  # it matches nothing, too
        if text[end : end + 1] in {"?", "#"}:
            parts += [text[kept:end], "?", HIDDEN]
            kept = end = _URL_TAIL.match(text, end).end()  # type: ignore[union-attr]  # likewise
        at = text.find(mark, end)
    return "".join([*parts, text[kept:]])


def shorten(text: str, length: int = MAX_TEXT) -> str:
    """Return the redacted beginning of a text that somebody else wrote.

    Args:
        text: However long it is, the time this takes is bounded.
        length: Characters to keep; one that had to be cut ends with an ellipsis.
    """
    if len(text) > MAX_REDACTED:  # and not in the middle of what may be a secret
        text = text[:MAX_REDACTED].rpartition(" ")[0] or text[:MAX_REDACTED]
        return _cut(redact(text) + HIDDEN, length)
    return _cut(redact(text), length)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + HIDDEN


def excerpt(text: str, length: int = 200) -> str:
    """The redacted beginning of a text on one line, for error messages."""
    return _cut(" ".join(shorten(text, MAX_REDACTED).split()), length)


# -- Secrets that cannot be told by their looks ------------------------------------------------------------

_lock: Final = threading.Lock()  # clients are made in any thread
_secrets: tuple["_Kept", ...] = ()  # the longest first; replaced as a whole, so any thread may read


class _Kept:
    """A secret, and those who have it: it is forgotten with the last of them."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.spellings = sorted(_encodings(secret), key=len, reverse=True)
        self.owners: weakref.WeakSet[object] = weakref.WeakSet()


def register_secret(secret: str, owner: object) -> None:
    """Hide a secret in every text of this process for as long as its owner lives.

    Texts that a server made up are shown far from where the secret is known, so all of them are searched.
    A key in the usual form needs no keeping: it is known by its looks.

    Args:
        secret: The exact text; one that is too short to be a secret is not kept.
        owner: Whoever has it.
    """
    global _secrets
    if len(secret) < SHORTEST or _API_KEY.fullmatch(secret):
        return
    with _lock:
        kept = next((kept for kept in _secrets if kept.secret == secret), None) or _Kept(secret)
        kept.owners.add(owner)
        others = (other for other in _secrets if other.owners and other is not kept)
        _secrets = tuple(sorted((*others, kept), key=lambda each: len(each.secret), reverse=True))


def _encodings(secret: str) -> set[str]:
    """A secret as it stands in plain text, in JSON of several tastes, in HTML and in URLs."""
    from html import escape  # brings a dictionary of entities along, for what hardly any key needs

    in_json = json.dumps(secret)[1:-1]
    for_html = re.sub(r"[<>&']", lambda sign: f"\\u{ord(sign[0]):04x}", in_json)
    escaped = (in_json, for_html)
    return {
        secret,
        *escaped,
        *(text.replace("/", "\\/") for text in escaped),
        escape(secret),
        escape(secret, quote=False),
        quote(secret),
        quote(secret, safe=""),
    }
