"""The timeline: lanes of items, and positions of times on the axis."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async.report.charts import minutes_of
from eversince_async.report.lanes import MERGE_GAP, max_waiting, other_lanes, slot_lanes
from eversince_async.report.model import RequestMinute
from eversince_async.report.scale import Scale, tick_label
from eversince_async.report.stages import Stage, stages_from_json, stages_to_json
from eversince_async.report.timeline import busy_share
from helpers.report_data import NOON, STAGES, at, entry, parsed, stage

INTERVALS = st.lists(
    st.tuples(st.floats(0, 1e6), st.floats(0, 1e5)).map(lambda pair: (pair[0], pair[0] + pair[1])), min_size=1
)


def seconds(minutes: float) -> float:
    return at(minutes).timestamp()


# -- Lanes ------------------------------------------------------------------------------------------------


def test_a_slot_has_a_lane_of_its_own_number():
    lanes = slot_lanes([entry(key="b", stages=[stage("running", 0, 5, 2)]), entry(key="a", stages=STAGES)])

    assert [["a"], ["b"]] == [[block.entry.key for block in lane] for lane in lanes]


def test_stages_in_a_row_are_one_block():
    [[block]] = slot_lanes([entry(stages=STAGES)])

    assert ["creating", "queued", "running", "generating", "rendering"] == [s.name for s in block.stages]
    assert block.is_last


def test_an_item_that_comes_back_later_is_another_block():
    """Only its last block can show a failure."""
    [lane] = slot_lanes([entry(stages=[stage("running", 0, 5, 1), stage("rendering", 300, 305, 1)])])

    assert [False, True] == [block.is_last for block in lane]


def test_two_processes_that_use_one_number_get_two_lanes():
    lanes = slot_lanes([entry(key=key, stages=[stage("running", 0, 5, 1)]) for key in "ab"])

    assert [["a"], ["b"]] == [[block.entry.key for block in lane] for lane in lanes]


def test_what_needs_no_slot_is_beside_them():
    lanes = other_lanes([entry(stages=STAGES)])

    assert ["sharing", "downloading"] == [block.stages[0].name for lane in lanes for block in lane]


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 20), st.integers(1, 5)), max_size=30))
def test_nothing_on_a_lane_overlaps(drawn):
    items = [entry(stages=[stage("running", begin, begin + long, slot)]) for begin, long, slot in drawn]

    for lane in slot_lanes(items):
        for before, after in pairwise(lane):
            assert before.end <= after.begin + MERGE_GAP


def test_those_who_wait_are_counted():
    items = [entry(stages=[stage("waiting", 0, end)]) for end in (1, 2, 3)]

    assert [3, 3, 2, 1, 0] == max_waiting(items, [seconds(m) for m in (0, 0.5, 1.5, 2.5, 3.5, 4)])


def test_how_busy_the_slots_were_leaves_out_what_is_cut():
    items = [
        entry(stages=[stage("running", 0, 60, 1)]),
        entry(stages=[stage("running", 0, 30, 2)]),
        entry(stages=[stage("running", 1000, 1060, 1)]),
    ]

    assert (2, pytest.approx(150 / 240)) == busy_share(items)


# -- The axis ---------------------------------------------------------------------------------------------


def test_nothing_has_no_axis():
    assert Scale.of([]) is None


@given(INTERVALS, st.lists(st.floats(-1e6, 3e6), max_size=20))
def test_later_is_never_further_left(intervals, moments):
    scale = Scale.of(intervals)
    assert scale is not None

    places = [scale.place(moment) for moment in sorted(moments)]

    assert places == sorted(places)
    assert all(0 <= place <= 100 + 1e-9 for place in places)


def test_a_night_is_cut_out():
    """The remaining gap is narrow, and says how long the night was."""
    scale = Scale.of([(seconds(0), seconds(60)), (seconds(900), seconds(960))])
    assert scale is not None

    [(begin, width, left_out)] = scale.cuts()

    assert (50, 840 * 60) == (pytest.approx(begin, abs=2), left_out)
    assert width < 3
    assert scale.place(seconds(500)) == pytest.approx(scale.place(seconds(60)))


def test_a_short_break_is_left_in():
    scale = Scale.of([(seconds(0), seconds(60)), (seconds(70), seconds(130))])
    assert scale is not None

    assert [] == scale.cuts()
    assert 50 == pytest.approx(scale.place(seconds(65)))


@given(INTERVALS)
def test_there_are_never_too_many_marks(intervals):
    scale = Scale.of(intervals)
    assert scale is not None

    assert len(scale.ticks()) <= 501 + len(scale.stretches)


def test_marks_are_at_round_times():
    scale = Scale.of([(seconds(1), seconds(600))])
    assert scale is not None

    labels = {tick_label(tick) for tick in scale.ticks()}

    assert {"12:05", "13:00", "21:55"} <= labels


def test_midnight_is_the_day_that_begins():
    scale = Scale.of([(seconds(0), seconds(900))])
    assert scale is not None

    assert "23 Nov" in {tick_label(tick) for tick in scale.ticks()}


def test_each_day_is_named_once():
    night = [stage("running", 0, 60, 1), stage("running", 900, 960, 1), stage("running", 1200, 1260, 1)]

    text = parsed(entry(stages=night)).text

    assert (1, 1) == (text.count("Sun 22 Nov 2026"), text.count("Mon 23 Nov 2026"))


def test_a_long_wait_does_not_stretch_the_axis():
    waited = [stage("running", 0, 60, 1), stage("waiting", 60, 1200), stage("rendering", 1200, 1205, 1)]

    assert "Nothing happened for 19 h: left out" in parsed(entry(stages=waited)).text


def test_minutes_before_what_is_drawn_are_not_drawn():
    minutes = [RequestMinute(at(n), 1) for n in range(10)]

    assert minutes == minutes_of(minutes, [], all_shown=True)
    assert minutes[5:] == minutes_of(minutes, [entry(stages=[stage("running", 5, 6, 1)])], all_shown=False)


# -- Stages -----------------------------------------------------------------------------------------------


def test_stages_are_kept_to_the_millisecond():
    kept = stages_to_json(STAGES)

    assert ["waiting", NOON.timestamp(), NOON.timestamp() + 60, None] == kept[0]
    assert STAGES == stages_from_json(kept)


@pytest.mark.parametrize(
    "kept", [None, 3, "x", {}, [[]], [["x", 1, 2]], [["x", "1", 2, 3]], [["x", 1e30, 2, 3]]]
)
def test_what_cannot_be_read_is_no_stage(kept):
    assert () == stages_from_json(kept)


def test_a_clock_that_was_set_back_makes_nothing_negative():
    assert 0.0 == Stage("running", NOON, NOON - timedelta(hours=1)).seconds
    assert "running" in parsed(entry(stages=[Stage("running", at(9), at(2), 1)])).text


def test_time_at_work_is_not_time_waited():
    item = entry(stages=[stage("waiting", 0, 5), stage("running", 5, 7, 1), stage("unrecorded", 7, 99)])

    assert 120 == item.seconds_at_work
    assert (300, 0, None) == (
        item.seconds_in("waiting"),
        item.seconds_in("sharing"),
        entry(stages=()).seconds_in("x"),
    )
