"""A video for each row of a CSV file, each once, however often this is interrupted and started again.

`eversince batch examples/briefs.csv --out videos --report report.html` does the same and more, without a line
of Python: it checks the whole file first. This is for whoever has rows from somewhere else.

`python examples/csv_batch.py` runs against a local Eversince of its own; with EVERSINCE_API_KEY set it does
it for real, and spends credits.
"""

import asyncio
import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eversince_async import Eversince, Report
from eversince_async.emulator import Emulator
from eversince_async.testing import run

BRIEFS = Path(__file__).with_name("briefs.csv")
JOURNAL = Path("briefs.journal.db")  # what is in there is not made, or paid for, a second time


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Items for a batch, read as there is room for them."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            item: dict[str, Any] = {name: cell for name, cell in row.items() if cell}
            yield {**item, "download": f"{item['key']}.mp4"}


async def main() -> None:
    async with (
        Eversince() as eversince,
        eversince.batch(rows(BRIEFS), journal=JOURNAL, download="videos") as batch,
    ):
        async for outcome in batch:  # as they end; Ctrl-C sees through what has begun
            print(f"{outcome.key:<8} {outcome.status}  {outcome.share_url or outcome.error or ''}")
    if batch.report.paused:
        print(f"paused: {batch.report.paused}; start it again to go on")
    report = await Report.from_journal(JOURNAL)  # of all runs
    report.to_html("report.html")
    print(f"{len(report.outcomes)} videos in videos/, and report.html tells of them")


async def with_an_emulator() -> None:
    async with Emulator() as emulator:
        os.environ["EVERSINCE_API_KEY"] = emulator.connection["api_key"]
        os.environ["EVERSINCE_BASE_URL"] = emulator.base_url
        await main()
        print(f"{emulator.world.counts['projects']} projects were made by this run")


if __name__ == "__main__":
    if "EVERSINCE_API_KEY" in os.environ:
        asyncio.run(main())
    else:
        run(with_an_emulator())  # in virtual time: at once
