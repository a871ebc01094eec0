"""Rows of docs/reliability.md that no other scenario tries; the names begin with the row's id."""

from __future__ import annotations

from baseline_v1_live.core.messages import BrokerStatus, Level, Purpose
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C260, C261, P260


def test_a10_the_churn_breaker_outlives_a_restart() -> None:
    """Placements that were stopped for churn stay stopped in a new process, until resume."""
    desk = Desk()
    desk.engine.desk.churn_tripped = True
    desk.restart()
    desk.swing_low(C260, 130.00, 139.00)
    assert desk.entries() == []
    desk.say("resume")

    assert desk.entries() == ["C260"]


def test_d6_an_excess_is_told_once_for_each_quantity() -> None:
    """A short beyond ours is told when it is seen, again when it changes, and not in between."""
    desk = Desk()
    desk.short(C260)
    told = []
    for sold in (65, 65, 130, 130):
        desk.bought_elsewhere[C260] = -sold
        desk.advance(60)
        told.append(len([text for text in desk.said("RECONCILE") if "not ours" in text]))

    assert told == [1, 1, 2, 2]


def test_d11_after_a_restart_the_days_limit_stays_reached() -> None:
    """A bot that is started again after +5R runs on and sells nothing, whatever the market offers."""
    desk = Desk(rules=Rules(history_required=False))
    desk.short(C260)
    with desk.answered():
        for _ in range(2):
            desk.tick(C260, 75.00)
            desk.advance(1)
        desk.tick(C260, 75.00)
        desk.advance(5)
    assert desk.engine.day_over
    desk.restart()
    desk.take()
    desk.swing_lows({C261: (130.00, 139.00), P260: (130.00, 139.00)})

    assert desk.take() == []
    assert desk.engine.positions.day_exit_reason == "+5R_TARGET"


def test_d12_r_counts_closed_trades_after_a_restart() -> None:
    """What two trades have lost is lost in the new process as well."""
    desk = Desk()
    for symbol in (C260, P260):
        desk.short(symbol)
        desk.fill(desk.stop(symbol).order_id, 650, 140.00)
    before = desk.engine.r_milli
    desk.restart()

    assert desk.engine.r_milli == before == -2_010


def test_h2_a_stop_that_somebody_moved_is_told() -> None:
    """A trigger that is another one at the broker is told, and no second stop is placed beside it."""
    desk = Desk()
    desk.short(C260)
    desk.take()
    row = desk.book[desk.full("stop-0002")]
    row.trigger_paise, row.limit_paise = row.trigger_paise + 500, row.limit_paise + 500
    desk.prove("stop-0002")
    desk.advance(60)

    assert any("somebody has moved it" in t for t in desk.said("RECONCILE", Level.CRITICAL))
    assert desk.placed(Purpose.STOP) == ["stop-0002"]


def test_x3_after_an_hour_down_the_books_tell_what_has_become_of_each_position() -> None:
    """One stop filled, one was cancelled by the broker, one rests: booked, replaced, left alone."""
    desk = Desk()
    for symbol in (C260, C261, P260):
        desk.short(symbol)
    desk.take()
    desk.fill("stop-0002", 650, 141.00, heard=False)
    desk.book[desk.full("stop-0004")].status = BrokerStatus.CANCELLED
    with desk.answered():
        desk.restart(after=3_600)
        desk.advance(10)

    placed = [line for line in desk.take() if line.startswith("place")]
    assert placed == ["place stop-0007 BUY 650 C261 SL 140.00/143.00"]
    assert [p.symbol for p in desk.engine.positions.open.values()] == [C261, P260]
    stopped = desk.position(C260)
    assert stopped is not None
    assert stopped.pnl_paise == 650 * (12_995 - 14_100)
