"""What keeps entries back from outside the rules: causes that the shell knows, and its own end."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import EntriesAllowed, EntriesBlocked, Level, Purpose
from tests.harness import Desk
from tests.harness_market import C260, P260


@pytest.fixture
def desk() -> Desk:
    """The entry in C260 rests; low 130, highest high 139."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    return desk


def block(desk: Desk, cause: str = "journal") -> None:
    desk.feed(EntriesBlocked(cause=cause, message="the disk is full"))


def test_a_blocked_entry_is_cancelled_and_nothing_new_is_placed(desk: Desk) -> None:
    """While the shell knows a cause, the resting entry goes and no other comes."""
    block(desk)
    desk.prove("entry-0001")
    assert desk.take() == ["ask entry-0001", "cancel entry-0001"]
    desk.cancelled("entry-0001")
    desk.swing_low(P260, 130.00, 139.00)

    assert desk.placed(Purpose.ENTRY) == ["entry-0001"]
    assert desk.engine.gate() == "blocked_journal"


def test_entries_come_back_when_the_last_cause_is_gone(desk: Desk) -> None:
    """Two causes stand: the end of one opens nothing, the end of both does."""
    block(desk)
    block(desk, "broker_mode")
    desk.prove("entry-0001")
    desk.cancelled("entry-0001")
    desk.feed(EntriesAllowed(cause="journal"))
    assert desk.engine.gate() == "blocked_broker_mode"
    desk.feed(EntriesAllowed(cause="broker_mode"))

    assert desk.engine.gate() is None
    assert desk.placed(Purpose.ENTRY) == ["entry-0001", "entry-0002"]


def test_a_cause_is_said_once_and_its_end_too(desk: Desk) -> None:
    """The same cause told again is not news; its end is said once, and only where it stood."""
    block(desk)
    block(desk)
    desk.feed(EntriesAllowed(cause="journal"))
    desk.feed(EntriesAllowed(cause="journal"))

    assert len([text for text in desk.said("ORDER", Level.ALERT) if "disk is full" in text]) == 1
    assert len([text for text in desk.said("ORDER", Level.INFO) if "journal" in text]) == 1


def test_stops_and_exits_go_on_while_entries_are_blocked() -> None:
    """A block changes nothing for a position: its stop stays, a fill is protected, an exit leaves."""
    desk = Desk()
    desk.short(C260)
    desk.take()
    block(desk)
    assert desk.take() == []
    desk.say("kill")

    assert desk.take() == ["cancel stop-0002"]


def test_a_block_is_not_remembered_by_a_restart(desk: Desk) -> None:
    """Causes belong to the process that saw them."""
    block(desk)
    desk.restart()

    assert desk.engine.gate() is None


def test_stop_cancels_entries_and_keeps_stops(desk: Desk) -> None:
    """Before the process ends its resting entries are cancelled; protective stops go on resting."""
    desk.short(P260)
    desk.take()
    desk.say("stop")

    assert desk.take() == ["cancel entry-0001"]
    assert desk.engine.gate() == "stopping"


def test_stop_does_not_wait_for_an_answer_that_pause_asked_for(desk: Desk) -> None:
    """A cancel that waits for its order's fills goes out when the process is about to end."""
    desk.say("pause")
    assert desk.take() == ["ask entry-0001"]
    desk.say("stop")

    assert desk.take() == ["cancel entry-0001"]


def test_an_entry_accepted_while_stopping_is_cancelled_at_once() -> None:
    """An entry that was on its way at the stop is cancelled with its acceptance, no question first."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.say("stop")
    desk.take()
    desk.accept("entry-0001", status=None)

    assert desk.take() == ["cancel entry-0001"]


def test_entries_are_over_only_when_that_is_proven(desk: Desk) -> None:
    """The shell may go when no entry can fill any more, not when a cancel was sent."""
    desk.say("stop")
    assert desk.engine.unproven_entries() == [desk.full("entry-0001")]
    assert not desk.engine.entries_proven_over
    desk.cancelled("entry-0001")

    assert desk.engine.unproven_entries() == []
    assert desk.engine.entries_proven_over


def test_a_fill_while_stopping_is_protected(desk: Desk) -> None:
    """An entry that fills before its cancel gets its stop."""
    desk.say("stop")
    desk.fill("entry-0001", 650, 129.95)

    assert "place stop-0002 BUY 650 C260 SL 140.00/143.00" in desk.take()


def test_nothing_but_a_new_process_lifts_a_stop(desk: Desk) -> None:
    """``resume`` does not open what is about to end; a restart starts open."""
    desk.say("stop")
    desk.say("resume")
    assert desk.engine.gate() == "stopping"
    desk.restart()

    assert desk.engine.gate() is None
