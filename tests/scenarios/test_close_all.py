"""Closing everything at the day's limits, at the square-off and by the operator's kill.

The starting point is the one of the method's own description: five positions, two of them closed by
their stops, three open, and one entry resting.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from baseline_v1_live.core.engine import TradingState
from baseline_v1_live.core.messages import (
    BrokerStatus,
    Notify,
    Purpose,
    Request,
    SaveSummary,
)
from tests.harness import Desk, desk_of_five
from tests.harness_market import C260, C261, C2605, P259, P260

OPEN = (C260, C261, P260)


@pytest.fixture
def desk() -> Desk:
    """Three open shorts with stops 2, 4 and 8, two stopped out at 140.00, entry 11 resting."""
    return desk_of_five()


def reach(desk: Desk, price: float) -> None:
    """The open shorts go to a price, and a second later they are still there."""
    for symbol in OPEN:
        desk.tick(symbol, price)
    desk.advance(1)
    desk.tick(C260, price)


def to_target(desk: Desk) -> None:
    """+5.1R: -6,532.50 twice, and three times 23.70 points on 650."""
    reach(desk, 106.25)


def to_stop(desk: Desk) -> None:
    """-5.0R: -6,532.50 twice, and three times 10.00 points lost, just below the stops."""
    reach(desk, 139.95)


def to_square_off(desk: Desk) -> None:
    desk.clock("14:59:59")
    desk.take()
    desk.clock("15:15:00")


def kill(desk: Desk) -> None:
    desk.say("kill")


def cancel_stops(desk: Desk) -> None:
    """The broker cancels the entry and the three stops, and proves each."""
    for order_id in ("entry-0011", "stop-0002", "stop-0004", "stop-0008"):
        if desk.order(order_id).live:
            desk.cancelled(order_id)


def close_at(desk: Desk, price: float) -> None:
    """Every exit is accepted and filled at a price."""
    for order_id in desk.placed(Purpose.EXIT):
        desk.accept(order_id)
        desk.fill(order_id, 650, price)


# ------------------------------------------------------------ the whole sequence


def test_plus_five_r_closes_everything_in_order(desk: Desk) -> None:
    """At +5.1R the entry and the stops are cancelled, each position is bought back when its stop is
    proven gone, and one summary follows the last fill.
    """
    to_target(desk)

    assert desk.take() == [
        "cancel entry-0011",
        "cancel stop-0002",
        "cancel stop-0004",
        "cancel stop-0008",
    ]
    desk.accept("entry-0011", Request.CANCEL)
    for stop in ("stop-0002", "stop-0004", "stop-0008"):
        desk.accept(stop, Request.CANCEL)
    assert desk.take() == ["ask entry-0011", "ask stop-0002", "ask stop-0004", "ask stop-0008"]
    desk.prove("entry-0011")
    assert desk.take() == []
    desk.prove("stop-0004")
    assert desk.take() == ["place exit-0012 BUY 650 C261 MARKET"]
    desk.prove("stop-0002")
    desk.prove("stop-0008")
    assert desk.take() == [
        "place exit-0013 BUY 650 C260 MARKET",
        "place exit-0014 BUY 650 P260 MARKET",
    ]
    assert desk.of(SaveSummary) == []
    close_at(desk, 106.25)
    assert desk.take() == []
    assert set(desk.net().values()) == {0}
    assert desk.engine.day_over
    assert desk.of(SaveSummary) == [
        SaveSummary(
            date="2026-12-28",
            exit_reason="+5R_TARGET",
            r_milli=5_100,
            pnl_paise=3_315_000,
            charges_paise=desk.engine.charges_paise,
            trades=5,
        )
    ]


def test_the_lines_that_users_search_for(desk: Desk) -> None:
    """The close-all at +5R says its four known lines, each word for word and once."""
    before = len(desk.of(Notify))
    to_target(desk)
    cancel_stops(desk)
    close_at(desk, 106.25)

    lines = [f"[{n.tag}] {n.text}" for n in desk.of(Notify)[before:]]
    known = [
        "[R-CHECK] Cumulative R: +5.1R (2 closed, 3 open)",
        "[EXIT] DAILY EXIT TRIGGERED: +5R_TARGET",
        f"[MARKET-EXIT] {C260} qty=650 reason=+5R_TARGET",
        f"[MARKET-EXIT] {C261} qty=650 reason=+5R_TARGET",
        f"[MARKET-EXIT] {P260} qty=650 reason=+5R_TARGET",
        "[SUMMARY] All positions closed. Final R: +5.1R",
    ]
    assert [lines.count(line) for line in known] == [1] * 6
    assert [line for line in lines if line in known] == known
    assert [n.key for n in desk.of(Notify) if n.tag == "TELEGRAM"] == ["day_exit"]


@pytest.mark.parametrize(
    ("approach", "price", "reason", "r_milli"),
    [
        (to_target, 106.25, "+5R_TARGET", 5_100),
        (to_stop, 139.95, "-5R_STOP", -5_010),
        (to_square_off, 129.95, "EOD_EXIT", -2_010),
        (kill, 129.95, "KILL_SWITCH", -2_010),
    ],
)
def test_every_reason_closes_by_the_same_way(
    desk: Desk, approach: Callable[[Desk], None], price: float, reason: str, r_milli: int
) -> None:
    """Target, stop, square-off and kill all cancel, prove, buy back, and sum up once."""
    approach(desk)
    cancel_stops(desk)
    close_at(desk, price)
    desk.advance(120)

    bought = [line for line in desk.take() if line.startswith("place")]
    assert sorted(line.split(" ", 2)[2] for line in bought) == [
        "BUY 650 C260 MARKET",
        "BUY 650 C261 MARKET",
        "BUY 650 P260 MARKET",
    ]
    assert [(s.exit_reason, s.r_milli, s.trades) for s in desk.of(SaveSummary)] == [
        (reason, r_milli, 5)
    ]
    assert len(desk.said("TELEGRAM")) == 1
    assert desk.said("EXIT").count(f"DAILY EXIT TRIGGERED: {reason}") == 1
    assert desk.engine.state is TradingState.HALTED


# ------------------------------------------------------------ what sets it off


def test_one_print_beyond_the_limit_closes_nothing(desk: Desk) -> None:
    """A limit that is reached on one tick and not on the next one does not end the day."""
    for symbol in OPEN:
        desk.tick(symbol, 106.25)
    desk.advance(0.5)
    desk.tick(C260, 106.25)
    desk.advance(1)
    desk.tick(C260, 120.00)
    desk.advance(1)
    desk.tick(C260, 106.25)

    assert desk.take() == []
    assert desk.engine.positions.day_exit_reason is None


def test_the_first_reason_wins(desk: Desk) -> None:
    """Once +5R has closed the day, neither kill nor the square-off changes reason or orders."""
    to_target(desk)
    cancel_stops(desk)
    desk.take()
    desk.say("kill")
    close_at(desk, 106.25)
    desk.clock("15:20:00")

    assert desk.take() == []
    assert [summary.exit_reason for summary in desk.of(SaveSummary)] == ["+5R_TARGET"]


def test_no_entry_after_the_day_exit(desk: Desk) -> None:
    """After the day's exit no swing low is sold any more, not even after resume."""
    to_target(desk)
    cancel_stops(desk)
    close_at(desk, 106.25)
    desk.take()
    desk.say("resume")
    desk.swing_lows({C2605: (130.00, 139.00), P259: (130.00, 139.00)})

    assert desk.take() == []


# ------------------------------------------------------------ the proven end of a stop


def test_d13_a_stop_that_filled_while_being_cancelled_leaves_nothing_to_buy(desk: Desk) -> None:
    """A stop found filled by its own cancel closed the position: no market order is sent for it."""
    desk.say("kill")
    desk.take()
    desk.fill("stop-0002", 650, 140.00, heard=False)
    desk.refuse("stop-0002", "order is complete", Request.CANCEL)
    assert desk.take() == ["ask stop-0002"]
    desk.prove("stop-0002")
    assert desk.take() == []
    cancel_stops(desk)
    close_at(desk, 129.95)

    bought = [line.split(" ")[4] for line in desk.take() if line.startswith("place")]
    assert bought == ["C261", "P260"]
    assert desk.net()[C260] == 0
    assert len(desk.of(SaveSummary)) == 1


def test_d13_what_the_stop_filled_in_part_is_not_bought_again(desk: Desk) -> None:
    """A stop that bought 260 before its cancel leaves 390 for the market order."""
    desk.say("kill")
    desk.take()
    desk.fill("stop-0002", 260, 140.00, heard=False)
    desk.cancelled("stop-0002")

    assert desk.take() == ["ask stop-0002", "place exit-0012 BUY 390 C260 MARKET"]


def test_an_acknowledged_cancel_is_not_proof(desk: Desk) -> None:
    """While a stop's cancel is only acknowledged nothing is bought for its position."""
    desk.snapshots = False
    desk.say("kill")
    for stop in ("stop-0002", "stop-0004", "stop-0008"):
        desk.accept(stop, Request.CANCEL)
    desk.update("stop-0002", BrokerStatus.CANCELLED)
    desk.advance(4)

    assert desk.placed(Purpose.EXIT) == []


def test_a_stop_still_on_its_way_is_cancelled_when_it_arrives() -> None:
    """A kill while the stop's placement is unanswered waits for the answer, cancels, then buys."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 650, 129.95)
    desk.take()
    desk.say("kill")
    assert desk.take() == []
    desk.accept("stop-0002")
    assert desk.take() == ["cancel stop-0002"]
    desk.cancelled("stop-0002")

    assert desk.take() == ["ask stop-0002", "place exit-0003 BUY 650 C260 MARKET"]


def test_the_day_is_over_only_when_the_broker_shows_zero(desk: Desk) -> None:
    """A broker's book that still shows a short keeps the day open; zero ends it, once."""
    desk.say("kill")
    cancel_stops(desk)
    desk.snapshots = False
    close_at(desk, 129.95)
    desk.snapshot(net={C260: -650})
    assert desk.of(SaveSummary) == []
    assert not desk.engine.day_over
    desk.snapshots = True
    desk.advance(61)
    desk.advance(61)

    assert len(desk.of(SaveSummary)) == 1
    assert len(desk.said("TELEGRAM")) == 1


def test_the_summary_does_not_wait_for_a_round_when_a_snapshot_was_under_way(desk: Desk) -> None:
    """A snapshot asked for before the last fill proves nothing, and the next follows at once."""
    desk.say("kill")
    cancel_stops(desk)
    desk.snapshots = False
    desk.advance(5)
    asked_ms = desk.now_ms
    close_at(desk, 129.95)
    desk.advance(0.1)
    assert desk.of(SaveSummary) == []
    desk.snapshots = True
    desk.snapshot(asked_at_ms=asked_ms - 1)

    assert len(desk.of(SaveSummary)) == 1
