"""Unreadable records: the rest of the response is read.

Each part that is left out is logged once.
"""

import logging
from typing import Any

import pytest

from helpers.fake_server import Say, ScriptedServer

GOOD = {"id": "proj_1", "status": "idle"}
ODD = {"id": "proj_2", "status": None}


def listed(*projects: Any) -> Say:
    return Say(json={"projects": projects, "total": len(projects)})


async def test_a_list_is_read_item_by_item(server: ScriptedServer) -> None:
    server.plays(listed(ODD, GOOD, 7, {**GOOD, "id": "proj_3", "created_at": ""}))
    async with server.client() as eversince:
        page = await eversince.projects.list()

    assert ["proj_1", "proj_3"] == [project.id for project in page.projects]
    assert [
        ("$.projects[0]", "proj_2", True),
        ("$.projects[2]", None, True),
        ("$.projects[3].created_at", "proj_3", False),
    ] == [(each.path, each.id, each.is_item) for each in page.unreadable]


async def test_it_is_told_once(server: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    """Neither further requests nor a move in the list repeat the warning."""
    server.plays(listed(ODD), listed(GOOD, ODD), listed({**ODD, "id": "proj_4"}))
    async with server.client() as eversince:
        for _ in range(3):
            await eversince.projects.list()

    why = "as it cannot be read: status: expected a word, got null"
    assert [
        f"projects.list: left out $.projects[0] of {project_id}, {why}" for project_id in ("proj_2", "proj_4")
    ] == warnings(caplog)


async def test_many_odd_records_are_counted(server: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    server.plays(listed(*({**ODD, "id": f"proj_{number}"} for number in range(50))))
    async with server.client() as eversince:
        await eversince.projects.list()

    assert 11 == len(warnings(caplog))
    assert "projects.list: left out 40 more values that cannot be read" == warnings(caplog)[-1]


async def test_what_is_told_is_short_and_shows_no_secret(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    signed = f"https://store.example/a.mp4?X-Signature=5ecret{'x' * 10_000}"
    server.plays(listed({"id": signed, "status": {signed: 1}}, {**GOOD, "created_at": signed}))
    async with server.client() as eversince:
        await eversince.projects.list()

    told = warnings(caplog)
    assert 2 == len(told)
    assert all(len(line) < 400 and "5ecret" not in line for line in told)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
