"""The page in a real browser: a brief goes in, stages pass, the film plays."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from applications import serving, uvicorn_serving
from browser import CHROMIUM, Browser, Page, browser

from eversince_async.emulator import Scenario
from eversince_async.testing import VirtualTimeLoop

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

PICTURES = os.environ.get("EVERSINCE_PICTURES")
"""A folder to leave pictures of the page in, for people to look at."""

BRIEF = "15-second launch film for a ceramic mug, warm morning light, no voiceover"
STAGES = "[...document.querySelectorAll('#stages li')].map((stage) => stage.className)"
HEADLINE = "document.querySelector('#headline').textContent"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The browser lives in real time, so the loop passes a minute a second and does not jump."""
    return "asyncio", {"loop_factory": partial(VirtualTimeLoop, speed=60)}


@pytest.fixture(autouse=True)
def slower(monkeypatch: pytest.MonkeyPatch) -> None:
    """News of the governor ten times a real second."""
    monkeypatch.setenv("PACE", "6")
    monkeypatch.setenv("PATIENCE", "0")


@asynccontextmanager
async def visited(browser: Browser, url: str) -> AsyncIterator[Page]:
    """The application's page, in a tab of its own."""
    async with browser.tab() as page:
        await page.call("Page.navigate", url=url)
        await page.until("document.querySelector('#slots-text').textContent.endsWith(' of 5')")
        yield page


async def order(page: Page, brief: str = BRIEF) -> None:
    await page.see(f"document.querySelector('#brief').value = {brief!r}")
    await page.click("#make")
    await page.until("location.search.startsWith('?film=')")


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        await page.see("scrollTo({ top: 0, behavior: 'instant' })")
        await page.picture(Path(PICTURES) / f"{name}.png")


async def test_a_brief_becomes_a_film_that_plays(example, emulator, tmp_path):
    """By keyboard alone: type, tab, tab, enter; then the stages pass and the video plays."""
    emulator.account.credits = 1450
    async with (
        serving(example("fastapi_app")) as url,
        browser(tmp_path / "profile") as chromium,
        visited(chromium, url) as page,
    ):
        await picture(page, "1-empty")
        await page.press("Tab")
        await page.type(BRIEF)
        await page.press("Tab")
        await page.press("Tab")
        await page.press("Enter")

        await page.until(f"{HEADLINE} === 'Scenes are being generated'")
        assert ["done", "running", "ahead", "ahead"] == await page.see(STAGES)
        assert "1 of 5" == await page.see("document.querySelector('#slots-text').textContent")
        assert 1 == await page.see("document.querySelectorAll('#slots .ours').length")
        await picture(page, "2-under-way")

        await page.until("document.querySelector('[data-stage=render]').className === 'running'")
        assert ["done", "done", "running", "ahead"] == await page.see(STAGES)
        await picture(page, "3-rendering")

        await page.until("document.querySelector('#video').readyState >= 2")
        assert ["done"] * 4 == await page.see(STAGES)
        assert "Your film is ready" == await page.see("document.querySelector('#spoken').textContent")
        await page.see("document.querySelector('#video').play()")
        await page.until("document.querySelector('#video').currentTime > 0.5")
        await picture(page, "4-playing")
        await page.until("document.querySelector('#video').currentTime > 1")

        assert "1 of 50" == await page.see("document.querySelector('#renders-text').textContent")
        assert (await page.see("document.querySelector('#share').href")).startswith("http")
        assert [] == page.complaints
    assert 1 == emulator.world.counts["projects"]


async def test_a_page_that_waits_says_for_what_and_goes_on_when_it_is_reloaded(example, emulator, tmp_path):
    """Others have taken every place; the page says so, in the dark and on a telephone, too."""
    theirs = emulator.studio.occupy(5)
    async with (
        serving(example("fastapi_app")) as url,
        browser(tmp_path / "profile", width=500, height=1000) as chromium,
        visited(chromium, url) as page,
    ):
        dark = {"name": "prefers-color-scheme", "value": "dark"}
        await page.call("Emulation.setEmulatedMedia", features=[dark])
        await order(page)
        await page.call("Page.reload")
        await page.until("/not ours/.test(document.querySelector('#slots-aside').textContent)")
        await page.until(f"{HEADLINE} === 'Waiting for a free place'")
        assert "Waiting for a free place" == await page.see("document.querySelector('#spoken').textContent")
        await page.until("/5 of them not ours/.test(document.querySelector('#detail').textContent)")
        await picture(page, "5-waiting")
        for project in theirs:
            emulator.studio.release(project)

        await page.until(f"{HEADLINE} === 'Scenes are being generated'")
        await page.call("Page.reload")
        await page.until("document.querySelector('#video').readyState >= 2", seconds=40)
        assert await page.see("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"
        await picture(page, "6-ready-in-the-dark")
        assert [] == page.complaints
    assert 6 == emulator.world.counts["projects"]


async def test_two_tabs_show_the_same_film_and_a_third_one_another(example, emulator, tmp_path):
    async with (
        serving(example("fastapi_app")) as url,
        browser(tmp_path / "profile") as chromium,
        visited(chromium, url) as one,
    ):
        await order(one)
        address = await one.see("location.href")
        async with visited(chromium, address) as same, visited(chromium, url) as other:
            assert await other.see("document.querySelector('#film').hidden")
            await order(other, "A film for another tab")
            await other.until("document.querySelector('#slots-text').textContent === '2 of 5'")
            for page in (one, same, other):
                await page.until("!document.querySelector('#video').hidden", seconds=40)
            videos = [await page.see("document.querySelector('#video').src") for page in (one, same, other)]

            await other.call("Page.navigate", url=address)  # and Back leads to where it was
            await other.until(f"document.querySelector('#film-brief').textContent === {BRIEF!r}")
            await other.see("history.back()")
            await other.until(
                "document.querySelector('#film-brief').textContent === 'A film for another tab'"
            )
            assert [] == one.complaints + same.complaints + other.complaints

    assert videos[0] == videos[1] != videos[2]
    assert 2 == emulator.world.counts["projects"]


async def test_a_page_outlives_the_application(example, emulator, tmp_path, monkeypatch):
    """It says that it lost it, and goes on with the next one."""
    monkeypatch.setenv("FILMS", str(tmp_path / "films.jsonl"))
    async with browser(tmp_path / "profile") as chromium:
        async with serving(example("fastapi_app")) as url:
            visiting = visited(chromium, url)
            page = await visiting.__aenter__()
            await order(page)
            await page.until(f"{HEADLINE} === 'Scenes are being generated'")
        await page.until("!document.querySelector('#lost').hidden")
        await picture(page, "7-lost")
        async with uvicorn_serving(example("fastapi_app").app, port=int(url.rpartition(":")[2])):
            await page.until("document.querySelector('#video').readyState >= 2", seconds=40)
            assert await page.see("document.querySelector('#lost').hidden")
            assert ["done"] * 4 == await page.see(STAGES)
        await visiting.__aexit__(None, None, None)
    assert 1 == emulator.world.counts["projects"]


async def test_a_film_that_failed_says_why_and_another_can_be_ordered(example, emulator, tmp_path):
    life = emulator.world.life
    life.scenario = life.scenario.when("doomed", failure=1.0, failure_in="generating")
    async with (
        serving(example("fastapi_app")) as url,
        browser(tmp_path / "profile") as chromium,
        visited(chromium, url) as page,
    ):
        await order(page, "A doomed film about a lighthouse that is never seen, only its light")
        await page.until(f"{HEADLINE} === 'The film failed'")
        assert "refused the generation" in await page.see("document.querySelector('#detail').textContent")
        assert ["done", "stopped", "ahead", "ahead"] == await page.see(STAGES)
        await picture(page, "8-failed")

        await order(page, "Another film")
        await page.until(f"{HEADLINE} === 'Scenes are being generated'")


async def test_without_credits_the_page_leads_to_where_they_are_sold(example, emulator, tmp_path):
    emulator.account.credits = 3
    async with (
        serving(example("fastapi_app")) as url,
        browser(tmp_path / "profile") as chromium,
        visited(chromium, url) as page,
    ):
        await order(page)
        await page.until(f"{HEADLINE} === 'Not enough credits'")
        assert "3 credits are left" in await page.see("document.querySelector('#detail').textContent")
        assert await page.see("document.querySelectorAll('#links a').length") > 0
        await picture(page, "9-credits")


async def test_credits_that_run_low_are_told(example, emulator, tmp_path):
    emulator.account.credits = 60
    emulator.world.life.scenario = Scenario(queued=5, running=15, images=30, videos=60, video_credits=20)
    async with (
        serving(example("fastapi_app")) as url,
        browser(tmp_path / "profile") as chromium,
        visited(chromium, url) as page,
    ):
        await order(page)
        warning = "document.querySelector('#warning').textContent"
        await page.until(f"/Credits are running low/.test({warning})", seconds=30)
        await picture(page, "10-low-credits")


async def test_an_old_address_is_told_to_be_one(example, emulator, tmp_path):
    async with (
        serving(example("fastapi_app")) as url,
        browser(tmp_path / "profile") as chromium,
        visited(chromium, f"{url}?film=unknown") as page,
    ):
        await page.until("document.querySelector('#refusal').textContent === 'There is no such film here.'")
        assert await page.see("document.querySelector('#film').hidden")


async def test_everything_has_a_name_for_those_who_do_not_see_it(example, emulator, tmp_path):
    async with (
        serving(example("fastapi_app")) as url,
        browser(tmp_path / "profile") as chromium,
        visited(chromium, url) as page,
    ):
        assert ["Brief"] == await page.names("textbox")
        assert ["Shape"] == await page.names("combobox")
        assert ["Make the film"] == await page.names("button")
        assert ["What shall we film?", "The account"] == await page.names("heading")


HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>\u202e"


async def test_what_the_agent_says_runs_nothing(example, emulator, tmp_path):
    life = emulator.world.life
    life.scenario = life.scenario.when("doomed", failure=1.0, error_message=HOSTILE)
    async with (
        serving(example("fastapi_app")) as url,
        browser(tmp_path / "profile") as chromium,
        visited(chromium, url) as page,
    ):
        await order(page, f"A doomed film {HOSTILE[:-1]}")
        await page.until(f"{HEADLINE} === 'The film failed'")

        assert "<img src=x" in await page.see("document.querySelector('#detail').textContent")
        assert "The film failed · Films to order" == await page.see("document.title")
        assert [] == page.complaints


async def test_the_policy_stops_what_would_run(example, emulator, tmp_path):
    """Were an address or a text ever to become markup, it still ran nothing."""
    async with (
        serving(example("fastapi_app")) as url,
        browser(tmp_path / "profile") as chromium,
        visited(chromium, url) as page,
    ):
        await page.see(f"document.body.insertAdjacentHTML('beforeend', {HOSTILE!r})")
        await page.see("document.body.append(Object.assign(document.createElement('a'), {id: 'js',"
                       " href: 'javascript:document.title=`hacked`'}))")  # fmt: skip
        await page.see("document.querySelector('#js').click()")
        await page.until("true")

        assert "hacked" not in await page.see("document.title")
        assert any("Content Security Policy" in each for each in page.complaints)


async def test_another_page_orders_nothing(example, emulator, tmp_path):
    """By whatever a page can send without being asked: forms, text, JSON that it must not send."""
    sent: list[str] = []

    async def evil(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>evil</title>", content_type="text/html")

    evils = web.Application()
    evils.router.add_get("/", evil)
    runner = web.AppRunner(evils, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    elsewhere = f"http://localhost:{runner.addresses[0][1]}/"
    try:
        async with (
            serving(example("fastapi_app")) as url,
            browser(tmp_path / "profile") as chromium,
            chromium.tab() as page,
        ):
            await page.call("Page.navigate", url=elsewhere)
            await page.until("document.title === 'evil'")
            for options in (
                "{mode: 'no-cors', body: '{\"brief\": \"evil\"}'}",
                "{body: '{\"brief\": \"evil\"}', headers: {'Content-Type': 'application/json'}}",
                "{mode: 'no-cors', body: new URLSearchParams({brief: 'evil'})}",
            ):
                asked = f"fetch('{url}/films', {{method: 'POST', ...{options}}})"
                await page.see(f"window.over = 0, {asked}.catch(() => 0).finally(() => window.over = 1), 1")
                await page.until("window.over === 1")
                sent.append(options)
    finally:
        await runner.cleanup()

    assert 3 == len(sent)
    assert 0 == emulator.world.counts["projects"]
