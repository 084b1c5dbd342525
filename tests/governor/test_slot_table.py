import pytest

from eversince_async.governor.claims import Claim, Hold, SlotTicket
from eversince_async.governor.slot_table import COURTESY_SECONDS, HIDDEN, RETRY_FULL, UNSEEN_TTL, SlotTable


def claimed(table: SlotTable, key: str, project_id: str | None = None, now: float = 0) -> Hold:
    """Return the hold of a production that has created its project."""
    claim = table.claim(key, now)
    assert claim is not None
    table.mark_sent(claim, now)
    table.bind(claim, project_id or f"project of {key}", now)
    return claim


def full_table(limit: int = 2) -> tuple[SlotTable, list[Hold]]:
    table = SlotTable(limit)
    return table, [claimed(table, f"film {n}") for n in range(limit)]


def waiting(table: SlotTable, key: str, now: float = 0, *, in_flight: bool = False) -> SlotTicket:
    ticket = SlotTicket(key, now, in_flight=in_flight)
    table.enqueue(ticket)
    return ticket


def seen(
    table: SlotTable, project_id: str, status: str, now: float = 1, requested_at: float | None = None
) -> None:
    table.observed(project_id, status, now, now if requested_at is None else requested_at)


def page(table: SlotTable, *active: str, now: float = 10, complete: bool = True) -> None:
    table.observed_page(active, complete=complete, now=now, requested_at=now)


def test_no_more_than_the_limit_are_granted() -> None:
    table, _ = full_table(2)

    assert table.claim("film 3", 0) is None


def test_without_a_limit_everybody_is_granted() -> None:
    table = SlotTable(None)

    assert all(table.claim(f"film {n}", 0) is not None for n in range(100))


def test_a_key_that_holds_a_slot_shares_it() -> None:
    table, (first, _) = full_table(2)

    again = table.claim("film 0", 5)

    assert again is not None
    assert first.claim is again.claim
    assert 2 == table.occupied()


# -- Several productions of one project -------------------------------------------------------------------


def twins(limit: int = 1) -> tuple[SlotTable, Hold, Hold]:
    table = SlotTable(limit)
    first = claimed(table, "film 0", "project 0")
    second = table.claim("its render", 1, "project 0")
    assert second is not None
    table.bind(second, "project 0", 0)
    return table, first, second


def test_a_project_that_has_a_slot_needs_no_other() -> None:
    table, first, second = twins()

    assert first.claim is second.claim
    assert 1 == table.occupied()


def test_the_end_of_one_takes_no_slot_from_the_other() -> None:
    table, first, second = twins()
    table.release_claim(first)
    seen(table, "project 0", "idle")

    assert second.held
    assert table.claim("film 1", 5) is None

    table.release_claim(second)
    assert table.claim("film 1", 5) is not None


def test_one_that_ends_twice_takes_no_slot_from_the_other() -> None:
    table, first, second = twins()
    table.release_claim(first)
    table.release_claim(first)
    seen(table, "project 0", "idle")

    assert second.held
    assert 1 == table.occupied()


def test_the_refusal_of_one_takes_nothing_back_of_what_the_other_wrote() -> None:
    table, first, second = twins()
    seen(table, "project 0", "idle")
    table.mark_sent(first, 10)
    table.mark_sent(second, 11)
    table.refused(second)
    table.release_claim(first)
    table.release_claim(second)

    assert 1 == table.occupied()
    seen(table, "project 0", "idle", now=12)
    assert 0 == table.occupied()


def test_a_refusal_does_not_unsee_that_a_project_is_active() -> None:
    """A refusal with 409 means that a person uses the project."""
    table = SlotTable(1)
    hold = claimed(table, "film 0", "project 0")
    seen(table, "project 0", "running")
    table.mark_sent(hold, 5)
    table.refused(hold)
    table.release_claim(hold)

    assert 1 == table.occupied()


def test_a_create_that_brings_a_project_back_that_has_a_slot_needs_no_other() -> None:
    table = SlotTable(2)
    known = claimed(table, "film 0", "project 0")
    again = claimed(table, "the same again", "project 0")

    assert known.claim is again.claim
    assert 1 == table.occupied()
    table.release_claim(known)
    seen(table, "project 0", "idle")
    assert again.held
    table.release_claim(again)
    assert 0 == table.occupied()


def test_who_waits_for_a_slot_of_a_project_that_gets_one_goes_on() -> None:
    """It goes before earlier waiters: it takes none of their places."""
    table, (_, second) = full_table(2)
    waiting(table, "new")
    ticket = SlotTicket("its render", 1, project_id="project 9")
    table.enqueue(ticket)
    table.bind(second, "project 9", 0)

    assert [ticket] == table.release(2)
    assert granted(ticket).claim is second.claim


def granted(ticket: SlotTicket) -> Hold:
    assert ticket.hold is not None
    return ticket.hold


# -- Projects that are active already ---------------------------------------------------------------------


def test_taking_up_an_active_project_takes_its_slot_and_no_other() -> None:
    """This happens after a restart.

    The server is then full with the projects that this process continues.
    """
    table = SlotTable(2)
    page(table, "project 0", "project 1")

    hold = table.claim("resumed", 11, "project 0")

    assert hold is not None
    assert 2 == table.occupied()
    assert ["project 1"] == list(table.external)
    table.release_claim(hold)
    assert 2 == table.occupied()
    seen(table, "project 0", "idle", now=20)
    assert 1 == table.occupied()


def test_who_waits_with_a_project_goes_on_when_that_is_seen_active() -> None:
    table, _ = full_table(2)
    first, ticket = waiting(table, "new"), SlotTicket("resumed", 1, project_id="project 9")
    table.enqueue(ticket)
    seen(table, "project 9", "running")

    assert [ticket] == table.release(2)
    assert first.hold is None


# -- Free slots -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["idle", "completed", "failed", "cancelled"])
def test_a_slot_is_free_when_the_production_let_it_go_and_the_project_was_seen_settled(status: str) -> None:
    table, (first, _) = full_table(2)
    table.release_claim(first)
    assert 2 == table.occupied()

    seen(table, "project of film 0", status)

    assert 1 == table.occupied()


def test_a_slot_stays_with_a_production_that_goes_on() -> None:
    """A project that is idle between create and render frees nothing."""
    table, _ = full_table(2)
    seen(table, "project of film 0", "idle")

    assert table.claim("film 3", 2) is None


@pytest.mark.parametrize("status", ["queued", "running", "generating", "rendering", "dreaming"])
def test_an_active_or_unknown_status_frees_nothing(status: str) -> None:
    table, (first, _) = full_table(2)
    table.release_claim(first)
    seen(table, "project of film 0", status)

    assert 2 == table.occupied()


def test_a_look_that_left_before_the_last_write_frees_nothing() -> None:
    table, (first, _) = full_table(2)
    table.mark_sent(first, 20)  # a render
    table.release_claim(first)
    seen(table, "project of film 0", "idle", now=21, requested_at=19)

    assert 2 == table.occupied()


def test_a_refused_write_leaves_the_slot_with_its_production_only() -> None:
    table, (first, _) = full_table(2)
    table.refused(first)
    assert 2 == table.occupied()

    table.release_claim(first)

    assert 1 == table.occupied()


def test_a_write_of_unknown_outcome_keeps_the_slot_even_without_its_production() -> None:
    table = SlotTable(1)
    claim = table.claim("film 0", 0)
    assert claim is not None
    table.mark_sent(claim, 0)
    table.release_claim(claim)

    assert table.claim("film 1", 100) is None


def test_a_complete_list_settles_a_write_of_unknown_outcome() -> None:
    """If the write made a project, the list shows it."""
    table = SlotTable(1)
    claim = table.claim("film 0", 0)
    assert claim is not None
    table.mark_sent(claim, 0)
    table.release_claim(claim)

    page(table, now=30)
    assert 1 == table.occupied()
    page(table, now=60)
    assert 0 == table.occupied()


def test_a_project_missing_from_a_complete_list_has_settled() -> None:
    table, (first, second) = full_table(2)
    table.release_claim(first)
    page(table, "project of film 1", now=HIDDEN)

    assert ["film 1"] == list(table.claims)
    assert second.claim.active


def test_a_new_project_missing_from_a_complete_list_may_only_not_be_shown_yet() -> None:
    """The time counts from the response to its create.

    It does not matter how long the production had the slot before.
    """
    table = SlotTable(1)
    early = table.claim("film 0", 0)
    assert early is not None
    table.release_claim(claimed(table, "film 0", now=1000))
    table.release_claim(early)
    page(table, now=1000 + HIDDEN - 1)

    assert 1 == table.occupied()

    page(table, now=1000 + HIDDEN)

    assert 0 == table.occupied()


def test_a_project_missing_from_a_list_right_after_its_write_may_yet_appear() -> None:
    table, (first, _) = full_table(2)
    table.release_claim(first)
    page(table, now=2)

    assert 2 == table.occupied()


def test_a_page_that_is_not_all_says_nothing_about_what_it_lacks() -> None:
    table, (first, _) = full_table(2)
    table.release_claim(first)
    page(table, complete=False)

    assert 2 == table.occupied()


def test_a_settled_project_that_works_again_counts_again() -> None:
    table, (first, _) = full_table(2)
    table.release_claim(first)
    seen(table, "project of film 0", "idle")
    seen(table, "project of film 0", "rendering", now=2)

    assert 2 == table.occupied()


# -- Others -----------------------------------------------------------------------------------------------


def test_active_projects_of_others_count() -> None:
    table = SlotTable(2)
    page(table, "of the studio", complete=False)
    claimed(table, "film 0")

    assert table.claim("film 1", 11) is None


@pytest.mark.parametrize("settled", [True, False])
def test_a_project_of_others_counts_until_it_is_seen_settled_or_gone(*, settled: bool) -> None:
    table = SlotTable(1)
    page(table, "of the studio")
    if settled:
        seen(table, "of the studio", "idle", now=20)
    else:
        page(table, now=20)

    assert 0 == table.occupied()
    assert table.claim("film 0", 20 + COURTESY_SECONDS) is not None


def test_a_place_that_others_have_left_is_left_to_them_for_a_while() -> None:
    """Its owner continues with the next project.

    If we took the place at once, we would refuse each other.
    """
    table = SlotTable(1)
    page(table, "of the studio")
    seen(table, "of the studio", "idle", now=20)
    ticket = waiting(table, "film 0", 20)

    assert [] == table.release(20 + COURTESY_SECONDS - 1)
    assert 20 + COURTESY_SECONDS == table.next_release(21)
    assert [ticket] == table.release(20 + COURTESY_SECONDS)


def test_others_who_go_on_have_their_place_back() -> None:
    table = SlotTable(2)
    page(table, "of the studio")
    seen(table, "of the studio", "idle", now=20)
    page(table, "the next of the studio", now=25)

    assert 0 == table.courtesy_places(25)
    assert table.claim("film 0", 25) is not None


def test_a_settled_project_is_overtaken_when_others_have_taken_all_places() -> None:
    table = SlotTable(1)
    claim = claimed(table, "film 0", "project 0")
    assert not table.is_oversubscribed(claim, 5)
    seen(table, "project 0", "idle", now=10)
    page(table, "of the studio", now=20)

    assert table.is_oversubscribed(claim, 20)


def test_our_own_project_is_not_counted_twice_when_a_list_shows_it_before_its_create_is_answered() -> None:
    table = SlotTable(2)
    claim = table.claim("film 0", 0)
    assert claim is not None
    table.mark_sent(claim, 0)
    page(table, "project 0", now=0.1)
    table.bind(claim, "project 0", 0)

    assert 1 == table.occupied()


def test_projects_nobody_has_looked_at_for_long_count_no_more() -> None:
    table = SlotTable(1)
    page(table, "of the studio", now=0)
    ticket = waiting(table, "film 0")

    assert UNSEEN_TTL == table.next_release(1)
    assert [ticket] == table.release(UNSEEN_TTL)


# -- Order of waiters -------------------------------------------------------------------------------------


def test_first_come_first_served() -> None:
    table, claims = full_table(2)
    tickets = [waiting(table, f"new {n}") for n in range(3)]
    for claim in claims:
        table.refused(claim)
        table.release_claim(claim)

    assert tickets[:2] == table.release(1)


def test_a_production_that_has_a_project_goes_before_new_ones() -> None:
    table, (first, _) = full_table(2)
    waiting(table, "new")
    resumed = waiting(table, "reviewed", in_flight=True)
    table.refused(first)
    table.release_claim(first)

    assert [resumed] == table.release(1)


def test_nobody_overtakes_those_who_wait() -> None:
    table, (first, _) = full_table(2)
    waiting(table, "new")
    table.refused(first)
    table.release_claim(first)

    assert table.claim("late", 1) is None


def test_several_who_wait_for_one_production_share_its_slot() -> None:
    table, (first, _) = full_table(2)
    tickets = [waiting(table, key) for key in ("new", "other", "new")]
    table.refused(first)
    table.release_claim(first)

    assert [tickets[0], tickets[2]] == table.release(1)
    assert granted(tickets[0]).claim is granted(tickets[2]).claim


def test_who_gives_up_in_the_instant_of_the_grant_gives_the_slot_back() -> None:
    table, (first, _) = full_table(2)
    ticket, other = waiting(table, "new"), waiting(table, "other")
    table.refused(first)
    table.release_claim(first)
    assert [ticket] == table.release(1)

    table.withdraw(ticket)

    assert [other] == table.release(1)


def test_one_of_several_who_gives_up_takes_nothing_from_the_others() -> None:
    table, (first, _) = full_table(2)
    ticket, twin = waiting(table, "new"), waiting(table, "new")
    table.refused(first)
    table.release_claim(first)
    table.release(1)

    table.withdraw(ticket)

    assert granted(twin).held


# -- A server that is full against our count --------------------------------------------------------------


def rejected(table: SlotTable, key: str, now: float) -> bool:
    claim = table.claim(key, now)
    assert claim is not None
    table.mark_sent(claim, now)
    return table.rejected(claim, now)


def test_after_a_refusal_nobody_tries_until_a_list_shows_room() -> None:
    table = SlotTable(5)
    assert rejected(table, "film 0", 0)
    ticket = waiting(table, "film 1")
    assert [] == table.release(1)

    page(table, "a", "b", "c", "d", now=5)

    assert [ticket] == table.release(5)


def test_a_list_that_shows_no_room_keeps_everybody_waiting() -> None:
    table = SlotTable(5)
    rejected(table, "film 0", 0)
    waiting(table, "film 1")
    page(table, "a", "b", "c", "d", "e", now=5)

    assert [] == table.release(5)


def test_who_was_turned_away_goes_first_again() -> None:
    table = SlotTable(5)
    waiting(table, "late")
    table.rejected(Hold(Claim("early", 0), "early"), 0)
    again = waiting(table, "early")
    page(table, "a", "b", "c", "d", now=5)

    assert [again] == table.release(5)


def test_without_any_look_one_tries_again_after_a_while() -> None:
    table = SlotTable(5)
    rejected(table, "film 0", 0)
    first, second = waiting(table, "film 1"), waiting(table, "film 2")
    assert RETRY_FULL == table.next_release(1)

    assert [first] == table.release(RETRY_FULL)
    assert [] == table.release(RETRY_FULL + 1)
    assert [second] == table.release(2 * RETRY_FULL)


def test_when_one_of_ours_settles_there_is_room_for_one() -> None:
    table = SlotTable(5)
    ours = claimed(table, "ours")
    rejected(table, "film 0", 0)
    first, _ = waiting(table, "film 1"), waiting(table, "film 2")
    table.release_claim(ours)
    seen(table, "project of ours", "idle", now=20)

    assert [first] == table.release(20)


def test_a_lower_limit_of_the_server_is_learned() -> None:
    """A second refusal despite a list's free slots teaches the limit.

    The list then shows the number of slots that the server has.
    """
    table = SlotTable(5)
    for key in ("film 0", "film 1"):
        claimed(table, key)
    for now in (10, 20, 30):
        rejected(table, "film 2", now)
        page(table, "project of film 0", "project of film 1", now=now + 5)

    assert 2 == table.limit(40)
    assert 5 == table.limit(40 + 3600)


def test_a_refusal_while_nothing_is_active_is_not_about_slots() -> None:
    table = SlotTable(5)
    assert rejected(table, "film 0", 0)
    page(table, now=5)

    assert not rejected(table, "film 0", 6)


# -- Polls ------------------------------------------------------------------------------------------------


def test_a_list_helps_when_somebody_waits_for_what_nobody_follows() -> None:
    table, (first, _) = full_table(2)
    assert not table.needs_poll()
    waiting(table, "new")
    assert not table.needs_poll()  # both slots are held by productions that poll their projects

    table.release_claim(first)

    assert table.needs_poll()
