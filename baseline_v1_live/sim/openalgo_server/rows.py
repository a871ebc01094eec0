"""Rows and messages of the wire, made from the books: analyzer shapes and live ones.

Prices become rupees here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from baseline_v1_live.core.messages import BrokerStatus, Side
from baseline_v1_live.core.session import ist_datetime
from baseline_v1_live.sim.openalgo_server.books import BookOrder, BookPosition, Books
from baseline_v1_live.sim.openalgo_server.market import Instrument

if TYPE_CHECKING:
    from baseline_v1_live.sim.openalgo_server.venue import Venue

LEVELS = 5


class MapperError(Exception):
    """The live mapper's own crash on a first row whose status it does not know."""


def stamp(at_ms: int) -> str:
    """Wall-clock time in IST without a zone, as the gateway writes it."""
    return f"{ist_datetime(at_ms):%Y-%m-%d %H:%M:%S}"


def _price(order: BookOrder, market_price_zero: bool) -> float:
    if order.pricetype != "MARKET":
        return order.price_paise / 100
    return 0.0 if market_price_zero else order.reference_paise / 100


def _common(order: BookOrder, market_price_zero: bool) -> dict[str, Any]:
    return {
        "orderid": order.orderid,
        "symbol": order.symbol,
        "exchange": order.exchange,
        "action": order.action.value,
        "quantity": order.quantity,
        "price": _price(order, market_price_zero),
        "trigger_price": order.trigger_paise / 100,
        "pricetype": order.pricetype,
        "product": order.product,
        "order_status": order.status.value,
        "timestamp": stamp(order.placed_ms),
    }


def analyzer_order(order: BookOrder) -> dict[str, Any]:
    """A row of the analyzer's order book."""
    return {
        **_common(order, market_price_zero=False),
        "average_price": order.average_price,
        "filled_quantity": order.filled_quantity,
        "pending_quantity": order.remaining,
        "rejection_reason": order.rejection_reason,
        "strategy": order.strategy,
    }


def order_rows(venue: Venue) -> list[dict[str, Any]]:
    """The order book: the analyzer's newest first, a live broker's oldest first.

    Raises MapperError where the live mapper crashes.
    """
    orders = list(venue.books.orders.values())
    if venue.analyze:
        return [analyzer_order(order) for order in reversed(orders)]
    made: list[dict[str, Any]] = []
    for order in orders:
        row = _common(order, venue.profile.market_price_zero)
        if not order.over and venue.now_ms < order.changed_ms + venue.profile.transit_ms:
            if not made:
                raise MapperError(
                    "cannot access local variable 'order_status' where it is not associated "
                    "with a value"
                )
            row["order_status"] = made[-1]["order_status"]
        made.append(row)
    return made


def order_statistics(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Counts over the rows of an order book."""

    def count(key: str, value: str) -> int:
        return sum(row[key] == value for row in rows)

    return {
        "total_buy_orders": count("action", "BUY"),
        "total_sell_orders": count("action", "SELL"),
        "total_completed_orders": count("order_status", "complete"),
        "total_open_orders": count("order_status", "open"),
        "total_rejected_orders": count("order_status", "rejected"),
        "total_trigger_pending_orders": count("order_status", "trigger pending"),
    }


def order_status(venue: Venue, orderid: str) -> dict[str, Any] | None:
    """One order as ``orderstatus`` gives it, None when there is none.

    The analyzer says ``price_type`` here; a live answer joins the first trade's price only.
    """
    order = venue.books.orders.get(orderid)
    if order is None:
        return None
    if venue.analyze:
        row = analyzer_order(order)
        del row["rejection_reason"]
        row["price_type"] = row.pop("pricetype")
        return row
    row = next(row for row in order_rows(venue) if row["orderid"] == orderid)
    complete = row["order_status"] == BrokerStatus.COMPLETE.value and order.fills
    row["average_price"] = order.fills[0].price if complete else 0.0
    return row


def trade_rows(books: Books, analyze: bool) -> list[dict[str, Any]]:
    """The trade book: one row a fill, oldest first; the analyzer adds three columns."""
    made = []
    fills = [(fill, order) for order in books.orders.values() for fill in order.fills]
    for fill, order in sorted(fills, key=lambda pair: pair[0].at_ms):
        row = {
            "action": order.action.value,
            "average_price": round(fill.price, 4),
            "exchange": order.exchange,
            "orderid": order.orderid,
            "product": order.product,
            "quantity": fill.quantity,
            "symbol": order.symbol,
            "timestamp": stamp(fill.at_ms),
            "trade_value": round(fill.value_paise / 100, 2),
        }
        if analyze:
            row |= {
                "price": row["average_price"],
                "tradeid": fill.trade_id,
                "strategy": order.strategy,
            }
        made.append(row)
    return made


def position_row(position: BookPosition, ltp: int, venue: Venue) -> dict[str, Any]:
    """A row of the position book."""
    realised = round(position.realised_paise / 100, 2)
    unrealised = round(position.unrealised(ltp), 2) if position.quantity else 0.0
    total = round(realised + unrealised, 2)
    row = {
        "symbol": position.symbol,
        "exchange": position.exchange,
        "product": position.product,
        "quantity": position.quantity,
        "average_price": position.average_price,
        "ltp": ltp / 100,
        "pnl": total,
    }
    if not venue.analyze:
        if venue.profile.text_in_positions:
            row["average_price"] = f"{position.average_price:.2f}"
        return row
    cost = position.cost_paise / 100
    return row | {
        "pnl_percent": round(unrealised / cost * 100, 2) if position.quantity else 0.0,
        # A flat row repeats its realised profit here: the gateway's own slip.
        "unrealized_pnl": unrealised if position.quantity else realised,
        "today_realized_pnl": realised,
        "total_pnl_today": total,
        "lot_size": 1.0,
    }


def order_update(order: BookOrder, analyze: bool, venue: Venue) -> dict[str, Any]:
    """The stream's word on an order; the sandbox has no pending quantity and shows the fill price."""
    complete = order.status is BrokerStatus.COMPLETE
    price = order.average_price if analyze and complete else _price(order, not analyze)
    return {
        "type": "order_update",
        "user_id": venue.user,
        "mode": "analyze" if analyze else "live",
        "broker": "sandbox" if analyze else venue.profile.broker,
        "orderid": order.orderid,
        "symbol": order.symbol,
        "exchange": order.exchange,
        "action": order.action.value,
        "quantity": order.quantity,
        "price": price,
        "trigger_price": order.trigger_paise / 100,
        "pricetype": order.pricetype,
        "product": order.product,
        "order_status": order.status.value,
        "filled_quantity": order.filled_quantity,
        "pending_quantity": 0 if analyze else order.remaining,
        "average_price": order.average_price,
        "rejection_reason": order.rejection_reason,
    }


def quote(instrument: Instrument) -> dict[str, Any]:
    """A REST quote. The tape has neither open interest nor a previous close."""
    return {
        "ask": instrument.ask / 100,
        "bid": instrument.bid / 100,
        "high": instrument.high / 100,
        "low": instrument.low / 100,
        "ltp": instrument.last / 100,
        "oi": 0,
        "open": instrument.first / 100,
        "prev_close": instrument.previous / 100,
        "volume": instrument.volume,
    }


def _levels(price: int, quantity: int, *, orders: bool) -> list[dict[str, Any]]:
    """Five levels of which the tape knows one; the others are empty, as in a thin book."""
    made = []
    for level in range(LEVELS):
        known = level == 0 and price > 0
        row = {"price": price / 100 if known else 0.0, "quantity": quantity if known else 0}
        made.append(row | ({"orders": int(known)} if orders else {}))
    return made


def depth(instrument: Instrument) -> dict[str, Any]:
    """REST market depth."""
    shown = quote(instrument)
    return {
        "bids": _levels(instrument.bid, instrument.bid_quantity, orders=False),
        "asks": _levels(instrument.ask, instrument.ask_quantity, orders=False),
        **{key: shown[key] for key in ("ltp", "open", "high", "low", "prev_close", "volume", "oi")},
        "ltq": instrument.last_quantity,
        "totalbuyqty": instrument.bid_quantity,
        "totalsellqty": instrument.ask_quantity,
    }


def stream_data(instrument: Instrument, mode: int) -> dict[str, Any]:
    """The ``data`` of a market_data message: mode 1 last price, 2 quote, 3 depth.

    A quote carries no bid and ask and calls the previous close ``close``.
    """
    data: dict[str, Any] = {
        "symbol": instrument.symbol,
        "exchange": instrument.exchange,
        "mode": ("ltp", "quote", "depth")[mode - 1],
        "ltp": instrument.ltp / 100,
        "ltt": instrument.at_ms,
        "timestamp": instrument.at_ms,
    }
    if mode >= 2:
        data |= {
            "volume": instrument.volume,
            "last_quantity": instrument.last_quantity,
            "average_price": round(instrument.average_paise / 100, 2),
            "total_buy_quantity": instrument.bid_quantity,
            "total_sell_quantity": instrument.ask_quantity,
            "open": instrument.first / 100,
            "high": instrument.high / 100,
            "low": instrument.low / 100,
            "close": instrument.previous / 100,
            "oi": 0,
            "open_interest": 0,
        }
    if mode == 3:
        data["depth"] = {
            "buy": _levels(instrument.bid, instrument.bid_quantity, orders=True),
            "sell": _levels(instrument.ask, instrument.ask_quantity, orders=True),
        }
    return data


def reduces(books: Books, order: BookOrder) -> bool:
    """Whether an order is against what is held, and so blocks no margin."""
    held = books.held(order.symbol, order.product)
    return held < 0 if order.action is Side.BUY else held > 0
