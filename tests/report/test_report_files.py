"""The table, the document, and the writing of any report."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async.report.csv_table import COLUMNS, cell, write_csv
from eversince_async.report.files import atomic_write
from eversince_async.report.formatting import printable
from eversince_async.report.hints import ADVICE, hint_for
from eversince_async.report.json_document import write_json
from eversince_async.report.model import PurchaseOffer, RequestMinute
from helpers.report_data import NOON, STAGES, at, entry, failed, overview, stage


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


# -- The table --------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_item(tmp_path):
    path = tmp_path / "report.csv"

    write_csv(
        path, [entry(share_url="https://eversince.ai/v/1", files=[Path("mug.mp4")]), failed(number=None)]
    )

    first, second = rows(path)
    assert set(COLUMNS) == set(first)
    assert {
        "key": "mug",
        "number": "1",
        "status": "succeeded",
        "brief": "A film about a mug",
        "share_url": "https://eversince.ai/v/1",
        "files": "mug.mp4",
        "began_at": "2026-11-22T12:00:00Z",
        "ended_at": "2026-11-22T12:12:00Z",
        "seconds": "720.0",
        "seconds_waiting": "60.0",
        "seconds_agent": "480.0",
        "seconds_rendering": "120.0",
        "seconds_sharing": "6.0",
        "seconds_downloading": "24.0",
        "earlier_run": "no",
        "attempts": "1",
    }.items() <= first.items()
    assert ("failed", "ProjectFailed", "the agent gave up", "") == (
        second["status"],
        second["error"],
        second["message"],
        second["number"],
    )
    assert ADVICE["ProjectFailed"] == second["what_to_do"]


def test_the_head_of_the_table_is_a_promise():
    assert (
        "key,number,status,title,brief,error,message,what_to_do,project_id,share_url,files,attempts,earlier_run,"
        "began_at,ended_at,seconds,seconds_waiting,seconds_agent,seconds_rendering,seconds_sharing,"
        "seconds_downloading"
    ) == ",".join(COLUMNS)


def test_a_spreadsheet_takes_the_table_for_utf_8(tmp_path):
    write_csv(tmp_path / "report.csv", [entry(brief="Käse 🎬")])

    assert b"\xef\xbb\xbfkey," == (tmp_path / "report.csv").read_bytes()[:7]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1+1", "\uff1d1", "=cmd|' /C calc'!A0"]
)
def test_no_cell_is_a_formula(text):
    assert cell(text).startswith("'")


def test_an_ordinary_cell_is_left_alone():
    assert "A film: 1+1=2, from me@example.com" == cell("A film: 1+1=2, from me@example.com")


@given(key=st.text(), brief=st.text(), message=st.text())
def test_every_text_comes_back_from_the_table(tmp_path_factory, key, brief, message):
    path = tmp_path_factory.mktemp("csv") / "report.csv"

    write_csv(path, [failed("Odd", message, key=key, brief=brief)])

    [row] = rows(path)
    for name, text in (("key", key), ("brief", brief), ("message", message)):
        assert printable(text) == row[name].removeprefix("'") or printable(text) == row[name]


def test_a_cell_holds_no_more_than_a_spreadsheet_takes():
    assert len(cell("x" * 100_000)) < 32_767


# -- The document -----------------------------------------------------------------------------------------


def test_the_document_tells_all(tmp_path):
    path = tmp_path / "report.json"

    write_json(
        path,
        overview(
            counts={"succeeded": 1, "failed": 1},
            left=7,
            paused="no credits",
            resumes_at=at(60),
            offers=[
                PurchaseOffer("500 credits", "https://eversince.ai/buy"),
                PurchaseOffer("x", "javascript:alert(1)"),
            ],
            seconds=720.0,
            slots=5,
            minutes=[RequestMinute(NOON, 1, 2, 3, 4)],
            requests_per_minute=30,
            credits_spent=12.5,
        ),
        [entry(stages=STAGES[:1]), failed()],
    )

    told = json.loads(path.read_text("utf-8"))
    first, second = told.pop("items")
    assert {
        "version": 1,
        "title": "Mugs",
        "made_at": "2026-11-22T13:00:00.000+00:00",
        "counts": {"succeeded": 1, "failed": 1},
        "left": 7,
        "paused": "no credits",
        "resumes_at": "2026-11-22T13:00:00.000+00:00",
        "offers": [{"label": "500 credits", "url": "https://eversince.ai/buy"}],
        "seconds": 720.0,
        "slots": 5,
        "credits_spent": 12.5,
        "requests": {
            "count": 6,
            "refused": 4,
            "limit_per_minute": 30,
            "minutes": [
                {"at": "2026-11-22T12:00:00.000+00:00", "work": 1, "looks": 2, "other": 3, "refused": 4}
            ],
        },
        "notes": [],
    } == told
    assert [
        {
            "name": "waiting",
            "began_at": "2026-11-22T12:00:00.000+00:00",
            "ended_at": "2026-11-22T12:01:00.000+00:00",
            "slot": None,
        }
    ] == first["stages"]
    assert "the agent gave up" == second["error"]["message"]


def test_the_document_has_a_line_for_each_item(tmp_path):
    write_json(tmp_path / "report.json", overview(), [entry(key=f"{n}", brief="a\nb") for n in range(5)])

    lines = (tmp_path / "report.json").read_text("utf-8").splitlines()
    assert 1 + 1 + 5 + 1 == len(lines)
    assert list("01234") == [json.loads(line.rstrip(","))["key"] for line in lines[2:7]]


def test_a_document_of_nothing_is_a_document(tmp_path):
    write_json(tmp_path / "report.json", overview(counts={}), [])

    assert [] == json.loads((tmp_path / "report.json").read_text("utf-8"))["items"]


@given(st.text())
def test_every_text_comes_back_from_the_document(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("json") / "report.json"

    write_json(path, overview(), [entry(key=text, brief=text, stages=[stage(text, 0, 1)])])

    [item] = json.loads(path.read_text("utf-8"))["items"]
    assert printable(text) == item["key"] == item["brief"] == item["stages"][0]["name"]


SECRET = "https://a.example/f.mp4?X-Amz-Signature=0123456789abcdef0123456789abcdef es_live_abcdefghijklmnop"


def test_no_secret_is_in_table_or_document(tmp_path):
    items = [
        entry(key=SECRET, title=SECRET, brief=SECRET, share_url=SECRET.split()[0]),
        failed(SECRET, SECRET, project_id=SECRET),
    ]

    write_csv(tmp_path / "r.csv", items)
    write_json(tmp_path / "r.json", overview(title=SECRET, paused=SECRET), items)

    for path in tmp_path.iterdir():
        text = path.read_text("utf-8")
        assert "0123456789abcdef" not in text
        assert "abcdefghijklmnop" not in text


# -- Advice -----------------------------------------------------------------------------------------------


def test_there_is_advice_for_what_nobody_has_heard_of():
    assert "retry_failed=True" in hint_for("NeverHeardOf", "failed")
    assert "goes on where it stopped" in hint_for("NeverHeardOf", "paused")


def test_advice_is_given_for_errors_that_exist():
    from eversince_async import errors

    assert [] == [name for name in ADVICE if not hasattr(errors, name)]


# -- Writing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_goes_wrong_leaves_the_old_file(tmp_path, trouble):
    path = tmp_path / "report.txt"
    path.write_text("old", "utf-8")

    def write():
        with atomic_write(path) as file:
            file.write("ne")
            raise trouble

    with pytest.raises(type(trouble)):
        write()

    assert {"report.txt": "old"} == {each.name: each.read_text("utf-8") for each in tmp_path.iterdir()}


def test_nobody_sees_half_a_file(tmp_path):
    path = tmp_path / "new" / "report.txt"

    with atomic_write(path) as file:
        file.write("whole")
        assert not path.exists()

    assert "whole" == path.read_text("utf-8")


def test_a_link_stays_a_link(tmp_path):
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old", "utf-8")
    link.symlink_to(real)

    with atomic_write(link) as file:
        file.write("new")

    assert link.is_symlink()
    assert "new" == real.read_text("utf-8")


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("r" * 250 + ".txt")

    with atomic_write(path) as file:
        file.write("x")

    assert path.exists()


# -- Whose it is ------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such permissions")
def test_a_new_report_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """Briefs and addresses are private, regardless of the umask."""
    before = os.umask(0)
    try:
        with atomic_write(tmp_path / "report.csv") as file:
            assert [0o600] == [each.stat().st_mode & 0o777 for each in tmp_path.iterdir()]
            file.write("x")
    finally:
        os.umask(before)
    assert 0o600 == (tmp_path / "report.csv").stat().st_mode & 0o777


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such permissions")
def test_a_report_that_is_replaced_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "report.csv").touch()
    (tmp_path / "report.csv").chmod(0o644)

    with atomic_write(tmp_path / "report.csv") as file:
        file.write("x")
    assert 0o644 == (tmp_path / "report.csv").stat().st_mode & 0o777


def test_a_link_that_leads_to_no_file_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "report.csv").symlink_to(tmp_path / "elsewhere.csv")

    with pytest.raises(FileNotFoundError, match="leads to no file"), atomic_write(tmp_path / "report.csv"):
        pass
    assert ["report.csv"] == os.listdir(tmp_path)
