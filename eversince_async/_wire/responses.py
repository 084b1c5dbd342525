"""The meaning of raw responses: headers, errors and models."""

import functools
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar, cast

import attrs

from eversince_async import clock
from eversince_async._redaction import excerpt
from eversince_async._wire.converter import is_foreign, structure
from eversince_async._wire.endpoints import Endpoint
from eversince_async._wire.json_codec import loads
from eversince_async.errors import (
    BY_CODE,
    ApiError,
    InvalidResponse,
    ResponseTooLarge,
    ValidationFailed,
    WrongStatus,
    error_class,
)
from eversince_async.models._base import NO_EXTRA, ItemList, Response
from eversince_async.models.receipt import RateLimit, Receipt

T = TypeVar("T")

LONGEST_RESET: Final = 24 * 3600.0
"""The furthest believable `X-RateLimit-Reset`, in seconds from now.

One that is further away is ignored.
"""

LONGEST_RETRY_AFTER: Final = 366 * 24 * 3600.0
"""The longest accepted `Retry-After`, in seconds.

A longer one is shortened to this.
"""

MAX_REQUESTS: Final = 1_000_000
"""The largest believable `X-RateLimit-Limit` or `X-RateLimit-Remaining`, in requests.

A larger one is ignored.
"""

DATES: Final = (datetime(2015, 1, 1, tzinfo=UTC).timestamp(), datetime(2200, 1, 1, tzinfo=UTC).timestamp())
"""The range of believable dates of a server, in Unix seconds.

Any other date is ignored.
"""

MAX_NUMBER: Final = 64
"""The largest length of a numeric or date header, in characters."""


@attrs.frozen
class WireResponse:
    """A response of the server.

    Attributes:
        status: The HTTP status.
        headers: The response headers; their names are case-insensitive.
        body: The raw body.
        receipt: The request id and the rate headers, read once.
        problem: The reason why the body could not be decoded; None if it could.
        exceeded: The limit that the body exceeded, in bytes; None if the body was read to its end.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    receipt: Receipt
    problem: str | None = None
    exceeded: int | None = None

    @classmethod
    def read(
        cls,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        *,
        problem: str | None = None,
        exceeded: int | None = None,
    ) -> "WireResponse":
        """Build a response from its parts; never fail, even with bad headers."""
        receipt = Receipt(status=status, request_id=_request_id(headers), rate_limit=rate_limit(headers))
        return cls(status, headers, body, receipt, problem, exceeded)


# -- Headers ----------------------------------------------------------------------------------------------


def rate_limit(headers: Mapping[str, str]) -> RateLimit:
    """Read the rate headers; each is None if missing or not believable.

    The reset is in Unix seconds, by the overview's example. The seconds *until* the reset are counted from
    the response's own `Date`, so that a wrong local clock does no harm.
    """
    limit, remaining = _count(headers, "Limit", least=1), _count(headers, "Remaining", least=0)
    reset = _number(headers.get("X-RateLimit-Reset"))
    if reset is None or not DATES[0] <= reset <= DATES[1]:
        return RateLimit(limit=limit, remaining=remaining)
    resets_in = reset - server_time(headers)
    if not -LONGEST_RESET <= resets_in <= LONGEST_RESET:
        return RateLimit(limit=limit, remaining=remaining)
    return RateLimit(
        limit=limit,
        remaining=remaining,
        resets_at=datetime.fromtimestamp(reset, UTC),
        resets_in=max(resets_in, 0.0),
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait by `Retry-After`, or None.

    The header is a number, or an HTTP date that is compared with the response's `Date`. The result is None if
    the header is missing or makes no sense, and at most `LONGEST_RETRY_AFTER`.
    """
    text = headers.get("Retry-After", "")
    seconds = _number(text)
    if seconds is None:
        date = _http_date(text)
        return None if date is None else min(max(date - server_time(headers), 0.0), LONGEST_RETRY_AFTER)
    return None if seconds < 0 else min(seconds, LONGEST_RETRY_AFTER)


def server_time(headers: Mapping[str, str]) -> float:
    """Return the time at which the server sent this, in Unix seconds.

    The time is by the server's clock, or by the local clock if the response has no `Date`.
    """
    date = _http_date(headers.get("Date", ""))
    return clock.wall_seconds() if date is None else date


def _request_id(headers: Mapping[str, str]) -> str | None:
    """Return the request id in a form fit for errors and logs."""
    text = headers.get("X-Request-Id")
    return None if text is None else excerpt(text.encode("utf-8", "replace").decode("utf-8"))


def _count(headers: Mapping[str, str], name: str, *, least: int) -> int | None:
    number = _number(headers.get(f"X-RateLimit-{name}"))
    return None if number is None or not least <= number <= MAX_REQUESTS else int(number)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None and len(text) <= MAX_NUMBER else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


@functools.lru_cache(maxsize=16)  # all responses of one second carry the same Date, and parsing it is slow
def _http_date(text: str) -> float | None:
    try:
        seconds = _as_utc(parsedate_to_datetime(text)).timestamp() if len(text) <= MAX_NUMBER else math.nan
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return seconds if DATES[0] <= seconds <= DATES[1] else None


def _as_utc(date: datetime) -> datetime:
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


# -- Errors -----------------------------------------------------------------------------------------------


def parse_error(answer: WireResponse, endpoint: Endpoint, *, told: str | None = None) -> ApiError | None:
    """Return the error that a response means, or None for a success.

    A success status is all that counts here; `parse_result` judges the body.

    Args:
        answer: The response.
        endpoint: The operation.
        told: The message of the error; None takes the message in the body.
    """
    if 200 <= answer.status < 300:
        return None
    code, message = _envelope(answer, endpoint)
    cls = error_class(answer.status, code)
    if cls is ValidationFailed and code and endpoint.by_status and not _has_field_error(message):
        cls = WrongStatus
    return cls(
        told or message,
        status=answer.status,
        code=code,
        endpoint=endpoint.name,
        request_id=answer.receipt.request_id,
        rate_limit=answer.receipt.rate_limit,
        retry_after=retry_after(answer.headers),
    )


def _excerpt(answer: WireResponse, endpoint: Endpoint, taken: int, length: int) -> str:
    """Return the beginning of a body, for an error.

    A body that may hold a new secret is never quoted.
    """
    if endpoint.holds_secret:
        return f"{len(answer.body)} bytes, which may hold a secret and are not shown" if answer.body else ""
    return excerpt(answer.body[:taken].decode("utf-8", "replace"), length)


def _without_excerpt(problem: str, endpoint: Endpoint) -> str:
    """Return a problem without the quoted value if that may be secret."""
    return problem.partition(", got ")[0] if endpoint.holds_secret else problem


def _envelope(answer: WireResponse, endpoint: Endpoint) -> tuple[str | None, str]:
    """Return the code and message of the API's own envelope.

    The code is None if the body is no such envelope. Gateways and hosts have envelopes much like it. So an
    envelope that does not repeat the status of its response is the API's own only if its code is documented.
    """
    try:
        error = loads(answer.body)["error"]
        code, message, status = error["code"], error["message"], error.get("status")
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        code = message = status = None
    match code, message:
        case str(), str() if code and (code in BY_CODE if status is None else status == answer.status):
            return code, message
    text = _excerpt(answer, endpoint, 2000, 200)
    return None, f"not the documented error envelope: {text}" if text else "empty answer"


def _has_field_error(message: str) -> bool:
    return ": " in message


# -- Results ----------------------------------------------------------------------------------------------


def parse_result(answer: WireResponse, endpoint: Endpoint, returns: type[T]) -> T:
    """Read a successful response as `returns`.

    `object` accepts any JSON as it came, and an empty body as None.

    Raises:
        InvalidResponse: The body is no JSON, or a required field is missing or has another type.
        ResponseTooLarge: The body is larger than the client's limit.
    """
    request_id = answer.receipt.request_id
    if answer.exceeded is not None:
        raise ResponseTooLarge(answer.exceeded, endpoint=endpoint.name, request_id=request_id)
    if answer.problem is not None:
        raise InvalidResponse("$", answer.problem, endpoint=endpoint.name, request_id=request_id)
    try:
        result, siblings = _read(answer, endpoint, returns)
    except InvalidResponse as error:
        path, problem = error.path, _without_excerpt(error.problem, endpoint)
    except ValueError:
        path, problem = "$", f"expected JSON, got {_excerpt(answer, endpoint, 500, 80)!r}"
    else:
        return _add_siblings(result, siblings, answer, endpoint)
    # Raised here, where no frame of the traceback holds the body, which may grant access.
    raise InvalidResponse(path, problem, endpoint=endpoint.name, request_id=request_id)


def _read(answer: WireResponse, endpoint: Endpoint, returns: type[T]) -> tuple[T, Mapping[str, Any]]:
    payload, path = (loads(answer.body) if answer.body or returns is not object else None), "$"
    siblings: Mapping[str, Any] = NO_EXTRA
    if endpoint.unwrap is not None:
        payload, siblings = _unwrap(payload, endpoint.unwrap)
        path = f"$.{endpoint.unwrap}"
    if returns is object:
        return cast("T", payload), siblings
    try:
        return structure(payload, returns, path), siblings
    except InvalidResponse:
        if not is_foreign(payload, returns):
            raise
    raise InvalidResponse(path, f"has no field of {returns.__name__}: it is hardly the API's own answer")


def _add_siblings(result: T, siblings: Mapping[str, Any], answer: WireResponse, endpoint: Endpoint) -> T:
    """Add the facts that stand outside a result's part of the body.

    These are the receipt, the other fields of the envelope, and `existed`.
    """
    # Results are frozen for all other code.
    if endpoint.holds_secret and isinstance(result, Response):
        values = [
            attrs.evolve(each, problem=_without_excerpt(each.problem, endpoint)) for each in result.unreadable
        ]
        object.__setattr__(result, "unreadable", tuple(values))
    if isinstance(result, Response | ItemList):
        object.__setattr__(result, "receipt", answer.receipt)
        if siblings:
            object.__setattr__(result, "extra" if isinstance(result, ItemList) else "envelope", siblings)
    if isinstance(result, Response) and endpoint.success[1:] == (200,):
        object.__setattr__(
            result, "existed", answer.status == 200
        )  # 201 or 202 is new, 200 was there already
    return result


def _unwrap(payload: Any, key: str) -> tuple[Any, Mapping[str, Any]]:
    """Return the content of an envelope, and the other fields beside it."""
    if not isinstance(payload, dict):
        raise InvalidResponse("$", f"expected an object, got {type(payload).__name__}")
    if key not in payload:
        raise InvalidResponse(f"$.{key}", "is missing")
    return payload[key], {name: value for name, value in payload.items() if name != key}
