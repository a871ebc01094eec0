"""Prices, bars, contracts, money and calendar as the gateway writes them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from baseline_v1_live.adapters.openalgo.wire import data
from baseline_v1_live.adapters.openalgo.wire.data import Funds, Quotes, SessionHours
from baseline_v1_live.adapters.openalgo.wire.values import (
    Failure,
    Mode,
    Reply,
    Unreadable,
    parse_reply,
)
from baseline_v1_live.core.instruments import Contract, OptionType
from baseline_v1_live.core.messages import Bar, Tick
from baseline_v1_live.core.session import MINUTE_MS, at_ist

SYMBOL = "NIFTY23NOV2626000CE"
DATE = dt.date(2026, 11, 23)
OPEN_MS = at_ist(DATE, dt.time(9, 15))
QUOTE = {
    "ask": 130.1, "bid": 130.0, "high": 140, "low": 120, "ltp": 130.05, "oi": 5, "open": 125,
    "prev_close": 122, "volume": 65000,
}  # fmt: skip
RECORD = {
    "symbol": SYMBOL, "brsymbol": "x", "name": "NIFTY", "exchange": "NFO", "token": "1",
    "expiry": "23-NOV-26", "strike": 26000.0, "lotsize": 65, "tick_size": 0.05,
    "freeze_qty": 1800, "instrumenttype": "CE",
}  # fmt: skip


def _ok(content: Any, key: str = "data") -> Reply:
    return parse_reply(200, msgspec.json.encode({"status": "success", key: content}))


def test_a_quote_is_a_tick() -> None:
    """Exact paise; the endpoint tells no sizes and no time."""
    assert data.quotes(_ok(QUOTE), SYMBOL) == Tick(
        symbol=SYMBOL, ltp_paise=13005, bid_paise=13000, ask_paise=13010, volume=65000
    )


def test_an_index_has_no_bid_and_ask() -> None:
    """The gateway writes zero for none."""
    tick = data.quotes(_ok(QUOTE | {"bid": 0, "ask": 0}), "NIFTY")

    assert isinstance(tick, Tick)
    assert tick.bid_paise is None
    assert tick.ask_paise is None


@pytest.mark.parametrize("ltp", [0, -1, None, "NaN", "x", 1e18, True])
def test_a_quote_without_a_price_is_unreadable(ltp: Any) -> None:
    """Zero, negative, absurd or missing prices are no prices."""
    assert isinstance(data.quotes(_ok(QUOTE | {"ltp": ltp}), SYMBOL), Unreadable)


def test_several_quotes_say_which_failed() -> None:
    """The whole answer says success even when single symbols, or all of them, failed."""
    rows = [
        {"symbol": "BAD", "exchange": "NFO", "error": "unknown"},
        {"symbol": SYMBOL, "exchange": "NFO", "data": QUOTE},
        {"symbol": "DRY", "exchange": "NFO", "data": QUOTE | {"ltp": 0}},
    ]

    read = data.multiquotes(_ok(rows, "results"))

    assert isinstance(read, Quotes)
    assert [tick.symbol for tick in read.ticks] == [SYMBOL]
    assert set(read.refused) == {"BAD", "DRY"}
    assert isinstance(data.multiquotes(_ok([{}], "results")), Unreadable)


def _bar(minute: int, **change: Any) -> dict[str, Any]:
    row = {
        "timestamp": OPEN_MS // 1000 + 60 * minute, "open": 100.05, "high": 101, "low": 99,
        "close": 100, "volume": 650, "oi": 1,
    }  # fmt: skip
    return row | change


def test_history_leaves_out_the_bar_that_still_forms() -> None:
    """Only bars whose minute is over; oldest first, whatever order they come in."""
    rows = [_bar(1), _bar(0), _bar(2)]

    bars = data.history(_ok(rows), OPEN_MS + 3 * MINUTE_MS - 1)

    assert not isinstance(bars, Unreadable)
    assert [bar.minute_ms for bar in bars] == [OPEN_MS, OPEN_MS + MINUTE_MS]
    assert bars[0] == Bar(OPEN_MS, 10005, 10100, 9900, 10000, 650)
    assert len(data.history(_ok(rows), OPEN_MS + 3 * MINUTE_MS)) == 3  # type: ignore[arg-type]
    assert data.history(_ok([]), OPEN_MS) == ()


@pytest.mark.parametrize(
    "row",
    [
        _bar(0, open=0),
        _bar(0, low=100.5),
        _bar(0, high=None),
        _bar(0, volume=-1),
        _bar(0, timestamp="x"),
        1,
    ],
)
def test_a_bar_that_cannot_be_spoils_the_history(row: Any) -> None:
    """A hole in the bars is a wrong swing: the symbol's history is asked for again."""
    assert isinstance(data.history(_ok([_bar(1), row]), OPEN_MS + 9 * MINUTE_MS), Unreadable)


def test_a_contract() -> None:
    """Lot, tick and freeze quantity come from the gateway's own record."""
    expected = Contract(
        symbol=SYMBOL,
        underlying="NIFTY",
        expiry=DATE,
        strike_paise=2600000,
        option_type=OptionType.CE,
        lot_size=65,
        tick_paise=5,
        freeze_quantity=1800,
    )
    assert data.contract(_ok(RECORD), SYMBOL) == expected
    texts = {"lotsize": "65", "tick_size": "0.05", "strike": "26000"}
    assert data.contract(_ok(RECORD | texts), SYMBOL) == expected


def test_a_freeze_quantity_of_one_is_not_known() -> None:
    """The gateway writes 1 where it has none; the default stays."""
    read = data.contract(_ok(RECORD | {"freeze_qty": 1}), SYMBOL)

    assert isinstance(read, Contract)
    assert read.freeze_quantity == 1800


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "OTHER"}, {"expiry": "24-NOV-26"}, {"strike": 26050}, {"lotsize": 0},
        {"lotsize": None}, {"tick_size": 0}, {"expiry": None},
    ],
)  # fmt: skip
def test_a_contract_that_contradicts_its_symbol_is_unreadable(change: dict[str, Any]) -> None:
    """A wrong lot or expiry would make wrong orders."""
    assert isinstance(data.contract(_ok(RECORD | change), SYMBOL), Unreadable)


def test_expiry_dates() -> None:
    """Sorted, from text with dashes; one unreadable date spoils the list; unknown names have none."""
    assert data.expiries(_ok(["01-DEC-26", "23-NOV-26"])) == (DATE, dt.date(2026, 12, 1))
    assert data.expiries(_ok([])) == ()
    assert isinstance(data.expiries(_ok(["23-NOV-26", "soon"])), Unreadable)


def test_money() -> None:
    """Numbers in the sandbox, text from a broker."""
    sandbox = {"availablecash": 10000000.5, "utiliseddebits": 0}
    broker = {"availablecash": "10000000.50", "utiliseddebits": "0.00"}
    assert data.funds(_ok(sandbox)) == data.funds(_ok(broker)) == Funds(1000000050, 0, Mode.LIVE)
    assert data.margin(_ok({"total_margin_required": 123456.7})) == 12345670


def test_the_gateways_mode() -> None:
    """Only a true or false is an answer."""
    assert data.analyzer(_ok({"analyze_mode": True, "mode": "analyze"})) is Mode.ANALYZE
    assert data.analyzer(_ok({"analyze_mode": False, "mode": "live"})) is Mode.LIVE
    assert isinstance(data.analyzer(_ok({"analyze_mode": "yes"})), Unreadable)
    assert data.ping(_ok({"broker": "zerodha", "message": "pong"})) == "zerodha"


def test_trading_hours() -> None:
    """Ours of the day; on a holiday other exchanges are open and ours is not."""
    crypto = {"exchange": "CRYPTO", "start_time": OPEN_MS, "end_time": OPEN_MS + 1}
    ours = {"exchange": "NFO", "start_time": OPEN_MS, "end_time": OPEN_MS + 385 * MINUTE_MS}
    assert data.timings(_ok([crypto, ours])) == SessionHours(
        "NFO", OPEN_MS, at_ist(DATE, dt.time(15, 40))
    )
    assert data.timings(_ok([crypto])) is None
    assert isinstance(data.timings(_ok([{"exchange": "NFO"}])), Unreadable)


def test_holidays() -> None:
    """Days with what is closed, and the special sessions held in spite of it."""
    session = {"exchange": "NFO", "start_time": OPEN_MS, "end_time": OPEN_MS + MINUTE_MS}
    rows = [
        {"date": "2026-11-24", "description": "Gurpurb", "holiday_type": "TRADING_HOLIDAY",
         "closed_exchanges": ["NSE", "NFO"], "open_exchanges": []},
        {"date": "2026-11-08", "description": "Muhurat", "holiday_type": "SPECIAL_SESSION",
         "closed_exchanges": [], "open_exchanges": [session]},
    ]  # fmt: skip

    read = data.holidays(_ok(rows))

    assert not isinstance(read, Unreadable)
    assert [day.date.day for day in read] == [8, 24]
    assert read[0].sessions[0].exchange == "NFO"
    assert read[1].closed == ("NSE", "NFO")
    assert isinstance(data.holidays(_ok([{"date": "soon"}])), Unreadable)


READERS: list[Callable[[Reply], object]] = [
    lambda reply: data.quotes(reply, SYMBOL),
    data.multiquotes,
    lambda reply: data.history(reply, OPEN_MS),
    lambda reply: data.contract(reply, SYMBOL),
    data.expiries,
    data.funds,
    data.margin,
    data.analyzer,
    data.ping,
    data.timings,
    data.holidays,
]
BROKEN = [
    Reply(failure=Failure.RESET),
    parse_reply(500, '{"status":"error","message":"raw broker text"}'),
    parse_reply(200, '{"status":"error","message":"no"}'),
    parse_reply(200, '{"status":"success"}'),
    parse_reply(200, '{"status":"success","data":null,"results":7}'),
    parse_reply(200, '{"status":"success","data":"text"}'),
    parse_reply(200, "<html>"),
    parse_reply(429, '{"message":"50 per 1 second"}'),
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("reply", BROKEN)
def test_a_broken_answer_is_unreadable_and_raises_nothing(
    reader: Callable[[Reply], object], reply: Reply
) -> None:
    """Every reader meets every breakage with a value."""
    assert isinstance(reader(reply), Unreadable)
