"""What the core hears of the feeds of a day: ticks of the one that counts, silence, and its end."""

from __future__ import annotations

from baseline_v1_live.core.messages import FeedBack, FeedSilent, Level, Tick
from baseline_v1_live.runtime.feeds import Feeds
from tests.harness import Desk
from tests.harness_market import C260, C261, P260, at
from tests.runtime.feed_desk import SECOND_MS, FeedDesk, HandFeed, run
from tests.runtime.live_desk import START_MS, HandClock, settle

# ---------------------------------------------------------------- whose ticks count


async def active_only() -> None:
    desk = FeedDesk()
    assert desk.tick("main", C260)
    assert not desk.tick("backup", C261)
    assert [event.symbol for event in desk.heard if isinstance(event, Tick)] == [C260]
    assert desk.kinds == [Tick]


def test_only_the_active_feeds_ticks_are_heard() -> None:
    """The preferred one's; those of the other are dropped, and whoever asks is told so."""
    run(active_only)


async def takes_over() -> None:
    desk = FeedDesk()
    desk.tick("main")
    desk.seconds(14, "backup")
    assert desk.kinds == [Tick]
    assert len(desk.heard) == 1
    desk.seconds(1)
    assert desk.tick("backup", P260)
    assert desk.kinds == [Tick, FeedBack, Tick]
    assert isinstance(desk.heard[-1], Tick)
    assert desk.heard[-1].symbol == P260
    assert not desk.tick("main")
    (said,) = desk.said
    assert said[0] is Level.ALERT
    assert "backup instead of main" in said[1]


def test_another_feed_takes_over_and_minutes_count_as_missed() -> None:
    """After 15 s: people are told once, and the core hears that a feed is back before its first tick."""
    run(takes_over)


async def tick_brings_news() -> None:
    desk = FeedDesk()
    desk.tick("main")
    desk.clock.ms += 20 * SECOND_MS
    assert desk.tick("backup")
    assert desk.kinds == [Tick, FeedBack, Tick]
    assert desk.said


def test_news_of_a_tick_come_before_the_tick() -> None:
    """Even when nobody has looked in between."""
    run(tick_brings_news)


# ---------------------------------------------------------------- silence


async def silence() -> None:
    desk = FeedDesk()
    desk.tick("main")
    desk.tick("backup")
    desk.seconds(14)
    assert desk.kinds == [Tick]
    desk.seconds(30)
    assert desk.kinds == [Tick, FeedSilent]
    assert len(desk.heard) == 2
    desk.tick("main")
    assert desk.kinds == [Tick, FeedSilent, FeedBack, Tick]


def test_silence_of_all_feeds_and_its_end_reach_the_core() -> None:
    """Once each, and the end comes before the tick that ends it."""
    run(silence)


def test_a_silent_feed_keeps_entries_back_until_it_ticks() -> None:
    """The real core's gate closes with the silence and opens with its end."""

    async def story() -> None:
        desk = Desk(start="09:30:00")
        clock = HandClock(desk.now_ms)
        feeds = Feeds(desk.engine, {"main": HandFeed()}, clock, desk.feed, lambda *_: None)
        feeds.on_tick("main", Tick(symbol=C260, ltp_paise=13_000))
        assert desk.engine.gate() is None
        desk.now_ms = clock.ms = clock.ms + 15 * SECOND_MS
        feeds.look(clock.ms)
        assert desk.engine.gate() == "feed_silent"
        feeds.on_tick("main", Tick(symbol=C260, ltp_paise=13_005))
        assert desk.engine.gate() is None

    run(story)


async def fast_clock() -> None:
    desk = FeedDesk(speed=100, names=("main",))
    desk.tick("main")
    desk.seconds(1_499)
    assert desk.kinds == [Tick]
    desk.seconds(1)
    assert desk.kinds == [Tick, FeedSilent]


def test_silence_is_a_matter_of_real_seconds() -> None:
    """On a clock that runs a hundred times as fast, 15 real seconds are 1,500 of its own."""
    run(fast_clock)


async def ages() -> None:
    desk = FeedDesk()
    assert desk.feeds.age_ms(START_MS) is None
    desk.tick("main")
    desk.clock.ms += 2_500
    desk.tick("backup")
    assert desk.feeds.age_ms(desk.clock.ms) == 2_500
    assert desk.feeds.age_ms(START_MS - 10) == 0


def test_the_age_is_that_of_the_last_tick_used() -> None:
    """Not known before the first one, never negative, and a dropped tick does not count."""
    run(ages)


async def out_of_hours() -> None:
    desk = FeedDesk()
    desk.clock.ms = at("15:41:00")
    for name in ("main", "backup"):
        desk.feeds.on_live(name)
    desk.seconds(60)
    await settle()
    assert desk.heard == []
    assert (desk.main.reconnects, desk.backup.reconnects) == (0, 0)


def test_after_the_close_silence_means_nothing() -> None:
    """Nobody expects prices then."""
    run(out_of_hours)


# ---------------------------------------------------------------- nonsense


async def sends_nonsense() -> None:
    desk = FeedDesk(names=("main",))
    desk.seconds(5, "main")
    desk.nonsense = True
    desk.seconds(40, "main")
    assert desk.kinds == [Tick, FeedSilent, Tick]
    desk.nonsense = False
    desk.seconds(2, "main")
    assert FeedBack in desk.kinds


def test_a_feed_that_sends_only_nonsense_is_silent() -> None:
    """Ticks that nobody can believe, such as with stamps hours off, keep no feed alive."""
    run(sends_nonsense)


async def well_again() -> None:
    desk = FeedDesk()
    desk.seconds(5, "main", "backup")
    desk.nonsense = True
    desk.seconds(31, "main")
    desk.nonsense = False
    desk.seconds(5, "backup")
    assert "backup instead of main" in desk.said[-1][1]
    desk.seconds(16, "main")
    desk.heard.clear()

    desk.seconds(5, "main")
    assert isinstance(desk.heard[-1], Tick)
    assert "main instead of backup" in desk.said[-1][1]


def test_a_feed_that_sent_nonsense_is_heard_again_when_the_other_one_dies() -> None:
    """Its ticks are good again, and nobody else has any: without them nothing is entered all day."""
    run(well_again)


async def nonsense_alone() -> None:
    desk = FeedDesk()
    desk.seconds(5, "main", "backup")
    desk.nonsense = True
    desk.seconds(120, "main")
    silences = [event for event in desk.heard if isinstance(event, FeedSilent | FeedBack)]
    assert isinstance(silences[-1], FeedSilent)
    assert sum(isinstance(event, FeedSilent) for event in silences) <= 2


def test_nonsense_that_is_all_there_is_does_not_wake_the_feeds_again_and_again() -> None:
    """It gets one chance when the other feed dies; after that it is silent like any other."""
    run(nonsense_alone)
