"""Positions whose row is missing, and the trade book as the witness of the position book."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerTrade, Side
from baseline_v1_live.core.net_positions import read_net
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.reconcile import MoreThanOurs, RowMissing, ShortOfOurs
from tests.core.reconcile_desk import CALL, LONG_AGO, NOW, PUT, S, books, find, order


def sold(quantity: int = 650) -> Order:
    """Our entry, filled long ago."""
    return order(
        "E1",
        side=Side.SELL,
        state=S.FILLED,
        quantity=quantity,
        filled_quantity=quantity,
        filled_value_paise=quantity * 13_000,
        filled_at_ms=LONG_AGO,
    )


def trade(broker_order_id: str, side: Side, quantity: int, price: int = 13_000) -> BrokerTrade:
    """Fills of one order in the trade book."""
    return BrokerTrade(
        broker_order_id=broker_order_id,
        symbol=CALL,
        side=side,
        filled_quantity=quantity,
        filled_value_paise=quantity * price,
    )


OUR_SALE = trade("E1", Side.SELL, 650)


@pytest.mark.parametrize(
    "trades", [(), (OUR_SALE,), (OUR_SALE, trade("H1", Side.BUY, 585))], ids=len
)
def test_a_missing_row_is_not_believed_without_the_purchase(
    trades: tuple[BrokerTrade, ...],
) -> None:
    """An empty position book closes nothing that the trade book does not show bought."""
    assert find([sold()], books(trades=trades), {CALL: 650}) == (RowMissing(CALL, 650),)


def test_a_missing_row_is_believed_where_the_trade_book_shows_the_purchase() -> None:
    """Brokers that drop the rows of closed positions have the closing trades in the trade book."""
    trades = (OUR_SALE, trade("H1", Side.BUY, 650))

    assert find([sold()], books(trades=trades), {CALL: 650}) == (
        ShortOfOurs(CALL, 650, agreed=True),
    )


def test_a_purchase_of_what_somebody_added_does_not_close_ours() -> None:
    """Somebody sold 130 more and bought 130 back: with ours still open, a missing row is a lie."""
    added = (trade("H1", Side.SELL, 130), trade("H2", Side.BUY, 130))

    assert find([sold()], books(trades=(OUR_SALE, *added)), {CALL: 650}) == (RowMissing(CALL, 650),)


def test_a_trade_book_without_our_own_fills_is_no_witness() -> None:
    """A trade book that lacks our sale may lack anything: a purchase in it proves nothing."""
    assert find([sold()], books(trades=(trade("H1", Side.BUY, 650),)), {CALL: 650}) == (
        RowMissing(CALL, 650),
    )


def test_a_short_taken_over_is_judged_by_the_same_rule() -> None:
    """An adopted short has no order of ours: somebody's sale and purchase are its trades."""
    sale, purchase = trade("H1", Side.SELL, 650), trade("H2", Side.BUY, 650)

    assert find([], books(trades=(sale,)), {CALL: 650}) == (RowMissing(CALL, 650),)
    assert find([], books(trades=(sale, purchase)), {CALL: 650}) == (
        ShortOfOurs(CALL, 650, agreed=True),
    )


def test_a_missing_row_of_a_long_of_ours_needs_the_sale() -> None:
    """A long of ours without a row is gone only where the trade book shows it sold."""
    bought = order(state=S.FILLED, filled_quantity=650, filled_value_paise=650 * 14_100)
    ours = trade("X1", Side.BUY, 650, 14_100)

    assert find([bought], books(trades=(ours,)), {CALL: -650}) == (RowMissing(CALL, -650),)
    assert find([bought], books(trades=(ours, trade("H1", Side.SELL, 650))), {CALL: -650}) == (
        MoreThanOurs(CALL, 0, -650, agreed=True),
    )


def test_a_smaller_row_and_the_trade_book_together_are_certain() -> None:
    """Two books that say the same need no second look; a row alone does."""
    trades = (OUR_SALE, trade("H1", Side.BUY, 65))

    assert find([sold()], books(trades=trades, **{CALL: -585}), {CALL: 650}) == (
        ShortOfOurs(CALL, 65, agreed=True),
    )
    assert find([sold()], books(trades=(OUR_SALE,), **{CALL: -585}), {CALL: 650}) == (
        ShortOfOurs(CALL, 65, agreed=False),
    )


def test_a_fill_that_both_books_have_hides_no_difference() -> None:
    """Somebody closed the short just before our exit filled: the long is found without any grace."""
    entry = sold()
    ours = order(
        "X1", state=S.FILLED, filled_quantity=650, filled_value_paise=1, filled_at_ms=NOW - 1
    )
    trades = (OUR_SALE, trade("H1", Side.BUY, 650), trade("X1", Side.BUY, 650))

    findings = find([entry, ours], books(trades=trades, **{CALL: 650}), {CALL: 0})
    assert MoreThanOurs(CALL, 650, 0, agreed=True) not in findings  # Its value is booked first.
    ours.filled_value_paise = 650 * 13_000
    assert find([entry, ours], books(trades=trades, **{CALL: 650}), {CALL: 0}) == (
        MoreThanOurs(CALL, 650, 0, agreed=True),
    )
    # Without our purchase in the trade book it is a second look that decides.
    assert find([entry, ours], books(trades=trades[:2], **{CALL: 650}), {CALL: 0}) == (
        MoreThanOurs(CALL, 650, 0, agreed=False),
    )


def test_what_we_do_not_hold_needs_no_row() -> None:
    """Symbols that are flat for us are no finding without a row, whatever was traded in them."""
    assert find([], books(trades=(OUR_SALE,)), {PUT: 0}) == ()


def test_a_missing_row_hides_no_lost_stop() -> None:
    """A position book without the row does not look as if an unanswered order had filled."""
    read = read_net([sold()], {CALL: 650}, books(trades=(OUR_SALE,)))

    assert read.unclear == {CALL}
    assert CALL not in read.net
