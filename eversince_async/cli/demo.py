"""`eversince demo`: eight videos at once, in compressed time, without key or network."""

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import attrs
from cyclopts import Parameter

from eversince_async.cli._board import Board, Row, board, followed, redrawn, spell
from eversince_async.cli._exits import Exit
from eversince_async.cli._harmless import unbroken
from eversince_async.cli._loop import checked_speed
from eversince_async.cli._options import AsJson, Debug
from eversince_async.cli._printing import print_json
from eversince_async.cli._say import say, warn_line
from eversince_async.cli._trouble import sentence
from eversince_async.client import Eversince
from eversince_async.emulator import Emulator, Scenario
from eversince_async.errors import EversinceError
from eversince_async.orchestrator.production import Production
from eversince_async.testing import run

FRAME: Final = 0.1
"""Real seconds between two pictures of the board."""


@attrs.frozen
class Wish:
    """A video of the demo.

    Attributes:
        name: What to call it, and its file.
        brief: What to make.
        aspect_ratio: Its shape.
    """

    name: str
    brief: str
    aspect_ratio: str


WISHES: Final = (
    Wish("ceramic-mug", "15-second launch film for a ceramic mug, warm morning light", "9:16"),
    Wish("night-train", "Trailer for a night train from Vienna to Rome, slow and cinematic", "21:9"),
    Wish("bakery", "A bakery opens at five in the morning: flour, steam, first customers", "1:1"),
    Wish("trail-shoes", "Trail running shoes in heavy rain, fast cuts, no voiceover", "9:16"),
    Wish("chess-app", "Explain a chess app for children in twenty seconds", "16:9"),
    Wish("rooftop-honey", "Honey from city rooftops, told by the beekeeper", "1:1"),
    Wish("open-library", "A library that never closes, animated in paper cut-outs", "16:9"),
    Wish("tide-clock", "A clock that shows the tide; the sea in every shot", "21:9"),
)
"""The eight videos."""


def demo_(
    *,
    films: Annotated[Path, Parameter(name=["--films", "-o"])] = Path("films"),
    speed: float = 300.0,
    as_json: AsJson = False,
    debug: Debug = False,
) -> Exit:
    """Produce eight videos at once, in compressed time, without key or network.

    A local Eversince is started, its agents take their usual minutes, and the account's limits hold: five
    projects at once, thirty requests a minute.

    Args:
        films: Folder for the videos.
        speed: Seconds that pass in one of ours.
        as_json: Print the result as JSON.
        debug: Show tracebacks and what is sent.
    """
    del debug  # heeded where errors are shown
    factor = checked_speed(speed, "--speed")
    films.mkdir(parents=True, exist_ok=True)
    # Time jumps rather than runs fast: the demo is then exact however slow the machine is. What makes it
    # last long enough to be watched is `_frame`.
    return run(_demo(films, factor, as_json=as_json))


async def _demo(films: Path, speed: float, *, as_json: bool) -> Exit:
    began_at = time.monotonic()
    async with Emulator(scenario=Scenario(seed=8)) as emulator, _client(emulator) as eversince:
        if not as_json:
            say(f"A local Eversince at {emulator.base_url}; {speed:g} seconds pass in one.")
        with board(lambda: str(eversince.governor.snapshot())) as shown:
            async with redrawn(partial(_frame, speed), shown):
                outcomes = await asyncio.gather(
                    *(_produced(eversince, wish, shown.row(wish.name), shown, films) for wish in WISHES)
                )
        made = [outcome for outcome in outcomes if isinstance(outcome, Production)]
        _print(made, outcomes, emulator, time.monotonic() - began_at, as_json=as_json)
    return Exit.DONE if len(made) == len(WISHES) else Exit.FAILED


def _client(emulator: Emulator) -> Eversince:
    """A client that knows nothing of the environment: a demo never reaches the real account."""
    return Eversince(emulator.connection["api_key"], base_url=emulator.base_url)


async def _produced(
    eversince: Eversince, wish: Wish, row: Row, shown: Board, films: Path
) -> Production | EversinceError:
    """One video, or why there is none; the others go on."""
    try:
        return await followed(
            eversince.produce(
                wish.brief,
                title=wish.name,
                aspect_ratio=wish.aspect_ratio,
                download=films / f"{wish.name}.mp4",
            ),
            row,
            shown,
        )
    except EversinceError as error:
        return error


async def _frame(speed: float) -> None:
    """Let as much time pass as one can watch: while a thread works the loop's own stands still."""
    await asyncio.to_thread(time.sleep, FRAME)
    await asyncio.sleep(FRAME * speed)


def _print(
    made: list[Production],
    outcomes: list[Production | EversinceError],
    emulator: Emulator,
    real_seconds: float,
    *,
    as_json: bool,
) -> None:
    log = emulator.world.log
    virtual = asyncio.get_running_loop().time()
    for wish, outcome in zip(WISHES, outcomes, strict=True):
        if isinstance(outcome, EversinceError):
            warn_line(f"{wish.name}: {sentence(outcome)}")
    figures = {
        "videos": len(made),
        "seconds": round(real_seconds, 1),
        "virtual_seconds": round(virtual),
        "requests": len(log),
        "refused_requests": len(log.refusals("rate_limited")),
        "most_active_projects": emulator.world.most_active,
        "most_requests_a_minute": log.most_requests_in_window(60.0),
    }
    if as_json:
        print_json({**figures, "productions": [_summary(video) for video in made]})
        return
    for video in made:
        say(unbroken(f"{video.files[0]}  {video.share_url}"))
    say(
        f"{figures['videos']} videos in {real_seconds:.1f} s ({spell(virtual)} of the agents' time): "
        f"{figures['requests']} requests, at most {figures['most_requests_a_minute']} a minute and "
        f"{figures['refused_requests']} refused; at most {figures['most_active_projects']} projects at once."
    )
    say("The share links were the local Eversince's, which is gone now. The videos stay.")


def _summary(video: Production) -> dict[str, object]:
    return {"project": video.project_id, "share_url": video.share_url, "files": video.files}
