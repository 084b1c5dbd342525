"""When a look follows a hint up, decided without waiting for anything."""

import math
import time

from eversince_async.orchestrator.nudges import APART, AT_ONCE, HOLDS, Nudges
from eversince_async.orchestrator.schedule import CLOSEST


def test_a_project_without_news_is_never_due() -> None:
    assert math.inf == Nudges().due_at("p1", 0.0)


def test_news_are_due_at_once_until_a_look_that_was_asked_for_later() -> None:
    nudges = Nudges()
    nudges.note("p1", 10.0)
    nudges.seen("p1", asked_at=9.0)
    assert math.inf != nudges.due_at("p1", 10.0)

    nudges.seen("p1", asked_at=10.0)
    assert math.inf == nudges.due_at("p1", 10.0)


def test_looks_at_one_project_keep_apart() -> None:
    nudges = Nudges()
    nudges.note("p1", 10.0)
    nudges.seen("p1", asked_at=10.0)
    nudges.note("p1", 10.1)

    assert 10.0 + APART == nudges.due_at("p1", 10.1)


def test_as_many_projects_as_may_be_active_wait_for_no_other() -> None:
    nudges, due = Nudges(), []
    for number in range(AT_ONCE + 2):
        nudges.note(f"p{number}", 10.0)
        due.append(nudges.due_at(f"p{number}", 10.0))
        nudges.seen(f"p{number}", asked_at=10.0 + number / 1000)

    assert [10.0] * AT_ONCE == due[:AT_ONCE]
    assert 10.0 + CLOSEST < due[-1] + 1


def test_a_page_pays_once_for_all_that_it_shows() -> None:
    nudges = Nudges()
    for number in range(100):
        nudges.note(f"p{number}", 10.0)
    for number in range(100):
        nudges.seen(f"p{number}", asked_at=10.0)
    nudges.note("another", 10.1)

    assert 10.1 == nudges.due_at("another", 10.1)


def test_news_that_nobody_waits_for_are_forgotten() -> None:
    nudges = Nudges()
    nudges.note("p1", 10.0)
    nudges.note("p2", 10.0 + HOLDS)

    assert math.inf == nudges.due_at("p1", 10.0 + HOLDS)


def test_a_flood_costs_the_same_for_each() -> None:
    """With `allow_unsigned` anybody can make projects up."""
    nudges = Nudges()
    began = time.process_time()
    for number in range(50_000):
        nudges.note(f"p{number}", number / 1000)

    assert time.process_time() - began < 5
