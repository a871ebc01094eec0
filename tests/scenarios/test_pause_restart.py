"""A pause is the operator's: no restart lifts it."""

from __future__ import annotations

from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C261, P260


def test_a_pause_outlives_a_restart() -> None:
    """A bot that was paused and is started again sells nothing before somebody resumes."""
    desk = Desk(rules=Rules(history_required=False))
    desk.say("pause")
    desk.restart()
    desk.take()
    desk.swing_lows({C261: (130.00, 139.00), P260: (130.00, 139.00)})

    assert desk.take() == []
    assert desk.engine.gate() == "paused"
