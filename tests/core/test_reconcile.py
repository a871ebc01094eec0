"""Comparing our beliefs with the broker's books (core/reconcile.py)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from baseline_v1_live.core.instruments import Contract, OptionType
from baseline_v1_live.core.market import Market
from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerPosition,
    BrokerStatus,
    BrokerTrade,
    OrderAccepted,
    OrderType,
    Purpose,
    Request,
    Side,
    SnapshotTaken,
)
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.reconcile import (
    FillMissed,
    Finding,
    MoreThanOurs,
    OrderAbsent,
    OrderFound,
    OrderMissing,
    ShortOfOurs,
    StatusDiffers,
    StopUnseen,
    compare,
)
from baseline_v1_live.core.reconciler import Reconciler
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import make_session
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.position_tracker import PositionTracker

CALL, PUT = "NIFTY29DEC2626000CE", "NIFTY29DEC2626000PE"
NOW = 1_798_520_000_000
LONG_AGO = NOW - 600_000
GRACE, HORIZON = 5_000, 130_000
S = OrderState


def order(broker_order_id: str | None = "X1", **known: Any) -> Order:
    """A protective stop of ours, resting since long ago."""
    values: dict[str, Any] = {
        "order_id": f"ours-{broker_order_id}",
        "symbol": CALL,
        "side": Side.BUY,
        "order_type": OrderType.SL,
        "purpose": Purpose.STOP,
        "quantity": 650,
        "trigger_price_paise": 14_000,
        "limit_price_paise": 14_300,
        "reason": "",
        "position_id": "position",
        "placed_at_ms": LONG_AGO,
        "changed_at_ms": LONG_AGO,
        "state": S.TRIGGER_PENDING,
        "broker_order_id": broker_order_id,
    }
    return Order(**(values | known))


def unknown(**known: Any) -> Order:
    """An order whose placement was never answered, sent ten seconds ago."""
    sent = {"placed_at_ms": NOW - 10_000, "changed_at_ms": NOW - 10_000}
    return order(None, state=S.UNKNOWN, **(sent | known))


def row(broker_order_id: str = "X1", **shown: Any) -> BrokerOrder:
    values: dict[str, Any] = {
        "symbol": CALL,
        "side": Side.BUY,
        "order_type": OrderType.SL,
        "quantity": 650,
        "trigger_price_paise": 14_000,
        "limit_price_paise": 14_300,
        "status": BrokerStatus.TRIGGER_PENDING,
    }
    return BrokerOrder(broker_order_id=broker_order_id, **(values | shown))


def trade(quantity: int, broker_order_id: str = "X1") -> BrokerTrade:
    return BrokerTrade(
        broker_order_id=broker_order_id,
        symbol=CALL,
        side=Side.BUY,
        filled_quantity=quantity,
        filled_value_paise=quantity * 14_100,
    )


def books(
    *rows: BrokerOrder,
    trades: tuple[BrokerTrade, ...] = (),
    at_ms: int = NOW,
    **net: int,
) -> SnapshotTaken:
    """The broker's books; net quantities by symbol."""
    positions = tuple(BrokerPosition(symbol=s, net_quantity=n) for s, n in net.items())
    return SnapshotTaken(asked_at_ms=at_ms, orders=rows, trades=trades, positions=positions)


def find(
    orders: list[Order],
    snapshot: SnapshotTaken,
    short: dict[str, int] | None = None,
    *,
    is_open: bool = True,
) -> tuple[Finding, ...]:
    return compare(
        orders,
        short or {},
        snapshot,
        grace_ms=GRACE,
        horizon_ms=HORIZON,
        is_open=lambda _: is_open,
    )


# ---------------------------------------------------------------- orders we know


def test_books_that_agree_show_nothing() -> None:
    """An order and a position that the broker shows as we believe them are no finding."""
    assert find([order()], books(row(), **{CALL: -650}), {CALL: 650}) == ()


def test_a_fill_we_did_not_hear_of_is_found() -> None:
    """More fills in the trade book than we know are a missed fill, with the broker's value."""
    ours = order(filled_quantity=65, filled_value_paise=65 * 14_000)
    snapshot = books(row(), trades=(trade(130),), **{CALL: -650})

    assert find([ours], snapshot, {CALL: 650}) == (FillMissed(ours, 130, 130 * 14_100),)


@pytest.mark.parametrize("known", [130, 195])
def test_fills_that_we_know_are_no_finding(known: int) -> None:
    """A trade book that shows the fills we know, or fewer, is no missed fill."""
    ours = order(filled_quantity=known, filled_value_paise=known * 14_100)

    assert find([ours], books(row(), trades=(trade(130),))) == ()


def test_a_fill_at_another_price_is_found() -> None:
    """Where the trade book values the fills that we know otherwise, its value is the finding."""
    ours = order(filled_quantity=130, filled_value_paise=130 * 14_000)

    assert find([ours], books(row(), trades=(trade(130),))) == (
        FillMissed(ours, 130, 130 * 14_100),
    )


@pytest.mark.parametrize("state", [S.CANCELLED, S.REJECTED, S.CLAIMED])
def test_a_late_fill_of_an_order_that_was_over_is_found(state: OrderState) -> None:
    """A fill in the trade book is found although the order was believed to be over."""
    ours = order(state=state)

    assert find([ours], books(trades=(trade(650),))) == (FillMissed(ours, 650, 650 * 14_100),)


@pytest.mark.parametrize(
    "status", [BrokerStatus.COMPLETE, BrokerStatus.CANCELLED, BrokerStatus.REJECTED]
)
@pytest.mark.parametrize("state", [S.ACCEPTED, S.TRIGGER_PENDING, S.OPEN])
def test_a_live_order_that_the_book_calls_over_differs(
    state: OrderState, status: BrokerStatus
) -> None:
    """The order book's word that our live order is over is a difference: a claim to be proven."""
    ours = order(state=state)

    assert find([ours], books(row(status=status, message="why"))) == (
        StatusDiffers(ours, status, "why"),
    )


def test_a_waiting_order_that_the_book_calls_open_differs() -> None:
    """An order that waits for its trigger by our belief and is open in the book has triggered."""
    ours = order()

    assert find([ours], books(row(status=BrokerStatus.OPEN))) == (
        StatusDiffers(ours, BrokerStatus.OPEN, ""),
    )


@pytest.mark.parametrize("state", [S.ACCEPTED, S.TRIGGER_PENDING])
def test_a_row_that_is_not_believed_to_be_open_is_no_finding(state: OrderState) -> None:
    """Where "open" may mean trigger pending, the row says nothing that is new."""
    ours = order(state=state)

    assert find([ours], books(row(status=BrokerStatus.OPEN)), is_open=False) == ()


@pytest.mark.parametrize("status", [BrokerStatus.TRIGGER_PENDING, BrokerStatus.OPEN])
def test_an_accepted_order_learns_its_state_from_the_book(status: BrokerStatus) -> None:
    """The first row of an order that was only accepted is news."""
    ours = order(state=S.ACCEPTED)

    assert find([ours], books(row(status=status))) == (StatusDiffers(ours, status, ""),)


@pytest.mark.parametrize("status", [BrokerStatus.TRIGGER_PENDING, BrokerStatus.UNCLEAR])
def test_an_open_order_that_the_book_calls_waiting_is_old_news(status: BrokerStatus) -> None:
    """A status row that lags behind what we know of an open order is no finding."""
    assert find([order(state=S.OPEN)], books(row(status=status))) == ()


def test_a_live_order_without_a_row_is_missing() -> None:
    """Our live order that the book does not show is missing, which proves nothing."""
    ours = order()

    assert find([ours], books(row("OTHER", symbol=PUT))) == (OrderMissing(ours),)


@pytest.mark.parametrize("state", [S.FILLED, S.CANCELLED, S.REJECTED, S.REFUSED, S.NOT_PLACED])
def test_an_order_that_is_over_needs_no_row(state: OrderState) -> None:
    """For an order that is over, a missing row is no finding."""
    assert find([order(state=state)], books()) == ()


# ---------------------------------------------------------------- what was just touched


@pytest.mark.parametrize(("age", "touched"), [(4_999, True), (5_000, False)])
def test_what_was_touched_a_moment_ago_is_left_alone(age: int, touched: bool) -> None:
    """An order changed, and a position filled, within 5 s before the snapshot are skipped."""
    ours = order(changed_at_ms=NOW - age, filled_at_ms=NOW - age)
    snapshot = books(row(status=BrokerStatus.CANCELLED))
    both = (StatusDiffers(ours, BrokerStatus.CANCELLED, ""), ShortOfOurs(CALL, 650))

    assert find([ours], snapshot, {CALL: 650}) == (() if touched else both)


def test_a_touched_order_without_a_row_is_left_alone() -> None:
    """An order changed a moment ago that the book does not show yet is not missing."""
    assert find([order(changed_at_ms=NOW - 1_000)], books()) == ()


def test_only_the_touched_symbol_is_left_alone() -> None:
    """A position of another symbol is compared as ever."""
    ours = order(filled_at_ms=NOW - 1_000)

    assert find([ours], books(row()), {CALL: 650, PUT: 65}) == (ShortOfOurs(PUT, 65),)


@pytest.mark.parametrize("state", [S.IN_FLIGHT, S.UNKNOWN, S.CLAIMED])
def test_a_position_whose_order_is_unsettled_is_left_alone(state: OrderState) -> None:
    """While an order's fills are not known, its symbol's position cannot be judged."""
    ours = order(state=state, placed_at_ms=NOW - 10_000, changed_at_ms=NOW - 10_000)

    assert find([ours], books(row()), {CALL: 650}) == ()


# ---------------------------------------------------------------- unknown orders


def test_an_unknown_order_is_found_by_its_signature() -> None:
    """A row of the same symbol, side, type, quantity, prices and time is our unknown order."""
    ours = unknown()
    shown = row("X9", placed_at_ms=NOW - 9_000)

    assert find([ours], books(shown)) == (OrderFound(ours, "X9"),)


@pytest.mark.parametrize(
    "other",
    [
        {"symbol": PUT},
        {"side": Side.SELL},
        {"quantity": 585},
        {"trigger_price_paise": 14_005},
        {"limit_price_paise": 14_305},
        {"order_type": OrderType.LIMIT},
        {"placed_at_ms": NOW - 200_000},
    ],
)
def test_a_row_with_another_signature_is_not_ours(other: dict[str, Any]) -> None:
    """A row that differs in one part of the signature, or is older, is not our unknown order."""
    ours = unknown()

    assert find([ours], books(row("X9", **other))) == (StopUnseen(ours),)


@pytest.mark.parametrize("after_s", [-60, -2, 0, 200, 3_600])
def test_a_row_with_our_prices_is_ours_whatever_its_time(after_s: int) -> None:
    """Clocks differ, times are cut to seconds, and some brokers show an order's last change: type,
    quantity and both prices tell our stop-limit order from others.
    """
    ours = unknown()
    shown = row("X9", placed_at_ms=NOW - 10_000 + after_s * 1_000)

    assert find([ours], books(shown)) == (OrderFound(ours, "X9"),)


@pytest.mark.parametrize(
    ("after_s", "found"), [(-30, False), (-2, True), (5, True), (3_600, False)]
)
def test_a_market_order_is_known_by_its_time_too(after_s: int, found: bool) -> None:
    """It has no price of its own, so a row far from its sending may be somebody else's."""
    ours = unknown(order_type=OrderType.MARKET, trigger_price_paise=0, limit_price_paise=0)
    shown = row(
        "X9",
        order_type=OrderType.MARKET,
        trigger_price_paise=0,
        limit_price_paise=0,
        placed_at_ms=NOW - 10_000 + after_s * 1_000,
    )

    assert (OrderFound(ours, "X9") in find([ours], books(shown))) is found


def test_a_row_without_a_time_is_matched_by_the_rest() -> None:
    """Where the book has no time of placement, the rest of the signature decides."""
    ours = unknown()

    assert find([ours], books(row("X9", placed_at_ms=None))) == (OrderFound(ours, "X9"),)


@pytest.mark.parametrize("shown_as", [OrderType.MARKET, OrderType.LIMIT])
def test_a_market_order_may_have_become_a_limit_order(shown_as: OrderType) -> None:
    """An unknown market order is found as MARKET and as LIMIT with a price of the broker's own."""
    ours = unknown(order_type=OrderType.MARKET, trigger_price_paise=0, limit_price_paise=0)
    shown = row("X9", order_type=shown_as, trigger_price_paise=0, limit_price_paise=15_555)

    assert find([ours], books(shown)) == (OrderFound(ours, "X9"),)


def test_a_market_order_never_becomes_a_stop_order() -> None:
    """An unknown market order is not found as a stop-limit order."""
    ours = unknown(
        order_type=OrderType.MARKET,
        purpose=Purpose.EXIT,
        trigger_price_paise=0,
        limit_price_paise=0,
    )

    assert find([ours], books(row("X9"))) == (StopUnseen(ours),)


@pytest.mark.parametrize("status", list(BrokerStatus))
def test_an_unknown_order_is_found_in_any_status(status: BrokerStatus) -> None:
    """The row's status is no part of the signature: rejected or complete, it is ours."""
    ours = unknown()

    assert find([ours], books(row("X9", status=status))) == (OrderFound(ours, "X9"),)


def test_a_row_that_is_ours_already_is_no_second_order() -> None:
    """A row whose id belongs to another order of ours is not the unknown one."""
    twin, ours = order("X9"), unknown()

    assert find([twin, ours], books(row("X9"))) == (StopUnseen(ours),)


def test_two_unknown_orders_take_two_rows() -> None:
    """Two unknown orders of one signature are two rows, never one row twice."""
    first, second = unknown(order_id="a"), unknown(order_id="b")

    assert find([first, second], books(row("X8"), row("X9"))) == (
        OrderFound(first, "X8"),
        OrderFound(second, "X9"),
    )
    assert find([first, second], books(row("X8"))) == ()


def test_past_the_horizon_one_row_is_the_older_of_two_orders() -> None:
    """Two unknown orders alike and one row: the row is not guessed at before their horizon."""
    first = unknown(order_id="a", placed_at_ms=LONG_AGO)
    second = unknown(order_id="b", placed_at_ms=LONG_AGO)

    assert find([first, second], books(row("X8"))) == (
        OrderFound(first, "X8"),
        StopUnseen(second),
        OrderAbsent(second),
    )


def test_a_twin_on_its_way_may_own_the_row() -> None:
    """While an order alike is not answered, its row is not taken for the unknown order's."""
    twin = order(None, state=S.IN_FLIGHT, order_id="b", placed_at_ms=NOW - 1_000)

    assert find([unknown(order_id="a"), twin], books(row("X8"))) == ()


@pytest.mark.parametrize(("age", "absent"), [(HORIZON - 1, False), (HORIZON, True)])
def test_an_order_is_absent_only_past_the_horizon(age: int, absent: bool) -> None:
    """An unknown order in no book is absent once the gateway's horizon has passed, not before."""
    ours = unknown(purpose=Purpose.ENTRY, placed_at_ms=NOW - age, changed_at_ms=NOW - age)

    assert find([ours], books()) == ((OrderAbsent(ours),) if absent else ())


@pytest.mark.parametrize(
    ("purpose", "age", "unseen"),
    [
        (Purpose.STOP, 999, False),
        (Purpose.STOP, 1_000, True),
        (Purpose.ENTRY, 60_000, False),
        (Purpose.EXIT, 999, False),
        (Purpose.EXIT, 1_000, True),
        (Purpose.CORRECTION, 60_000, False),
    ],
)
def test_only_stops_and_exits_are_missed_from_their_first_second_on(
    purpose: Purpose, age: int, unseen: bool
) -> None:
    """What covers or closes a short and is in no book is unseen a second after it was sent; other orders
    have the whole horizon.
    """
    ours = unknown(purpose=purpose, placed_at_ms=NOW - age, changed_at_ms=NOW - age)

    assert find([ours], books()) == ((StopUnseen(ours),) if unseen else ())


def test_a_stop_that_looks_filled_is_not_missed() -> None:
    """A changed position, or a trade of its size, may be the unknown stop's own fill."""
    ours = unknown()

    assert find([ours], books(**{CALL: 0}), {CALL: 650}) == ()
    assert find([ours], books(trades=(trade(650, "X9"),))) == ()


def test_a_position_that_is_not_explained_keeps_an_order_from_being_absent() -> None:
    """While the symbol's position looks as if the unknown order had filled, it gets more time."""
    ours = unknown(side=Side.SELL, placed_at_ms=NOW - HORIZON)

    findings = find([ours], books(**{CALL: -650}))
    assert [one for one in findings if isinstance(one, OrderAbsent)] == []


def test_an_order_in_the_trade_book_is_not_absent() -> None:
    """An unknown order whose fill stands in the trade book under a new id is not absent."""
    ours = unknown(placed_at_ms=LONG_AGO)

    findings = find([ours], books(trades=(trade(650, "X9"),)))
    assert [one for one in findings if isinstance(one, OrderAbsent)] == []


def test_past_the_horizon_an_unknown_order_hides_nothing_for_ever() -> None:
    """After the horizon a position closed by hand comes to light in spite of an unknown exit."""
    exit_order = unknown(
        order_type=OrderType.MARKET,
        purpose=Purpose.EXIT,
        trigger_price_paise=0,
        limit_price_paise=0,
        placed_at_ms=LONG_AGO,
        changed_at_ms=LONG_AGO,
    )
    # Somebody bought the position back in two parts, neither of which is our exit's quantity.
    market = {"order_type": OrderType.MARKET, "trigger_price_paise": 0, "limit_price_paise": 0,
              "status": BrokerStatus.COMPLETE}  # fmt: skip
    rows = [row("U1", quantity=325, **market), row("U2", quantity=325, **market)]
    snapshot = books(*rows, trades=(trade(325, "U1"), trade(325, "U2")), **{CALL: 0})

    findings = find([exit_order], snapshot, {CALL: 650})
    assert [one for one in findings if isinstance(one, OrderAbsent | ShortOfOurs)] != []


# ---------------------------------------------------------------- positions


@pytest.mark.parametrize(("net", "missing"), [(-585, 65), (-65, 585), (0, 650), (65, 650)])
def test_a_smaller_short_at_the_broker_is_short_of_ours(net: int, missing: int) -> None:
    """Where the broker is less short than we, or long, the difference up to all of ours is gone."""
    assert find([], books(**{CALL: net}), {CALL: 650}) == (ShortOfOurs(CALL, missing),)


def test_a_position_without_a_row_is_a_position_of_zero() -> None:
    """A complete snapshot without the symbol shows that nothing of it is held."""
    assert find([], books(), {CALL: 650}) == (ShortOfOurs(CALL, 650),)


@pytest.mark.parametrize(
    ("net", "ours"), [(-715, 650), (-65, 0), (65, 0), (-65, -65), (130, -65), (0, -65)]
)
def test_what_we_do_not_explain_is_more_than_ours(net: int, ours: int) -> None:
    """A position that our own does not explain is reported with both quantities, signed."""
    assert find([], books(**{CALL: net}), {CALL: ours}) == (MoreThanOurs(CALL, net, ours),)


def test_a_long_of_ours_is_a_long_at_the_broker() -> None:
    """Quantities are signed: our own long is explained by a long at the broker."""
    assert find([], books(**{CALL: 65}), {CALL: -65}) == ()


def test_rows_of_closed_positions_are_ignored() -> None:
    """A row with net zero in a symbol that we do not hold is no finding."""
    assert find([], books(**{CALL: 0, PUT: 0}), {PUT: 0}) == ()


def test_every_symbol_is_compared() -> None:
    """Each symbol that either side holds is compared on its own."""
    snapshot = books(**{CALL: -650, "FOREIGN": -50})

    assert find([], snapshot, {CALL: 650, PUT: 65}) == (
        MoreThanOurs("FOREIGN", -50, 0),
        ShortOfOurs(PUT, 65),
    )


# ---------------------------------------------------------------- by snapshots alone


def test_snapshots_alone_show_that_a_stop_has_triggered() -> None:
    """Without pushes and ticks, books that say waiting and then open show that a stop triggered."""
    contract = Contract(
        symbol=CALL,
        underlying="NIFTY",
        expiry=dt.date(2026, 12, 29),
        strike_paise=2_600_000,
        option_type=OptionType.CE,
        lot_size=65,
    )
    session = make_session(
        dt.date(2026, 12, 28),
        open_time=dt.time(9, 15),
        close_time=dt.time(15, 40),
        first_entry=dt.time(9, 16),
        last_entry=dt.time(15, 0),
        force_exit=dt.time(15, 15),
        broker_cutoff=None,
    )
    market = Market(Rules(), session, {CALL: contract}, None)
    market.symbols[CALL].last_paise = 14_400
    orders = OrderManager(Rules(), {CALL: contract}, session.date, market)
    reconciler = Reconciler(orders, PositionTracker(orders), lambda _: 14_100)
    orders.now_ms = NOW
    stop = orders.place(
        symbol=CALL,
        side=Side.BUY,
        order_type=OrderType.SL,
        purpose=Purpose.STOP,
        quantity=650,
        trigger_price_paise=14_000,
        limit_price_paise=14_300,
    )
    assert stop is not None
    orders.on_accepted(
        OrderAccepted(order_id=stop.order_id, request=Request.PLACE, broker_order_id="X1")
    )
    for minutes, status in [(1, BrokerStatus.TRIGGER_PENDING), (2, BrokerStatus.OPEN)]:
        orders.now_ms = NOW + minutes * 60_000
        reconciler.on_snapshot(books(row(status=status), at_ms=orders.now_ms))

    assert stop.state is S.OPEN
    assert stop.triggered_at_ms == NOW + 2 * 60_000
