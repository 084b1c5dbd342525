"""The known record of a project, which only grows.

The order of the responses does not matter.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async.models.projects import Project
from eversince_async.models.receipt import Receipt
from eversince_async.polling.observation import Baseline, Known, Observation

NOON = datetime(2026, 4, 16, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=30)
VIDEO = "https://r2.example/a.mp4"
DONE = Project(id="p", status="idle", assembled_url=VIDEO, updated_at=LATER)


def grown(*answers: Project, seconds: float = 60.0) -> Project:
    """Return the known record after responses to requests a second apart."""
    known = Known(project=answers[0], requested_at=0.0)
    for requested_at, answer in enumerate(answers[1:], 1):
        known = known.merge(answer, float(requested_at), for_seconds=seconds)
    return known.project


@pytest.mark.parametrize("status", ["idle", "running", "generating", "rendering", "brand_new"])
@pytest.mark.parametrize("updated_at", [None, NOON, LATER])
def test_a_video_that_was_there_is_not_lost_again(status, updated_at):
    lagging = Project(id="p", status=status, updated_at=updated_at)

    assert (VIDEO, "idle") == (grown(DONE, lagging).assembled_url, grown(DONE, lagging).status)


def test_a_video_is_kept_while_a_newer_answer_shows_the_project_at_work():
    again = Project(id="p", status="rendering", updated_at=LATER + timedelta(seconds=1))

    assert ("rendering", VIDEO) == (grown(DONE, again).status, grown(DONE, again).assembled_url)


def test_a_video_of_another_variation_is_not_kept():
    switched = Project(id="p", status="idle", variation_id="v2", updated_at=LATER + timedelta(seconds=1))

    assert grown(attrs.evolve(DONE, variation_id="v1"), switched).assembled_url is None


@pytest.mark.parametrize("end", ["failed", "cancelled"])
@pytest.mark.parametrize("updated_at", [None, NOON, LATER])
def test_an_end_is_not_lost_again(end, updated_at):
    ended = Project(id="p", status=end, updated_at=LATER)

    assert end == grown(ended, Project(id="p", status="running", updated_at=updated_at)).status


def test_a_newer_answer_counts_also_when_it_goes_back():
    """A person has set the agent to work again, in the studio."""
    answer = Project(id="p", status="running", updated_at=LATER + timedelta(seconds=1))

    assert "running" == grown(DONE, answer).status


def test_what_was_changed_before_is_older_whenever_it_was_asked_for():
    old = Project(id="p", status="running", agent_message="Shall I?", updated_at=NOON)
    new = Project(id="p", status="idle", agent_message="Done.", updated_at=LATER)

    assert ("idle", "Done.") == (grown(new, old).status, grown(new, old).agent_message)
    assert ("idle", "Done.") == (grown(old, new).status, grown(old, new).agent_message)


def test_answers_lag_only_so_long():
    """A server's clock that was set back delays the truth briefly."""
    old = Project(id="p", status="running", updated_at=NOON)

    assert "running" == grown(DONE, old, seconds=0.5).status


def test_what_was_asked_for_before_is_older_when_nothing_else_tells():
    known = Known(project=Project(id="p", status="idle"), requested_at=5.0)

    assert "idle" == known.merge(Project(id="p", status="running"), 4.0, for_seconds=60).project.status
    assert "running" == known.merge(Project(id="p", status="running"), 6.0, for_seconds=60).project.status


def test_what_a_list_does_not_show_is_kept_from_a_whole_record():
    whole = attrs.evolve(
        DONE, project_url="https://x.example", mode="autonomous", receipt=Receipt(status=200)
    )

    found = grown(whole, DONE)

    assert ("https://x.example", "autonomous") == (found.project_url, found.mode)
    assert found.receipt is None, "what came last was an outline"


def test_a_warning_of_the_past_is_none_of_the_present():
    assert grown(attrs.evolve(DONE, credits_warning="low"), DONE).credits_warning is None


projects = st.builds(
    Project,
    id=st.just("p"),
    status=st.sampled_from(["queued", "running", "idle", "rendering", "failed"]),
    assembled_url=st.sampled_from([None, VIDEO, VIDEO + "?sig=2"]),
    updated_at=st.sampled_from([None, NOON, LATER]),
)


@given(st.lists(projects, min_size=1, max_size=6))
def test_whatever_comes_in_whatever_order_no_video_is_lost(answers):
    assert any(answer.assembled_url for answer in answers) == bool(grown(*answers).assembled_url)


@given(st.permutations([Project(id="p", status="running", updated_at=NOON), DONE]))
def test_the_order_of_answers_does_not_matter_where_they_tell_their_time(answers):
    assert "idle" == grown(*answers).status


def sighted(url: str | None, updated_at: datetime | None) -> Observation:
    return Observation(
        project_id="p", status="idle", requested_at=0.0, assembled_url=url, updated_at=updated_at
    )


@pytest.mark.parametrize(
    ("url", "updated_at", "expected"),
    [
        (VIDEO, NOON, False),
        (VIDEO, LATER, True),
        (None, NOON, False),
        (None, NOON - timedelta(seconds=1), False),
        (None, LATER, True),
        (VIDEO, NOON - timedelta(seconds=1), False),
        (VIDEO.replace("a", "b"), NOON, True),
    ],
)
def test_an_answer_from_before_is_no_change(url, updated_at, expected):
    before = Baseline(video=VIDEO, updated_at=NOON, requested_at=0.0)

    assert expected is before.differs_from(sighted(url, updated_at))
