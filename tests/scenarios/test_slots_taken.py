"""A slot that is taken while an entry rests for it: the entry goes at once."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerStatus, Purpose
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C260, C261, P259, P260


def _entry_given_up(rules: Rules) -> Desk:
    """An entry in C260 was proven cancelled, and one in P259 rests."""
    desk = Desk(rules=rules)
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
        desk.prove("entry-0001", BrokerStatus.CANCELLED)
        desk.swing_low(P259, 130.00, 139.00)
    assert desk.entries() == ["P259"]
    desk.advance(5)
    desk.take()
    return desk


def test_a_late_fill_that_takes_the_last_slot_cancels_the_entry_that_rests_for_it() -> None:
    """One position is allowed: the entry believed cancelled has filled, so the other one goes."""
    desk = _entry_given_up(Rules(positions_max=1))
    desk.fill("entry-0001", 650, 129.95)

    lines = desk.take()
    assert "place stop-0003 BUY 650 C260 SL 140.00/143.00" in lines
    assert "ask entry-0002" in lines
    desk.prove("entry-0002")
    assert desk.take() == ["cancel entry-0002"]
    desk.cancelled("entry-0002")
    assert desk.state("entry-0002") is OrderState.CANCELLED
    assert desk.entries() == []


def test_a_late_fill_with_a_slot_to_spare_leaves_the_entry_alone() -> None:
    """Two positions are allowed: the entry rests on."""
    desk = _entry_given_up(Rules(positions_max=2))
    desk.fill("entry-0001", 650, 129.95)
    desk.advance(2)

    assert desk.entries() == ["P259"]
    assert not desk.order("entry-0002").cancel_wanted


@pytest.mark.parametrize(("most", "rests"), [(1, False), (2, True)])
def test_the_limit_of_one_type_counts_too(most: int, rests: bool) -> None:
    """A late fill of a PE leaves no slot for another PE where one is allowed."""
    desk = Desk(rules=Rules(positions_pe_max=most))
    with desk.answered():
        desk.swing_low(P260, 130.00, 139.00)
        desk.prove("entry-0001", BrokerStatus.CANCELLED)
        desk.swing_low(P259, 130.00, 139.00)
    desk.advance(5)
    desk.fill("entry-0001", 650, 129.95)

    assert desk.order("entry-0002").cancel_wanted is not rests


def test_of_two_entries_for_one_slot_only_one_goes() -> None:
    """Both rest, two are allowed, and a late fill takes one slot: one of them stays."""
    desk = Desk(rules=Rules(positions_max=2))
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
        desk.prove("entry-0001", BrokerStatus.CANCELLED)
        desk.advance(130)
        desk.swing_lows({C261: (130.00, 139.00), P259: (130.00, 139.00)})
    assert len(desk.entries()) == 2
    desk.advance(5)
    desk.fill("entry-0001", 650, 129.95)
    desk.advance(3)

    wanted = [order.cancel_wanted for order in desk.engine.orders.live(purpose=Purpose.ENTRY)]
    assert sorted(wanted) == [False, True]
