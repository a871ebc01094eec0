"""Connections of the feeds: made anew after silence or a bug, what is asked of them, and their end."""

from __future__ import annotations

import asyncio

import pytest

from baseline_v1_live.core.messages import FeedBack, Level
from baseline_v1_live.runtime import feeds as feeds_module
from tests.harness_market import C260, C261, INDEX, P260
from tests.runtime.feed_desk import SECOND_MS, FeedDesk, run
from tests.runtime.live_desk import settle, until

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
