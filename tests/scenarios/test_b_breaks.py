"""What counts as the break of a swing (field scenarios B5 and B12), and what a bad tick says."""

from __future__ import annotations

from baseline_v1_live.core.messages import Level, Purpose
from baseline_v1_live.strategy.bars import BarSeries
from tests.harness import Desk
from tests.harness_market import C260


def test_b12_the_swing_bar_itself_breaks_nothing() -> None:
    """The bar that made the low does not spend it: only what trades after it counts."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    candidate = desk.engine.market.symbols[C260].candidate

    assert candidate is not None
    assert candidate.low_paise == 13_000
    assert not candidate.spent
    assert len(list(desk.engine.orders.live(purpose=Purpose.ENTRY))) == 1


def test_a_bad_tick_is_said_once_for_each_symbol_and_reason() -> None:
    """The first quarantined tick of a kind is written down, the next ones are only counted."""
    desk = Desk()
    for _ in range(3):
        desk.tick(C260, 0)

    assert len(desk.said("FILTER", Level.LOG)) == 1
    assert desk.engine.market.quarantined["not_a_price"] == 3


def test_a_volume_that_is_not_known_counts_nothing() -> None:
    """A missing volume, or a day's volume back at 0, does not count the day again."""
    series = BarSeries()
    for volume in (5_000_000, None, 0, 5_000_075):
        series.add_tick(60_000, 13_000, volume)
    bar = series.close_before(120_000)

    assert bar is not None
    assert bar.volume == 75
