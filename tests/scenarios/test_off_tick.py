"""Prices off the tick, by the data or by a setting, never leave a short without its stop."""

from __future__ import annotations

from baseline_v1_live.core.messages import Purpose
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C260


def test_a_high_off_the_tick_is_protected_on_the_tick() -> None:
    """The stop is rounded up to the tick, its limit too."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.tick(C260, 139.02)
    desk.fill("entry-0001", 65, 129.95)
    (stop,) = desk.engine.orders.live(purpose=Purpose.STOP)

    assert (stop.trigger_price_paise, stop.limit_price_paise) == (14_005, 14_305)
    assert stop.remaining == 65


def test_offsets_off_the_tick_are_rounded_too() -> None:
    """Offsets that are no whole ticks give orders on the tick all the same."""
    rules = Rules(stop_offset_paise=107, stop_limit_offset_paise=303, entry_limit_offset_paise=303)
    desk = Desk(rules=rules)
    desk.swing_low(C260, 130.00, 139.00)
    entry = desk.engine.orders.orders["2026-12-28-entry-0001"]
    desk.accept("entry-0001")
    desk.fill("entry-0001", entry.quantity, 129.95)
    (stop,) = desk.engine.orders.live(purpose=Purpose.STOP)

    assert (entry.trigger_price_paise, entry.limit_price_paise) == (12_995, 12_690)
    assert (stop.trigger_price_paise, stop.limit_price_paise) == (14_010, 14_315)


def test_a_stop_that_we_cannot_send_is_a_failed_stop() -> None:
    """A stop refused by our own checks is tried once more and then the short is closed."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.engine.orders.orders["2026-12-28-entry-0001"].protect_trigger_paise = 14_001
    desk.engine.desk.working.clear()
    desk.fill("entry-0001", 650, 129.95)
    desk.advance(2)

    assert desk.placed(Purpose.STOP) == []
    assert len(desk.placed(Purpose.EXIT)) == 1
