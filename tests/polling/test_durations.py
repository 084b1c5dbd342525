"""Estimates of a stage's end from the durations of earlier stages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async.polling.durations import SAMPLE_SIZE, DurationModel, StageInProgress

STAGE = StageInProgress("render", began_at=100.0)

seconds = st.floats(0.1, 5000)


def taught(*durations: float) -> DurationModel:
    duration_model = DurationModel()
    for duration in durations:
        duration_model.record("render", duration)
    return duration_model


def test_hardly_anything_ends_before_the_shortest_seen() -> None:
    duration_model = taught(*[300.0] * 20)

    assert duration_model.completion_probability(STAGE, 150.0, 160.0) < 0.01


def test_most_ends_around_what_was_seen() -> None:
    duration_model = taught(*[300.0] * 20)

    assert duration_model.completion_probability(STAGE, 395.0, 405.0) > 0.9


def test_without_any_experience_it_may_end_at_any_time_less_and_less_likely() -> None:
    soon = DurationModel().completion_probability(STAGE, 110.0, 115.0)
    later = DurationModel().completion_probability(STAGE, 700.0, 705.0)

    assert 1 > soon > later > 0


def test_what_lasts_longer_than_all_seen_may_still_end() -> None:
    assert taught(10.0, 20.0).completion_probability(STAGE, 1000.0, 1010.0) > 0


def test_kinds_are_told_apart() -> None:
    duration_model = taught(*[300.0] * 20)

    assert duration_model.completion_probability(StageInProgress("settle", 100.0), 395.0, 405.0) < 0.1


def test_the_latest_count() -> None:
    duration_model = taught(*[10.0] * SAMPLE_SIZE, *[300.0] * SAMPLE_SIZE)

    assert duration_model.completion_probability(STAGE, 105.0, 115.0) < 0.01


@given(durations=st.lists(seconds, max_size=30), since=seconds, until=seconds, known=st.booleans())
def test_it_is_a_probability(durations: list[float], since: float, until: float, *, known: bool) -> None:
    stage = STAGE if known else None

    assert 0 <= taught(*durations).completion_probability(stage, 100 + since, 100 + until) <= 1


@given(durations=st.lists(seconds, max_size=30), moments=st.tuples(seconds, seconds, seconds))
def test_it_grows_with_time(durations: list[float], moments: tuple[float, float, float]) -> None:
    since, sooner, later = sorted(100 + moment for moment in moments)
    duration_model = taught(*durations)

    assert (
        duration_model.completion_probability(STAGE, since, sooner)
        <= duration_model.completion_probability(STAGE, since, later) + 1e-12
    )


def test_nothing_ends_in_no_time() -> None:
    assert pytest.approx(0) == taught(10.0).completion_probability(STAGE, 110.0, 110.0)
