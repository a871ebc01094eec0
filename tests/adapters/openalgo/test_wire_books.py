"""Books in every dialect; what cannot be read is an error and never an empty book."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest

from baseline_v1_live.adapters.openalgo.wire.books import (
    Book,
    OrderRow,
    SnapshotRead,
    order_book,
    order_status,
    position_book,
    snapshot,
    status_of,
    trade_book,
)
from baseline_v1_live.adapters.openalgo.wire.values import (
    Failure,
    Mode,
    Reply,
    Unreadable,
    instant_of,
    parse_reply,
)
from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerPosition,
    BrokerStatus,
    BrokerTrade,
    OrderType,
    Side,
)
from baseline_v1_live.core.session import at_ist

SYMBOL = "NIFTY23NOV2626000CE"
TODAY = dt.date(2026, 11, 23)
AT_MS = at_ist(TODAY, dt.time(13, 58, 3))
ANALYZER_ORDER = {
    "orderid": "26112375565833", "symbol": SYMBOL, "exchange": "NFO", "action": "BUY",
    "quantity": 65, "price": 133.1, "trigger_price": 130.05, "pricetype": "SL", "product": "MIS",
    "order_status": "trigger pending", "average_price": 0.0, "filled_quantity": 0,
    "pending_quantity": 65, "rejection_reason": "", "timestamp": "2026-11-23 13:58:03",
    "strategy": "baseline_v1",
}  # fmt: skip
LIVE_ORDER = {
    "orderid": "26112375565833", "symbol": SYMBOL, "exchange": "NFO", "action": "BUY",
    "quantity": "65", "price": "133.10", "trigger_price": "130.05", "price_type": "SL",
    "product": "MIS", "order_status": "trigger pending", "timestamp": "23-Nov-2026 13:58:03",
}  # fmt: skip
ORDER = BrokerOrder(
    broker_order_id="26112375565833",
    symbol=SYMBOL,
    side=Side.BUY,
    order_type=OrderType.SL,
    quantity=65,
    trigger_price_paise=13005,
    limit_price_paise=13310,
    status=BrokerStatus.TRIGGER_PENDING,
    placed_at_ms=AT_MS,
)
TRADE = {
    "action": "SELL", "average_price": 130.05, "exchange": "NFO", "orderid": "7", "product": "MIS",
    "quantity": 65, "symbol": SYMBOL, "timestamp": "13:58:03", "trade_value": 8453.25,
}  # fmt: skip
POSITION = {
    "symbol": SYMBOL, "exchange": "NFO", "product": "MIS", "quantity": -65,
    "average_price": "130.05", "ltp": 120, "pnl": 653.25,
}  # fmt: skip


def _ok(data: Any, **more: Any) -> Reply:
    return parse_reply(200, msgspec.json.encode({"status": "success", "data": data, **more}))


def _orders(*rows: Any, **more: Any) -> Reply:
    return _ok({"orders": list(rows), "statistics": {}}, **more)


@pytest.mark.parametrize("row", [ANALYZER_ORDER, LIVE_ORDER])
def test_an_order_reads_alike_in_both_dialects(row: dict[str, Any]) -> None:
    """Numbers or text, either name of the price type, fields that live rows do not have."""
    read = order_book(_orders(row), TODAY)

    assert isinstance(read, Book)
    assert read.rows == (ORDER,)


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2026-11-23 13:58:03", AT_MS),
        ("2026-11-23T13:58:03", AT_MS),
        ("2026-11-23 13:58:03.250", AT_MS),
        ("2026-11-23T13:58:03+05:30", AT_MS),
        ("2026-11-23T08:28:03Z", AT_MS),
        ("23-Nov-2026 13:58:03", AT_MS),
        ("23-NOV-2026 13:58:03", AT_MS),
        ("23-11-2026 13:58:03", AT_MS),
        ("23/11/2026 13:58:03", AT_MS),
        ("13:58:03 23-11-2026", AT_MS),
        ("13:58:03", AT_MS),
        (AT_MS, AT_MS),
        (AT_MS // 1000, AT_MS),
        (str(AT_MS // 1000), AT_MS),
        (None, None),
        ("", None),
        ("2026-11-23", None),
        ("yesterday", None),
        (12, None),
        (True, None),
    ],
)
def test_instants_in_every_form(stamp: Any, expected: int | None) -> None:
    """Text without a zone is IST, a time alone is today's, and anything else is not known."""
    assert instant_of(stamp, TODAY) == expected


def test_a_time_alone_needs_a_date() -> None:
    """Without one the instant is not known."""
    assert instant_of("13:58:03") is None


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("open", BrokerStatus.OPEN),
        ("OPEN", BrokerStatus.OPEN),
        ("trigger pending", BrokerStatus.TRIGGER_PENDING),
        ("TRIGGER_PENDING", BrokerStatus.TRIGGER_PENDING),
        ("complete", BrokerStatus.COMPLETE),
        ("cancelled", BrokerStatus.CANCELLED),
        ("expired", BrokerStatus.CANCELLED),
        ("rejected", BrokerStatus.REJECTED),
        ("open pending", BrokerStatus.UNCLEAR),
        ("not cancelled", BrokerStatus.UNCLEAR),
        ("cancel pending", BrokerStatus.UNCLEAR),
        ("after market order req received", BrokerStatus.UNCLEAR),
        ("", BrokerStatus.UNCLEAR),
        (None, BrokerStatus.UNCLEAR),
        (3, BrokerStatus.UNCLEAR),
    ],
)
def test_an_unknown_status_is_never_an_end(word: Any, status: BrokerStatus) -> None:
    """Only words of the vocabulary mean anything; every other order is alive and unclear."""
    assert status_of(word) is status


@pytest.mark.parametrize(
    "data", [None, {}, [], {"orders": []}, {"orders": None}, "No orders found", "No Data Found"]
)
def test_an_empty_book_in_its_known_spellings(data: Any) -> None:
    """These, and only these, mean that there is nothing."""
    read = order_book(_ok(data))

    assert isinstance(read, Book)
    assert read.rows == ()


UNREADABLE = [
    Reply(failure=Failure.TIMEOUT),
    parse_reply(500, '{"status":"error","message":"broker text"}'),
    parse_reply(403, '{"status":"error","message":"Invalid openalgo apikey"}'),
    parse_reply(429, '{"message": "50 per 1 second"}'),
    parse_reply(200, '{"status":"error","message":"No orders found"}'),
    parse_reply(200, '{"status":"success"}'),
    parse_reply(200, '{"status":"success","data":"session expired"}'),
    parse_reply(200, '{"status":"success","data":{"statistics":{}}}'),
    parse_reply(200, '{"status":"success","data":[1]}'),
    parse_reply(200, '{"status":"success","data":[[]]}'),
    parse_reply(200, '{"status":"success","data":0}'),
    parse_reply(200, '{"data":[]}'),
    parse_reply(200, '{"status":"success","data":['),
    parse_reply(200, "<html></html>"),
    parse_reply(200, ""),
    parse_reply(200, "[]"),
]


@pytest.mark.parametrize("reply", UNREADABLE)
def test_an_error_is_never_an_empty_book(reply: Reply) -> None:
    """None of the three books takes an error, a missing list or a broken body for "nothing there"."""
    assert isinstance(order_book(reply), Unreadable)
    assert isinstance(trade_book(reply), Unreadable)
    assert isinstance(position_book(reply), Unreadable)


def test_an_error_carries_its_http_status() -> None:
    """The shell blocks trading on 401 and 403."""
    read = order_book(parse_reply(403, '{"status":"error","message":"Invalid openalgo apikey"}'))

    assert isinstance(read, Unreadable)
    assert read.status == 403


@pytest.mark.parametrize(
    "change",
    [
        {"orderid": None}, {"symbol": ""}, {"action": "HOLD"}, {"quantity": "many"},
        {"quantity": 0.5}, {"quantity": -65}, {"quantity": None}, {"price": "abc"}, {"price": -1},
        {"trigger_price": []}, {"filled_quantity": 66},
    ],
)  # fmt: skip
def test_one_unreadable_order_makes_the_book_unreadable(change: dict[str, Any]) -> None:
    """A book with a hole is no book."""
    assert isinstance(order_book(_orders(ANALYZER_ORDER | change), TODAY), Unreadable)


@pytest.mark.parametrize("missing", ["price", "trigger_price"])
def test_a_row_without_a_price_has_none(missing: str) -> None:
    """Some brokers leave out what an order type does not have."""
    row = {name: value for name, value in LIVE_ORDER.items() if name != missing}

    read = order_book(_orders(row), TODAY)

    assert isinstance(read, Book)
    assert 0 in (read.rows[0].limit_price_paise, read.rows[0].trigger_price_paise)


def test_orders_of_other_types_are_left_out_aloud() -> None:
    """A stop-market order of a person cannot be named by the core; the book says what it left out."""
    read = order_book(_orders(ANALYZER_ORDER | {"pricetype": "SL-M", "orderid": "9"}, LIVE_ORDER))

    assert isinstance(read, Book)
    assert [row.broker_order_id for row in read.rows] == ["26112375565833"]
    assert len(read.skipped) == 1
    assert "SL-M" in read.skipped[0]


def test_other_exchanges_are_not_ours() -> None:
    """Rows of NSE or BFO are left out of all three books, readable or not."""
    orders = order_book(_orders({"exchange": "NSE"}, LIVE_ORDER))
    trades = trade_book(_ok([{"exchange": "BFO"}, TRADE]))
    positions = position_book(_ok([{"exchange": "NSE", "symbol": "INFY"}, POSITION]))

    assert [len(book.rows) for book in (orders, trades, positions) if isinstance(book, Book)] == [
        1, 1, 1,
    ]  # fmt: skip


def test_what_is_carried_over_night_is_not_ours() -> None:
    """Rows of another product are left out of all three books: they net apart from ours."""
    orders = order_book(_orders({**LIVE_ORDER, "product": "NRML"}, LIVE_ORDER))
    trades = trade_book(_ok([{**TRADE, "product": "NRML", "orderid": "another"}, TRADE]))
    positions = position_book(_ok([{**POSITION, "product": "NRML"}, POSITION]))

    assert [len(book.rows) for book in (orders, trades, positions) if isinstance(book, Book)] == [
        1, 1, 1,
    ]  # fmt: skip


@pytest.mark.parametrize("key", ["pricetype", "price_type"])
def test_one_orders_status(key: str) -> None:
    """Both dialects of a single order; its fills are told by some."""
    row = {n: v for n, v in ANALYZER_ORDER.items() if n != "pricetype"} | {key: "SL"}

    assert order_status(_ok(row), TODAY) == OrderRow(ORDER, 0)


@pytest.mark.parametrize("data", [None, {}, [], "No orders found", [LIVE_ORDER, LIVE_ORDER]])
def test_a_status_of_no_single_order_is_unreadable(data: Any) -> None:
    """Neither none nor two orders answer the question."""
    assert isinstance(order_status(_ok(data)), Unreadable)


def test_fills_of_an_order_are_added_up() -> None:
    """Quantity and value by order id, rounded fill by fill; the same trade listed twice counts once."""
    rows = [
        TRADE | {"tradeid": "a"},
        TRADE | {"tradeid": "a"},
        TRADE | {"tradeid": "b", "quantity": "130", "average_price": "130.10"},
        TRADE | {"orderid": "8", "action": "BUY", "quantity": 65.0},
    ]

    read = trade_book(_ok(rows))

    assert isinstance(read, Book)
    assert read.rows == (
        BrokerTrade(
            broker_order_id="7",
            symbol=SYMBOL,
            side=Side.SELL,
            filled_quantity=195,
            filled_value_paise=65 * 13005 + 130 * 13010,
        ),
        BrokerTrade(
            broker_order_id="8",
            symbol=SYMBOL,
            side=Side.BUY,
            filled_quantity=65,
            filled_value_paise=65 * 13005,
        ),
    )


def test_equal_fills_without_trade_ids_are_two_fills() -> None:
    """Without an id nobody can say that they are one."""
    read = trade_book(_ok([TRADE, TRADE]))

    assert isinstance(read, Book)
    assert read.rows[0].filled_quantity == 130


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 0.0},
        {"average_price": 0.0},
        {"average_price": 0.0, "price": 130.05},
        {"average_price": None},
    ],
)
def test_a_fill_with_one_number_missing_follows_from_the_other_two(change: dict[str, Any]) -> None:
    """Some brokers leave the quantity or the price at zero, and give the value."""
    read = trade_book(_ok([TRADE | change]))

    assert isinstance(read, Book)
    assert (read.rows[0].filled_quantity, read.rows[0].filled_value_paise) == (65, 845325)


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 0, "trade_value": 0},
        {"average_price": 0, "trade_value": 0},
        {"quantity": -65},
        {"quantity": "x"},
        {"orderid": None},
        {"action": "?"},
    ],
)
def test_a_fill_of_unknown_size_or_price_is_unreadable(change: dict[str, Any]) -> None:
    """A trade that cannot be counted must not be left out."""
    assert isinstance(trade_book(_ok([TRADE | change])), Unreadable)


def test_fills_of_one_order_on_two_sides_are_unreadable() -> None:
    """An order has one side and one symbol."""
    assert isinstance(trade_book(_ok([TRADE, TRADE | {"action": "BUY"}])), Unreadable)


@pytest.mark.parametrize("quantity", [-65, "-65", -65.0, "-65.0"])
def test_positions_are_signed(quantity: Any) -> None:
    """Numbers or text; carried products of the account are not ours."""
    rows = [POSITION | {"quantity": quantity}, POSITION | {"product": "NRML", "quantity": 650}]

    read = position_book(_ok(rows, total_pnl=1.0, mode="analyze"))

    assert isinstance(read, Book)
    assert read.rows == (BrokerPosition(symbol=SYMBOL, net_quantity=-65),)
    assert read.mode is Mode.ANALYZE


@pytest.mark.parametrize("change", [{"quantity": None}, {"quantity": "?"}, {"symbol": None}])
def test_an_unreadable_position_is_never_flat(change: dict[str, Any]) -> None:
    """A row without a quantity makes the book unreadable."""
    assert isinstance(position_book(_ok([POSITION | change])), Unreadable)


def test_a_snapshot_is_all_three_books() -> None:
    """Orders, trades and positions, with the instant of the question."""
    read = snapshot(_orders(ANALYZER_ORDER), _ok([TRADE]), _ok([POSITION]), AT_MS)

    assert isinstance(read, SnapshotRead)
    assert read.taken.asked_at_ms == AT_MS
    assert read.taken.orders == (ORDER,)
    assert len(read.taken.trades) == len(read.taken.positions) == 1
    assert read.mode is Mode.LIVE


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_two_books_are_no_snapshot(broken: int) -> None:
    """One unreadable book spoils the snapshot."""
    replies = [_orders(ANALYZER_ORDER), _ok([TRADE]), _ok([POSITION])]
    replies[broken] = Reply(failure=Failure.TIMEOUT)

    assert isinstance(snapshot(*replies, AT_MS), Unreadable)


def test_books_of_two_modes_are_no_snapshot() -> None:
    """Somebody flipped the gateway's mode between two reads."""
    read = snapshot(_orders(ANALYZER_ORDER, mode="analyze"), _ok([]), _ok([]), AT_MS)

    assert isinstance(read, Unreadable)
