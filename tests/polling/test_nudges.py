"""The time of a poll that follows a nudge, computed without waiting."""

import math
import time

from eversince_async.polling.nudges import BURST, MIN_INTERVAL, NUDGE_TTL, NudgeThrottle
from eversince_async.polling.schedule import MIN_POLL_INTERVAL


def test_a_project_without_news_is_never_due() -> None:
    assert math.inf == NudgeThrottle().due_at("p1", 0.0)


def test_news_are_due_at_once_until_a_look_that_was_asked_for_later() -> None:
    nudges = NudgeThrottle()
    nudges.add("p1", 10.0)
    nudges.observed("p1", requested_at=9.0)
    assert math.inf != nudges.due_at("p1", 10.0)

    nudges.observed("p1", requested_at=10.0)
    assert math.inf == nudges.due_at("p1", 10.0)


def test_looks_at_one_project_keep_apart() -> None:
    nudges = NudgeThrottle()
    nudges.add("p1", 10.0)
    nudges.observed("p1", requested_at=10.0)
    nudges.add("p1", 10.1)

    assert 10.0 + MIN_INTERVAL == nudges.due_at("p1", 10.1)


def test_as_many_projects_as_may_be_active_wait_for_no_other() -> None:
    nudges, due = NudgeThrottle(), []
    for number in range(BURST + 2):
        nudges.add(f"p{number}", 10.0)
        due.append(nudges.due_at(f"p{number}", 10.0))
        nudges.observed(f"p{number}", requested_at=10.0 + number / 1000)

    assert [10.0] * BURST == due[:BURST]
    assert 10.0 + MIN_POLL_INTERVAL < due[-1] + 1


def test_a_page_pays_once_for_all_that_it_shows() -> None:
    nudges = NudgeThrottle()
    for number in range(100):
        nudges.add(f"p{number}", 10.0)
    for number in range(100):
        nudges.observed(f"p{number}", requested_at=10.0)
    nudges.add("another", 10.1)

    assert 10.1 == nudges.due_at("another", 10.1)


def test_news_that_nobody_waits_for_are_forgotten() -> None:
    nudges = NudgeThrottle()
    nudges.add("p1", 10.0)
    nudges.add("p2", 10.0 + NUDGE_TTL)

    assert math.inf == nudges.due_at("p1", 10.0 + NUDGE_TTL)


def test_a_flood_costs_the_same_for_each() -> None:
    """With `allow_unsigned`, any sender can make projects up."""
    nudges = NudgeThrottle()
    began = time.process_time()
    for number in range(50_000):
        nudges.add(f"p{number}", number / 1000)

    assert time.process_time() - began < 5
