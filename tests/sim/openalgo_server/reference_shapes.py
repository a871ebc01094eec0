"""The gateway's replies field by field, as its reference has them: names and JSON types.

``ANALYZER`` and ``LIVE`` map the names of the SDK's methods to the whole reply. A list stands for any
number of rows of one shape, an empty one for a list that is empty here.
"""

from __future__ import annotations

from typing import Any

QUOTE = {
    "ask": float, "bid": float, "high": float, "low": float, "ltp": float, "oi": int,
    "open": float, "prev_close": float, "volume": int,
}  # fmt: skip
RECORD = {
    "symbol": str, "brsymbol": str, "name": str, "exchange": str, "brexchange": str, "token": str,
    "expiry": str, "strike": float, "lotsize": int, "tick_size": float, "freeze_qty": int,
    "instrumenttype": str,
}  # fmt: skip
ORDER = {
    "orderid": str, "symbol": str, "exchange": str, "action": str, "quantity": int, "price": float,
    "trigger_price": float, "pricetype": str, "product": str, "order_status": str,
    "average_price": float, "filled_quantity": int, "pending_quantity": int,
    "rejection_reason": str, "timestamp": str, "strategy": str,
}  # fmt: skip
TRADE = {
    "action": str, "average_price": float, "exchange": str, "orderid": str, "product": str,
    "quantity": int, "symbol": str, "timestamp": str, "trade_value": float, "price": float,
    "tradeid": str, "strategy": str,
}  # fmt: skip
POSITION = {
    "symbol": str, "exchange": str, "product": str, "quantity": int, "average_price": float,
    "ltp": float, "pnl": float, "pnl_percent": float, "unrealized_pnl": float,
    "today_realized_pnl": float, "total_pnl_today": float, "lot_size": float,
}  # fmt: skip
MONEY = ("availablecash", "collateral", "m2mrealized", "m2munrealized", "utiliseddebits")
FUNDS = dict.fromkeys(MONEY, float) | {
    "today_realized_pnl": float, "total_realized_pnl": float, "totalpnl": float,
    "grossexposure": float, "last_reset": str, "reset_count": int,
}  # fmt: skip
STATISTICS = dict.fromkeys(
    (
        "total_buy_orders", "total_sell_orders", "total_completed_orders", "total_open_orders",
        "total_rejected_orders",
    ),
    int,
)  # fmt: skip
LEVEL = {"price": float, "quantity": int}


def shape(value: Any) -> Any:
    """The types of a JSON value at every depth; rows of a list must all have one shape."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        shapes = [shape(row) for row in value]
        assert all(one == shapes[0] for one in shapes), f"rows differ: {shapes}"
        return shapes[:1]
    return type(value)


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: kind for key, kind in row.items() if key not in names}


def reply(data: Any, **beside: Any) -> dict[str, Any]:
    return {"data": data, "status": str, **beside}


MODE = {"mode": str}
ONE_ORDER = without(ORDER, "pricetype", "rejection_reason") | {"price_type": str}
LIVE_ORDER = without(
    ORDER, "average_price", "filled_quantity", "pending_quantity", "rejection_reason", "strategy"
)
LIVE_POSITION = without(
    POSITION, "pnl_percent", "unrealized_pnl", "today_realized_pnl", "total_pnl_today", "lot_size"
)
DONE = {"orderid": str, "message": str, "status": str}

# The same in both modes: these come from the broker, not from the sandbox.
_COMMON = {
    "margin": reply(
        {"total_margin_required": float, "span_margin": float, "exposure_margin": float}
    ),
    "quotes": reply(QUOTE),
    "multiquotes": {
        "results": [{"symbol": str, "exchange": str, "data": QUOTE}], "status": str,
    },
    "depth": reply({
        "bids": [LEVEL], "asks": [LEVEL], "ltp": float, "ltq": int, "open": float, "high": float,
        "low": float, "prev_close": float, "volume": int, "oi": int, "totalbuyqty": int,
        "totalsellqty": int,
    }),
    "intervals": reply({
        "seconds": [], "minutes": [str], "hours": [str], "days": [str], "weeks": [], "months": [],
    }),
    "symbol": reply(RECORD),
    "search": reply([RECORD]),
    "expiry": reply([str]),
    "holidays": reply([{
        "date": str, "description": str, "holiday_type": str, "closed_exchanges": [str],
        "open_exchanges": [],
    }]),
    "timings": reply([{"exchange": str, "start_time": int, "end_time": int}]),
    "analyzerstatus": reply({"analyze_mode": bool, "mode": str, "total_logs": int}),
}  # fmt: skip
ANALYZER = _COMMON | {
    "placeorder": {"orderid": str, "status": str} | MODE,
    "modifyorder": DONE | MODE,
    "cancelorder": DONE | MODE,
    "orderstatus": reply(ONE_ORDER) | MODE,
    "openposition": {"quantity": int, "status": str} | MODE,
    "orderbook": reply(
        {"orders": [ORDER], "statistics": STATISTICS | {"total_trigger_pending_orders": int}}
    ) | MODE,
    "tradebook": reply([TRADE]) | MODE,
    "positionbook": reply(
        [POSITION], total_pnl=float, total_unrealized_pnl=float, total_today_realized_pnl=float,
        total_pnl_today=float,
    ) | MODE,
    "funds": reply(FUNDS) | MODE,
}  # fmt: skip
LIVE = _COMMON | {
    "placeorder": {"orderid": str, "status": str},
    "modifyorder": DONE,
    "cancelorder": DONE,
    "orderstatus": reply(LIVE_ORDER | {"average_price": float}),
    "openposition": {"quantity": str, "status": str},
    "orderbook": reply({"orders": [LIVE_ORDER], "statistics": STATISTICS}),
    "tradebook": reply([without(TRADE, "price", "tradeid", "strategy")]),
    "positionbook": reply([LIVE_POSITION | {"average_price": str}]),
    "funds": reply(dict.fromkeys(MONEY, str)),
}
