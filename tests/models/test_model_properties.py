"""Properties of every model for any response of the server."""

import copy
import pickle
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eversince_async._wire.converter import structure, unstructure
from eversince_async._wire.json_codec import dumps, loads
from eversince_async.errors import InvalidResponse
from eversince_async.models import Request, Response
from helpers.payloads import ALL, WRONG, Place, field_value, fields, is_required, payload, places

pytestmark = pytest.mark.slow

REQUESTS = [model for model in ALL if issubclass(model, Request)]
ANSWERS = [model for model in ALL if not issubclass(model, Request)]

every_model = pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)

some = settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@every_model
@some
@given(data=st.data())
def test_reads_whatever_is_well_formed(model: Any, data: st.DataObject) -> None:
    """Unknown values, nulls and missing fields neither fail nor get lost."""
    body = data.draw(payload(model))

    read = structure(body, model)

    known = {field.name for field in fields(model)}
    assert {name: value for name, value in body.items() if name not in known} == read.extra
    assert type(read) is model
    assert read == structure(unstructure(read), model)
    assert read == structure(loads(dumps(unstructure(read))), model)


@every_model
@some
@given(data=st.data())
def test_is_a_value(model: Any, data: st.DataObject) -> None:
    """Copies and pickles are equal with equal hashes; a repr never fails."""
    read = structure(data.draw(payload(model)), model)

    same = [copy.copy(read), copy.deepcopy(read), pickle.loads(pickle.dumps(read)), attrs.evolve(read)]
    assert [read] * 4 == same
    assert {hash(read)} == {hash(each) for each in same}
    assert {repr(read)} == {repr(each) for each in same}


def spoiled(data: st.DataObject, body: Any, model: Any) -> Place | None:
    """Put a value of a wrong JSON type somewhere; return its place."""
    spots = [place for place in places(body, model) if issubclass(model, Request) or not is_address(place)]
    if not spots:
        return None
    place = data.draw(st.sampled_from(spots))
    place.holder[place.key] = WRONG[data.draw(st.sampled_from(sorted(WRONG.keys() - place.wanted)))]
    return place


def is_address(place: Place) -> bool:
    """Return True for a field with a rule of its own.

    An address that is not text is read as the JSON it is.
    """
    return str(place.key).endswith("url")


@pytest.mark.parametrize("model", ANSWERS, ids=lambda model: model.__name__)
@some
@given(data=st.data())
def test_an_address_that_is_no_text_loses_nothing(model: Any, data: st.DataObject) -> None:
    body = data.draw(payload(model))
    addresses = [place for place in places(body, model) if is_address(place)]
    if not addresses:
        return
    place = data.draw(st.sampled_from(addresses))
    place.holder[place.key] = odd = data.draw(st.sampled_from([7, True, 1.5, [], {"a": [1]}]))
    read = structure(body, model)
    place.holder[place.key] = dumps(odd).decode()

    assert structure(body, model) == read
    assert not (isinstance(read, Response) and read.unreadable)


@pytest.mark.parametrize("model", REQUESTS, ids=lambda model: model.__name__)
@some
@given(data=st.data())
def test_a_wrong_type_in_a_request_names_its_path(model: Any, data: st.DataObject) -> None:
    """A value of a wrong type is refused with exactly its path."""
    body = data.draw(payload(model))
    place = spoiled(data, body, model)
    if place is None:
        return

    with pytest.raises(InvalidResponse) as caught:
        structure(body, model)
    assert place.path == caught.value.path
    assert "expected" in caught.value.problem


@pytest.mark.parametrize("model", ANSWERS, ids=lambda model: model.__name__)
@some
@given(data=st.data())
def test_a_wrong_type_loses_only_what_is_useless_without_it(model: Any, data: st.DataObject) -> None:
    """The rest is the same as if the field had been missing."""
    body = data.draw(payload(model))
    place = spoiled(data, body, model)
    if place is None:
        return
    if place.lost is None:
        with pytest.raises(InvalidResponse) as caught:
            structure(body, model)
        assert place.path == caught.value.path
        return

    read = structure(body, model)
    del place.lost.holder[place.lost.key]
    rest = structure(body, model)

    assert without(rest, place.lost.trail) == without(read, place.lost.trail)
    if isinstance(read, Response):
        assert [place.lost.path] == [each.path for each in read.unreadable]
        assert "expected" in read.unreadable[0].problem


def without(model: Any, trail: tuple[Any, ...]) -> Any:
    """Return a model's JSON without the field at a trail's end.

    The model keeps the value of that field there.
    """
    said = inner = unstructure(model)
    for key in trail[:-1]:
        inner = inner.get(key, {}) if isinstance(inner, dict) else inner[key]
    if isinstance(inner, dict):
        inner.pop(trail[-1], None)
    return said


@pytest.mark.parametrize("model", [model for model in ALL if any(map(is_required, fields(model)))])
@some
@given(data=st.data())
def test_a_missing_field_names_its_path(model: Any, data: st.DataObject) -> None:
    """A missing required field is refused with its path."""
    body = data.draw(payload(model))
    name = data.draw(st.sampled_from([field.name for field in fields(model) if is_required(field)]))
    del body[name]

    with pytest.raises(InvalidResponse) as caught:
        structure(body, model)
    assert f"$.{name}" == caught.value.path
    assert "is missing" == caught.value.problem


@every_model
@some
@given(data=st.data())
def test_optional_means_optional(model: Any, data: st.DataObject) -> None:
    """Without optional fields, a model has their defaults; null counts as missing."""
    needed = {f.name: data.draw(field_value(model, f)) for f in fields(model) if is_required(f)}
    nulls = {f.name: None for f in fields(model) if not is_required(f) and not issubclass(model, Request)}

    read = structure(needed, model)

    assert read == structure({**needed, **nulls}, model)
    assert all(getattr(read, f.name) == f.default for f in fields(model) if not is_required(f))
