"""Follow a production while it runs: stages, statuses and waits.

`python examples/follow_events.py` runs against a local emulator. With EVERSINCE_API_KEY set it runs for real,
and spends credits.
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
                    continue  # an event of a later version
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
        run(with_an_emulator())  # in virtual time, which takes a moment
