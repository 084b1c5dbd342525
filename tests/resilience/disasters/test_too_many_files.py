"""A process that may open no more files reports it without losses.

A later run resumes its work.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest

from eversince_async.cli._errors import describe_error, exit_code_for
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.errors import ConnectionFailed, DownloadFailed, JournalError
from eversince_async.journal import SqliteJournal
from eversince_async.orchestrator.events import StageStarted
from helpers.batch_runs import Campaign

resource = pytest.importorskip("resource", reason="other systems have no such limit")

CROWDED = r"this process has too many files open: raise its limit \(`ulimit -n`\)"


@contextmanager
def no_file_more():
    """Keep this process from opening files.

    All numbers below the limit are taken.
    """
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_a_connection_that_cannot_be_made(eversince):
    with no_file_more(), pytest.raises(ConnectionFailed, match=f"cannot connect: {CROWDED}") as caught:
        await eversince.account.credits()

    assert "never_sent" == caught.value.outcome
    assert ExitCode.UNFINISHED == exit_code_for(caught.value)
    assert "check the network" not in describe_error(caught.value)
    assert (await eversince.account.credits()).credits_balance


async def test_a_film_that_cannot_be_written(emulator, eversince, tmp_path):
    production = await eversince.resume(emulator.add_project(rendered=True).id)

    with no_file_more(), pytest.raises(DownloadFailed, match=CROWDED) as caught:
        await production.download(tmp_path / "film.mp4")

    assert caught.value.is_local
    assert ExitCode.UNFINISHED == exit_code_for(caught.value)
    assert tmp_path / "film.mp4" == await production.download(tmp_path / "film.mp4")


@pytest.mark.parametrize("is_new", [True, False])
async def test_a_journal_that_cannot_be_opened(tmp_path, is_new):
    journal = SqliteJournal(tmp_path / "journal.db")
    if not is_new:
        async with journal:
            await journal.put("mug", {})

    with no_file_more(), pytest.raises(JournalError, match=CROWDED) as caught:
        await journal.open()

    assert ExitCode.UNFINISHED == exit_code_for(caught.value)
    async with journal:
        assert (0 if is_new else 1) == sum((await journal.counts()).values())


@pytest.mark.parametrize("stage", ["create", "render", "share", "download"])
async def test_a_batch_in_which_they_run_out_is_gone_on_with(emulator, eversince, tmp_path, stage):
    campaign = Campaign(tmp_path, items=3)
    crowd = no_file_more()
    crowded = False

    def heard(key, event):
        nonlocal crowded
        if isinstance(event, StageStarted) and event.stage == stage and not crowded:
            crowded = True
            crowd.__enter__()

    try:
        stopped = await campaign.batch(eversince, on_event=heard)
    finally:
        crowd.__exit__(None, None, None)
    assert {"paused", "succeeded"} >= set(stopped.counts)

    await campaign.check(emulator, await campaign.batch(eversince))
