"""How long to wait between attempts, and how often to try."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async import ConfigurationError, InternalError, RateLimit, RateLimited, RetryPolicy
from eversince_async._wire.endpoints import CREATE_PROJECT, ENDPOINTS, GET_PROJECT, RENDER, Endpoint, Resend
from eversince_async.errors import (
    ConnectionFailed,
    InvalidRequest,
    ServiceUnavailable,
    UnreadableAnswer,
)
from eversince_async.session.retry import JITTER, Tries, Verdict, verdict

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
    wait = Tries(RetryPolicy()).wait_after(limited(asked), Verdict.PACED)

    assert wait is not None
    assert asked <= wait <= asked + JITTER


@given(asked=seconds)
def test_retry_after_of_a_503_is_a_floor_too(asked: float) -> None:
    busy = ServiceUnavailable("busy", status=503, code="service_unavailable", retry_after=asked)
    wait = Tries(RetryPolicy()).wait_after(busy, Verdict.AGAIN)

    assert wait is not None
    assert asked <= wait <= asked + JITTER


@given(resets_in=seconds)
def test_reset_stands_in_for_retry_after(resets_in: float) -> None:
    wait = Tries(RetryPolicy()).wait_after(limited(None, resets_in), Verdict.PACED)

    assert wait is not None
    assert resets_in <= wait <= resets_in + JITTER


@given(base=st.floats(0.01, 5), cap=st.floats(0.01, 30))
def test_delays_grow_up_to_the_cap(base: float, cap: float) -> None:
    """The n-th is drawn from 0 to base times 2 to the n, and never beyond the cap."""
    delays = list(islice(RetryPolicy(base=base, cap=cap).delays(), 8))

    assert all(0 <= delay <= min(base * 2**n, cap) for n, delay in enumerate(delays))


@given(attempts=st.integers(1, 9), refusals=st.integers(0, 9))
def test_both_bounds_hold(attempts: int, refusals: int) -> None:
    tries = Tries(RetryPolicy(attempts=attempts, refusals=refusals))
    broken = ConnectionFailed("reset", endpoint="projects.get")
    again = [tries.wait_after(broken, Verdict.AGAIN) for _ in range(attempts)]
    paced = [tries.wait_after(limited(1.0), Verdict.PACED) for _ in range(refusals + 1)]

    assert ([False] * (attempts - 1) + [True]) == [wait is None for wait in again]
    assert ([False] * refusals + [True]) == [wait is None for wait in paced]


def test_longest_wait_is_still_waited() -> None:
    policy = RetryPolicy(longest_wait=10.0)

    assert Tries(policy).wait_after(limited(10.0), Verdict.PACED) is not None
    assert Tries(policy).wait_after(limited(10.5), Verdict.PACED) is None


def test_reset_further_away_than_the_longest_wait_is_not_waited_for() -> None:
    """It means the day, not the minute."""
    assert Tries(RetryPolicy()).wait_after(limited(None, 20 * 3600.0), Verdict.PACED) is None


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

    assert Verdict.AGAIN is verdict(failure, GET_PROJECT)
    assert Verdict.IN_DOUBT is verdict(failure, RENDER)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_what_was_never_sent_is_sent_again_everywhere(endpoint: object) -> None:
    failure = ConnectionFailed("refused", endpoint="x", outcome="never_sent")

    assert Verdict.AGAIN is verdict(failure, endpoint)  # type: ignore[arg-type]  # parametrized


def test_an_answer_that_does_not_fit_is_raised() -> None:
    """The server has done it; only what it said about it is odd."""
    assert Verdict.RAISE is verdict(UnreadableAnswer("$.id", "is missing"), GET_PROJECT)


def test_a_local_refusal_is_raised() -> None:
    assert Verdict.RAISE is verdict(InvalidRequest({"brief": "is empty"}), GET_PROJECT)


def test_every_write_that_could_happen_twice_says_how_to_find_out() -> None:
    silent = [each.name for each in ENDPOINTS if each.resend is Resend.OBSERVE and not each.find_out]

    assert [] == silent


@pytest.mark.parametrize(
    ("retry_after", "remaining", "expected"),
    [
        (None, None, Verdict.PACED),
        (None, 0, Verdict.PACED),
        (3.0, 0, Verdict.PACED),
        (3.0, 29, Verdict.PACED),
        (None, 29, Verdict.RAISE),
        (3600.0, 0, Verdict.RAISE),
    ],
)
def test_refusal_that_names_a_pace_is_waited_for(
    retry_after: float | None, remaining: int | None, expected: Verdict
) -> None:
    """Whatever the other headers say; without one, requests that are left mean another limit."""
    refusal = RateLimited(
        "slow down", status=429, retry_after=retry_after, rate_limit=RateLimit(remaining=remaining)
    )

    assert expected is verdict(refusal, GET_PROJECT)


@pytest.mark.parametrize(("remaining", "expected"), [(0, Verdict.PACED), (29, Verdict.RAISE)])
@pytest.mark.parametrize("endpoint", [CREATE_PROJECT, RENDER], ids=lambda endpoint: endpoint.name)
def test_a_refusal_with_requests_left_of_what_has_a_daily_limit_is_not_of_the_minute(
    endpoint: Endpoint, remaining: int, expected: Verdict
) -> None:
    """However short the wait is that it asks for."""
    refusal = RateLimited(
        "slow down",
        status=429,
        code="rate_limited",
        retry_after=3.0,
        rate_limit=RateLimit(remaining=remaining),
        endpoint=endpoint.name,
    )

    assert expected is verdict(refusal, endpoint)
