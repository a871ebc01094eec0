"""Feeds of a day: whose ticks count, what the core hears of silence, subscriptions, and broken feeds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from baseline_v1_live.core.messages import Event, FeedBack, FeedSilent, Level, Tick
from baseline_v1_live.runtime import feeds as feeds_module
from baseline_v1_live.runtime.feeds import Feeds
from tests.harness import Desk
from tests.harness_market import C260, C261, INDEX, P260, at
from tests.runtime.live_desk import START_MS, HandClock, settle, until

SECOND_MS = 1_000


class HandFeed:
    """A stream without a socket: what it was told to watch, and how often it was started anew."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        self.depth_refused: dict[str, str] = {}
        self.watched: list[tuple[set[str], set[str]]] = []
        self.runs = 0
        self.reconnects = 0
        self.breaks: list[Exception] = []
        self.close_breaks: Exception | None = None
        self._closed = asyncio.Event()

    async def watch(self, symbols: Iterable[str], depth: Iterable[str] = ()) -> None:
        self.watched.append((set(symbols), set(depth)))

    async def run(self) -> None:
        self.runs += 1
        if self.breaks:
            raise self.breaks.pop(0)
        await self._closed.wait()

    async def reconnect(self) -> None:
        self.reconnects += 1

    async def close(self) -> None:
        self._closed.set()
        if self.close_breaks is not None:
            raise self.close_breaks


class FeedDesk:
    """Feeds ``main`` and ``backup`` of an engine at 10:00. ``heard`` is what they tell the core."""

    def __init__(self, *, speed: float = 1.0, names: tuple[str, ...] = ("main", "backup")) -> None:
        self.clock = HandClock(speed=speed)
        self.engine = Desk().engine
        self.main, self.backup = HandFeed(), HandFeed()
        self.heard: list[Event] = []
        self.said: list[tuple[Level, str]] = []
        made = {"main": self.main, "backup": self.backup}
        self.feeds = Feeds(
            self.engine,
            {name: made[name] for name in names},
            self.clock,
            self._hear,
            lambda level, tag, text, key: self.said.append((level, text)),
        )
        self.nonsense = False

    def _hear(self, event: Event) -> None:
        self.heard.append(event)
        if self.nonsense and isinstance(event, Tick):
            self.engine.market.quarantined["older"] += 1

    def tick(self, name: str, symbol: str = C260) -> bool:
        return self.feeds.on_tick(name, Tick(symbol=symbol, ltp_paise=13_000))

    def seconds(self, count: float, *ticking: str) -> None:
        """Time passes, the feeds are looked at each second, and some of them tick."""
        for _ in range(round(count)):
            self.clock.ms += SECOND_MS
            for name in ticking:
                self.tick(name)
            self.feeds.look(self.clock.ms)

    @property
    def kinds(self) -> list[type[Event]]:
        """Kinds of what was heard, several of one kind in a row told once."""
        kinds: list[type[Event]] = []
        for event in self.heard:
            if not kinds or kinds[-1] is not type(event):
                kinds.append(type(event))
        return kinds


def run(story: Any) -> None:
    asyncio.run(story())


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


# ---------------------------------------------------------------- connections


async def reconnects() -> None:
    desk = FeedDesk()
    for name in ("main", "backup"):
        desk.feeds.on_live(name)
    desk.seconds(14, "backup")
    await settle()
    assert (desk.main.reconnects, desk.backup.reconnects) == (0, 0)
    desk.seconds(1, "backup")
    await settle()
    assert (desk.main.reconnects, desk.backup.reconnects) == (1, 0)
    desk.seconds(29, "backup")
    await settle()
    assert desk.main.reconnects == 1
    desk.seconds(1, "backup")
    await settle()
    assert (desk.main.reconnects, desk.backup.reconnects) == (2, 0)


def test_a_feed_that_is_connected_and_silent_gets_a_new_connection() -> None:
    """After 15 s, then each 30 s while it lasts; one that ticks is left alone."""
    run(reconnects)


async def lost_connection() -> None:
    desk = FeedDesk()
    desk.feeds.on_down("main", "no route")
    assert desk.said == []
    desk.feeds.on_live("main")
    desk.heard.clear()
    desk.feeds.on_down("main", "reset")
    (said,) = desk.said
    assert said[0] is Level.ALERT
    assert "reset" in said[1]
    desk.seconds(40)
    await settle()
    assert desk.main.reconnects == 0


def test_a_lost_connection_is_said_once_it_was_there() -> None:
    """A feed that was never up says nothing, and one that is down looks for a connection by itself."""
    run(lost_connection)


async def live_again() -> None:
    desk = FeedDesk()
    desk.feeds.on_live("main")
    desk.tick("main")
    desk.heard.clear()
    desk.feeds.on_down("main", "reset")
    desk.clock.ms += 3 * SECOND_MS
    desk.feeds.on_live("main")
    assert desk.kinds == [FeedBack]
    desk.heard.clear()
    desk.feeds.on_live("backup")
    assert desk.heard == []


def test_a_new_connection_of_the_active_feed_means_missed_minutes() -> None:
    """The core hears of it at once; another feed's connection is no news to it."""
    run(live_again)


# ---------------------------------------------------------------- subscriptions


async def refusals() -> None:
    desk = FeedDesk()
    desk.main.refused = {C261: "unknown symbol", P260: "limit reached", C260: "unknown symbol"}
    desk.seconds(3)
    (said,) = desk.said
    assert said[0] is Level.ALERT
    for part in ("main", C260, C261, P260, "unknown symbol", "limit reached"):
        assert part in said[1]
    desk.main.refused = {C260: "unknown symbol", INDEX: "limit reached"}
    desk.seconds(3)
    assert len(desk.said) == 2
    assert INDEX in desk.said[1][1]
    assert C260 not in desk.said[1][1]


def test_symbols_that_a_feed_refuses_are_named_once() -> None:
    """Each with its reason, as soon as it is known; one that is refused again is not said again."""
    run(refusals)


async def refusals_of_two() -> None:
    desk = FeedDesk()
    desk.main.refused = desk.backup.refused = {C260: "unknown symbol"}
    desk.seconds(3)
    assert [("main" in text, "backup" in text) for _, text in desk.said] == [
        (True, False), (False, True),
    ]  # fmt: skip


def test_each_feed_has_its_own_refusals() -> None:
    """What the second feed does not give either is worth knowing."""
    run(refusals_of_two)


async def depth_refusals() -> None:
    desk = FeedDesk()
    desk.main.depth_refused = {C260: "not supported"}
    desk.seconds(3)
    (said,) = desk.said
    assert said[0] is Level.LOG
    assert C260 in said[1]
    assert "not supported" in said[1]
    desk.main.refused = {C260: "limit reached"}
    desk.seconds(3)
    assert [level for level, _ in desk.said] == [Level.LOG, Level.ALERT]


def test_a_symbol_without_bid_and_ask_is_only_noted() -> None:
    """Its last price is enough to go on; that it then gets no prices at all is another thing."""
    run(depth_refusals)


async def depth() -> None:
    desk = FeedDesk()
    desk.feeds.start()
    await settle()
    symbols = {*desk.engine.market.symbols, INDEX}
    assert desk.main.watched == [(symbols, set())]
    assert desk.backup.watched == [(symbols, set())]

    desk.engine.market.watched = frozenset({C260})
    desk.feeds.follow_depth()
    desk.feeds.follow_depth()
    await settle()
    assert desk.main.watched[1:] == [(symbols, {C260})]
    desk.engine.market.watched = frozenset({C260, P260})
    desk.feeds.follow_depth()
    desk.engine.market.watched = frozenset()
    desk.feeds.follow_depth()
    await settle()
    assert [wanted for _, wanted in desk.main.watched[2:]] == [{C260, P260}, set()]
    assert desk.backup.watched == desk.main.watched
    await desk.feeds.close()


def test_held_and_working_symbols_are_watched_with_depth() -> None:
    """All symbols and the index from the start; depth follows what is held, in every feed alike, and
    nothing is asked for twice.
    """
    run(depth)


# ---------------------------------------------------------------- start and end


def test_a_feed_that_breaks_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time, and people hear of it; the other feed runs on."""
    monkeypatch.setattr(feeds_module, "_AFTER_BREAKING_S", 0.001)

    async def story() -> None:
        desk = FeedDesk()
        desk.main.breaks = [RuntimeError("a bug"), RuntimeError("again")]
        desk.feeds.on_live("main")
        desk.feeds.start()
        await until(lambda: desk.main.runs == 3, "the third run")
        assert desk.backup.runs == 1
        assert [level for level, _ in desk.said] == [Level.ALERT] * 2
        await desk.feeds.close()

    run(story)


async def closing() -> None:
    desk = FeedDesk()
    desk.main.close_breaks = RuntimeError("a bug")
    desk.feeds.start()
    await settle()
    await desk.feeds.close()
    assert (desk.main.runs, desk.backup.runs) == (1, 1)
    assert desk.backup._closed.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_the_end_closes_every_feed() -> None:
    """Also when one of them breaks at it; no task is left."""
    run(closing)


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
