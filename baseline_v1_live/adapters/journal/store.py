"""One writer of the journal's file, and what a restart, a replay or a report reads from it.

One ``commit`` stores one step of the engine whole or not at all. Events and commands are
append-only; orders, positions and the other tables are the state a person would ask for, and what
a restart starts from is stored beside them. Market data is not stored here. The tables are explained
in docs/journal.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from baseline_v1_live.adapters.journal.schema import (
    MIGRATIONS,
    JournalError,
    as_journal_error,
    check_readable,
    prepare,
)
from baseline_v1_live.adapters.journal.statements import (
    TABLES,
    Statement,
    books_of,
    request_statements,
    state_statements,
    step_statements,
)
from baseline_v1_live.core.messages import (
    AnyCommand,
    AnyEvent,
    BarsLoaded,
    Command,
    Event,
    SaveSummary,
    Tick,
)
from baseline_v1_live.runtime.records import (
    OrderRecord,
    PositionRecord,
    RequestRecord,
    StateRecord,
    Step,
    TradeRecord,
)

BUSY_TIMEOUT_MS = 5_000

RecordT = TypeVar("RecordT", OrderRecord, PositionRecord, TradeRecord)


class Journal:
    """An open journal, used from one thread at a time. A context manager that closes itself."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._db = connection
        self._name = name
        self._books: tuple[object, ...] = ()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        migrations: Sequence[str] = MIGRATIONS,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
        any_thread: bool = False,
    ) -> Self:
        """The journal of a file, created or brought to the newest schema; the folder must exist.

        An older journal is copied to ``<name>.v<old version>.bak`` first. ``busy_timeout_ms`` is
        how long a write waits for another one. ``any_thread``: it may be handed to another thread
        than the one that opened it; two must still not use it at once. Raises
        JournalDamagedError when the file is no journal or not whole, JournalLockedError while
        another program keeps it, JournalUnwritableError when it cannot be written, and JournalError
        when it is of a newer program.
        """
        if not path.parent.is_dir():
            raise JournalError(f"{path}: the folder {path.parent} does not exist")
        return cls._opened(str(path), path, migrations, busy_timeout_ms, any_thread)

    @classmethod
    def open_read_only(
        cls,
        path: Path,
        *,
        migrations: Sequence[str] = MIGRATIONS,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
        any_thread: bool = False,
    ) -> Self:
        """The journal of a file for reading, also while a bot writes it: each question sees the
        newest steps. Nothing is changed, so an older journal is refused instead of migrated.

        Raises JournalError when there is no such file, or when it is no journal of this schema.
        """
        name = str(path)
        connection: sqlite3.Connection | None = None
        try:
            if not path.is_file():
                raise JournalError(f"{name}: there is no such journal")
            address = f"{path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(
                address, uri=True, isolation_level=None, check_same_thread=not any_thread
            )
            connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout_ms)}")
            check_readable(connection, name, migrations)
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            _close(connection)
            raise as_journal_error(f"{name} cannot be read as a journal", error) from error
        except BaseException:
            _close(connection)
            raise
        return cls(connection, name)

    @classmethod
    def in_memory(cls, *, any_thread: bool = False) -> Self:
        """A journal that is gone when it is closed; ``any_thread`` as in ``open``."""
        return cls._opened(":memory:", None, MIGRATIONS, BUSY_TIMEOUT_MS, any_thread)

    @classmethod
    def _opened(
        cls,
        name: str,
        path: Path | None,
        migrations: Sequence[str],
        busy_timeout_ms: int,
        any_thread: bool,
    ) -> Self:
        connection: sqlite3.Connection | None = None
        try:
            # No implicit transactions: every BEGIN and COMMIT is written out.
            connection = sqlite3.connect(
                name, isolation_level=None, check_same_thread=not any_thread
            )
            connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout_ms)}")
            prepare(connection, name, path, migrations)
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            _close(connection)
            raise as_journal_error(f"{name} cannot be opened as a journal", error) from error
        except BaseException:
            _close(connection)
            raise
        return cls(connection, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; what was committed is in it already. Closing twice is harmless."""
        self._db.close()

    # ---------------------------------------------------------------- writing

    def commit(
        self,
        event: Event,
        commands: Sequence[Command] = (),
        orders: Sequence[OrderRecord] = (),
        positions: Sequence[PositionRecord] = (),
        trades: Sequence[TradeRecord] = (),
        state: Sequence[StateRecord] = (),
    ) -> None:
        """Stores one step of the engine: its event, its commands, and the records it changed.

        On return the step is on the disk; when JournalError is raised, nothing of it is. Ticks and
        bars are not stored, nor are SetTimer commands, nor a snapshot whose books equal those of
        the snapshot before; a step that leaves nothing to store touches no file. Fills, legs and
        the day's summary follow from the records and commands. Orders, positions, trades and state
        may be given again; an event's ``seq`` may not.
        """
        self.commit_steps([Step(event, commands, orders, positions, trades, state)])

    def commit_steps(self, steps: Sequence[Step]) -> None:
        """Stores several steps together, in their order: all of them, or none with JournalError."""
        books = self._books
        statements: list[Statement] = []
        for step in steps:
            statements += step_statements(step, books)
            books = books_of(step.event) or books
        if statements:
            self._write(statements, f"{_named(steps)} not stored")
        self._books = books

    def save_state(self, records: Sequence[StateRecord]) -> None:
        """Stores what a restart needs, apart from any step; all of it or none."""
        if records:
            self._write(state_statements(records), "the state for a restart was not stored")

    def save_requests(self, records: Sequence[RequestRecord]) -> None:
        """Stores questions to the gateway with their answers; all of them or none."""
        if records:
            self._write(request_statements(records), "requests to the gateway were not stored")

    def append(self, event: Event) -> None:
        """Stores one event that caused nothing.

        Raises ValueError for a Tick or BarsLoaded: those belong to the recorder.
        """
        if isinstance(event, Tick | BarsLoaded):
            raise ValueError(f"{type(event).__name__} is market data and belongs to the recorder")
        self.commit(event)

    def _write(self, statements: Sequence[Statement], failure: str) -> None:
        with self._transaction(failure):
            for statement, values in statements:
                self._db.execute(statement, values)

    @contextmanager
    def _transaction(self, failure: str) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            # SQLite has rolled back by itself after some errors, such as a full disk.
            with suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error | OverflowError):
                raise JournalError(f"{self._name}: {failure}: {error}") from error
            raise

    # ---------------------------------------------------------------- reading

    def events(self, after_seq: int = 0) -> Iterator[AnyEvent]:
        """The stored events after a sequence number, in order."""
        query = "SELECT seq, body FROM events WHERE seq > ? ORDER BY seq"
        return self._messages(query, after_seq, AnyEvent)

    def commands(self, after_seq: int = 0) -> Iterator[AnyCommand]:
        """The stored commands of the steps after a sequence number, in order."""
        query = "SELECT seq, body FROM commands WHERE seq > ? ORDER BY id"
        return self._messages(query, after_seq, AnyCommand)

    def orders(self, session: str | None = None) -> list[OrderRecord]:
        """The orders of a session (``2026-12-29``), or all, in the order they were first stored."""
        return self._records(OrderRecord, session)

    def positions(self, session: str | None = None) -> list[PositionRecord]:
        """The positions of a session, or all, in the order they were first stored."""
        return self._records(PositionRecord, session)

    def trades(self, session: str | None = None) -> list[TradeRecord]:
        """The finished trades of a session, or all, in the order they were first stored."""
        return self._records(TradeRecord, session)

    def summary(self, session: str) -> SaveSummary | None:
        """The day's saved result; None when the day has none yet."""
        query = (
            "SELECT session, exit_reason, r_milli, pnl_paise, charges_paise, trades "
            "FROM daily_summary WHERE session = ?"
        )
        for date, *rest in self._rows(query, session):
            names = SaveSummary.__struct_fields__[1:]
            return SaveSummary(date=date, **dict(zip(names, rest, strict=True)))
        return None

    def state(self, session: str) -> list[StateRecord]:
        """What a restart needs of a session, the newest of each kind and key."""
        query = "SELECT kind, key, body FROM restart_state WHERE session = ? ORDER BY rowid"
        return [
            # In a damaged file a column may hold anything; who reads the body says so.
            StateRecord(session=session, kind=str(kind), key=str(key), body=_bytes(body))
            for kind, key, body in self._rows(query, session)
        ]

    def requests(self, since_ms: int = 0) -> list[RequestRecord]:
        """The questions to the gateway since an instant, in the order they were stored."""
        columns = RequestRecord.__struct_fields__
        query = f"SELECT {', '.join(columns)} FROM requests WHERE at_ms >= ? ORDER BY id"
        rows = self._rows(query, since_ms)
        return [RequestRecord(**dict(zip(columns, row, strict=True))) for row in rows]

    def last_seq(self) -> int:
        """The highest sequence number stored, of events and of commands; 0 when there is none."""
        newest = "ifnull((SELECT max(seq) FROM {}), 0)"
        query = f"SELECT max({newest.format('events')}, {newest.format('commands')})"
        return int(next(self._rows(query))[0])

    def last_request_id(self) -> int:
        """The highest number of a question to the gateway; 0 when there is none."""
        return int(next(self._rows("SELECT ifnull(max(request_id), 0) FROM requests"))[0])

    def pragmas(self) -> dict[str, Any]:
        """What SQLite really uses here: journal_mode, synchronous (2 is FULL) and the like."""
        names = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys", "user_version")
        return {name: next(self._rows(f"PRAGMA {name}"))[0] for name in names}

    def _messages(self, query: str, after_seq: int, kinds: Any) -> Iterator[Any]:
        decoder = msgspec.json.Decoder(kinds)
        for seq, body in self._rows(query, after_seq):
            try:
                yield decoder.decode(body)
            except msgspec.DecodeError as error:
                raise JournalError(f"{self._name}: step {seq} cannot be read: {error}") from error

    def _records(self, record: type[RecordT], session: str | None) -> list[RecordT]:
        columns = record.__struct_fields__
        query = f"SELECT {', '.join(columns)} FROM {TABLES[record]}"
        if session is not None:
            query += " WHERE session = ?"
        rows = self._rows(f"{query} ORDER BY rowid", *([] if session is None else [session]))
        return [msgspec.convert(dict(zip(columns, row, strict=True)), record) for row in rows]

    def _rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.execute(query, values)
        except sqlite3.Error as error:
            raise as_journal_error(f"{self._name} cannot be read", error) from error


def _named(steps: Sequence[Step]) -> str:
    first, last = steps[0].event.seq, steps[-1].event.seq
    return f"step {first} was" if len(steps) == 1 else f"steps {first} to {last} were"


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _close(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        connection.close()
