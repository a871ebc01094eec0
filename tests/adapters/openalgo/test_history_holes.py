"""Bars that cannot be read: which of them matter, and to whom."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from baseline_v1_live.adapters.openalgo.broker import OpenAlgoPrices
from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.core.messages import BarsLoaded, Event, HistoryFailed, LoadHistory
from baseline_v1_live.core.session import MINUTE_MS, make_session
from tests.adapters.openalgo.client_desk import DATE, OK, SYMBOL, run
from tests.adapters.openalgo.gateway import Gateway

SESSION = make_session(
    DATE,
    open_time=dt.time(9, 15),
    close_time=dt.time(15, 40),
    first_entry=dt.time(9, 16),
    last_entry=dt.time(15, 0),
    force_exit=dt.time(15, 15),
    broker_cutoff=None,
)
OPEN_MS = SESSION.open_ms
NO_PRICES = {"open": 0, "high": 0, "low": 0, "close": 0}
OTHER = "NIFTY23NOV2626100CE"


def row(minute: int, **change: Any) -> dict[str, Any]:
    """The bar of a minute after the open; 45 is the one that still forms."""
    at_s = (OPEN_MS + minute * MINUTE_MS) // 1000
    prices = {"open": 130, "high": 131, "low": 129, "close": 130.5}
    return {"timestamp": at_s, **prices, "volume": 650, **change}


def loaded(*rows: Any) -> Event | None:
    return all_loaded({SYMBOL: list(rows)})[SYMBOL]


def all_loaded(rows: dict[str, list[Any]]) -> dict[str, Event | None]:
    """What the core hears when it asks for the history of these symbols, one after the other."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> dict[str, Event | None]:
        server.say("history", (200, lambda body: {**OK, "data": rows[body["symbol"]]}))
        prices = OpenAlgoPrices(client, SESSION, lambda _: None)
        return {symbol: await prices.ask(LoadHistory(symbol=symbol)) for symbol in rows}

    return run(scenario)


def minutes(event: Event | None) -> list[int]:
    assert isinstance(event, BarsLoaded)
    return [(bar.minute_ms - OPEN_MS) // MINUTE_MS for bar in event.bars]


@pytest.mark.parametrize(
    "change",
    [
        NO_PRICES | {"volume": 0},
        dict.fromkeys(NO_PRICES) | {"volume": 0},
        dict.fromkeys(NO_PRICES, "0.0") | {"volume": "0"},
    ],
)
def test_a_row_without_price_and_volume_is_a_minute_without_trade(change: dict[str, Any]) -> None:
    """A minute without a trade makes no bar, whatever the gateway fills it with."""
    assert minutes(loaded(row(0), row(1, **change), row(2))) == [0, 2]


@pytest.mark.parametrize("minute", [-1440, -8, 45, 46, 400])
@pytest.mark.parametrize("change", [NO_PRICES, {"high": None}, {"volume": "many"}])
def test_bars_that_are_not_asked_for_may_hold_anything(minute: int, change: dict[str, Any]) -> None:
    """The day before's, the pre-open's, the one that forms, and those after the close."""
    assert minutes(loaded(row(minute, **change), row(0), row(1))) == [0, 1]


@pytest.mark.parametrize(
    "change",
    [
        NO_PRICES,
        NO_PRICES | {"volume": None},
        {"open": 0},
        {"low": 130.2},
        {"close": None},
        {"volume": -1},
    ],
)
def test_a_hole_in_the_session_is_named(change: dict[str, Any]) -> None:
    """It may hide a swing and its volume: the symbol has no history yet, and the minute is told."""
    event = loaded(row(0), row(1, **change), row(2))

    assert isinstance(event, HistoryFailed)
    assert "09:16" in event.message


@pytest.mark.parametrize("broken", [row(1, timestamp="x"), row(1, timestamp=None), 7, None])
def test_a_bar_of_no_known_minute_is_a_hole(broken: Any) -> None:
    """Nobody can say that it is not of the session."""
    assert isinstance(loaded(row(0), broken), HistoryFailed)


def test_a_hole_concerns_its_own_symbol_only() -> None:
    """The next one is asked for and read as ever."""
    events = all_loaded({SYMBOL: [row(0), row(1, open=0)], OTHER: [row(0), row(1)]})

    failed = events[SYMBOL]
    assert isinstance(failed, HistoryFailed)
    assert failed.symbol == SYMBOL
    assert minutes(events[OTHER]) == [0, 1]
