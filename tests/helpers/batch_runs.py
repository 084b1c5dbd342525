"""A small batch that disasters befall, and what it has to come to all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from eversince_async.emulator import Scenario, media
from eversince_async.journal import SqliteJournal

if TYPE_CHECKING:
    from pathlib import Path

    from eversince_async import Eversince
    from eversince_async.batch.batch import Batch
    from eversince_async.batch.report import Report
    from eversince_async.emulator import Emulator

QUICK = Scenario(queued=2, running=5, images=5, videos=10, rendering=10, cycles=1, scenes=(1, 1))


@attrs.frozen
class Campaign:
    """A batch with a journal and a folder for its videos.

    Attributes:
        root: Where both are.
        items: How many videos.
    """

    root: Path
    items: int = 6

    @property
    def journal(self) -> Path:
        return self.root / "campaign.db"

    @property
    def folder(self) -> Path:
        return self.root / "videos"

    def batch(self, eversince: Eversince, **changes: Any) -> Batch:
        briefs = [{"key": f"item-{n}", "brief": f"Film number {n}"} for n in range(self.items)]
        delivery = {"journal": self.journal, "download": self.folder, "drain_on_interrupt": False}
        return eversince.batch(briefs, **delivery | changes)

    async def check(self, emulator: Emulator, report: Report) -> None:
        """Assert that all is there, once."""
        assert {"succeeded": self.items} == report.counts, [each.error for each in report.outcomes]
        counts = emulator.world.counts
        assert [self.items] * 3 == [counts[name] for name in ("projects", "renders", "shares")], counts
        shared = {token: project for token, (_, project) in emulator.world.shares.items()}
        files = set()
        for outcome in report.outcomes:
            (path,) = outcome.files
            files.add(path.name)
            project = shared[outcome.share_url.rpartition("/")[2]]
            assert outcome.project_id == project.id
            assert f"Film number {outcome.key.removeprefix('item-')}" == project.brief
            assert served(project) == path.read_bytes()
        assert files == {path.name for path in self.folder.iterdir()}


def served(project: Any, size: int = 300_000) -> bytes:
    """A project's video, as the emulator gives it out."""
    piece = media.film(project.rendered[0].aspect_ratio, f"{project.id} render 1", size)
    return b"".join(piece.chunks(0, piece.size))


async def unwritten(emulator: Emulator, path: Path) -> set[str]:
    """What the server has of which the journal has not even an intent: projects by brief, shares by page."""
    async with SqliteJournal(path) as journal:
        intended = dict[str, set[str]]()
        async for job in journal.jobs():
            intended[job.spec["brief"]["brief"]] = {each.kind for each in await journal.effects(job.id)}
    missing = set()
    for project in emulator.world.projects.values():
        shared = any(owner is project for _, owner in emulator.world.shares.values())
        done = {"create", *["render"] * bool(project.rendered), *["share"] * shared}
        missing |= {f"{kind} of {project.brief}" for kind in done - intended.get(project.brief, set())}
    return missing
