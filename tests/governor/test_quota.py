from datetime import UTC, datetime

import pytest

from eversince_async.governor.quota_table import (
    DAY,
    MARGIN,
    MAX_REMEMBERED,
    PROBE,
    DailyQuota,
    QuotaTicket,
    QuotaUse,
)

MIDNIGHT = datetime(2026, 4, 20, tzinfo=UTC).timestamp()
EVENING = MIDNIGHT - 4 * 3600


def taken(quota: DailyQuota, now: float) -> QuotaUse:
    use = quota.take(now)
    assert use is not None
    return use


def test_no_more_than_the_limit_in_a_day() -> None:
    renders = DailyQuota("renders", 2)
    taken(renders, 0)
    taken(renders, 3600)

    assert [None, None] == [renders.take(now) for now in (7200, DAY)]
    assert renders.take(DAY + MARGIN) is not None


def test_without_a_limit_there_is_always_one() -> None:
    renders = DailyQuota("renders", None)

    assert all(renders.take(0) for _ in range(1000))


def test_what_the_server_did_late_counts_from_then() -> None:
    renders = DailyQuota("renders", 1)
    renders.confirmed(taken(renders, 0), 600)

    assert 600 + DAY + MARGIN == renders.available_at(700)


def test_when_there_will_be_so_many_more() -> None:
    """Each use becomes free a day after an earlier one was taken.

    Each is taken as soon as it is free.
    """
    renders, day = DailyQuota("renders", 3), DAY + MARGIN
    renders.seed([100.0, 200.0])

    moments = [renders.available_at(1000.0, nth) for nth in range(2, 9)]

    assert renders.available_at(1000.0) <= 1000.0
    assert [100 + day, 200 + day, 1000 + day] == moments[:3]
    assert [moment + day for moment in moments[:4]] == moments[3:7]


def test_what_the_server_did_not_do_is_given_back() -> None:
    renders = DailyQuota("renders", 1)
    renders.give_back(taken(renders, 0))

    assert 1 == renders.left(0)


def test_what_another_process_did_counts() -> None:
    renders = DailyQuota("renders", 3)
    renders.seed([100.0, 50.0])

    assert 1 == renders.left(3600)
    assert 2 == renders.left(50 + DAY + MARGIN)


def test_after_a_refusal_none_is_left_until_the_day_turns_by_some_count() -> None:
    renders = DailyQuota("renders", 50)
    renders.refused(taken(renders, EVENING), EVENING)

    assert 0 == renders.left(EVENING)
    assert MIDNIGHT + MARGIN == renders.available_at(EVENING)


def test_the_oldest_known_use_may_be_what_comes_free_first() -> None:
    renders = DailyQuota("renders", 50)
    renders.seed([EVENING - DAY + 3600])
    renders.refused(taken(renders, EVENING), EVENING)

    assert EVENING + 3600 + MARGIN == renders.available_at(EVENING)


def test_the_server_may_say_itself_when_there_is_more() -> None:
    renders = DailyQuota("renders", 50)
    renders.refused(taken(renders, EVENING), EVENING, retry_after=7200)

    assert EVENING + 7200 == renders.available_at(EVENING)


def test_a_short_retry_after_does_not_speak_of_the_day() -> None:
    renders = DailyQuota("renders", 50)
    renders.refused(taken(renders, EVENING), EVENING, retry_after=30)

    assert MIDNIGHT + MARGIN == renders.available_at(EVENING)


def refused_in_the_evening() -> tuple[DailyQuota, float]:
    """Return a quota refused once, and the time of the next attempt."""
    renders = DailyQuota("renders", 50)
    renders.refused(taken(renders, EVENING), EVENING)
    return renders, MIDNIGHT + MARGIN


def test_after_a_refusal_one_tries_for_all() -> None:
    renders, again = refused_in_the_evening()
    tickets = [QuotaTicket("renders", EVENING) for _ in range(3)]
    for ticket in tickets:
        renders.enqueue(ticket)

    assert tickets[:1] == renders.release(again)
    assert [] == renders.release(again + 10)


def test_when_the_first_succeeds_all_go_on() -> None:
    renders, again = refused_in_the_evening()
    first = taken(renders, again)
    assert renders.take(again) is None

    renders.confirmed(first, again + 1)

    assert 49 == renders.left(again + 1)
    assert renders.take(again + 1) is not None


def test_when_the_first_is_refused_all_wait_on() -> None:
    renders, again = refused_in_the_evening()
    renders.refused(taken(renders, again), again)

    assert again - MARGIN + DAY + MARGIN == renders.available_at(again)


def test_when_nobody_says_what_became_of_the_first_the_others_go_on_after_a_while() -> None:
    renders, again = refused_in_the_evening()
    taken(renders, again)

    assert renders.take(again + PROBE) is not None
    assert renders.take(again + PROBE) is not None


def test_first_come_first_served() -> None:
    renders = DailyQuota("renders", 1)
    taken(renders, 0)
    tickets = [QuotaTicket("renders", 1), QuotaTicket("renders", 2)]
    for ticket in tickets:
        renders.enqueue(ticket)

    assert tickets[:1] == renders.release(DAY + MARGIN)
    assert renders.take(DAY + MARGIN) is None


def test_who_gives_up_in_the_instant_of_the_grant_gives_it_back() -> None:
    renders = DailyQuota("renders", 1)
    taken(renders, 0)
    ticket = QuotaTicket("renders", 1)
    renders.enqueue(ticket)
    renders.release(DAY + MARGIN)
    renders.withdraw(ticket)

    assert 1 == renders.left(DAY + MARGIN)


def test_without_a_limit_no_more_than_the_latest_uses_are_remembered():
    """The last of 100,000 items takes no longer than the first."""
    projects = DailyQuota("projects", None)
    for second in range(5_000):
        use = projects.take(second)
        projects.confirmed(use, second)

    assert MAX_REMEMBERED == projects.used(5_000)


# -- Refusals that name no limit --------------------------------------------------------------------------


def rejected(quota: DailyQuota, now: float, retry_after: float | None = None) -> None:
    quota.rejected(taken(quota, now), now, retry_after)


def test_after_a_refusal_that_may_be_of_the_day_one_tries_for_all_less_and_less_often() -> None:
    quota = DailyQuota("renders", None)
    now, tries = EVENING, 0
    while now < EVENING + DAY:
        now = max(now, quota.available_at(now))
        rejected(quota, now, retry_after=2)
        tries += 1

    assert tries < 40


@pytest.mark.parametrize(("asked", "waits"), [(2.0, 2.0), (30.0, 30.0), (None, 60.0), (0.0, 60.0)])
def test_the_first_wait_is_what_the_server_asks_for(asked: float | None, waits: float) -> None:
    quota = DailyQuota("renders", 50)
    rejected(quota, EVENING, asked)

    assert EVENING + waits == quota.available_at(EVENING)


def test_several_that_were_under_way_together_count_as_one_refusal() -> None:
    quota = DailyQuota("renders", 50)
    uses = [taken(quota, EVENING) for _ in range(5)]
    for use in uses:
        quota.rejected(use, EVENING + 1, 10)

    assert EVENING + 11 == quota.available_at(EVENING)
    assert 0 == quota.used(EVENING)


def test_when_the_one_that_tries_is_not_refused_the_day_goes_on_and_the_waits_are_forgotten() -> None:
    quota = DailyQuota("renders", None)
    rejected(quota, EVENING, 10)
    rejected(quota, EVENING + 10, 10)
    probe = taken(quota, EVENING + 30)
    assert quota.take(EVENING + 31) is None
    quota.confirmed(probe, EVENING + 32)

    assert quota.take(EVENING + 32) is not None
    rejected(quota, EVENING + 40, 10)
    assert EVENING + 50 == quota.available_at(EVENING + 40)
