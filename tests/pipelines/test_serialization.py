"""Conversion of results to JSON and back, by their types."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import attrs
import pytest

from eversince_async import Production, Project, UploadReference
from eversince_async.models.content import Variation
from eversince_async.models.output import Share
from eversince_async.pipelines.serialization import SerializationError, Serializer


class Colour(StrEnum):
    RED = "red"


class Number(Enum):
    ONE = 1


@attrs.frozen
class Cut:
    name: str
    seconds: float
    colour: Colour | None = None


@dataclasses.dataclass
class Film:
    cuts: list[Cut]
    at: datetime


class Longer(Film):
    """A film with more than its base class."""


class Size(NamedTuple):
    width: int
    height: int


class Options(TypedDict):
    title: str


class Plain:
    """A class that cannot be stored."""


@attrs.frozen
class Campaign:
    master: Production
    vertical: Production | None


WHEN = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def storing() -> Serializer:
    return Serializer(runtime=None)  # type: ignore[arg-type]  # no test here sends requests


def stored(storing: Serializer, value: Any, kind: Any) -> Any:
    """Convert a value to JSON text and back."""
    return storing.from_json(json.loads(json.dumps(storing.to_json(value, kind))), kind)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, type(None)),
        (True, bool),
        (7, int),
        (7.5, float),
        ("text", str),
        (b"bytes", bytes),
        ([1, 2], list[int]),
        ((1, "a"), tuple[int, str]),
        ((1, 2, 3), tuple[int, ...]),
        ({1, 2}, set[int]),
        ({"a": [1.5]}, dict[str, list[float]]),
        (WHEN, datetime),
        (date(2026, 5, 1), date),
        (time(12, 30), time),
        (timedelta(seconds=1.5), timedelta),
        (Path("videos/mug.mp4"), Path),
        (UUID(int=7), UUID),
        (Decimal("1.10"), Decimal),
        (Colour.RED, Colour),
        (Number.ONE, Number),
        (Cut("a", 1.5, Colour.RED), Cut),
        (Film([Cut("a", 1.5)], WHEN), Film),
        (Size(9, 16), Size),
        ({"title": "Mug"}, Options),
        ("b", Literal["a", "b"]),
        (None, int | None),
        (3, int | str),
        ("x", int | str),
        (UploadReference(upload_id="upl_1"), UploadReference),
        (Variation(id="var_1", created_at=WHEN), Variation),
        ({"any": [1, None]}, Any),
    ],
    ids=str,
)
def test_comes_back_as_it_was(storing: Serializer, value: Any, kind: Any) -> None:
    again = stored(storing, value, kind)

    assert (value, type(value)) == (again, type(again))


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ("7", int, "expected int, got str"),
        (7, str, "expected str, got int"),
        (1, bool, "expected bool, got int"),
        (True, int, "expected int, got bool"),
        (True, float, "expected a number, got bool"),
        (Longer([], WHEN), Film, "Longer would come back as Film"),
        ((1, 2), Any, "tuple would come back as list: annotate the function with the type it returns"),
        (Plain(), Any, "Plain cannot be stored"),
        (float("nan"), float, "float cannot be stored: Out of range"),
        ([Cut("a", "b")], list[Cut], "expected a number, got str"),
    ],
)
def test_what_would_come_back_as_something_else_is_refused(
    storing: Serializer, value: Any, kind: Any, message: str
) -> None:
    with pytest.raises(SerializationError, match=message):
        storing.to_json(value, kind)


@pytest.mark.parametrize("kind", [Plain, list[Plain], dict[str, Plain], Plain | None])
def test_a_type_without_rules_is_refused_before_there_is_a_value(storing: Serializer, kind: Any) -> None:
    with pytest.raises(SerializationError, match="cannot be stored: "):
        storing.check_type(kind)


@pytest.mark.parametrize("kind", [int, Campaign, Film, list[Cut], Any, Sequence[str], type(None)])
def test_one_with_rules_is_not(storing: Serializer, kind: Any) -> None:
    storing.check_type(kind)


@pytest.mark.parametrize(
    "secret",
    [
        "https://r2.example/a.mp4?X-Amz-Signature=0123456789abcdef",
        {"deep": ["es_live_0123456789"]},
        {"api_key": "anything"},
    ],
)
def test_secrets_are_refused(storing: Serializer, secret: Any) -> None:
    with pytest.raises(SerializationError, match="holds a signed URL, a key or another secret"):
        storing.to_json(secret, Any)


PROJECT = Project(
    id="proj_1",
    status="idle",
    assembled_url="https://r2.example/a.mp4?X-Amz-Signature=0123456789abcdef",
    assembled_url_expires_at=WHEN,
    variation_id="var_1",
)


async def test_productions_come_back_without_signatures(storing):
    film = Production(
        project=PROJECT, share=Share(share_url="https://s/1"), timings={"render": 1.5}, runtime=None
    )
    campaign = Campaign(film, None)

    plain = storing.to_json(campaign, Campaign)
    again = storing.from_json(plain, Campaign)

    assert "Signature" not in json.dumps(plain)
    assert "https://r2.example/a.mp4" == again.master.assembled_url
    assert (film.share, film.timings, None) == (again.master.share, again.master.timings, again.vertical)


async def test_the_url_of_one_that_came_back_counts_as_expired(storing):
    from eversince_async import clock

    film = Production(project=attrs.evolve(PROJECT, assembled_url_expires_at=None), runtime=None)

    again = storing.from_json(storing.to_json(film, Production), Production)

    assert again.assembled_url_expires_at <= clock.now()


async def test_as_an_argument_one_is_the_same_whether_it_came_back_or_not(storing):
    film = Production(project=PROJECT, runtime=None)

    again = storing.from_json(storing.to_json(film, Production), Production)

    assert storing.argument_to_json({"film": film}) == storing.argument_to_json({"film": again})


def test_an_argument_that_cannot_be_stored_is_known_by_its_type(storing: Serializer) -> None:
    assert {"type": "Plain"} == storing.argument_to_json(Plain())
