"""Early polls: the times at which they pay and can be afforded."""

import math

import attrs
import pytest

from eversince_async import ConfigurationError
from eversince_async.governor import Governor, Limits
from eversince_async.polling.durations import DurationModel, StageInProgress
from eversince_async.polling.early import EarlyPollPolicy, PendingStage
from eversince_async.polling.schedule import PollSchedule


@attrs.define
class Wanted:
    """A governor with fixed answers."""

    requests: float = 30.0
    at: float = 0.0

    def allowance(self) -> float:
        return self.requests

    def estimated_departure(self, lane: object, now: float) -> float:
        return max(now, self.at)


def timing(
    spare: float = 0.5, *, governor: object = None, duration_model: DurationModel | None = None
) -> EarlyPollPolicy:
    made = EarlyPollPolicy(PollSchedule(spare=spare), governor or Wanted(), duration_model or DurationModel())  # type: ignore[arg-type]
    made.last_poll_at = 100.0
    return made


def new(began_at: float = 90.0, seen_at: float = 100.0) -> PendingStage:
    return PendingStage(StageInProgress("settle", began_at), seen_at)


def test_no_look_is_closer_than_five_seconds() -> None:
    assert 105.0 == timing().next_early_poll([new()], 100.0, 130.0)


def test_without_spare_there_is_no_early_look() -> None:
    assert math.inf == timing(spare=0).next_early_poll([new()], 100.0, 130.0)


def test_there_is_none_for_nobody() -> None:
    assert math.inf == timing().next_early_poll([], 100.0, 130.0)


def test_there_is_none_while_nothing_can_have_ended() -> None:
    duration_model = DurationModel()
    for _ in range(30):
        duration_model.record("settle", 600.0)

    assert math.inf == timing(duration_model=duration_model).next_early_poll(
        [new(began_at=40.0)], 100.0, 120.0
    )


def test_it_comes_when_the_shortest_seen_may_have_ended() -> None:
    duration_model = DurationModel()
    for duration in (60.0, 62.0, 64.0, 66.0) * 5:
        duration_model.record("settle", duration)

    assert (
        110.0
        <= timing(duration_model=duration_model).next_early_poll([new(began_at=50.0)], 100.0, 120.0)
        <= 113.0
    )


def test_demand_for_slots_makes_it_come_sooner() -> None:
    old = [new(began_at=-500.0)]

    assert timing().next_early_poll(old, 100.0, 145.0, in_demand=True) < timing().next_early_poll(
        old, 100.0, 145.0
    )


def test_it_waits_for_whoever_wants_the_requests_more() -> None:
    assert 117.0 == timing(governor=Wanted(at=117.0)).next_early_poll([new()], 100.0, 130.0)


def test_early_looks_take_no_more_than_their_share_of_a_minute() -> None:
    made = timing(0.1)  # three of thirty
    for at in (60.0, 70.0, 100.0):
        made.record_early(1, at)

    assert 120.0 == made.next_early_poll([new()], 100.0, 130.0)


def test_a_share_of_less_than_one_request_buys_nothing() -> None:
    made = timing(0.1, governor=Wanted(requests=5.0))
    made.record_early(1, 99.0)

    assert math.inf == made.next_early_poll([new()], 100.0, 130.0)


def test_a_real_governor_answers_what_is_asked_of_it() -> None:
    made = EarlyPollPolicy(PollSchedule(), Governor(Limits()), DurationModel())

    assert 100.0 <= made.next_early_poll([new()], 100.0, 130.0) < 130.0


@pytest.mark.parametrize("spare", [-0.1, 1.1, math.nan])
def test_spare_is_a_share(spare: float) -> None:
    with pytest.raises(ConfigurationError):
        PollSchedule(spare=spare)
