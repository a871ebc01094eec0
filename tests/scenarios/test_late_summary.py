"""The day's result follows the books: what is heard of after it was stored is stored too, and told."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import Level, Notify, SaveSummary
from baseline_v1_live.runtime.recovery import SessionKeeper
from tests.harness import Desk, desk_of_five
from tests.harness_market import P259


@pytest.fixture
def desk() -> Desk:
    """A day of five trades, closed by ``kill`` and stored."""
    desk = desk_of_five()
    desk.say("kill")
    for order_id in ("entry-0011", "stop-0002", "stop-0004", "stop-0008"):
        desk.cancelled(order_id)
    for order_id in ("exit-0012", "exit-0013", "exit-0014"):
        desk.accept(order_id)
        desk.fill(order_id, 650, 129.95)
    desk.advance(2)
    assert [summary.trades for summary in desk.of(SaveSummary)] == [5]
    desk.take()
    return desk


def told(desk: Desk) -> list[tuple[Level, str]]:
    """What was told of the day's result, without its figures."""
    return [
        (notice.level, notice.text.split(":")[0])
        for notice in desk.of(Notify)
        if notice.key == "day_exit"
    ]


def late_fill(desk: Desk) -> None:
    """The entry that was proven cancelled has filled after all, and is bought back 1.00 higher."""
    desk.fill("entry-0011", 650, 129.95)
    desk.accept("exit-0015")
    desk.fill("exit-0015", 650, 130.95)


def test_a_late_fill_is_in_the_result_once_it_is_closed(desk: Desk) -> None:
    """The sixth trade lost 650: the result is stored anew, when all is flat, and told as corrected."""
    before = desk.of(SaveSummary)[0]
    desk.fill("entry-0011", 650, 129.95)
    desk.advance(5)
    assert len(desk.of(SaveSummary)) == 1
    desk.accept("exit-0015")
    desk.fill("exit-0015", 650, 130.95)
    desk.advance(2)

    first, second = desk.of(SaveSummary)
    assert first == before
    assert (second.pnl_paise, second.trades) == (first.pnl_paise - 65_000, 6)
    assert second.charges_paise == desk.engine.charges_paise > first.charges_paise
    assert second.exit_reason == "KILL_SWITCH"
    assert told(desk) == [(Level.INFO, "Day closed"), (Level.ALERT, "Day corrected")]


def test_a_result_that_did_not_change_is_not_stored_again(desk: Desk) -> None:
    """Minutes later, with books read again and again, there is one result."""
    desk.advance(600)
    desk.tick(P259, 128.00)
    desk.advance(600)

    assert len(desk.of(SaveSummary)) == 1
    assert told(desk) == [(Level.INFO, "Day closed")]


def test_a_corrected_price_is_in_the_result(desk: Desk) -> None:
    """The broker's book shows another value of a fill that was counted: the result follows it."""
    row = desk._row("exit-0012")
    row.filled_value_paise += 65_000
    desk.prove("exit-0012")
    desk.advance(2)

    first, second = desk.of(SaveSummary)
    assert (second.pnl_paise, second.trades) == (first.pnl_paise - 65_000, 5)


def test_a_restart_keeps_the_result_and_corrects_it(desk: Desk) -> None:
    """After a restart an unchanged result is not told again, and a late fill is told as a correction."""
    desk.restart()
    desk.advance(20)
    assert len(desk.of(SaveSummary)) == 1
    late_fill(desk)
    desk.advance(2)

    assert [summary.trades for summary in desk.of(SaveSummary)] == [5, 6]
    assert told(desk)[-1] == (Level.ALERT, "Day corrected")


def test_a_fill_while_the_bot_was_away_is_in_the_result(desk: Desk) -> None:
    """It is found in the books at the start: closed, and the stored result corrected."""
    desk.fill("entry-0011", 650, 129.95, heard=False)
    desk.restart()
    desk.advance(1)
    assert "place exit-0015 BUY 650 P259 MARKET" in desk.take()
    desk.accept("exit-0015")
    desk.fill("exit-0015", 650, 130.95)
    desk.advance(2)

    assert [summary.trades for summary in desk.of(SaveSummary)] == [5, 6]


def test_a_result_that_was_not_stored_is_given_again_and_told_once(desk: Desk) -> None:
    """The disk was full at the day's end: the next step after that has it again."""
    SessionKeeper().store_all_again(desk.engine)
    assert desk.engine.day_end.saved is None
    desk.advance(20)

    first, again = desk.of(SaveSummary)
    assert again == first == desk.engine.day_end.saved
    assert told(desk) == [(Level.INFO, "Day closed")]


def test_a_correction_that_was_not_stored_is_told_as_one_still(desk: Desk) -> None:
    """What was told before counts, not what is on the disk."""
    SessionKeeper().store_all_again(desk.engine)
    late_fill(desk)
    desk.advance(2)

    assert [summary.trades for summary in desk.of(SaveSummary)][-1] == 6
    assert told(desk) == [(Level.INFO, "Day closed"), (Level.ALERT, "Day corrected")]
