"""Each source is judged by its own ticks: who is listened to, when all are silent, who reconnects."""

from __future__ import annotations

from baseline_v1_live.core.messages import FeedBack, FeedSilent
from baseline_v1_live.runtime.feed_judge import FeedJudge, Judgement, Switched

OPEN_MS = 1_000_000_000
CLOSE_MS = OPEN_MS + 6 * 3_600_000
NOON_MS = OPEN_MS + 3 * 3_600_000
MAIN, BACKUP = "main", "backup"


def _judge(*sources: str) -> FeedJudge:
    return FeedJudge(sources or (MAIN,), open_ms=OPEN_MS, close_ms=CLOSE_MS)


def _ticking(judge: FeedJudge, source: str, from_s: float, to_s: float) -> list[bool]:
    """A tick of the source each second, both ends included; whether each was used."""
    steps = range(round(to_s - from_s) + 1)
    return [judge.on_tick(source, _at(from_s + step)) for step in steps]


def _at(second: float) -> int:
    return NOON_MS + round(second * 1000)


def _news(judge: FeedJudge, second: float) -> list[Judgement]:
    return judge.on_time(_at(second))


def _connected(judge: FeedJudge, second: float, *sources: str) -> None:
    """Connect, and forget what that alone says."""
    for source in sources or (MAIN,):
        judge.on_connected(source, _at(second))
    judge.on_time(_at(second))


SILENT_ONE = FeedSilent(source=MAIN)
BACK_ONE = FeedBack(source=MAIN)
SILENT_BOTH = FeedSilent(source="main and backup")
BACK_BOTH = FeedBack(source="main and backup")


def test_a_feed_that_never_ticked_is_silent() -> None:
    """15 s after it was subscribed in market hours, without waiting for a first tick; said once."""
    judge = _judge()
    _connected(judge, 0)

    assert _news(judge, 14.9) == []
    assert _news(judge, 15) == [SILENT_ONE]
    assert _news(judge, 60) == []
    assert judge.silent


def test_a_feed_that_never_connected_is_silent() -> None:
    """Its time runs from the first look."""
    judge = _judge()

    assert _news(judge, 0) == []
    assert _news(judge, 15) == [SILENT_ONE]


def test_the_wait_for_the_first_tick_starts_with_the_subscription() -> None:
    """Connecting took 10 s: they are not counted."""
    judge = _judge()
    _news(judge, 0)
    _connected(judge, 10)

    assert _news(judge, 24) == []
    assert _news(judge, 25) == [SILENT_ONE]


def test_connecting_again_is_no_tick() -> None:
    """A source that reconnects every ten seconds and never ticks is silent all the same."""
    judge = _judge()
    for second in (0, 10):
        _connected(judge, second)

    assert _news(judge, 15) == [SILENT_ONE]


def test_a_connection_of_the_active_feed_missed_minutes() -> None:
    """In market hours, the first one too: what was sent before it was not heard."""
    judge = _judge(MAIN, BACKUP)
    judge.on_connected(MAIN, OPEN_MS - 1)
    assert not judge.news

    judge.on_connected(BACKUP, _at(0))
    assert not judge.news
    judge.on_tick(MAIN, _at(0))
    judge.on_time(_at(0))
    judge.on_connected(MAIN, _at(5))
    assert _news(judge, 5) == [BACK_BOTH]


def test_a_connection_alone_ends_no_silence() -> None:
    """All feeds are silent: only a tick is a sign of life."""
    judge = _judge()
    _connected(judge, 0)
    assert _news(judge, 15) == [SILENT_ONE]

    judge.on_connected(MAIN, _at(20))
    assert judge.silent
    assert _news(judge, 20) == []
    judge.on_tick(MAIN, _at(21))
    assert _news(judge, 21) == [BACK_ONE]


def test_a_feed_falls_silent_mid_session_and_comes_back() -> None:
    """Silent 15 s after its last tick; back with the next one, at once, and that one is used."""
    judge = _judge()
    _connected(judge, 0)
    assert all(_ticking(judge, MAIN, 0, 5))

    assert _news(judge, 19.9) == []
    assert _news(judge, 20) == [SILENT_ONE]
    assert judge.on_tick(MAIN, _at(30))
    assert judge.news
    assert not judge.silent
    assert _news(judge, 30) == [BACK_ONE]
    assert not judge.news


def test_a_gap_that_nobody_looked_at_is_told_too() -> None:
    """The event loop stood still for 20 s: the core hears that minutes were missed."""
    judge = _judge()
    _connected(judge, 0)
    judge.on_tick(MAIN, _at(0))
    judge.on_tick(MAIN, _at(20))

    assert _news(judge, 20) == [BACK_ONE]


def test_outside_market_hours_silence_is_normal() -> None:
    """Before the open nothing is expected, after the close nothing any more."""
    judge = _judge()
    judge.on_connected(MAIN, OPEN_MS - 600_000)

    assert judge.on_time(OPEN_MS - 1) == []
    assert judge.on_time(OPEN_MS + 14_000) == []
    assert judge.on_time(OPEN_MS + 15_000) == [SILENT_ONE]

    judge = _judge()
    judge.on_tick(MAIN, CLOSE_MS - 10_000)
    assert judge.on_time(CLOSE_MS) == []
    assert judge.on_time(CLOSE_MS + 60_000) == []


def test_ticks_of_the_inactive_source_are_dropped() -> None:
    """Both tick: only the preferred one is used, and nothing is said."""
    judge = _judge(MAIN, BACKUP)
    _connected(judge, 0, MAIN, BACKUP)

    for second in range(60):
        assert judge.on_tick(MAIN, _at(second))
        assert not judge.on_tick(BACKUP, _at(second + 0.5))
    assert _news(judge, 60) == []


def test_the_second_feed_takes_over_after_15_s() -> None:
    """Of the first one's silence, with its next tick; the core hears that minutes were missed."""
    judge = _judge(MAIN, BACKUP)
    _connected(judge, 0, MAIN, BACKUP)
    judge.on_tick(MAIN, _at(0))

    assert not any(_ticking(judge, BACKUP, 0, 14))
    assert judge.on_tick(BACKUP, _at(15))
    assert judge.active == BACKUP
    assert _news(judge, 15) == [Switched(BACKUP, MAIN), BACK_BOTH]
    assert _news(judge, 40) == [SILENT_BOTH]


def test_time_alone_makes_the_second_feed_take_over() -> None:
    """It ticked a moment ago: its next tick is not waited for."""
    judge = _judge(MAIN, BACKUP)
    _connected(judge, 0, MAIN, BACKUP)
    judge.on_tick(MAIN, _at(0))
    judge.on_tick(BACKUP, _at(12))

    assert _news(judge, 15) == [Switched(BACKUP, MAIN), BACK_BOTH]


def test_the_first_feed_gets_its_place_back_after_10_s_of_ticks() -> None:
    """Of its own, without a pause: a pause starts the count again."""
    judge = _judge(MAIN, BACKUP)
    _connected(judge, 0, MAIN, BACKUP)
    judge.on_tick(MAIN, _at(0))
    _ticking(judge, BACKUP, 1, 40)
    _news(judge, 40)

    assert not any(_ticking(judge, MAIN, 41, 50))
    _ticking(judge, BACKUP, 41, 56)
    assert not any(_ticking(judge, MAIN, 57, 66))
    assert judge.on_tick(MAIN, _at(67))
    assert _news(judge, 67) == [Switched(MAIN, BACKUP), BACK_BOTH]
    assert not judge.on_tick(BACKUP, _at(67))


def test_a_single_tick_of_the_first_feed_does_not_bring_it_back() -> None:
    """One tick each 8 s is not continuous."""
    judge = _judge(MAIN, BACKUP)
    judge.on_tick(MAIN, _at(0))
    _ticking(judge, BACKUP, 1, 20)

    for second in range(20, 100, 8):
        assert not judge.on_tick(MAIN, _at(second))
        _ticking(judge, BACKUP, second, second + 8)
    assert judge.active == BACKUP


def test_only_the_silence_of_all_feeds_is_silence() -> None:
    """The first one is dead from the start; the other one's death, later, is what stops entries."""
    judge = _judge(MAIN, BACKUP)
    _connected(judge, 0, MAIN, BACKUP)
    assert not any(_ticking(judge, BACKUP, 0, 14))
    assert all(_ticking(judge, BACKUP, 15, 30))
    assert _news(judge, 30) == [Switched(BACKUP, MAIN), BACK_BOTH]

    assert _news(judge, 44) == []
    assert _news(judge, 45) == [SILENT_BOTH]


def test_whichever_feed_ticks_first_ends_the_silence() -> None:
    """All were silent: the one that speaks is listened to at once, the preferred one or not."""
    for source in (MAIN, BACKUP):
        judge = _judge(MAIN, BACKUP)
        _connected(judge, 0, MAIN, BACKUP)
        assert _news(judge, 15) == [SILENT_BOTH]

        assert judge.on_tick(source, _at(20))
        assert judge.active == source
        switched = [] if source == MAIN else [Switched(BACKUP, MAIN)]
        assert _news(judge, 20) == [*switched, BACK_BOTH]


def test_a_silent_second_feed_gives_way_at_once() -> None:
    """The first one need not tick for 10 s when nobody else ticks."""
    judge = _judge(MAIN, BACKUP)
    judge.on_tick(MAIN, _at(0))
    _ticking(judge, BACKUP, 0, 20)
    _news(judge, 20)

    assert judge.on_tick(MAIN, _at(36))
    assert _news(judge, 36) == [Switched(MAIN, BACKUP), BACK_BOTH]


def test_a_connected_silent_source_is_to_be_reconnected() -> None:
    """After 15 s, then at most every 30 s; a new connection has 15 s to tick."""
    judge = _judge()
    _connected(judge, 0)

    assert not judge.wants_reconnect(MAIN, _at(14))
    assert judge.wants_reconnect(MAIN, _at(15))
    assert not judge.wants_reconnect(MAIN, _at(16))
    judge.on_disconnected(MAIN)
    _connected(judge, 40)
    assert not judge.wants_reconnect(MAIN, _at(54))
    assert judge.wants_reconnect(MAIN, _at(55))
    assert not judge.wants_reconnect(MAIN, _at(84))
    assert judge.wants_reconnect(MAIN, _at(85))


def test_no_reconnect_is_wanted_without_need() -> None:
    """Not of a source that ticks, that has no connection, or outside the market's hours."""
    judge = _judge()
    _connected(judge, 0)
    _ticking(judge, MAIN, 0, 20)
    assert not judge.wants_reconnect(MAIN, _at(30))

    judge.on_disconnected(MAIN)
    assert not judge.wants_reconnect(MAIN, _at(60))

    judge.on_connected(MAIN, CLOSE_MS - 60_000)
    assert judge.wants_reconnect(MAIN, CLOSE_MS)
    judge.on_connected(MAIN, CLOSE_MS)
    assert not judge.wants_reconnect(MAIN, CLOSE_MS + 60_000)


def test_the_inactive_source_is_reconnected_too() -> None:
    """A dead spare is no spare."""
    judge = _judge(MAIN, BACKUP)
    _connected(judge, 0, MAIN, BACKUP)
    _ticking(judge, MAIN, 0, 20)

    assert judge.wants_reconnect(BACKUP, _at(20))
    assert not judge.wants_reconnect(MAIN, _at(20))
