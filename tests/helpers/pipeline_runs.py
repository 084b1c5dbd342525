"""The pipelines that the tests run."""

from pathlib import Path

import attrs

from eversince_async import Production, Run, pipeline
from eversince_async.emulator import Emulator, Scenario

QUICK = Scenario(queued=2, running=5, images=5, videos=5, rendering=10, cycles=1, scenes=(1, 1))
TIKTOK = "Create a 9:16 version for TikTok"


@attrs.frozen
class Campaign:
    master: Production
    vertical: Production | None


@pipeline
async def campaign(run: Run, brief: str, photo: Path) -> Campaign:
    product = await run.upload(photo)
    master = await run.produce(brief, references=[product], share=True)
    vertical = await run.variation(master, TIKTOK)
    if not await run.approval("ship it?", show=vertical):
        return Campaign(master, None)
    return Campaign(master, await run.render_and_share(vertical))


@pipeline
async def one_film(run: Run, brief: str) -> Production:
    return await run.produce(brief)


@pipeline
async def question(run: Run, text: str = "ship it?", patience: float | None = None) -> str:
    return str(await run.approval(text, timeout=patience))


def counts(emulator: Emulator) -> dict[str, int]:
    """What the server has done, as far as it costs something."""
    return {name: emulator.world.counts[name] for name in ("projects", "renders", "shares")}


def said(emulator: Emulator, project_id: str) -> list[str]:
    """What the agent of a project was told after its brief."""
    messages = emulator.world.projects[project_id].messages
    return [message["content"] for message in messages if message["role"] == "user"][1:]
