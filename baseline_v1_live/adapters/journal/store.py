"""One writer of the journal's file, and what a restart, a replay or a report reads from it.

One ``commit`` stores one step of the engine whole or not at all. Events and commands are
append-only; orders, positions and the other tables are the state a person would ask for, and what
a restart starts from. Market data is not stored here. The tables are explained in docs/journal.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from baseline_v1_live.adapters.journal.schema import MIGRATIONS, JournalError, prepare
from baseline_v1_live.core.messages import (
    AnyCommand,
    AnyEvent,
    BarsLoaded,
    Command,
    Event,
    SaveSummary,
    SetTimer,
    Side,
    SnapshotTaken,
    Tick,
)
from baseline_v1_live.core.session import iso, ist_date
from baseline_v1_live.runtime.records import OrderRecord, PositionRecord, TradeRecord

BUSY_TIMEOUT_MS = 5_000

Record = OrderRecord | PositionRecord | TradeRecord
RecordT = TypeVar("RecordT", OrderRecord, PositionRecord, TradeRecord)


def _upsert(table: str, record: type[Record]) -> str:
    """Columns are the record's fields, the first one is the key; storing again changes nothing."""
    columns = record.__struct_fields__
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) "
        f"VALUES ({', '.join(f':{column}' for column in columns)}) "
        f"ON CONFLICT ({columns[0]}) DO UPDATE SET "
        + ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
    )


_TABLES: dict[type[Record], str] = {
    OrderRecord: "orders",
    PositionRecord: "positions",
    TradeRecord: "trades",
}
_UPSERTS = {record: _upsert(table, record) for record, table in _TABLES.items()}
_INSERT_EVENT = (
    "INSERT INTO events (seq, session, at, at_ms, kind, body) "
    "VALUES (:seq, :session, :at, :at_ms, :kind, :body)"
)
_INSERT_COMMAND = (
    "INSERT INTO commands (seq, at_ms, kind, body) VALUES (:seq, :at_ms, :kind, :body)"
)
_INSERT_FILL = (
    "INSERT INTO fills (order_id, filled_quantity, filled_value_paise, at_ms) "
    "VALUES (:order_id, :filled_quantity, :filled_value_paise, :at_ms) ON CONFLICT DO NOTHING"
)
_INSERT_LEG = (
    "INSERT INTO position_legs (position_id, leg, symbol, side, ratio) "
    "VALUES (:position_id, :leg, :symbol, :side, :ratio) ON CONFLICT DO NOTHING"
)
_INSERT_SUMMARY = (
    "INSERT INTO daily_summary "
    "(session, exit_reason, r_milli, pnl_paise, charges_paise, trades, saved_at_ms) "
    "VALUES (:date, :exit_reason, :r_milli, :pnl_paise, :charges_paise, :trades, :saved_at_ms) "
    "ON CONFLICT DO NOTHING"
)

Statement = tuple[str, dict[str, Any]]


class Journal:
    """An open journal; one writer, used from one thread. A context manager that closes itself."""

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
    ) -> Self:
        """The journal of a file, created or brought to the newest schema; the folder must exist.

        An older journal is copied to ``<name>.v<old version>.bak`` first. ``busy_timeout_ms`` is
        how long a write waits for another one. Raises JournalError when the file is no journal,
        is of a newer program, or cannot be written.
        """
        if not path.parent.is_dir():
            raise JournalError(f"{path}: the folder {path.parent} does not exist")
        return cls._opened(str(path), path, migrations, busy_timeout_ms)

    @classmethod
    def in_memory(cls) -> Self:
        """A journal that is gone when it is closed."""
        return cls._opened(":memory:", None, MIGRATIONS, BUSY_TIMEOUT_MS)

    @classmethod
    def _opened(
        cls, name: str, path: Path | None, migrations: Sequence[str], busy_timeout_ms: int
    ) -> Self:
        connection: sqlite3.Connection | None = None
        try:
            # No implicit transactions: every BEGIN and COMMIT is written out.
            connection = sqlite3.connect(name, isolation_level=None)
            connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout_ms)}")
            prepare(connection, name, path, migrations)
        except (sqlite3.Error, OSError) as error:
            _close(connection)
            raise JournalError(f"{name} cannot be opened as a journal: {error}") from error
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
    ) -> None:
        """Stores one step of the engine: its event, its commands, and the records it changed.

        On return the step is on the disk; when JournalError is raised, nothing of it is. Ticks and
        bars are not stored, nor are SetTimer commands, nor a snapshot whose books equal those of
        the snapshot before; a step that leaves nothing to store touches no file. Fills, legs and
        the day's summary follow from the records and commands. Orders, positions and trades may be
        given again; an event's ``seq`` may not.
        """
        books = _books(event)
        statements = _statements(commands, event, orders, positions, trades)
        if not isinstance(event, Tick | BarsLoaded) and not (books and books == self._books):
            stamp = {"session": ist_date(event.at_ms).isoformat(), "at": iso(event.at_ms)}
            statements.insert(0, (_INSERT_EVENT, _message(event, event) | stamp))
        if not statements:
            return
        with self._transaction(f"step {event.seq} was not stored"):
            for statement, values in statements:
                self._db.execute(statement, values)
        self._books = books or self._books

    def append(self, event: Event) -> None:
        """Stores one event that caused nothing.

        Raises ValueError for a Tick or BarsLoaded: those belong to the recorder.
        """
        if isinstance(event, Tick | BarsLoaded):
            raise ValueError(f"{type(event).__name__} is market data and belongs to the recorder")
        self.commit(event)

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

    def last_seq(self) -> int:
        """The highest sequence number stored, of events and of commands; 0 when there is none."""
        query = "SELECT max(seq) FROM (SELECT seq FROM events UNION ALL SELECT seq FROM commands)"
        return next(self._rows(query))[0] or 0

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
        query = f"SELECT {', '.join(columns)} FROM {_TABLES[record]}"
        if session is not None:
            query += " WHERE session = ?"
        rows = self._rows(f"{query} ORDER BY rowid", *([] if session is None else [session]))
        return [msgspec.convert(dict(zip(columns, row, strict=True)), record) for row in rows]

    def _rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.execute(query, values)
        except sqlite3.Error as error:
            raise JournalError(f"{self._name} cannot be read: {error}") from error


def _books(event: Event) -> tuple[object, ...]:
    """What a snapshot says of the broker's books; empty for every other event."""
    if isinstance(event, SnapshotTaken):
        return (event.orders, event.trades, event.positions)
    return ()


def _statements(
    commands: Sequence[Command],
    event: Event,
    orders: Sequence[OrderRecord],
    positions: Sequence[PositionRecord],
    trades: Sequence[TradeRecord],
) -> list[Statement]:
    found: list[Statement] = []
    for command in commands:
        if not isinstance(command, SetTimer):
            found.append((_INSERT_COMMAND, _message(command, event)))
        if isinstance(command, SaveSummary):
            saved = {"saved_at_ms": event.at_ms}
            found.append((_INSERT_SUMMARY, msgspec.structs.asdict(command) | saved))
    for order in orders:
        values = msgspec.to_builtins(order)
        found.append((_UPSERTS[OrderRecord], values))
        if order.filled_quantity > 0:
            found.append((_INSERT_FILL, values | {"at_ms": event.at_ms}))
    for position in positions:
        values = msgspec.to_builtins(position)
        found.append((_UPSERTS[PositionRecord], values))
        # The bot only sells to open, so the one leg of a plain position is a sale.
        leg = {"leg": 1, "side": str(Side.SELL), "ratio": 1}
        found.append((_INSERT_LEG, values | leg))
    found += [(_UPSERTS[TradeRecord], msgspec.to_builtins(trade)) for trade in trades]
    return found


def _message(message: Event | Command, cause: Event) -> dict[str, Any]:
    return {
        "seq": cause.seq,
        "at_ms": cause.at_ms,
        "kind": type(message).__name__,
        "body": msgspec.json.encode(message).decode(),
    }


def _close(connection: sqlite3.Connection | None) -> None:
    if connection is not None:
        connection.close()
