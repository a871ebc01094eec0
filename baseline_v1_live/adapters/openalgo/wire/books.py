"""The broker's three books: rows in any dialect to orders, trades and positions of ours.

A book is read whole or not at all. "Empty" has a few known spellings; whatever else cannot be read is
an error and never an empty book. Rows of other exchanges are not ours and are left out. So are orders of
a type that the product never sends, and rows that cannot be read and are certainly of a contract that we
do not trade; those are named in ``skipped`` so that somebody hears of it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec

from baseline_v1_live.adapters.openalgo.wire.owners import Owner, OwnerOf, always_ours
from baseline_v1_live.adapters.openalgo.wire.requests import EXCHANGE
from baseline_v1_live.adapters.openalgo.wire.values import (
    Mode,
    Reply,
    Unreadable,
    explain,
    first,
    instant_of,
    mode_of,
    number_of,
    paise_of,
    text_of,
    value_paise,
    whole_of,
)
from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerPosition,
    BrokerStatus,
    BrokerTrade,
    OrderType,
    Side,
    SnapshotTaken,
)
from baseline_v1_live.core.session import ist_date

_STATUSES = {
    "open": BrokerStatus.OPEN,
    "trigger pending": BrokerStatus.TRIGGER_PENDING,
    "complete": BrokerStatus.COMPLETE,
    "completed": BrokerStatus.COMPLETE,
    "filled": BrokerStatus.COMPLETE,
    "executed": BrokerStatus.COMPLETE,
    "traded": BrokerStatus.COMPLETE,
    "cancelled": BrokerStatus.CANCELLED,
    "canceled": BrokerStatus.CANCELLED,
    "expired": BrokerStatus.CANCELLED,
    "rejected": BrokerStatus.REJECTED,
}
_TYPES = {
    "MARKET": OrderType.MARKET,
    "MKT": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "LMT": OrderType.LIMIT,
    "L": OrderType.LIMIT,
    "SL": OrderType.SL,
    "SL-L": OrderType.SL,
    "SL-LMT": OrderType.SL,
    "STOPLOSS-LIMIT": OrderType.SL,
    "STOP-LOSS": OrderType.SL,
}
_SIDES = {"BUY": Side.BUY, "B": Side.BUY, "SELL": Side.SELL, "S": Side.SELL}
# Our orders are intraday; what the account carries over nets separately at the broker.
_OTHER_PRODUCTS = {"NRML", "CNC", "MTF"}
_NOTHING = re.compile(r"no\b.*\b(orders?|trades?|positions?|data|records?)\b.*", re.IGNORECASE)

RowT = TypeVar("RowT")


class Book(msgspec.Struct, Generic[RowT], frozen=True):
    """One book, read whole. ``skipped`` says which rows were left out and why."""

    rows: tuple[RowT, ...]
    mode: Mode
    skipped: tuple[str, ...] = ()


class OrderRow(msgspec.Struct, frozen=True):
    """One order with what only some brokers tell of its fills; None where it is not told."""

    order: BrokerOrder
    filled_quantity: int | None = None


class SnapshotRead(msgspec.Struct, frozen=True):
    """A whole snapshot, where it comes from, and the rows that were left out."""

    taken: SnapshotTaken
    mode: Mode
    skipped: tuple[str, ...] = ()


class _Skip(msgspec.Struct, frozen=True):
    reason: str


def status_of(value: Any) -> BrokerStatus:
    """A broker's word on an order; any word not in the vocabulary is UNCLEAR, never an end."""
    words = str(value).replace("_", " ").replace("-", " ").lower().split()
    return _STATUSES.get(" ".join(words), BrokerStatus.UNCLEAR)


def side_of(value: Any) -> Side | None:
    """BUY or SELL, None for anything else."""
    return _SIDES.get(str(value).strip().upper())


def type_of(value: Any) -> OrderType | None:
    """The order type, None for those that have no name in the product (such as SL-M)."""
    return _TYPES.get(re.sub(r"[\s_]+", "-", str(value).strip().upper()))


def order_book(
    reply: Reply, today: dt.date | None = None, owner_of: OwnerOf = always_ours
) -> Book[BrokerOrder] | Unreadable:
    """The day's intraday orders on our exchange; ``today`` dates stamps that are a time only."""
    rows = _rows(reply, "order book", "orders")
    if isinstance(rows, Unreadable):
        return rows
    orders: list[BrokerOrder] = []
    skipped: list[str] = []
    for raw in rows:
        if not _intraday(raw):
            continue
        row = _judged(_order_row(raw, today), raw, owner_of)
        if isinstance(row, Unreadable):
            return row
        if isinstance(row, _Skip):
            skipped.append(row.reason)
        else:
            orders.append(row.order)
    return Book(tuple(orders), mode_of(reply.json), tuple(skipped))


def order_status(reply: Reply, today: dt.date | None = None) -> OrderRow | Unreadable:
    """One order. An order the gateway does not find (404) is Unreadable too: that proves nothing."""
    rows = _rows(reply, "order status", "order")
    if isinstance(rows, Unreadable):
        return rows
    if len(rows) != 1:
        return Unreadable(f"order status with {len(rows)} orders", reply.status)
    row = _order_row(rows[0], today)
    return Unreadable(row.reason, reply.status) if isinstance(row, _Skip) else row


def _order_row(raw: Mapping[str, Any], today: dt.date | None) -> OrderRow | Unreadable | _Skip:
    order_id = text_of(first(raw, "orderid", "order_id"))
    symbol = text_of(raw.get("symbol"))
    side = side_of(first(raw, "action", "transaction_type"))
    quantity = whole_of(raw.get("quantity"))
    price = _price(first(raw, "price"))
    trigger = _price(first(raw, "trigger_price", "triggerprice"))
    if order_id is None or symbol is None or side is None:
        return Unreadable(f"order row without id, symbol or side: {_brief(raw)}")
    word = first(raw, "pricetype", "price_type", "ordertype", "order_type")
    order_type = type_of(word)
    if order_type is None:
        return _Skip(f"order {order_id} of {symbol} has type {word!r}, which is not one of ours")
    if quantity is None or quantity < 0 or price is None or trigger is None:
        return Unreadable(f"order {order_id}: quantity or price unreadable: {_brief(raw)}")
    filled = whole_of(raw.get("filled_quantity"))
    if filled is not None and not 0 <= filled <= quantity:
        return Unreadable(f"order {order_id}: filled {filled} of {quantity}")
    order = BrokerOrder(
        broker_order_id=order_id,
        symbol=symbol,
        side=side,
        order_type=order_type,
        quantity=quantity,
        trigger_price_paise=trigger,
        limit_price_paise=price,
        status=status_of(first(raw, "order_status", "status")),
        placed_at_ms=instant_of(first(raw, "timestamp", "order_timestamp"), today),
        message=str(first(raw, "rejection_reason", "message", "status_message") or ""),
    )
    return OrderRow(order, filled)


def _price(value: Any) -> int | None:
    """A price of an order row in paise; a field without a value means that it has none, 0."""
    if value is None or value == "":
        return 0
    paise = paise_of(value)
    return paise if paise is not None and paise >= 0 else None


def trade_book(reply: Reply, owner_of: OwnerOf = always_ours) -> Book[BrokerTrade] | Unreadable:
    """The day's intraday fills on our exchange, added up by order."""
    rows = _rows(reply, "trade book", "trades")
    if isinstance(rows, Unreadable):
        return rows
    sums: dict[str, BrokerTrade] = {}
    seen: set[tuple[str, str]] = set()
    skipped: list[str] = []
    for raw in rows:
        if not _intraday(raw):
            continue
        trade = _judged(_trade_row(raw), raw, owner_of)
        if isinstance(trade, Unreadable):
            return trade
        if isinstance(trade, _Skip):
            skipped.append(trade.reason)
            continue
        trade_id = text_of(first(raw, "tradeid", "trade_id"))
        if trade_id is not None:
            if (trade.broker_order_id, trade_id) in seen:
                continue  # The same fill listed twice.
            seen.add((trade.broker_order_id, trade_id))
        before = sums.get(trade.broker_order_id)
        if before is not None:
            if (before.symbol, before.side) != (trade.symbol, trade.side):
                return Unreadable(f"trades of order {trade.broker_order_id} do not match")
            trade = msgspec.structs.replace(
                trade,
                filled_quantity=before.filled_quantity + trade.filled_quantity,
                filled_value_paise=before.filled_value_paise + trade.filled_value_paise,
            )
        sums[trade.broker_order_id] = trade
    return Book(tuple(sums.values()), mode_of(reply.json), tuple(skipped))


def _trade_row(raw: Mapping[str, Any]) -> BrokerTrade | Unreadable:
    order_id = text_of(first(raw, "orderid", "order_id"))
    symbol = text_of(raw.get("symbol"))
    side = side_of(first(raw, "action", "transaction_type"))
    if order_id is None or symbol is None or side is None:
        return Unreadable(f"trade row without id, symbol or side: {_brief(raw)}")
    quantity, value = _fill(raw)
    if quantity is None or value is None:
        return Unreadable(f"trade of order {order_id}: quantity or price unreadable: {_brief(raw)}")
    return BrokerTrade(
        broker_order_id=order_id,
        symbol=symbol,
        side=side,
        filled_quantity=quantity,
        filled_value_paise=value,
    )


def _fill(raw: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Quantity and value (paise) of a fill. Where one of quantity, price and value is zero or missing,
    as some brokers have it, the other two give it; where two are, nothing does.
    """
    quantity = whole_of(first(raw, "quantity", "filled_quantity"))
    price = next(
        (p for p in (_positive(raw.get(n)) for n in ("average_price", "price")) if p), None
    )
    total = _positive(raw.get("trade_value"))
    if quantity == 0 and price and total:
        units = total / price
        quantity = round(units) if abs(units - round(units)) < Decimal("0.01") else None
    if quantity is None or quantity <= 0:
        return None, None
    if price is not None:
        return quantity, value_paise(price, quantity)
    return quantity, None if total is None else round(total * 100)


def _positive(value: Any) -> Decimal | None:
    number = number_of(value)
    return number if number is not None and number > 0 else None


def position_book(
    reply: Reply, owner_of: OwnerOf = always_ours
) -> Book[BrokerPosition] | Unreadable:
    """Signed net quantities on our exchange by symbol, flat ones too; carried products left out."""
    rows = _rows(reply, "position book", "positions")
    if isinstance(rows, Unreadable):
        return rows
    net: dict[str, int] = {}
    skipped: list[str] = []
    for raw in rows:
        if not _intraday(raw):
            continue
        row = _judged(_position_row(raw), raw, owner_of)
        if isinstance(row, Unreadable):
            return row
        if isinstance(row, _Skip):
            skipped.append(row.reason)
        else:
            net[row.symbol] = net.get(row.symbol, 0) + row.net_quantity
    positions = (BrokerPosition(symbol=name, net_quantity=n) for name, n in net.items())
    return Book(tuple(positions), mode_of(reply.json), tuple(skipped))


def _position_row(raw: Mapping[str, Any]) -> BrokerPosition | Unreadable:
    symbol = text_of(raw.get("symbol"))
    quantity = whole_of(first(raw, "quantity", "net_quantity", "netqty"))
    if symbol is None or quantity is None:
        return Unreadable(f"position row without symbol or quantity: {_brief(raw)}")
    return BrokerPosition(symbol=symbol, net_quantity=quantity)


def _judged(
    row: RowT | Unreadable | _Skip, raw: Mapping[str, Any], owner_of: OwnerOf
) -> RowT | Unreadable | _Skip:
    """What a row counts for, given whose it is.

    A hole in the books is none where it is certainly not ours. A name that may hide a contract of ours
    is a hole, however well the rest reads: our own row would then seem to be missing.
    """
    symbol = text_of(raw.get("symbol"))
    if symbol is None:
        return row
    owner = owner_of(symbol)
    if isinstance(row, Unreadable) and owner is Owner.OTHERS:
        return _Skip(f"a row of {symbol}, which we do not trade, cannot be read")
    if owner is Owner.UNCLEAR and not isinstance(row, Unreadable):
        return Unreadable(f"{symbol!r} is no name of the gateway's and may be a contract of ours")
    return row


def snapshot(
    orders: Reply,
    trades: Reply,
    positions: Reply,
    asked_at_ms: int,
    owner_of: OwnerOf = always_ours,
) -> SnapshotRead | Unreadable:
    """All three books, or an error. Books of different modes make no snapshot."""
    order_rows = order_book(orders, ist_date(asked_at_ms), owner_of)
    if isinstance(order_rows, Unreadable):
        return order_rows
    trade_rows = trade_book(trades, owner_of)
    if isinstance(trade_rows, Unreadable):
        return trade_rows
    position_rows = position_book(positions, owner_of)
    if isinstance(position_rows, Unreadable):
        return position_rows
    modes = {order_rows.mode, trade_rows.mode, position_rows.mode}
    if len(modes) != 1:
        # Somebody flipped the analyzer between two reads: half of this is another account.
        return Unreadable(f"the books come from different modes: {', '.join(sorted(modes))}")
    taken = SnapshotTaken(
        asked_at_ms=asked_at_ms,
        orders=order_rows.rows,
        trades=trade_rows.rows,
        positions=position_rows.rows,
    )
    skipped = order_rows.skipped + trade_rows.skipped + position_rows.skipped
    return SnapshotRead(taken, order_rows.mode, skipped)


def success_of(reply: Reply, what: str) -> Mapping[str, Any] | Unreadable:
    """The body of a 200 that says "success", whole; anything else is Unreadable."""
    if reply.failure is not None:
        return Unreadable(f"{what}: {explain(reply)}", reply.status, reply.failure)
    page = not isinstance(reply.json, Mapping)
    if reply.status != 200:
        return Unreadable(f"{what}: {explain(reply)}", reply.status, page=page)
    if not isinstance(reply.json, Mapping):
        return Unreadable(f"{what}: not a JSON object, {explain(reply)}", reply.status, page=True)
    if reply.json.get("status") != "success":
        return Unreadable(f"{what}: not a success, {explain(reply)}", reply.status)
    return reply.json


def _rows(reply: Reply, what: str, key: str) -> Sequence[Mapping[str, Any]] | Unreadable:
    body = success_of(reply, what)
    if isinstance(body, Unreadable):
        return body
    if "data" not in body:
        return Unreadable(f"{what}: success without data", reply.status)
    data = body["data"]
    if isinstance(data, Mapping) and key in data:
        data = data[key]
    elif isinstance(data, Mapping) and key == "order" and data:
        data = [data]
    if data is None or data == {} or (isinstance(data, str) and _NOTHING.fullmatch(data.strip())):
        return []
    if not isinstance(data, list) or not all(isinstance(row, Mapping) for row in data):
        return Unreadable(f"{what}: unknown shape, {explain(reply)}", reply.status)
    return data


def _intraday(raw: Mapping[str, Any]) -> bool:
    """Whether a row is of our exchange and our product; one that names no product may be."""
    product = str(raw.get("product")).strip().upper()
    return _ours(raw) and product not in _OTHER_PRODUCTS


def _ours(raw: Mapping[str, Any]) -> bool:
    """Whether a row is of our exchange. A row that does not say is not left out."""
    exchange = text_of(raw.get("exchange"))
    return exchange is None or exchange.upper() == EXCHANGE


def _brief(raw: Mapping[str, Any]) -> str:
    return str(dict(raw))[:200]
