"""A campaign as a pipeline: a master video, variations and an approval.

A pipeline is a plain function whose steps are remembered under a key. If the process is killed at any point
and started again, the pipeline continues where it was, and pays for nothing twice. While it waits for the
answer, which may take days and survives the process, it holds no slot and sends no requests.

`python examples/campaign.py` runs against a local emulator, with a colleague who approves the next morning.
With EVERSINCE_API_KEY set it runs for real, spends credits, and waits for your answer: `eversince approve
mug-2026 --journal campaign.db`, or with `--no`.
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
    """The result; `shipped` is empty if the person declined."""

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
        result = await workflow
    print(f"master:  {result.master.share_url}")
    for film in result.shipped:
        print(f"shipped: {film.share_url} {film.files[0]}")


async def colleague() -> None:
    """Approve on the next day, from another client."""
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
        run(with_an_emulator())  # in virtual time, which takes a moment
