"""One video for each row of a CSV file, despite interruptions.

`eversince batch examples/briefs.csv --out videos --report report.html` does the same and more, without a line
of Python: it checks the whole file first. This example is for rows from another source.

`python examples/csv_batch.py` runs against a local emulator. With EVERSINCE_API_KEY set it runs for real, and
spends credits.
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
JOURNAL = Path("briefs.journal.db")  # a video in it is not made, or paid for, a second time


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield items for a batch, read when the batch has room."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            item: dict[str, Any] = {name: cell for name, cell in row.items() if cell}
            yield {**item, "download": f"{item['key']}.mp4"}


async def main() -> None:
    async with (
        Eversince() as eversince,
        eversince.batch(rows(BRIEFS), journal=JOURNAL, download="videos") as batch,
    ):
        async for outcome in batch:  # in the order of their ends; Ctrl-C completes the items that have begun
            print(f"{outcome.key:<8} {outcome.status}  {outcome.share_url or outcome.error or ''}")
    if batch.report.paused:
        print(f"paused: {batch.report.paused}; start it again to go on")
    report = await Report.from_journal(JOURNAL)  # covers all runs
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
        run(with_an_emulator())  # in virtual time, which takes a moment
