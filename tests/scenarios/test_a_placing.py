"""Placing, replacing and cancelling entries: the field's scenarios A1 to A21.

Elsewhere: A7 and A11 in test_a_unknown.py, A10 in test_refusals.py (churn breaker).
Not for the core alone: A4 and A18 (keywords and versions of an SDK), A8 (dialects of an empty book),
A17 (the strategy's name on the wire), A19 (the margin check, which the core has no answer of yet).
"""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import (
    BrokerStatus,
    Level,
    Request,
)
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C260, C261, C262, P260, later_swing


@pytest.fixture
def desk() -> Desk:
    """The entry in C260 rests; low 130, highest high 139."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    return desk


@pytest.fixture
def switching() -> Desk:
    """C261 became better than the resting C260, and at the bar close the cancel went out."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.swing_lows({C260: (130.00, 139.00), C261: (130.00, 139.50)})
    desk.accept("entry-0001")
    desk.tick(C260, 139.60)
    desk.take()
    desk.advance(60)
    assert desk.take() == ["ask entry-0001"]
    desk.prove("entry-0001")
    assert desk.take() == ["cancel entry-0001"]
    return desk


def test_a1_no_second_order_while_one_is_in_flight() -> None:
    """Ticks, bars and time during an unanswered placement send nothing more for that side."""
    desk = Desk()
    desk.swing_lows({C260: (130.00, 139.00), C261: (130.00, 139.50)})
    assert desk.take() == ["place entry-0001 SELL 650 C260 SL 129.95/126.95"]
    for _ in range(15):
        desk.tick(C260, 135.00)
        desk.tick(C261, 135.00)
        desk.advance(1)

    assert desk.take() == []


def test_a2_no_replacement_before_the_old_order_is_proven_gone(switching: Desk) -> None:
    """An acknowledged cancel and a bare status replace nothing; status joined with fills does."""
    switching.accept("entry-0001", Request.CANCEL)
    assert switching.take() == ["ask entry-0001"]
    switching.update("entry-0001", BrokerStatus.CANCELLED)
    switching.advance(0.9)
    assert switching.take() == []
    switching.prove("entry-0001")

    assert switching.take() == ["place entry-0002 SELL 325 C261 SL 129.95/126.95"]


def test_a3_a_failed_cancel_is_repeated_and_nothing_is_placed_beside_it(switching: Desk) -> None:
    """An order whose cancel was refused stays ours, is asked about, and is cancelled again in 2 s."""
    switching.refuse("entry-0001", "try later", Request.CANCEL)
    assert switching.take() == ["ask entry-0001"]
    switching.prove("entry-0001")
    switching.advance(1.9)
    assert switching.take() == []
    switching.advance(0.1)

    assert switching.take() == ["cancel entry-0001"]
    assert switching.entries() == ["C260"]


def test_a3_a_cancel_of_unknown_outcome_is_asked_about(switching: Desk) -> None:
    """A cancel that may or may not have arrived is settled by asking, not by assuming."""
    switching.lose("entry-0001", Request.CANCEL)
    assert switching.take() == ["ask entry-0001"]
    assert switching.entries() == ["C260"]
    switching.prove("entry-0001", BrokerStatus.CANCELLED)

    assert switching.take() == ["place entry-0002 SELL 325 C261 SL 129.95/126.95"]


def test_a5_the_cancel_of_an_order_that_is_over_is_no_error(switching: Desk) -> None:
    """A cancel refused because the order is cancelled already is read, without alarm or repetition."""
    alarms = len(switching.said("ORDER", Level.ALERT)) + len(
        switching.said("ORDER", Level.CRITICAL)
    )
    switching.refuse("entry-0001", "order is cancelled already", Request.CANCEL)
    switching.prove("entry-0001", BrokerStatus.CANCELLED)
    switching.take()
    switching.accept("entry-0002")
    switching.advance(30)

    assert switching.take() == []
    assert alarms == len(switching.said("ORDER", Level.ALERT)) + len(
        switching.said("ORDER", Level.CRITICAL)
    )


def test_a6_a_fill_found_during_the_cancel_is_a_position_with_a_stop(switching: Desk) -> None:
    """An entry that filled while its cancel was under way is protected, and the switch is dropped."""
    switching.fill("entry-0001", 325, 129.95, heard=False)
    switching.refuse("entry-0001", "order is complete", Request.CANCEL)
    assert switching.take() == ["ask entry-0001"]
    switching.prove("entry-0001")

    assert switching.take() == ["place stop-0002 BUY 325 C260 SL 140.60/143.60"]
    assert switching.entries() == []


def test_a6_a_part_that_filled_during_the_cancel_is_protected(switching: Desk) -> None:
    """A cancel proven with 130 filled leaves a position of 130 with a stop of 130."""
    switching.fill("entry-0001", 130, 129.95, heard=False)
    switching.accept("entry-0001", Request.CANCEL)
    switching.take()
    switching.prove("entry-0001")

    assert switching.take() == ["place stop-0002 BUY 130 C260 SL 140.60/143.60"]


def test_a9_a_new_swing_near_the_old_one_changes_nothing() -> None:
    """A trigger that would move by less than one rupee is left where it is."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    desk.minutes(C260, later_swing(130.95))

    assert desk.take() == []


def test_a9_a_new_swing_farther_off_moves_the_order_by_modify() -> None:
    """A trigger that moves by a rupee or more is modified, never cancelled and placed anew."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    desk.minutes(C260, later_swing(131.00))

    assert desk.take() == ["modify entry-0001 325 SL 130.95/127.95"]


def test_a12_a_partial_fill_is_protected_at_once(desk: Desk) -> None:
    """A part that fills gets its stop while the rest still rests."""
    desk.fill("entry-0001", 195, 129.95)

    assert desk.take() == ["place stop-0002 BUY 195 C260 SL 140.00/143.00"]
    assert desk.entries() == ["C260"]


def test_a12_what_a_cancel_leaves_filled_is_the_position(desk: Desk) -> None:
    """An entry left behind after 195 filled is cancelled, and 195 with their stop stay."""
    desk.fill("entry-0001", 195, 129.95)
    desk.accept("stop-0002")
    desk.tick(C260, 120.00)
    desk.take()
    desk.advance(10)
    desk.prove("entry-0001")
    desk.cancelled("entry-0001")
    desk.advance(60)

    assert desk.take() == ["ask entry-0001", "cancel entry-0001", "ask entry-0001"]
    position = desk.position(C260)
    assert position is not None
    assert position.open_quantity == 195
    assert desk.stop(C260).quantity == 195


def test_a13_a_fill_learned_from_the_books_counts_as_filled_not_as_ordered(desk: Desk) -> None:
    """An order of 650 that the books show cancelled with 130 filled makes a position of 130."""
    desk.fill("entry-0001", 130, 129.95, heard=False)
    desk.book[desk.full("entry-0001")].status = BrokerStatus.CANCELLED
    desk.advance(6)

    assert "place stop-0002 BUY 130 C260 SL 140.00/143.00" in desk.take()


def test_a14_an_entry_that_the_broker_ended_unheard_frees_its_slot_within_a_round() -> None:
    """A cancellation that nobody told us of is found in the books, and the next call is placed."""
    desk = Desk()
    desk.swing_lows({C260: (130.00, 139.00), C261: (130.00, 139.50)})
    desk.accept("entry-0001")
    desk.advance(30)
    desk.take()
    desk.book[desk.full("entry-0001")].status = BrokerStatus.CANCELLED
    assert set(desk.first_sent(5)) == {"ask entry-0001"}
    desk.prove("entry-0001")

    assert desk.take() == ["place entry-0002 SELL 585 C261 SL 129.95/126.95"]


@pytest.mark.parametrize("status", [BrokerStatus.CANCELLED, BrokerStatus.REJECTED])
def test_a14_every_terminal_status_frees_the_slot(desk: Desk, status: BrokerStatus) -> None:
    """Ended by the broker in whatever way, the entry makes room for the next call."""
    desk.prove("entry-0001", status)
    desk.take()
    desk.swing_low(C261, 130.00, 139.00)

    assert desk.take() == ["place entry-0002 SELL 650 C261 SL 129.95/126.95"]


def test_a15_a_refused_entry_frees_its_slot_at_once() -> None:
    """The next best call is placed in the same step in which the best is refused."""
    desk = Desk()
    desk.swing_lows({C260: (130.00, 139.00), C261: (130.00, 139.50)})
    desk.take()
    desk.refuse("entry-0001", "margin exceeds")

    assert desk.take() == ["place entry-0002 SELL 585 C261 SL 129.95/126.95"]
    assert desk.rejected() == {"refused_by_broker": 1}


def test_a15_a_refused_entry_is_not_sent_again() -> None:
    """A refused swing is spent: no tick and no minute brings it back."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.refuse("entry-0001", "margin exceeds")
    desk.take()
    for _ in range(90):
        desk.tick(C260, 135.00)
        desk.advance(1)

    assert desk.take() == []


def test_a15_a_refusal_blocks_its_symbol_for_a_minute() -> None:
    """A new swing of the refused symbol, confirmed 59 s after the refusal, is sold a second later."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    *bars, last = later_swing(132.00)
    desk.minutes(C260, bars)
    desk.advance(1)
    desk.prove("entry-0001", BrokerStatus.REJECTED)
    desk.take()
    desk.minute({C260: last})
    assert desk.take() == []
    desk.advance(1)

    assert desk.take() == ["place entry-0002 SELL 325 C260 SL 131.95/128.95"]


def test_a16_a_modified_entry_stays_a_stop_limit_with_both_prices(desk: Desk) -> None:
    """A modification that only takes lots off names the type, the trigger and the limit as well."""
    desk.tick(C260, 139.50)

    assert desk.take() == ["modify entry-0001 585 SL 129.95/126.95"]


def test_a20_an_entry_in_flight_counts_as_a_position() -> None:
    """With room for one position only, a put is not sent beside a call that is unanswered."""
    desk = Desk(rules=Rules(positions_max=1))
    desk.swing_lows({C260: (130.00, 139.00), P260: (130.00, 139.00)})

    assert desk.take() == ["place entry-0001 SELL 650 C260 SL 129.95/126.95"]
    assert desk.rejected() == {"max_positions": 1}


@pytest.mark.parametrize(
    ("low", "high", "entry", "stop"),
    [
        (130.00, 139.00, "SELL 650 C262 SL 129.95/126.95", "BUY 650 C262 SL 140.00/143.00"),
        (100.00, 104.00, "SELL 650 C262 SL 99.95/96.95", "BUY 650 C262 SL 105.00/108.00"),
        (187.35, 199.10, "SELL 455 C262 SL 187.30/184.30", "BUY 455 C262 SL 200.10/203.10"),
        (300.00, 312.00, "SELL 455 C262 SL 299.95/296.95", "BUY 455 C262 SL 313.00/316.00"),
        (250.00, 274.00, "SELL 260 C262 SL 249.95/246.95", "BUY 260 C262 SL 275.00/278.00"),
    ],
)
def test_a21_golden_prices(low: float, high: float, entry: str, stop: str) -> None:
    """Trigger one tick below the low, limit 3.00 below that; stop 1.00 above the high, limit 3.00 up."""
    desk = Desk()
    desk.swing_low(C262, low, high)
    assert desk.take() == [f"place entry-0001 {entry}"]
    desk.accept("entry-0001")
    desk.fill("entry-0001", desk.order("entry-0001").quantity, low - 0.05)

    assert desk.take() == [f"place stop-0002 {stop}"]
