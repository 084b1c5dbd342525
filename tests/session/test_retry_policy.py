"""The delays between attempts, and their number."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async import ConfigurationError, InternalError, RateLimit, RateLimited, RetryPolicy
from eversince_async._wire.endpoints import (
    CREATE_PROJECT,
    ENDPOINTS,
    GET_PROJECT,
    RENDER,
    Endpoint,
    Idempotency,
)
from eversince_async.errors import (
    ConnectionFailed,
    InvalidRequest,
    InvalidResponse,
    ServiceUnavailable,
)
from eversince_async.session.retry import JITTER, RetryDecision, RetryState, decide

seconds = st.floats(min_value=0, max_value=120)


def limited(retry_after: float | None = None, resets_in: float | None = None) -> RateLimited:
    return RateLimited(
        "slow down",
        status=429,
        code="rate_limited",
        retry_after=retry_after,
        rate_limit=RateLimit(resets_in=resets_in),
    )


@given(asked=seconds)
def test_jitter_never_goes_below_retry_after(asked: float) -> None:
    wait = RetryState(RetryPolicy()).next_delay(limited(asked), RetryDecision.RATE_LIMITED)

    assert wait is not None
    assert asked <= wait <= asked + JITTER


@given(asked=seconds)
def test_retry_after_of_a_503_is_a_floor_too(asked: float) -> None:
    busy = ServiceUnavailable("busy", status=503, code="service_unavailable", retry_after=asked)
    wait = RetryState(RetryPolicy()).next_delay(busy, RetryDecision.RETRY)

    assert wait is not None
    assert asked <= wait <= asked + JITTER


@given(resets_in=seconds)
def test_reset_stands_in_for_retry_after(resets_in: float) -> None:
    wait = RetryState(RetryPolicy()).next_delay(limited(None, resets_in), RetryDecision.RATE_LIMITED)

    assert wait is not None
    assert resets_in <= wait <= resets_in + JITTER


@given(base=st.floats(0.01, 5), cap=st.floats(0.01, 30))
def test_delays_grow_up_to_the_cap(base: float, cap: float) -> None:
    """The n-th delay is at most base times 2**n.

    It is never more than the cap.
    """
    delays = list(islice(RetryPolicy(base=base, cap=cap).delays(), 8))

    assert all(0 <= delay <= min(base * 2**n, cap) for n, delay in enumerate(delays))


@given(attempts=st.integers(1, 9), refusals=st.integers(0, 9))
def test_both_bounds_hold(attempts: int, refusals: int) -> None:
    tries = RetryState(RetryPolicy(attempts=attempts, refusals=refusals))
    broken = ConnectionFailed("reset", endpoint="projects.get")
    again = [tries.next_delay(broken, RetryDecision.RETRY) for _ in range(attempts)]
    paced = [tries.next_delay(limited(1.0), RetryDecision.RATE_LIMITED) for _ in range(refusals + 1)]

    assert ([False] * (attempts - 1) + [True]) == [wait is None for wait in again]
    assert ([False] * refusals + [True]) == [wait is None for wait in paced]


def test_longest_wait_is_still_waited() -> None:
    policy = RetryPolicy(longest_wait=10.0)

    assert RetryState(policy).next_delay(limited(10.0), RetryDecision.RATE_LIMITED) is not None
    assert RetryState(policy).next_delay(limited(10.5), RetryDecision.RATE_LIMITED) is None


def test_reset_further_away_than_the_longest_wait_is_not_waited_for() -> None:
    """Such a reset belongs to the daily limit."""
    assert (
        RetryState(RetryPolicy()).next_delay(limited(None, 20 * 3600.0), RetryDecision.RATE_LIMITED) is None
    )


@pytest.mark.parametrize(
    "wrong",
    [{"attempts": 0}, {"refusals": -1}, {"base": -0.1}, {"cap": -1.0}, {"longest_wait": -1.0}],
    ids=str,
)
def test_impossible_policies_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        RetryPolicy(**wrong)  # type: ignore[arg-type]  # some are ints


def test_failure_that_is_in_doubt_depends_on_the_endpoint() -> None:
    failure = InternalError("oops", status=500)

    assert RetryDecision.RETRY is decide(failure, GET_PROJECT)
    assert RetryDecision.IN_DOUBT is decide(failure, RENDER)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_what_was_never_sent_is_sent_again_everywhere(endpoint: object) -> None:
    failure = ConnectionFailed("refused", endpoint="x", outcome="never_sent")

    assert RetryDecision.RETRY is decide(failure, endpoint)  # type: ignore[arg-type]  # parametrized


def test_an_answer_that_does_not_fit_is_raised() -> None:
    """The server has done it; only its response is odd."""
    assert RetryDecision.RAISE is decide(InvalidResponse("$.id", "is missing"), GET_PROJECT)


def test_a_local_refusal_is_raised() -> None:
    assert RetryDecision.RAISE is decide(InvalidRequest({"brief": "is empty"}), GET_PROJECT)


def test_every_write_that_could_happen_twice_says_how_to_find_out() -> None:
    silent = [each.name for each in ENDPOINTS if each.resend is Idempotency.UNSAFE and not each.how_to_check]

    assert [] == silent


@pytest.mark.parametrize(
    ("retry_after", "remaining", "expected"),
    [
        (None, None, RetryDecision.RATE_LIMITED),
        (None, 0, RetryDecision.RATE_LIMITED),
        (3.0, 0, RetryDecision.RATE_LIMITED),
        (3.0, 29, RetryDecision.RATE_LIMITED),
        (None, 29, RetryDecision.RAISE),
        (3600.0, 0, RetryDecision.RAISE),
    ],
)
def test_refusal_that_names_a_pace_is_waited_for(
    retry_after: float | None, remaining: int | None, expected: RetryDecision
) -> None:
    """The other headers do not matter if the refusal names a pace.

    Without a pace, requests that are left mean another limit.
    """
    refusal = RateLimited(
        "slow down", status=429, retry_after=retry_after, rate_limit=RateLimit(remaining=remaining)
    )

    assert expected is decide(refusal, GET_PROJECT)


@pytest.mark.parametrize(
    ("remaining", "expected"), [(0, RetryDecision.RATE_LIMITED), (29, RetryDecision.RAISE)]
)
@pytest.mark.parametrize("endpoint", [CREATE_PROJECT, RENDER], ids=lambda endpoint: endpoint.name)
def test_a_refusal_with_requests_left_of_what_has_a_daily_limit_is_not_of_the_minute(
    endpoint: Endpoint, remaining: int, expected: RetryDecision
) -> None:
    """Even a short requested wait does not change that."""
    refusal = RateLimited(
        "slow down",
        status=429,
        code="rate_limited",
        retry_after=3.0,
        rate_limit=RateLimit(remaining=remaining),
        endpoint=endpoint.name,
    )

    assert expected is decide(refusal, endpoint)
