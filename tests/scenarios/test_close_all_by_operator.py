"""What a person may say: pause, resume, flatten, stopday and kill, and what each leaves alone."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import Purpose, Request, SaveSummary, TakeSnapshot
from tests.harness import Desk, desk_of_five
from tests.harness_market import C260, C261, C262, C2605, P259, P260


@pytest.fixture
def desk() -> Desk:
    """C260, C261 and P260 open with stops 2, 4 and 8, and entry 11 resting in P259."""
    return desk_of_five()


def test_pause_cancels_what_rests_and_leaves_the_stops(desk: Desk) -> None:
    """Pause asks for the entry's fills, cancels it, and touches no stop."""
    desk.say("pause")
    assert desk.take() == ["ask entry-0011"]
    desk.prove("entry-0011")
    assert desk.take() == ["cancel entry-0011"]
    desk.cancelled("entry-0011")
    desk.take()
    desk.advance(60)

    assert desk.take() == []
    assert len(desk.engine.positions.open) == 3
    assert desk.of(SaveSummary) == []


def test_a_paused_bot_sells_nothing_new(desk: Desk) -> None:
    """While paused no swing low is sold."""
    desk.say("pause")
    desk.prove("entry-0011")
    desk.cancelled("entry-0011")
    desk.take()
    desk.swing_low(C2605, 130.00, 139.00)

    assert desk.take() == []


def test_stops_and_exits_go_on_while_paused(desk: Desk) -> None:
    """A triggered stop is chased and the day's target closes everything, paused or not."""
    desk.say("pause")
    desk.prove("entry-0011")
    desk.cancelled("entry-0011")
    desk.take()
    desk.tick(C260, 145.00)
    desk.advance(1)
    assert [line[:16] for line in desk.take()] == ["modify stop-0002"]
    desk.modified("stop-0002")
    desk.fill("stop-0002", 650, 145.00)
    for price in (106.00, 85.00):
        desk.tick(P260, price)
        desk.tick(C261, price)
    desk.advance(1)
    desk.tick(P260, 85.00)

    assert desk.engine.positions.day_exit_reason == "+5R_TARGET"
    assert desk.take() == ["cancel stop-0004", "cancel stop-0008"]


def test_resume_lets_the_same_swing_be_sold_again(desk: Desk) -> None:
    """After pause and resume the entry that was cancelled is placed anew, its swing being unspent."""
    desk.say("pause")
    desk.prove("entry-0011")
    desk.cancelled("entry-0011")
    desk.take()
    desk.say("resume")

    assert desk.take() == ["place entry-0012 SELL 650 P259 SL 129.95/126.95"]


def test_flatten_closes_everything_and_keeps_the_day_open(desk: Desk) -> None:
    """Flatten cancels, proves and buys back like the day's exit, then pauses; the day is not over."""
    desk.say("flatten")
    assert desk.take() == [
        "cancel entry-0011",
        "cancel stop-0002",
        "cancel stop-0004",
        "cancel stop-0008",
    ]
    for order_id in ("entry-0011", "stop-0002", "stop-0004", "stop-0008"):
        desk.cancelled(order_id)
    assert [line for line in desk.take() if line.startswith("place")] == [
        "place exit-0012 BUY 650 C260 MARKET",
        "place exit-0013 BUY 650 C261 MARKET",
        "place exit-0014 BUY 650 P260 MARKET",
    ]
    for order_id in desk.placed(Purpose.EXIT):
        desk.accept(order_id)
        desk.fill(order_id, 650, 129.95)
    desk.advance(120)

    assert not any(desk.net().values())
    assert desk.engine.positions.open == {}
    assert desk.of(SaveSummary) == []
    assert desk.engine.positions.day_exit_reason is None
    assert desk.engine.paused


def test_flatten_reads_the_books_as_soon_as_all_is_flat(desk: Desk) -> None:
    """The proof that the broker shows zero does not wait for the next look; it is asked for once."""
    desk.say("flatten")
    for order_id in ("entry-0011", "stop-0002", "stop-0004", "stop-0008"):
        desk.cancelled(order_id)
    exits = desk.placed(Purpose.EXIT)
    for order_id in exits[:-1]:
        desk.accept(order_id)
        desk.fill(order_id, 650, 129.95)
    desk.accept(exits[-1])
    desk.advance(0.2)
    before = len(desk.of(TakeSnapshot))
    desk.fill(exits[-1], 650, 129.95)
    assert len(desk.of(TakeSnapshot)) == before + 1
    desk.advance(2)

    assert len(desk.of(TakeSnapshot)) == before + 1


def test_books_under_way_when_flatten_is_done_are_read_once_more(desk: Desk) -> None:
    """Books asked for before the last fill prove nothing: the next are asked for when they come."""
    desk.say("flatten")
    for order_id in ("entry-0011", "stop-0002", "stop-0004", "stop-0008"):
        desk.cancelled(order_id)
    desk.snapshots = False
    desk.advance(5)
    asked_ms = desk.now_ms
    desk.advance(0.1)
    for order_id in desk.placed(Purpose.EXIT):
        desk.accept(order_id)
        desk.fill(order_id, 650, 129.95)
    before = len(desk.of(TakeSnapshot))
    desk.snapshots = True
    desk.snapshot(asked_at_ms=asked_ms)

    assert len(desk.of(TakeSnapshot)) == before + 1


def test_a_fill_that_arrives_during_flatten_is_closed_too(desk: Desk) -> None:
    """An entry that fills while flatten cancels it is bought back like the rest."""
    desk.say("flatten")
    desk.take()
    desk.fill("entry-0011", 650, 129.95)

    assert desk.take() == ["place exit-0012 BUY 650 P259 MARKET"]


def test_after_flatten_resume_trades_again(desk: Desk) -> None:
    """Flatten is not the end of the day: after resume a new swing low is sold."""
    with desk.answered():
        desk.say("flatten")
    desk.take()
    desk.say("resume")
    desk.take()
    desk.swing_low(C2605, 131.00, 140.00)

    assert "place entry-0016 SELL 650 C2605 SL 130.95/127.95" in desk.take()


def test_stopday_cancels_entries_and_resume_does_not_lift_it(desk: Desk) -> None:
    """Stopday ends entries for the day: what rests is cancelled, the stops stay, resume is no help."""
    desk.say("stopday")
    assert desk.take() == ["ask entry-0011"]
    desk.prove("entry-0011")
    desk.cancelled("entry-0011")
    desk.take()
    desk.say("resume")
    desk.swing_low(C2605, 130.00, 139.00)

    assert desk.take() == []
    assert len(desk.engine.positions.open) == 3


def test_kill_ends_the_day_within_the_same_step(desk: Desk) -> None:
    """Kill cancels all entries and all stops in the step in which it is said."""
    desk.say("kill")

    assert desk.take() == [
        "cancel entry-0011",
        "cancel stop-0002",
        "cancel stop-0004",
        "cancel stop-0008",
    ]
    assert desk.engine.gate() is not None


def test_kill_twice_is_kill_once(desk: Desk) -> None:
    """A second kill sends nothing and changes nothing."""
    with desk.answered():
        desk.say("kill")
    desk.take()
    desk.say("kill")
    desk.advance(120)

    assert desk.take() == []
    assert len(desk.of(SaveSummary)) == 1


def test_kill_does_not_wait_for_an_answer_that_pause_asked_for(desk: Desk) -> None:
    """An entry being asked about for pause is cancelled at once when kill follows."""
    desk.say("pause")
    assert desk.take() == ["ask entry-0011"]
    desk.say("kill")

    assert "cancel entry-0011" in desk.take()


def test_kill_without_positions_ends_the_day_as_well() -> None:
    """A killed day without trades is summed up with none and sells nothing more."""
    desk = Desk()
    desk.say("kill")
    desk.take()
    desk.swing_low(C262, 130.00, 139.00)

    assert desk.take() == []
    assert [(s.exit_reason, s.trades) for s in desk.of(SaveSummary)] == [("KILL_SWITCH", 0)]


def test_a_word_that_is_no_command_changes_nothing(desk: Desk) -> None:
    """An unknown word is answered and nothing is sent to the broker."""
    desk.say("abracadabra")

    assert desk.take() == []
    assert not desk.engine.paused


def test_pause_during_a_fill_keeps_the_position_and_protects_it() -> None:
    """An entry that turns out to be filled when pause asks for it gets its stop."""
    desk = Desk()
    desk.swing_low(P259, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    desk.say("pause")
    desk.fill("entry-0001", 650, 129.95, heard=False)
    desk.prove("entry-0001")

    assert desk.take() == ["ask entry-0001", "place stop-0002 BUY 650 P259 SL 140.00/143.00"]


def test_flatten_learns_of_a_stop_that_filled_meanwhile(desk: Desk) -> None:
    """A stop found filled when flatten cancels it leaves nothing to buy in its symbol."""
    desk.say("flatten")
    desk.take()
    desk.fill("stop-0002", 650, 140.00, heard=False)
    desk.refuse("stop-0002", "order is complete", Request.CANCEL)
    desk.prove("stop-0002")

    assert desk.take() == ["ask stop-0002"]


def test_resume_during_flatten_lets_no_entry_rest_before_all_is_flat(desk: Desk) -> None:
    """While flatten is still closing, resume places nothing: what filled then would be bought back."""
    desk.say("flatten")
    desk.cancelled("entry-0011")
    desk.take()
    desk.say("resume")

    assert desk.take() == []
