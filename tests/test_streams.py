"""Iterators that go on after a step that was cancelled, and lose and repeat nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from eversince_async.streams import Pages, Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


async def all_of(items: AsyncIterator[int], *, patience: float) -> list[int]:
    """The items, each waited for so long at a time."""
    found = []
    while True:
        try:
            async with asyncio.timeout(patience):
                found.append(await anext(items))
        except TimeoutError:
            continue
        except StopAsyncIteration:
            return found


async def filled(stream: Stream[int], *, every: float = 1.0) -> None:
    for number in range(5):
        await asyncio.sleep(every)
        stream.put(number)
    stream.end()


@pytest.mark.parametrize("patience", [0.3, 1.0, 7.0])
async def test_a_stream_goes_on_after_timeouts(patience: float) -> None:
    stream = Stream[int]()
    filling = asyncio.create_task(filled(stream))

    assert [0, 1, 2, 3, 4] == await all_of(stream, patience=patience)
    await filling


async def test_it_ends_after_what_has_come() -> None:
    stream = Stream[int]()
    stream.put(1)
    stream.end()

    assert 1 == len(stream)
    assert [1] == [item async for item in stream]
    assert [] == [item async for item in stream]


async def test_tasks_that_share_a_stream_share_its_items() -> None:
    stream = Stream[int]()
    filling = asyncio.create_task(filled(stream))

    async def take() -> list[int]:
        return [item async for item in stream]

    first, second = await asyncio.gather(take(), take())
    await filling
    assert [0, 1, 2, 3, 4] == sorted(first + second)


@pytest.mark.parametrize("rounds", range(5))
async def test_an_item_that_comes_in_the_moment_of_the_cancellation_is_kept(rounds: int) -> None:
    stream = Stream[int]()
    taking = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(1)
    stream.put(1)
    for _ in range(rounds):
        await asyncio.sleep(0)
    taking.cancel()
    await asyncio.wait([taking])
    stream.end()

    assert [1] == ([] if taking.cancelled() else [taking.result()]) + [item async for item in stream]


class Book:
    """Pages that take a while."""

    def __init__(self, *pages: Sequence[int]) -> None:
        self.pages = pages
        self.at = 0
        self.asked = 0

    async def ask(self) -> Sequence[int] | None:
        self.asked += 1
        await asyncio.sleep(1)
        if self.at == len(self.pages):
            return None
        self.at += 1
        return self.pages[self.at - 1]


async def test_pages_are_asked_for_as_they_are_needed() -> None:
    book = Book([1, 2], [], [3])
    pages = Pages(book.ask)

    assert 1 == await anext(pages)
    assert 1 == book.asked
    assert [2, 3] == [item async for item in pages]
    assert [] == [item async for item in pages]
    assert 4 == book.asked


@pytest.mark.parametrize("tried", [1, 4])
async def test_a_page_whose_step_was_cancelled_is_asked_for_again(tried: int) -> None:
    book = Book([1, 2], [3])
    pages = Pages(book.ask)
    for _ in range(tried):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await anext(pages)

    assert [1, 2, 3] == [item async for item in pages]


async def test_tasks_that_share_pages_share_their_items() -> None:
    pages = Pages(Book([1, 2], [3], [], [4, 5]).ask)

    async def take() -> list[int]:
        return [item async for item in pages]

    taken = await asyncio.gather(take(), take(), take())
    assert [1, 2, 3, 4, 5] == sorted(item for items in taken for item in items)


async def test_an_error_is_raised_by_the_step_that_asked_and_the_next_one_asks_again() -> None:
    asked = 0

    async def ask() -> Sequence[int] | None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise ConnectionError
        return [1] if asked == 2 else None

    pages = Pages(ask)
    with pytest.raises(ConnectionError):
        await anext(pages)
    assert [1] == [item async for item in pages]


async def test_closed_pages_are_over() -> None:
    book = Book([1, 2], [3])
    pages = Pages(book.ask)
    await anext(pages)
    await pages.aclose()

    assert [] == [item async for item in pages]
    assert 1 == book.asked
