"""The converter: each of its rules, and inputs that might break it."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from eversince_async._wire.converter import make_reader, structure, unstructure
from eversince_async.errors import InvalidResponse
from eversince_async.lifecycle import ProjectStatus
from eversince_async.models import (
    AgentMemory,
    Brief,
    CreatedProject,
    Credits,
    ItemList,
    Model,
    Project,
    ProjectPage,
    Scene,
    SettingsChange,
    Skill,
    SkillBudget,
    SkillList,
    Timeline,
    Track,
    UploadReference,
    UrlReference,
    Variation,
)
from eversince_async.models._base import NO_EXTRA

PROJECT: dict[str, Any] = {"id": "proj_1", "status": "idle"}


def problem(data: Any, cls: Any, path: str = "$") -> tuple[str, str]:
    with pytest.raises(InvalidResponse) as caught:
        structure(data, cls, path)
    return caught.value.path, caught.value.problem


# -- Reading --------------------------------------------------------------------------------------------


def test_a_known_word_is_its_enum_member() -> None:
    """Documented values can be compared by identity."""
    assert structure(PROJECT, Project).status is ProjectStatus.IDLE


def test_an_unknown_word_stays_a_text() -> None:
    """A status that is added later does not break reading."""
    status = structure({**PROJECT, "status": "dreaming"}, Project).status

    assert "dreaming" == status
    assert type(status) is str


def test_unknown_fields_are_kept() -> None:
    """Unknown fields are in `extra`, even if named like local fields."""
    read = structure({**PROJECT, "mood": "calm", "extra": 1, "receipt": 2, "existed": 3}, CreatedProject)

    assert {"mood": "calm", "extra": 1, "receipt": 2, "existed": 3} == read.extra
    assert (None, False) == (read.receipt, read.existed)


def test_no_unknown_fields_cost_nothing() -> None:
    """Models without unknown fields share one empty, immutable mapping."""
    read = structure(PROJECT, Project)

    assert read.extra is NO_EXTRA
    assert {} == read.extra
    with pytest.raises(TypeError):
        read.extra["mood"] = "calm"  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2025-03-15T10:30:00Z", datetime(2025, 3, 15, 10, 30, tzinfo=UTC)),
        ("2025-03-15T10:30:00", datetime(2025, 3, 15, 10, 30, tzinfo=UTC)),
        ("2025-03-15T10:30:00.25+00:00", datetime(2025, 3, 15, 10, 30, 0, 250_000, tzinfo=UTC)),
        ("2025-03-15T10:30:00-05:00", datetime(2025, 3, 15, 10, 30, tzinfo=timezone(timedelta(hours=-5)))),
    ],
)
def test_times_are_aware(text: str, time: datetime) -> None:
    """A time is an instant, with or without an offset or fraction."""
    read = structure({**PROJECT, "created_at": text}, Project).created_at

    assert read is not None
    assert (time, time.utcoffset()) == (read, read.utcoffset())


def test_forms_of_numbers_are_not_told_apart() -> None:
    """An integer is a number, and 4.0 is an integer."""
    balance = structure({"credits_balance": 1450}, Credits).credits_balance
    used = structure({"used": 4.0}, SkillBudget).used

    assert (1450.0, float) == (balance, type(balance))
    assert (4, int) == (used, type(used))


def test_lists_are_tuples() -> None:
    """A model is frozen at every level."""
    assert (Scene(id="a"),) == structure({"scenes": [{"id": "a"}]}, Timeline).scenes


def test_a_list_of_models_can_be_read() -> None:
    """This serves responses whose envelope the caller removed."""
    assert [Variation(id="v")] == structure([{"id": "v"}], ItemList[Variation])


def test_null_in_an_answer_is_the_default() -> None:
    """The default is an empty tuple for a list, None otherwise."""
    timeline = structure({"scenes": [], "overlays": None, "audio": None}, Timeline)

    assert ((), None) == (timeline.overlays, timeline.audio)


def test_null_in_a_request_stays_null() -> None:
    """A change that clears the title still does so when read again."""
    change = structure({"title": None}, SettingsChange)

    assert SettingsChange(title=None) == change
    assert {"title": None} == unstructure(change)


def test_a_union_of_models_is_told_apart_by_its_fields() -> None:
    """An upload has an `upload_id`; anything else is a URL."""
    upload, page = {"upload_id": "u"}, {"url": "https://example.com", "type": "url"}
    brief = structure({"brief": "x", "references": [upload, page]}, Brief)

    assert (
        UploadReference(upload_id="u"),
        UrlReference(url="https://example.com", type="url"),
    ) == brief.references
    assert ("$.references[0].url", "is missing") == problem({"brief": "x", "references": [{}]}, Brief)


# -- Unreadable values ----------------------------------------------------------------------------------

ID = "expected an id of 1 to 1,000 characters"
TRACK = {"id": "t", "type": "music", "url": "u", "duration": 1, "volume": 1, "start_time": 0}


@pytest.mark.parametrize(
    ("data", "cls", "path", "text"),
    [
        (None, Project, "$", "expected an object, got null"),
        ([], Project, "$", "expected an object, got a list of 0"),
        ("x", Project, "$", "expected an object, got the text 'x'"),
        ({}, ItemList[Variation], "$", "expected a list, got an object"),
        ({"status": "idle"}, Project, "$.id", "is missing"),
        ({"id": None, "status": "idle"}, Project, "$.id", f"{ID}, got null"),
        ({"id": 7, "status": "idle"}, Project, "$.id", f"{ID}, got the number 7"),
        ({"id": "a", "status": ["idle"]}, Project, "$.status", "expected a word, got a list of 1"),
        ({"id": "", "status": "idle"}, Project, "$.id", f"{ID}, got the text ''"),
        ({"id": "x" * 1001, "status": "idle"}, Project, "$.id", f"{ID}, got the text '{'x' * 39}…'"),
        ({"credits_balance": "7"}, Credits, "$.credits_balance", "expected a number, got the text '7'"),
        ({"credits_balance": True}, Credits, "$.credits_balance", "expected a number, got true"),
    ],
)
def test_says_where_and_what(data: Any, cls: Any, path: str, text: str) -> None:
    """The path leads to the value.

    The problem names the expected and the actual value.
    """
    assert (path, text) == problem(data, cls)


SET_ASIDE: list[tuple[Any, Any, str, str]] = [
    ([{"id": "v"}, 7], ItemList[Variation], "$[1]", "expected an object, got the number 7"),
    (
        {**PROJECT, "created_at": "yesterday"},
        Project,
        "$.created_at",
        "expected a time in ISO 8601, got the text 'yesterday'",
    ),
    ({**PROJECT, "created_at": 0}, Project, "$.created_at", "expected a time in ISO 8601, got the number 0"),
    (
        {"skills": [], "budget": {"used": 4.5}},
        SkillList,
        "$.budget.used",
        "expected an integer, got the number 4.5",
    ),
    ({"skills": [], "budget": {"used": True}}, SkillList, "$.budget.used", "expected an integer, got true"),
    ({"skills": [], "budget": []}, SkillList, "$.budget", "expected an object, got a list of 0"),
    (
        {"scenes": [{"id": "a"}, {"id": "b"}, {"id": "c", "duration": "4"}]},
        Timeline,
        "$.scenes[2].duration",
        "expected a number, got the text '4'",
    ),
    ({"scenes": [], "audio": {"tracks": [TRACK, {}]}}, Timeline, "$.audio.tracks[1]", "id: is missing"),
    (
        {"scenes": [], "audio": {"tracks": [TRACK, {**TRACK, "id": None}]}},
        Timeline,
        "$.audio.tracks[1]",
        f"id: {ID}, got null",
    ),
    ({"sections": []}, AgentMemory, "$.sections", "expected an object, got a list of 0"),
    ({"sections": {"to do": 7}}, AgentMemory, "$.sections['to do']", "expected an object, got the number 7"),
]


@pytest.mark.parametrize(("data", "cls", "path", "text"), SET_ASIDE)
def test_what_is_set_aside_says_where_and_what(data: Any, cls: Any, path: str, text: str) -> None:
    """The rest is read.

    The path leads to the part that is not, and the problem to the reason within it.
    """
    assert [(path, text)] == [(each.path, each.problem) for each in structure(data, cls).unreadable]


def test_what_is_set_aside_is_kept() -> None:
    """A field is kept in `extra`, like an unknown one.

    An item is kept by its value and id.
    """
    odd = {"id": "proj_2", "status": 7}
    page = structure({"projects": [PROJECT, odd, {**PROJECT, "title": 7}]}, ProjectPage)

    assert (2, {"title": 7}, None) == (len(page.projects), page.projects[1].extra, page.projects[1].title)
    assert [("proj_2", odd, True), ("proj_1", 7, False)] == [
        (each.id, each.value, each.is_item) for each in page.unreadable
    ]


def test_nothing_inside_of_what_is_lost_is_told_apart() -> None:
    """A lost item counts once, however much of it cannot be read."""
    odd = {"id": "proj_2", "title": 7, "created_at": 7, "status": 7}

    assert ["$.projects[0]"] == [each.path for each in structure({"projects": [odd]}, ProjectPage).unreadable]


def test_an_answer_of_which_hardly_anything_can_be_read_is_none() -> None:
    """The list of losses would need more memory than the response."""
    path, text = problem({"projects": [7] * 5_000}, ProjectPage)

    assert ("$", "more than 1,000 values in it cannot be read") == (path, text)


def test_in_a_request_nothing_is_set_aside() -> None:
    """A paid request is made exactly as written, or not at all."""
    assert ("$.title", "expected a text, got the number 7") == problem({"brief": "x", "title": 7}, Brief)
    assert "$.references[1]" == problem({"brief": "x", "references": [{"upload_id": "u"}, 7]}, Brief)[0]


def test_the_path_starts_where_the_data_stood() -> None:
    """Inside an envelope, the envelope is part of the path."""
    assert ("$.skill.id", "is missing") == problem({}, Skill, "$.skill")


def test_a_word_is_short() -> None:
    """A text that is no word would fill errors and log lines."""
    assert "$.status" == problem({"id": "p", "status": "x" * 201}, Project)[0]
    assert "x" * 200 == structure({"id": "p", "status": "x" * 200}, Project).status


def test_a_long_value_is_cut() -> None:
    """An error must not hold 10,000 characters."""
    _, text = problem({"credits_balance": "x" * 10_000}, Credits)

    assert len(text) < 100


@pytest.mark.parametrize("huge", [10**400, -(10**400), 10**10_000], ids=["400", "-400", "10,000"])
def test_a_huge_number_is_refused(huge: int) -> None:
    """A number beyond all floats is no number of credits.

    To report it must not fail either.
    """
    path, text = problem({"credits_balance": huge}, Credits)

    assert "$.credits_balance" == path
    assert "expected a number, got the number <an integer of" in text


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_an_infinite_count_is_refused(number: float) -> None:
    """A parser might let an infinity through."""
    assert structure({"used": number}, SkillBudget).used is None


def test_depth_does_no_harm() -> None:
    """Unknown fields may be nested as deep as the parser allows."""
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]

    read = structure({**PROJECT, "deep": deep}, Project)

    assert read.extra["deep"] is deep
    assert "[[[[[…]]]]]" in repr(read)


# -- Generation -----------------------------------------------------------------------------------------


def test_what_was_read_is_frozen() -> None:
    """The object has its own class, not the twin's.

    It cannot be changed.
    """
    read = structure(PROJECT, Project)

    assert type(read) is Project
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        read.id = "other"  # type: ignore[misc]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        del read.id


def test_a_class_with_code_on_creation_is_refused() -> None:
    """Reading would skip validators, converters and factories."""

    @attrs.frozen(kw_only=True)
    class Validated(Model):
        name: str = attrs.field(validator=attrs.validators.min_len(1))

    @attrs.frozen(kw_only=True)
    class Made(Model):
        names: tuple[str, ...] = attrs.field(factory=tuple)

    for cls, text in ((Validated, "runs on creation"), (Made, "made anew")):
        with pytest.raises(TypeError, match=text):
            make_reader(cls)


def test_an_annotation_without_a_rule_is_refused() -> None:
    """A new kind of field fails when it is written.

    It does not wait for a response.
    """

    @attrs.frozen(kw_only=True)
    class Strange(Model):
        thing: complex

    with pytest.raises(TypeError, match="no rule for <class 'complex'>"):
        make_reader(Strange)


def test_track_volume_is_not_rescaled() -> None:
    """Both documented scales are kept as the server sends them."""
    assert [100.0, 0.5] == [structure({**TRACK, "volume": v}, Track).volume for v in (100, 0.5)]
