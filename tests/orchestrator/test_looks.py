"""Which requests show the projects that somebody wants to see."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from eversince_async import Eversince, Limits
from eversince_async.emulator import Emulator
from eversince_async.emulator import Limits as EmulatedLimits
from eversince_async.models.projects import Project, ProjectSummary
from eversince_async.orchestrator.looks import Looks


class Seen(dict[str, str]):
    """Statuses by project id, as they were told."""

    def tell(self, project: Project | ProjectSummary, _: float) -> None:
        self[project.id] = project.status


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(limits=EmulatedLimits.none(), studio_projects=False) as emulator:
        yield emulator


@pytest.fixture
async def eversince(emulator: Emulator) -> AsyncIterator[Eversince]:
    limits = Limits(requests_per_minute=None)
    async with Eversince(**emulator.connection, limits=limits) as eversince:
        yield eversince


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def looks(eversince: Eversince, seen: Seen) -> Looks:
    return Looks(eversince._session, seen.tell)


def projects(emulator: Emulator, count: int, status: str = "idle") -> list[str]:
    return [emulator.add_project(f"film {n}", status=status).id for n in range(count)]


async def test_one_page_shows_a_hundred(emulator: Emulator, looks: Looks, seen: Seen) -> None:
    ids = projects(emulator, 100)

    assert (set(), True) == await looks.through(set(ids[:50]))
    assert 1 == looks.requests
    assert set(ids) == set(seen)


async def test_one_that_is_missing_is_to_be_asked_for_singly(emulator: Emulator, looks: Looks) -> None:
    ids = projects(emulator, 250)

    assert ({ids[0]}, False) == await looks.through({ids[0], ids[-1]})
    assert 1 == looks.requests


async def test_many_that_are_missing_are_found_on_the_next_pages(emulator: Emulator, looks: Looks) -> None:
    ids = projects(emulator, 250)

    assert (set(), True) == await looks.through(set(ids[:40]))
    assert 3 == looks.requests


async def test_old_ones_are_asked_for_singly_without_a_page_the_next_time(
    emulator: Emulator, looks: Looks
) -> None:
    ids = projects(emulator, 250)
    await looks.through({ids[0], ids[1]})
    before = looks.requests

    assert ({ids[0], ids[1]}, False) == await looks.through({ids[0], ids[1]})
    assert before == looks.requests


async def test_a_survey_finds_active_projects_on_any_page(
    emulator: Emulator, eversince: Eversince, looks: Looks
) -> None:
    old = emulator.add_project("of the studio", status="generating").id
    projects(emulator, 250)

    await looks.survey()

    assert (old,) == eversince.governor.snapshot().slots.foreign
    assert 4 == looks.requests


async def test_a_place_others_hold_is_found_when_it_comes_free() -> None:
    """A production that waits for it begins, on an account of several pages as on any other."""
    async with (
        Emulator(limits=EmulatedLimits(active_projects=1), studio_projects=False) as emulator,
        Eversince(**emulator.connection, limits=Limits(active_projects=1)) as eversince,
    ):
        emulator.add_project("of the studio", walks={"generating": 400})
        projects(emulator, 150)

        production = await eversince.produce("A film", share=False)

        assert production.assembled_url is not None
        assert 1 == emulator.world.most_active
        began = emulator.world.projects[production.project_id].created_at
        other = next(each for each in emulator.world.projects.values() if each.brief == "of the studio")
        assert 0 < began - other.created_at - 400 < 90


async def test_nobody_looks_when_nobody_waits(emulator: Emulator, eversince: Eversince) -> None:
    await eversince.produce("A film")
    emulator.world.log.clear()
    await asyncio.sleep(3600)

    assert 0 == len(emulator.world.log)
