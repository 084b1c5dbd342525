"""The removal of secrets from what is written to disk.

Everything that is needed later is kept. There are two rules, for two uses:

- `redact_for_resend`, for values that may have to be sent, or handed out, again: specs, requests, and the
  results of jobs and of a pipeline's steps. Ids of uploads stay, and so do URLs whose query is part of the
  address (`watch?v=…`). A query that looks like a signature or a credential is not stored: it would have
  expired by then, and its holder has access. `is_unredacted` tells whether the value is complete; if it is
  not, only the caller who gave it can send it again.
- `redact_observed`, for values that the server told (baselines, other results, errors). No URL keeps its
  query: videos are recognised by their path, and a fresh signature is one GET away.

API keys, credentials inside URLs, and fields that are secrets by their name are stored by neither. The
address of a public page (`share_url`) is for everyone: both keep it, with every part that identifies the
page.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from enum import Enum
from typing import Final

from eversince_async._redaction import redact
from eversince_async.errors import JournalError
from eversince_async.journal.records import Json

REDACTED: Final = "[not stored]"
"""The text in place of a secret that was removed.

It stands only in values that may have to be sent again."""

DEEPEST: Final = 100
"""The deepest nesting of lists and mappings that is stored."""

SECRET_FIELDS: Final = frozenset(
    {"api_key", "authorization", "access_token", "password", "secret", "webhook_secret"}
)
"""Names of JSON fields whose value is never stored."""

PUBLIC_FIELDS: Final = frozenset({"share_url"})
"""Names of JSON fields that hold a public address."""

SECRET_WORDS: Final = frozenset(
    {
        *(
            "accesskey",
            "accesskeyid",
            "apikey",
            "auth",
            "authorization",
            "awsaccesskeyid",
            "code",
            "credential",
        ),
        *("credentials", "googleaccessid", "jwt", "key", "password", "passwd", "policy", "pwd", "secret"),
        *("security", "session", "sig", "sign", "signature", "signed", "token"),
    }
)
"""Words in a query parameter's name that make its value a secret."""

_URL: Final = re.compile(
    r"(?P<base>(?<=\w)://[^\s\"'<>?#]*)(?P<query>\?[^\s\"'<>#]*)?(?P<fragment>#[^\s\"'<>]*)?"
)
"""A URL from its `://` on.

Looking for the scheme before it would take quadratic time."""
_USERINFO: Final = re.compile(r"(?<=://)[^/\s@]+@")
_API_KEY: Final = re.compile(r"es_live_[\w-]+")
_WORDS: Final = re.compile(r"[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]+")
_OPAQUE: Final = re.compile(r"[A-Za-z0-9+/=%_.~-]{25,}")


def redact_for_resend(value: Json) -> Json:
    """Return a copy to store of a value to send again.

    Raises:
        JournalError: The value is not JSON.
    """
    return _map_strings(value, _sendable_text)


def redact_observed(value: Json) -> Json:
    """Return a copy to store of a value that the server told.

    Raises:
        JournalError: The value is not JSON.
    """
    return _map_strings(value, _observed_text)


def is_unredacted(value: Json) -> bool:
    """Return True if no secret was removed from a value.

    The value is one that may have to be sent again.
    """
    match value:
        case str():
            return REDACTED not in value
        case Mapping():
            return all(map(is_unredacted, value.values()))
        case list():
            return all(map(is_unredacted, value))
        case _:
            return True


def claim_key(text: str) -> str:
    """Return the text under which a claim is stored.

    URLs lose their query, but URLs with different queries stay different.
    """
    plain = _observed_text(text)
    return plain if plain == text else f"{plain}#{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def canonical_json(value: Json) -> str:
    """Return a value as JSON text; equal values give equal texts.

    Raises:
        JournalError: The value is not JSON.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: no file can hold it unescaped
        return json.dumps(value, allow_nan=False, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise JournalError(f"cannot be stored as JSON: {error}") from None
    return text


def digest(value: Json) -> str:
    """Return the SHA-256 of a JSON value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _map_strings(value: Json, text: Callable[[str], str], depth: int = 0) -> Json:
    if depth > DEEPEST:
        raise JournalError("cannot be stored as JSON: it is nested too deeply")
    match value:
        case Enum():
            return _map_strings(value.value, text, depth)
        case str():
            return text(value)
        case date():
            return value.isoformat()
        case Mapping():
            return {
                _name(name): REDACTED
                if _is_secret(name, item)
                else _map_strings(item, _public_text if name in PUBLIC_FIELDS else text, depth + 1)
                for name, item in value.items()
            }
        case Sequence() if not isinstance(value, bytes | bytearray):
            return [_map_strings(item, text, depth + 1) for item in value]
        case None | bool() | int() | float():
            return value
        case _:
            raise JournalError(f"cannot be stored as JSON: {type(value).__name__}")


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise JournalError(f"cannot be stored as JSON: the name {name!r} is no text")
    return str(name)


def _is_secret(name: object, value: object) -> bool:
    return isinstance(name, str) and name.lower() in SECRET_FIELDS and value is not None


def _observed_text(text: str) -> str:
    return redact(_URL.sub(lambda url: url["base"], text)) if "://" in text else redact(text)


def _sendable_text(text: str) -> str:
    if "://" in text:
        text = _URL.sub(_sendable_url, text)
    return _API_KEY.sub(REDACTED, text)


def _public_text(text: str) -> str:
    """Return a public address.

    An address with a parameter that is named like a credential loses its query and fragment.
    """
    parts = [part[1:] for url in _URL.finditer(text) for part in (url["query"], url["fragment"]) if part]
    names = [each.partition("=")[0] for part in parts for each in re.split("[?&;]", part)]
    if any(map(_is_named_like_a_secret, names)):
        return _observed_text(text)
    return _API_KEY.sub(REDACTED, _USERINFO.sub(f"{REDACTED}@", text))


def _sendable_url(url: re.Match[str]) -> str:
    base = _USERINFO.sub(f"{REDACTED}@", url["base"])
    query, fragment = url["query"] or "", url["fragment"] or ""
    if query and any(map(_is_secret_parameter, query[1:].split("&"))):
        query = f"?{REDACTED}"
    if fragment and any(map(_is_secret_parameter, fragment[1:].split("&"))):
        fragment = f"#{REDACTED}"
    return base + query + fragment


def _is_secret_parameter(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return bool(value) and (_is_named_like_a_secret(name) or _OPAQUE.search(value) is not None)


def _is_named_like_a_secret(name: str) -> bool:
    return not SECRET_WORDS.isdisjoint({word.lower() for word in (*_WORDS.findall(name), name)})
