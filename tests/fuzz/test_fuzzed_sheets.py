"""Whatever a file of briefs holds, its rows are read or complained of by line."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async._wire import endpoints
from eversince_async._wire.requests import build
from eversince_async.batch.items import Item
from eversince_async.cli._batch_file import Defaults, load_batch_file
from eversince_async.cli._batch_file_fields import COLUMNS
from eversince_async.errors import InvalidRequest
from helpers.fuzz_data import any_text, bounded, damaged, documents, fuzzed, odd_text

pytestmark = pytest.mark.slow

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1", "cp932"]
CLAIMED = [
    *ENCODINGS,
    "ascii",
    "utf-7",
    "idna",
    "punycode",
    "hex",
    "rot13",
    "undefined",
    "no such",
    "",
    "\0",
    "\ud800",
]
COLUMN = st.sampled_from([*COLUMNS, "extra.seed", "extra.", "Brief", " key ", "BRIEF", "share title"])
CELLS = odd_text | st.sampled_from(
    ["A mug", "yes", "nein", "1080p", "4k", "#REF!", "=1+1", "a.mp4", "../a.mp4", "{}", '"']
)


def read_sheet(
    content: bytes, form: str, encoding: str, folder: Path | None
) -> tuple[list[Item], list[tuple[int, str]]]:
    """The rows that are all right, and what was complained of."""
    complaints: list[tuple[int, str]] = []
    wanted = Defaults(render="1080p", share=True, folder=folder)
    handle, name = tempfile.mkstemp()
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        sheet = load_batch_file(name, form, encoding, wanted, lambda *each: complaints.append(each))  # type: ignore[arg-type]
        try:
            return [item for _, item in sheet.items()], complaints
        finally:
            sheet.close()
    finally:
        os.unlink(name)


def check(content: bytes, form: str, encoding: str = "utf-8", folder: Path | None = Path("videos")) -> None:
    """Every row is made or complained of; what is made can be sent, and its file stays inside the folder."""
    with bounded(len(content)):
        try:
            items, complaints = read_sheet(content, form, encoding, folder)
        except InvalidRequest:
            return
    assert all(line >= 1 and problem for line, problem in complaints)
    for item in items:
        assert item.error is None, item.error
        assert item.brief is not None
        build(endpoints.CREATE_PROJECT, body=item.brief)
        target = item.delivery.download
        if folder is not None and target is not None:
            inside = os.path.normpath(os.path.join(folder, target))
            assert inside.startswith(f"{folder}{os.sep}"), target


@st.composite
def tables(draw: st.DrawFn) -> str:
    heads = draw(st.lists(COLUMN | any_text, min_size=1, max_size=5)) + draw(st.just(["brief"]) | st.just([]))
    rows = draw(st.lists(st.lists(CELLS, max_size=len(heads) + 2), max_size=4))
    out = io.StringIO()
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    csv.writer(out, delimiter=draw(st.sampled_from(",;\t|")), quoting=quoting, lineterminator=end).writerows(
        [heads, *rows]
    )
    return draw(st.sampled_from(["", "sep=;\n", "\n\n", "\ufeff"])) + out.getvalue()


@fuzzed(60)
@given(st.data(), tables(), st.sampled_from(ENCODINGS), st.sampled_from(CLAIMED))
def test_any_table_is_read_or_complained_of(data: st.DataObject, table: str, written: str, said: str) -> None:
    content = table.encode(written, "replace")
    encoding = data.draw(st.sampled_from([written, said]))

    check(data.draw(st.just(content) | damaged(content)), "csv", encoding)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    objects = st.dictionaries(COLUMN | st.just("brief"), CELLS | documents(COLUMN, 4), max_size=6)
    rows = draw(st.lists(objects | documents(COLUMN, 4), max_size=4))
    return "\n".join(json.dumps(row, ensure_ascii=draw(st.booleans())) for row in rows).encode(
        "utf-8", "surrogatepass"
    )


@fuzzed(60)
@given(lines() | lines().flatmap(damaged), st.sampled_from(["utf-8", "cp1252", "utf-16"]))
def test_any_json_lines_are_read_or_complained_of(content: bytes, encoding: str) -> None:
    check(content, "jsonl", encoding)


@fuzzed(40)
@given(st.binary(max_size=200), st.sampled_from(["csv", "jsonl"]), st.sampled_from(CLAIMED))
def test_any_bytes_are_read_or_complained_of(content: bytes, form: str, encoding: str) -> None:
    check(content, form, encoding)


def test_numbers_that_json_has_no_place_for_are_complained_of() -> None:
    for number in ("1e999", "-1e999", "NaN", "1" * 5000):
        row = f'{{"brief": "A mug", "extra.seed": {number}, "extra": {{"a": [{number}]}}}}'
        _, complaints = read_sheet(row.encode(), "jsonl", "utf-8", None)
        assert complaints, number


def test_no_depth_is_too_deep() -> None:
    for deep in (900, 5_000, 100_000):
        row: Any = '{"brief": "A mug", "extra.deep": ' + "[" * deep + "]" * deep + "}"
        check(row.encode(), "jsonl")


def test_memory_does_not_follow_the_number_of_rows() -> None:
    """Many lines inside of quotation marks that are never closed, many columns, many empty lines."""
    for content in (b'brief\n"' + b"x\n" * 20_000, b"," * 40_000, b"brief" + b"\n" * 40_000):
        check(content, "csv")
