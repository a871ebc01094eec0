"""What the desk does when prices stop coming or cannot be believed (section 9 of the rules).

Not here: quotes by REST, the second feed and reconnecting, which are the shell's.
"""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import FeedBack, FeedSilent, Level, TakeSnapshot
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C260, P260


def opened(rules: Rules | None = None) -> Desk:
    """A desk at the open, the index known."""
    desk = Desk(rules=rules)
    desk.clock("09:15:00")
    desk.index(26_000)
    return desk


def moving(desk: Desk, seconds: int, every: int = 1) -> None:
    """The index ticks on, a little higher each time, and no option does."""
    for second in range(0, seconds, every):
        desk.advance(every)
        desk.index(26_001 + (second % 50) * 0.5)


def alerts(desk: Desk) -> int:
    return len(desk.said("R-CHECK", Level.ALERT))


@pytest.fixture
def resting() -> Desk:
    """An entry rests in a moving market, and the symbol ticks for the last time now."""
    desk = opened()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.index(26_000.5)
    desk.tick(C260, 135.00)
    desk.take()
    return desk


@pytest.fixture
def paused() -> Desk:
    """A candidate that waits for resume, and whose symbol ticks for the last time now."""
    desk = opened()
    desk.say("pause")
    desk.swing_low(C260, 130.00, 139.00)
    desk.index(26_000.5)
    desk.tick(C260, 135.00)
    desk.take()
    return desk


# ------------------------------------------------------------ entries


def test_a_silent_symbol_is_not_entered_after_120_s(paused: Desk) -> None:
    """Two minutes without a tick while the index moves, and the symbol is not entered."""
    moving(paused, 120)
    paused.say("resume")

    assert paused.take() == []


def test_just_below_120_s_it_is_still_entered(paused: Desk) -> None:
    """A symbol that is silent for 119 s is entered."""
    moving(paused, 119)
    paused.say("resume")

    assert paused.take() == ["place entry-0001 SELL 650 C260 SL 129.95/126.95"]


def test_the_next_tick_restores_trust(paused: Desk) -> None:
    """A silent symbol that ticks again is entered with that tick."""
    moving(paused, 150)
    paused.say("resume")
    paused.take()
    paused.tick(C260, 135.00)

    assert paused.take() == ["place entry-0001 SELL 650 C260 SL 129.95/126.95"]


def test_a_tick_that_is_not_believed_is_no_sign_of_life(paused: Desk) -> None:
    """A price equal to the index level is quarantined and leaves the symbol silent."""
    moving(paused, 150)
    paused.index(26_000)
    paused.tick(C260, 26_000)
    paused.say("resume")

    assert paused.take() == []
    assert paused.engine.market.quarantined == {"index_price": 1}


def test_only_the_silent_symbol_is_avoided(paused: Desk) -> None:
    """Another symbol that ticks is entered while the first is silent."""
    paused.swing_low(P260, 130.00, 139.00)
    moving(paused, 60)
    paused.tick(P260, 135.00)
    moving(paused, 60)
    paused.say("resume")

    assert paused.take() == ["place entry-0001 SELL 650 P260 SL 129.95/126.95"]


def test_a_resting_entry_stays_until_240_s(resting: Desk) -> None:
    """Between 120 and 240 s of silence the resting entry is left where it is."""
    moving(resting, 239)

    assert resting.take() == []


def test_at_240_s_the_resting_entry_is_cancelled(resting: Desk) -> None:
    """Four minutes without a tick while the index moves, and the entry is asked about and cancelled."""
    moving(resting, 241)
    assert resting.take() == ["ask entry-0001"]
    resting.prove("entry-0001")
    assert resting.take() == ["cancel entry-0001"]
    resting.cancelled("entry-0001")
    moving(resting, 30)

    assert resting.take() == ["ask entry-0001"]


def test_a_standing_index_does_not_count(resting: Desk) -> None:
    """When the index stands still as well, silence says nothing and the entry stays."""
    resting.advance(600)
    for _ in range(60):
        resting.advance(10)
        resting.index(26_000)

    assert resting.take() == []


def test_a_halt_of_the_market_is_no_dead_symbol(resting: Desk) -> None:
    """The index stops half a second after the symbol did, as in a halt: the entry stays."""
    resting.advance(0.5)
    resting.index(26_010)
    resting.advance(1_800)

    assert resting.take() == []


def test_the_first_index_tick_after_a_halt_kills_nothing(resting: Desk) -> None:
    """The time that the index stood still is not held against a symbol that has yet to tick."""
    resting.advance(0.5)
    resting.index(26_010)
    resting.advance(45 * 60)
    resting.take()
    moving(resting, 60)

    assert resting.take() == []


def test_an_index_that_moves_on_after_a_halt_counts_again(resting: Desk) -> None:
    """Once the index moves again after a halt, a symbol silent for 240 s of it is dead."""
    resting.advance(0.5)
    resting.index(26_010)
    resting.advance(600)
    resting.take()
    moving(resting, 245)

    assert "ask entry-0001" in resting.take()


def test_without_an_index_there_is_no_such_rule() -> None:
    """Data without an index cannot tell silence from a halt, so the rule is off."""
    desk = Desk(index_symbol=None)
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    desk.advance(600)

    assert desk.take() == []


@pytest.mark.parametrize(("silence", "entered"), [(179, True), (180, False)])
def test_snapshots_raise_the_limits_to_three_cadences(silence: int, entered: bool) -> None:
    """With a snapshot a minute a symbol is silent after 180 s, not after 120."""
    desk = opened(Rules(snapshot_cadence_ms=60_000))
    desk.say("pause")
    desk.swing_low(C260, 130.00, 139.00)
    desk.index(26_000.5)
    desk.tick(C260, 135.00)
    desk.take()
    moving(desk, silence)
    desk.say("resume")

    assert bool(desk.take()) is entered


# ------------------------------------------------------------ open positions


def test_an_open_position_without_a_price_for_30_s_is_said_once() -> None:
    """Half a minute without a price of an open position in a moving market raises one alert."""
    desk = opened()
    desk.short(C260)
    desk.index(26_000.5)
    moving(desk, 29)
    assert alerts(desk) == 0
    moving(desk, 7)
    assert alerts(desk) == 1
    moving(desk, 60)

    assert alerts(desk) == 1


def test_the_alert_does_not_wait_for_something_else_to_happen() -> None:
    """The alert is due at 30 s even when the broker's books are not answered meanwhile."""
    desk = opened()
    desk.short(C260)
    desk.index(26_000.5)
    desk.snapshots = False
    moving(desk, 32)

    assert alerts(desk) == 1


def test_a_price_ends_the_condition_and_the_next_silence_is_said_again() -> None:
    """After a price the next 30 s of silence are a new alert."""
    desk = opened()
    desk.short(C260)
    moving(desk, 40)
    desk.tick(C260, 128.00)
    moving(desk, 40)

    assert alerts(desk) == 2


def test_a_halt_raises_no_alert_for_open_positions() -> None:
    """When the index stops together with the option there is nothing to say."""
    desk = opened()
    desk.short(C260)
    desk.advance(0.5)
    desk.index(26_010)
    desk.advance(1_800)

    assert alerts(desk) == 0


def test_silence_never_touches_a_stop() -> None:
    """However long the silence, the stop rests where it is."""
    desk = opened()
    desk.short(C260)
    desk.take()
    moving(desk, 900, every=5)

    assert desk.take() == []


# ------------------------------------------------------------ all feeds


def test_silent_feeds_stop_entries_and_leave_stops() -> None:
    """When the feed is silent the resting entry is cancelled and the stop stays at the exchange."""
    desk = Desk()
    desk.short(C260)
    with desk.answered():
        desk.swing_low(P260, 130.00, 139.00)
        desk.take()
        desk.feed(FeedSilent(source="main"))
        desk.advance(60)

    assert desk.take() == ["ask entry-0003", "cancel entry-0003", "ask entry-0003"]
    assert desk.stop(C260).live


def test_a_feed_that_comes_back_does_not_open_the_gate_by_itself() -> None:
    """After the feed is back nothing is placed before history has filled what was missed."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.feed(FeedSilent(source="main"))
    desk.prove("entry-0001")
    desk.cancelled("entry-0001")
    desk.take()
    desk.feed(FeedBack(source="main"))
    desk.tick(C260, 135.00)

    assert desk.take() == []


def test_each_source_is_judged_by_its_own_ticks() -> None:
    """One feed coming back does not speak for another that is still silent."""
    desk = Desk()
    desk.feed(FeedSilent(source="main"))
    desk.feed(FeedSilent(source="backup"))
    desk.swing_low(C260, 130.00, 139.00)
    desk.feed(FeedBack(source="backup"))

    assert desk.take() == []


def test_exits_go_on_while_the_feed_is_silent() -> None:
    """The square-off closes everything, feed or no feed."""
    desk = Desk()
    desk.short(C260)
    desk.feed(FeedSilent(source="main"))
    desk.take()
    desk.clock("15:15:00")

    assert desk.take() == ["cancel stop-0002"]


def test_the_books_are_read_when_the_feed_is_back() -> None:
    """Order updates come with the prices: after a gap the broker's books tell what was missed."""
    desk = Desk()
    desk.feed(FeedSilent(source="main"))

    commands = desk.feed(FeedBack(source="main"))

    assert any(isinstance(command, TakeSnapshot) for command in commands)
