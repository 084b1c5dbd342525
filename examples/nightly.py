"""A nightly job: tonight's videos, and those that earlier nights left.

It stops when the day's renders are used up. Each night has a folder: `briefs.jsonl`, written once, so that a
later night requests exactly the same videos; `journal.db`, so that none is made twice; `videos/`, and
`report.html`. A night that was stopped by the quota, by missing credits or by a power cut is continued by the
next. The exit code is that of `eversince batch`, so that cron and systemd can tell: 0 when all is done, 1
when some videos failed, 3 when some are left for another night.

With cron, which mails the output of a job (two jobs at once do no harm: they share a journal's work):

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

Stopping the service is a Ctrl-C: videos that have begun are completed, within the half hour.

`python examples/nightly.py` runs two nights against a local emulator that allows two renders a day. With
EVERSINCE_API_KEY set it runs tonight's job for real, and spends credits.
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
    """Return the videos to make; replace this by a database or feed."""
    if night.isoweekday() == 7:
        return []  # no new videos on Sundays, so that those left over from the week get done
    return [
        {"key": city.lower(), "brief": f"Ten seconds of {city} on the morning of {night:%d %B}"}
        for city in CITIES
    ]


def briefs_of(night: date) -> list[dict[str, Any]]:
    """Return a night's videos as written down before any was begun."""
    path = NIGHTS / night.isoformat() / "briefs.jsonl"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text("".join(json.dumps(film) + "\n" for film in films_of(night)), encoding="utf-8")
        part.replace(path)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def nights_until(tonight: date) -> list[date]:
    """Return the recent nights that have folders, and tonight, oldest first."""
    there = (date.fromisoformat(folder.name) for folder in NIGHTS.glob("????-??-??"))
    return sorted({night for night in there if tonight - LOOK_BACK <= night < tonight} | {tonight})


async def make_films(eversince: Eversince, night: date) -> Report:
    """Make a night's remaining videos and write its report."""
    folder = NIGHTS / night.isoformat()
    report = await eversince.batch(
        briefs_of(night),
        journal=folder / "journal.db",
        download=folder / "videos",
        wait_for_quota=False,  # the next night continues
    )
    (await Report.from_journal(folder / "journal.db")).to_html(folder / "report.html")
    print(f"{night}: {dict(report.counts)}" + (f"; {report.paused}" if report.paused else ""))
    return report


async def main(tonight: date) -> int:
    """Run a night and return the exit code."""
    async with Eversince() as eversince:
        reports = []
        for night in nights_until(tonight):
            reports.append(await make_films(eversince, night))
            if reports[-1].paused:  # quota, credits or Ctrl-C would stop the next night as well
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
    sys.exit(run(with_an_emulator()))  # in virtual time, which takes a moment
