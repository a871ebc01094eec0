"""What is written for one step: each of its messages and records as a statement with its values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from baseline_v1_live.core.messages import (
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
from baseline_v1_live.runtime.records import (
    OrderRecord,
    PositionRecord,
    RequestRecord,
    StateRecord,
    Step,
    TradeRecord,
)

Record = OrderRecord | PositionRecord | TradeRecord
Statement = tuple[str, dict[str, Any]]
Books = tuple[object, ...]

TABLES: dict[type[Record], str] = {
    OrderRecord: "orders",
    PositionRecord: "positions",
    TradeRecord: "trades",
}


def _insert(table: str, columns: Iterable[str]) -> str:
    columns = tuple(columns)
    values = ", ".join(f":{column}" for column in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"


def _upsert(table: str, columns: tuple[str, ...], keys: int = 1) -> str:
    """The first columns are the key; storing a row again changes nothing."""
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns[keys:])
    conflict = f"ON CONFLICT ({', '.join(columns[:keys])}) DO UPDATE SET {changes}"
    return f"{_insert(table, columns)} {conflict}"


def _insert_once(table: str, *columns: str) -> str:
    return f"{_insert(table, columns)} ON CONFLICT DO NOTHING"


_UPSERTS = {record: _upsert(table, record.__struct_fields__) for record, table in TABLES.items()}
_UPSERT_STATE = _upsert("restart_state", StateRecord.__struct_fields__, keys=3)
_INSERT_EVENT = _insert("events", ("seq", "session", "at", "at_ms", "kind", "body"))
_INSERT_COMMAND = _insert("commands", ("seq", "at_ms", "kind", "body"))
_INSERT_REQUEST = _insert("requests", RequestRecord.__struct_fields__)
_INSERT_FILL = _insert_once("fills", "order_id", "filled_quantity", "filled_value_paise", "at_ms")
_INSERT_LEG = _insert_once("position_legs", "position_id", "leg", "symbol", "side", "ratio")
_UPSERT_SUMMARY = _upsert(
    "daily_summary",
    ("session", "exit_reason", "r_milli", "pnl_paise", "charges_paise", "trades", "saved_at_ms"),
)


def books_of(event: Event) -> Books:
    """What a snapshot says of the broker's books; empty for every other event."""
    if isinstance(event, SnapshotTaken):
        return (event.orders, event.trades, event.positions)
    return ()


def step_statements(step: Step, last_books: Books) -> list[Statement]:
    """Everything to write for a step; a snapshot whose books equal the last ones is left out."""
    event, books = step.event, books_of(step.event)
    found: list[Statement] = []
    if not isinstance(event, Tick | BarsLoaded) and not (books and books == last_books):
        stamp = {"session": ist_date(event.at_ms).isoformat(), "at": iso(event.at_ms)}
        found.append((_INSERT_EVENT, _message(event, event) | stamp))
    for command in step.commands:
        if not isinstance(command, SetTimer):
            found.append((_INSERT_COMMAND, _message(command, event)))
        if isinstance(command, SaveSummary):
            saved = {"session": command.date, "saved_at_ms": event.at_ms}
            found.append((_UPSERT_SUMMARY, msgspec.structs.asdict(command) | saved))
    for order in step.orders:
        values = msgspec.to_builtins(order)
        found.append((_UPSERTS[OrderRecord], values))
        if order.filled_quantity > 0:
            found.append((_INSERT_FILL, values | {"at_ms": event.at_ms}))
    for position in step.positions:
        values = msgspec.to_builtins(position)
        found.append((_UPSERTS[PositionRecord], values))
        # The bot only sells to open, so the one leg of a plain position is a sale.
        leg = {"leg": 1, "side": str(Side.SELL), "ratio": 1}
        found.append((_INSERT_LEG, values | leg))
    found += [(_UPSERTS[TradeRecord], msgspec.to_builtins(trade)) for trade in step.trades]
    return found + state_statements(step.state)


def state_statements(records: Iterable[StateRecord]) -> list[Statement]:
    """What a restart needs, the newest of each key in the place of the one before."""
    # Text, because a person's JSON functions do not read blobs.
    return [
        (_UPSERT_STATE, msgspec.structs.asdict(record) | {"body": record.body.decode()})
        for record in records
    ]


def request_statements(records: Iterable[RequestRecord]) -> list[Statement]:
    """Questions to the gateway, each a row of its own."""
    return [(_INSERT_REQUEST, msgspec.structs.asdict(record)) for record in records]


def _message(message: Event | Command, cause: Event) -> dict[str, Any]:
    return {
        "seq": cause.seq,
        "at_ms": cause.at_ms,
        "kind": type(message).__name__,
        "body": msgspec.json.encode(message).decode(),
    }
