import pytest

from eversince_async.governor.budget import LONGEST_PAUSE, Budget
from eversince_async.governor.lanes import Departure, Lane, RequestTicket
from eversince_async.models.receipt import RateLimit


def budget(limit: int | None = 30, *, learns: bool = True, guard: float = 0.5) -> Budget:
    return Budget(limit, window=60, guard=guard, learns=learns)


def leave(from_: Budget, count: int, now: float = 0, lane: Lane = Lane.INTERACTIVE) -> list[Departure]:
    """Let up to `count` requests leave at once."""
    departures = [from_.try_depart(lane, now) for _ in range(count)]
    return [departure for departure in departures if departure is not None]


def spend(from_: Budget, count: int, now: float = 0) -> None:
    """Let `count` requests leave and be answered at once."""
    for departure in leave(from_, count, now):
        from_.answered(departure, now)


def queue(at: Budget, *lanes: Lane, now: float = 0) -> list[RequestTicket]:
    tickets = [RequestTicket(lane, now) for lane in lanes]
    for ticket in tickets:
        at.enqueue(ticket)
    return tickets


def test_no_more_than_the_limit_leave_at_once() -> None:
    assert 30 == len(leave(budget(), 40))


def test_without_a_limit_everybody_leaves() -> None:
    assert 1000 == len(leave(budget(None), 1000, lane=Lane.POLL))


def test_a_place_is_free_again_a_window_and_a_guard_after_leaving() -> None:
    tight = budget(1)
    spend(tight, 1, now=0)

    assert [None, None] == [tight.try_depart(Lane.WORK, now) for now in (0.1, 60.4)]
    assert tight.try_depart(Lane.WORK, 60.5) is not None


def test_a_late_answer_counts_from_when_it_arrived() -> None:
    """The arrival of the response is the latest time of counting.

    The server counted the request somewhere in flight.
    """
    tight = budget(1)
    [departure] = leave(tight, 1)
    tight.answered(departure, 30)

    assert tight.try_depart(Lane.WORK, 90) is None
    assert tight.try_depart(Lane.WORK, 90.1) is not None


def test_a_request_under_way_keeps_its_place() -> None:
    tight = budget(1)
    leave(tight, 1)

    assert tight.try_depart(Lane.WORK, 300) is None


def test_a_request_nobody_spoke_of_again_keeps_its_place_for_ten_minutes_and_a_window() -> None:
    tight = budget(1)
    leave(tight, 1)
    [ticket] = queue(tight, Lane.WORK)

    assert [] == tight.release(599)
    assert [] == tight.release(600)
    assert [ticket] == tight.release(661)


def test_a_request_that_never_left_gives_its_place_back() -> None:
    tight = budget(1)
    [departure] = leave(tight, 1)
    tight.give_back(departure, 1)

    assert 1 == len(leave(tight, 1, now=1))


def test_saying_twice_what_became_of_a_request_changes_nothing() -> None:
    tight = budget(2)
    first, _ = leave(tight, 2)
    tight.answered(first, 1)
    tight.answered(first, 50)
    tight.give_back(first, 50)

    assert 0 == len(leave(tight, 1, now=50))
    assert 1 == len(leave(tight, 1, now=62))


# -- Lanes ------------------------------------------------------------------------------------------------


def test_a_burst_of_work_leaves_half_of_the_pace_to_users() -> None:
    """Sixteen requests leave at once, then one every four seconds."""
    bursting = budget()

    assert 16 == len(leave(bursting, 30, lane=Lane.WORK))
    assert [0, 1, 0, 1] == [len(leave(bursting, 5, now, Lane.WORK)) for now in (4.0, 4.1, 8.0, 8.1)]


def test_a_burst_of_looks_leaves_two_thirds_of_the_pace_to_others() -> None:
    assert 11 == len(leave(budget(), 30, lane=Lane.POLL))


def test_what_was_kept_is_spent_before_the_window_ends() -> None:
    bursting = budget()
    left = [len(leave(bursting, 30, now, Lane.WORK)) for now in range(61)]

    assert 30 == sum(left)


def test_users_may_spend_everything_at_once() -> None:
    bursting = budget()
    leave(bursting, 30, lane=Lane.WORK)

    assert 14 == len(leave(bursting, 30))


def test_the_more_urgent_lane_goes_first() -> None:
    full = budget(1)
    spend(full, 1)
    look, work, user = queue(full, Lane.POLL, Lane.WORK, Lane.INTERACTIVE)

    order = []
    for now in (61, 122, 183):
        for ticket in full.release(now):
            assert ticket.departure is not None
            full.answered(ticket.departure, now)
            order.append(ticket)
    assert [user, work, look] == order


def test_however_urgent_lanes_flood_every_lane_gets_its_share() -> None:
    flooded = budget(30)
    queue(flooded, *[Lane.POLL] * 100, *[Lane.WORK] * 200, *[Lane.INTERACTIVE] * 400)
    gone = [0, 0, 0]
    for round_ in range(10):
        for ticket in flooded.release(61.0 * round_):
            assert ticket.departure is not None
            flooded.answered(ticket.departure, 61.0 * round_)
            gone[ticket.lane] += 1

    assert [203, 67, 30] == gone


# -- Pauses -----------------------------------------------------------------------------------------------


def test_nobody_leaves_in_a_pause() -> None:
    paused = budget()
    paused.pause(10, now=0)

    assert [0, 1] == [len(leave(paused, 1, now)) for now in (9.9, 10)]


def test_the_pause_that_ends_last_counts() -> None:
    paused = budget()
    paused.pause(10, now=0)
    paused.pause(2, now=1)

    assert 10 == paused.paused_until(5)


def test_a_pause_of_a_day_does_not_mean_this_window() -> None:
    paused = budget()
    paused.pause(86_400, now=0)

    assert LONGEST_PAUSE == paused.paused_until(5)


def test_a_pause_ends_into_a_window_that_is_still_full() -> None:
    paused = budget(1)
    spend(paused, 1)
    paused.pause(10, now=0)

    assert [0, 1] == [len(leave(paused, 1, now)) for now in (30, 60.5)]


def test_after_a_pause_requests_leave_one_by_one() -> None:
    paused = budget()
    paused.pause(10, now=0)
    queue(paused, *[Lane.INTERACTIVE] * 10)

    assert [1, 0, 1, 0, 1] == [len(paused.release(now)) for now in (10, 11.9, 12, 13.9, 14)]


def test_after_a_pause_an_answer_with_headers_ends_the_caution() -> None:
    paused = budget()
    paused.pause(10, now=0)
    queue(paused, *[Lane.INTERACTIVE] * 10)
    [first] = paused.release(10)
    assert first.departure is not None
    paused.answered(first.departure, 10.2, RateLimit(limit=30, remaining=29))

    assert 9 == len(paused.release(12))


# -- Headers ----------------------------------------------------------------------------------------------


def told(by: Budget, now: float, **headers: float) -> None:
    """Let one request leave and be answered with these headers."""
    departure = by.try_depart(Lane.INTERACTIVE, now)
    assert departure is not None
    by.answered(departure, now, RateLimit(**headers))  # type: ignore[arg-type]  # plain numbers, for short tests


def test_a_higher_announced_limit_is_used_at_once() -> None:
    rich = budget()
    told(rich, 0, limit=120, remaining=119)

    assert 119 == len(leave(rich, 200))


def test_a_lower_announced_limit_is_obeyed_at_once() -> None:
    poor = budget()
    spend(poor, 15)
    told(poor, 1, limit=10, remaining=0)

    assert [0, 9] == [len(leave(poor, 30, now)) for now in (30, 60.6)]


def test_a_pinned_limit_stays_whatever_is_announced() -> None:
    for announced in (10, 120):
        pinned = budget(30, learns=False)
        told(pinned, 0, limit=announced, remaining=announced - 1)

        assert 29 == len(leave(pinned, 200))


def test_an_absurd_announced_limit_is_ignored() -> None:
    sane = budget()
    told(sane, 0, limit=0)

    assert 29 == len(leave(sane, 200))


def test_what_others_spend_is_left_to_them_at_once() -> None:
    shared = budget()
    told(shared, 0, limit=30, remaining=19)  # ten requests by others

    assert 30 - 1 - 12 == len(leave(shared, 30, now=1))


def test_others_who_fall_silent_are_forgotten_after_a_window() -> None:
    shared = budget()
    told(shared, 0, limit=30, remaining=19)

    assert 30 == len(leave(shared, 30, now=61))


def test_however_greedy_others_are_a_tenth_is_ours() -> None:
    shared = budget()
    told(shared, 0, limit=30, remaining=1)

    assert 2 == len(leave(shared, 30, now=1))


def test_when_others_have_spent_all_the_server_tells_when_to_go_on() -> None:
    shared = budget()
    told(shared, 0, limit=30, remaining=0, resets_in=20)

    assert [0, 2] == [len(leave(shared, 30, now)) for now in (19, 20)]


def test_our_own_spent_budget_is_not_taken_for_others() -> None:
    alone = budget()
    departures = leave(alone, 30)
    for used, departure in enumerate(departures, start=1):
        alone.answered(departure, 0.2, RateLimit(limit=30, remaining=30 - used, resets_in=60))

    assert 30 == len(leave(alone, 30, now=60.5))


def test_answers_that_overtake_one_another_are_not_taken_for_others() -> None:
    alone = budget()
    departures = leave(alone, 10)
    for used, departure in zip((5, 1, 10, 3, 2, 4, 9, 8, 7, 6), departures, strict=True):
        alone.answered(departure, 0.2, RateLimit(limit=30, remaining=30 - used))

    assert 0 == alone.external(0.3)


def test_a_late_answer_that_counts_requests_since_expired_is_not_taken_for_others() -> None:
    alone = budget()
    spend(alone, 20, now=0)
    [slow] = leave(alone, 1, now=59)
    alone.answered(slow, 80, RateLimit(limit=30, remaining=9))

    assert 0 == alone.external(80)


# -- Another clock ----------------------------------------------------------------------------------------


def test_what_was_spent_stays_spent_by_another_clock() -> None:
    moved = budget(2)
    spend(moved, 1, now=1000)
    leave(moved, 1, now=1010)
    moved.move_clock(-1020, now=0)  # the old clock showed 1020

    assert [0, 1, 1] == [len(leave(moved, 1, now)) for now in (40, 41, 61)]


# -- Pinned above what is announced -----------------------------------------------------------------------


@pytest.mark.parametrize("resets_in", [None, 0.0, 10.0, 30.0, 60.0])
@pytest.mark.parametrize("pinned", [31, 100, 120])
def test_a_limit_pinned_above_the_announced_one_is_used_as_told(pinned: int, resets_in: float | None) -> None:
    """The headers' count of remaining requests is ignored.

    It is about another window.
    """
    told = budget(pinned, learns=False)
    left = 0
    for n in range(600):  # three a second
        now = n / 3
        departure = told.try_depart(Lane.WORK, now) or told.try_depart(Lane.INTERACTIVE, now)
        if departure is not None:
            left += now < 60
            told.answered(departure, now, RateLimit(limit=30, remaining=max(0, 29 - n), resets_in=resets_in))

    assert left == pinned


def test_a_limit_pinned_below_the_announced_one_leaves_to_others_what_they_take() -> None:
    told = budget(20, learns=False)
    [departure] = leave(told, 1)
    told.answered(departure, 0, RateLimit(limit=30, remaining=4))  # 25 requests by others

    assert len(leave(told, 30)) < 5
