"""The redaction of secrets in texts for people: logs, reprs, errors, journals.

Three things are secret: API keys, the query strings of presigned URLs (the signature *is* the access),
and webhook signing secrets. All text that leaves the library passes through `redact` first.
"""

import json
import re
import threading
import weakref
from typing import Any, Final
from urllib.parse import quote

# All of these are searched in texts from outside, so none goes back over what it has passed: repetitions
# are possessive (`++`) or have a bound.
_API_KEY: Final = re.compile(r"es_live_[\w-]++")
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s++[^\s,;\"']++")
_USERINFO: Final = re.compile(r"(?<=://)[^/\s@\"'?#]++@")
_URL_HEAD: Final = re.compile(r"[^\s\"'<>?#]*+")
_URL_TAIL: Final = re.compile(r"[^\s\"'<>]*+")

_IN_JSON: Final = (r":\/\/", r":\\/\\/")
"""The spellings of `://` in JSON that escapes slashes.

The second is that of JSON in JSON."""

_SIGNED: Final = re.compile(
    r"(?i)((?:x-(?:amz|goog)-(?:signature|credential|security-token)"  # these names have no other meaning
    r"""\\?["']?\s?(?:=|:|%(?:25){0,8}3d|\\{1,8}u003d|&(?:#61|#x3d|equals);)\s?"""
    r"|(?:\b|(?<=%[0-9a-f][0-9a-f])|(?<=25[0-9a-f][0-9a-f])|(?<=\\u0026))(?:signature|sig|access_?token|token)"
    r"""(?:\s?=\s?|%(?:25){0,8}3d|\\{1,8}u003d|&(?:#61|#x3d|equals);|\\?["']\s?:\s?(?=\\?["']))"""
    r""")\\?["']?)[^\s&"'<>;,\\]++"""
)
"""Parameters that give access.

Also in a URL that is cut, relative, percent-encoded, or in JSON."""

HIDDEN: Final = "…"
"""The replacement for a secret."""

MAX_TEXT: Final = 4000
"""Characters of an outside text that an error, event or log carries.

A longer text is cut."""

MAX_REDACTED: Final = 64 * 1024
"""Characters of a text from outside that are searched for secrets.

The text behind them is cut off."""

SHORTEST: Final = 8
"""Characters of the shortest text that is registered as a secret.

A shorter one guards nothing, and may well be part of an ordinary word."""


def redact(text: str) -> str:
    """Return `text` without secrets.

    It removes API keys, credentials, registered secrets, and the query string of any URL.

    Args:
        text: Any text that is about to be shown.
    """
    for secret in _secrets:
        if secret.owners:
            for spelling in secret.spellings:
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
    """Bytes that give access, such as signing keys; compare `Hidden`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"b{HIDDEN!r}"

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        return HiddenBytes(part) if isinstance(part, bytes) else part

    def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:
        return bytes, (bytes(self),)


class Hidden(str):
    """A text that gives access, whose repr hides it.

    It is itself wherever it is used, and hidden where a local variable is shown. Debuggers, crash reporters
    and `pytest --showlocals` print the reprs of a frame's variables. Its parts are plain text again, except
    for slices, which those tools make to shorten it.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        shown = without_query(redact(self)) if "://" in self else HIDDEN
        return repr(shown if len(shown) <= MAX_TEXT else HIDDEN)

    def __getitem__(self, index: Any) -> "Hidden":
        return Hidden(super().__getitem__(index))

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)  # a pickle may be read where this class is not known


def without_query(address: str) -> str:
    """Return an address as it may be shown.

    However odd the address is, the text after a `?` or `#` may give access.
    """
    place, *rest = re.split("[?#]", address, maxsplit=1)
    return f"{place}?{HIDDEN}" if rest else place


def _without_queries(text: str, mark: str) -> str:
    """Hide the query and fragment of every URL.

    Each character is read only once.
    """
    parts, start, at = [], 0, text.find(mark)
    while at >= 0:
        end = _URL_HEAD.match(text, at + len(mark)).end()  # type: ignore[union-attr]  # it always matches
        if text[end : end + 1] in {"?", "#"}:
            parts += [text[start:end], "?", HIDDEN]
            start = end = _URL_TAIL.match(text, end).end()  # type: ignore[union-attr]  # likewise
        at = text.find(mark, end)
    return "".join([*parts, text[start:]])


def shorten(text: str, length: int = MAX_TEXT) -> str:
    """Return the redacted beginning of a text from outside.

    Args:
        text: The text; however long it is, the time this takes is bounded.
        length: Characters to keep; a text that had to be cut ends with an ellipsis.
    """
    if len(text) > MAX_REDACTED:  # not in the middle of a possible secret
        text = text[:MAX_REDACTED].rpartition(" ")[0] or text[:MAX_REDACTED]
        return _cut(redact(text) + HIDDEN, length)
    return _cut(redact(text), length)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + HIDDEN


def excerpt(text: str, length: int = 200) -> str:
    """Return the redacted beginning of a text on one line.

    It is meant for error messages.
    """
    return _cut(" ".join(shorten(text, MAX_REDACTED).split()), length)


# -- Secrets that have no form of their own ----------------------------------------------------------------

_lock: Final = threading.Lock()  # clients are made in any thread
_secrets: tuple["_Secret", ...] = ()  # the longest first; replaced as a whole, so any thread may read


class _Secret:
    """A secret and its owners.

    It is forgotten with the last of them.
    """

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.spellings = sorted(_encodings(secret), key=len, reverse=True)
        self.owners: weakref.WeakSet[object] = weakref.WeakSet()


def register_secret(secret: str, owner: object) -> None:
    """Hide a secret in every text while its owner lives.

    Texts from a server are shown far from the place where the secret is known, so all texts of this process
    are searched.
    A key in the usual form need not be registered: its form is recognized.

    Args:
        secret: The exact text; one that is too short to be a secret is not registered.
        owner: The object that has the secret.
    """
    global _secrets
    if len(secret) < SHORTEST or _API_KEY.fullmatch(secret):
        return
    with _lock:
        entry = next((each for each in _secrets if each.secret == secret), None) or _Secret(secret)
        entry.owners.add(owner)
        others = (other for other in _secrets if other.owners and other is not entry)
        _secrets = tuple(sorted((*others, entry), key=lambda each: len(each.secret), reverse=True))


def _encodings(secret: str) -> set[str]:
    """Return a secret's spellings in plain text, JSON, HTML and URLs.

    JSON is written in several ways.
    """
    from html import escape  # it loads a dictionary of entities, which hardly any key needs

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
