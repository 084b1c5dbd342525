"""Iteration over lists: each item once, and no superfluous request.

That holds even if items move meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from eversince_async import Eversince, InvalidRequest, InvalidResponse
from eversince_async.emulator import Emulator
from eversince_async.models.messages import Message
from eversince_async.resources._base import MAX_PAGES, OffsetPage, iterate_pages
from eversince_async.resources.messages import newest, oldest
from helpers.fake_server import Say, ScriptedServer


def pages(emulator: Emulator, path: str) -> int:
    return sum(entry.path == path for entry in emulator.world.log)


async def collected(items: Any) -> list[Any]:
    return [item async for item in items]


# -- Iteration by offset ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (1, 1), (100, 2), (101, 2), (250, 3)])
async def test_projects_in_pages_of_a_hundred(
    emulator: Emulator, eversince: Eversince, count: int, requests: int
) -> None:
    """Only a full page needs another request to find the end."""
    added = [emulator.add_project(f"Film {number}").id for number in range(count)]

    assert added[::-1] == [project.id for project in await collected(eversince.projects.iter())]
    assert requests == pages(emulator, "/projects")


async def test_projects_by_status_and_title(emulator: Emulator, eversince: Eversince) -> None:
    mug = emulator.add_project("A film", title="The mug")
    emulator.add_project("A film", title="The cup")
    emulator.add_project("A film", title="Another mug", status="failed")

    found = await collected(eversince.projects.iter(status="idle", title="MUG"))
    assert [mug.id] == [project.id for project in found]


async def test_items_that_appear_meanwhile_push_no_other_twice(
    emulator: Emulator, eversince: Eversince
) -> None:
    """New items come first, so a page's last item appears again."""
    added = {emulator.add_project(f"Film {number}").id for number in range(150)}
    seen: list[str] = []
    async for project in eversince.projects.iter():
        seen.append(project.id)
        if len(seen) == 50:
            for number in range(30):
                emulator.add_project(f"Late film {number}")

    assert len(seen) == len(set(seen))
    assert added == set(seen)


async def test_leaving_early_asks_for_no_further_page(emulator: Emulator, eversince: Eversince) -> None:
    for number in range(150):
        emulator.add_project(f"Film {number}")
    async for _ in eversince.projects.iter():
        break

    assert 1 == pages(emulator, "/projects")


async def test_studio_projects(emulator: Emulator, eversince: Eversince) -> None:
    for number in range(120):
        emulator.add_project(f"Film {number}", studio=True)

    found = await collected(eversince.projects.iter_discover())
    assert 122 == len({project.project_id for project in found}) == len(found)
    assert 2 == pages(emulator, "/projects/discover")


async def test_assets_in_pages_every_revision_takes(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project("A film")
    project.assets = [
        {**project.assets[0], "ref": f"ref{number:05}", "url": f"/media/{number}.png"}
        for number in range(120)
    ]

    found = await collected(eversince.content.iter_assets(project.id))
    assert 120 == len({asset.ref for asset in found}) == len(found)
    assert 3 == pages(emulator, f"/projects/{project.id}/assets")


async def test_shares_go_by_has_more(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project("A film", rendered=True)
    patient = eversince.with_options(deadline=1000)
    for _ in range(60):
        await patient.output.share(project.id)
    emulator.world.log.clear()

    found = await collected(eversince.account.iter_shares())
    assert 60 == len({share.share_url for share in found}) == len(found)
    assert 2 == pages(emulator, "/account/shares")


def offsets(
    total: int | None, *, more: bool | None = None, sizes: int = 3
) -> tuple[Callable[[int], Any], list[int]]:
    """Return a source of pages, and the list of requested offsets."""
    asked: list[int] = []
    length = 7 if total is None else total

    async def page_at(offset: int) -> OffsetPage[int]:
        asked.append(offset)
        items = list(range(length))[offset : offset + sizes]
        last = offset + sizes >= length
        return OffsetPage(items, total=total, more=None if more is None else not last)

    return page_at, asked


async def test_list_that_says_no_total_ends_with_an_empty_page() -> None:
    page_at, asked = offsets(None)

    assert list(range(7)) == await collected(iterate_pages(page_at, lambda item: item, 3))
    assert [0, 3, 6, 7] == asked


async def test_server_that_gives_smaller_pages_than_asked_for_is_followed() -> None:
    page_at, asked = offsets(7, sizes=2)

    assert list(range(7)) == await collected(iterate_pages(page_at, lambda item: item, 100))
    assert [0, 2, 4, 6] == asked


async def test_total_that_is_too_large_ends_with_an_empty_page() -> None:
    async def page_at(offset: int) -> OffsetPage[int]:
        return OffsetPage([1, 2] if offset == 0 else [], total=100)

    assert [1, 2] == await collected(iterate_pages(page_at, lambda item: item, 2))


async def test_has_more_that_never_ends_ends_with_an_empty_page() -> None:
    async def page_at(offset: int) -> OffsetPage[int]:
        return OffsetPage([1, 2] if offset == 0 else [], more=True)

    assert [1, 2] == await collected(iterate_pages(page_at, lambda item: item, 2))


async def test_server_that_ignores_offsets_does_not_keep_us_for_ever() -> None:
    """The server repeats a page without new items, so the list ends."""

    async def page_at(_: int) -> OffsetPage[int]:
        return OffsetPage([1, 2], more=True)

    assert [1, 2] == await collected(iterate_pages(page_at, lambda item: item, 2))


TOTALS: dict[str, Callable[[int, int], float | None]] = {
    "right": lambda offset, given: 250,
    "missing": lambda offset, given: None,
    "0": lambda offset, given: 0,
    "negative": lambda offset, given: -1,
    "that of the page": lambda offset, given: given,
    "that of the pages so far": lambda offset, given: offset + given,
    "outdated": lambda offset, given: 200,
    "one too small": lambda offset, given: 249,
    "too large": lambda offset, given: 1_000_000,
    "growing": lambda offset, given: offset + 1000,
}
MORE: dict[str, Callable[[int, int], bool | None]] = {
    "missing": lambda offset, given: None,
    "right": lambda offset, given: offset + given < 250,
    "always": lambda offset, given: True,
}


@pytest.mark.parametrize("sizes", [100, 30])
@pytest.mark.parametrize("more", MORE)
@pytest.mark.parametrize("total", TOTALS)
async def test_what_a_list_says_about_itself_may_be_wrong(total: str, more: str, sizes: int) -> None:
    """All 250 items come, each once, with few requests."""
    asked: list[int] = []

    async def page_at(offset: int) -> OffsetPage[int]:
        asked.append(offset)
        items = list(range(250))[offset : offset + sizes]
        says = (offset, len(items))
        return OffsetPage(items, total=TOTALS[total](*says), more=MORE[more](*says), limit=sizes)

    assert list(range(250)) == await collected(iterate_pages(page_at, lambda item: item, 100))
    assert len(asked) <= -(-250 // sizes) + 1


@pytest.mark.parametrize("total", TOTALS)
async def test_offsets_may_be_ignored(total: str) -> None:
    """The server repeats the page, with any `total`."""
    asked: list[int] = []

    async def page_at(offset: int) -> OffsetPage[int]:
        asked.append(offset)
        return OffsetPage(list(range(100)), total=TOTALS[total](offset, 100))

    assert list(range(100)) == await collected(iterate_pages(page_at, lambda item: item, 100))
    assert len(asked) <= 4


async def test_pages_may_come_again_in_turn() -> None:
    async def page_at(offset: int) -> OffsetPage[int]:
        return OffsetPage([offset // 2 % 3] * 2, more=True)

    assert [0, 1, 2] == await collected(iterate_pages(page_at, lambda item: item, 2))


async def test_a_list_that_ends_early_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async def page_at(_: int) -> OffsetPage[int]:
        return OffsetPage([1, 2], total=250)

    await collected(iterate_pages(page_at, lambda item: item, 2))
    assert ["a list ended early: 3 pages in a row had nothing new, after 2 items of 250"] == caplog.messages


async def test_a_list_that_never_ends_is_given_up() -> None:
    """Every page is full of new items."""
    asked: list[int] = []

    async def page_at(offset: int) -> OffsetPage[int]:
        asked.append(offset)
        return OffsetPage([offset, offset + 1], total=2)

    with pytest.raises(InvalidResponse, match="has not ended after 10,000 pages"):
        await collected(iterate_pages(page_at, lambda item: item, 2))
    assert MAX_PAGES == len(asked)


async def test_what_cannot_be_read_counts_for_the_offset(server: ScriptedServer) -> None:
    """Otherwise some items would come again, and others be missing."""

    def page(first: int, count: int) -> Say:
        odd = {first, first + 1, first + 2}
        rows = [
            {"id": f"proj_{n}", "status": None if n in odd else "idle"} for n in range(first, first + count)
        ]
        return Say(json={"projects": rows, "total": 150})

    server.plays(page(0, 100), page(100, 50))
    async with server.client() as eversince:
        found = await collected(eversince.projects.iter())

    assert [f"proj_{n}" for n in range(150) if n not in {0, 1, 2, 100, 101, 102}] == [p.id for p in found]
    assert ["limit=100&offset=0", "limit=100&offset=100"] == [
        each.target.partition("?")[2] for each in server.seen
    ]


async def test_pages_of_which_nothing_can_be_read_are_passed(server: ScriptedServer) -> None:
    def page(first: int, status: str | None) -> Say:
        rows = [{"id": f"proj_{n}", "status": status} for n in range(first, first + 100)]
        return Say(json={"projects": rows, "total": 500})

    empty = Say(json={"projects": [], "total": 500})
    server.plays(*(page(first, None) for first in (0, 100, 200, 300)), page(400, "idle"), empty)
    async with server.client() as eversince:
        assert 100 == len(await collected(eversince.projects.iter()))


ITERATORS: dict[str, Callable[[Eversince], AsyncIterator[Any]]] = {
    "projects": lambda eversince: eversince.projects.iter(),
    "discover": lambda eversince: eversince.projects.iter_discover(),
    "assets": lambda eversince: eversince.content.iter_assets("proj_1"),
    "shares": lambda eversince: eversince.account.iter_shares(),
    "messages": lambda eversince: eversince.messages.iter("proj_1"),
    "newer messages": lambda eversince: eversince.messages.iter("proj_1", after="msg_0"),
}
FIELDS = {"discover": "projects", "newer messages": "messages"}


@pytest.mark.parametrize("which", ITERATORS)
async def test_a_step_that_timed_out_is_taken_again(server: ScriptedServer, which: str) -> None:
    """No item is lost or comes twice, and the iteration can continue."""

    def page(first: int) -> dict[str, Any]:
        numbers = range(first, first + 50)
        rows = [
            {"id": f"{n}", "project_id": f"{n}", "share_url": f"{n}", "ref": f"{n}", "url": f"{n}"}
            | {"status": "idle", "role": "user", "content": "x", "type": "image"}
            for n in numbers
        ]
        return {FIELDS.get(which, which): rows, "total": 100, "has_more": first == 0}

    empty = {**page(50), FIELDS.get(which, which): []}
    server.plays(*(Say(json=page(0)), Say(json=page(50), after=30), Say(json=page(50)), Say(json=empty)))
    async with server.client() as eversince:
        items, found, timeouts = ITERATORS[which](eversince), [], 0
        while True:
            try:
                async with asyncio.timeout(10):
                    found.append(await anext(items))
            except TimeoutError:
                timeouts += 1
            except StopAsyncIteration:
                break

    assert (100, 1) == (len(found), timeouts)


# -- Single pages -----------------------------------------------------------------------------------------


async def test_page_says_where_it_is(emulator: Emulator, eversince: Eversince) -> None:
    for number in range(5):
        emulator.add_project(f"Film {number}")
    page = await eversince.projects.list(limit=2, offset=4)

    assert (1, 5, 2, 4) == (len(page.projects), page.total, page.limit, page.offset)


@pytest.mark.parametrize(
    ("call", "largest"),
    [
        (lambda eversince, limit: eversince.projects.list(limit=limit), 100),
        (lambda eversince, limit: eversince.projects.discover(limit=limit), 100),
        (lambda eversince, limit: eversince.content.assets("proj_1", limit=limit), 200),
        (lambda eversince, limit: eversince.account.shares(limit=limit), 50),
        (lambda eversince, limit: eversince.messages.list("proj_1", limit=limit), 50),
    ],
    ids=["projects", "discover", "assets", "shares", "messages"],
)
async def test_page_larger_than_any_revision_takes_is_not_asked_for(
    emulator: Emulator, eversince: Eversince, call: Any, largest: int
) -> None:
    for limit in (0, largest + 1):
        with pytest.raises(InvalidRequest, match=f"from 1 to {largest}"):
            await call(eversince, limit)

    assert 0 == len(emulator.world.log)


async def test_shares_have_a_default_of_their_own(emulator: Emulator, eversince: Eversince) -> None:
    project = emulator.add_project("A film", rendered=True)
    for _ in range(12):
        await eversince.output.share(project.id)
    page = await eversince.account.shares()

    assert (10, 12, True) == (len(page.shares), page.total, page.has_more)


# -- Iteration over a conversation ------------------------------------------------------------------------


def conversation(emulator: Emulator, length: int) -> tuple[str, list[str]]:
    """Create a project with messages, one in ten an internal marker."""
    project = emulator.add_project("A film")
    project.messages = [
        {
            "id": f"msg_{number:03}",
            "role": "assistant",
            "content": "" if number % 10 == 9 else f"Message {number}",
            "source": "chat",
            "created_at": f"2026-03-15T12:{number // 60:02}:{number % 60:02}Z",
        }
        for number in range(length)
    ]
    return project.id, [message["id"] for message in project.messages]


async def test_whole_conversation_goes_back_to_its_beginning(
    emulator: Emulator, eversince: Eversince
) -> None:
    project_id, ids = conversation(emulator, 120)
    found = await collected(eversince.messages.iter(project_id, markers=True))

    assert sorted(ids) == sorted(message.id for message in found)
    assert 3 == pages(emulator, f"/projects/{project_id}/messages")


async def test_newer_messages_go_forward(emulator: Emulator, eversince: Eversince) -> None:
    project_id, ids = conversation(emulator, 120)
    found = await collected(eversince.messages.iter(project_id, after=ids[10], markers=True))

    assert ids[11:] == [message.id for message in found]


async def test_markers_are_left_out_unless_asked_for(emulator: Emulator, eversince: Eversince) -> None:
    project_id, _ = conversation(emulator, 30)
    found = await collected(eversince.messages.iter(project_id))

    assert 27 == len(found)
    assert all(message.content for message in found)


async def test_nothing_new_is_one_request(emulator: Emulator, eversince: Eversince) -> None:
    project_id, ids = conversation(emulator, 5)

    assert [] == await collected(eversince.messages.iter(project_id, after=ids[-1]))
    assert 1 == pages(emulator, f"/projects/{project_id}/messages")


async def test_message_that_arrives_meanwhile_is_not_lost(emulator: Emulator, eversince: Eversince) -> None:
    project_id, ids = conversation(emulator, 60)
    seen: list[str] = []
    async for message in eversince.messages.iter(project_id, after=ids[0], markers=True):
        seen.append(message.id)
        if len(seen) == 50:
            newer = {**emulator.world.projects[project_id].messages[-1], "id": "msg_new"}
            emulator.world.projects[project_id].messages.append(newer)

    assert [*ids[1:], "msg_new"] == seen


async def test_order_of_a_page_does_not_matter(server: ScriptedServer) -> None:
    """A server may list the newest first, because cursors depend on `created_at`."""

    def page(*numbers: int, more: bool) -> Say:
        messages = [
            {"id": f"msg_{n}", "role": "user", "content": "x", "created_at": f"2026-03-15T12:00:0{n}Z"}
            for n in numbers
        ]
        return Say(json={"messages": messages, "has_more": more})

    server.plays(page(4, 3, more=True), page(2, 1, more=False))
    async with server.client() as eversince:
        found = await collected(eversince.messages.iter("proj_1"))
    assert ["msg_4", "msg_3", "msg_2", "msg_1"] == [message.id for message in found]
    assert server.seen[1].target.endswith("before=msg_3")

    server.seen.clear()
    server.plays(page(4, 3, more=True), page(6, 5, more=False))
    async with server.client() as eversince:
        await collected(eversince.messages.iter("proj_1", after="msg_2"))
    assert server.seen[1].target.endswith("after=msg_4")


def test_cursors_without_times_go_by_place() -> None:
    messages = [Message(id=f"msg_{number}", role="user", content="x") for number in range(3)]

    assert "msg_2" == newest(messages).id
    assert "msg_0" == oldest(messages).id


async def test_a_page_that_does_not_say_what_follows_goes_by_its_length(
    server: ScriptedServer,
) -> None:
    def page(*numbers: int) -> Say:
        return Say(json={"messages": [{"id": f"{n}", "role": "user", "content": "x"} for n in numbers]})

    server.plays(page(*range(50, 100)), page(*range(50)), page())
    async with server.client() as eversince:
        assert 100 == len(await collected(eversince.messages.iter("proj_1", markers=True)))


async def test_a_conversation_whose_cursors_are_ignored_ends(server: ScriptedServer) -> None:
    server.plays(Say(json={"messages": [{"id": "1", "role": "user", "content": "x"}], "has_more": True}))
    async with server.client() as eversince:
        assert 1 == len(await collected(eversince.messages.iter("proj_1")))
    assert 2 == len(server.seen)
