"""A nightly job: tonight's films, and whatever earlier nights left; it stops when the day's renders are used.

Each night has a folder: `briefs.jsonl`, written once, so that a later night asks for the very same films;
`journal.db`, so that none is made twice; `videos/`, and `report.html`. A night that was stopped, by the
quota, by want of credits or by a power cut, is gone on with by the next. The exit code is that of
`eversince batch`, so that cron and systemd tell: 0 when all is done, 1 when some films failed, 3 when some
are left for another night.

With cron, which mails what a job prints (two at once would do no harm: they share a journal's work):

    0 2 * * *  cd /srv/films && EVERSINCE_API_KEY=$(cat /etc/eversince.key) .venv/bin/python nightly.py

With systemd, `nightly.service` and `nightly.timer`:

    [Service]
    Type=oneshot
    WorkingDirectory=/srv/films
    EnvironmentFile=/etc/eversince.env
    ExecStart=/srv/films/.venv/bin/python nightly.py
    KillSignal=SIGINT
    TimeoutStopSec=30min
    SuccessExitStatus=3

    [Timer]
    OnCalendar=*-*-* 02:00
    Persistent=true

    [Install]
    WantedBy=timers.target

Stopping the service is a Ctrl-C: what has begun is seen through, within the half hour.

`python examples/nightly.py` runs two nights against a local Eversince of its own, where two renders a day are
allowed; with EVERSINCE_API_KEY set it does tonight's for real, and spends credits.
"""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from eversince_async import Eversince, Report
from eversince_async.emulator import Emulator, Limits
from eversince_async.testing import run

NIGHTS = Path("nights")
LOOK_BACK = timedelta(days=7)
CITIES = "Vienna", "Rome", "Lisbon"


def films_of(night: date) -> list[dict[str, Any]]:
    """What is to be made; yours will come from a database or a feed."""
    if night.isoweekday() == 7:
        return []  # no films of Sundays, so that what the week left gets done
    return [
        {"key": city.lower(), "brief": f"Ten seconds of {city} on the morning of {night:%d %B}"}
        for city in CITIES
    ]


def briefs_of(night: date) -> list[dict[str, Any]]:
    """What was to be made then, as it was written down before anything was begun."""
    path = NIGHTS / night.isoformat() / "briefs.jsonl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text("".join(json.dumps(film) + "\n" for film in films_of(night)), encoding="utf-8")
        part.replace(path)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def nights_until(tonight: date) -> list[date]:
    """The last nights there are folders of, and tonight; the oldest first."""
    there = (date.fromisoformat(folder.name) for folder in NIGHTS.glob("????-??-??"))
    return sorted({night for night in there if tonight - LOOK_BACK <= night < tonight} | {tonight})


async def made(eversince: Eversince, night: date) -> Report:
    """Make a night's films, or what is left of them, and write its report."""
    folder = NIGHTS / night.isoformat()
    report = await eversince.batch(
        briefs_of(night),
        journal=folder / "journal.db",
        download=folder / "videos",
        wait_for_quota=False,  # tomorrow is another night
    )
    (await Report.from_journal(folder / "journal.db")).to_html(folder / "report.html")
    print(f"{night}: {dict(report.counts)}" + (f"; {report.paused}" if report.paused else ""))
    return report


async def main(tonight: date) -> int:
    """Run a night; returns the exit code."""
    async with Eversince() as eversince:
        reports = []
        for night in nights_until(tonight):
            reports.append(await made(eversince, night))
            if reports[
                -1
            ].paused:  # whatever stopped it, quota, credits or Ctrl-C, would stop the next as well
                break
    return exit_code(reports)


def exit_code(reports: Sequence[Report]) -> int:
    if any(report.paused or report.counts.get("paused") for report in reports):
        return 3
    return 1 if any(report.counts.get("failed") for report in reports) else 0


async def with_an_emulator() -> int:
    async with Emulator(limits=Limits(renders_per_day=2)) as emulator:
        os.environ["EVERSINCE_API_KEY"] = emulator.connection["api_key"]
        os.environ["EVERSINCE_BASE_URL"] = emulator.base_url
        code = 0
        for night in (date(2026, 11, 21), date(2026, 11, 22)):
            code = await main(night)
            print(f"exit code {code}; {emulator.world.counts['renders']} renders in all")
            await asyncio.sleep(timedelta(hours=24).total_seconds())
        return code


if __name__ == "__main__":
    if "EVERSINCE_API_KEY" in os.environ:
        sys.exit(asyncio.run(main(datetime.now(UTC).date())))
    sys.exit(run(with_an_emulator()))  # in virtual time: at once
