"""The rows of a board."""

from __future__ import annotations

import pytest

from eversince_async import CreditsWarning, StageCompleted, StageStarted, StatusChanged
from eversince_async.batch.outcome import Progress
from eversince_async.cli._batch_display import status_line
from eversince_async.cli._progress import LineDisplay, Row, add_row, format_duration


def test_a_row_waits_for_its_slot_before_it_begins():
    row = Row("mug")
    assert "waiting for a slot" == row.words
    assert row.seconds(now=100.0) is None


def test_a_row_shows_the_status_and_keeps_the_project():
    row = Row("mug")
    row.tell(StageStarted(at=5.0, project_id=None, stage="create"))
    row.tell(StatusChanged(at=6.0, project_id="proj_1", status="generating", before=None))

    assert ("generating", "proj_1", 10.0) == (row.words, row.project_id, row.seconds(now=15.0))


def test_a_bar_never_goes_back():
    """The agent may go back to running; the bar stays."""
    row = Row("mug")
    row.tell(StatusChanged(at=0.0, project_id="proj_1", status="generating", before=None))
    reached = row.reached
    row.tell(StatusChanged(at=1.0, project_id="proj_1", status="running", before="generating"))

    assert reached == row.reached
    assert "running" == row.words


@pytest.mark.parametrize(
    "event",
    [
        StageStarted(at=0.0, project_id="proj_1", stage="settle"),
        StageCompleted(at=0.0, project_id="proj_1", stage="settle", seconds=1.0),
    ],
)
def test_what_says_nothing_new_is_not_shown(event):
    assert not Row("mug").tell(event)


def test_a_status_of_tomorrow_is_shown_as_it_is():
    row = Row("mug")
    row.tell(StatusChanged(at=0.0, project_id="proj_1", status="pondering", before=None))
    assert "pondering" == row.words


def test_a_warning_is_shown():
    row = Row("mug")
    assert row.tell(CreditsWarning(at=0.0, project_id="proj_1", warning="Only 42 credits left"))
    assert "Only 42 credits left" == row.words


def test_what_is_done_is_full_and_stands_still():
    row = Row("mug", began_at=0.0)
    row.end("done", now=60.0)
    assert (1.0, 60.0) == (row.reached, row.seconds(now=99.0))


def test_what_failed_keeps_its_place():
    row = Row("mug", reached=0.4, began_at=0.0)
    row.end("ProjectFailed", now=60.0, went_wrong=True)
    assert 0.4 == row.reached


async def test_in_a_pipe_each_change_is_a_line(capsys):
    with LineDisplay() as board:
        row = board.row("mug")
        row.tell(StatusChanged(at=0.0, project_id="proj_1", status="running", before=None))
        board.changed(row)
        board.refresh()

    assert "[    0:00] mug: running (proj_1)\n" == capsys.readouterr().err


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.9, "0:59"), (61, "1:01"), (3661, "1:01:01")])
def test_durations_are_spelled_like_clocks(seconds, text):
    assert text == format_duration(seconds)


# -- Batches ----------------------------------------------------------------------------------------------


def test_rows_take_the_lowest_free_slot_and_keep_it():
    rows = [Row(name, project_id=name) for name in ("a", "b", "c")]

    add_row(rows, {"a", "b"})
    assert [1, 2, None] == [row.slot for row in rows]

    add_row(rows, {"b", "c"})
    assert [None, 2, 1] == [row.slot for row in rows]


def test_a_row_without_a_project_sits_nowhere():
    """A slot may belong to a project whose id is still unknown."""
    row = Row("a")
    add_row([row], {None})
    assert row.slot is None


async def test_a_board_of_few_words_says_only_what_it_is_told_to(capsys):
    with LineDisplay(wordy=False) as board:
        board.changed(board.row("mug"))
        board.say("all is well")

    assert "[    0:00] all is well\n" == capsys.readouterr().err


def progress(**known):
    usual = {
        "total": 200,
        "items_read": 30,
        "active": 10,
        "counts": {},
        "recorded": 0,
        "eta": None,
        "eta_range": None,
    }
    return Progress(**{**usual, **known})


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({}, "0 of 200 done; 10 at work"),
        ({"total": None, "counts": {"succeeded": 7}}, "7 done; 10 at work"),
        (
            {"counts": {"succeeded": 5, "failed": 2, "cancelled": 1, "paused": 3}},
            "8 of 200 done (2 failed, 1 cancelled); 10 at work",
        ),
        (
            {"eta": 4800.0, "eta_range": (4200.0, 5400.0), "active": 0},
            "0 of 200 done; about 1:20:00 to go (1:10:00 to 1:30:00)",
        ),
        ({"eta": 0.0, "eta_range": (0.0, 0.0), "active": 0}, "0 of 200 done"),
    ],
)
def test_how_far_a_batch_is_fits_a_line(known, told):
    """Paused items are not done, and the estimate has a range."""
    assert told == status_line(progress(**known))
