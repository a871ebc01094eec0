"""What is asked of the gateway: one function a question, each gives (path, JSON body without the key).

Prices leave as exact decimal text, never as floats. Only single orders have a function here: what
acts on the whole account, or decides by itself what to do, has none. Orders are intraday (MIS), on
NFO, and a stop is always a stop-limit (SL): a stop-market order cannot be named.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from baseline_v1_live.core.instruments import parse_symbol, rupee_text
from baseline_v1_live.core.messages import ModifyOrder, OrderType, PlaceOrder

EXCHANGE = "NFO"
INDEX_EXCHANGE = "NSE_INDEX"
PRODUCT = "MIS"
STRATEGY = "baseline_v1"

Body = dict[str, Any]
Question = tuple[str, Body]


def exchange_of(symbol: str) -> str:
    """Where a symbol of ours is quoted: options on NFO, everything else is an index."""
    try:
        parse_symbol(symbol)
    except ValueError:
        return INDEX_EXCHANGE
    return EXCHANGE


def place_order(command: PlaceOrder) -> Question:
    """A new order.

    Raises ValueError when the command's quantity or prices do not make an order of its type.
    """
    _check(command)
    body: Body = {
        "strategy": STRATEGY,
        "exchange": EXCHANGE,
        "symbol": command.symbol,
        "action": command.side.value,
        "quantity": str(command.quantity),
        "pricetype": command.order_type.value,
        "product": PRODUCT,
    }
    # A field that the order type does not have is refused by some brokers even when it is zero.
    if command.order_type is not OrderType.MARKET:
        body["price"] = rupee_text(command.limit_price_paise)
    if command.order_type is OrderType.SL:
        body["trigger_price"] = rupee_text(command.trigger_price_paise)
    return "placeorder", body


def modify_order(command: ModifyOrder) -> Question:
    """A change of an order; the gateway wants every field, changed or not.

    Raises ValueError when the command's quantity or prices do not make an order of its type.
    """
    _check(command)
    market, stop = command.order_type is OrderType.MARKET, command.order_type is OrderType.SL
    return "modifyorder", {
        "strategy": STRATEGY,
        "exchange": EXCHANGE,
        "symbol": command.symbol,
        "orderid": command.broker_order_id,
        "action": command.side.value,
        "product": PRODUCT,
        "pricetype": command.order_type.value,
        "quantity": str(command.quantity),
        "price": "0" if market else rupee_text(command.limit_price_paise),
        "trigger_price": rupee_text(command.trigger_price_paise) if stop else "0",
        "disclosed_quantity": "0",
    }


def _check(command: PlaceOrder | ModifyOrder) -> None:
    parse_symbol(command.symbol)
    if command.quantity <= 0:
        raise ValueError(f"{command.order_id}: quantity {command.quantity} is not positive")
    if command.order_type is not OrderType.MARKET and command.limit_price_paise <= 0:
        raise ValueError(f"{command.order_id}: {command.order_type} order without a limit price")
    if command.order_type is OrderType.SL and command.trigger_price_paise <= 0:
        raise ValueError(f"{command.order_id}: SL order without a trigger price")


def cancel_order(broker_order_id: str) -> Question:
    """The cancellation of one order."""
    return "cancelorder", {"strategy": STRATEGY, "orderid": broker_order_id}


def order_status(broker_order_id: str) -> Question:
    """One order as the broker sees it."""
    return "orderstatus", {"strategy": STRATEGY, "orderid": broker_order_id}


def order_book() -> Question:
    """All orders of the day."""
    return "orderbook", {}


def trade_book() -> Question:
    """All fills of the day."""
    return "tradebook", {}


def position_book() -> Question:
    """All positions."""
    return "positionbook", {}


def quotes(symbol: str) -> Question:
    """The last price and the best bid and ask of one symbol."""
    return "quotes", {"symbol": symbol, "exchange": exchange_of(symbol)}


def multiquotes(symbols: Iterable[str]) -> Question:
    """The same of several symbols."""
    rows = [{"symbol": symbol, "exchange": exchange_of(symbol)} for symbol in symbols]
    return "multiquotes", {"symbols": rows}


def history(symbol: str, start: dt.date, end: dt.date) -> Question:
    """One-minute bars of a symbol, both dates included."""
    return "history", {
        "symbol": symbol,
        "exchange": exchange_of(symbol),
        "interval": "1m",
        "start_date": start.isoformat(),
        "end_date": end.isoformat(),
    }


def symbol_record(symbol: str) -> Question:
    """The contract behind a symbol."""
    return "symbol", {"symbol": symbol, "exchange": exchange_of(symbol)}


def expiries(underlying: str) -> Question:
    """The expiry dates of an underlying's options."""
    return "expiry", {"symbol": underlying, "exchange": EXCHANGE, "instrumenttype": "options"}


def margin(commands: Sequence[PlaceOrder]) -> Question:
    """What these orders together would block; this endpoint takes numbers only as text.

    Raises ValueError when there are not 1 to 50 of them or one makes no order.
    """
    if not 1 <= len(commands) <= 50:
        raise ValueError(f"margin is asked for 1 to 50 orders at a time, not {len(commands)}")
    rows = [place_order(command)[1] for command in commands]
    for row in rows:
        del row["strategy"]
    return "margin", {"positions": rows}


def funds() -> Question:
    """The account's money."""
    return "funds", {}


def holidays(year: int) -> Question:
    """The exchange's holidays of a year."""
    return "market/holidays", {"year": year}


def timings(date: dt.date) -> Question:
    """The trading hours of a date."""
    return "market/timings", {"date": date.isoformat()}


def analyzer() -> Question:
    """Whether the gateway is in analyzer (paper) mode."""
    return "analyzer", {}


def ping() -> Question:
    """Whether the gateway takes our key, and which broker it speaks for."""
    return "ping", {}
