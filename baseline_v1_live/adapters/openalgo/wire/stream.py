"""Messages of the gateway's WebSocket, both ways.

Errors come without a ``type``; prices come in one shape for quotes and another for depth, with names
that vary by broker. Whatever cannot be read is Unreadable and never an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from baseline_v1_live.adapters.openalgo.wire.books import side_of, status_of
from baseline_v1_live.adapters.openalgo.wire.data import positive, volume_of
from baseline_v1_live.adapters.openalgo.wire.requests import EXCHANGE, INDEX_EXCHANGE, exchange_of
from baseline_v1_live.adapters.openalgo.wire.values import (
    Mode,
    Unreadable,
    first,
    instant_of,
    number_of,
    paise_of,
    parse_json,
    text_of,
    value_paise,
    whole_of,
)
from baseline_v1_live.core.messages import BrokerStatus, OrderType, OrderUpdated, Tick

QUOTE, DEPTH = 2, 3
_OURS = {EXCHANGE, INDEX_EXCHANGE}


class AuthReply(msgspec.Struct, frozen=True):
    """Whether the gateway knows our key."""

    accepted: bool
    message: str = ""


class SubscribeReply(msgspec.Struct, frozen=True):
    """What became of one subscription message; ``refused`` maps symbols to reasons."""

    request_id: str
    accepted: tuple[str, ...]
    refused: dict[str, str]


class OrdersReply(msgspec.Struct, frozen=True):
    """Whether order updates will come."""

    accepted: bool
    message: str = ""


class OrderPush(msgspec.Struct, frozen=True):
    """An order update, its mode and the gateway's name of the broker it comes from. It may come
    twice, and before the placement's own answer.
    """

    update: OrderUpdated
    mode: Mode
    broker: str = ""


class Pong(msgspec.Struct, frozen=True):
    """The gateway is there."""


class StreamError(msgspec.Struct, frozen=True):
    """The gateway complains; the words are its own."""

    code: str
    message: str


class Ignored(msgspec.Struct, frozen=True):
    """A message that is well and not for us: another exchange, or a reply nobody waits for."""


StreamMessage = (
    Tick
    | OrderPush
    | AuthReply
    | SubscribeReply
    | OrdersReply
    | Pong
    | StreamError
    | Ignored
    | Unreadable
)


def authenticate(api_key: str) -> dict[str, Any]:
    """The first message on a socket; the only one with the key."""
    return {"action": "authenticate", "api_key": api_key}


def subscribe(symbols: Iterable[str], mode: int, request_id: str) -> dict[str, Any]:
    """Prices of many symbols in one message, in QUOTE or DEPTH mode."""
    rows = [{"symbol": symbol, "exchange": exchange_of(symbol)} for symbol in symbols]
    message = {"action": "subscribe", "symbols": rows, "mode": mode, "request_id": request_id}
    return {**message, "depth": 5} if mode == DEPTH else message


def unsubscribe(symbols: Iterable[str], mode: int) -> dict[str, Any]:
    """No more prices of these; the gateway reads the mode from each symbol here."""
    rows = [{"symbol": s, "exchange": exchange_of(s), "mode": mode} for s in symbols]
    return {"action": "unsubscribe", "symbols": rows}


def subscribe_orders() -> dict[str, Any]:
    """Order updates of the whole account."""
    return {"action": "subscribe_orders"}


def ping(timestamp_ms: int) -> dict[str, Any]:
    """A question that the gateway answers at once."""
    return {"action": "ping", "timestamp": timestamp_ms}


def message(text: str) -> StreamMessage:
    """One message of the gateway as a value."""
    json = parse_json(text)
    if not isinstance(json, Mapping):
        return Unreadable(f"stream: not a JSON object: {text[:200]}")
    kind, succeeded = json.get("type"), json.get("status") == "success"
    said = str(json.get("message") or "")
    match kind:
        case "market_data":
            return _tick(json)
        case "order_update":
            return _order_push(json)
        case "auth":
            return AuthReply(succeeded, said)
        case "subscribe":
            return _subscribe_reply(json)
        case "subscribe_orders":
            return OrdersReply(succeeded, said)
        case "pong":
            return Pong()
        case None | "error" if json.get("status") == "error" or "code" in json:
            return StreamError(str(json.get("code") or ""), said)
        case str():
            return Ignored()
    return Unreadable(f"stream: a message of no known kind: {text[:200]}")


def _tick(json: Mapping[str, Any]) -> Tick | Ignored | Unreadable:
    data = json.get("data")
    if not isinstance(data, Mapping):
        return Unreadable("stream: market data without data")
    symbol = text_of(first(json, "symbol") or data.get("symbol"))
    exchange = text_of(first(json, "exchange") or data.get("exchange"))
    if symbol is None or exchange is None:
        return Unreadable("stream: market data without symbol or exchange")
    if exchange not in _OURS:
        return Ignored()
    ltp = paise_of(data.get("ltp"))
    if ltp is None or ltp <= 0:
        return Unreadable(f"stream: {symbol} has last price {data.get('ltp')!r}")
    bid, bid_quantity = _best(data, "buy", "bids", "bid", "bid_price")
    ask, ask_quantity = _best(data, "sell", "asks", "ask", "ask_price")
    return Tick(
        exchange_at_ms=instant_of(data.get("timestamp")),
        symbol=symbol,
        ltp_paise=ltp,
        bid_paise=bid,
        ask_paise=ask,
        bid_quantity=bid_quantity,
        ask_quantity=ask_quantity,
        volume=volume_of(data),
    )


def _best(
    data: Mapping[str, Any], side: str, plural: str, *flat: str
) -> tuple[int | None, int | None]:
    """The best price (paise) and its size of one side: the first level, else a flat field."""
    depth = data.get("depth")
    levels = first(depth, side, plural) if isinstance(depth, Mapping) else data.get(plural)
    top = levels[0] if isinstance(levels, list) and levels else None
    if isinstance(top, Mapping):
        price = positive(paise_of(top.get("price")))
        size = positive(whole_of(first(top, "quantity", "qty", "volume")))
        return (None, None) if price is None else (price, size)
    return positive(paise_of(first(data, *flat))), None


def _order_push(json: Mapping[str, Any]) -> OrderPush | Ignored | Unreadable:
    order_id, symbol = text_of(json.get("orderid")), text_of(json.get("symbol"))
    if order_id is None or symbol is None:
        return Unreadable("stream: order update without order id or symbol")
    exchange = text_of(json.get("exchange"))
    if exchange is not None and exchange != EXCHANGE:
        return Ignored()
    if side_of(json.get("action")) is None and json.get("action") is not None:
        return Unreadable(f"stream: order {order_id} has side {json.get('action')!r}")
    status = status_of(json.get("order_status"))
    quantity = positive(whole_of(json.get("quantity")))
    filled = whole_of(json.get("filled_quantity"))
    if filled is not None and (filled < 0 or (quantity is not None and filled > quantity)):
        return Unreadable(f"stream: order {order_id} has {filled} of {quantity} filled")
    # On a complete order the price is the fill's, on a market order a reference: neither is a limit.
    word = str(first(json, "pricetype", "price_type") or "").upper()
    resting = status in (BrokerStatus.OPEN, BrokerStatus.TRIGGER_PENDING)
    limited = resting and word in (OrderType.LIMIT, OrderType.SL)
    update = OrderUpdated(
        exchange_at_ms=instant_of(json.get("timestamp")),
        broker_order_id=order_id,
        symbol=symbol,
        status=status,
        filled_quantity=filled,
        filled_value_paise=_filled_value(json, filled),
        quantity=quantity,
        trigger_price_paise=paise_of(json.get("trigger_price")) if resting else None,
        limit_price_paise=positive(paise_of(json.get("price"))) if limited else None,
        message=str(first(json, "rejection_reason", "message") or ""),
    )
    word = str(json.get("mode") or "").lower()
    mode = Mode(word) if word in set(Mode) else Mode.UNSAID
    return OrderPush(update, mode, str(json.get("broker") or "").lower())


def _filled_value(json: Mapping[str, Any], filled: int | None) -> int | None:
    """Σ price x quantity in paise; None when something is filled at a price that is not told."""
    if filled is None:
        return None
    if filled == 0:
        return 0
    average = number_of(json.get("average_price"))
    return value_paise(average, filled) if average is not None and average > 0 else None


def _subscribe_reply(json: Mapping[str, Any]) -> SubscribeReply | Unreadable:
    rows = json.get("subscriptions")
    if not isinstance(rows, list):
        if json.get("status") == "error":
            return Unreadable(f"stream: subscription refused: {json.get('message')}")
        return Unreadable("stream: a subscription's reply without a list")
    accepted: list[str] = []
    refused: dict[str, str] = {}
    for row in rows:
        symbol = text_of(row.get("symbol")) if isinstance(row, Mapping) else None
        if symbol is None:
            return Unreadable(f"stream: a subscription without a symbol: {str(row)[:200]}")
        # The whole reply says "partial" even when every symbol failed: only the rows count.
        if row.get("status") == "success":
            accepted.append(symbol)
        else:
            refused[symbol] = str(row.get("message") or "refused")
    return SubscribeReply(str(json.get("request_id") or ""), tuple(accepted), refused)
