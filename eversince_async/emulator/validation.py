"""Reading a request's fields and collecting *every* problem before refusing.

The documents show such a message: `"brief: brief is required; mode: mode must be one of: autonomous,
collaborative"`.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from eversince_async.emulator.destinations import Destinations
from eversince_async.emulator.errors import ApiError, Json, validation

_INTEGER: Final = re.compile(r"-?[0-9]{1,15}", re.ASCII)


def parse_object(body: bytes) -> Json:
    """Parse a JSON object; an empty body is an empty object.

    The parser is stricter than `json.loads`, as JSON is: no NaN or Infinity, no lone surrogates, UTF-8 only.
    Of duplicate keys the last one counts.

    Raises:
        ApiError: 400, the body is anything else.
    """
    if not body.strip():
        return {}
    try:
        parsed = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
        if b"\\ud" in body or b"\\uD" in body:
            json.dumps(parsed, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):  # UnicodeError is a ValueError
        raise validation("Request body must be valid JSON") from None
    if not isinstance(parsed, dict):
        raise validation("Request body must be a JSON object")
    return parsed


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


class Fields:
    """The fields of one body, read one by one.

    `check()` refuses with all problems at once. A reader returns None for a field that is absent or wrong;
    `in` tells if the field was present.
    """

    def __init__(
        self, values: Mapping[str, Any], prefix: str = "", problems: list[str] | None = None
    ) -> None:
        self.values = values
        self._prefix = prefix
        self._problems: list[str] = [] if problems is None else problems

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def within(self, values: Mapping[str, Any], prefix: str) -> "Fields":
        """Return a reader for a nested object that shares this one's problems."""
        return Fields(values, f"{self._prefix}{prefix}.", self._problems)

    def problem(self, name: str, text: str) -> None:
        """Record that a field is wrong."""
        # The path of the field precedes the text; the text itself uses the field's own name.
        self._problems.append(f"{self._prefix}{name}: {text}")

    def without(self, names: Iterable[str]) -> "Fields":
        """Return a reader without some fields that shares this one's problems."""
        rest = {name: value for name, value in self.values.items() if name not in names}
        return Fields(rest, self._prefix, self._problems)

    def check(self) -> None:
        """Refuse the request if any field was wrong.

        Raises:
            ApiError: 400, with all problems joined by "; ".
        """
        if self._problems:
            raise self.refusal()

    def refusal(self) -> ApiError:
        """Build the error for all problems so far."""
        return validation("; ".join(self._problems))

    def _present(self, name: str, *, required: bool) -> bool:
        if name in self.values:
            return True
        if required:
            self.problem(name, f"{name} is required")
        return False

    def text(
        self, name: str, *, required: bool = False, longest: int | None = None, blank: bool = True
    ) -> str | None:
        """Read a string of at most `longest` characters.

        With `blank=False` a string of nothing but spaces is refused.
        """
        if not self._present(name, required=required):
            return None
        value = self.values[name]
        if required and value is None:
            self.problem(name, f"{name} is required")
        elif not isinstance(value, str):
            self.problem(name, f"{name} must be a string")
        elif not blank and not value.strip():
            self.problem(name, f"{name} is required" if required else f"{name} must not be empty")
        elif longest is not None and len(value) > longest:
            self.problem(name, f"{name} must be at most {longest} characters")
        else:
            return value
        return None

    def choice(self, name: str, allowed: Iterable[str], *, required: bool = False) -> str | None:
        """Read one of the allowed strings."""
        if not self._present(name, required=required):
            return None
        value = self.values[name]
        options = tuple(allowed)
        if isinstance(value, str) and value in options:
            return value
        if required and value is None:
            self.problem(name, f"{name} is required")
        else:
            self.problem(name, f"{name} must be one of: {', '.join(options)}")
        return None

    def flag(self, name: str) -> bool | None:
        """Read a boolean."""
        if not self._present(name, required=False):
            return None
        value = self.values[name]
        if isinstance(value, bool):
            return value
        self.problem(name, f"{name} must be a boolean")
        return None

    def integer(
        self, name: str, *, required: bool = False, least: int | None = None, most: int | None = None
    ) -> int | None:
        """Read a whole number in a range."""
        if not self._present(name, required=required):
            return None
        value = self.values[name]
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.problem(name, f"{name} must be an integer")
        elif (least is not None and value < least) or (most is not None and value > most):
            self.problem(name, f"{name} must be {_between(least, most)}")
        else:
            return value
        return None

    def number(self, name: str) -> float | None:
        """Read a finite number that is not negative."""
        if not self._present(name, required=False):
            return None
        value = self.values[name]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.problem(name, f"{name} must be a number")
        elif not 0 <= value <= 1e9 or not math.isfinite(value):
            self.problem(name, f"{name} must be between 0 and 1000000000")
        else:
            return float(value)
        return None

    def array(self, name: str, *, required: bool = False, most: int | None = None) -> list[Any] | None:
        """Read an array of at most `most` items."""
        if not self._present(name, required=required):
            return None
        value = self.values[name]
        if not isinstance(value, list):
            self.problem(
                name, f"{name} is required" if required and value is None else f"{name} must be an array"
            )
        elif most is not None and len(value) > most:
            self.problem(name, f"{name} must have at most {most} items")
        else:
            return value
        return None

    def webhook_url(self, name: str, destinations: Destinations) -> str | None:
        """Read an HTTPS address that webhooks may go to."""
        value = self.text(name)
        if value is None:
            return None
        if not _is_webhook_url(value, destinations):
            hint = destinations.hint(value)
            self.problem(name, f"{name} must be a valid HTTPS URL{hint and f' ({hint})'}")
            return None
        problem = destinations.problem(value)
        if problem is not None:
            self.problem(name, f"{name} must be a public HTTPS URL, but {problem}")
            return None
        return value


class Query(Fields):
    """The fields of the query string: strings that may stand for numbers."""

    def whole(self, name: str, default: int, least: int, most: int | None = None) -> int:
        """Read a whole number in a range, or return the default."""
        value = self.values.get(name)
        if value is None:
            return default
        if not _INTEGER.fullmatch(value):
            self.problem(name, f"{name} must be an integer")
            return default
        number = int(value)
        if number < least or (most is not None and number > most):
            self.problem(name, f"{name} must be {_between(least, most)}")
            return default
        return number

    def page(self, most: int, default: int = 20) -> tuple[int, int]:
        """Read the `limit` and `offset` of a paged list."""
        return self.whole("limit", default, 1, most), self.whole("offset", 0, 0)


def _between(least: int | None, most: int | None) -> str:
    if most is None:
        return f"at least {least}"
    return f"at most {most}" if least is None else f"between {least} and {most}"


def is_http_url(value: str) -> bool:
    """Return True if this is an absolute http(s) URL with a host."""
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_webhook_url(value: str, destinations: Destinations) -> bool:
    if not is_http_url(value) or any(character.isspace() for character in value):
        return False
    return urlsplit(value).scheme == "https" or destinations.takes_plain(value)
