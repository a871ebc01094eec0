"""Books with odd rows: what is certainly not ours spoils nothing, what may be ours spoils everything."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from baseline_v1_live.adapters.openalgo.broker import OpenAlgoBroker
from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.wire.owners import Owner, always_ours, owner_by
from baseline_v1_live.core.messages import (
    Event,
    OrderUpdated,
    OutcomeUnknown,
    SnapshotFailed,
    SnapshotTaken,
    TakeSnapshot,
)
from tests.adapters.openalgo.client_desk import OK, QUERY, run
from tests.adapters.openalgo.gateway import Gateway
from tests.harness_market import make_contract

OURS = "NIFTY23NOV2626000CE"
CONTRACTS = {
    symbol: make_contract(symbol) for symbol in (OURS, "NIFTY23NOV2625000PE", "NIFTY23NOV2627000CE")
}
OUTSIDE = "NIFTY23NOV2631000CE"  # of our underlying and expiry, beyond the day's strikes
ORDER = {
    "orderid": "7", "symbol": OURS, "exchange": "NFO", "action": "BUY", "quantity": 65,
    "price": 133.1, "trigger_price": 130.05, "pricetype": "SL", "product": "MIS",
    "order_status": "trigger pending",
}  # fmt: skip
TRADE = {
    "orderid": "6", "symbol": OURS, "exchange": "NFO", "action": "SELL", "quantity": 65,
    "average_price": 130.05, "product": "MIS",
}  # fmt: skip
POSITION = {"symbol": OURS, "exchange": "NFO", "product": "MIS", "quantity": -65}
WHOLE = {"orderbook": [ORDER], "tradebook": [TRADE], "positionbook": [POSITION]}
LOOK = TakeSnapshot(reason="test")


def script(server: Gateway, odd: dict[str, dict[str, Any]]) -> None:
    """The three books, each with its odd row in front where there is one."""
    for book, rows in WHOLE.items():
        row = [odd[book]] if book in odd else []
        server.say(book, (200, {**OK, "data": [*row, *rows]}))


def look(odd: dict[str, dict[str, Any]], *, knowing: bool = True) -> Event:
    """What the core hears of books with these odd rows."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> Event:
        script(server, odd)
        if knowing:
            client.know("NIFTY", CONTRACTS)
        broker = OpenAlgoBroker(client, lambda _: None, lambda _: None)
        return await broker.send(LOOK)

    return run(scenario)


# What a row of another order may have that cannot be read, by book.
ODD = [
    ("orderbook", ORDER | {"orderid": "9", "price": "abc"}),
    ("orderbook", ORDER | {"orderid": "9", "quantity": None}),
    ("orderbook", ORDER | {"orderid": None}),
    ("orderbook", ORDER | {"orderid": "9", "action": "HOLD"}),
    ("tradebook", TRADE | {"orderid": "9", "average_price": "at market"}),
    ("tradebook", TRADE | {"orderid": "9", "quantity": None}),
    ("positionbook", POSITION | {"quantity": None}),
    ("positionbook", POSITION | {"quantity": "65 lots", "product": "BO"}),
]


@pytest.mark.parametrize(("book", "row"), ODD)
@pytest.mark.parametrize(
    "symbol", ["BANKNIFTY24NOV2658000PE", "M&M24NOV26FUT", "NIFTYNXT5024NOV2665000CE", OUTSIDE]
)
def test_a_row_of_somebody_else_that_cannot_be_read_is_left_out(
    book: str, row: dict[str, Any], symbol: str
) -> None:
    """Whatever is wrong with it; our own rows of that book and of the others are all there."""
    event = look({book: row | {"symbol": symbol}})

    assert isinstance(event, SnapshotTaken)
    assert [row.symbol for row in event.orders] == [OURS]
    assert [row.symbol for row in event.trades] == [OURS]
    assert [(row.symbol, row.net_quantity) for row in event.positions] == [(OURS, -65)]


@pytest.mark.parametrize(("book", "row"), ODD)
@pytest.mark.parametrize("symbol", [OURS, None, "", "NIFTY 23NOV26 26000 CE", "NIFTY26N2326000CE"])
def test_a_row_that_may_be_ours_keeps_the_books_unread(
    book: str, row: dict[str, Any], symbol: str | None
) -> None:
    """Of one of our contracts, of no symbol at all, or under a name that may be one of ours."""
    assert isinstance(look({book: row | {"symbol": symbol}}), SnapshotFailed)


@pytest.mark.parametrize(("book", "row"), ODD)
def test_who_does_not_know_what_is_traded_leaves_nothing_out(
    book: str, row: dict[str, Any]
) -> None:
    """Until the day's contracts are known, any hole is one."""
    row = row | {"symbol": "BANKNIFTY24NOV2658000PE"}

    assert isinstance(look({book: row}, knowing=False), SnapshotFailed)


@pytest.mark.parametrize(("book", "rows"), WHOLE.items())
def test_our_own_row_under_the_brokers_name_is_not_our_absence(
    book: str, rows: list[dict[str, Any]]
) -> None:
    """The gateway reloads its contracts and passes the broker's names on: our short seems to be gone.

    Read as it stands, the short would count as closed by somebody else, and its stop be taken out.
    """
    assert isinstance(look({book: rows[0] | {"symbol": "NIFTY26N2326000CE"}}), SnapshotFailed)


@pytest.mark.parametrize("symbol", [OUTSIDE, "BANKNIFTY24NOV2658000PE", "NIFTY24NOV26FUT", "M & M"])
def test_what_somebody_else_holds_and_can_be_read_is_passed_on(symbol: str) -> None:
    """The core says that it is not ours; nothing that can be read is hidden from it."""
    event = look({"positionbook": POSITION | {"symbol": symbol, "quantity": -130}})

    assert isinstance(event, SnapshotTaken)
    assert {row.symbol: row.net_quantity for row in event.positions} == {symbol: -130, OURS: -65}


def test_what_is_left_out_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """One line a row, however often the books are read and whatever else in the row moves."""
    caplog.set_level(logging.WARNING, "baseline_v1_live.adapters.openalgo.client")

    async def scenario(server: Gateway, client: OpenAlgoClient) -> None:
        client.know("NIFTY", CONTRACTS)
        broker = OpenAlgoBroker(client, lambda _: None, lambda _: None)
        for ltp in (1, 2, 3):
            odd = POSITION | {"symbol": OUTSIDE, "quantity": None, "ltp": ltp}
            script(server, {"positionbook": odd})
            assert isinstance(await broker.send(LOOK), SnapshotTaken)

    run(scenario)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("symbol", "proves"), [("BANKNIFTY24NOV2658000PE", True), (OURS, False)])
def test_an_odd_trade_of_somebody_else_keeps_no_proof_back(symbol: str, proves: bool) -> None:
    """An order's end is proven by the trade book: a hole in it counts only where it may be ours."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> Event:
        script(server, {"tradebook": TRADE | {"symbol": symbol, "orderid": "9", "quantity": None}})
        server.say("orderstatus", (200, {**OK, "data": ORDER}))
        client.know("NIFTY", CONTRACTS)
        return await client.query(QUERY)

    event = run(scenario)
    assert isinstance(event, OrderUpdated) is proves
    assert isinstance(event, OutcomeUnknown) is not proves


@pytest.mark.parametrize(
    ("symbol", "owner"),
    [
        (OURS, Owner.OURS),
        (OUTSIDE, Owner.OTHERS),
        ("NIFTY30NOV2626000CE", Owner.OTHERS),
        ("NIFTY23NOV2626000PE", Owner.OTHERS),
        ("NIFTY23NOV2626025.5CE", Owner.OTHERS),
        ("NIFTY24NOV26FUT", Owner.OTHERS),
        ("NIFTY26NOVFUT", Owner.OTHERS),
        ("BANKNIFTY24NOV2658000PE", Owner.OTHERS),
        ("NIFTYNXT5024NOV2665000CE", Owner.OTHERS),
        ("BAJAJ-AUTO24NOV269000CE", Owner.OTHERS),
        ("VEDL24NOV26292.5CE", Owner.OTHERS),
        ("RELIANCE 24 NOV 1500 CE", Owner.OTHERS),
        ("nifty23nov2626000ce", Owner.UNCLEAR),
        ("NIFTY 23NOV26 26000 CE", Owner.UNCLEAR),
        ("NIFTY26N2326000CE", Owner.UNCLEAR),
        ("NIFTY23NOV26C26000", Owner.UNCLEAR),
        ("NIFTY-Nov2026-26000-CE", Owner.UNCLEAR),
        ("NIFTY23XYZ2626000CE", Owner.UNCLEAR),
        ("NIFTY26NOV26000CE", Owner.UNCLEAR),
        ("NIFTY26NOV26100CE", Owner.UNCLEAR),
        ("BANKNIFTY26N2458000PE", Owner.UNCLEAR),
        ("NIFTY23NOV26" + "9" * 40 + "CE", Owner.UNCLEAR),
    ],
)
def test_whose_a_symbol_is(symbol: str, owner: Owner) -> None:
    """Another's for certain, or a name that could stand for one of ours, whichever broker wrote it."""
    assert owner_by("NIFTY", CONTRACTS)(symbol) is owner
    assert always_ours(symbol) is Owner.OURS
    named = Owner.OURS if "NIFTY" in symbol.upper() else Owner.OTHERS
    assert owner_by("NIFTY", {})(symbol) is named
