"""Log records have fields, for those who search logs; their names stay."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path

import pytest

from eversince_async import Eversince, WebhookReceiver
from eversince_async.emulator import Emulator, Faults, Latency, Reset
from helpers.fake_server import Reset as ResetConnection
from helpers.fake_server import Say, ScriptedServer

ROOT = Path(__file__).parent.parent.parent
PROJECT = Say(json={"id": "proj_1", "status": "idle"}, headers={"X-Request-Id": "req_1"}, after=2)
ORDINARY = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in ORDINARY}


async def test_fields_of_a_call(server: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    server.plays(ResetConnection(), PROJECT)
    with caplog.at_level(logging.DEBUG, logger="eversince_async"):
        async with server.client() as eversince:
            await eversince.projects.get("proj_1")

    sent, failed, retry, _, answered = [fields(record) for record in caplog.records]
    same = {"endpoint": "projects.get", "project_id": "proj_1"}
    assert {**same, "attempt": 1, "method": "GET", "path": "/projects/proj_1", "waited": 0.0} == sent
    assert {**same, "attempt": 1, "error": "ConnectionFailed", "elapsed": failed["elapsed"]} == failed
    assert {
        **same,
        "attempt": 1,
        "error": "ConnectionFailed",
        "wait": retry["wait"],
        "reason": retry["reason"],
    } == retry
    assert {
        **same,
        "attempt": 2,
        "status": 200,
        "elapsed": pytest.approx(2.0),
        "request_id": "req_1",
    } == answered


async def test_fields_of_a_stage(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="eversince_async"):
        async with Eversince(**emulator.connection) as eversince:
            film = await eversince.produce("A film", idempotency_key="mug-2026")

    stages = [fields(record) for record in caplog.records if hasattr(record, "stage")]
    assert [
        {"stage": stage, "key": "mug-2026", "project_id": film.project_id, "seconds": spent, "error": None}
        for stage, spent in film.timings.items()
    ] == [{**stage, "seconds": pytest.approx(stage["seconds"])} for stage in stages]


async def test_a_stage_that_did_not_end_well_says_why(
    emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="eversince_async"):
        async with Eversince(**emulator.connection) as eversince:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(30):
                    await eversince.produce("A film")

    record = caplog.records[-1]
    assert ("settle", "CancelledError") == (fields(record)["stage"], fields(record)["error"])
    assert "settle ended by CancelledError after" in record.getMessage()


def promised() -> set[tuple[str, frozenset[str]]]:
    """Levels and fields, as the table in the README has them."""
    lines = (
        (ROOT / "README.md").read_text("utf-8").partition("| Log record |")[2].split("\n\n")[0].splitlines()
    )
    rows = [line.strip("| ").split(" | ") for line in lines[2:]]
    return {(level, frozenset(re.findall(r"`(\w+)`", named))) for _, level, named in rows}


async def test_the_readme_names_the_fields_of_every_record(caplog: pytest.LogCaptureFixture) -> None:
    """And every record of ours has fields."""
    faults = Faults()
    faults.once("GET", "/projects/**", Reset())
    faults.once("POST", "/projects", Latency(seconds=50, after_commit=True))
    with caplog.at_level(logging.DEBUG, logger="eversince_async"):
        async with Emulator(faults=faults) as emulator, Eversince(**emulator.connection) as eversince:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(20):
                    await eversince.produce("A film", render=None)
            await eversince.wait(emulator.add_project(walks={"upscaling": 10}).id)
            WebhookReceiver(eversince, secret="whsec").receive({}, b"{}")

    records = [record for record in caplog.records if record.name.startswith("eversince_async")]
    assert promised() == {(record.levelname, frozenset(fields(record))) for record in records}


async def test_nothing_is_logged_for_nobody(server: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    server.plays(ResetConnection(), PROJECT)
    with caplog.at_level(logging.WARNING, logger="eversince_async"):
        async with server.client() as eversince:
            await eversince.projects.get("proj_1")

    assert [] == [record for record in caplog.records if record.name == "eversince_async"]
