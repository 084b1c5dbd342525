"""Every JSON example of the documentation, read by the models."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eversince_async import models
from eversince_async._wire.converter import check, structure, unstructure
from eversince_async.errors import InvalidResponse
from eversince_async.models import ItemList, Request
from helpers.documented_examples import Example, examples, filled
from helpers.payloads import Place, anything, places

EXAMPLES = examples()


def read(example: Example, body: Any) -> Any:
    path = "$" if example.envelope is None else f"$.{example.envelope}"
    inner = body if example.envelope is None else body[example.envelope]
    name = example.model.removeprefix("list[").removesuffix("]")
    cls: Any = getattr(models, name)
    return structure(inner, ItemList[cls] if example.model.startswith("list[") else cls, path)


def everything_in(model: Any) -> Any:
    return [each.extra for each in model] if isinstance(model, list) else model.extra


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
@pytest.mark.parametrize("null", [False, True], ids=["values", "nulls"])
def test_is_read_with_no_field_unknown(example: Example, *, null: bool) -> None:
    """Every documented value has a field; none ends up in `extra`."""
    result = read(example, filled(example.body, null=null))

    for each in result if isinstance(result, list) else [result]:
        assert {} == each.extra


@pytest.mark.parametrize("example", [e for e in EXAMPLES if "reference" not in e.model.lower()], ids=str)
def test_says_what_it_says(example: Example) -> None:
    """A model writes the example again, except nulls and time formats."""
    body = filled(example.body, null=False)
    inner = body if example.envelope is None else body[example.envelope]
    result = read(example, body)

    written = [unstructure(each) for each in result] if isinstance(result, list) else unstructure(result)
    assert comparable(inner) == comparable(written)


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_requests_pass_the_local_checks(example: Example) -> None:
    """The request models can send the documented requests."""
    result = read(example, filled(example.body, null=True))

    for each in result if isinstance(result, list) else [result]:
        if isinstance(each, Request):
            check(each)


ANSWERS = [
    example
    for example in EXAMPLES
    if not example.model.startswith("list[") and not issubclass(getattr(models, example.model), Request)
]


@pytest.mark.parametrize("example", ANSWERS, ids=str)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_one_odd_value_loses_only_what_is_useless_without_it(example: Example, data: st.DataObject) -> None:
    """One odd value in a response leaves the rest readable."""
    body = filled(example.body, null=False)
    body = body if example.envelope is None else body[example.envelope]
    model = getattr(models, example.model)
    before = unstructure(structure(body, model))
    place = data.draw(st.sampled_from(list(places(body, model))))
    place.holder[place.key] = data.draw(anything)
    try:
        read = structure(body, model)
    except InvalidResponse:
        assert place.lost is None
        return

    after = unstructure(read)
    lost = place.lost or Place("", (place.trail[0],), body, frozenset(), False, None)
    cut(before, lost.trail)
    if not any(each.path == lost.path and isinstance(lost.key, int) for each in read.unreadable):
        cut(after, lost.trail)
    assert before == after


def cut(said: Any, trail: tuple[Any, ...]) -> None:
    for key in trail[:-1]:
        said = said[key]
    if isinstance(said, list) or trail[-1] in said:
        del said[trail[-1]]


def comparable(value: Any) -> Any:
    match value:
        case dict():
            pairs = {name: comparable(item) for name, item in value.items() if item is not None}
            return {name: item for name, item in pairs.items() if item != []}
        case list():
            return [comparable(item) for item in value]
        case str():
            return value.replace("Z", "+00:00") if value[:2] == "20" else value
        case _:
            return value
