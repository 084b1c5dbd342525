"""Decisions about retries, from what the server may have done.

| what happened                          | the server        | then                                         |
| -------------------------------------- | ----------------- | -------------------------------------------- |
| no connection                          | saw nothing       | retry                                        |
| 429 `rate_limited` of the minute       | refused           | the whole account waits, then retry          |
| 503 in the API's own envelope          | refused           | retry, not before its `Retry-After`          |
| another error in that envelope, below  | decided           | raise it                                     |
| 500                                    |                   |                                              |
| 5xx, an error without the envelope, a  | may have done it  | retry if that is harmless (`Idempotency`),   |
| broken or late or unreadable response  |                   | else `OutcomeUnknown`                        |

Only the API's own envelope is a decision of the API. The page of a gateway is not, even with the same status.
But a page with status 429 or 503 that names a time to wait makes the whole account wait, too.

`Retry-After` is a minimum: jitter is added to it. If it is longer than the policy or the caller's deadline
allows, the error is raised instead.
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
    """The limits of retries.

    Attributes:
        attempts: The number of times one call is sent in all, not counting rate-limit refusals; 1 means no
            retry.
        refusals: The number of 429 `rate_limited` responses that one call tolerates.
        base: The first delay is drawn from 0 to this many seconds; the range doubles each time (full jitter).
        cap: The longest delay that is drawn, in seconds.
        longest_wait: The longest `Retry-After` that is waited for, in seconds; for a longer one the error is
            raised.
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
        """Return the delays of one call, in seconds, without end.

        They grow exponentially, with full jitter.
        """
        spread = backoff.expo(base=2, factor=self.base, max_value=self.cap)
        next(spread)  # backoff's generators begin with a priming yield
        return (backoff.full_jitter(delay) for delay in spread)


class RetryDecision(Enum):
    """The reaction to a failure."""

    RAISE = "raise"
    RATE_LIMITED = "paced"
    RETRY = "again"
    IN_DOUBT = "in doubt"


def decide(failure: EversinceError, endpoint: Endpoint) -> RetryDecision:
    """Decide how to react to a failure, by the table above."""
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
            return RetryDecision.RAISE  # the next response would be as large
        case InvalidResponse() if failure.path == "$" or endpoint.resend in {
            Idempotency.UNSAFE,
            Idempotency.KEYED,
        }:
            pass
        case _:
            return RetryDecision.RAISE
    return RetryDecision.IN_DOUBT if endpoint.resend is Idempotency.UNSAFE else RetryDecision.RETRY


LASTING: Final = frozenset({405, 411, 413, 414, 415, 431, 501, 505})
"""The statuses with which a gateway refuses such a request for good."""


def will_last(failure: EversinceError) -> bool:
    """Return True if a gateway would refuse the same request again.

    Such a response is a redirect, or a page with one of the `LASTING` statuses, e.g. for a request that is
    too large.
    """
    if not isinstance(failure, ApiError) or failure.is_documented:
        return False
    return failure.status < 400 or failure.status in LASTING


def is_definite(failure: EversinceError) -> bool:
    """Return True if a failure proves what the server did.

    The error of a failing server and the page of a gateway prove nothing, and neither does a response that
    cannot be read.
    """
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
    """Return True if the whole account must wait as a response demands.

    The response names the wait by `Retry-After`.
    """
    match failure:
        case RateLimited():
            return True
        case ServiceUnavailable():
            return not failure.is_documented and failure.retry_after is not None
        case _:
            return False


JITTER: Final = 0.25
"""The largest jitter that is added to a `Retry-After`, in seconds."""


@attrs.define
class RetryState:
    """The attempts of one call so far.

    Attributes:
        policy: The limits of the attempts.
        sent: The number of times the call was sent.
        failed: The number of attempts that failed in any way other than a rate-limit refusal.
        refused: The number of attempts that were refused because of the rate limit.
        in_doubt: True if the server may have acted on one of the attempts.
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
        """Return the seconds until the next attempt, or None for none."""
        server_wait = failure.retry_after if isinstance(failure, ApiError) else None
        if sort is RetryDecision.RATE_LIMITED:
            self.refused += 1
            patient = self.refused <= self.policy.refusals
            server_wait = _until_reset(failure) if server_wait is None else server_wait
        else:
            self.failed += 1
            patient = self.failed < self.policy.attempts
        if not patient or (server_wait is not None and server_wait > self.policy.longest_wait):
            return None
        if server_wait is None:
            return next(self._delays)
        return server_wait + random.uniform(0.0, JITTER)


def _until_reset(failure: EversinceError) -> float | None:
    """Return the seconds until the window resets, or None if unknown.

    This serves for a 429 without `Retry-After`: the reset of the window says the same (contradictions, 76).
    """
    rate_limit = failure.rate_limit if isinstance(failure, ApiError) else None
    return None if rate_limit is None else rate_limit.resets_in
