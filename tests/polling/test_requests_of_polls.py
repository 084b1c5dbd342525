"""The choice of requests that show the wanted projects."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eversince_async import Eversince, Limits
from eversince_async._wire.converter import structure
from eversince_async.emulator import Emulator
from eversince_async.emulator import Limits as EmulatedLimits
from eversince_async.models.projects import Project, ProjectPage, ProjectSummary
from eversince_async.polling.requests import PollRequests, _Listed
from eversince_async.testing import run


class Seen(dict[str, str]):
    """Statuses by project id, as the poll requests reported them."""

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
def looks(eversince: Eversince, seen: Seen) -> PollRequests:
    return PollRequests(eversince._session, seen.tell)


def projects(emulator: Emulator, count: int, status: str = "idle") -> list[str]:
    return [emulator.add_project(f"film {n}", status=status).id for n in range(count)]


async def test_one_page_shows_a_hundred(emulator: Emulator, looks: PollRequests, seen: Seen) -> None:
    ids = projects(emulator, 100)

    assert (set(), True) == await looks.list_projects(set(ids[:50]))
    assert 1 == looks.requests
    assert set(ids) == set(seen)


async def test_one_that_is_missing_is_to_be_asked_for_singly(emulator: Emulator, looks: PollRequests) -> None:
    ids = projects(emulator, 250)

    assert ({ids[0]}, False) == await looks.list_projects({ids[0], ids[-1]})
    assert 1 == looks.requests


async def test_many_that_are_missing_are_found_on_the_next_pages(
    emulator: Emulator, looks: PollRequests
) -> None:
    ids = projects(emulator, 250)

    assert (set(), True) == await looks.list_projects(set(ids[:40]))
    assert 3 == looks.requests


async def test_old_ones_are_asked_for_singly_without_a_page_the_next_time(
    emulator: Emulator, looks: PollRequests
) -> None:
    ids = projects(emulator, 250)
    await looks.list_projects({ids[0], ids[1]})
    before = looks.requests

    assert ({ids[0], ids[1]}, False) == await looks.list_projects({ids[0], ids[1]})
    assert before == looks.requests


async def test_a_survey_finds_active_projects_on_any_page(
    emulator: Emulator, eversince: Eversince, looks: PollRequests
) -> None:
    old = emulator.add_project("of the studio", status="generating").id
    projects(emulator, 250)

    await looks.list_active()

    assert (old,) == eversince.governor.snapshot().slots.foreign
    assert 4 == looks.requests


async def test_a_place_others_hold_is_found_when_it_comes_free() -> None:
    """A production that waits for the slot begins.

    The account may have several pages of projects, or one.
    """
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


# -- Unreliable lists ------------------------------------------------------------------------------------


class Lists:
    """A project list whose `total` and `offset` may be wrong or ignored."""

    def __init__(self, there: list[Any], total: Callable[[int], int | None], *, heeds_offset: bool) -> None:
        self.there, self.total, self.heeds_offset = there, total, heeds_offset
        self.asked = 0

    async def list(self, *, limit: int, offset: int | None = None, **_: object) -> ProjectPage:
        self.asked += 1
        assert self.asked < 50, "it asks for ever"
        begin = (offset or 0) if self.heeds_offset else 0
        page = {"projects": self.there[begin : begin + limit], "total": self.total(len(self.there))}
        return structure(page, ProjectPage)


def record(number: int, status: str = "idle") -> dict[str, Any]:
    return {"id": f"proj_{number}", "status": status}


TOTALS: list[Callable[[int], int | None]] = [
    lambda true: true,
    lambda _: None,
    lambda _: 0,
    lambda _: -5,
    lambda true: true - 1,
    lambda true: true // 2,
    lambda true: min(true, 100),
    lambda true: true + 1,
    lambda _: 10**15,
]


@given(
    count=st.integers(0, 350),
    total=st.sampled_from(TOTALS),
    heeds_offset=st.booleans(),
    wanted=st.sets(st.integers(0, 400), max_size=60),
    odd=st.dictionaries(
        st.integers(0, 349), st.sampled_from([None, {}, "x", {"id": "proj_3"}, {"status": "idle"}, 7])
    ),
)
def test_it_comes_to_an_end_and_finds_what_it_says_it_finds(
    count: int,
    total: Callable[[int], int | None],
    *,
    heeds_offset: bool,
    wanted: set[int],
    odd: dict[int, Any],
) -> None:
    """The search holds for any `total`, unreadable rows, and an ignored `offset`."""
    there = [odd[n] if n in odd else record(n) for n in range(count)]
    lists, told = Lists(there, total, heeds_offset=heeds_offset), Seen()
    ids = {f"proj_{n}" for n in wanted}

    async def story() -> tuple[set[str], bool]:
        async with Eversince("es_live_x", base_url="http://127.0.0.1:9/api/v1") as eversince:
            looks = PollRequests(eversince._session, told.tell)
            looks._projects = lists  # type: ignore[assignment]
            await looks.list_active(ids)
            return await looks.list_projects(ids, ids)

    missing, _ = run(story())

    assert missing == ids - set(told)


def test_absence_is_no_evidence_where_an_entry_cannot_be_read() -> None:
    listed = _Listed()
    shown = [record(1, "running"), record(2), None, {"id": "proj_4"}]
    listed.add(structure({"projects": shown, "total": 4}, ProjectPage))

    assert {"proj_1", "proj_4", "proj_7"} == listed.may_be_active(["proj_2", "proj_4", "proj_7"])
    assert 4 == listed.entries
    assert 0 == listed.pages_left


def test_a_full_page_may_be_followed_by_others_when_the_total_is_too_small() -> None:
    listed = _Listed()
    listed.add(structure({"projects": [record(n) for n in range(100)], "total": 0}, ProjectPage))

    assert 1 == listed.pages_left
