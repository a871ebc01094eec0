"""Orders that were never answered: found in the broker's books by their looks, or missed there."""

from __future__ import annotations

from typing import Any

import pytest

from baseline_v1_live.core.messages import BrokerStatus, OrderType, Purpose, Side
from baseline_v1_live.core.reconcile import OrderAbsent, OrderFound, ShortOfOurs, StopUnseen
from tests.core.reconcile_desk import (
    CALL,
    HORIZON,
    LONG_AGO,
    NOW,
    PUT,
    S,
    books,
    find,
    order,
    row,
    trade,
    unknown,
)


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
    ("after_s", "found"), [(-130, False), (-110, True), (-2, True), (5, True), (3_600, False)]
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

    shown_in = books(shown, at_ms=NOW + max(after_s, 0) * 1_000)
    assert (OrderFound(ours, "X9") in find([ours], shown_in)) is found


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


def test_one_row_of_two_entries_alike_is_not_guessed_at() -> None:
    """Before their horizon nobody can say which of two orders alike a single row is."""
    first, second = (unknown(order_id=name, purpose=Purpose.ENTRY) for name in "ab")

    assert find([first, second], books(row("X8"))) == ()


def test_one_row_of_two_stops_alike_is_the_older() -> None:
    """Stops replace one another: the one that works is known at once, so that it can be cancelled."""
    first, second = unknown(order_id="a"), unknown(order_id="b")

    assert find([first, second], books(row("X8"))) == (OrderFound(first, "X8"), StopUnseen(second))


def test_one_row_of_two_stops_alike_is_the_one_still_to_cover() -> None:
    """A lost stop that is to be cancelled takes the row last: that would cancel the one that covers."""
    first = unknown(order_id="a", cancel_wanted=True)
    second = unknown(order_id="b")

    found = find([first, second], books(row("X8")))
    assert found == (OrderFound(second, "X8"), StopUnseen(first))


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


@pytest.mark.parametrize(("late_ms", "found"), [(999, False), (1_000, True)])
def test_an_order_whose_answer_is_late_is_looked_for_in_the_books(
    late_ms: int, found: bool
) -> None:
    """A second after it was told that its answer does not come, its row names it as well."""
    ours = order(None, state=S.IN_FLIGHT, placed_at_ms=NOW - 3_000, sent_at_ms=NOW - late_ms)

    assert find([ours], books(row("X8"))) == ((OrderFound(ours, "X8"),) if found else ())


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


@pytest.mark.parametrize(("age", "absent"), [(3 * HORIZON - 1, False), (3 * HORIZON, True)])
def test_a_trade_of_somebody_else_does_not_keep_an_order_alive_all_day(
    age: int, absent: bool
) -> None:
    """He bought as much as a lost market order, later than that could have come: for a while a clock may
    be wrong, after that it was he.
    """
    ours = unknown(
        purpose=Purpose.ENTRY,
        order_type=OrderType.MARKET,
        placed_at_ms=NOW - age,
        changed_at_ms=NOW - age,
    )
    late = row(
        broker_order_id="X9",
        order_type=OrderType.MARKET,
        status=BrokerStatus.COMPLETE,
        placed_at_ms=ours.placed_at_ms + HORIZON + 9_000,
    )

    findings = find([ours], books(late, trades=(trade(650, "X9"),)))
    assert (OrderAbsent(ours) in findings) is absent


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
