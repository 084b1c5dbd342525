"""Files of briefs, and all the problems that they may have."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import tracemalloc
from pathlib import Path
from typing import get_type_hints

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eversince_async._file_names import fold_name
from eversince_async.cli._batch_file import Defaults, load_batch_file
from eversince_async.cli._batch_file_fields import COLUMNS
from eversince_async.cli.batch import batch_
from eversince_async.errors import InvalidRequest
from eversince_async.models._unset import UNSET
from eversince_async.models.projects import Brief
from eversince_async.resources._brief import BriefOptions

PLAIN = Defaults(render="1080p", share=True, folder=None)


@pytest.fixture
def read(tmp_path):
    """A function that reads a file and returns its rows and problems."""

    def read(content, *, name="briefs.csv", form=None, encoding="utf-8", wanted=PLAIN):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        complaints = []
        sheet = load_batch_file(str(path), form, encoding, wanted, lambda *each: complaints.append(each))
        try:
            return [(line, item) for line, item in sheet.items()], complaints
        finally:
            sheet.close()

    return read


def only(read, content, **options):
    """A function that returns the only row of a good file."""
    items, complaints = read(content, **options)
    assert [] == complaints
    ((_, item),) = items
    return item


# -- Columns ----------------------------------------------------------------------------------------------


def test_there_is_a_column_for_everything_that_create_takes():
    ours = {"key", "render", "share", "share_title", "share_description", "download"}
    assert {"brief", *get_type_hints(BriefOptions), *ours} == set(COLUMNS)


def test_the_help_page_names_every_column():
    """People look for columns on the help page."""
    assert [] == [name for name in COLUMNS if name not in inspect.getdoc(batch_)]


def test_every_cell_arrives_where_it_belongs(read):
    cells = {
        "brief": "A mug",
        "title": "Mug",
        "mode": "autonomous",
        "aspect_ratio": "9:16",
        "craft": "cinema",
        "craft_auto": "no",
        "skills": "cinema, noir; mine",
        "reasoning_mode": "fast",
        "video_model": "v",
        "image_model": "i",
        "agent_model": "a",
        "expected_output": "assembled",
        "webhook_url": "https://example.com/hook",
        "idempotency_key": "mug-1",
        "references": "https://example.com/a.png upload:up_1 https://example.com/page",
        "extract_content": "Yes",
        "extra.seed": "7",
        "key": "mug",
        "render": "4k",
        "share": "yes",
        "share_title": "A mug for mornings",
        "share_description": "No voiceover",
        "download": "here.mp4",
    }
    head = ",".join(f'"{name}"' for name in cells)
    item = only(read, head + "\n" + ",".join(f'"{cell}"' for cell in cells.values()) + "\n")

    sent = item.spec["brief"]
    assert {field.name for field in attrs.fields(Brief)} - {"extra"} <= sent.keys()
    assert ["cinema", "noir", "mine"] == sent["skills"]
    assert (False, True, 7) == (sent["craft_auto"], sent["extract_content"], sent["seed"])
    assert [
        {"url": "https://example.com/a.png", "type": "image"},
        {"upload_id": "up_1"},
        {"url": "https://example.com/page", "type": "url"},
    ] == sent["references"]
    assert ("mug", "4k", {"title": "A mug for mornings", "description": "No voiceover"}) == (
        item.key,
        item.spec["render"],
        item.spec["share"],
    )
    assert "here.mp4" == item.delivery.download


def test_what_is_empty_is_as_the_options_say(read):
    wanted = Defaults(render="4k", share=False, folder=None, quality="4k")
    items, complaints = read("brief,render,share\nA,,\nB,no,yes\nC,yes,\n", wanted=wanted)

    assert [] == complaints
    specs = [item.spec for _, item in items]
    assert [("4k", None), (None, {}), ("4k", None)] == [(spec["render"], spec["share"]) for spec in specs]


def test_a_field_of_tomorrow_wins_over_the_check_of_ours(read):
    """Fields that the documentation lacks have columns of their own."""
    assert "5:4" == only(read, "brief,extra.aspect_ratio\nA,5:4\n").spec["brief"]["aspect_ratio"]


def test_heads_may_be_written_as_people_write_them(read):
    assert "9:16" == only(read, " Brief ,Aspect Ratio\nA,9:16\n").spec["brief"]["aspect_ratio"]


@pytest.mark.parametrize("sign", [";", "\t"])
def test_what_stands_between_cells_is_found_out(read, sign):
    assert "mug" == only(read, f"key{sign}brief\nmug{sign}A, or B\n").key


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("\ufeffkey,brief\nk,Möwe\n".encode(), "utf-8"),
        ("key,brief\nk,Möwe\n".encode("cp1252"), "cp1252"),
        ("key,brief\nk,Möwe\n".encode("utf-16"), "utf-16"),
        (b"key,brief\r\nk,M\xc3\xb6we\r\n", "utf-8"),
    ],
    ids=["byte order mark", "cp1252", "utf-16", "line ends of Windows"],
)
def test_text_is_read_in_its_encoding(read, content, encoding):
    item = only(read, content, encoding=encoding)
    assert ("k", "Möwe") == (item.key, item.spec["brief"]["brief"])


def test_json_lines_say_the_same(read):
    rows = [
        {"key": 7, "brief": "A", "skills": ["noir"], "share": {"title": "T", "description": "D"}},
        {"key": "b", "brief": "B", "render": False, "references": [{"upload_id": "u"}], "title": None},
    ]
    items, complaints = read("\n\n".join(map(json.dumps, rows)), name="briefs.jsonl")

    assert [] == complaints
    assert [(1, "7"), (3, "b")] == [(line, item.key) for line, item in items]
    assert {"title": "T", "description": "D"} == items[0][1].spec["share"]
    assert (None, [{"upload_id": "u"}]) == (
        items[1][1].spec["render"],
        items[1][1].spec["brief"]["references"],
    )


def test_a_line_of_json_may_be_the_brief_itself(read):
    assert "A film" == only(read, '"A film"\n', name="b.txt", form="jsonl").spec["brief"]["brief"]


# -- Keys and files ---------------------------------------------------------------------------------------


def test_without_keys_the_numbers_of_lines_are_keys(read):
    """Keys are an editor's line numbers, despite line breaks in cells."""
    items, _ = read('brief,title\n"One\nof two lines",a\n\n,\nTwo,b\n"Three\n\n",c\n')
    assert ["2", "6", "7"] == [item.key for _, item in items]
    assert [2, 6, 7] == [line for line, _ in items]


def test_videos_are_named_by_their_keys(read, tmp_path):
    wanted = Defaults(render=None, share=True, folder=tmp_path)
    items, _ = read("key,brief,download\nmug,A,\nTea,B,\nd,C,x/y.mp4\n", wanted=wanted)
    assert [str(tmp_path / name) for name in ("mug.mp4", "Tea.mp4", "x/y.mp4")] == [
        item.delivery.download for _, item in items
    ]


def test_keys_that_are_no_names_or_one_name_have_a_name_each(read, tmp_path):
    """Names that differ only in case are one file on many systems."""
    wanted = Defaults(render=None, share=True, folder=tmp_path)
    keys = ["a/b:c", "..", "CON", "Tea", "tea", "e\u0301", "\u00e9"]
    items, complaints = read("key,brief\n" + "".join(f"{key},A\n" for key in keys), wanted=wanted)

    names = [fold_name(Path(item.delivery.download).name) for _, item in items]
    assert [] == complaints
    assert len(keys) == len(set(names))
    assert {tmp_path} == {Path(item.delivery.download).parent for _, item in items}


def test_without_keys_videos_are_named_by_their_projects(read, tmp_path):
    """The next file has the same line numbers."""
    wanted = Defaults(render=None, share=True, folder=tmp_path)
    assert f"{tmp_path}/" == only(read, "brief\nA\n", wanted=wanted).delivery.download


# -- Problems of rows -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", [(1, "is empty")]),
        ("key,title\na,b\n", [(1, "names no column 'brief'")]),
        ("brief,breif\nA,B\n", [(1, "column 2: there is no 'breif'; did you mean 'brief'?")]),
        ("brief,xyz\nA,B\n", [(1, "column 2: there is no 'xyz'; there are brief, title, mode,")]),
        ("brief,,title\nA,B,C\n", [(1, "column 2: has no name")]),
        ("brief,title,Title\nA,B,C\n", [(1, "names column 'title' twice")]),
        ("brief,title\nA\nB,b,c\n", [(3, "has 3 cells, and the first line 2; quote cells with commas")]),
        ("brief;title\nA;a;c\n", [(2, "quote cells with semicolons")]),
        ("brief:title\nA:b\n", [(1, "it reads 'brief:title'")]),
        ("brief,title\n#REF!,a\nA,#NAME?\n", [(2, "brief is #REF!, an error"), (3, "title is #NAME?, an")]),
        ("brief\n#NV\nErr:508\n", [(2, "an error of a spreadsheet"), (3, "an error of a spreadsheet")]),
        ('brief,title\n"A" b,c\nB,d\n', [(2, "is no CSV")]),
        ('brief,title\n"A" ,"b\nB,d\n', [(2, "is no CSV")]),
        ('title,brief\nT,""\n', [(2, "brief is empty")]),
        (f"brief\n{'x' * 10_001}\n", [(2, "brief has 10,001 characters; shorten it to 10,000")]),
        (f"brief,title\nA,{'x' * 31}\n", [(2, "title has 31 characters; shorten it to 30")]),
        (
            "brief,mode,aspect_ratio\nA,autonomus,4:3\n",
            [(2, "mode must be autonomous or collaborative, not 'autonomus'"), (2, "aspect_ratio must be")],
        ),
        ("brief,craft_auto\nA,perhaps\n", [(2, "craft_auto must be yes or no, not 'perhaps'")]),
        ("brief,render\nA,8k\n", [(2, "render must be 1080p, 4k, yes or no, not '8k'")]),
        ("brief,references\nA,mug.png\n", [(2, "`eversince upload FILE` prints its id")]),
        ("brief,references\nA," + "https://a.b/ " * 11 + "\n", [(2, "references has 11")]),
        ("brief,webhook_url\nA,example.com\n", [(2, "webhook_url must be an address")]),
        ("brief,extra\nA,7\n", [(2, "extra must be a JSON object, not '7'")]),
        (
            "brief,extra.render\nA,4k\n",
            [(2, "extra.render is no field of the API's; the column is 'render'")],
        ),
        ("key,brief\na,A\n,B\n", [(3, "key is empty; give all rows one, or none")]),
        ("key,brief\na,A\na,B\n", [(3, "key 'a' stands on line 2 already")]),
        ("brief,idempotency_key\nA,i\nB,i\n", [(3, "idempotency_key 'i' stands on line 2 already")]),
        ("brief,download\nA,f.mp4\nB,F.mp4\n", [(3, "download 'F.mp4' stands on line 2 already for the")]),
        ('brief\n"A "quoted" word"\nB\n', [(2, "is no CSV")]),
        ('brief\nA\n"B\nC\nD\n', [(3, "a quotation mark is opened here and never closed")]),
        (b"brief,title\nM\xfcller,a\nA,b\nB,\xfc\n", [(2, "byte 0xFC after 'M'"), (4, "byte 0xFC")]),
        (b"brief\nA\0\n", [(2, "has a NUL character")]),
    ],
)
def test_what_is_wrong_is_told_with_its_line(read, content, told):
    _, complaints = read(content)

    assert [line for line, _ in told] == [line for line, _ in complaints]
    assert [] == [part for (_, part), (_, text) in zip(told, complaints, strict=True) if part not in text]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{]", "is no JSON"),
        ("7", "must be an object"),
        ("[" * 100_000, "is no JSON"),
        ('{"brief": "A", "brief": "B"}', "'brief' stands there twice"),
        ('{"brief": "A", "craft_auto": NaN}', "NaN is no number"),
        ('{"brief": "A", "titel": "B"}', "did you mean 'title'?"),
        ('{"brief": 7}', "brief must be text, not 7"),
        ('{"brief": "A", "title": "\\ud800"}', "title holds half of a surrogate pair"),
        ('{"brief": "A", "references": [{"file": "mug.png"}]}', "references[0].url"),
        ('{"brief": "A", "share": 7}', "share must be yes or no, not 7; a title goes into share_title"),
        ('{"brief": "A", "key": "a\\nb"}', "key must be one line"),
    ],
)
def test_wrong_json_is_told_with_its_line(read, content, told):
    fine = '{"brief": "fine", "key": "f"}\n' if "key" in content else '"fine"\n'
    _, ((line, problem),) = read(fine + content, name="b.jsonl")

    assert 2 == line
    assert told in problem


def test_lines_are_right_behind_cells_of_several_lines(read):
    """All problems are reported at once, with an editor's line numbers."""
    _, complaints = read('key,brief,mode\na,"one\ntwo\n\nfour",autonomous\nb,"x\ny",wrong\nb,ok,\n"c\nd",z\n')
    assert [6, 8, 9] == [line for line, _ in complaints]


def test_a_name_that_says_no_format_is_asked_for_one(read):
    with pytest.raises(InvalidRequest, match="say --format csv or --format jsonl"):
        read("brief\nA\n", name="briefs.xlsx")


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("said", ["utf-8", "UTF8", "utf_8", "u8", "cp1252", "utf-16"])
def test_a_byte_order_mark_says_what_a_file_is(read, codec, said):
    """A byte order mark overrides the given encoding, even a wrong one."""
    assert ("k", "M\u00f6we") == key_and_brief(
        only(read, "key,brief\nk,M\u00f6we\n".encode(codec), encoding=said)
    )


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_seen(read, codec):
    assert ("k", "M\u00f6we") == key_and_brief(only(read, "key,brief\nk,M\u00f6we\n".encode(codec)))


def key_and_brief(item):
    return item.key, item.spec["brief"]["brief"]


def test_json_lines_may_begin_with_a_mark(read):
    content = b'\xef\xbb\xbf{"key": "k", "brief": "A"}\n'
    assert ("k", "A") == key_and_brief(only(read, content, name="briefs.jsonl", encoding="utf8"))


@pytest.mark.parametrize(
    "content",
    [
        '"key";"brief"\n"k";"A"\n',
        '"key"\t"brief"\nk\tA\n',
        "key|brief\nk|A\n",
        "sep=;\nkey;brief\nk;A\n",
        '"sep=;"\nkey;brief\nk;A\n',
        "SEP=,\r\nkey,brief\r\nk,A\r\n",
        "key,brief,,\nk,A,,\n",
        "key;brief;title;\nk;A;;\n",
        "key,brief,title,mode\nk,A\n",
        "key,brief\nk,A,,,\n",
        ";;\n\nkey;brief;\nk;A;\n",
        'key, "brief"\nk, "A"\n',
        '"key" ,"brief" \n"k" , "A" \n',
        "KEY,Brief\nk,A\n",
        '"Key ","BRIEF\n"\nk,A\n',
        "\u00a0key,brief\u200b\nk,A\n",
        "key,brief\rk,A\r",
    ],
)
def test_tables_are_read_as_people_export_them(read, content):
    assert ("k", "A") == key_and_brief(only(read, content))


def test_blanks_around_quotes_change_nothing_inside_of_them(read):
    item = only(read, 'key,brief\n"k" , "He said ""x"" , then\n left, ""y""" \n')
    assert ("k", 'He said "x" , then\n left, "y"') == key_and_brief(item)


def test_lines_are_right_behind_a_row_with_blanks_around_quotes(read):
    items, complaints = read('key,brief\n"k" , "one\ntwo" \nm,B\n,C\n')
    assert (["k", "m"], [5]) == ([item.key for _, item in items], [line for line, _ in complaints])


@pytest.mark.parametrize("head", ["Key", "KEY", " key "])
def test_json_lines_take_heads_in_any_case(read, head):
    item = only(read, json.dumps({head: "k", "Brief": "A", "Aspect Ratio": "9:16"}), name="b.jsonl")
    assert ("k", "A") == key_and_brief(item)
    assert "9:16" == item.spec["brief"]["aspect_ratio"]


def test_cells_of_blanks_are_empty_in_json_lines(read):
    rows, complaints = read('{"brief": "  "}\n{"brief": "A", "share": " ", "title": "\\t"}', name="b.jsonl")

    assert [(1, "brief is empty; say what to make")] == complaints
    assert [("A", UNSET)] == [(item.brief.brief, item.brief.title) for _, item in rows]


def test_two_heads_of_one_column_are_refused_in_json_lines(read):
    _, ((line, problem),) = read('{"key": "a", "Key": "b", "brief": "A"}', name="b.jsonl")
    assert (1, "'key' and 'Key' are one column") == (line, problem)


@pytest.mark.parametrize("time", ["9:16", "09:16", "9:16:00", "09:16:00"])
def test_shapes_that_a_spreadsheet_takes_for_times_are_shapes(read, time):
    assert "9:16" == only(read, f"brief,aspect_ratio\nA,{time}\n").spec["brief"]["aspect_ratio"]


def test_the_likely_encoding_is_told_once(read):
    _, complaints = read("brief\nM\u00f6we\nB\u00e4r\n".encode("cp1252"))
    assert [2, 3] == [line for line, _ in complaints]
    assert ["try --encoding cp1252" in problem for _, problem in complaints] == [True, False]


@pytest.mark.parametrize("name", ["a.xlsx", "a.XLS", "a.ods", "a.csv.gz", "a.zip", "a.json"])
def test_files_of_other_kinds_say_what_to_do(read, name):
    with pytest.raises(InvalidRequest, match=r"save it as CSV|unpack it|on a line of its own"):
        read("brief\nA\n", name=name)


@pytest.mark.parametrize("head", [b"PK\x03\x04", b"\x1f\x8b\x08", b"\xd0\xcf\x11\xe0", b"SQLite format 3\0"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_files_of_other_kinds_are_known_by_what_they_hold(read, head, form):
    with pytest.raises(InvalidRequest, match=r"save it as CSV|unpack it|eversince resume"):
        read(head + b"rest", name="a.csv", form=form)


@given(
    content=st.binary(max_size=300) | st.text(alphabet='kb",;\t|\n\r= \ufeff', max_size=80).map(str.encode)
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@pytest.mark.parametrize("begins", [b"", b"key,brief\n", b'"key";"brief"\n'])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_whatever_a_file_holds_is_rows_or_complaints(read, begins, content, name):
    with contextlib.suppress(InvalidRequest):
        read(begins + content, name=name)


def test_an_encoding_that_there_is_not_is_told(read):
    with pytest.raises(InvalidRequest, match="is not utf-9"):
        read("brief\nA\n", encoding="utf-9")


def test_many_rows_take_hardly_any_memory(read, tmp_path):
    """Rows are checked one by one; only their keys stay in memory."""
    path = tmp_path / "many.csv"
    with path.open("w") as file:
        file.write("key,brief\n")
        file.writelines(f"film-{number},{'A film about the sea ' * 20}{number}\n" for number in range(1000))
    tracemalloc.start()
    try:
        sheet = load_batch_file(str(path), None, "utf-8", PLAIN, lambda *_: None)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert 1000 == len(sheet) == sum(1 for _ in sheet)
    assert taken < path.stat().st_size / 2
    sheet.close()


def test_standard_input_is_read_like_a_file(monkeypatch, tmp_path):
    (tmp_path / "in").write_text('{"brief": "A"}\n')
    with (tmp_path / "in").open() as given:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.FileIO(given.fileno(), closefd=False)))
        sheet = load_batch_file("-", None, "utf-8", PLAIN, lambda *_: None)

    assert ["1"] == [item.key for _, item in sheet.items()]
    sheet.close()
