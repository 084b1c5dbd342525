"""Keep secrets out of whatever a person may read: logs, reprs, error texts, journals.

Three things are secret: API keys, the query strings of presigned URLs (the signature *is* the access),
and webhook signing secrets. Everything textual that leaves the library goes through `redact` first.
"""

import re
from typing import Final

_API_KEY: Final = re.compile(r"es_live_[\w-]+")
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+[^\s,;\"']+")
_USERINFO: Final = re.compile(r"(?<=://)[^/\s@\"'?#]+@")
_URL_TAIL: Final = re.compile(r"(\w+://[^\s\"'<>?#]*)[?#][^\s\"'<>]*")

HIDDEN: Final = "…"
"""What stands where a secret stood."""


def redact(text: str, *secrets: str) -> str:
    """Return `text` without API keys, credentials, or the query string of any URL.

    Args:
        text: Anything about to be shown.
        secrets: Further exact strings to hide, such as a key of an unusual form.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    if "es_live_" in text:
        text = _API_KEY.sub("es_live_" + HIDDEN, text)
    if "://" in text:
        text = _URL_TAIL.sub(rf"\1?{HIDDEN}", _USERINFO.sub(HIDDEN + "@", text))
    return _BEARER.sub(rf"\1 {HIDDEN}", text)


def excerpt(text: str, length: int = 200) -> str:
    """The redacted beginning of a text on one line, for error messages."""
    flat = " ".join(redact(text).split())
    return flat if len(flat) <= length else flat[: length - 1] + HIDDEN
