"""The engine's timers: whoever sends a TimerDue and whenever, the next deadline is waited for."""

from __future__ import annotations

from baseline_v1_live.core.messages import SetTimer, TimerDue
from tests.harness import Desk


def test_every_timer_event_asks_for_the_next_deadline() -> None:
    """One that comes early, as from a job of the shell, leaves the engine with a timer set."""
    desk = Desk()
    desk.clock("10:00:00")
    for _ in range(3):
        before = len(desk.of(SetTimer))
        desk.feed(TimerDue())
        asked = desk.of(SetTimer)[before:]
        assert [command.due_at_ms > desk.now_ms for command in asked] == [True]
