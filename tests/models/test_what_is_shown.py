"""Reprs are short, useful and free of secrets."""

from datetime import UTC, datetime
from typing import Any

import pytest

from eversince_async._wire.converter import structure
from eversince_async.errors import InvalidResponse
from eversince_async.models import (
    AgentMemory,
    Brief,
    CreditPackage,
    Key,
    NewKey,
    Project,
    ProjectPage,
    ProjectSummary,
    Receipt,
    Timeline,
    UploadTicket,
    UrlReference,
)
from eversince_async.models._repr import format_value
from helpers.payloads import ALL, choices, fields

SIGNED = "https://user:hunter2@store.example/a.mp4?X-Signature=5ecret and 'more' 5ecret#5ecret"
KEY = "es_live_5ecret5ecret"
TEXTS = [
    SIGNED,
    f"see {SIGNED.partition(' ')[0]} now",
    KEY,
    f"Bearer {KEY}",
    f"//{KEY}?",
    "HTTPS://x.example?5ecret",
]


def assert_silent(text: str) -> None:
    assert "5ecret" not in text
    assert "hunter2" not in text


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)
def test_no_text_field_shows_a_secret(model: Any) -> None:
    """Every field of every model, and `extra`, hides secrets.

    Secrets are query strings, user names in URLs, and keys.
    """
    for text in TEXTS:
        texts = {field.name: text for field in fields(model) if str in choices(field.type)}
        others = {field.name: None for field in fields(model) if field.name not in texts}

        built = model(**{**others, **texts}, extra={"new": {"deep": [text, {text: 1}]}})

        assert_silent(repr(built))
        assert_silent(str(built))
        assert_silent(f"{list(built.__rich_repr__())}")


def test_a_nested_model_shows_no_secret() -> None:
    """Models inside models hide secrets as well."""
    page = ProjectPage(projects=(ProjectSummary(id="p", status="idle", assembled_url=SIGNED),))

    assert (
        "ProjectPage(projects=[ProjectSummary(id='p', status='idle', "
        "assembled_url='https://…@store.example/a.mp4?…')])" == repr(page)
    )


def test_a_request_shows_no_secret() -> None:
    """A presigned URL in a reference is hidden."""
    assert_silent(repr(Brief(brief=KEY, references=[UrlReference(url=SIGNED, type="image")])))


def test_a_new_key_is_never_shown() -> None:
    """A key is hidden even if it looks like any other word."""
    assert "NewKey(id='key_1', key=…, name='CI')" == repr(NewKey(id="key_1", key="other form", name="CI"))


@pytest.mark.parametrize(
    ("data", "cls"),
    [
        ({"id": SIGNED, "status": [SIGNED]}, Project),
        ({"id": [KEY]}, Key),
        ({"id": "k", "key": {"5ecret": 1}}, NewKey),
        ({"id": "k", "key": 53_713}, NewKey),
        ({"upload_url": "u", "r2_key": {SIGNED: SIGNED}}, UploadTicket),
    ],
)
def test_a_reading_error_shows_no_secret(data: Any, cls: type) -> None:
    """An unreadable value is shown without secrets."""
    with pytest.raises(InvalidResponse) as caught:
        structure(data, cls)
    assert_silent(f"{caught.value} {caught.value!r} {caught.value.problem}")
    assert "53713" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "cls"),
    [
        ({"id": SIGNED, "status": "idle", "created_at": SIGNED}, Project),
        ({"projects": [{"id": SIGNED, "status": [SIGNED]}, KEY]}, ProjectPage),
        ({"upload_url": "u", "r2_key": "r", "expires_in": SIGNED}, UploadTicket),
        ({"sections": {SIGNED: SIGNED}}, AgentMemory),
    ],
)
def test_what_is_set_aside_shows_no_secret(data: Any, cls: Any) -> None:
    """The value is hidden in its own repr and its response's."""
    read = structure(data, cls)

    assert read.unreadable
    assert_silent(f"{read!r} {read.unreadable!r} {[each.problem for each in read.unreadable]}")


def test_says_only_what_there_is() -> None:
    """None, UNSET and empty fields are left out; False and 0 stay."""
    package = CreditPackage(id="1k", credits=0.0, purchase_url="https://eversince.ai/buy?buy=1k")

    assert "CreditPackage(id='1k', credits=0.0, purchase_url='https://eversince.ai/buy?…')" == repr(package)
    assert "Brief(brief='x', craft_auto=False)" == repr(Brief(brief="x", craft_auto=False))


def test_times_and_unknown_fields_read_well() -> None:
    """Times are ISO 8601, enums are words, unknown fields come last."""
    project = structure(
        {"new": 1, "id": "p", "status": "idle", "created_at": "2025-03-15T10:30:00Z"}, Project
    )

    assert "Project(id='p', status='idle', created_at=2025-03-15T10:30:00+00:00, extra={'new': 1})" == repr(
        project
    )


def test_long_things_are_cut() -> None:
    """A repr shows at most 200 characters, ten items and six levels."""
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]

    assert 202 == len(format_value("x" * 1_000))
    assert "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … 90 more]" == format_value(list(range(100)))
    assert "[[[[[[…]]]]]]" == format_value(deep)
    assert "<an integer of 33220 bits>" == format_value(10**10_000)


def test_the_receipt_is_not_part_of_the_value() -> None:
    """Two responses with the same content are equal, even with different receipts."""
    one = Timeline(scenes=(), receipt=Receipt(status=200, request_id="req_1"))
    other = Timeline(scenes=())

    assert one == other
    assert hash(one) == hash(other)
    assert "req_1" not in repr(one)


def test_equality_is_by_class_and_value() -> None:
    """Unknown fields count, and objects of different classes are never equal."""
    at = datetime(2025, 3, 15, tzinfo=UTC)

    assert Project(id="p", status="idle", created_at=at) == Project(id="p", status="idle", created_at=at)
    assert Project(id="p", status="idle") != Project(id="p", status="idle", extra={"new": 1})
    assert Project(id="p", status="idle") != ProjectSummary(id="p", status="idle")
    assert {Brief(brief="x", skills=["a"])} == {Brief(brief="x", skills=["a"])}


@pytest.mark.parametrize(
    "url",
    [
        "https://a b/x?sig=hush",
        "//a.example/x?sig=hush",
        "/x#hush",
        "mailto:x?hush",
        "http://[/?hush",
        "?hush",
    ],
)
def test_an_address_loses_its_query_however_odd_it_is(url: str) -> None:
    assert "hush" not in repr(UploadTicket(upload_url=url, r2_key="x"))
