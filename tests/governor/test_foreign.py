from eversince_async.governor.foreign import ExternalUsage


def test_nothing_is_left_to_others_while_none_are_seen() -> None:
    others = ExternalUsage(60)
    others.record(0, now=1)

    assert 0 == others.requests(now=2)


def test_others_get_what_they_were_seen_to_use_and_a_little_room() -> None:
    others = ExternalUsage(60)
    others.record(10, now=1)

    assert 12 == others.requests(now=2)


def test_the_highest_figure_of_the_last_window_counts() -> None:
    others = ExternalUsage(60)
    others.record(3, now=0)
    others.record(9, now=10)
    others.record(4, now=30)

    assert [10, 10, 5, 0] == [others.requests(now) for now in (31, 69, 71, 91)]


def test_it_is_known_when_the_figure_changes() -> None:
    others = ExternalUsage(60)
    others.record(9, now=10)

    assert 70 == others.changes_at()
