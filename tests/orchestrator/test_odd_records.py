"""Unreadable records, which harm no other wait.

They harm no other run and no later read of the same record, either.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eversince_async import Eversince, InvalidResponse, Limits, PollSchedule
from eversince_async.emulator import Emulator, Scenario
from eversince_async.emulator import Limits as EmulatedLimits
from helpers.hidden_projects import Proxy

QUICK = Scenario(queued=1, running=5, images=2, videos=8, rendering=8, cycles=1, scenes=(1, 1))

Garble = Callable[[dict[str, Any]], Any]

ODD: dict[str, Garble] = {
    "no status": lambda record: {**record, "status": None},
    "status of another type": lambda record: {**record, "status": 7},
    "nothing": lambda _: None,
    "a text": lambda _: "a project",
    "no id": lambda record: {name: value for name, value in record.items() if name != "id"},
    "no time": lambda record: {**record, "created_at": "", "updated_at": "yesterday"},
    "an empty object": lambda _: {},
}


class Garbling(Proxy):
    """A proxy that garbles the records of some projects.

    Attributes:
        odd: The briefs or ids of these projects.
        garble: The function that garbles a record.
        singly: True to garble reads of one project, too.
    """

    def __init__(self, emulator: Emulator, garble: Garble, *odd: str, singly: bool = False) -> None:
        super().__init__(emulator)
        self.odd = set(odd)
        self.garble = garble
        self.singly = singly

    def edit(self, method: str, path: str, answer: Any) -> Any:
        if method != "GET" or (path != "/projects" and not self.singly):
            return answer
        if path == "/projects":
            answer["projects"] = [self._shown(each) for each in answer["projects"]]
            return answer
        return self._shown(answer) if path.count("/") == 2 else answer

    def _shown(self, record: dict[str, Any]) -> Any:
        project = self._emulator.world.projects.get(record["id"])
        is_odd = project is not None and (project.id in self.odd or project.asked.get("brief") in self.odd)
        return self.garble(record) if is_odd else record


@pytest.mark.parametrize("garble", ODD.values(), ids=ODD.keys())
async def test_odd_project_of_others_harms_nobody(garble: Garble, tmp_path: Path) -> None:
    """It harms neither this run nor the next one."""
    items = [{"key": str(n), "brief": f"Film {n}"} for n in range(7)]
    async with Emulator(scenario=QUICK) as emulator, Garbling(emulator, garble) as server:
        server.odd.add(emulator.add_project("of others", status="idle").id)
        for _ in range(2):
            async with Eversince(**server.connection) as eversince:
                report = await eversince.batch(items, journal=tmp_path / "journal.db")
                assert {"succeeded": 7} == dict(report.counts)

    assert 7 == emulator.world.counts["renders"]
    assert 0 == server.refusals


@pytest.mark.parametrize("garble", ODD.values(), ids=ODD.keys())
async def test_project_of_ours_that_is_odd_in_lists_is_looked_at_singly(garble: Garble) -> None:
    """The project keeps its slot meanwhile."""
    limits = EmulatedLimits(active_projects=3)
    async with (
        Emulator(scenario=QUICK, limits=limits) as emulator,
        Garbling(emulator, garble, "Film 1") as server,
        Eversince(**server.connection, limits=Limits(active_projects=3)) as eversince,
    ):
        films = await asyncio.gather(*(eversince.produce(f"Film {n}") for n in range(6)))

    assert all(film.assembled_url for film in films)
    assert 0 == server.refusals


@pytest.mark.parametrize("name", ["no status", "status of another type", "a text", "no id"])
async def test_only_the_wait_for_a_project_that_cannot_be_read_ends(name: str, tmp_path: Path) -> None:
    """The item is unfinished, with the path in the error.

    It goes on, with the same project, when the record can be read again.
    """
    items = [{"key": str(n), "brief": f"Film {n}"} for n in range(4)]
    async with (
        Emulator(scenario=QUICK) as emulator,
        Garbling(emulator, ODD[name], "Film 2", singly=True) as server,
    ):
        async with Eversince(**server.connection) as eversince:
            report = await eversince.batch(items, journal=tmp_path / "journal.db")
            [odd] = [outcome for outcome in report.outcomes if outcome.status != "succeeded"]

            assert {"succeeded": 3, "paused": 1} == dict(report.counts)
            assert "2" == odd.key
            assert isinstance(odd.error, InvalidResponse)
            assert odd.error.path.startswith("$")

        server.odd.clear()
        async with Eversince(**server.connection) as eversince:
            report = await eversince.batch(items, journal=tmp_path / "journal.db")

    assert {"succeeded": 4} == dict(report.counts)
    assert 4 == emulator.world.counts["projects"]
    assert 4 == emulator.world.counts["renders"]


async def test_odd_record_that_heals_within_patience_ends_no_wait() -> None:
    async with (
        Emulator(scenario=QUICK) as emulator,
        Garbling(emulator, ODD["no status"], "Film 0", singly=True) as server,
        Eversince(**server.connection) as eversince,
    ):
        films = asyncio.gather(*(eversince.produce(f"Film {n}") for n in range(3)))
        await asyncio.sleep(120)
        server.odd.clear()

        assert all(film.assembled_url for film in await films)


async def test_path_of_what_cannot_be_read_is_told() -> None:
    async with (
        Emulator(scenario=QUICK) as emulator,
        Garbling(emulator, ODD["no status"], singly=True) as server,
        Eversince(**server.connection, schedule=PollSchedule(max_failure_time=60)) as eversince,
    ):
        project = emulator.add_project(walks={"running": 1000})
        waiting = asyncio.ensure_future(eversince.wait(project.id))
        await asyncio.sleep(1)
        server.odd.add(project.id)

        with pytest.raises(InvalidResponse, match=r"\$\.status"):
            await waiting


async def test_who_seeks_a_slot_is_served_beside_an_odd_record() -> None:
    limits = EmulatedLimits(active_projects=1)
    async with (
        Emulator(scenario=QUICK, limits=limits, studio_projects=False) as emulator,
        Garbling(emulator, ODD["no id"]) as server,
        Eversince(**server.connection, limits=Limits(active_projects=1)) as eversince,
    ):
        server.odd.add(emulator.add_project("odd", status="idle").id)
        other = emulator.add_project("of others", walks={"generating": 100})
        eversince.governor.observed(other.id, "generating")
        film = await eversince.produce("ours", share=False)
        began = emulator.world.projects[film.project_id].created_at - other.created_at

    assert 100 < began < 190
    assert 0 == server.refusals


async def test_an_empty_address_before_the_render_is_no_video() -> None:
    class Emptying(Proxy):
        def edit(self, method: str, path: str, answer: Any) -> Any:
            for record in answer.get("projects", [answer]):
                if method == "GET" and record.get("assembled_url", "") is None:
                    record["assembled_url"] = ""
            return answer

    async with (
        Emulator(scenario=QUICK) as emulator,
        Emptying(emulator) as server,
        Eversince(**server.connection) as eversince,
    ):
        report = await eversince.batch(["One", "Two", {"brief": "Photos", "expected_output": "assets"}])

    assert {"succeeded": 3} == dict(report.counts)
    assert 2 == emulator.world.counts["renders"]
