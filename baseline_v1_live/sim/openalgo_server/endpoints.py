"""The account, data and reference endpoints: books, quotes, bars and records from the venue."""

from __future__ import annotations

import datetime as dt
from typing import Any

from baseline_v1_live.core.session import at_ist, ist_date
from baseline_v1_live.sim.contract_table import SESSION_OPEN
from baseline_v1_live.sim.openalgo_server import reference, rows
from baseline_v1_live.sim.openalgo_server.market import Instrument, bars_of
from baseline_v1_live.sim.openalgo_server.orders import Answer, Handler
from baseline_v1_live.sim.openalgo_server.venue import RefusedError, Venue

CAPITAL_PAISE = 1_000_000_000  # the sandbox's one crore of rupees
# What a short option blocks at a broker, of its notional: our round figures, not an exchange's.
SPAN_SHARE = 0.09
EXPOSURE_SHARE = 0.02
_MINUTES = {
    "1m": 1, "2m": 2, "3m": 3, "5m": 5, "10m": 10, "15m": 15, "20m": 20, "30m": 30,
    "1h": 60, "2h": 120, "3h": 180, "4h": 240,
}  # fmt: skip


def _success(data: Any) -> Answer:
    return 200, {"data": data, "status": "success"}


def ping(venue: Venue, _: dict[str, Any]) -> Answer:
    """Says pong, and never asks the broker."""
    return _success({"broker": venue.profile.broker, "message": "pong"})


def analyzer(venue: Venue, _: dict[str, Any]) -> Answer:
    """Whether the analyzer is on."""
    return _success(_analyzer_state(venue))


def analyzer_toggle(venue: Venue, body: dict[str, Any]) -> Answer:
    """Switch the analyzer for every client. Books are shared, where the gateway keeps two sets."""
    venue.analyze = body["mode"]
    state = "analyze" if venue.analyze else "live"
    return _success(_analyzer_state(venue) | {"message": f"Analyzer mode switched to {state}"})


def _analyzer_state(venue: Venue) -> dict[str, Any]:
    mode = "analyze" if venue.analyze else "live"
    return {"analyze_mode": venue.analyze, "mode": mode, "total_logs": 0}


def funds(venue: Venue, _: dict[str, Any]) -> Answer:
    """Cash and profit: numbers in the analyzer, text from a live broker."""
    held = venue.books.positions.values()
    realised = sum(position.realised_paise for position in held) / 100
    unrealised = sum(
        position.unrealised(venue.market.by_symbol[position.symbol].ltp)
        for position in held
        if position.quantity
    )
    # As in the sandbox, an option blocks its premium on either side, an order that reduces nothing.
    blocked = sum(position.cost_paise for position in held) / 100
    blocked += sum(
        order.remaining * (order.price_paise or order.reference_paise) / 100
        for order in venue.books.orders.values()
        if order.remaining and not rows.reduces(venue.books, order)
    )
    money = {
        "availablecash": round(CAPITAL_PAISE / 100 + realised - blocked, 2),
        "collateral": 0.0,
        "m2mrealized": round(realised, 2),
        "m2munrealized": round(unrealised, 2),
        "utiliseddebits": round(blocked, 2),
    }
    if not venue.analyze:
        return _success({name: f"{value:.2f}" for name, value in money.items()})
    return _success(
        money
        | {
            "today_realized_pnl": money["m2mrealized"],
            "total_realized_pnl": money["m2mrealized"],
            "totalpnl": round(realised + unrealised, 2),
            "grossexposure": money["utiliseddebits"],
            "last_reset": rows.stamp(at_ist(venue.day.date, dt.time(0, 0))),
            "reset_count": 0,
        }
    )


def margin(venue: Venue, body: dict[str, Any]) -> Answer:
    """The broker's calculator: premium for a BUY, shares of the notional for a SELL."""
    span = exposure = premium = 0.0
    for row in body["positions"]:
        instrument = venue.market.find(row["symbol"], row["exchange"])
        if instrument is None or instrument.contract is None:
            raise RefusedError(400, f"Symbol {row['symbol']} not found on {row['exchange']}")
        try:
            quantity, price = int(row["quantity"]), float(row["price"])
        except ValueError:
            raise RefusedError(400, "Quantity and price must be valid numbers") from None
        if row["action"].upper() == "BUY":
            premium += quantity * (price or instrument.ltp / 100)
        else:
            notional = quantity * instrument.contract.strike_paise / 100
            span += notional * SPAN_SHARE
            exposure += notional * EXPOSURE_SHARE
    return _success(
        {
            "total_margin_required": round(span + exposure + premium, 2),
            "span_margin": round(span, 2),
            "exposure_margin": round(exposure, 2),
        }
    )


def orderbook(venue: Venue, _: dict[str, Any]) -> Answer:
    """All orders of the day."""
    orders = rows.order_rows(venue)
    statistics = rows.order_statistics(orders)
    if not venue.analyze:
        del statistics["total_trigger_pending_orders"]
    return _success({"orders": orders, "statistics": statistics})


def tradebook(venue: Venue, _: dict[str, Any]) -> Answer:
    """All trades of the day."""
    return _success(rows.trade_rows(venue.books, venue.analyze))


def positionbook(venue: Venue, _: dict[str, Any]) -> Answer:
    """Positions; flat ones stay as rows of quantity 0."""
    made = [
        rows.position_row(position, venue.market.by_symbol[position.symbol].ltp, venue)
        for position in venue.books.positions.values()
    ]
    status, body = _success(made)
    if venue.analyze:
        realised = round(sum(row["today_realized_pnl"] for row in made), 2)
        unrealised = round(sum(row["unrealized_pnl"] for row in made if row["quantity"]), 2)
        body |= {
            "total_pnl": round(realised + unrealised, 2),
            "total_unrealized_pnl": unrealised,
            "total_today_realized_pnl": realised,
            "total_pnl_today": round(realised + unrealised, 2),
        }
    return status, body


def _instrument(venue: Venue, body: dict[str, Any], status: int = 400) -> Instrument:
    found = venue.market.find(body["symbol"], body["exchange"])
    if found is None:
        raise RefusedError(
            status, f"Symbol '{body['symbol']}' not found for exchange '{body['exchange']}'"
        )
    return found


def quotes(venue: Venue, body: dict[str, Any]) -> Answer:
    """One quote; the index has no bid and ask."""
    return _success(rows.quote(_instrument(venue, body)))


def multiquotes(venue: Venue, body: dict[str, Any]) -> Answer:
    """Many quotes under ``results``, unknown symbols first; 400 when all are unknown."""
    bad: list[dict[str, Any]] = []
    good: list[dict[str, Any]] = []
    for row in body["symbols"]:
        try:
            good.append(row | {"data": rows.quote(_instrument(venue, row))})
        except RefusedError as refusal:
            bad.append(row | {"error": refusal.message})
    if not good:
        raise RefusedError(400, "No valid symbols found")
    return 200, {"results": bad + good, "status": "success"}


def depth(venue: Venue, body: dict[str, Any]) -> Answer:
    """Five levels of which the tape knows the best."""
    return _success(rows.depth(_instrument(venue, body)))


def history(venue: Venue, body: dict[str, Any]) -> Answer:
    """Bars of the tape so far, the forming one included; the tape is one day long."""
    instrument = _instrument(venue, body)
    date = venue.day.date
    if not body["start_date"] <= date.isoformat() <= body["end_date"]:
        return _success([])
    if body["interval"] == "D":
        made = bars_of(instrument, 24 * 60, at_ist(date, SESSION_OPEN))
    elif body["interval"] in _MINUTES:
        open_ms = at_ist(date, SESSION_OPEN)
        made = bars_of(instrument, _MINUTES[body["interval"]], open_ms)
    else:
        raise RefusedError(500, f"Unsupported interval: {body['interval']}")
    daily = reference.midnight_s(date) if body["interval"] == "D" else None
    return _success(
        [
            {
                "timestamp": daily or bar.minute_ms // 1000,
                "open": bar.open / 100,
                "high": bar.high / 100,
                "low": bar.low / 100,
                "close": bar.close / 100,
                "volume": bar.volume,
                "oi": 0,
            }
            for bar in made
        ]
    )


def intervals(_: Venue, __: dict[str, Any]) -> Answer:
    """What history takes, by unit."""
    made = {
        "seconds": [],
        "minutes": [name for name in _MINUTES if name.endswith("m")],
        "hours": [name for name in _MINUTES if name.endswith("h")],
        "days": ["D"],
        "weeks": [],
        "months": [],
    }
    return _success(made)


def expiry(venue: Venue, body: dict[str, Any]) -> Answer:
    """Expiry dates with dashes; none for an unknown underlying."""
    dates = reference.expiries(venue.market, body["symbol"], body["instrumenttype"])
    return _success(dates if body["exchange"] == "NFO" else [])


def symbol(venue: Venue, body: dict[str, Any]) -> Answer:
    """A contract's record."""
    return _success(reference.contract_record(_instrument(venue, body, 404)))


def search(venue: Venue, body: dict[str, Any]) -> Answer:
    """Contract records by words of their names."""
    return _success(reference.search(venue.market, body["query"], body.get("exchange")))


def holidays(venue: Venue, body: dict[str, Any]) -> Answer:
    """Holidays of a year, of the simulated one by default."""
    year = body.get("year") or ist_date(venue.now_ms).year
    return _success(reference.holidays(year, venue.day.date))


def timings(venue: Venue, body: dict[str, Any]) -> Answer:
    """Session times of a date."""
    try:
        date = dt.date.fromisoformat(body["date"])
    except ValueError:
        raise RefusedError(400, "Invalid date format. Use YYYY-MM-DD") from None
    return _success(reference.timings(date, venue.day.date))


# These carry "mode" in analyzer mode, and so do their errors.
ACCOUNT_HANDLERS: dict[str, Handler] = {
    "funds": funds,
    "orderbook": orderbook,
    "tradebook": tradebook,
    "positionbook": positionbook,
}
DATA_HANDLERS: dict[str, Handler] = {
    "ping": ping,
    "analyzer": analyzer,
    "analyzer/toggle": analyzer_toggle,
    "margin": margin,
    "quotes": quotes,
    "multiquotes": multiquotes,
    "depth": depth,
    "history": history,
    "intervals": intervals,
    "expiry": expiry,
    "symbol": symbol,
    "search": search,
    "market/holidays": holidays,
    "market/timings": timings,
}
