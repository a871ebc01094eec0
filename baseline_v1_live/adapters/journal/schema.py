"""The journal's tables, how an older file is brought to them, and which files are refused."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

CHECK_S = 3.0
_SCHEMA_MAX = 1_000
_LOOK_EVERY_OPS = 10_000


class JournalError(Exception):
    """The journal cannot be opened or read, or a step was not stored. Its text is one line."""


class JournalDamagedError(JournalError):
    """The file is no journal, or is one no more."""


class JournalLockedError(JournalError):
    """Another program keeps the file for itself."""


class JournalUnwritableError(JournalError):
    """The file cannot be made, read or written here: rights, or a disk that is full or broken."""


_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
# SQLITE_ERROR is a table or column that is not there.
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})


def as_journal_error(
    text: str, error: sqlite3.Error | OSError | UnicodeDecodeError
) -> JournalError:
    """The journal's own error for one of SQLite or the system, of the kind that it means."""
    line = f"{text}: {error}"
    if isinstance(error, OSError):
        return JournalUnwritableError(line)
    if isinstance(error, UnicodeDecodeError):
        return JournalDamagedError(line)  # A name in the file's own list of tables.
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        # Without a code it is a text that is none, or a bug of ours.
        damaged = isinstance(error, sqlite3.OperationalError)
        return JournalDamagedError(line) if damaged else JournalError(line)
    if code & 0xFF in _LOCKED:
        return JournalLockedError(line)
    damaged = code & 0xFF in _DAMAGED
    return JournalDamagedError(line) if damaged else JournalUnwritableError(line)


# Migration n takes the schema from version n to n + 1. Never edit one that has been released: add
# another.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        session TEXT NOT NULL,
        at TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind NOT IN ('Tick', 'BarsLoaded')),
        body TEXT NOT NULL
    );
    CREATE INDEX events_session ON events (session);
    CREATE TABLE commands (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        seq INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        body TEXT NOT NULL
    );
    CREATE INDEX commands_seq ON commands (seq);

    -- REPLACE deletes without asking a delete trigger, hence the triggers on INSERT.
    CREATE TRIGGER events_no_update BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'events is append-only'); END;
    CREATE TRIGGER events_no_delete BEFORE DELETE ON events
        BEGIN SELECT RAISE(ABORT, 'events is append-only'); END;
    CREATE TRIGGER events_no_replace BEFORE INSERT ON events
        WHEN EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq)
        BEGIN SELECT RAISE(ABORT, 'this seq is already stored'); END;
    CREATE TRIGGER commands_no_update BEFORE UPDATE ON commands
        BEGIN SELECT RAISE(ABORT, 'commands is append-only'); END;
    CREATE TRIGGER commands_no_delete BEFORE DELETE ON commands
        BEGIN SELECT RAISE(ABORT, 'commands is append-only'); END;
    CREATE TRIGGER commands_no_replace BEFORE INSERT ON commands
        WHEN EXISTS (SELECT 1 FROM commands WHERE id = NEW.id)
        BEGIN SELECT RAISE(ABORT, 'this id is already stored'); END;

    CREATE TABLE orders (
        order_id TEXT PRIMARY KEY,
        session TEXT NOT NULL,
        symbol TEXT NOT NULL,
        side TEXT NOT NULL,
        order_type TEXT NOT NULL,
        purpose TEXT NOT NULL,
        quantity INTEGER NOT NULL,
        trigger_price_paise INTEGER NOT NULL,
        limit_price_paise INTEGER NOT NULL,
        state TEXT NOT NULL,
        broker_order_id TEXT,
        position_id TEXT,
        filled_quantity INTEGER NOT NULL,
        filled_value_paise INTEGER NOT NULL,
        placed_at_ms INTEGER,
        closed_at_ms INTEGER,
        reason TEXT NOT NULL,
        message TEXT NOT NULL
    );
    CREATE INDEX orders_session ON orders (session);
    CREATE TABLE fills (
        order_id TEXT NOT NULL REFERENCES orders (order_id),
        filled_quantity INTEGER NOT NULL,
        filled_value_paise INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        UNIQUE (order_id, filled_quantity, filled_value_paise)
    );
    CREATE TABLE positions (
        position_id TEXT PRIMARY KEY,
        session TEXT NOT NULL,
        symbol TEXT NOT NULL,
        option_type TEXT NOT NULL,
        lot_size INTEGER NOT NULL,
        quantity INTEGER NOT NULL,
        sold_quantity INTEGER NOT NULL,
        sold_value_paise INTEGER NOT NULL,
        bought_quantity INTEGER NOT NULL,
        bought_value_paise INTEGER NOT NULL,
        stop_trigger_paise INTEGER NOT NULL,
        swing_low_paise INTEGER NOT NULL,
        risk_per_unit_paise INTEGER NOT NULL,
        opened_at_ms INTEGER NOT NULL,
        closed_at_ms INTEGER,
        exit_reason TEXT
    );
    CREATE INDEX positions_session ON positions (session);
    CREATE TABLE position_legs (
        position_id TEXT NOT NULL REFERENCES positions (position_id),
        leg INTEGER NOT NULL,
        symbol TEXT NOT NULL,
        side TEXT NOT NULL,
        ratio INTEGER NOT NULL,
        PRIMARY KEY (position_id, leg)
    );
    CREATE TABLE trades (
        position_id TEXT PRIMARY KEY,
        session TEXT NOT NULL,
        symbol TEXT NOT NULL,
        quantity INTEGER NOT NULL,
        entry_value_paise INTEGER NOT NULL,
        exit_value_paise INTEGER NOT NULL,
        entry_at_ms INTEGER NOT NULL,
        exit_at_ms INTEGER NOT NULL,
        stop_trigger_paise INTEGER NOT NULL,
        exit_reason TEXT NOT NULL,
        pnl_paise INTEGER NOT NULL,
        r_milli INTEGER NOT NULL
    );
    CREATE INDEX trades_session ON trades (session);
    CREATE TABLE daily_summary (
        session TEXT PRIMARY KEY,
        exit_reason TEXT NOT NULL,
        r_milli INTEGER NOT NULL,
        pnl_paise INTEGER NOT NULL,
        charges_paise INTEGER NOT NULL,
        trades INTEGER NOT NULL,
        saved_at_ms INTEGER NOT NULL
    );
    """,
    """
    CREATE TABLE restart_state (
        session TEXT NOT NULL,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (session, kind, key)
    );
    CREATE TABLE requests (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        request_id INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        path TEXT NOT NULL,
        status INTEGER,
        took_ms INTEGER NOT NULL,
        failure TEXT,
        sent TEXT NOT NULL,
        received TEXT NOT NULL
    );
    CREATE INDEX requests_at ON requests (at_ms);
    """,
)


def prepare(
    connection: sqlite3.Connection, name: str, path: Path | None, migrations: Sequence[str]
) -> None:
    """Brings a fresh connection to the newest schema and the journal's settings.

    ``path`` is None in memory, where there is no write-ahead log and nothing to copy. Raises
    JournalError for a file that is not ours, is newer or not whole, and sqlite3.Error or OSError
    otherwise.
    """
    # Nothing of a foreign or newer file is changed, hence this question before anything else.
    version = _version(connection, name, migrations)
    if version:
        _check_whole(connection, name, migrations[:version])
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if path is not None and mode != "wal":
        raise JournalUnwritableError(f"{name} cannot use a write-ahead log here (got {mode})")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if path is not None and 0 < version < len(migrations):
        _back_up(connection, path.with_name(f"{path.name}.v{version}.bak"))
    for number, script in enumerate(migrations[version:], version + 1):
        _migrate(connection, number, script)
    # A file that can only be read would otherwise be noticed at the first order. Beginning a
    # transaction is no proof, a write is; it is taken back.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(f"PRAGMA user_version = {len(migrations)}")
    connection.execute("ROLLBACK")


def check_readable(connection: sqlite3.Connection, name: str, migrations: Sequence[str]) -> None:
    """Refuses a file whose tables are not exactly the newest ones; changes nothing.

    Raises JournalError for a file that is no journal, or of another schema, and sqlite3.Error.
    """
    version = _version(connection, name, migrations)
    if version == 0:
        raise JournalError(f"{name} is no journal: it is empty")
    if version < len(migrations):
        raise JournalError(
            f"{name} is of an older program (schema {version}, this one reads {len(migrations)}): "
            "start the bot on it once, which brings it up to date"
        )


def _version(connection: sqlite3.Connection, name: str, migrations: Sequence[str]) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if not 0 <= version < _SCHEMA_MAX:
        raise JournalDamagedError(f"{name} is damaged: it says that its schema is {version}")
    if version > len(migrations):
        raise JournalError(
            f"{name} is of a newer program (schema {version}, this one knows {len(migrations)}): "
            "use that program, or another file"
        )
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise JournalDamagedError(f"{name} is a database of another program")
    return version


def _check_whole(connection: sqlite3.Connection, name: str, migrations: Sequence[str]) -> None:
    """Refuses a file that lacks tables, or whose pages do not fit together.

    The pages are looked at for a few seconds at most: what is held waits for its protection, and a
    damage further on shows when it is read.
    """
    with closing(sqlite3.connect(":memory:")) as whole:
        for script in migrations:
            whole.executescript(script)
        missing = sorted(_things(whole) - _things(connection))
    if missing:
        raise JournalDamagedError(f"{name} is damaged: it has no {' '.join(missing[0])}")
    until_s = time.monotonic() + CHECK_S
    connection.set_progress_handler(lambda: time.monotonic() > until_s, _LOOK_EVERY_OPS)
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        found = "ok"
    finally:
        connection.set_progress_handler(None, 0)
    if found != "ok":
        raise JournalDamagedError(f"{name} is damaged: {' '.join(found.split())}")


def _things(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Tables, indices and triggers by kind and name."""
    rows = connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
    return set(rows)


def _migrate(connection: sqlite3.Connection, number: int, script: str) -> None:
    try:
        # In one script, because executescript commits whatever is open before it starts.
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script};\nPRAGMA user_version = {number};\nCOMMIT;"
        )
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    # A copy that was interrupted must not pass for a backup, so it gets its name at the end.
    unfinished = target.with_name(f"{target.name}.tmp")
    unfinished.unlink(missing_ok=True)
    copy = sqlite3.connect(unfinished)
    try:
        connection.backup(copy)
    finally:
        copy.close()
    os.replace(unfinished, target)
