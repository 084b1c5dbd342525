"""`eversince approve`: answers that need only the journal."""

from __future__ import annotations

import asyncio
import json

import pytest

from eversince_async import Eversince, Run, pipeline
from eversince_async.cli import main
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli.approve import approve_
from eversince_async.cli.resume import resume_
from eversince_async.errors import InvalidRequest, JournalError


@pipeline
async def launch(run: Run, brief: str) -> str:
    """Make a video that a person approves or declines."""
    film = await run.produce(brief, render=None, share=False)
    answer = await run.approval("Is it good?", show=film)
    return f"{answer}"


@pytest.fixture
async def asked(emulator, monkeypatch, tmp_path):
    """A pipeline that waits for an answer, without process, key or address."""
    monkeypatch.chdir(tmp_path)
    async with Eversince(**emulator.connection) as eversince:
        running = asyncio.create_task(awaited(eversince.run(launch, "A mug", key="mug", journal="launch.db")))
        while not any(not each.studio and each.status == "idle" for each in emulator.world.projects.values()):
            await asyncio.sleep(10)
        await asyncio.sleep(60)
        running.cancel()
        await asyncio.wait([running])
    monkeypatch.delenv("EVERSINCE_API_KEY", raising=False)
    monkeypatch.setenv("EVERSINCE_BASE_URL", "https://no.where/api/v1")
    return tmp_path / "launch.db"


async def awaited(workflow):
    return await workflow


async def gone_on_with(emulator, journal):
    """Run the pipeline again and return its result."""
    async with Eversince(**emulator.connection) as eversince:
        return await eversince.run(launch, "A mug", key="mug", journal=journal)


async def test_what_waits_is_listed(asked, capsys):
    assert ExitCode.DONE == await approve_(journal=asked)

    ((key, _, _, question, look_at),) = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert ("mug", "Is it good?") == (key, question)
    assert "proj_" in look_at


async def test_what_waits_is_told_to_programs(asked, capsys):
    await approve_(journal=asked, as_json=True)

    (told,) = json.loads(capsys.readouterr().out)
    assert ("mug", "Is it good?", None) == (told["key"], told["question"], told["expires_at"])


@pytest.mark.parametrize(
    ("options", "given", "said"),
    [
        ({}, "True", "approved"),
        ({"no": True}, "False", "declined"),
        ({"answer": "shorter, please"}, "shorter, please", "answered"),
        ({"answer": "[7]"}, "[7]", "answered"),
    ],
    ids=["yes", "no", "words", "JSON"],
)
async def test_an_answer_is_there_when_the_pipeline_is_run_again(
    options, given, said, asked, emulator, capsys
):
    assert ExitCode.DONE == await approve_("mug", journal=asked, **options)

    assert f"mug: {said}\n" == capsys.readouterr().out
    assert given == await gone_on_with(emulator, asked)
    await approve_(journal=asked)
    assert "nothing waits for an answer" in capsys.readouterr().err


async def test_the_journal_is_where_the_environment_says(asked, monkeypatch, capsys):
    monkeypatch.setenv("EVERSINCE_JOURNAL", str(asked))
    await approve_("mug", name=None)
    assert "approved" in capsys.readouterr().out


async def test_a_question_that_nobody_asked_is_told(asked):
    with pytest.raises(JournalError, match="'tea' waits for no answer"):
        await approve_("tea", journal=asked)


async def test_an_answered_question_is_not_answered_again(asked):
    await approve_("mug", journal=asked)
    with pytest.raises(JournalError):
        await approve_("mug", journal=asked, no=True)


async def test_no_journal_is_made_by_asking(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVERSINCE_JOURNAL", raising=False)
    with pytest.raises(JournalError, match=r"eversince\.db: there is no such journal"):
        await approve_("mug")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [{"no": True}, {"answer": "x"}, {"name": "x"}])
async def test_an_answer_needs_a_key(options):
    with pytest.raises(InvalidRequest, match="name the pipeline"):
        await approve_(**options)


def test_two_answers_at_once_are_none():
    assert ExitCode.USAGE == main(["approve", "mug", "--no", "--answer", "yes"])


async def test_a_pipeline_is_not_resumed_without_its_program(asked, emulator, monkeypatch, capsys):
    monkeypatch.setenv("EVERSINCE_API_KEY", emulator.connection["api_key"])

    assert ExitCode.UNFINISHED == await resume_(str(asked), no_download=True)

    assert "mug: of a pipeline; run its program again" in capsys.readouterr().err
