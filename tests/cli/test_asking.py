"""The question before anything is paid for, and the plan of `--check`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from eversince_async import Eversince
from eversince_async.cli import _confirmation, main
from eversince_async.cli import batch as batch_module
from eversince_async.cli import produce as produce_module
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli.batch import batch_
from eversince_async.cli.produce import produce_
from eversince_async.cli.resume import resume_
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator.faults import ErrorAnswer

QUICK = Scenario(
    queued=1, running=2, images=2, videos=2, rendering=2, cycles=1, scenes=(3, 3), self_render=0.0, failure=0
)


@pytest.fixture
async def emulator():
    async with Emulator(scenario=QUICK.when("bad", failure=1.0), credits=1000) as emulator:
        yield emulator


class Person:
    """A person at a terminal."""

    def __init__(self):
        self.answer = "y\n"
        self.asked = 0

    def type(self):
        self.asked += 1
        return self.answer


@pytest.fixture
def person(monkeypatch):
    person = Person()
    for module in (batch_module, produce_module):
        monkeypatch.setattr(module, "may_ask", lambda *, yes: not yes)
    monkeypatch.setattr(_confirmation, "_read_line", person.type)
    return person


def made(emulator):
    return emulator.world.counts["projects"]


async def typed(command):
    return await command if asyncio.iscoroutine(command) else command


THREE = ("key,brief", "a,A film", "b,Another", "c,A third")


# -- The question -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["y\n", "yes\n", "YES\n", " y \n", "ja\n", "oui\n", "y"], ids=repr)
async def test_who_says_yes_gets_the_videos(emulator, rows, person, capsys, answer):
    person.answer = answer

    assert ExitCode.DONE == await typed(batch_(rows(*THREE)))

    assert (1, 3) == (person.asked, made(emulator))
    asked = capsys.readouterr().err
    assert "Make and pay for 3 new videos from briefs.csv? [y/N] " in asked
    assert "unknown" in asked
    assert "1,000 credits" in asked


@pytest.mark.parametrize(
    "answer", ["\n", "n\n", "no\n", "yy\n", "yes please\n", "q\n", "\x1b\n", "\x04\n", None], ids=repr
)
async def test_everything_else_is_a_no(emulator, rows, person, capsys, tmp_path, answer):
    """No request that costs credits is sent, and no journal is left."""
    person.answer = answer

    assert ExitCode.USAGE == await typed(batch_(rows(*THREE)))

    assert (1, 0) == (person.asked, made(emulator))
    assert {"GET"} == {entry.method for entry in emulator.world.log}
    assert "Nothing was sent." in capsys.readouterr().err
    assert ["briefs.csv"] == [path.name for path in tmp_path.iterdir()]


async def test_yes_beforehand_is_not_asked_for_and_costs_no_request(emulator, rows, person):
    assert ExitCode.DONE == await typed(batch_(rows(*THREE), yes=True))

    assert 0 == person.asked
    assert 0 == len(emulator.world.log.of("GET /account/credit-packages"))


async def test_where_nothing_may_be_asked_it_ends(emulator, rows, person, capsys):
    assert ExitCode.USAGE == await typed(batch_(rows(*THREE), no_input=True))

    assert (0, 0) == (person.asked, made(emulator))
    assert "--yes" in capsys.readouterr().err


async def test_yes_goes_before_no_input(emulator, rows, person):
    assert ExitCode.DONE == await typed(batch_(rows(*THREE), no_input=True, yes=True))


async def test_without_a_terminal_nothing_is_asked(emulator, rows, monkeypatch):
    monkeypatch.setattr(_confirmation, "_read_line", lambda: pytest.fail("asked"))

    assert ExitCode.DONE == await typed(batch_(rows(*THREE)))
    assert ExitCode.DONE == await typed(batch_(rows(*THREE, "d,A fourth"), no_input=True))


async def test_finished_rows_are_no_new_work(emulator, rows, person, capsys):
    file = rows(*THREE)
    await typed(batch_(file))
    person.answer = "n\n"

    assert ExitCode.DONE == await typed(batch_(file))

    assert 1 == person.asked
    capsys.readouterr()
    assert ExitCode.USAGE == await typed(batch_(rows(*THREE, "d,A fourth")))
    assert "1 new video from" in capsys.readouterr().err


async def test_begun_rows_are_no_new_work(emulator, rows, person):
    file = rows("key,brief", "a,A film")
    async with (
        Eversince() as eversince,
        eversince.batch([{"key": "a", "brief": "A film", "share": True}], journal="briefs.journal.db"),
    ):
        await asyncio.sleep(4)
    person.answer = "n\n"

    assert ExitCode.DONE == await typed(batch_(file))
    assert 0 == person.asked


async def test_rows_that_failed_are_new_work_when_they_are_tried_again(rows, person):
    file = rows("key,brief", "a,bad")
    await typed(batch_(file))
    assert ExitCode.FAILED == await typed(batch_(file))
    assert 1 == person.asked
    await typed(batch_(file, retry_failed=True))

    assert 2 == person.asked


async def test_without_a_journal_every_row_is_new_each_time(rows, person):
    await typed(batch_(rows(*THREE), no_journal=True))
    await typed(batch_(rows(*THREE), no_journal=True))

    assert 2 == person.asked


async def test_what_is_wrong_with_a_file_is_told_and_nothing_asked(rows, person, emulator):
    assert ExitCode.USAGE == await typed(batch_(rows("key,brief", "a,")))
    assert 0 == person.asked

    await typed(batch_(rows(*THREE)))
    assert ExitCode.USAGE == await typed(batch_(rows("key,brief", "a,Something else", "e,A film")))
    assert 1 == person.asked


async def test_resume_never_asks(rows, person, emulator):
    await typed(batch_(rows(*THREE)))
    asked = person.asked
    await typed(resume_("briefs.journal.db", no_download=True))

    assert asked == person.asked


async def test_hostile_keys_reach_no_terminal(rows, person, capsys):
    (Path.cwd() / "evil\x1b[2J.csv").write_text("brief\nA film\n")
    await typed(batch_("evil\x1b[2J.csv"))

    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "code", "projects"), [("y\n", 0, 1), ("\n", 2, 0), (None, 2, 0)])
async def test_produce_asks_likewise(rows, person, emulator, answer, code, projects):
    person.answer = answer

    assert code == await produce_("A film")
    assert (1, projects) == (person.asked, made(emulator))


@pytest.mark.parametrize(
    ("options", "code", "projects"), [({"yes": True}, 0, 1), ({"no_input": True}, 2, 0)], ids=str
)
async def test_produce_can_be_told_not_to_ask(rows, person, emulator, options, code, projects):
    assert code == await produce_("A film", **options)
    assert (0, projects) == (person.asked, made(emulator))


async def test_produce_asks_before_it_uploads(rows, person, emulator, tmp_path):
    (tmp_path / "mug.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    person.answer = "n\n"
    await produce_("A film", reference=["mug.png"])

    assert {"GET"} == {entry.method for entry in emulator.world.log}


# -- --check ----------------------------------------------------------------------------------------------


async def test_check_tells_what_each_row_asks_for(emulator, rows, capsys, tmp_path):
    file = rows("key,brief,render,share", "a,A film,,", "b,Another,4k,no", "c,A third,no,no")

    assert ExitCode.DONE == await typed(batch_(file, check=True, out=tmp_path / "videos"))

    told = capsys.readouterr()
    lines = {line.split("\t")[0]: line.split("\t")[1:] for line in told.out.splitlines() if "\t" in line}
    assert ["new", f"1080p, public page, {tmp_path}/videos/a.mp4", "unknown"] == lines["a"]
    assert ["new", f"4k, {tmp_path}/videos/b.mp4", "unknown"] == lines["b"]
    assert lines["c"][1].startswith("no render")
    assert "3 new" in told.out
    assert "1,000 credits" in told.out
    assert "1 day" in told.out
    assert "" == told.err


async def test_check_makes_nothing_and_writes_nothing(emulator, rows, tmp_path):
    await typed(batch_(rows(*THREE), check=True, out=Path("videos"), report=Path("report.html")))

    assert {"GET"} == {entry.method for entry in emulator.world.log}
    assert ["briefs.csv"] == [path.name for path in tmp_path.iterdir()]


async def test_check_never_asks(rows, person):
    await typed(batch_(rows(*THREE), check=True))

    assert 0 == person.asked


async def test_check_tells_what_films_cost_before(emulator, rows, capsys):
    await typed(batch_(rows("key,brief", "a,A film")))
    capsys.readouterr()
    await typed(batch_(rows(*THREE), check=True))

    told = capsys.readouterr().out
    assert "1 finished, 2 new" in told
    assert "about 64 credits" in told


async def test_check_tells_all_that_is_wrong_and_plans_the_rest(emulator, rows, capsys):
    await typed(batch_(rows("key,brief", "a,A film")))
    capsys.readouterr()
    file = rows("key,brief,share", "a,Something else,", "b,A film,nope", "c,,", "d,A fourth,")

    assert ExitCode.USAGE == await typed(batch_(file, check=True))

    told = capsys.readouterr()
    assert "briefs.csv:2: was something else" in told.err
    assert "briefs.csv:3: share" in told.err
    assert "briefs.csv:4: brief" in told.err
    assert "1 new" in told.out
    assert 1 == made(emulator)


async def test_check_tells_programs(rows, capsys):
    file = rows("key,brief", "a,A film", "b,")

    assert ExitCode.USAGE == await typed(batch_(file, check=True, as_json=True))

    told = json.loads(capsys.readouterr().out)
    assert {"new": 1} == told["counts"]
    assert (None, 1, 1000, True) == (
        told["cost"],
        told["unknown"],
        told["balance"],
        told["has_subscription"],
    )
    assert [{"line": 3, "problem": "brief is empty; say what to make"}] == told["problems"]
    assert "a" == told["items"][0]["key"]


async def test_check_without_an_account_is_an_error_with_its_code(rows, emulator, capsys, monkeypatch):
    monkeypatch.setenv("EVERSINCE_API_KEY", "es_live_wrong")
    file = rows("key,brief", "a,A film", "b,")

    assert ExitCode.CONFIGURATION == await asyncio.to_thread(main, ["batch", file, "--check"])
    assert f"{file}:3: brief" in capsys.readouterr().err


async def test_a_server_that_does_not_price_is_no_reason_not_to_ask(emulator, rows, person):
    emulator.faults.once("GET", "/projects", ErrorAnswer(status=403, code="forbidden"), times=1)

    assert ExitCode.DONE == await typed(batch_(rows(*THREE)))


# -- The summary ------------------------------------------------------------------------------------------


async def test_in_the_end_the_sum_is_told_by_the_balance(emulator, rows, capsys):
    await typed(batch_(rows(*THREE)))

    assert "credits: the balance fell by 96; use by others, if there was any" in capsys.readouterr().err


async def test_others_who_used_the_account_are_named_in_the_end(emulator, rows, capsys):
    async with Eversince() as other:
        theirs = asyncio.ensure_future(other.produce("Another's film", share=False))
        await asyncio.sleep(1)
        await typed(batch_(rows(*THREE)))
        await theirs

    assert "use by others is in it: 1 project that is not of this batch" in capsys.readouterr().err


async def test_where_nothing_was_made_no_sum_is_told(rows, capsys):
    await typed(batch_(rows(*THREE)))
    capsys.readouterr()
    await typed(batch_(rows(*THREE)))

    assert "credits:" not in capsys.readouterr().err
