"""When a look before it is due pays, and when it can be afforded."""

import math

import attrs
import pytest

from eversince_async import ConfigurationError
from eversince_async.governor import Governor, Limits
from eversince_async.orchestrator.foresight import Foresight, UnderWay
from eversince_async.orchestrator.schedule import PollSchedule
from eversince_async.orchestrator.timing import Timing, Unseen


@attrs.define
class Wanted:
    """A governor that says what it is told to."""

    requests: float = 30.0
    at: float = 0.0

    def allowance(self) -> float:
        return self.requests

    def expected_at(self, lane: object, now: float) -> float:
        return max(now, self.at)


def timing(spare: float = 0.5, *, governor: object = None, foresight: Foresight | None = None) -> Timing:
    made = Timing(PollSchedule(spare=spare), governor or Wanted(), foresight or Foresight())  # type: ignore[arg-type]
    made.looked_at = 100.0
    return made


def new(began_at: float = 90.0, seen_at: float = 100.0) -> Unseen:
    return Unseen(UnderWay("settle", began_at), seen_at)


def test_no_look_is_closer_than_five_seconds() -> None:
    assert 105.0 == timing().early_at([new()], 100.0, 130.0)


def test_without_spare_there_is_no_early_look() -> None:
    assert math.inf == timing(spare=0).early_at([new()], 100.0, 130.0)


def test_there_is_none_for_nobody() -> None:
    assert math.inf == timing().early_at([], 100.0, 130.0)


def test_there_is_none_while_nothing_can_have_ended() -> None:
    foresight = Foresight()
    for _ in range(30):
        foresight.learn("settle", 600.0)

    assert math.inf == timing(foresight=foresight).early_at([new(began_at=40.0)], 100.0, 120.0)


def test_it_comes_when_the_shortest_seen_may_have_ended() -> None:
    foresight = Foresight()
    for duration in (60.0, 62.0, 64.0, 66.0) * 5:
        foresight.learn("settle", duration)

    assert 110.0 <= timing(foresight=foresight).early_at([new(began_at=50.0)], 100.0, 120.0) <= 113.0


def test_demand_for_slots_makes_it_come_sooner() -> None:
    old = [new(began_at=-500.0)]

    assert timing().early_at(old, 100.0, 145.0, in_demand=True) < timing().early_at(old, 100.0, 145.0)


def test_it_waits_for_whoever_wants_the_requests_more() -> None:
    assert 117.0 == timing(governor=Wanted(at=117.0)).early_at([new()], 100.0, 130.0)


def test_early_looks_take_no_more_than_their_share_of_a_minute() -> None:
    made = timing(0.1)  # three of thirty
    for at in (60.0, 70.0, 100.0):
        made.bought(1, at)

    assert 120.0 == made.early_at([new()], 100.0, 130.0)


def test_a_share_of_less_than_one_request_buys_nothing() -> None:
    made = timing(0.1, governor=Wanted(requests=5.0))
    made.bought(1, 99.0)

    assert math.inf == made.early_at([new()], 100.0, 130.0)


def test_a_real_governor_answers_what_is_asked_of_it() -> None:
    made = Timing(PollSchedule(), Governor(Limits()), Foresight())

    assert 100.0 <= made.early_at([new()], 100.0, 130.0) < 130.0


@pytest.mark.parametrize("spare", [-0.1, 1.1, math.nan])
def test_spare_is_a_share(spare: float) -> None:
    with pytest.raises(ConfigurationError):
        PollSchedule(spare=spare)
