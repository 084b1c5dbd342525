"""The page in a real browser: a brief goes in, stages pass, the film plays."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from applications import serving
from browser import CHROMIUM, Page, browser

from eversince_async.testing import VirtualTimeLoop

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

PICTURES = os.environ.get("EVERSINCE_PICTURES")
"""A folder to leave pictures of the page in, for people to look at."""

BRIEF = "15-second launch film for a ceramic mug, warm morning light, no voiceover"
STAGES = "[...document.querySelectorAll('#stages li')].map((stage) => stage.className)"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The browser lives in real time, so the loop passes a minute a second and does not jump."""
    return "asyncio", {"loop_factory": partial(VirtualTimeLoop, speed=60)}


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        await page.picture(Path(PICTURES) / f"{name}.png")


async def open_page(page: Page, url: str) -> None:
    await page.call("Page.navigate", url=url)
    await page.until("document.querySelector('#slots-text')?.textContent.startsWith('0 of 5')")


async def test_a_brief_becomes_a_film_that_plays(example, emulator, tmp_path: Path) -> None:
    """By keyboard alone: type, tab, tab, enter; then the stages pass and the video plays."""
    emulator.account.credits = 1450
    async with serving(example("fastapi_app")) as url, browser(tmp_path / "profile") as page:
        await open_page(page, url)
        await picture(page, "1-empty")
        await page.press("Tab")
        await page.type(BRIEF)
        await page.press("Tab")
        await page.press("Tab")
        await page.press("Enter")

        await page.until("/Scenes are being generated/.test(document.querySelector('#stages').textContent)")
        assert ["done", "running", "ahead", "ahead"] == await page.see(STAGES)
        assert "1 of 5" == await page.see("document.querySelector('#slots-text').textContent")
        assert await page.see("document.querySelectorAll('#slots .ours').length === 1")
        await picture(page, "2-under-way")

        await page.until("document.querySelector('[data-stage=render]').className === 'running'")
        assert ["done", "done", "running", "ahead"] == await page.see(STAGES)

        await page.until("document.querySelector('#video').readyState >= 2")
        assert ["done"] * 4 == await page.see(STAGES)
        assert "Your film is ready" == await page.see("document.querySelector('#spoken').textContent")
        await page.see("document.querySelector('#video').play()")
        await page.until("document.querySelector('#video').currentTime > 0.5")
        await picture(page, "3-playing")
        await page.until("document.querySelector('#video').currentTime > 1")

        assert "1 of 50" == await page.see("document.querySelector('#renders-text').textContent")
        assert (await page.see("document.querySelector('#share').href")).startswith("http")
        assert [] == page.complaints
    assert 1 == emulator.world.counts["projects"]


async def test_a_reloaded_page_goes_on_watching_and_says_what_is_waited_for(
    example, emulator, tmp_path: Path
) -> None:
    """Others have taken every place; the page says so, in the dark and on a telephone, too."""
    theirs = emulator.studio.occupy(5)
    async with (
        serving(example("fastapi_app")) as url,
        browser(tmp_path / "profile", width=500, height=1000) as page,
    ):
        dark = {"name": "prefers-color-scheme", "value": "dark"}
        await page.call("Emulation.setEmulatedMedia", features=[dark])
        await open_page(page, url)
        await page.see(f"document.querySelector('#brief').value = {BRIEF!r}")
        await page.click("#make")
        await page.until("location.search.startsWith('?film=')")
        await page.call("Page.reload")
        await page.until("/not ours/.test(document.querySelector('#slots-text')?.textContent)")
        await page.until("!document.querySelector('#waits').hidden")
        assert "Waiting" == await page.see("document.querySelector('#spoken').textContent")
        await picture(page, "4-waiting")
        for project in theirs:
            emulator.studio.release(project)

        await page.until("!document.querySelector('#video').hidden", seconds=40)
        assert await page.see("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"
        assert [] == page.complaints


async def test_a_film_that_failed_says_why_and_another_can_be_ordered(
    example, emulator, tmp_path: Path
) -> None:
    life = emulator.world.life
    life.scenario = life.scenario.when("doomed", failure=1.0)
    async with serving(example("fastapi_app")) as url, browser(tmp_path / "profile") as page:
        await open_page(page, url)
        await page.see("document.querySelector('#brief').value = 'A doomed film'")
        await page.click("#make")
        await page.until("/refused the generation/.test(document.querySelector('#problem').textContent)")
        await picture(page, "5-failed")

        assert "stopped" in await page.see(STAGES)
        assert not await page.see("document.querySelector('#make').disabled")


async def test_everything_has_a_name_for_those_who_do_not_see_it(example, emulator, tmp_path: Path) -> None:
    async with serving(example("fastapi_app")) as url, browser(tmp_path / "profile") as page:
        await open_page(page, url)

        assert ["Brief"] == await page.names("textbox")
        assert ["Shape"] == await page.names("combobox")
        assert ["Make the film"] == await page.names("button")
        assert ["What shall we film?", "The account"] == await page.names("heading")
