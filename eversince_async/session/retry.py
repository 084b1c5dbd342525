"""When a failed attempt may be repeated, decided from what the server may have done.

| what happened                          | the server        | then                                         |
| -------------------------------------- | ----------------- | -------------------------------------------- |
| no connection                          | saw nothing       | again                                        |
| 429 `rate_limited` of the minute       | refused           | the whole account waits, then again          |
| 503 in the API's own envelope          | refused           | again, not before its `Retry-After`          |
| another error in that envelope, below  | decided           | raise it                                     |
| 500                                    |                   |                                              |
| 5xx, an error without the envelope, a  | may have done it  | again where that is harmless (`Idempotency`),|
| broken or late or unreadable answer    |                   | else `OutcomeUnknown`                        |

Only the API's own envelope decides: a page of a gateway is nobody's verdict, whatever its status. With 429 or
503 it has the whole account wait, too, if it names a pace.

`Retry-After` is a floor: jitter comes on top, and one that is longer than the policy or the caller's
deadline allows is raised instead of slept.
"""

import random
from collections.abc import Iterator
from enum import Enum
from typing import Final

import attrs
import backoff

from eversince_async._wire.endpoints import Endpoint, Idempotency
from eversince_async.errors import (
    ApiError,
    ConfigurationError,
    EversinceError,
    InvalidResponse,
    RateLimited,
    ResponseTooLarge,
    ServerError,
    ServiceUnavailable,
    TransportError,
)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How patiently failed attempts are repeated.

    Attributes:
        attempts: Times one call is sent in all, not counting refusals with a pace; 1 is no retry.
        refusals: How many 429 `rate_limited` answers one call puts up with.
        base: Seconds the first delay is drawn from; each next one from twice as much (full jitter).
        cap: Seconds no drawn delay exceeds.
        longest_wait: Seconds; a longer `Retry-After` is raised rather than waited for.
    """

    attempts: int = 4
    refusals: int = 8
    base: float = 0.5
    cap: float = 20.0
    longest_wait: float = 120.0

    def __attrs_post_init__(self) -> None:
        if self.attempts < 1 or self.refusals < 0:
            raise ConfigurationError("RetryPolicy: attempts must be at least 1, refusals at least 0")
        if min(self.base, self.cap, self.longest_wait) < 0:
            raise ConfigurationError("RetryPolicy: base, cap and longest_wait are seconds, not negative")

    def delays(self) -> Iterator[float]:
        """Fresh delays for one call, in seconds: exponential with full jitter, without end."""
        spread = backoff.expo(base=2, factor=self.base, max_value=self.cap)
        next(spread)  # backoff's generators begin with a priming yield
        return (backoff.full_jitter(delay) for delay in spread)


class RetryDecision(Enum):
    """What a failure allows."""

    RAISE = "raise"
    RATE_LIMITED = "paced"
    RETRY = "again"
    IN_DOUBT = "in doubt"


def decide(failure: EversinceError, endpoint: Endpoint) -> RetryDecision:
    """Sort a failure by the table above."""
    match failure:
        case TransportError(outcome="never_sent"):
            return RetryDecision.RETRY
        case RateLimited() if failure.is_documented or endpoint.resend is not Idempotency.UNSAFE:
            return RetryDecision.RAISE if failure.is_daily_limit else RetryDecision.RATE_LIMITED
        case ServiceUnavailable(is_documented=True):
            return RetryDecision.RETRY
        case ApiError() if will_last(failure) and endpoint.resend is not Idempotency.UNSAFE:
            return RetryDecision.RAISE
        case TransportError() | ServerError() | ApiError(is_documented=False):
            pass
        case ResponseTooLarge() if endpoint.resend in {Idempotency.IDEMPOTENT, Idempotency.DELETE}:
            return RetryDecision.RAISE  # the same again would be as large
        case InvalidResponse() if failure.path == "$" or endpoint.resend in {
            Idempotency.UNSAFE,
            Idempotency.KEYED,
        }:
            pass
        case _:
            return RetryDecision.RAISE
    return RetryDecision.IN_DOUBT if endpoint.resend is Idempotency.UNSAFE else RetryDecision.RETRY


LASTING: Final = frozenset({405, 411, 413, 414, 415, 431, 501, 505})
"""Statuses with which a gateway says that it does not pass such a request on, today or tomorrow."""


def will_last(failure: EversinceError) -> bool:
    """Whether the same request would meet the same page of a gateway again: a redirect, or one too large."""
    if not isinstance(failure, ApiError) or failure.is_documented:
        return False
    return failure.status < 400 or failure.status in LASTING


def is_definite(failure: EversinceError) -> bool:
    """Whether an answer tells what the server did: a failing server and a page of a gateway do not."""
    match failure:
        case ServiceUnavailable():
            return failure.is_documented
        case ServerError() | InvalidResponse():
            return False
        case ApiError():
            return failure.is_documented
        case _:
            return True


def pace_of_all(failure: EversinceError) -> bool:
    """Whether a pace that an answer names, by `Retry-After`, is for everybody."""
    match failure:
        case RateLimited():
            return True
        case ServiceUnavailable():
            return not failure.is_documented and failure.retry_after is not None
        case _:
            return False


JITTER: Final = 0.25
"""Seconds of jitter, at most, on top of a `Retry-After`."""


@attrs.define
class RetryState:
    """The attempts of one call so far.

    Attributes:
        policy: How many there may be.
        sent: How often it was sent.
        failed: How many of these failed otherwise than with a pace.
        refused: How many were refused with a pace.
        in_doubt: Whether the server may have acted on one of them.
    """

    policy: RetryPolicy
    sent: int = 0
    failed: int = 0
    refused: int = 0
    in_doubt: bool = False
    _delays: Iterator[float] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._delays = self.policy.delays()

    def next_delay(self, failure: EversinceError, sort: RetryDecision) -> float | None:
        """Seconds to wait before the next attempt; None when there is to be none."""
        asked = failure.retry_after if isinstance(failure, ApiError) else None
        if sort is RetryDecision.RATE_LIMITED:
            self.refused += 1
            patient = self.refused <= self.policy.refusals
            asked = _until_reset(failure) if asked is None else asked
        else:
            self.failed += 1
            patient = self.failed < self.policy.attempts
        if not patient or (asked is not None and asked > self.policy.longest_wait):
            return None
        if asked is None:
            return next(self._delays)
        return asked + random.uniform(0.0, JITTER)


def _until_reset(failure: EversinceError) -> float | None:
    """A 429 without `Retry-After`: the window's reset says the same (contradictions, 76)."""
    rate_limit = failure.rate_limit if isinstance(failure, ApiError) else None
    return None if rate_limit is None else rate_limit.resets_in
