"""`eversince demo`: eight videos in compressed time, without key or network."""

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import attrs
from cyclopts import Parameter

from eversince_async.cli._errors import describe_error
from eversince_async.cli._exit_codes import ExitCode
from eversince_async.cli._loop import parse_speed
from eversince_async.cli._options import AsJson, Debug
from eversince_async.cli._output import warn_line, write_line
from eversince_async.cli._progress import ProgressDisplay, Row, board, follow, format_duration, refreshing
from eversince_async.cli._tables import print_json
from eversince_async.cli._terminal_text import unbroken
from eversince_async.client import Eversince
from eversince_async.emulator import Emulator, Scenario
from eversince_async.errors import EversinceError
from eversince_async.orchestrator.production import Production
from eversince_async.testing import run

FRAME: Final = 0.1
"""Real seconds between two redraws of the board."""


@attrs.frozen
class DemoVideo:
    """A video of the demo.

    Attributes:
        name: The name of the video and its file.
        brief: The brief.
        aspect_ratio: The aspect ratio, e.g. `16:9`.
    """

    name: str
    brief: str
    aspect_ratio: str


DEMO_VIDEOS: Final = (
    DemoVideo("ceramic-mug", "15-second launch film for a ceramic mug, warm morning light", "9:16"),
    DemoVideo("night-train", "Trailer for a night train from Vienna to Rome, slow and cinematic", "21:9"),
    DemoVideo("bakery", "A bakery opens at five in the morning: flour, steam, first customers", "1:1"),
    DemoVideo("trail-shoes", "Trail running shoes in heavy rain, fast cuts, no voiceover", "9:16"),
    DemoVideo("chess-app", "Explain a chess app for children in twenty seconds", "16:9"),
    DemoVideo("rooftop-honey", "Honey from city rooftops, told by the beekeeper", "1:1"),
    DemoVideo("open-library", "A library that never closes, animated in paper cut-outs", "16:9"),
    DemoVideo("tide-clock", "A clock that shows the tide; the sea in every shot", "21:9"),
)
"""The eight videos."""


def demo_(
    *,
    films: Annotated[Path, Parameter(name=["--films", "-o"])] = Path("films"),
    speed: float = 300.0,
    as_json: AsJson = False,
    debug: Debug = False,
) -> ExitCode:
    """Produce eight videos at once, in compressed time, without key or network.

    The demo starts a local Eversince. Its agents take their usual minutes, and the account's limits hold:
    five projects at once, thirty requests a minute.

    Args:
        films: Folder for the videos.
        speed: Seconds that pass in one real second.
        as_json: Print the result as JSON.
        debug: Show tracebacks and what is sent.
    """
    del debug  # the dispatcher reads it when it prints errors
    factor = parse_speed(speed, "--speed")
    films.mkdir(parents=True, exist_ok=True)
    # Time jumps instead of running fast, so the demo is exact on a slow machine, too. `_frame` makes it last
    # long enough to be watched.
    return run(_demo(films, factor, as_json=as_json))


async def _demo(films: Path, speed: float, *, as_json: bool) -> ExitCode:
    began_at = time.monotonic()
    async with Emulator(scenario=Scenario(seed=8)) as emulator, _client(emulator) as eversince:
        if not as_json:
            write_line(f"A local Eversince at {emulator.base_url}; {speed:g} seconds pass in one.")
        with board(lambda: str(eversince.governor.snapshot())) as shown:
            async with refreshing(partial(_frame, speed), shown):
                outcomes = await asyncio.gather(
                    *(_produce(eversince, wish, shown.row(wish.name), shown, films) for wish in DEMO_VIDEOS)
                )
        videos = [outcome for outcome in outcomes if isinstance(outcome, Production)]
        _print(videos, outcomes, emulator, time.monotonic() - began_at, as_json=as_json)
    return ExitCode.DONE if len(videos) == len(DEMO_VIDEOS) else ExitCode.FAILED


def _client(emulator: Emulator) -> Eversince:
    """Return a client that ignores the environment.

    So a demo never reaches the real account.
    """
    return Eversince(emulator.connection["api_key"], base_url=emulator.base_url)


async def _produce(
    eversince: Eversince, wish: DemoVideo, row: Row, shown: ProgressDisplay, films: Path
) -> Production | EversinceError:
    """Produce one video; return its error, so that the others go on."""
    try:
        return await follow(
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
    """Let a little real time pass, then the matching virtual time.

    The loop's virtual time stands still while a thread works.
    """
    await asyncio.to_thread(time.sleep, FRAME)
    await asyncio.sleep(FRAME * speed)


def _print(
    videos: list[Production],
    outcomes: list[Production | EversinceError],
    emulator: Emulator,
    real_seconds: float,
    *,
    as_json: bool,
) -> None:
    log = emulator.world.log
    virtual = asyncio.get_running_loop().time()
    for wish, outcome in zip(DEMO_VIDEOS, outcomes, strict=True):
        if isinstance(outcome, EversinceError):
            warn_line(f"{wish.name}: {describe_error(outcome)}")
    figures = {
        "videos": len(videos),
        "seconds": round(real_seconds, 1),
        "virtual_seconds": round(virtual),
        "requests": len(log),
        "refused_requests": len(log.refusals("rate_limited")),
        "most_active_projects": emulator.world.most_active,
        "most_requests_a_minute": log.most_requests_in_window(60.0),
    }
    if as_json:
        print_json({**figures, "productions": [_summary(video) for video in videos]})
        return
    for video in videos:
        write_line(unbroken(f"{video.files[0]}  {video.share_url}"))
    write_line(
        f"{figures['videos']} videos in {real_seconds:.1f} s "
        f"({format_duration(virtual)} of the agents' time): "
        f"{figures['requests']} requests, at most {figures['most_requests_a_minute']} a minute and "
        f"{figures['refused_requests']} refused; at most {figures['most_active_projects']} projects at once."
    )
    write_line("The share links were the local Eversince's, which is gone now. The videos stay.")


def _summary(video: Production) -> dict[str, object]:
    return {"project": video.project_id, "share_url": video.share_url, "files": video.files}
