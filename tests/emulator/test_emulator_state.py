"""The state file, and the emulator as a command."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from eversince_async import clock
from eversince_async.emulator import Emulator, Limits
from eversince_async.emulator.command import serve
from helpers.emulator_client import Calls, calling


def emulator(path: Path, **options: object) -> Emulator:
    return Emulator(state=path, limits=Limits(requests_per_minute=None), **options)  # type: ignore[arg-type] - as given


async def everything(call: Calls) -> list[object]:
    """Return everything that an account can see."""
    projects = (await call("GET", "/projects?limit=100")).body["projects"]
    paths = [
        f"/projects/{each['id']}{what}"
        for each in projects
        for what in ("", "/timeline", "/messages", "/assets", "/variations")
    ]
    paths += ["/account/credits", "/account/skills", "/account/shares", "/projects/discover"]
    answers = [(await call("GET", path)).body for path in paths]
    return [projects, re.sub(r"http://[\d.:]+", "", str(answers))]


async def test_all_state_survives(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with calling(emulator(path, plan="pro")) as call:
        project_id = await call.create(idempotency_key="k")
        await call.settled(project_id)
        await call("POST", f"/projects/{project_id}/render", json={"quality": "4k"})
        await call.settled(project_id)
        await call("POST", f"/projects/{project_id}/share")
        await call("PATCH", "/account/skills/craft-ugc", json={"is_active": True})
        source = (await call("GET", "/projects/discover")).body["projects"][0]["project_id"]
        await call("POST", "/projects/adopt", json={"project_id": source})
        key = (await call("POST", "/keys", json={"name": "CI"})).body["key"]
        ticket = (
            await call(
                "POST", "/uploads", json={"file_name": "a", "content_type": "image/png", "file_size": 1}
            )
        ).body
        await call("PUT", ticket["upload_url"], data=b"x", headers={"Content-Type": "image/png"})
        before = (await everything(call))[1]
    async with calling(emulator(path)) as call:
        assert before == (await everything(call))[1]
        film = (await call("GET", f"/projects/{project_id}")).body["assembled_url"]
        replay = await call("POST", "/projects", json={"brief": "x", "idempotency_key": "k"})
        confirmed = await call(
            "POST",
            "/uploads/confirm",
            json={"r2_key": ticket["r2_key"], "file_name": "a", "content_type": "image/png", "file_size": 1},
        )

        assert 200 == (await call("GET", film)).status, "its signature still holds"
        assert (200, project_id) == (replay.status, replay.body["id"])
        assert 201 == confirmed.status
        assert 200 == (await call("GET", "/keys", key=key)).status
        assert "pro" == call.emulator.account.plan


async def test_what_was_to_happen_meanwhile_has_happened(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with calling(emulator(path)) as call:
        project_id = await call.create()
    await asyncio.sleep(7200)
    async with calling(emulator(path)) as call:
        project = (await call("GET", f"/projects/{project_id}")).body

        assert "idle" == project["status"]
        assert call.emulator.world.projects[project_id].updated_at < clock.wall_seconds() - 3600


async def test_every_answered_request_is_on_disk(tmp_path: Path) -> None:
    """No write is delayed: a second reader sees each create at once."""
    path = tmp_path / "state.db"
    async with calling(emulator(path)) as call:
        project_id = await call.create()
        kept = emulator(path)
        kept._store.load(kept._world)  # type: ignore[union-attr] - it has one

        assert project_id in kept._world.projects
        kept._store.close()  # type: ignore[union-attr] - it has one


def test_a_killed_emulator_comes_back_as_it_was(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "eversince_async.emulator", "--speed", "60"]
    command += ["--state", str(tmp_path / "state.db")]

    def start() -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        line = process.stdout.readline()
        process.stdout.close()
        return process, line.strip().rpartition("=")[2]

    async def create(url: str, key: str) -> tuple[int, str]:
        import aiohttp

        body = {"brief": "x", "idempotency_key": key}
        headers = {"Authorization": "Bearer es_live_emulator"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(f"{url}/projects", json=body) as answer,
        ):
            return answer.status, (await answer.json())["id"]

    process, url = start()
    first = asyncio.run(create(url, "k"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process, url = start()
    second = asyncio.run(create(url, "k"))
    process.send_signal(signal.SIGINT)

    assert 0 == process.wait(120)
    assert ((202, first[1]), (200, first[1])) == (first, second)


@pytest.mark.parametrize(("limits", "limit"), [(True, "30"), (False, "1000000")])
async def test_the_command_says_how_to_use_it(limits: bool, limit: str) -> None:  # noqa: FBT001 - a parameter of a test
    import aiohttp

    lines: list[str] = []
    task = asyncio.create_task(serve(limits=limits, keys=["es_live_mine"], pro=True, announce=lines.append))
    while len(lines) < 2:
        await asyncio.sleep(0.01)
    export = dict(part.split("=", 1) for part in lines[1].removeprefix("export ").split(" "))
    headers = {"Authorization": "Bearer es_live_mine"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(export["EVERSINCE_BASE_URL"] + "/account/credits") as answer,
    ):
        assert (200, limit) == (answer.status, answer.headers["X-RateLimit-Limit"])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert "es_live_emulator" == export["EVERSINCE_API_KEY"]
    assert lines[0].endswith(export["EVERSINCE_BASE_URL"])


async def test_it_can_be_started_again_on_the_same_port_at_once() -> None:
    async with calling(Emulator()) as call:
        port = int(call.emulator.places.api.rpartition(":")[2])
        await call("GET", "/account/credits")
    async with calling(Emulator(port=port)) as call:
        assert 200 == (await call("GET", "/account/credits")).status


async def test_no_two_starts_give_the_same_ids(tmp_path: Path) -> None:
    """A journal that outlives its emulator would otherwise confuse projects."""
    async with calling(Emulator()) as one, calling(Emulator()) as other:
        assert await one.create() != await other.create()


async def test_a_start_from_a_state_gives_no_id_again(tmp_path: Path) -> None:
    made = set[str]()
    for _ in range(2):
        async with calling(emulator(tmp_path / "state.db")) as call:
            made |= {await call.create() for _ in range(2)}

    assert 4 == len(made)


async def test_a_port_that_is_taken_leaves_nothing_open() -> None:
    """The emulator can be started once the port is free."""
    async with calling(Emulator()) as call:
        port = int(call.emulator.places.api.rpartition(":")[2])
        second = Emulator(port=port)
        with pytest.raises(OSError, match="address already in use"):
            await second.start()
    async with calling(second) as call:
        assert 200 == (await call("GET", "/account/credits")).status
