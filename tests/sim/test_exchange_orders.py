"""The built-in exchange: what it refuses, and how it answers (sim/exchange.py)."""

from __future__ import annotations

from typing import Any

import pytest

from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerPosition,
    BrokerStatus,
    BrokerTrade,
    CancelOrder,
    OrderRefused,
    OrderType,
    OrderUpdated,
    QueryOrder,
    Request,
    Side,
    SnapshotTaken,
    TakeSnapshot,
)
from tests.sim.exchange_desk import (
    BUY,
    LATENCY,
    LIMIT,
    MARKET,
    SELL,
    SL,
    SYMBOL,
    T0,
    WAITS,
    Desk,
)


@pytest.fixture
def desk() -> Desk:
    return Desk()


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("order_type", "values"),
    [
        (LIMIT, {"quantity": 0, "limit_price_paise": 13000}),
        (LIMIT, {"quantity": -65, "limit_price_paise": 13000}),
        (LIMIT, {"quantity": 64, "limit_price_paise": 13000}),
        (LIMIT, {"quantity": 1820, "limit_price_paise": 13000}),
        (LIMIT, {"limit_price_paise": 13001}),
        (LIMIT, {"limit_price_paise": -5}),
        (LIMIT, {"limit_price_paise": 0}),
        (LIMIT, {"limit_price_paise": 13000, "symbol": "NIFTY29DEC2699999CE"}),
        (SL, {"trigger_price_paise": 0, "limit_price_paise": 13000}),
        (SL, {"trigger_price_paise": 12998, "limit_price_paise": 12700}),
        (SL, {"trigger_price_paise": 12995, "limit_price_paise": 0}),
        (SL, {"trigger_price_paise": 12995, "limit_price_paise": 13000}),
        (MARKET, {}),
    ],
)
def test_an_order_of_a_bad_shape_is_refused(
    desk: Desk, order_type: OrderType, values: dict[str, Any]
) -> None:
    """Lot, freeze, tick, missing and inverted prices, and an unknown symbol, refuse a placement."""
    desk.place(SELL, order_type, **values)
    refusals = desk.all_of(OrderRefused)

    assert [(one.order_id, one.request, one.sent) for one in refusals] == [
        ("o1", Request.PLACE, True)
    ]
    assert desk.exchange.orders == {}


def test_a_purchases_limit_is_above_its_trigger(desk: Desk) -> None:
    """A stop-limit BUY whose limit lies below its trigger is refused, at the trigger it is not."""
    desk.place(BUY, SL, trigger_price_paise=14000, limit_price_paise=13995)
    desk.place(BUY, SL, trigger_price_paise=14000, limit_price_paise=14000)

    assert len(desk.refusals()) == len(desk.exchange.orders) == 1


def test_the_freeze_quantity_itself_may_be_ordered(desk: Desk) -> None:
    """The largest whole number of lots within the freeze quantity is accepted."""
    desk.place(SELL, LIMIT, quantity=1755, limit_price_paise=13000)

    assert desk.refusals() == []


# ---------------------------------------------------------------- price protection


@pytest.mark.parametrize(
    ("side", "inside", "outside"),
    [(BUY, 14000, 14005), (SELL, 6000, 5995)],
)
def test_a_limit_order_outside_the_protection_range_is_refused(
    desk: Desk, side: Side, inside: int, outside: int
) -> None:
    """A LIMIT more than 40 % beyond the reference is refused at once; exactly 40 % is accepted."""
    desk.tick(0, 10000)
    desk.place(side, LIMIT, limit_price_paise=outside)
    desk.place(side, LIMIT, limit_price_paise=inside)

    assert [request for request, _ in desk.refusals()] == [Request.PLACE]
    assert len(desk.exchange.orders) == 1


@pytest.mark.parametrize(("limit", "accepted"), [(7000, True), (7005, False)])
def test_low_prices_are_protected_by_20_rupees(desk: Desk, limit: int, accepted: bool) -> None:
    """Up to a reference of ₹50 the range is ₹20."""
    desk.tick(0, 5000)
    desk.place(BUY, LIMIT, limit_price_paise=limit)

    assert (desk.refusals() == []) is accepted


def test_the_reference_is_the_mean_of_the_last_30_seconds(desk: Desk) -> None:
    """Ticks of the last 30 s make the reference; what is older does not count."""
    desk.tick(0, 90000)
    desk.tick(31_000, 10000)
    desk.tick(32_000, 12000)
    desk.place(BUY, LIMIT, at=33_000, limit_price_paise=15405)
    desk.place(BUY, LIMIT, at=33_000, limit_price_paise=15400)

    assert [request for request, _ in desk.refusals()] == [Request.PLACE]
    assert len(desk.exchange.orders) == 1


def test_a_stop_limit_order_is_checked_when_it_triggers(desk: Desk) -> None:
    """A stop-limit order far from the price is accepted, and rejected at its trigger if off then."""
    desk.tick(0, 5000)
    order = desk.place(BUY, SL, trigger_price_paise=14000, limit_price_paise=14300)
    desk.tick(1_000, 5000)
    before = desk.shown(order)
    desk.tick(5_000, 14000)

    assert before == WAITS
    # The mean of 50, 50 and 140 is 80, and 143 is more than 40 % above that.
    assert desk.shown(order) == (BrokerStatus.REJECTED, 0, 0)
    assert desk.exchange.positions == {}


def test_a_modified_limit_is_protected_too(desk: Desk) -> None:
    """An open order cannot be moved outside the range."""
    desk.tick(0, 10000)
    order = desk.place(BUY, LIMIT, limit_price_paise=9000)
    desk.modify(order, BUY, at=100, limit_price_paise=14005)
    desk.modify(order, BUY, at=200, limit_price_paise=9005)
    desk.wait(1_000)

    assert [request for request, _ in desk.refusals()] == [Request.MODIFY]
    assert desk.exchange.orders[order].limit_price_paise == 9005


def test_protection_can_be_switched_off() -> None:
    """Without protection any limit is accepted."""
    desk = Desk(price_protection=False)
    desk.tick(0, 10000)
    desk.place(BUY, LIMIT, limit_price_paise=90000)

    assert desk.refusals() == []


# ---------------------------------------------------------------- the broker's cut-off


CUTOFF = 60_000


def after_cutoff() -> Desk:
    """A desk that is short 650 when the broker's intraday cut-off is reached."""
    desk = Desk(mis_cutoff_ms=T0 + CUTOFF)
    desk.tick(0, 13000)
    desk.place(SELL, MARKET)
    desk.tick(1_000, 13000)
    desk.wait(CUTOFF)
    return desk


def test_before_the_cutoff_positions_may_be_opened() -> None:
    """An order that arrives before the cut-off is accepted, one that arrives at it is not."""
    desk = Desk(mis_cutoff_ms=T0 + CUTOFF)
    for at in (CUTOFF - LATENCY - 1, CUTOFF - LATENCY):
        desk.place(SELL, LIMIT, at=at, limit_price_paise=13000)

    assert [request for request, _ in desk.refusals()] == [Request.PLACE]
    assert len(desk.exchange.orders) == 1


@pytest.mark.parametrize(
    ("side", "quantity", "refused"),
    [(SELL, 65, True), (BUY, 65, False), (BUY, 650, False), (BUY, 1300, True), (BUY, 1365, True)],
)
def test_the_cutoff_refuses_only_what_opens(side: Side, quantity: int, refused: bool) -> None:
    """After the cut-off what closes a position is accepted, and what opens one is refused."""
    desk = after_cutoff()
    desk.place(side, MARKET, at=CUTOFF, quantity=quantity)

    assert bool(desk.refusals()) is refused


# ---------------------------------------------------------------- cancel, modify, query


def finished(desk: Desk, how: str) -> str:
    """An order that is complete, cancelled or rejected."""
    desk.tick(0, 10000)
    if how == "rejected":
        order = desk.place(BUY, SL, trigger_price_paise=10005, limit_price_paise=19000)
        desk.tick(1_000, 10005)
        return order
    order = desk.place(SELL, LIMIT, limit_price_paise=10005)
    if how == "complete":
        desk.tick(1_000, 10005)
    else:
        desk.send(CancelOrder(order_id="c0", broker_order_id=order), at=1_000)
        desk.wait(1_100)
    return order


@pytest.mark.parametrize("how", ["complete", "cancelled", "rejected"])
def test_a_finished_order_is_neither_cancelled_nor_modified(desk: Desk, how: str) -> None:
    """Cancel and modify of an order that is over are refused and change nothing."""
    order = finished(desk, how)
    before = desk.shown(order)
    desk.send(CancelOrder(order_id="c", broker_order_id=order), at=desk.now)
    desk.modify(order, SELL, at=desk.now, limit_price_paise=10000)

    assert [request for request, _ in desk.refusals()] == [Request.CANCEL, Request.MODIFY]
    assert desk.shown(order) == before
    assert before[0] == how


def test_an_order_that_does_not_exist_is_refused_every_request(desk: Desk) -> None:
    """Cancel, modify and query of an unknown id are definite refusals."""
    desk.send(CancelOrder(order_id="c", broker_order_id="X9"))
    desk.modify("X9", SELL, at=0, limit_price_paise=10000)
    desk.send(QueryOrder(order_id="q", broker_order_id="X9"))

    assert [request for request, _ in desk.refusals()] == ["cancel", "modify", "query"]


def test_a_cancelled_order_fills_no_more(desk: Desk) -> None:
    """What was filled before a cancel stays filled, and nothing is filled after it."""
    order = desk.place(BUY, LIMIT, limit_price_paise=13100)
    desk.tick(100, 13000, ask_paise=13050, ask_quantity=65)
    desk.send(CancelOrder(order_id="o1", broker_order_id=order), at=200)
    desk.tick(5_000, 13000, ask_paise=13050)

    assert desk.shown(order) == (BrokerStatus.CANCELLED, 65, 65 * 13050)
    assert desk.exchange.positions == {SYMBOL: 65}


def test_a_modified_order_fills_by_its_new_values(desk: Desk) -> None:
    """A modify sets type, quantity and prices; the fills before it stay."""
    desk.tick(0, 13000)
    order = desk.place(BUY, MARKET)
    desk.tick(100, 13000, ask_paise=13050, ask_quantity=65)
    desk.modify(order, BUY, at=200, quantity=195, limit_price_paise=13020)
    desk.tick(5_000, 13000, ask_paise=13050)
    rested = desk.shown(order)
    desk.tick(10_000, 13000, ask_paise=13020)

    assert rested == (BrokerStatus.OPEN, 65, 65 * 13050)
    assert desk.shown(order) == (BrokerStatus.COMPLETE, 195, 65 * 13050 + 130 * 13020)


@pytest.mark.parametrize("values", [{"quantity": 65}, {"quantity": 1}, {"limit_price_paise": 1}])
def test_a_modify_of_a_bad_shape_is_refused(desk: Desk, values: dict[str, int]) -> None:
    """A quantity that is filled already, or off the lot, and a price off the tick are refused."""
    order = desk.place(BUY, LIMIT, limit_price_paise=13100)
    desk.tick(100, 13000, ask_paise=13050, ask_quantity=65)
    desk.modify(order, BUY, at=200, **({"limit_price_paise": 13200} | values))

    assert [request for request, _ in desk.refusals()] == [Request.MODIFY]


def test_a_queried_order_is_proven(desk: Desk) -> None:
    """Only the answer to a query is a proof; reports of the book are not."""
    order = desk.place(BUY, LIMIT, limit_price_paise=13100)
    desk.tick(100, 13000, ask_paise=13050, ask_quantity=65)
    desk.send(QueryOrder(order_id="o1", broker_order_id=order), at=200)
    *reports, answer = desk.all_of(OrderUpdated)

    assert [report.proven for report in reports] == [False] * len(reports)
    assert answer.proven
    assert (answer.status, answer.quantity) == (BrokerStatus.OPEN, 650)
    assert (answer.filled_quantity, answer.filled_value_paise) == (65, 65 * 13050)


def test_a_snapshot_is_whole(desk: Desk) -> None:
    """A snapshot has all orders, the fills added up by order, and the signed net positions."""
    desk.tick(0, 13000)
    sold = desk.place(SELL, MARKET)
    stop = desk.place(BUY, SL, trigger_price_paise=14000, limit_price_paise=14300)
    desk.tick(1_000, 13000, bid_paise=12990, bid_quantity=130)
    desk.tick(2_000, 13000, bid_paise=12980)
    desk.send(TakeSnapshot(reason="test"), at=3_000)
    (snapshot,) = desk.all_of(SnapshotTaken)
    common = {"symbol": SYMBOL, "quantity": 650, "placed_at_ms": T0 + LATENCY}

    assert snapshot == SnapshotTaken(
        asked_at_ms=T0 + 3_000,
        orders=(
            BrokerOrder(
                broker_order_id=sold, side=SELL, order_type=MARKET, trigger_price_paise=0,
                limit_price_paise=0, status=BrokerStatus.COMPLETE, **common,
            ),
            BrokerOrder(
                broker_order_id=stop, side=BUY, order_type=SL, trigger_price_paise=14000,
                limit_price_paise=14300, status=BrokerStatus.TRIGGER_PENDING, **common,
            ),
        ),
        trades=(
            BrokerTrade(
                broker_order_id=sold, symbol=SYMBOL, side=SELL, filled_quantity=650,
                filled_value_paise=130 * 12990 + 520 * 12980,
            ),
        ),
        positions=(BrokerPosition(symbol=SYMBOL, net_quantity=-650),),
    )  # fmt: skip
