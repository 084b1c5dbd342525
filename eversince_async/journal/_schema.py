"""The layout of a journal's file, and the marks that identify it."""

from collections.abc import Mapping, Sequence
from typing import Final

APPLICATION: Final = 0x45765373
"""The `PRAGMA application_id` of a journal: "EvSs"."""

VERSION: Final = 3
"""The `PRAGMA user_version` of this layout."""

LAYOUT: Final = (
    """
    CREATE TABLE job (
        id TEXT PRIMARY KEY,
        spec TEXT NOT NULL,
        spec_sha TEXT NOT NULL,
        stage TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        project_id TEXT UNIQUE,
        last_message_id TEXT,
        result TEXT,
        error TEXT,
        owner TEXT,
        lease_until REAL,
        not_before REAL,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        lease_boot TEXT,
        lease_seconds REAL,
        created_change INTEGER NOT NULL DEFAULT 0,
        updated_change INTEGER NOT NULL DEFAULT 0
    ) STRICT
    """,
    """
    CREATE TABLE effect (
        job_id TEXT NOT NULL REFERENCES job (id),
        seq INTEGER NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('intent', 'done', 'adopted', 'refused', 'in_doubt')),
        incarnation TEXT NOT NULL,
        tries INTEGER NOT NULL,
        request TEXT NOT NULL,
        baseline TEXT,
        result TEXT,
        claim TEXT UNIQUE,
        intent_at REAL NOT NULL,
        done_at REAL,
        boot TEXT,
        intent_seconds REAL,
        done_seconds REAL,
        PRIMARY KEY (job_id, seq),
        UNIQUE (job_id, name)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX job_due ON job (stage, not_before)",
    "CREATE INDEX job_owner ON job (owner) WHERE owner IS NOT NULL",
    "CREATE INDEX effect_spent ON effect (kind, intent_at) WHERE kind IN ('create', 'render')",
    """
    CREATE INDEX effect_spent_since ON effect (kind, boot, intent_seconds) WHERE kind IN ('create', 'render')
    """,
    "CREATE INDEX effect_open_share ON effect (kind) WHERE kind = 'share' AND state = 'intent'",
    """
    CREATE INDEX effect_open_create ON effect (kind)
        WHERE kind = 'create' AND state IN ('intent', 'in_doubt')
    """,
    "CREATE TABLE change (count INTEGER NOT NULL) STRICT",
    "INSERT INTO change VALUES (0)",
    "CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    # For people, with `sqlite3 campaign.db 'SELECT * FROM jobs'`: the usual columns first, times in ISO.
    """
    CREATE VIEW jobs AS SELECT
        id,
        stage,
        attempt,
        project_id,
        strftime('%Y-%m-%dT%H:%M:%fZ', created_at, 'unixepoch') AS created,
        strftime('%Y-%m-%dT%H:%M:%fZ', updated_at, 'unixepoch') AS updated,
        strftime('%Y-%m-%dT%H:%M:%fZ', not_before, 'unixepoch') AS not_before,
        owner,
        strftime('%Y-%m-%dT%H:%M:%fZ', lease_until, 'unixepoch') AS lease_until,
        error,
        result,
        spec
    FROM job
    """,
    """
    CREATE VIEW effects AS SELECT
        job_id AS job,
        seq,
        name,
        kind,
        state,
        tries,
        strftime('%Y-%m-%dT%H:%M:%fZ', intent_at, 'unixepoch') AS intended,
        strftime('%Y-%m-%dT%H:%M:%fZ', done_at, 'unixepoch') AS done,
        claim,
        request,
        baseline,
        result,
        incarnation
    FROM effect
    """,
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)

UPGRADES: Final[Mapping[int, Sequence[str]]] = {
    # Moments by the boot clock, and the order of changes. In older rows, both are unknown.
    1: (
        "ALTER TABLE job ADD COLUMN lease_boot TEXT",
        "ALTER TABLE job ADD COLUMN lease_seconds REAL",
        "ALTER TABLE job ADD COLUMN created_change INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE job ADD COLUMN updated_change INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE effect ADD COLUMN boot TEXT",
        "ALTER TABLE effect ADD COLUMN intent_seconds REAL",
        "ALTER TABLE effect ADD COLUMN done_seconds REAL",
        """
        CREATE INDEX effect_spent_since ON effect (kind, boot, intent_seconds)
            WHERE kind IN ('create', 'render')
        """,
        "CREATE TABLE change (count INTEGER NOT NULL) STRICT",
        "INSERT INTO change VALUES (0)",
        "PRAGMA user_version = 2",
    ),
    # The note of the account, and other notes.
    2: (
        "CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
        "PRAGMA user_version = 3",
    ),
}
"""For each older layout, the statements that upgrade it to the next.

All upgrades of a file run in one transaction."""
