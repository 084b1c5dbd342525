"""`run.step`: the user's own code, executed at least once, and its result."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from eversince_async import (
    ConfigurationError,
    Eversince,
    NotSerializable,
    Production,
    ProjectFailed,
    Run,
    pipeline,
)

CALLS: list[Any] = []


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


@attrs.frozen
class Post:
    url: str
    at: datetime


async def posted(url: str) -> Post:
    CALLS.append(url)
    return Post(url, datetime(2026, 5, 1, tzinfo=UTC))


def in_a_thread() -> str:
    return threading.current_thread().name


def lied() -> int:
    return "seven"  # type: ignore[return-value]  # the point


def unannotated(value):  # type: ignore[no-untyped-def]  # the point
    CALLS.append(value)
    return value


def connected() -> asyncio.Lock:
    CALLS.append("connected")
    return asyncio.Lock()


def signed() -> str:
    return "https://r2.example/video.mp4?X-Amz-Signature=0123456789abcdef0123456789abcdef"


def linked() -> str:
    return "https://youtube.example/watch?v=abc"


async def refusing() -> int:
    CALLS.append("refusing")
    if len(CALLS) == 1:
        raise ProjectFailed("not today", project_id="proj_1")
    return len(CALLS)


@pipeline
async def own(run: Run, step: Any, *args: Any) -> Any:
    return str(await run.step("own", step, *args))


@pipeline
async def posting(run: Run) -> tuple[str, Post]:
    post = await run.step("post", posted, "https://x.org/1")
    await run.sleep(3600)
    return type(post).__name__, post


@pipeline
async def getting_over_it(run: Run) -> str:
    try:
        return str(await run.step("refuse", refusing))
    except ProjectFailed:
        return "got over it"


async def begun(eversince, journal, made, *args, seconds=60.0):
    """Start a first run, and stop it in the middle."""

    async def run() -> object:
        return await eversince.run(made, *args, key="mug", journal=journal)

    running = asyncio.create_task(run())
    await asyncio.sleep(seconds)
    running.cancel()
    await asyncio.wait([running])


async def test_what_it_gave_is_given_again_and_it_is_not_called_again(eversince, journal):
    await begun(eversince, journal, posting)

    name, post = await eversince.run(posting, key="mug", journal=journal)

    assert ("Post", Post("https://x.org/1", datetime(2026, 5, 1, tzinfo=UTC))) == (name, post)
    assert ["https://x.org/1"] == CALLS


async def test_a_plain_function_is_called_in_a_thread(eversince, journal):
    name = await eversince.run(own, in_a_thread, key="mug", journal=journal)

    assert name != threading.main_thread().name


async def test_it_is_called_again_when_it_was_cut_off(eversince, journal):
    """Its progress is unknown: this is the meaning of at least once."""

    async def slow(seconds: float) -> int:
        CALLS.append(seconds)
        await asyncio.sleep(seconds)
        return len(CALLS)

    await begun(eversince, journal, own, slow, 100)

    assert "2" == await eversince.run(own, slow, 100, key="mug", journal=journal)


async def test_a_failure_is_not_remembered_and_it_is_tried_again(eversince, journal):
    """Errors of this library, raised in the function, are no exception."""
    assert "got over it" == await eversince.run(getting_over_it, key="mug", journal=journal)
    assert ["refusing"] == CALLS


async def test_what_it_returns_must_be_what_it_is_annotated_to(eversince, journal):
    with pytest.raises(NotSerializable, match=r"step 'own': it is not of type int: .*expected int, got str"):
        await eversince.run(own, lied, key="mug", journal=journal)


async def test_what_cannot_be_stored_is_refused_before_it_is_called(eversince, journal):
    with pytest.raises(
        NotSerializable, match=r"step 'own': Lock cannot be stored: there are no rules for Lock"
    ):
        await eversince.run(own, connected, key="mug", journal=journal)
    assert [] == CALLS


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "text", [1, [2]], {"a": None}])
async def test_without_an_annotation_it_may_return_what_json_has(eversince, journal, value):
    assert str(value) == await eversince.run(own, unannotated, value, key="mug", journal=journal)


@pytest.mark.parametrize("value", [(1, 2), date(2026, 5, 1), Path("a"), {1: 2}])
async def test_without_an_annotation_it_may_return_nothing_else(eversince, journal, value):
    with pytest.raises(NotSerializable, match="annotate the function with the type it returns"):
        await eversince.run(own, unannotated, value, key="mug", journal=journal)


async def test_what_could_not_be_stored_fails_no_run(eversince, journal):
    """With the annotation corrected, the same key continues."""
    with pytest.raises(NotSerializable):
        await eversince.run(own, unannotated, (1,), key="mug", journal=journal)

    with pytest.raises(NotSerializable):
        await eversince.run(own, unannotated, (1,), key="mug", journal=journal)
    assert 2 == len(CALLS)


async def test_a_signed_url_is_not_stored_and_said_so(eversince, journal):
    with pytest.raises(NotSerializable, match="holds a signed URL, a key or another secret"):
        await eversince.run(own, signed, key="mug", journal=journal)

    assert "0123456789abcdef" not in journal.read_bytes().decode("latin-1")


async def test_other_urls_come_back_whole(eversince, journal):
    await eversince.run(own, linked, key="mug", journal=journal)

    assert linked() == await eversince.run(own, linked, key="mug", journal=journal)


@pipeline
async def timed(run: Run) -> list[datetime]:
    first = await run.now()
    await run.sleep(timedelta(hours=1))
    return [first, await run.now()]


async def test_the_time_is_the_same_in_each_run(eversince, journal):
    await begun(eversince, journal, timed, seconds=600)
    first, second = await eversince.run(timed, key="mug", journal=journal)

    assert 3600 == pytest.approx((second - first).total_seconds(), abs=5)


@pipeline
async def sleeping_until(run: Run, until: datetime) -> datetime:
    return await run.sleep(until)


async def test_a_sleep_outlasts_the_process(eversince, journal):
    loop = asyncio.get_running_loop()
    began = loop.time()
    await begun(eversince, journal, posting, seconds=3000)
    await eversince.run(posting, key="mug", journal=journal)

    assert 3600 == pytest.approx(loop.time() - began, abs=5)


async def test_a_long_sleep_leaves_the_job_to_anybody(eversince, journal):
    from eversince_async.journal import SqliteJournal

    async def run() -> object:
        return await eversince.run(posting, key="mug", journal=journal)

    running = asyncio.create_task(run())
    await asyncio.sleep(60)
    async with SqliteJournal(journal) as other:
        job = await other.load("mug")
    running.cancel()
    await asyncio.wait([running])

    assert ("waiting", None) == (job.stage, job.owner)


async def test_a_time_to_sleep_until_needs_an_offset(eversince, journal):
    with pytest.raises(ConfigurationError, match="needs an offset"):
        await eversince.run(sleeping_until, datetime(2026, 5, 1), key="mug", journal=journal)


async def test_a_time_that_has_passed_is_not_waited_for(eversince, journal):
    past = datetime(2020, 5, 1, tzinfo=UTC)

    assert past == await eversince.run(sleeping_until, past, key="mug", journal=journal)


async def described(film: Production) -> str:
    CALLS.append(film.project_id)
    return film.project_id


@pipeline
async def describing(run: Run) -> str:
    film = await run.produce("A film")
    text = await run.step("describe", described, film)
    await run.sleep(3600)
    return text


async def test_a_production_may_be_an_argument(emulator, eversince, journal):
    """A new production and its restored copy are the same argument."""
    await begun(eversince, journal, describing, seconds=600)

    project_id = await eversince.run(describing, key="mug", journal=journal)

    assert [project_id] == CALLS


@pytest.mark.parametrize("seconds", [0.0000004, 1.0000004, 20.3333333])
async def test_a_sleep_whose_end_no_clock_resolves_comes_to_its_end(
    eversince: Eversince, journal: Path, seconds: float
) -> None:
    """Less than a microsecond may be left of it for ever.

    The wall clock shows no smaller unit.
    """

    @pipeline
    async def sleeper(run: Run) -> None:
        await asyncio.sleep(1 / 3)
        await run.sleep(seconds)

    loop = asyncio.get_running_loop()
    await eversince.run(sleeper, key="k", journal=journal)
    assert loop.time() < seconds + 1
