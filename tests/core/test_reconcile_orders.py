"""Orders whose id we know against the broker's books, and what was touched too lately to be compared."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerStatus, Purpose
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.reconcile import (
    FillMissed,
    MoreThanOurs,
    OrderMissing,
    RowMissing,
    ShortOfOurs,
    StatusDiffers,
    ValuesDiffer,
)
from tests.core.reconcile_desk import CALL, NOW, PUT, S, books, find, order, row, trade

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
    ours = order(changed_at_ms=NOW - age, filled_at_ms=NOW - age, purpose=Purpose.ENTRY)
    snapshot = books(row(trigger_price_paise=14_005), **{CALL: 0})
    both = (ValuesDiffer(ours), ShortOfOurs(CALL, 650))

    assert find([ours], snapshot, {CALL: 650}) == (() if touched else both)


@pytest.mark.parametrize(("age", "heard"), [(499, False), (500, True)])
@pytest.mark.parametrize("status", [BrokerStatus.CANCELLED, BrokerStatus.REJECTED])
@pytest.mark.parametrize("purpose", [Purpose.STOP, Purpose.ENTRY])
def test_an_end_is_asked_for_after_half_a_second(
    age: int, heard: bool, status: BrokerStatus, purpose: Purpose
) -> None:
    """A stop that was thrown out just after it was taken leaves a short bare: no round is waited. Nor is
    it for an entry, which late news that repeat what was known would keep touched for ever.
    """
    ours = order(changed_at_ms=NOW - age, purpose=purpose)

    assert find([ours], books(row(status=status))) == (
        (StatusDiffers(ours, status, ""),) if heard else ()
    )


def test_a_touched_order_without_a_row_is_left_alone() -> None:
    """An order changed a moment ago that the book does not show yet is not missing."""
    assert find([order(changed_at_ms=NOW - 1_000)], books()) == ()


def test_only_the_touched_symbol_is_left_alone() -> None:
    """A position of another symbol is compared as ever."""
    ours = order(filled_at_ms=NOW - 1_000)

    snapshot = books(row(), **{CALL: 0, PUT: 0})

    assert find([ours], snapshot, {CALL: 650, PUT: 65}) == (ShortOfOurs(PUT, 65),)


@pytest.mark.parametrize("state", [S.IN_FLIGHT, S.UNKNOWN, S.CLAIMED])
def test_a_position_whose_order_is_unsettled_is_left_alone(state: OrderState) -> None:
    """While an order's fills are not known, its symbol's position cannot be judged."""
    ours = order(state=state, placed_at_ms=NOW - 10_000, changed_at_ms=NOW - 10_000)

    found = find([ours], books(row()), {CALL: 650})
    assert not any(isinstance(each, ShortOfOurs | MoreThanOurs | RowMissing) for each in found)
