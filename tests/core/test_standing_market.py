"""A market that stands still: nothing is silent then, and nobody is woken again and again to look."""

from __future__ import annotations

from baseline_v1_live.core.messages import Command, Event, FetchQuote, TimerDue
from tests.harness import Desk
from tests.harness_market import C260, P259


class _Counted(Desk):
    """Counts the engine's timers."""

    def __init__(self) -> None:
        self.timers = 0
        super().__init__()

    def feed(self, event: Event) -> list[Command]:
        self.timers += type(event) is TimerDue
        return super().feed(event)


def _halted_with(desk: Desk, left_ms: int, limit_ms: int) -> None:
    """The index moves once a second until a silence of C260 and P259 is so near to a limit."""
    for _ in range(2):
        desk.index(25_000 + desk.now_ms % 7)
        desk.advance(1)
    desk.tick(C260, 129.0)
    desk.tick(P259, 132.0)
    level = 25_000
    start = desk.now_ms
    while desk.now_ms < start + limit_ms - left_ms:
        step = min(1_000, start + limit_ms - left_ms - desk.now_ms)
        desk.advance(step / 1000)
        level += 1
        desk.index(level)


def test_a_halt_does_not_make_an_open_position_spin() -> None:
    """Ten minutes without a move of the index, just short of a silence: a timer a second at most."""
    for limit in ("position_quote_ms", "position_silent_alert_ms"):
        desk = _Counted()
        desk.short(C260)
        _halted_with(desk, 5, getattr(desk.engine.rules, limit))
        before = desk.timers
        for _ in range(600):
            desk.advance(1)
        assert desk.timers - before <= 700


def test_a_halt_does_not_make_a_resting_entry_spin() -> None:
    """The same with an entry whose symbol is nearly dead when the halt begins."""
    desk = _Counted()
    with desk.answered():
        desk.swing_low(P259, 130.0, 139.0)
    assert desk.entries() == ["P259"]
    _halted_with(desk, 5, desk.engine.rules.symbol_dead_ms)
    before = desk.timers
    for _ in range(600):
        desk.advance(1)
    assert desk.entries() == ["P259"]
    assert desk.timers - before <= 700


def test_a_silence_is_found_within_a_second_once_the_market_moves_on() -> None:
    """After the halt, the position without ticks is quoted as soon as its silence is long enough."""
    desk = _Counted()
    desk.short(C260)
    _halted_with(desk, 500, desk.engine.rules.position_quote_ms)
    desk.advance(600)
    asked = len(desk.of(FetchQuote))
    for level in (25_100, 25_101, 25_102):
        desk.index(level)
        desk.advance(0.7)
    assert len(desk.of(FetchQuote)) == asked + 1
