"""Orders without an answer, beside rows that look like them and rows that cannot be theirs."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerStatus, BrokerTrade, OrderType, Purpose, Side
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.reconcile import OrderAbsent, OrderFound, OrderNotOurs, ShortOfOurs
from tests.core.reconcile_desk import CALL, HORIZON, NOW, books, find, order, row, trade, unknown

MARKET = {"order_type": OrderType.MARKET, "trigger_price_paise": 0, "limit_price_paise": 0}
DONE = {"status": BrokerStatus.COMPLETE, **MARKET}
SOLD = BrokerTrade(
    broker_order_id="E",
    symbol=CALL,
    side=Side.SELL,
    filled_quantity=650,
    filled_value_paise=650 * 13_000,
)


def test_a_row_that_was_there_before_an_order_is_not_that_order() -> None:
    """Of two purchases alike, the one that the broker told of before ours was placed is not ours."""
    exit_ = unknown(purpose=Purpose.EXIT, **MARKET)
    hand, ours = row("HAND", placed_at_ms=NOW - 10_000, **DONE), row("OURS", **DONE)

    assert OrderFound(exit_, "OURS") in find([exit_], books(hand, ours), heard={"HAND": 0})
    assert OrderFound(exit_, "HAND") in find([exit_], books(hand), heard={"HAND": 1})


def test_a_working_row_from_before_is_nobodys() -> None:
    """A working order that was there before ours, alike, is a stray and not waited for."""
    stop = unknown()

    assert OrderNotOurs(row("OLD"), None) in find(
        [stop], books(row("OLD")), is_traded=True, heard={"OLD": 0}
    )
    assert find([stop], books(row("OLD")), is_traded=True) == (OrderFound(stop, "OLD"),)


def test_a_row_that_somebody_has_changed_is_known_by_what_it_was_first() -> None:
    """A stop without an answer was told with our prices and moved by hand before it was named."""
    stop, moved = unknown(), row("MOVED", trigger_price_paise=15_000, limit_price_paise=15_300)
    found = OrderFound(stop, "MOVED")

    assert found in find([stop], books(moved), first_terms={"MOVED": (650, 14_000, 14_300)})
    assert found not in find([stop], books(moved), first_terms={"MOVED": (650, 14_900, 15_200)})
    assert found not in find([stop], books(moved), first_terms={"MOVED": (325, 14_000, 14_300)})


def test_a_trade_from_before_keeps_no_order_alive() -> None:
    """A trade that was there before the order says nothing of it: past the horizon it is absent."""
    exit_ = unknown(purpose=Purpose.EXIT, placed_at_ms=NOW - HORIZON, **MARKET)
    old = books(trades=(trade(650, "OLD"),), **{CALL: 650})

    assert OrderAbsent(exit_) in find([exit_], old, {CALL: 650}, heard={"OLD": 0})
    assert OrderAbsent(exit_) not in find([exit_], old, {CALL: 650})


@pytest.mark.parametrize("state", [OrderState.UNKNOWN, OrderState.IN_FLIGHT])
def test_what_an_order_on_its_way_cannot_have_bought_is_somebody_elses(
    state: OrderState,
) -> None:
    """A purchase of another size than the lost stop's is booked, although the stop may still turn up."""
    entry = order("E", side=Side.SELL, purpose=Purpose.ENTRY, state=OrderState.FILLED)
    entry.filled_quantity, entry.filled_value_paise = 650, 650 * 13_000
    stop = order(None, state=state, placed_at_ms=NOW - 10_000, changed_at_ms=NOW - 10_000)
    by_hand = row("HAND", quantity=130, **DONE)

    shown = books(by_hand, trades=(SOLD, trade(130, "HAND")), **{CALL: -520})
    assert ShortOfOurs(CALL, 130, agreed=True) in find([entry, stop], shown, {CALL: 650})
    # Without its row nobody can say whose purchase it was.
    shown = books(trades=(SOLD, trade(130, "HAND")), **{CALL: -520})
    assert ShortOfOurs(CALL, 130, agreed=True) not in find([entry, stop], shown, {CALL: 650})


def test_a_purchase_that_may_be_an_order_on_its_way_is_waited_for() -> None:
    """A purchase with the signature of a lost exit is found as that, not booked as somebody else's."""
    entry = order("E", side=Side.SELL, purpose=Purpose.ENTRY, state=OrderState.FILLED)
    entry.filled_quantity, entry.filled_value_paise = 650, 650 * 13_000
    exit_ = unknown(purpose=Purpose.EXIT, **MARKET)
    shown = books(row("X", **DONE), trades=(SOLD, trade(650, "X")), **{CALL: 0})

    found = find([entry, exit_], shown, {CALL: 650})

    assert found == (OrderFound(exit_, "X", trade(650, "X")),)


def test_a_row_from_our_future_is_matched_without_its_time() -> None:
    """A bot started under a clock an hour slow still finds its late order: a row cannot be from later
    than now, so its time says nothing.
    """
    exit_ = unknown(purpose=Purpose.EXIT, **MARKET)
    late = row("X", placed_at_ms=NOW + 3_600_000, **DONE)

    assert OrderFound(exit_, "X") in find([exit_], books(late))


def test_a_purchase_like_a_lost_exit_is_not_booked_as_somebody_elses_for_its_time() -> None:
    """Under a clock an hour fast the row's time is long before the exit's: it is waited for, since it
    may be that exit all the same.
    """
    entry = order("E", side=Side.SELL, purpose=Purpose.ENTRY, state=OrderState.FILLED)
    entry.filled_quantity, entry.filled_value_paise = 650, 650 * 13_000
    exit_ = unknown(purpose=Purpose.EXIT, **MARKET)
    old = row("X", placed_at_ms=NOW - 3_600_000, **DONE)
    shown = books(old, trades=(SOLD, trade(650, "X")), **{CALL: 0})

    assert ShortOfOurs(CALL, 650, agreed=True) not in find([entry, exit_], shown, {CALL: 650})


def test_a_purchase_at_another_price_keeps_no_lost_stop_alive() -> None:
    """Somebody bought as many as a lost stop was for, at market: past the horizon the stop is absent."""
    stop = unknown(placed_at_ms=NOW - HORIZON)
    by_hand = row("HAND", **DONE | {"limit_price_paise": 11_111})

    shown = books(by_hand, trades=(trade(650, "HAND"),), **{CALL: 0})
    assert OrderAbsent(stop) in find([stop], shown)
    # Without its row the trade may be the stop's.
    assert OrderAbsent(stop) not in find([stop], books(trades=(trade(650, "HAND"),), **{CALL: 0}))
