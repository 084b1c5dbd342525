"""`eversince batch` and `eversince resume` of a journal, in virtual time."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from pathlib import Path

import pytest

from eversince_async import Eversince
from eversince_async.batch.items import ItemParser
from eversince_async.cli import main
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._output import ResultsLost
from eversince_async.cli.batch import batch_
from eversince_async.cli.decide import decide_
from eversince_async.cli.produce import produce_
from eversince_async.cli.report import report_
from eversince_async.cli.resume import resume_
from eversince_async.durable.status import RUNNING
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import ErrorAnswer, Reset
from eversince_async.errors import ConfigurationError, InvalidRequest, JournalError, OtherAccount
from eversince_async.journal import SqliteJournal
from eversince_async.orchestrator.options import DeliveryOptions

pytestmark = pytest.mark.slow

FAST = Scenario(queued=2, running=20, images=20, videos=60, rendering=30, cycles=1, scenes=(1, 1))

QUICK = {"queued": 2, "running": 5, "images": 5, "videos": 5, "rendering": 10}


@pytest.fixture
async def emulator():
    async with Emulator(
        scenario=FAST.when("bad", failure=1.0).when("quick", **QUICK).when("slow", queued=1200),
        credits=10_000,
    ) as emulator:
        yield emulator


def made(emulator):
    counts = emulator.world.counts
    return counts["projects"], counts["renders"], counts["shares"]


async def typed(command):
    """Run a command, asynchronous or not, and return its exit code."""
    return await command if asyncio.iscoroutine(command) else command


def rows_of(count):
    return ["key,brief", *(f"film-{number},Film {number}" for number in range(count))]


# -- All goes well ----------------------------------------------------------------------------------------


async def test_a_file_of_rows_becomes_a_folder_of_videos(emulator, rows, tmp_path, capsys):
    file = rows("key,brief,share,share_title", "mug,A mug,,A page", "tea,A cup of tea,no,")

    code = await typed(batch_(file, out=tmp_path / "videos"))

    told = capsys.readouterr()
    assert ExitCode.DONE == code
    assert {"mug.mp4", "tea.mp4"} == {path.name for path in (tmp_path / "videos").iterdir()}
    assert (2, 2, 1) == made(emulator)
    lines = {line.split("\t")[0]: line.split("\t") for line in told.out.splitlines()}
    assert lines["mug"][1:] == ["succeeded", lines["mug"][2], str(tmp_path / "videos" / "mug.mp4")]
    assert lines["mug"][2].startswith("http")
    assert "" == lines["tea"][2]
    assert "2 videos from briefs.csv; remembered in briefs.journal.db" in told.err
    assert "2 succeeded, in " in told.err
    assert "journal: briefs.journal.db" in told.err


async def test_outcomes_are_told_to_programs_line_by_line(rows, capsys):
    await typed(batch_(rows("brief", "A mug", "bad"), as_json=True))

    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"2": "succeeded", "3": "failed"} == {each["key"]: each["status"] for each in told}


async def test_the_same_command_again_makes_nothing_again(emulator, rows, capsys):
    file = rows(*rows_of(3))
    await typed(batch_(file))
    first = sorted(capsys.readouterr().out.splitlines())

    assert ExitCode.DONE == await typed(batch_(file))

    assert (3, 3, 3) == made(emulator)
    assert first == sorted(capsys.readouterr().out.splitlines())


async def test_rows_may_be_added_and_those_not_begun_changed(emulator, rows):
    await typed(batch_(rows("brief", "A mug")))

    assert ExitCode.DONE == await typed(batch_(rows("brief", "A mug", "A cup")))

    assert 2 == made(emulator)[0]


async def test_an_empty_file_of_rows_is_done_at_once(rows, capsys):
    assert ExitCode.DONE == await typed(batch_(rows("key,brief")))
    assert "nothing to do" in capsys.readouterr().err


async def test_in_a_pipe_silence_is_broken_after_a_minute(rows, capsys):
    """The lines show the progress and the account's limits."""
    await typed(batch_(rows(*rows_of(20)), concurrency=5))

    told = capsys.readouterr().err
    assert "[    1:00] 0 of 20 done; 5 at work; 5/5 projects; " in told
    assert " to go (" in told


async def test_a_long_silence_is_broken_ever_more_rarely(rows, capsys):
    """A wait for the daily reset prints few lines."""
    await typed(batch_(rows("brief", "A slow mug"), render=False))

    told = capsys.readouterr().err
    assert ["1:00", "3:00", "7:00", "15:00"] == re.findall(r"^\[ *(\d+:00)\] 0 of 1 done", told, re.MULTILINE)


@pytest.mark.parametrize(("ending", "begins"), [("html", "<!"), ("csv", "\ufeffkey,"), ("json", "{")])
async def test_a_report_tells_of_all_of_it(ending, begins, rows, tmp_path, capsys):
    """The report includes rows that an earlier run finished."""
    file = rows("key,brief", "a,A mug", "b,bad")
    await typed(batch_(file))

    await typed(batch_(file, report=tmp_path / f"report.{ending}"))

    text = (tmp_path / f"report.{ending}").read_text("utf-8")
    assert text.lower().startswith(begins.lower())
    assert "A mug" in text
    assert "succeeded" in text
    assert "it failed" in text
    assert f"report:  {tmp_path}/report.{ending}" in capsys.readouterr().err


async def test_a_journal_is_enough_for_a_report(rows, tmp_path, monkeypatch, capsys):
    """The command needs no key, because it sends no request."""
    await typed(batch_(rows("key,brief", "a,A mug")))
    monkeypatch.delenv("EVERSINCE_API_KEY")
    capsys.readouterr()

    assert ExitCode.DONE == await report_(tmp_path / "briefs.journal.db")

    assert f"{tmp_path}/briefs.journal.html\n" == capsys.readouterr().out
    assert "A mug" in (tmp_path / "briefs.journal.html").read_text("utf-8")


async def test_a_report_of_no_journal_says_so(tmp_path):
    with pytest.raises(JournalError, match="there is no such journal"):
        await report_(tmp_path / "nothing.db")


# -- Some fail --------------------------------------------------------------------------------------------


async def test_some_failed_is_told_by_the_exit_code_and_how_to_retry(emulator, rows, capsys):
    file = rows("key,brief", "a,Good", "b,bad")

    assert ExitCode.FAILED == await typed(batch_(file))
    told = capsys.readouterr().err
    assert "1 succeeded, 1 failed" in told
    assert "  b: project proj_" in told
    assert "--retry-failed" in told

    await typed(batch_(file))
    assert 2 == made(emulator)[0]
    await typed(batch_(file, retry_failed=True))
    assert 3 == made(emulator)[0]


async def test_an_outage_is_told_while_it_lasts_and_loses_nothing(emulator, rows, monkeypatch, capsys):
    """The summary states a common reason once."""
    file = rows(*rows_of(4))
    monkeypatch.setenv("EVERSINCE_BASE_URL", "http://127.0.0.1:1/api/v1")

    assert ExitCode.UNFINISHED == await typed(batch_(file))

    told = capsys.readouterr().err
    assert "trouble: projects.create: cannot connect" in told
    assert "4 paused" in told
    assert "and 1 more: paused: " in told
    monkeypatch.setenv("EVERSINCE_BASE_URL", emulator.base_url)
    assert ExitCode.DONE == await typed(batch_(file))


async def test_many_failures_are_counted_in_the_end(rows, capsys):
    await typed(batch_(rows("brief", *(f"bad {number}" for number in range(23))), render=False))
    assert "  and 3 more\n" in capsys.readouterr().err


# -- Problems found beforehand ----------------------------------------------------------------------------


async def test_nothing_is_made_of_a_file_with_something_wrong(emulator, rows, tmp_path, capsys):
    """One bad row is enough, and no journal is made either."""
    assert ExitCode.USAGE == await typed(batch_(rows("key,brief", "a,A mug", "a,", "b,B,c")))

    assert [
        "briefs.csv:3: key 'a' stands on line 2 already",
        "briefs.csv:3: brief is empty; say what to make",
        "briefs.csv:4: has 3 cells, and the first line 2; quote cells with commas",
        "eversince batch: 3 problems; nothing was made.",
    ] == capsys.readouterr().err.splitlines()
    assert 0 == len(emulator.world.log)
    assert [] == list(tmp_path.glob("*.db"))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"report": "report.pdf"}, "--report: must end in .html, .csv, .json"),
        ({"concurrency": 0}, "--concurrency: must be at least 1"),
        ({"max_credits": -1.0}, "--max-credits: must be above zero"),
        ({"journal": "a.db", "no_journal": True}, "--no-journal: contradicts"),
    ],
)
def test_options_that_make_no_sense_are_told_before_anything_is_read(options, told, tmp_path):
    paths = {name: tmp_path / options[name] for name in ("report", "journal") if name in options}
    with pytest.raises(InvalidRequest, match=told):
        batch_("nothing.csv", **{**options, **paths})


def test_a_file_that_is_not_there_is_a_wrong_call(capsys):
    assert ExitCode.USAGE == main(["batch", "nothing.csv"])
    assert "nothing.csv: No such file" in capsys.readouterr().err


def test_standard_input_needs_a_journal_or_none(capsys):
    assert ExitCode.USAGE == main(["batch", "-"])
    assert "--no-journal" in capsys.readouterr().err


async def test_no_key_is_told_when_the_file_is_all_right(rows, monkeypatch):
    monkeypatch.delenv("EVERSINCE_API_KEY")
    with pytest.raises(ConfigurationError, match="EVERSINCE_API_KEY"):
        await typed(batch_(rows("brief", "A mug")))


async def test_a_wrong_key_stops_all_and_loses_nothing(emulator, rows, monkeypatch, capsys):
    file = rows(*rows_of(3))
    monkeypatch.setenv("EVERSINCE_API_KEY", "es_live_wrong")

    assert ExitCode.CONFIGURATION == await typed(batch_(file))
    assert "go on:" in capsys.readouterr().err

    monkeypatch.setenv("EVERSINCE_API_KEY", emulator.connection["api_key"])
    assert ExitCode.DONE == await typed(batch_(file))


async def test_a_journal_that_is_none_is_left_alone(rows, tmp_path):
    (tmp_path / "briefs.journal.db").write_text("my diary, which is no database at all " * 20)

    with pytest.raises(JournalError):
        await typed(batch_(rows("brief", "A mug")))

    assert (tmp_path / "briefs.journal.db").read_text().startswith("my diary")


# -- Files that were edited -------------------------------------------------------------------------------


async def test_a_changed_row_is_told_before_anything_is_made(emulator, rows, capsys):
    await typed(batch_(rows("key,brief", "a,A mug")))

    code = await typed(batch_(rows("key,brief", "a,A cup", "b,A glass")))

    told = capsys.readouterr().err
    assert ExitCode.USAGE == code
    assert "briefs.csv:2: was something else under the key 'a'" in told
    assert '"A mug", now "A cup"' in told
    assert "give them new keys" in told
    assert 1 == made(emulator)[0]


async def test_a_failed_row_that_was_changed_can_still_be_seen_through(rows, capsys):
    await typed(batch_(rows("key,brief,render", "a,A mug,4k")))

    assert ExitCode.USAGE == await typed(batch_(rows("key,brief,render", "a,A cup,4k")))

    assert "`eversince resume proj_" in capsys.readouterr().err


async def test_a_line_put_in_above_makes_nothing_twice(emulator, rows, capsys):
    """Line numbers are the keys here.

    So the journal would take the last row for a new one, and it would be paid for again.
    """
    await typed(batch_(rows("brief", "One", "Two")))

    assert ExitCode.USAGE == await typed(batch_(rows("brief", "Zero", "One", "Two")))

    told = capsys.readouterr().err
    assert "briefs.csv:2: was something else under the key '2'" in told
    assert "briefs.csv:4: stands in the journal under the key '3'" in told
    assert 2 == made(emulator)[0]


async def test_keys_given_afterwards_make_nothing_twice(emulator, rows, capsys):
    await typed(batch_(rows("brief", "One", "Two")))

    assert ExitCode.USAGE == await typed(batch_(rows("key,brief", "one,One", "two,Two")))

    assert 2 == capsys.readouterr().err.count("stands in the journal under the key")
    assert 2 == made(emulator)[0]


async def test_the_same_wishes_under_another_chosen_key_are_made_once_more(emulator, rows):
    await typed(batch_(rows("key,brief", "monday,News")))

    assert ExitCode.DONE == await typed(batch_(rows("key,brief", "tuesday,News")))

    assert 2 == made(emulator)[0]


# -- Pauses -----------------------------------------------------------------------------------------------


async def test_spent_credits_pause_it_and_say_where_to_buy(emulator, rows, capsys):
    emulator.account.credits = 120

    code = await typed(batch_(rows(*rows_of(30))))

    told = capsys.readouterr().err
    assert ExitCode.UNFINISHED == code
    assert "paused:  " in told
    assert "buy:     https://" in told
    assert "not begun" in told
    assert "go on:   " in told


async def test_so_many_credits_are_spent_at_most(emulator, rows, capsys):
    assert ExitCode.UNFINISHED == await typed(batch_(rows(*rows_of(30)), max_credits=1))
    assert "the limit is 1" in capsys.readouterr().err
    assert made(emulator)[0] < 30


async def test_the_days_end_is_told_with_when_to_come_again(rows, capsys):
    file = rows(*rows_of(55))

    code = await typed(batch_(file, stop_at_quota=True))

    told = capsys.readouterr().err
    assert ExitCode.UNFINISHED == code
    assert "today's renders are used up" in told
    assert "again:   " in told


# -- Ctrl-C -----------------------------------------------------------------------------------------------


async def test_the_first_ctrl_c_sees_through_what_has_begun_and_says_so(emulator, rows, capsys):
    file = rows(*rows_of(30))
    asyncio.get_running_loop().call_later(40, signal.raise_signal, signal.SIGINT)

    assert ExitCode.UNFINISHED == await typed(batch_(file))

    told = capsys.readouterr().err
    count = made(emulator)[0]
    assert (count, count, count) == made(emulator)
    assert 5 <= count < 30
    assert "Interrupted: no more videos are started, and" in told
    assert "A second interruption leaves at once" in told
    assert 1 == told.count("no more videos are started")
    assert "go on:   " in told

    assert ExitCode.DONE == await typed(batch_(file))
    assert (30, 30, 30) == made(emulator)


async def test_leaving_at_once_says_how_to_go_on(emulator, rows, capsys):
    file = rows(*rows_of(8))
    running = asyncio.create_task(batch_(file))
    await asyncio.sleep(40)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    told = capsys.readouterr().err
    assert "Interrupted. Projects that have begun go on at the server" in told
    assert "go on:   " in told
    assert ExitCode.DONE == await typed(batch_(file))
    assert (8, 8, 8) == made(emulator)


async def test_when_nobody_reads_the_results_it_leaves_and_is_not_done(emulator, rows, monkeypatch, capfd):
    """`eversince batch briefs.csv | head -1` does not lose paid projects."""
    file = rows(*rows_of(3))

    def broken(_):
        raise ResultsLost(BrokenPipeError())

    with monkeypatch.context() as broken_pipe:
        broken_pipe.setattr("eversince_async.cli._batch_display.write_line", broken)
        assert ExitCode.UNFINISHED == await typed(batch_(file))

    told = capfd.readouterr().err
    assert "The results have no reader any more. Projects that have begun go on" in told
    assert "go on:   " in told
    assert ExitCode.DONE == await typed(batch_(file))
    assert (3, 3, 3) == made(emulator)


async def test_without_a_journal_leaving_says_what_it_costs(rows, capsys):
    running = asyncio.create_task(batch_(rows(*rows_of(2)), no_journal=True))
    await asyncio.sleep(40)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    told = capsys.readouterr().err
    assert "nothing is remembered" in told
    assert "begins everything anew, and pays for it" in told


# -- In doubt ---------------------------------------------------------------------------------------------


async def test_a_person_decides_what_nobody_else_can_tell(emulator, rows, monkeypatch, capsys):
    """`decide` needs no network, and the same command then goes on."""
    file = rows("key,brief", "mug,A quick mug")
    async with Eversince(**emulator.connection) as somebody:
        await somebody.produce("Something else")
    emulator.faults.once("POST", "/projects/*/share", Reset(after_commit=True))
    assert ExitCode.UNFINISHED == await typed(batch_(file))
    assert "eversince decide mug --made …, or --nothing, and --journal FILE" in capsys.readouterr().err

    with pytest.raises(InvalidRequest, match="say what was made, or --nothing"):
        await decide_("mug", journal=Path("briefs.journal.db"))
    assert ExitCode.DONE == await decide_("mug", nothing=True, journal=Path("briefs.journal.db"))
    assert "mug: share did not happen\n" == capsys.readouterr().out

    assert ExitCode.DONE == await typed(batch_(file))
    assert 3 == made(emulator)[2]


# -- From the journal alone -------------------------------------------------------------------------------


async def left_behind(file, seconds=40, **options):
    """The journal of a batch that was interrupted half-way."""
    running = asyncio.create_task(batch_(file, **options))
    await asyncio.sleep(seconds)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_journal_is_enough_to_see_through_what_has_begun(emulator, rows, tmp_path, capsys):
    head = "key,brief,share_title,share,render,references,extra.seed"
    file = rows(
        head,
        "a,A mug,A page,,no,https://example.com/a.png https://example.com/page,7",
        "b,A cup,,no,,,",
        "c,A glass,,,,,",
    )
    await left_behind(file)
    (tmp_path / file).unlink()

    code = await resume_("briefs.journal.db", output=tmp_path / "videos")

    assert ExitCode.DONE == code
    assert (3, 2, 1) == made(emulator)
    assert {"b.mp4", "c.mp4"} == {path.name for path in (tmp_path / "videos").iterdir()}
    assert "3 videos of briefs.journal.db to continue" in capsys.readouterr().err


async def test_a_journal_with_nothing_left_says_so(emulator, rows, capsys):
    await typed(batch_(rows("brief", "A mug", "bad")))
    before = len(emulator.world.log)

    assert ExitCode.DONE == await resume_("briefs.journal.db", no_download=True)

    assert "nothing to go on with; 1 failed, 1 succeeded" in capsys.readouterr().err
    assert before == len(emulator.world.log)


async def test_what_failed_is_tried_again_from_the_journal_when_asked(emulator, rows):
    await typed(batch_(rows("brief", "bad")))

    assert ExitCode.FAILED == await resume_("briefs.journal.db", no_download=True, retry_failed=True)

    assert 2 == made(emulator)[0]


async def test_where_the_videos_go_must_be_said(rows):
    """The journal does not know the folder, so the command refuses."""
    await left_behind(rows(*rows_of(2)))
    with pytest.raises(InvalidRequest, match="name the folder of the videos"):
        await resume_("briefs.journal.db")


async def test_what_the_journal_must_not_keep_it_cannot_go_on_with(emulator, rows, capsys):
    """The journal of a waiting row that has a secret address."""
    secret = "https://example.com/?token=0123456789abcdef"
    await left_behind(rows("key,brief,webhook_url", *(f"{key},A mug,{secret}" for key in "abcdefg")))

    assert ExitCode.UNFINISHED == await resume_("briefs.journal.db", no_download=True)

    told = capsys.readouterr().err
    assert "f, g: not begun, and with a secret address" in told
    assert "0123456789abcdef" not in told
    assert (5, 5, 5) == made(emulator)


async def test_a_begun_row_with_a_secret_address_goes_on_from_the_journal(emulator, rows):
    file = rows("key,brief,webhook_url", "a,A mug,https://example.com/?token=0123456789abcdef")
    await left_behind(file)

    assert ExitCode.DONE == await resume_("briefs.journal.db", no_download=True)

    assert (1, 1, 1) == made(emulator)


@pytest.mark.parametrize(
    ("what", "options", "told"),
    [
        ("proj_1", {"retry_failed": True}, "--retry-failed: is for a journal"),
        ("briefs.journal.db", {"share": False}, "--share: is for a project"),
        ("briefs.journal.db", {"no_download": True, "output": "x"}, "--no-download: contradicts"),
        ("nothing.db", {}, "there is no such journal"),
    ],
)
async def test_options_of_projects_are_none_of_journals(what, options, told, rows, tmp_path):
    (tmp_path / "briefs.journal.db").touch()
    with pytest.raises(InvalidRequest, match=told):
        await resume_(what, **options)


async def test_what_4k_has_left_unfinished_is_finished_by_what_is_printed(emulator, rows, capsys):
    file = rows("key,brief,render", "a,A mug,4k", "b,A cup,4k", "c,A quick film,yes")

    assert ExitCode.UNFINISHED == await typed(batch_(file, out=Path("films")))

    told = capsys.readouterr().err
    assert "finish:  eversince resume briefs.journal.db --out films --quality 1080p" in told
    assert "go on:" not in told
    assert "--retry-failed" in told
    assert (2, 1, 1) == made(emulator)

    assert ExitCode.DONE == await resume_("briefs.journal.db", output=Path("films"), quality="1080p")
    assert (2, 2, 2) == made(emulator)


async def test_a_row_may_be_given_another_quality_until_it_is_rendered(emulator, rows, capsys):
    await typed(batch_(rows("key,brief,render", "a,A mug,4k")))

    assert ExitCode.DONE == await typed(batch_(rows("key,brief,render", "a,A mug,1080p")))
    assert ExitCode.USAGE == await typed(batch_(rows("key,brief,render", "a,A mug,4k")))
    assert (1, 1, 1) == made(emulator)


async def test_a_deleted_project_is_made_anew_on_request(emulator, rows, capsys):
    file = rows("key,brief", "a,A slow film")
    await left_behind(file)
    emulator.world.projects.clear()

    assert ExitCode.FAILED == await typed(batch_(file))
    assert "retry:" in capsys.readouterr().err
    assert ExitCode.DONE == await typed(batch_(file, retry_failed=True))
    assert 1 == made(emulator)[1]


@pytest.mark.parametrize("row", ["a,A film with an odd word,mode", "a,,x"], ids=["server", "here"])
async def test_no_retry_is_printed_that_cannot_work(emulator, rows, capsys, row):
    emulator.faults.once(
        "POST", "/projects", ErrorAnswer(status=400, code="validation_error", message="brief: no"), times=9
    )

    await typed(batch_(rows("key,brief,title", row)))

    assert "retry:" not in capsys.readouterr().err


async def test_a_file_that_was_removed_is_told_and_refetch_fetches_it(emulator, rows, capsys):
    file = rows("key,brief", "mug,A quick film", "cup,A quick one")
    await typed(batch_(file, out=Path("films")))
    Path("films/mug.mp4").unlink()
    capsys.readouterr()

    await typed(batch_(file, out=Path("films")))
    told = capsys.readouterr().err
    code = await typed(batch_(file, out=Path("films"), refetch=True))

    assert "mug: finished, but the file is not there any more" in told
    assert "--refetch" in told
    assert ExitCode.DONE == code
    assert Path("films/mug.mp4").stat().st_size
    assert (2, 2, 2) == made(emulator)


async def test_resume_fetches_files_that_were_never_written(emulator, rows):
    file = rows("key,brief", "mug,A quick film")
    await typed(batch_(file))

    assert ExitCode.DONE == await typed(resume_("briefs.journal.db", output=Path("films")))
    assert Path("films/mug.mp4").stat().st_size
    assert (1, 1, 1) == made(emulator)


# -- Files that must not be replaced, and accidental sharing ----------------------------------------------


@pytest.mark.parametrize("name", ["../briefs.csv", "/etc/x.mp4", "v/../../x.mp4", "~/../x.mp4"])
async def test_a_row_that_leads_out_of_its_folder_is_refused(emulator, rows, tmp_path, capsys, name):
    file = rows("key,brief,download", f"a,A mug,{name}")

    assert ExitCode.USAGE == await typed(batch_(file, out=Path("videos")))

    assert "briefs.csv:2: download must be a file inside 'videos/'" in capsys.readouterr().err
    assert "key,brief" in (tmp_path / "briefs.csv").read_text()
    assert (0, 0, 0) == made(emulator)


@pytest.mark.parametrize("name", ["briefs.csv", "briefs.journal.db", "mine.mp4", "report.html"])
async def test_a_row_never_replaces_a_file_that_its_journal_did_not_write(
    emulator, rows, tmp_path, capsys, name
):
    (tmp_path / "mine.mp4").write_text("mine")
    file = rows("key,brief,download", "a,A mug,new.mp4", f"b,A cup,{name}")

    assert ExitCode.USAGE == await typed(batch_(file, out=Path(), report=Path("report.html")))

    told = capsys.readouterr().err
    assert f"briefs.csv:3: download './{name}'" in told
    assert "briefs.csv:2" not in told
    assert "mine" == (tmp_path / "mine.mp4").read_text()
    assert (0, 0, 0) == made(emulator)


async def test_a_key_never_replaces_a_file_that_its_journal_did_not_write(emulator, rows, tmp_path, capsys):
    (tmp_path / "a.mp4").write_text("mine")

    assert ExitCode.USAGE == await typed(batch_(rows("key,brief", "a,A mug"), out=tmp_path, no_journal=True))

    assert "briefs.csv:2" in capsys.readouterr().err
    assert "mine" == (tmp_path / "a.mp4").read_text()


async def test_what_its_journal_wrote_stands_in_nobodys_way(emulator, rows):
    file = rows("key,brief", "a,A mug")
    assert ExitCode.DONE == await typed(batch_(file, out=Path("videos")))
    assert ExitCode.DONE == await typed(batch_(file, out=Path("./videos")))
    assert (1, 1, 1) == made(emulator)


async def test_a_report_does_not_replace_the_rows(rows):
    file = rows("key,brief", "a,A mug")
    with pytest.raises(InvalidRequest, match="is the file of rows"):
        batch_(file, report=Path(file))


async def test_a_journal_with_a_title_in_share_goes_on(emulator, eversince, rows, tmp_path):
    """Earlier versions took any word in `share` for the page's title."""
    old = {"key": "a", "brief": "A mug", "share": {"title": "Spring"}}
    async with SqliteJournal(tmp_path / "briefs.journal.db") as journal:
        await journal.put(
            "a", ItemParser(options={}, delivery=DeliveryOptions()).parse(0, old).spec, stage=RUNNING
        )
    await eversince.aclose()

    file = rows("key,brief,share_title", "a,A mug,Spring")
    assert ExitCode.DONE == await resume_("briefs.journal.db", no_download=True)
    assert ExitCode.DONE == await typed(batch_(file))

    assert (1, 1, 1) == made(emulator)
    assert ["Spring"] == [share.title for share, _ in emulator.world.shares.values()]


async def test_a_project_is_not_shared_again_unless_that_is_said(emulator, rows, capsys):
    project = emulator.add_project(rendered=True)

    assert ExitCode.DONE == await resume_(project.id)
    assert (0, "") == (made(emulator)[2], "".join(re.findall("share.*", capsys.readouterr().out)))
    assert ExitCode.DONE == await resume_(project.id, share=True)
    assert 1 == made(emulator)[2]


@pytest.mark.parametrize("share", [None, True])
async def test_a_project_of_a_journal_shows_the_page_that_it_has(emulator, rows, capsys, share):
    await typed(batch_(rows("key,brief", "a,A mug")))
    page = capsys.readouterr().out.split("\t")[2].strip()
    (project,) = (each for each in emulator.world.projects.values() if not each.studio)

    assert ExitCode.DONE == await resume_(project.id, share=share, journal=Path("briefs.journal.db"))

    assert page in capsys.readouterr().out
    assert 1 == made(emulator)[2]


async def test_a_journal_that_does_not_know_the_project_says_so(emulator, rows):
    await typed(batch_(rows("key,brief", "a,A mug")))
    with pytest.raises(InvalidRequest, match="does not know the project proj_x"):
        await resume_("proj_x", journal=Path("briefs.journal.db"))


# -- Words that this version does not know ----------------------------------------------------------------


@pytest.mark.parametrize("command", [batch_, produce_, resume_])
async def test_an_unknown_quality_is_refused_before_anything_is_sent(emulator, rows, command):
    with pytest.raises(InvalidRequest, match=r"--quality: must be 1080p or 4k, not '720p'; --unchecked"):
        await typed(command(rows("key,brief", "a,A mug"), quality="720p"))
    assert 0 == len(emulator.world.log)


async def test_a_quality_newer_than_this_version_is_sent_when_that_is_said(emulator, rows, capsys):
    file = rows("key,brief,render", "a,A mug,8k", "b,A cup,1080p")
    assert ExitCode.USAGE == await typed(batch_(file))
    assert ExitCode.FAILED == await typed(
        batch_(file, unchecked=True)
    )  # the server does not know this word, either
    assert (2, 1) == made(emulator)[:2]


# -- Journals of another account --------------------------------------------------------------------------


async def test_a_journal_of_another_server_is_refused_and_can_be_overruled(
    emulator, rows, monkeypatch, capsys
):
    file = rows("key,brief", "mug,A mug")
    await typed(batch_(file))
    async with Emulator(scenario=FAST, credits=10_000) as other:
        monkeypatch.setenv("EVERSINCE_BASE_URL", other.base_url)
        file = rows("key,brief", "mug,A mug", "tea,A cup of tea")
        with pytest.raises(OtherAccount, match="--allow-other-account"):
            await typed(batch_(file))
        assert (0, 0, 0) == made(other)
        assert "go on:" not in capsys.readouterr().err, "typed again, it would be refused again"

        with pytest.raises(OtherAccount):
            await typed(batch_(file, retry_failed=True))
        code = await typed(batch_(file, allow_other_account=True))

        assert ExitCode.DONE == code
        assert (1, 1, 1) == made(other)


async def test_resume_of_a_journal_of_another_server_is_refused_as_well(emulator, rows, monkeypatch):
    await begun_and_left(rows, emulator)
    async with Emulator(scenario=FAST) as other:
        monkeypatch.setenv("EVERSINCE_BASE_URL", other.base_url)
        with pytest.raises(OtherAccount):
            await typed(resume_("briefs.journal.db", no_download=True))

        assert ExitCode.FAILED == await typed(
            resume_("briefs.journal.db", no_download=True, allow_other_account=True)
        )


async def begun_and_left(rows, emulator):
    """The journal of an interrupted batch with a project."""
    running = asyncio.create_task(typed(batch_(rows("key,brief", "mug,A mug"))))
    while not emulator.world.counts["projects"]:
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    running.cancel()
    await asyncio.wait([running])


async def test_a_deleted_project_is_made_again_on_request_and_that_is_said(emulator, rows, capsys):
    await begun_and_left(rows, emulator)
    (project_id,) = [
        each for each in emulator.world.projects if emulator.world.projects[each].brief == "A mug"
    ]
    emulator.world.projects["deleted"] = emulator.world.projects.pop(project_id)
    file = "briefs.csv"

    for _ in range(2):  # once when the error occurs, and once from the journal
        assert ExitCode.FAILED == await typed(batch_(file))
        told = capsys.readouterr().err
        assert "--retry-failed  (makes, and pays for, another in place of a project that was deleted)" in told
    assert ExitCode.DONE == await typed(batch_(file, retry_failed=True))
    assert 2 == made(emulator)[0]
