"""Jobs and effects as rows of a SQLite file.

The caller begins and ends the transactions. A person or a program may have changed the file by hand, so each
row is checked as it is read: a row that makes no record raises a `JournalError` that says where the row is.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

import attrs

from eversince_async.clock import Moment
from eversince_async.journal._sqlite_columns import JSON, TIMES, value_of
from eversince_async.journal.fields import WHAT_TO_DO, UnreadableRow
from eversince_async.journal.records import Effect, Job, Json, QuotaKind
from eversince_async.journal.redaction import canonical_json
from eversince_async.journal.tables import IsFree

T = TypeVar("T")

_JOB: Final = tuple(field.name for field in attrs.fields(Job))
_EFFECT: Final = tuple(field.name for field in attrs.fields(Effect))
_NEVER_NULL: Final = frozenset({"spec", "request"})


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})"


def _update(table: str, columns: Sequence[str], key: Sequence[str], fixed: Sequence[str]) -> str:
    changing = ", ".join(f"{name} = :{name}" for name in columns if name not in {*key, *fixed})
    return f"UPDATE {table} SET {changing} WHERE {' AND '.join(f'{name} = :{name}' for name in key)}"


_ADD_JOB: Final = _insert("job", _JOB)
_SAVE_JOB: Final = _update("job", _JOB, ["id"], ["created_at"])
_ADD_EFFECT: Final = _insert("effect", _EFFECT)
_SAVE_EFFECT: Final = _update("effect", _EFFECT, ["job_id", "seq"], ["name", "kind"])
_JOBS: Final = f"SELECT {', '.join(_JOB)} FROM job"
_EFFECTS: Final = f"SELECT {', '.join(_EFFECT)} FROM effect"

_SPENT: Final[Mapping[QuotaKind, str]] = {
    # The kind is part of the text, or SQLite would not see that the partial indexes serve. An effect may be
    # done long after its intent; hence the margin of a day. The boot clock finds the effects to which a wrong
    # wall clock gave an old time.
    kind: f"""
    SELECT CASE state WHEN 'done' THEN done_at ELSE intent_at END, boot,
        CASE state WHEN 'done' THEN done_seconds ELSE intent_seconds END
    FROM effect WHERE kind = '{kind}' AND state <> 'refused' AND (
        intent_at >= :since - 86400 OR (boot = :boot AND intent_seconds >= :seconds - 2 * 86400)
    )
    """
    for kind in ("create", "render")
}


class SqliteTables:
    """Jobs and effects in a SQLite file.

    Args:
        connection: A connection to the file; used by one thread at a time.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    # -- Jobs -------------------------------------------------------------------------------------------

    def job(self, job_id: str) -> Job | None:
        """Return the job of that name, or None."""
        return _first(map(self._job, self._rows(f"{_JOBS} WHERE id = ?", job_id)))

    def add_job(self, job: Job) -> None:
        """Store a new job."""
        self._connection.execute(_ADD_JOB, _to_row(job))

    def save_job(self, job: Job) -> None:
        """Store a job in its present state."""
        self._connection.execute(_SAVE_JOB, _to_row(job))

    def find_job_by_project(self, project_id: str) -> str | None:
        """Return the id of the job to which a project belongs."""
        return _first(
            job_id for (job_id,) in self._rows("SELECT id FROM job WHERE project_id = ?", project_id)
        )

    def list_jobs(
        self, place: int, count: int, *, stages: Sequence[str], due_at: datetime | None
    ) -> list[tuple[int, Job]]:
        """List the jobs behind a place, in the order of their creation."""
        # The plus keeps SQLite from walking a stage's index, which would have to be sorted for each page.
        of_stages = f"AND +stage IN ({', '.join('?' * len(stages))})" if stages else ""
        rows = self._rows(
            f"SELECT rowid, {', '.join(_JOB)} FROM job WHERE rowid > ? {of_stages} "
            "AND (not_before IS NULL OR not_before <= ?) ORDER BY rowid LIMIT ?",
            place,
            *stages,
            float("inf") if due_at is None else due_at.timestamp(),
            count,
        )
        return [(row[0], self._job(row[1:])) for row in rows]

    def free_jobs(self, stage: str, count: int, *, now: datetime, is_free: IsFree) -> list[Job]:
        """List the jobs of a stage that are due and free."""
        rows = self._connection.execute(
            f"{_JOBS} WHERE stage = ? AND (not_before IS NULL OR not_before <= ?) ORDER BY not_before, rowid",
            (stage, now.timestamp()),
        )
        return list(islice(filter(is_free, map(self._job, rows)), max(count, 0)))

    def counts(self) -> Mapping[str, int]:
        """Return the number of jobs in each stage."""
        return dict(self._rows("SELECT stage, count(*) FROM job GROUP BY stage"))

    # -- Effects ----------------------------------------------------------------------------------------

    def effect(self, job_id: str, name: str) -> Effect | None:
        """Return the effect of that name, or None."""
        return _first(
            map(self._effect, self._rows(f"{_EFFECTS} WHERE job_id = ? AND name = ?", job_id, name))
        )

    def effects(self, job_id: str) -> list[Effect]:
        """List all effects of a job."""
        return list(map(self._effect, self._rows(f"{_EFFECTS} WHERE job_id = ? ORDER BY seq", job_id)))

    def open_share(self) -> Effect | None:
        """Return the share that is under way."""
        found = self._rows(f"{_EFFECTS} WHERE kind = 'share' AND state = 'intent' LIMIT 1")
        return _first(map(self._effect, found))

    def open_creates(self) -> list[Effect]:
        """List the creates whose outcome is unknown."""
        found = self._rows(f"{_EFFECTS} WHERE kind = 'create' AND state IN ('intent', 'in_doubt')")
        return list(map(self._effect, found))

    def last_seq(self, job_id: str) -> int:
        """Return the number of a job's newest effect."""
        (last,) = self._rows("SELECT max(seq) FROM effect WHERE job_id = ?", job_id)
        number: int = (
            0 if last[0] is None else self._from_column(f"an effect of job {job_id!r}", "seq", last[0])
        )
        return number

    def add_effect(self, effect: Effect) -> None:
        """Store a new effect."""
        self._connection.execute(_ADD_EFFECT, _to_row(effect))

    def save_effect(self, effect: Effect) -> None:
        """Store an effect in its present state."""
        self._connection.execute(_SAVE_EFFECT, _to_row(effect))

    def claimant(self, claim: str) -> tuple[str, str] | None:
        """Return the job id and the name of a claim's effect."""
        return _first(self._rows("SELECT job_id, name FROM effect WHERE claim = ?", claim))

    def usage(self, kind: QuotaKind, since: datetime, here: Moment) -> list[tuple[datetime, Moment | None]]:
        """List the times at which effects of a kind may have happened."""
        parameters = {"since": since.timestamp(), "boot": here.boot, "seconds": here.seconds}
        return [
            (
                self._from_column(f"an effect of kind {kind!r}", "intent_at", at),
                None if boot is None or seconds is None else Moment(boot, seconds),
            )
            for at, boot, seconds in self._connection.execute(_SPENT[kind], parameters)
        ]

    def changes(self) -> int:
        """Return the number of changes so far."""
        return self._count("SELECT count FROM change")

    def next_change(self) -> int:
        """Count one more change, and return the new number."""
        return self._count("UPDATE change SET count = count + 1 RETURNING count")

    def _count(self, query: str) -> int:
        count: int = self._from_column(
            "the table change", "count", _first(each for (each,) in self._rows(query))
        )
        return count

    # -- The border -------------------------------------------------------------------------------------

    def _job(self, row: Sequence[Any]) -> Job:
        place = f"job {row[0]!r}"
        return Job(
            **{name: self._from_column(place, name, each) for name, each in zip(_JOB, row, strict=True)}
        )

    def _effect(self, row: Sequence[Any]) -> Effect:
        place = f"effect {row[2]!r} of job {row[0]!r}"
        return Effect(
            **{name: self._from_column(place, name, each) for name, each in zip(_EFFECT, row, strict=True)}
        )

    def _from_column(self, place: str, name: str, column: Any) -> Any:
        try:
            return value_of(name, column)
        except (ValueError, OverflowError, OSError, RecursionError) as error:
            problem = "is no JSON" if isinstance(error, json.JSONDecodeError) else str(error)
            if isinstance(error, OverflowError | OSError | RecursionError):
                problem = "is out of all bounds"
        file = self._connection.execute("PRAGMA database_list").fetchone()[2]
        raise UnreadableRow(f"{file}: {place}: {name} {problem}, {WHAT_TO_DO}")

    def note_named(self, name: str) -> Json:
        """Return the note of that name."""
        found = self._rows("SELECT value FROM note WHERE name = ?", name)
        return self._from_column(f"note {name!r}", "value", found[0][0]) if found else None

    def note(self, name: str, value: Json) -> None:
        """Store a note."""
        self._connection.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, canonical_json(value)))

    def _rows(self, query: str, *values: Any) -> list[Any]:
        return self._connection.execute(query, values).fetchall()


def _first(found: Iterable[T]) -> T | None:
    return next(iter(found), None)


def _to_row(record: Job | Effect) -> dict[str, Any]:
    """Return a record's values as SQLite stores them."""
    return {
        field.name: _to_column(field.name, getattr(record, field.name))
        for field in attrs.fields(type(record))
    }


def _to_column(name: str, value: Any) -> Any:
    if name in JSON:
        return None if value is None and name not in _NEVER_NULL else canonical_json(value)
    return value.timestamp() if name in TIMES and value is not None else value
