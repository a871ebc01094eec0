"""The fixed exit policy: each position is closed at +2R of its own risk, by a watched target.

Risk per unit is 140.00 - 130.00 = 10.00, so that a position sold at 129.95 has its target at 109.95.
"""

from __future__ import annotations

import pytest

from baseline_v1_live.core.engine import TradingState
from baseline_v1_live.core.messages import (
    BrokerStatus,
    FetchQuote,
    OrderType,
    Purpose,
    Request,
    SaveSummary,
)
from baseline_v1_live.core.rules import ExitPolicy, Rules
from tests.harness import Desk
from tests.harness_market import C260, C261, P260
from tests.policy_desk import FIXED, desk_with_short, held, placed, reach


@pytest.fixture
def desk() -> Desk:
    """650 of C260 sold at 129.95, stop 2 working."""
    return desk_with_short(FIXED)


def buying(desk: Desk) -> None:
    """The target has traded, the stop is proven gone, and exit 3 is on its way."""
    reach(desk, 109.95)
    desk.cancelled("stop-0002")
    desk.take()


# ------------------------------------------------------------ the worked numbers


def test_at_two_r_of_its_own_risk_a_position_is_bought_back_by_limit(desk: Desk) -> None:
    """At 109.95 the stop is cancelled and proven, then all is bought at a limit of the target."""
    reach(desk, 109.95)
    assert desk.take() == ["cancel stop-0002"]
    desk.accept("stop-0002", Request.CANCEL)
    assert desk.take() == ["ask stop-0002"]
    desk.prove("stop-0002")
    assert desk.take() == ["place exit-0003 BUY 650 C260 LIMIT 109.95"]
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 109.95)

    assert (held(desk).closed, held(desk).exit_reason) == (True, "FIXED_TARGET")
    assert held(desk).r_milli == 2_000


def test_the_day_goes_on_after_a_target(desk: Desk) -> None:
    """A target closes its own position only; the others and the day's entries go on."""
    desk.short(C261)
    desk.take()
    buying(desk)
    desk.accept("exit-0005")
    desk.fill("exit-0005", 650, 109.95)

    assert desk.engine.positions.day_exit_reason is None
    assert desk.engine.state is TradingState.ENABLED
    assert desk.stop(C261).remaining == 650
    desk.swing_low(P260, 130.00, 139.00)
    assert desk.entries() == ["P260"]


def test_the_target_is_watched_and_not_rested(desk: Desk) -> None:
    """Before it trades nothing but the stop is at the broker."""
    reach(desk, 110.00)
    desk.advance(60)

    assert desk.take() == []
    assert [order.purpose for order in desk.engine.orders.live()] == [Purpose.STOP]


def test_the_target_counts_from_the_average_fill() -> None:
    """A position sold in two parts, at 129.95 and 128.00, has its target 20.00 below their average."""
    desk = Desk(rules=FIXED, index_symbol=None)
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 325, 129.95)
    desk.accept("stop-0002")
    desk.fill("entry-0001", 325, 128.00)
    desk.modified("stop-0002")
    desk.tick(C260, 128.00)
    desk.take()
    # The average is 128.975: the target is 108.975, on the tick below it 108.95.
    reach(desk, 109.00)
    assert desk.take() == []
    reach(desk, 108.95)
    desk.cancelled("stop-0002")

    assert placed(desk) == ["place exit-0003 BUY 650 C260 LIMIT 108.95"]


def test_the_target_is_as_far_as_it_is_set() -> None:
    """With 1.5 of its own risk the target is 15.00 below the fill."""
    desk = desk_with_short(Rules(exit_policy=ExitPolicy.FIXED, fixed_target_r_milli=1_500))
    reach(desk, 115.00)
    assert desk.take() == []
    reach(desk, 114.95)

    assert desk.take() == ["cancel stop-0002"]


# ------------------------------------------------------------ when it has traded


def test_one_print_at_the_target_buys_nothing(desk: Desk) -> None:
    """A target that trades on one tick and not on the next one is not believed."""
    desk.tick(C260, 109.95)
    desk.advance(1)
    desk.tick(C260, 115.00)
    desk.advance(1)
    desk.tick(C260, 109.95)

    assert desk.take() == []


def test_ticks_of_others_do_not_confirm_a_target(desk: Desk) -> None:
    """The two evaluations are two prices of the position's own symbol."""
    desk.short(P260)
    desk.take()
    desk.tick(C260, 109.95)
    desk.advance(1)
    desk.tick(P260, 129.95)
    desk.advance(1)
    desk.tick(P260, 129.95)

    assert desk.take() == []


def test_a_quote_of_its_symbol_confirms_a_target(desk: Desk) -> None:
    """The target that was reached asks for a quote of that position only, and that is enough."""
    desk.short(P260)
    before = len(desk.of(FetchQuote))
    desk.take()
    desk.tick(C260, 109.95)
    assert [c.symbol for c in desk.of(FetchQuote)[before:]] == [C260]
    desk.quote(C260, 109.90)

    assert desk.take() == ["cancel stop-0002"]


def test_a_quote_that_denies_a_target_ends_it(desk: Desk) -> None:
    """A bad print at the target buys nothing when the quote says otherwise."""
    desk.tick(C260, 109.95)
    desk.quote(C260, 129.95)
    desk.advance(5)
    desk.tick(C260, 129.95)

    assert desk.take() == []


def test_the_target_needs_a_trade_and_not_an_ask(desk: Desk) -> None:
    """Somebody who would sell at the target is no trade at it."""
    for _ in range(3):
        desk.tick(C260, 110.50, ask=109.95)
        desk.advance(1)

    assert desk.take() == []


# ------------------------------------------------------------ what may happen meanwhile


def test_a_stop_that_filled_meanwhile_leaves_nothing_to_buy(desk: Desk) -> None:
    """A stop found filled by its own cancel closed the position."""
    reach(desk, 109.95)
    desk.fill("stop-0002", 650, 140.00, heard=False)
    desk.refuse("stop-0002", "order is complete", Request.CANCEL)
    desk.prove("stop-0002")

    assert desk.placed(Purpose.EXIT) == []
    assert (held(desk).closed, held(desk).exit_reason) == (True, "STOP_LOSS")


def test_what_the_stop_filled_in_part_is_not_bought_again(desk: Desk) -> None:
    """A stop that bought 260 before its cancel leaves 390."""
    reach(desk, 109.95)
    desk.fill("stop-0002", 260, 140.00, heard=False)
    desk.cancelled("stop-0002")

    assert placed(desk) == ["place exit-0003 BUY 390 C260 LIMIT 109.95"]


def test_a_limit_that_the_price_leaves_is_chased(desk: Desk) -> None:
    """A target that traded is a decision: the limit goes after the price, a step a second."""
    buying(desk)
    desk.advance(35)
    desk.tick(C260, 115.00)
    desk.accept("exit-0003")
    desk.advance(1)
    desk.modified("exit-0003")
    desk.advance(1)

    changes = desk.modifies("exit-0003")
    assert [c.order_type for c in changes] == [OrderType.LIMIT] * 2
    assert [c.limit_price_paise for c in changes] == [11_845, 12_420]


def test_a_refused_limit_is_followed_by_a_market_order(desk: Desk) -> None:
    """The stop is gone, so a limit that is refused is not tried again: 2 s later it goes at market."""
    buying(desk)
    desk.refuse("exit-0003", "price out of range")
    desk.advance(2)

    assert desk.take() == ["place exit-0004 BUY 650 C260 MARKET"]


def test_a_limit_of_unknown_outcome_reserves_its_quantity(desk: Desk) -> None:
    """Nothing is bought twice; a stop covers meanwhile, when two looks do not show the limit."""
    buying(desk)
    desk.lose("exit-0003")
    desk.advance(10)

    assert desk.take() == ["place stop-0004 BUY 650 C260 SL 140.00/143.00"]
    assert desk.placed(Purpose.EXIT) == ["exit-0003"]


def test_a_lost_limit_that_is_found_has_its_stop_cancelled(desk: Desk) -> None:
    """When the limit turns up, the stop that covered meanwhile goes, and the limit is chased."""
    buying(desk)
    desk.lose("exit-0003")
    desk.advance(10)
    desk.accept("stop-0004")
    desk.take()
    desk._row("exit-0003")
    desk.advance(1)

    assert desk.take()[:2] == ["ask exit-0003", "cancel stop-0004"]


def test_a_limit_that_somebody_ended_is_followed_by_a_market_order(desk: Desk) -> None:
    """The rest of a limit that was cancelled at the broker is bought when the books were read."""
    buying(desk)
    desk.accept("exit-0003")
    desk.fill("exit-0003", 130, 109.95)
    desk.snapshots = False
    desk.prove("exit-0003", BrokerStatus.CANCELLED)
    desk.advance(0.1)
    desk.snapshot()
    desk.take()
    desk.advance(2)

    assert placed(desk) == ["place exit-0004 BUY 520 C260 MARKET"]


# ------------------------------------------------------------ the other exits


def test_plus_five_r_of_the_day_holds(desk: Desk) -> None:
    """Positions short of their own targets are closed when the day is at +5R."""
    for symbol in (C261, P260):
        desk.short(symbol)
    desk.take()
    for symbol in (C260, C261):
        desk.tick(symbol, 110.00)
    reach(desk, 119.00, P260)
    assert desk.engine.r_milli == 5_085
    assert desk.engine.positions.day_exit_reason == "+5R_TARGET"
    for stop in ("stop-0002", "stop-0004", "stop-0006"):
        desk.cancelled(stop)

    assert sorted(line.split(" ", 2)[2] for line in placed(desk)) == [
        "BUY 650 C260 MARKET",
        "BUY 650 C261 MARKET",
        "BUY 650 P260 MARKET",
    ]


def test_after_the_days_exit_nothing_waits_for_a_target(desk: Desk) -> None:
    """A position whose target had traded is bought at market when the day ends before its limit."""
    reach(desk, 109.95)
    desk.clock("15:15:00")
    desk.cancelled("stop-0002")

    assert placed(desk) == ["place exit-0003 BUY 650 C260 MARKET"]
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 110.00)
    assert [s.exit_reason for s in desk.of(SaveSummary)] == ["EOD_EXIT"]


@pytest.mark.parametrize("verb", ["kill", "flatten"])
def test_a_limit_at_the_broker_is_not_doubled_by_the_operator(desk: Desk, verb: str) -> None:
    """What a limit may still buy is bought by no other order; it goes on and is chased."""
    buying(desk)
    desk.accept("exit-0003")
    desk.fill("exit-0003", 325, 109.95)
    desk.say(verb)
    desk.advance(1)
    desk.modified("exit-0003")
    desk.fill("exit-0003", 325, 112.00)
    desk.advance(10)

    assert placed(desk) == []
    assert held(desk).closed


def test_the_stop_holds(desk: Desk) -> None:
    """A position that never sees its target is closed by its stop."""
    desk.tick(C260, 140.00)
    desk.fill("stop-0002", 650, 140.00)

    assert held(desk).exit_reason == "STOP_LOSS"
    assert held(desk).r_milli == -1_005


# ------------------------------------------------------------ restarts


def test_a_restart_before_the_cancel_is_answered_goes_on(desk: Desk) -> None:
    """The wish to close is remembered: the stop that still rests is cancelled, then the limit is sent."""
    reach(desk, 109.95)
    desk.restart()
    desk.prove("stop-0002")
    desk.advance(1)
    desk.tick(C260, 125.00)
    desk.cancelled("stop-0002")

    assert placed(desk) == ["place exit-0003 BUY 650 C260 LIMIT 109.95"]


def test_a_restart_with_the_limit_on_its_way_sends_no_second_one(desk: Desk) -> None:
    """A limit whose answer was lost with the process is found by its values and fills."""
    buying(desk)
    desk._row("exit-0003")
    desk.restart()
    desk.advance(3)
    desk.fill("exit-0003", 650, 109.95)
    desk.advance(3)

    assert placed(desk) == []
    assert held(desk).closed


def test_a_restart_with_the_limit_at_the_broker_chases_it(desk: Desk) -> None:
    """A limit that rests is taken up again and chased from where it is."""
    buying(desk)
    desk.accept("exit-0003")
    desk.restart()
    desk.tick(C260, 115.00)
    desk.prove("exit-0003")
    desk.advance(1)

    assert placed(desk) == []
    assert desk.modifies("exit-0003")[-1].quantity == 650


def test_a_target_that_held_for_less_than_a_second_starts_anew_after_a_restart(desk: Desk) -> None:
    """A restart remembers no half-confirmed target; the next two prices decide."""
    desk.tick(C260, 109.95)
    desk.restart()
    desk.prove("stop-0002")
    desk.take()
    desk.tick(C260, 109.95)
    assert desk.take() == []
    desk.advance(1)
    desk.tick(C260, 109.95)

    assert desk.take() == ["cancel stop-0002"]
