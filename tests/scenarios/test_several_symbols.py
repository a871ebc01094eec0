"""What one symbol does has no say in another: prices, silence, and entries that still may fill."""

from __future__ import annotations

from baseline_v1_live.core.messages import Purpose
from baseline_v1_live.core.position import FLATTEN
from tests.harness import Desk, desk_of_five
from tests.harness_market import C260, C261


def test_a_close_by_hand_is_booked_at_its_own_symbols_price() -> None:
    """Another one is open at quite another price."""
    desk = desk_of_five()
    desk.tick(C260, 131.00)
    desk.tick(C261, 90.00)
    quantity = desk.position(C261).open_quantity
    desk.bought_elsewhere[C261] += quantity
    desk.advance(10)

    closed = next(p for p in desk.engine.positions.positions.values() if p.symbol == C261)
    assert closed.external_quantity == quantity > 0
    assert closed.external_value_paise == quantity * 9_000


def test_the_days_stop_fires_on_quotes_while_one_symbol_is_silent() -> None:
    """R is known from its quotes, and those of the others fall like a stone."""
    desk = desk_of_five()
    for _ in range(60):
        desk.advance(1)
        desk.index(26_000 + desk.now_ms // 1000 % 2)
        desk.tick(C261, 130.00)
    silent = desk.position(C260).silent_alerted
    for _ in range(4):
        desk.advance(1)
        for position in list(desk.engine.positions.open.values()):
            if position.symbol == C260:
                desk.quote(C260, 151.00)
            else:
                desk.tick(position.symbol, 165.00)

    assert silent
    assert desk.engine.positions.day_exit_reason == "-5R_STOP"


def test_flatten_holds_while_an_entry_may_still_fill() -> None:
    """All are closed, and the end of an entry is not proven: it fills, and is closed as well."""
    desk = desk_of_five()
    desk.say("flatten")
    for order_id in ("stop-0002", "stop-0004", "stop-0008"):
        desk.cancelled(order_id)
    for order_id in desk.placed(Purpose.EXIT):
        desk.accept(order_id)
        desk.fill(order_id, desk.order(order_id).remaining, 129.95)
        desk.prove(order_id)
    entry = desk.order("entry-0011")
    may_fill = entry.live and not desk.engine.positions.open
    desk.fill("entry-0011", entry.quantity, 129.90)
    desk.advance(1)

    position = next(iter(desk.engine.positions.open.values()))
    assert may_fill
    assert position.exit_wanted == FLATTEN


def test_a_high_while_an_entry_is_being_cancelled_moves_its_stop() -> None:
    """The entry fills after all: its stop stands above the highest high by then."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.say("pause")
    desk.tick(C260, 140.20)
    desk.fill("entry-0001", 65, 129.95)

    assert desk.stop(C260).trigger_price_paise == 14_120
