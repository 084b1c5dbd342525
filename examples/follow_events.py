"""Follow a production while it runs: stages, statuses, and what it waits for.

`python examples/follow_events.py` runs against a local Eversince of its own; with EVERSINCE_API_KEY set it
does it for real, and spends credits.
"""

import asyncio
import os

from eversince_async import CreditsWarning, Eversince, StageCompleted, StageStarted, StatusChanged, Waiting
from eversince_async.emulator import Emulator
from eversince_async.testing import run


async def main() -> None:
    async with Eversince() as eversince, eversince.produce("A bakery opens at five") as workflow:
        async for event in workflow:
            match event:
                case StageStarted(stage=stage):
                    words = f"{stage} …"
                case StageCompleted(stage=stage, seconds=seconds):
                    words = f"{stage} done in {seconds:.0f} s"
                case StatusChanged(status=status):
                    words = f"is {status} now"
                case Waiting(reason=reason):
                    words = f"waits: {reason}"
                case CreditsWarning(warning=warning):
                    words = warning
                case _:
                    continue  # an event that later versions have
            print(f"{event.at:6.0f} s  {words}")
        film = await workflow
        print(film.share_url)


async def with_an_emulator() -> None:
    async with Emulator() as emulator:
        os.environ["EVERSINCE_API_KEY"] = emulator.connection["api_key"]
        os.environ["EVERSINCE_BASE_URL"] = emulator.base_url
        await main()


if __name__ == "__main__":
    if "EVERSINCE_API_KEY" in os.environ:
        asyncio.run(main())
    else:
        run(with_an_emulator())  # in virtual time: at once
