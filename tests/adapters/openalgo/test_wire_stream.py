"""Messages of the stream: ticks of both shapes, order updates, replies, and errors without a type."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline_v1_live.adapters.openalgo.wire import stream
from baseline_v1_live.adapters.openalgo.wire.outcomes import outcome
from baseline_v1_live.adapters.openalgo.wire.stream import (
    AuthReply,
    Ignored,
    OrderPush,
    OrdersReply,
    Pong,
    StreamError,
    SubscribeReply,
)
from baseline_v1_live.adapters.openalgo.wire.values import Mode, Unreadable, parse_reply
from baseline_v1_live.core.messages import BrokerStatus, OrderUpdated, Tick

SYMBOL = "NIFTY23NOV2626000CE"
AT_MS = 1_795_422_483_000
LEVELS = {
    "buy": [{"price": 130.0, "quantity": 650, "orders": 3}, {"price": 129.95, "quantity": 65}],
    "sell": [{"price": "130.10", "quantity": "195", "orders": 1}],
}


def _market(data: dict[str, Any], exchange: str = "NFO", mode: int = 2) -> str:
    envelope = {"type": "market_data", "symbol": SYMBOL, "exchange": exchange, "mode": mode}
    return json.dumps(envelope | {"data": data})


def _update(**change: Any) -> str:
    row = {
        "type": "order_update", "user_id": "trader", "mode": "analyze", "broker": "sandbox",
        "orderid": "7", "symbol": SYMBOL, "exchange": "NFO", "action": "BUY", "quantity": 65,
        "price": 133.1, "trigger_price": 130.05, "pricetype": "SL", "product": "MIS",
        "order_status": "open", "filled_quantity": 0, "pending_quantity": 0, "average_price": 0,
        "rejection_reason": "",
    }  # fmt: skip
    return json.dumps(row | change)


def test_a_quote_message_is_a_tick() -> None:
    """Last price, day's volume and the exchange's instant; this shape has no bid and ask."""
    data = {"ltp": 130.05, "volume": 65000.0, "close": 122, "timestamp": AT_MS, "oi": 5}

    assert stream.message(_market(data)) == Tick(
        symbol=SYMBOL, ltp_paise=13005, volume=65000, exchange_at_ms=AT_MS
    )


def test_a_message_that_tells_no_volume_has_none() -> None:
    """Price-only messages are mixed in; zero would be taken for a volume."""
    tick, index = (stream.message(_market({"ltp": 130.05} | more)) for more in ({}, {"volume": 0}))

    assert isinstance(tick, Tick)
    assert isinstance(index, Tick)
    assert (tick.volume, index.volume) == (None, 0)


def test_a_depth_message_has_the_best_prices_and_sizes() -> None:
    """The first level of each side, numbers or text."""
    assert stream.message(_market({"ltp": 130.05, "volume": 65, "depth": LEVELS}, mode=3)) == Tick(
        symbol=SYMBOL,
        ltp_paise=13005,
        bid_paise=13000,
        ask_paise=13010,
        bid_quantity=650,
        ask_quantity=195,
        volume=65,
    )


@pytest.mark.parametrize(
    "depth",
    [{"buy": [], "sell": []}, {"buy": [{"price": 0, "quantity": 0}], "sell": None}, {}, None, 3],
)
def test_an_empty_side_has_no_price(depth: Any) -> None:
    """Nobody bids: None, never zero."""
    tick = stream.message(_market({"ltp": 130.05, "depth": depth}))

    assert isinstance(tick, Tick)
    assert (tick.bid_paise, tick.ask_paise, tick.bid_quantity) == (None, None, None)


@pytest.mark.parametrize("ltp", [0, -5, None, "", "nan", 1e20, []])
def test_a_message_without_a_price_is_unreadable(ltp: Any) -> None:
    """Zero, negative and absurd prices never become ticks."""
    assert isinstance(stream.message(_market({"ltp": ltp})), Unreadable)


def test_other_exchanges_are_ignored() -> None:
    """The index is ours, a share is not."""
    assert isinstance(stream.message(_market({"ltp": 1}, "NSE")), Ignored)
    assert isinstance(stream.message(_market({"ltp": 1}, "NSE_INDEX")), Tick)


def test_an_open_order_tells_its_prices() -> None:
    """Never proven; the mode says whose account it is, the broker's name where it comes from."""
    assert stream.message(_update()) == OrderPush(
        OrderUpdated(
            broker_order_id="7",
            symbol=SYMBOL,
            status=BrokerStatus.OPEN,
            filled_quantity=0,
            filled_value_paise=0,
            quantity=65,
            trigger_price_paise=13005,
            limit_price_paise=13310,
        ),
        Mode.ANALYZE,
        "sandbox",
    )


@pytest.mark.parametrize(
    ("change", "quantity", "value"),
    [
        ({"filled_quantity": 65, "average_price": 130.05}, 65, 845325),
        ({"filled_quantity": "65", "average_price": "130.05"}, 65, 845325),
        ({"filled_quantity": 65, "average_price": 130.0333}, 65, 845216),
        ({"filled_quantity": 65, "average_price": 0}, 65, None),
        ({"filled_quantity": 65, "average_price": None}, 65, None),
        ({"filled_quantity": None, "average_price": 130.05}, None, None),
        ({"filled_quantity": 0, "average_price": 0}, 0, 0),
    ],
)
def test_a_complete_order_tells_its_fill(
    change: dict[str, Any], quantity: int | None, value: int | None
) -> None:
    """Value is average x quantity, rounded once; a price that is not told is None. The order's own
    price is then the fill's and no limit.
    """
    push = stream.message(_update(order_status="complete", **change))

    assert isinstance(push, OrderPush)
    assert (push.update.filled_quantity, push.update.filled_value_paise) == (quantity, value)
    assert push.update.limit_price_paise is None
    assert push.update.trigger_price_paise is None
    assert not push.update.proven


def test_a_market_order_has_no_limit() -> None:
    """Its price is the reference of the sandbox."""
    push = stream.message(_update(pricetype="MARKET"))

    assert isinstance(push, OrderPush)
    assert push.update.limit_price_paise is None


def test_a_status_of_another_dialect_is_unclear() -> None:
    """And a rejection brings its reason."""
    push = stream.message(_update(order_status="modify pending", mode="live"))
    rejected = stream.message(_update(order_status="rejected", rejection_reason="margin"))

    assert isinstance(push, OrderPush)
    assert (push.update.status, push.mode) == (BrokerStatus.UNCLEAR, Mode.LIVE)
    assert isinstance(rejected, OrderPush)
    assert rejected.update.message == "margin"


@pytest.mark.parametrize(
    "change",
    [
        {"orderid": None},
        {"symbol": None},
        {"filled_quantity": 66},
        {"filled_quantity": -1},
        {"action": "?"},
    ],
)
def test_an_update_that_cannot_be_is_unreadable(change: dict[str, Any]) -> None:
    """More filled than ordered would corrupt the ledger."""
    assert isinstance(stream.message(_update(**change)), Unreadable)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"type": "auth", "status": "success", "message": "ok"}, AuthReply(True, "ok")),
        ({"type": "auth", "status": "error", "message": "no"}, AuthReply(False, "no")),
        ({"type": "pong", "status": "success", "server_timestamp": 1}, Pong()),
        ({"type": "subscribe_orders", "status": "success"}, OrdersReply(True)),
        ({"type": "unsubscribe", "status": "success"}, Ignored()),
        (
            {"status": "error", "code": "NOT_AUTHENTICATED", "message": "first"},
            StreamError("NOT_AUTHENTICATED", "first"),
        ),
        ({"type": "error", "status": "error", "message": "x"}, StreamError("", "x")),
        (
            {"type": "subscribe", "status": "partial", "request_id": "s1", "subscriptions": [
                {"symbol": "A", "status": "success"},
                {"symbol": "B", "status": "error", "message": "unknown"}]},
            SubscribeReply("s1", ("A",), {"B": "unknown"}),
        ),
        (
            {"type": "subscribe", "status": "partial", "subscriptions": [
                {"symbol": "A", "status": "error"}]},
            SubscribeReply("", (), {"A": "refused"}),
        ),
    ],
)  # fmt: skip
def test_replies(body: dict[str, Any], expected: object) -> None:
    """Every reply of the gateway; "partial" is judged symbol by symbol."""
    assert stream.message(json.dumps(body)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "null", "3", "{}", '{"type":', '{"type": 3}', '{"type":"market_data"}',
     '{"type":"subscribe","status":"success"}', '{"type":"subscribe","subscriptions":[1]}',
     '{"type":"order_update"}', '{"type":"market_data","symbol":[],"exchange":{},"data":{}}'],
)  # fmt: skip
def test_rubbish_is_unreadable(text: str) -> None:
    """A value with a reason, never an exception."""
    assert isinstance(stream.message(text), Unreadable)


# A small alphabet: building the whole of Unicode is slow, and the words below matter more.
_TEXT = st.text("aZ0 .-", max_size=6) | st.sampled_from(["NFO", SYMBOL, "success", "1e999999"])
_FLOAT = st.floats(allow_nan=False, allow_infinity=False)
_PLAIN = st.none() | st.booleans() | st.integers() | _FLOAT | _TEXT
_JSON = _PLAIN | st.lists(_PLAIN, max_size=3) | st.dictionaries(_TEXT, _PLAIN, max_size=3)
_FIELDS = [
    *("ltp", "depth", "orderid", "symbol", "exchange", "quantity", "filled_quantity", "status"),
    *("order_status", "average_price", "data", "subscriptions", "message", "mode", "timestamp"),
]


@given(
    st.sampled_from(["market_data", "order_update", "subscribe", "auth", None]),
    st.dictionaries(st.sampled_from(_FIELDS), _JSON),
)
def test_no_message_raises(kind: str | None, fields: dict[str, Any]) -> None:
    """Whatever stands in whichever field, the answer is a value."""
    stream.message(json.dumps({"type": kind, **fields}))


@given(st.integers(100, 599), st.dictionaries(st.sampled_from(_FIELDS), _JSON))
def test_no_answer_raises(status: int, fields: dict[str, Any]) -> None:
    """The same for answers to orders."""
    outcome(parse_reply(status, json.dumps(fields)))
