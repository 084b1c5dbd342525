"""The main job: one video, from a brief to a file.

`python examples/produce_one.py` runs against a local emulator. With EVERSINCE_API_KEY set it runs for real,
and spends credits.
"""

import asyncio
import os

from eversince_async import Eversince
from eversince_async.emulator import Emulator
from eversince_async.testing import run

BRIEF = "15-second launch film for a ceramic mug, warm morning light, no voiceover"


async def main() -> None:
    async with Eversince() as eversince:
        film = await eversince.produce(BRIEF, aspect_ratio="9:16")
        path = await film.download("mug.mp4")
        print(f"{path}: {path.stat().st_size:,} bytes, shared at {film.share_url}")
        for stage, seconds in film.timings.items():
            print(f"  {stage:<8} {seconds:7.1f} s")


async def with_an_emulator() -> None:
    async with Emulator() as emulator:
        os.environ["EVERSINCE_API_KEY"] = emulator.connection["api_key"]
        os.environ["EVERSINCE_BASE_URL"] = emulator.base_url
        await main()


if __name__ == "__main__":
    if "EVERSINCE_API_KEY" in os.environ:
        asyncio.run(main())
    else:
        run(with_an_emulator())  # in virtual time, which takes a moment
