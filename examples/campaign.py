"""A campaign as a pipeline: a master film, two variations of it, and a person who says yes before they ship.

A pipeline is a plain function whose steps are remembered under a key. Kill it wherever you like and start it
again: it goes on where it was, and pays for nothing twice. While it waits for the answer, which may take days
and survives the process, it holds no slot and asks the server nothing.

`python examples/campaign.py` runs against a local Eversince of its own, where a colleague says yes the next
morning; with EVERSINCE_API_KEY set it does it for real, spends credits, and waits for you:
`eversince approve mug-2026 --journal campaign.db`, or `--no`.
"""

import asyncio
import os

import attrs

from eversince_async import ApprovalRequested, Eversince, Production, Run, StepCompleted, pipeline
from eversince_async.emulator import Emulator
from eversince_async.testing import run

KEY = "mug-2026"
JOURNAL = "campaign.db"

FORMATS = {
    "tiktok": "Create a 9:16 version for TikTok",
    "feed": "Create a 1:1 version for the feed, with larger captions",
}


@attrs.frozen
class Campaign:
    """What came of it; `shipped` is empty when nobody said yes."""

    master: Production
    shipped: tuple[Production, ...] = ()


@pipeline
async def campaign(run: Run, brief: str) -> Campaign:
    master = await run.produce(brief, title="Mug", download="master.mp4")
    variations = [await run.variation(master, text, name=name) for name, text in FORMATS.items()]
    if not await run.approval("Ship both variations?", show=[master, *variations]):
        return Campaign(master)
    shipped = [
        await run.render_and_share(variation, download=f"{name}.mp4", name=f"ship-{name}")
        for name, variation in zip(FORMATS, variations, strict=True)
    ]
    return Campaign(master, tuple(shipped))


async def main() -> None:
    async with (
        Eversince() as eversince,
        eversince.run(campaign, "Launch film for a ceramic mug", key=KEY, journal=JOURNAL) as workflow,
    ):
        async for event in workflow:
            match event:
                case StepCompleted(step=step, replayed=remembered):
                    print(f"{step}: {'done before' if remembered else 'done'}")
                case ApprovalRequested(question=question):
                    print(f"{question} Say so: eversince approve {KEY} --journal {JOURNAL} (or with --no)")
        made = await workflow
    print(f"master:  {made.master.share_url}")
    for film in made.shipped:
        print(f"shipped: {film.share_url} {film.files[0]}")


async def colleague() -> None:
    """Says yes, the next day and from elsewhere."""
    await asyncio.sleep(24 * 3600)
    async with Eversince() as eversince:
        for waiting in await eversince.approvals(journal=JOURNAL):
            await eversince.approve(waiting.key, journal=JOURNAL)


async def with_an_emulator() -> None:
    async with Emulator() as emulator:
        os.environ["EVERSINCE_API_KEY"] = emulator.connection["api_key"]
        os.environ["EVERSINCE_BASE_URL"] = emulator.base_url
        answering = asyncio.create_task(colleague())
        await main()
        answering.cancel()
        print(f"{emulator.world.counts['projects']} project, {emulator.world.counts['renders']} renders")


if __name__ == "__main__":
    if "EVERSINCE_API_KEY" in os.environ:
        asyncio.run(main())
    else:
        run(with_an_emulator())  # in virtual time: at once
