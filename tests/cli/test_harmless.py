"""No printed text steers a terminal, from any source."""

from __future__ import annotations

import io
import json
import logging
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async import Governor, Outcome
from eversince_async.cli import _output
from eversince_async.cli._batch_display import BatchDisplay
from eversince_async.cli._progress import LiveDisplay
from eversince_async.cli._progress_bar import progress_bar
from eversince_async.cli._tables import print_json, print_rows, print_table
from eversince_async.cli._terminal_text import ESCAPING, harmless, on_one_line
from eversince_async.errors import RecordedFailure

EVIL = "\x1b]0;PWNED\x07\x1b[2J\x9b31m\x08\r\u202e\u2066\u200f\u2028\ud800\U000e0041\x7f"
STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}

foreign = st.text(alphabet=st.characters(exclude_categories=()))


def steers(text: str) -> list[str]:
    """Return the characters that a terminal would obey."""
    return [
        sign for sign in text if unicodedata.category(sign) in STEERING and sign not in "\n\t\u200c\u200d"
    ]


@given(foreign)
def test_no_text_steers(text: str) -> None:
    assert [] == steers(harmless(text))


@given(foreign)
def test_one_line_stays_one(text: str) -> None:
    assert not {"\n", "\t"} & set(on_one_line(text))


@given(foreign)
def test_what_is_harmless_stays_so(text: str) -> None:
    assert harmless(text) == harmless(harmless(text))


@given(st.recursive(foreign, lambda inner: st.lists(inner) | st.dictionaries(foreign, inner)))
def test_json_says_the_same_as_before(value: object) -> None:
    text = harmless(json.dumps(value, ensure_ascii=False))

    assert json.loads(json.dumps(value)) == json.loads(text)


@given(foreign, st.sampled_from(["ascii", "cp1252", "cp437", "latin-1", "utf-8", "shift_jis"]))
def test_json_says_the_same_in_any_encoding(text: str, encoding: str) -> None:
    written = harmless(json.dumps(text, ensure_ascii=False)).encode(encoding, ESCAPING)

    # Some encodings, such as Shift JIS, write one character as the bytes of another; these are left out.
    if encoding != "shift_jis":
        assert json.loads(json.dumps(text)) == json.loads(written.decode(encoding))


@pytest.mark.parametrize("text", ["größe", "東京", "👩‍👩‍👧", "می‌خواهم", "a\tb\nc", "C:\\films", "e\u0301"])
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert text == harmless(text)


def test_every_way_out_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    _output.write_line(EVIL)
    _output.warn(EVIL)
    print_json({EVIL: [EVIL]})
    print_table({"title": EVIL})
    print_rows(["title"], [[EVIL]])

    told = capsys.readouterr()
    assert [] == steers(told.out)
    assert [] == steers(told.err)


@pytest.mark.parametrize("sink", [_output.warn_line, lambda text: print_table({"key": text})])
def test_a_key_makes_no_line_of_its_own(sink: Any, capsys: pytest.CaptureFixture[str]) -> None:
    sink("a\nvideos:  elsewhere\r\n\u2028b")

    told = capsys.readouterr()
    assert 1 == (told.out + told.err).count("\n")


async def test_what_a_file_says_makes_no_row_and_no_cell_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Programs read these lines."""
    now = datetime.now(UTC)
    outcome = Outcome(
        key=f"mug\tsucceeded\thttps://evil.example\nnext{EVIL}",
        index=0,
        input=None,
        status="failed",
        error=RecordedFailure("Odd", f"a\nb\tc{EVIL}"),
        files=(Path("a\tb\nc.mp4"),),
        began_at=now,
        ended_at=now,
    )
    watch = BatchDisplay("rows.csv", Governor(), as_json=False)

    with watch.board:
        watch.outcome(outcome)

    told = capsys.readouterr()
    assert (1, 3) == (told.out.count("\n"), told.out.count("\t"))
    assert 1 == told.err.count("\n")
    assert [] == steers(told.out + told.err)


def test_a_value_makes_no_fact_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    print_table({"title": "a\nshare: http://evil.example"})

    assert 1 == capsys.readouterr().out.count("\n")


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Both streams, as on a terminal with a person."""
    shown = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", shown)
    monkeypatch.setattr("sys.stderr", shown)
    return shown


def obeyed(shown: Terminal) -> list[str]:
    text = shown.getvalue()
    return [
        sign for sign in ("\x1b]0;", "\x1b[2J", "\x9b", "\x08", "\u202e", "\u2066", "\ud800") if sign in text
    ]


async def test_a_board_is_not_steered(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    with LiveDisplay(lambda: f"footer {EVIL}") as board:
        row = board.row(EVIL)
        row.words = EVIL
        board.refresh()
        board.say(EVIL)

    assert "PWNED" in terminal.getvalue()
    assert [] == obeyed(terminal)


async def test_a_board_is_drawn_while_a_stream_that_is_no_terminal_stands_for_stdout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While rich draws, it replaces stdout.

    Until version 15, the replacement says that it is no terminal.
    """
    terminal = on_a_terminal(monkeypatch)
    with LiveDisplay(lambda: "footer") as board:
        monkeypatch.setattr("sys.stdout", io.StringIO())
        board.row("film")
        board.refresh()

        assert "film" in terminal.getvalue()


async def test_a_bar_is_not_steered_and_takes_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    async with progress_bar(f"[link=http://evil.example]film[/link]{EVIL}") as tell:
        tell(1, 2)

    assert "[link=http://evil.example]film[/link]" in terminal.getvalue()
    assert [] == obeyed(terminal)


def test_a_table_is_not_steered(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    print_rows(["title"], [[EVIL]])

    assert "PWNED" in terminal.getvalue()
    assert [] == obeyed(terminal)


def test_what_is_logged_for_a_person_has_no_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        _output.log_to_stderr()
        trouble = RuntimeError("GET https://store.example/v?X-Amz-Signature=deadbeef\x1b by es_live_secret")
        logging.getLogger("foreign").error("it failed", exc_info=trouble)
    finally:
        root.handlers[:], root.level = before, level

    told = capsys.readouterr().err
    assert "RuntimeError: GET https://store.example/v" in told
    assert [] == [secret for secret in ("deadbeef", "es_live_secret") if secret in told]
    assert [] == steers(told)


async def test_a_terminal_that_is_gone_keeps_no_board_from_going_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a hangup, the batch still goes on to its end."""
    terminal = on_a_terminal(monkeypatch)

    def gone(*_: object) -> int:
        raise OSError(5, "Input/output error")

    with LiveDisplay(lambda: "footer") as board:
        board.row("film")
        monkeypatch.setattr(terminal, "write", gone)
        monkeypatch.setattr(terminal, "flush", gone)
        board.refresh()
        board.say("interrupted")
        _output.warn("interrupted")

    with pytest.raises(_output.ResultsLost, match="cannot be written: Input/output error"):
        _output.write_line("result")
