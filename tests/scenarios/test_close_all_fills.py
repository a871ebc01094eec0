"""Closing everything while exits rest or fill in part, and entries fill that were to be cancelled."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerStatus, OrderType, Request, SaveSummary
from baseline_v1_live.core.order_states import OrderState
from tests.harness import Desk, desk_of_five
from tests.harness_market import C260
from tests.scenarios.closing_desk import fill_exit, killed_desk


@pytest.fixture
def desk() -> Desk:
    return killed_desk()


# ------------------------------------------------------------ an exit that rests, or fills in part


def rest(desk: Desk, order_id: str) -> None:
    """A market order is accepted, and found resting when it is asked for 0.3 s later."""
    desk.accept(order_id)
    desk.advance(0.3)
    assert desk.take() == [f"ask {order_id}"]
    desk.prove(order_id)


def test_an_exit_that_rests_is_chased(desk: Desk) -> None:
    """A market order that rests for a second becomes a limit 3, 8, 20 % and then 38 % above 130."""
    fill_exit(desk, "exit-0013")
    fill_exit(desk, "exit-0014")
    desk.advance(31)
    desk.tick(C260, 130.00)
    desk.take()
    rest(desk, "exit-0012")
    wanted = []
    for seconds in (0.7, 1, 1, 1):
        desk.advance(seconds)
        wanted += desk.take()
        desk.modified("exit-0012")

    assert wanted == [
        "modify exit-0012 650 LIMIT 133.90",
        "modify exit-0012 650 LIMIT 140.40",
        "modify exit-0012 650 LIMIT 156.00",
        "modify exit-0012 650 LIMIT 179.40",
    ]


def test_a_market_exit_that_nobody_tells_of_is_asked_for_after_300_ms(desk: Desk) -> None:
    """Its fill is learned by asking, long before the chase and without a single pushed update."""
    desk.accept("exit-0012")
    desk.fill("exit-0012", 650, 129.95, heard=False)
    desk.take()
    desk.advance(0.299)
    assert desk.take() == []
    desk.advance(0.001)
    assert desk.take() == ["ask exit-0012"]
    desk.prove("exit-0012")
    desk.advance(3)

    assert desk.state("exit-0012") is OrderState.FILLED
    assert desk.modifies("exit-0012") == []


def test_a_market_exit_whose_fill_is_told_is_not_asked_for(desk: Desk) -> None:
    """Where the broker pushes the fill no question is needed."""
    fill_exit(desk, "exit-0012")
    desk.take()
    desk.advance(3)

    assert desk.take() == []


def test_the_chase_waits_for_the_answer_that_may_say_filled(desk: Desk) -> None:
    """A market exit that was asked for is not changed before the answer, or 2 s without one."""
    desk.tick(C260, 130.00)
    desk.accept("exit-0012")
    desk.advance(2.29)
    assert desk.modifies("exit-0012") == []
    desk.advance(0.01)

    assert len(desk.modifies("exit-0012")) == 1


def test_the_chase_goes_on_when_the_question_failed(desk: Desk) -> None:
    """A question that got no answer does not hold the chase back."""
    desk.tick(C260, 130.00)
    desk.accept("exit-0012")
    desk.advance(0.5)
    desk.lose("exit-0012", Request.QUERY)
    desk.advance(0.5)

    assert len(desk.modifies("exit-0012")) == 1


def test_a_cheap_option_is_chased_to_nineteen_rupees_above(desk: Desk) -> None:
    """At or below 50 the chase ends 19 rupees above the reference, inside the exchange's band."""
    fill_exit(desk, "exit-0013")
    fill_exit(desk, "exit-0014")
    for price in (100.00, 75.00, 55.00):
        desk.tick(C260, price)
    desk.advance(31)
    desk.tick(C260, 40.00)
    desk.take()
    rest(desk, "exit-0012")
    wanted = []
    for seconds in (0.7, 1, 1, 1):
        desk.advance(seconds)
        wanted += desk.take()
        desk.modified("exit-0012")

    assert wanted[-1] == "modify exit-0012 650 LIMIT 59.00"
    assert all(command.order_type is not OrderType.SL for command in desk.modifies("exit-0012"))


def test_only_the_rest_of_a_partly_filled_exit_is_open(desk: Desk) -> None:
    """An exit that fills 260 and is then rejected leaves 390 to buy."""
    desk.accept("exit-0012")
    desk.fill("exit-0012", 260, 130.00)
    desk.prove("exit-0012", BrokerStatus.REJECTED)
    desk.advance(2)

    assert "place exit-0015 BUY 390 C260 MARKET" in desk.take()


def test_what_is_bought_back_already_is_not_bought_again_by_the_day_exit() -> None:
    """With 130 of 650 being bought back for their risk, the kill buys 520 more and not 650."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 650, 126.95)
    desk.accept("stop-0002")
    desk.take()
    desk.say("kill")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 130, 127.00)

    assert desk.take() == [
        "cancel stop-0002",
        "ask stop-0002",
        "place exit-0004 BUY 520 C260 MARKET",
    ]


# ------------------------------------------------------------ an entry that fills late


def test_a_late_fill_after_the_day_exit_is_closed_too() -> None:
    """An entry that fills while the day exit cancels it gets no stop: it is bought back at once."""
    desk = desk_of_five()
    desk.say("kill")
    desk.take()
    desk.fill("entry-0011", 650, 129.95)

    assert desk.take() == ["place exit-0012 BUY 650 P259 MARKET"]


def test_a_late_fill_after_the_day_is_over_is_closed_too(desk: Desk) -> None:
    """A fill of an entry that was proven cancelled is bought back even when the day was over."""
    for order_id in ("exit-0012", "exit-0013", "exit-0014"):
        fill_exit(desk, order_id)
    assert desk.engine.day_over
    desk.take()
    desk.fill("entry-0011", 650, 129.95)
    assert desk.take() == ["place exit-0015 BUY 650 P259 MARKET"]
    fill_exit(desk, "exit-0015")

    assert not any(desk.net().values())
    assert [summary.trades for summary in desk.of(SaveSummary)] == [5, 6]


def test_an_entry_still_on_its_way_at_the_day_exit_is_cancelled_when_it_arrives() -> None:
    """An entry that was unanswered at the kill is cancelled as soon as the broker names it."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.take()
    desk.say("kill")
    assert desk.take() == []
    desk.accept("entry-0001")

    assert desk.take() == ["cancel entry-0001"]


def test_an_unknown_entry_at_the_kill_is_closed_when_it_turns_up() -> None:
    """A lost entry keeps the day open; found filled, it is bought back, and then the day is over."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.lose("entry-0001", reached=True)
    desk.fill("entry-0001", 650, 129.95, heard=False)
    desk.say("kill")
    assert desk.of(SaveSummary) == []
    desk.take()
    desk.advance(15)
    bought = [line for line in desk.take() if line.startswith("place")]
    assert bought == ["place exit-0002 BUY 650 C260 MARKET"]
    fill_exit(desk, "exit-0002")

    assert len(desk.of(SaveSummary)) == 1
