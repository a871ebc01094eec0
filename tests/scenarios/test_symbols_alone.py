"""One symbol in trouble, refused by the stream or without a history, and the others go on."""

from __future__ import annotations

from baseline_v1_live.core.messages import FeedBack, FetchQuote, HistoryFailed, Level, LoadHistory
from tests.harness import Desk
from tests.harness_market import C260, P260, SHORT_NAMES, swing_bars

QUIET = (135.00, 136.00, 134.00, 135.00)


def late() -> Desk:
    """Started at 11:00:30; the index moves, C260 does not tick, P260 does, and it is 11:01:05."""
    desk = Desk(start="11:00:30")
    desk.index(26_000)
    desk.tick(P260, 135.00)
    desk.clock("11:01:05")
    desk.take()
    return desk


def load(desk: Desk, symbol: str) -> None:
    """History from 10:54 on, with a swing low of 130 at 10:57, and 11:00."""
    desk.history(symbol, "10:54", *swing_bars(130.00, 139.00), QUIET)


def moving(desk: Desk, seconds: int) -> None:
    """The index moves each second and P260 ticks."""
    for _ in range(seconds):
        desk.advance(1)
        desk.index(26_000 + desk.now_ms // 1000 % 2)
        desk.tick(P260, 135.00)


def quotes(desk: Desk) -> list[str]:
    return [SHORT_NAMES[command.symbol] for command in desk.of(FetchQuote)]


# ------------------------------------------------------------ a symbol that never ticks


def test_a_symbol_that_never_ticks_is_not_entered_and_the_others_are() -> None:
    """A swing that history shows is not sold blind: without a tick the symbol is not trusted."""
    desk = late()
    load(desk, C260)
    load(desk, P260)
    desk.tick(P260, 135.00)
    assert desk.take() == ["place entry-0001 SELL 650 P260 SL 129.95/126.95"]
    moving(desk, 60)

    assert desk.entries() == ["P260"]
    assert desk.engine.market.minutes_missing >= {C260}


def test_it_is_entered_once_it_ticks_and_its_minute_is_there() -> None:
    """A stream that takes the symbol after all, at a reconnect, brings it back."""
    desk = late()
    load(desk, C260)
    desk.tick(C260, 135.00)
    assert desk.take() == []
    desk.clock("11:02:05")
    desk.history(C260, "11:00", QUIET, QUIET)
    desk.tick(C260, 135.00)

    assert desk.take() == ["place entry-0001 SELL 650 C260 SL 129.95/126.95"]


def test_a_symbol_without_a_tick_since_before_the_open_has_no_swing() -> None:
    """Started before the open, it has no bars; after a reconnect its history alone is not enough."""
    desk = Desk()
    desk.swing_low(P260, 130.00, 139.00)
    assert desk.entries() == ["P260"]
    desk.feed(FeedBack(source="gateway"))
    desk.history(C260, "09:15", *swing_bars(130.00, 139.00))
    moving(desk, 60)

    assert "C260" not in desk.entries()


def test_a_held_symbol_that_never_ticks_is_valued_by_quotes() -> None:
    """At once after the start and every 5 s from then on, also when quotes come; and it is said once."""
    desk = Desk()
    desk.short(C260)
    desk.restart()
    desk.snapshot()
    moving(desk, 1)
    asked = len(quotes(desk))
    assert quotes(desk)[-1] == "C260"
    desk.quote(C260, 131.00, ask=131.50)
    assert desk.engine.pnl_paise == 650 * (12_995 - 13_150)
    moving(desk, 60)

    assert 8 <= len(quotes(desk)) - asked <= 13
    assert len(desk.said("R-CHECK", Level.ALERT)) == 1


# ------------------------------------------------------------ a symbol without a history


def test_a_symbol_whose_history_fails_keeps_only_itself_back() -> None:
    """The others are entered with their own history; the bot names the symbol and the reason."""
    desk = late()
    desk.feed(HistoryFailed(symbol=C260, message="history: unreadable bar of 10:31"))
    load(desk, P260)
    desk.tick(P260, 135.00)
    assert desk.take() == ["place entry-0001 SELL 650 P260 SL 129.95/126.95"]
    desk.tick(C260, 135.00)
    moving(desk, 60)

    (said,) = (text for text in desk.said("FILTER", Level.ALERT) if "C260" in text or C260 in text)
    assert "10:31" in said
    assert desk.entries() == ["P260"]
    assert [c.symbol for c in desk.of(LoadHistory)].count(C260) >= 2
