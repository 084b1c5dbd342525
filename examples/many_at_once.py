"""Many videos at once, within the account's limits.

Twelve productions share five slots and thirty requests a minute. One of them fails; the others go on.

`python examples/many_at_once.py` runs against a local emulator. With EVERSINCE_API_KEY set it runs for real,
and spends credits.
"""

import asyncio
import os

from eversince_async import Eversince, EversinceError
from eversince_async.emulator import Emulator, Scenario
from eversince_async.testing import run

CITIES = (
    "Vienna", "Rome", "Lisbon", "Oslo", "Porto", "Gdansk",
    "Seville", "Tallinn", "Bergen", "Ghent", "Turin", "Bilbao",
)  # fmt: skip


async def main() -> None:
    async with Eversince() as eversince:
        films = await asyncio.gather(
            *(eversince.produce(f"Ten seconds of {city} at dawn", share=True) for city in CITIES),
            return_exceptions=True,
        )
        for city, film in zip(CITIES, films, strict=True):
            if isinstance(film, EversinceError):
                print(f"{city:<8} failed: {film}")
            elif isinstance(film, BaseException):
                raise film
            else:
                print(f"{city:<8} {film.share_url}")
        print(eversince.governor)


async def with_an_emulator() -> None:
    async with Emulator(scenario=Scenario().when("Oslo", failure=1.0)) as emulator:
        os.environ["EVERSINCE_API_KEY"] = emulator.connection["api_key"]
        os.environ["EVERSINCE_BASE_URL"] = emulator.base_url
        await main()
        log = emulator.world.log
        print(f"{len(log)} requests, at most {log.most_requests_in_window(60.0)} a minute")
        print(f"at most {emulator.world.most_active} projects at once")


if __name__ == "__main__":
    if "EVERSINCE_API_KEY" in os.environ:
        asyncio.run(main())
    else:
        run(with_an_emulator())  # in virtual time, which takes a moment
