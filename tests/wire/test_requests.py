"""Requests: path, query and body, all checked before sending."""

import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from eversince_async import UNSET, Brief, InvalidRequest, UploadReference, UrlReference
from eversince_async._wire.endpoints import (
    CREATE_PROJECT,
    ENDPOINTS,
    GET_PROJECT,
    LIST_PROJECTS,
    RENDER,
    Endpoint,
)
from eversince_async._wire.requests import build, page_query
from eversince_async.limits import REQUEST_BODY_BYTES
from eversince_async.models.output import RenderRequest

# -- Paths ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id_", "encoded"),
    [
        ("proj_abc123", "proj_abc123"),
        ("a/b", "a%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("../keys", "..%2Fkeys"),
        ("a b", "a%20b"),
        ("100%", "100%25"),
        ("{project_id}", "%7Bproject_id%7D"),
        ("ключ", "%D0%BA%D0%BB%D1%8E%D1%87"),
        ("a\r\nHost: x", "a%0D%0AHost%3A%20x"),
        ("a\x00", "a%00"),
    ],
)
def test_ids_are_percent_encoded(id_: str, encoded: str) -> None:
    assert f"/projects/{encoded}" == build(GET_PROJECT, ids={"project_id": id_}).target


@pytest.mark.parametrize("id_", ["", ".", "..", None, 7, b"proj_1"])
def test_what_is_no_id_is_refused(id_: Any) -> None:
    with pytest.raises(InvalidRequest) as raised:
        build(GET_PROJECT, ids={"project_id": id_})

    assert ["project_id"] == list(raised.value.fields)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        build(GET_PROJECT, ids={"project_id": "proj_\ud800"})


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda id_: id_ not in {".", ".."})
)
def test_any_id_stays_one_part_of_the_path(id_: str) -> None:
    """The server reads back the same id, with any characters in it."""
    target = build(GET_PROJECT, ids={"project_id": id_}).target
    url = URL("https://eversince.ai/api/v1" + target, encoded=True)
    *_, projects, last = url.raw_path.split("/")

    assert ("projects", id_) == (projects, unquote(last))
    assert "" == url.raw_query_string == url.raw_fragment


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_each_path_is_filled(endpoint: Endpoint) -> None:
    names = [part[1:-1] for part in endpoint.path.split("/") if part.startswith("{")]
    target = build(endpoint, ids=dict.fromkeys(names, "x")).target

    assert "{" not in target
    assert target.startswith("/")


# -- Query ------------------------------------------------------------------------------------------------


def test_parameters_left_out_are_not_sent() -> None:
    assert "/projects?limit=5" == build(LIST_PROJECTS, query={"limit": 5, "offset": None}).target


def test_query_is_encoded() -> None:
    target = build(LIST_PROJECTS, query={"title": "Tom & Jerry=1/2 é", "flag": True}).target

    assert "/projects?title=Tom+%26+Jerry%3D1%2F2+%C3%A9&flag=true" == target


def test_extra_goes_into_the_query_where_there_is_no_body() -> None:
    assert (
        "/projects?limit=5&sort=new" == build(LIST_PROJECTS, query={"limit": 5}, extra={"sort": "new"}).target
    )


def test_half_a_surrogate_pair_in_the_query_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        build(LIST_PROJECTS, query={"title": "\ud800"})


@pytest.mark.parametrize("limit", [0, -1, 101, 2.5, "20", True])
def test_page_size_out_of_range_is_refused(limit: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"limit: must be a whole number from 1 to 100"):
        page_query(largest=100, limit=limit)


@pytest.mark.parametrize("offset", [-1, 2.5, "0", False])
def test_offset_out_of_range_is_refused(offset: Any) -> None:
    with pytest.raises(InvalidRequest, match="offset"):
        page_query(largest=100, limit=None, offset=offset)


def test_page_at_the_edges_is_fine() -> None:
    assert {"limit": 1, "offset": 0} == page_query(largest=100, limit=1, offset=0)
    assert {"limit": 100, "offset": None} == page_query(largest=100, limit=100)


# -- Bodies -----------------------------------------------------------------------------------------------


def sent(endpoint: Endpoint, **arguments: Any) -> Any:
    request = build(endpoint, **arguments)
    assert request.body is not None
    return json.loads(request.body)


def test_only_what_is_set_is_sent() -> None:
    assert {"brief": "A film"} == sent(CREATE_PROJECT, body=Brief(brief="A film", title=UNSET))


def test_references_are_written_as_documented() -> None:
    brief = Brief(
        brief="A film",
        references=[UploadReference(upload_id="upl_1"), UrlReference(url="https://a.example", type="url")],
    )

    assert [{"upload_id": "upl_1"}, {"url": "https://a.example", "type": "url"}] == sent(
        CREATE_PROJECT, body=brief
    )["references"]


def test_extra_wins_over_fields() -> None:
    """`extra` is for fields that this version lacks or knows wrongly."""
    body = sent(RENDER, ids={"project_id": "p"}, body=RenderRequest(), extra={"quality": "8k", "fps": 60})

    assert {"quality": "8k", "fps": 60} == body


def test_text_is_utf_8() -> None:
    request = build(CREATE_PROJECT, body=Brief(brief="Кружка ☕ 𝄞"))

    assert request.body is not None
    assert '{"brief":"Кружка ☕ 𝄞"}' == request.body.decode()


def test_idempotency_key_is_known_beside_the_body() -> None:
    assert "mug-1" == build(CREATE_PROJECT, body=Brief(brief="x", idempotency_key="mug-1")).idempotency_key


def test_get_has_no_body() -> None:
    assert build(LIST_PROJECTS).body is None


def test_body_of_one_megabyte_is_sent() -> None:
    padding = REQUEST_BODY_BYTES - len(b'{"x":""}')

    request = build(CREATE_PROJECT, body={"x": "a" * padding})
    assert request.body is not None
    assert REQUEST_BODY_BYTES == len(request.body)


def test_larger_body_is_refused() -> None:
    padding = REQUEST_BODY_BYTES - len(b'{"x":""}') + 1

    with pytest.raises(InvalidRequest, match=r"1,048,577 bytes; the API takes at most 1 MB"):
        build(CREATE_PROJECT, body={"x": "a" * padding})


def test_size_is_counted_in_bytes() -> None:
    with pytest.raises(InvalidRequest, match="at most 1 MB"):
        build(CREATE_PROJECT, body={"x": "é" * (REQUEST_BODY_BYTES // 2 + 1)})


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, b"bytes", float("nan"), float("inf"), "\ud800"],
    ids=["object", "set", "bytes", "nan", "infinity", "half a surrogate pair"],
)
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="cannot be written as JSON"):
        build(CREATE_PROJECT, body={"x": value})


def test_body_that_contains_itself_is_refused() -> None:
    body: dict[str, Any] = {}
    body["x"] = body
    with pytest.raises(InvalidRequest, match="cannot be written as JSON"):
        build(CREATE_PROJECT, body=body)


def test_body_nested_beyond_reason_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(InvalidRequest, match="cannot be written as JSON"):
        build(CREATE_PROJECT, body={"x": nested})


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidRequest) as raised:
        build(CREATE_PROJECT, body=Brief(brief="", title="x" * 31, idempotency_key="k" * 257))

    assert {"brief", "title", "idempotency_key"} == set(raised.value.fields)
