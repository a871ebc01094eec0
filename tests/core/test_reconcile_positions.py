"""Our positions against the broker's, and what snapshots alone can tell."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.market import Market
from baseline_v1_live.core.messages import (
    BrokerStatus,
    OrderAccepted,
    OrderType,
    Purpose,
    Request,
    Side,
)
from baseline_v1_live.core.reconcile import MoreThanOurs, ShortOfOurs
from baseline_v1_live.core.reconciler import Reconciler
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.position_tracker import PositionTracker
from tests.core.reconcile_desk import CALL, NOW, PUT, S, books, find, order, row
from tests.harness_market import day, make_contract

# ---------------------------------------------------------------- positions


@pytest.mark.parametrize(("net", "missing"), [(-585, 65), (-65, 585), (0, 650), (65, 650)])
def test_a_smaller_short_at_the_broker_is_short_of_ours(net: int, missing: int) -> None:
    """Where the broker is less short than we, or long, the difference up to all of ours is gone."""
    assert find([], books(**{CALL: net}), {CALL: 650}) == (ShortOfOurs(CALL, missing),)


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
    snapshot = books(**{CALL: -650, PUT: 0, "FOREIGN": -50})

    assert find([], snapshot, {CALL: 650, PUT: 65}) == (
        MoreThanOurs("FOREIGN", -50, 0),
        ShortOfOurs(PUT, 65),
    )


@pytest.mark.parametrize(
    ("status", "is_open", "hidden"),
    [
        (BrokerStatus.COMPLETE, True, True),
        (BrokerStatus.OPEN, True, True),
        (BrokerStatus.OPEN, False, False),
        (BrokerStatus.TRIGGER_PENDING, True, False),
        (BrokerStatus.CANCELLED, True, False),
    ],
)
def test_what_an_order_at_work_may_have_bought_is_not_missed(
    status: BrokerStatus, is_open: bool, hidden: bool
) -> None:
    """Where the row of our own order says that it fills, a smaller short is no finding until
    the trade book shows whose purchase it was, also in the first seconds after the order changed.
    """
    stop = order(changed_at_ms=NOW - 1_000)
    shown = books(row(status=status), **{CALL: -325})

    found = find([stop], shown, {CALL: 650}, is_open=is_open)

    assert (ShortOfOurs(CALL, 325) not in found) is hidden


# ---------------------------------------------------------------- by snapshots alone


def test_snapshots_alone_show_that_a_stop_has_triggered() -> None:
    """Without pushes and ticks, books that say waiting and then open show that a stop triggered."""
    session, contracts = day(), {CALL: make_contract(CALL)}
    market = Market(Rules(), session, contracts, None)
    market.symbols[CALL].last_paise = 14_400
    orders = OrderManager(Rules(), contracts, session.date, market)
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
