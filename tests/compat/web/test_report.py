"""The report of a batch in a real browser: its films play, its chart is drawn, and its buttons work."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, Page, browser

from eversince_async import Eversince
from eversince_async.emulator import Emulator, Scenario
from eversince_async.testing import VirtualTimeLoop, run

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

PICTURES = os.environ.get("EVERSINCE_PICTURES")
"""A folder to leave pictures of the report in, for people to look at."""

HOSTILE = "<script>document.title = 'hacked'</script><img src=x onerror=\"document.title='hacked'\">"

ITEMS = [{"key": f"film-{n}", "brief": f"Film {n}"} for n in range(28)]
ITEMS += [{"key": "film-hostile", "brief": HOSTILE}, {"key": "film-fragile", "brief": "fragile"}]


async def made(folder: Path) -> None:
    """A batch of thirty, one of which fails."""
    scenario = Scenario(seed=1).when("fragile", failure=1.0, error_message=HOSTILE)
    async with Emulator(scenario=scenario) as emulator, Eversince(**emulator.connection) as eversince:
        report = await eversince.batch(ITEMS, download=folder / "films")
        report.to_html(folder / "report.html", title=HOSTILE)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report, with its films beside it."""
    folder = tmp_path_factory.mktemp("report")
    run(made(folder))
    return folder / "report.html"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The browser lives in real time."""
    return "asyncio", {"loop_factory": partial(VirtualTimeLoop, speed=1)}


@pytest.fixture
async def page(report: Path, tmp_path: Path) -> AsyncIterator[Page]:
    """The report, opened from the disk."""
    async with browser(tmp_path / "browser") as chromium, chromium.tab() as page:
        await page.call("Network.enable")
        await page.call("Page.navigate", url=report.as_uri())
        await page.until("document.readyState == 'complete'")
        yield page
        assert [] == page.complaints


async def pressed(page: Page, button: str) -> None:
    """Without a mouse, for which a page that scrolls smoothly would have to come to rest."""
    await page.see(f"document.querySelector('{button}').click()")


async def test_films_play_from_beside_the_page(page):
    """The browser knows how long they are, and has a first picture."""
    await page.until("document.querySelector('video').readyState >= 2")

    assert await page.see("document.querySelector('video').duration") > 3
    assert await page.see("document.querySelector('video').error") is None
    await page.see("document.querySelector('video').play()")
    await page.until("document.querySelector('video').currentTime > 0.2")


async def test_a_film_further_down_is_fetched_when_it_comes_into_sight(page):
    last = "[...document.querySelectorAll('.gallery video')][23]"
    assert "none" == await page.see(f"{last}.preload")

    await page.see(f"{last}.scrollIntoView({{ behavior: 'instant' }})")

    await page.until(f"{last}.duration > 3")


async def test_what_somebody_wrote_is_text(page):
    assert HOSTILE in await page.see("document.querySelector('h1').textContent")
    assert HOSTILE in await page.see("document.querySelector('.said').textContent")
    assert "hacked" != await page.see("document.title")
    assert 0 == await page.see("document.querySelectorAll('img, main script').length")


async def test_the_chart_is_wider_the_closer_one_looks(page):
    """Names appear where there is room for them, and marks of time where there is."""
    seen = (
        "[...document.querySelectorAll('.chart .n, .tick')].filter((e) => !e.hasAttribute('display')).length"
    )
    wide = "document.querySelector('.canvas').getBoundingClientRect().width"
    await pressed(page, "#fit")
    narrow, few = await page.see(wide), await page.see(seen)

    for _ in range(6):
        await pressed(page, "#in")

    assert await page.see(wide) > 10 * narrow
    assert await page.see(seen) > few
    await pressed(page, "#fit")
    assert narrow == pytest.approx(await page.see(wide))


async def test_five_slots_are_drawn_within_the_chart(page):
    assert 5 == await page.see("document.querySelectorAll('.lane').length")
    assert await page.see(
        """(() => {
            const chart = document.querySelector('.chart').getBoundingClientRect();
            return [...document.querySelectorAll('.chart .s')].every((stage) => {
                const box = stage.getBoundingClientRect();
                const isWithin = box.left >= chart.left - 1 && box.right <= chart.right + 1;
                return isWithin && box.bottom <= chart.bottom;
            });
        })()"""
    )


async def test_the_filter_finds_what_is_looked_for(page):
    await page.see("document.querySelector('#filter').focus()")
    await page.type("film-7")

    shown = "[...document.querySelectorAll('.card')].filter((card) => !card.hidden)"
    assert ["film-7"] == await page.see(f"{shown}.map((card) => card.querySelector('h3').textContent)")


@pytest.mark.parametrize(("look", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
async def test_nothing_sticks_out(page, look, width):
    """On a desk and on a phone the page is as wide as the screen: only the chart scrolls sideways."""
    await page.call(
        "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
    )
    await page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": look}])

    assert width >= await page.see("document.documentElement.scrollWidth")
    if PICTURES:
        await page.picture(Path(PICTURES) / f"report-{look}-{width}.png")


async def test_a_screen_reader_finds_its_way(page):
    """Sections have headings, players and the chart have names."""
    headings = await page.names("heading")
    assert {"What failed 1", "Videos 29", "Timeline", "All items 30"} <= {
        " ".join(h.split()) for h in headings
    }
    assert "Video film-0" in await page.see(
        "[...document.querySelectorAll('video')].map((video) => video.getAttribute('aria-label'))"
    )
    assert "Timeline, can be scrolled" in await page.names("region")
