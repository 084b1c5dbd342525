"""Audit of the final state of emulator, journal and folder.

The journal is read with sqlite3 alone, as any user could.
"""

import hashlib
import http.client
import json
import sqlite3
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import attrs

from killing.processes import Settings
from killing.proxy import refusals

KINDS = ("create", "render", "share", "download")


@attrs.define
class Journal:
    """The content of the journal.

    Attributes:
        jobs: Jobs by their key.
        effects: Effects by key and name.
        health: SQLite's result of the integrity check: `ok`.
    """

    jobs: dict[str, dict[str, Any]]
    effects: dict[tuple[str, str], dict[str, Any]]
    health: str

    @classmethod
    def read(cls, path: Path) -> "Journal":
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            jobs = {row["id"]: dict(row) for row in connection.execute("SELECT * FROM job")}
            effects = {
                (row["job_id"], row["name"]): dict(row) for row in connection.execute("SELECT * FROM effect")
            }
            health = str(connection.execute("PRAGMA integrity_check").fetchone()[0])
        return cls(jobs, effects, health)

    def fates(self) -> str:
        """Summarize how the effects ended."""
        lines = []
        for kind in KINDS:
            of_kind = [effect for effect in self.effects.values() if effect["kind"] == kind]
            states = Counter(effect["state"] for effect in of_kind)
            again = sum(effect["tries"] > 1 for effect in of_kind)
            counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            lines.append(f"{kind}: {counts}; {again} tried again")
        return "\n".join(lines)


def progress(settings: Settings) -> float:
    """Return the number of completed items, counted by their effects.

    Half of an item's effects count as half an item.
    """
    try:
        with closing(sqlite3.connect(f"file:{settings.journal}?mode=ro", uri=True, timeout=5)) as connection:
            query = "SELECT count(*) FROM effect WHERE state IN ('done', 'adopted')"
            return float(connection.execute(query).fetchone()[0]) / settings.effects
    except sqlite3.Error:  # another process is creating the journal
        return 0.0


def served(settings: Settings, journal: Journal) -> dict[str, set[str]]:
    """Return the SHA-256 of each job's videos.

    They are downloaded from the emulator through their public shares.
    """
    digests = dict[str, set[str]]()
    for (key, _), effect in journal.effects.items():
        if effect["kind"] == "share" and effect["result"]:
            url = json.loads(effect["result"])["video_url"]
            for proxied, direct in settings.proxied.items():
                url = url.replace(f":{proxied}/", f":{direct}/")
            digests.setdefault(key, set()).add(_digest(url))
    return digests


def _digest(url: str) -> str:
    """Return the SHA-256 of a URL's content.

    The download is repeated if a fault cuts the transfer.
    """
    for _ in range(100):
        with urllib.request.urlopen(url, timeout=30) as answer, suppress(http.client.IncompleteRead):
            return hashlib.sha256(answer.read()).hexdigest()
    raise ConnectionError(f"never got all of {url}")


def violations(settings: Settings, server: dict[str, Any], digests: dict[str, set[str]]) -> Iterator[str]:
    """Yield every difference from a run in which no process was killed."""
    journal = Journal.read(settings.journal)
    items = settings.items
    counts = server["counts"]
    for name, count in {**counts, "jobs": len(journal.jobs)}.items():
        each = {"renders": settings.videos, "shares": settings.videos, "messages": settings.messages}
        wanted = items * each.get(name, 1)
        if count != wanted:
            yield f"{count} {name}, not {wanted}"
    if journal.health != "ok":
        yield f"the journal is damaged: {journal.health}"
    yield from _of_projects(settings, server, journal)
    if settings.pipeline:
        yield from _of_runs(settings, journal)
    else:
        yield from _of_jobs(settings, server, journal)
        yield from _of_effects(journal)
    yield from _of_files(settings, digests)
    if settings.chaos is not None:
        yield from _of_refusals(settings)


def _of_refusals(settings: Settings) -> Iterator[str]:
    """Yield the refusals that a single worker could have foreseen.

    Several workers do not know of each other's requests.
    """
    if settings.workers > 1:
        return
    for refusal in refusals(settings.proxy_log):
        if not refusal["orphans"]:
            yield f"{refusal['request']} was refused, {refusal['code']}, and no orphan explains it"


def _of_projects(settings: Settings, server: dict[str, Any], journal: Journal) -> Iterator[str]:
    known = {effect["claim"] for effect in journal.effects.values()}
    of_brief = Counter(brief for _, brief, *_ in server["projects"])
    for brief in settings.briefs.values():
        if of_brief[brief] != 1:
            yield f"{of_brief[brief]} projects of {brief!r}"
    shared = Counter(project_id for _, project_id in server["shares"])
    for project_id, brief, renders, messages in server["projects"]:
        if len(set(messages)) != settings.messages or len(messages) != settings.messages:
            yield f"{project_id} was told {messages}"
        if renders != settings.videos:
            yield f"{project_id} ({brief}) was rendered {renders} times"
        if shared[project_id] != settings.videos:
            yield f"{project_id} ({brief}) was shared {shared[project_id]} times"
        if project_id not in known:
            yield f"{project_id} ({brief}) does not stand in the journal"


def _of_jobs(settings: Settings, server: dict[str, Any], journal: Journal) -> Iterator[str]:
    brief_of = {project_id: brief for project_id, brief, *_ in server["projects"]}
    project_of = dict(server["shares"])
    for key, brief in settings.briefs.items():
        job = journal.jobs.get(key)
        if job is None:
            yield f"{key} does not stand in the journal"
        elif job["stage"] != "succeeded":
            yield f"{key} is {job['stage']} in the journal: {job['error']}"
        else:
            if brief_of.get(job["project_id"]) != brief:
                yield f"{key} has the project of {brief_of.get(job['project_id'])!r}"
            result = json.loads(job["result"])
            token = result["share_url"].rpartition("/")[2]
            if project_of.get(token) != job["project_id"]:
                yield f"{key} has the share of {brief_of.get(project_of.get(token))!r}"
            if [Path(file).name for file in result["files"]] != [f"{job['project_id']}.mp4"]:
                yield f"{key} has the files {result['files']}"


def _of_effects(journal: Journal) -> Iterator[str]:
    for key in journal.jobs:
        for kind in KINDS:
            effect = journal.effects.get((key, kind))
            if effect is None or effect["state"] not in {"done", "adopted"}:
                yield f"{kind} of {key} is {'missing' if effect is None else effect['state']}"


def _of_runs(settings: Settings, journal: Journal) -> Iterator[str]:
    for key in settings.briefs:
        job = journal.jobs.get(key)
        if job is None or job["stage"] != "succeeded":
            yield f"{key} is {None if job is None else job['stage']} in the journal"
    for (key, name), effect in journal.effects.items():
        if effect["state"] not in {"done", "adopted"}:
            yield f"{name} of {key} is {effect['state']}"


def _of_files(settings: Settings, digests: dict[str, set[str]]) -> Iterator[str]:
    """Compare the files in the folder with the emulator's videos."""
    found = dict[str, set[str]]()
    for path in settings.folder.rglob("*"):
        if not path.is_file():
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        owner = next((key for key, served in digests.items() if digest in served), None)
        if owner is None or path.suffix != ".mp4":
            yield f"{path.name} is not what the emulator serves"
        else:
            found.setdefault(owner, set()).add(digest)
    for key in settings.briefs:
        if len(found.get(key, ())) != settings.videos:
            yield f"{len(found.get(key, ()))} files of {key}, not {settings.videos}"
