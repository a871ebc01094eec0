"""The price streams of a day: which of them is believed, what is subscribed, when one is silent.

How long a connection may say nothing is a matter of real seconds; a clock that runs faster than the
machine's has that many more of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Protocol

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import Event, Level, Tick
from baseline_v1_live.runtime.clock import Clock
from baseline_v1_live.runtime.feed_judge import BACK_MS, SILENT_MS, FeedJudge, Switched

_log = logging.getLogger(__name__)

_AFTER_BREAKING_S = 1.0


class PriceFeed(Protocol):
    """A stream that keeps itself connected.

    ``refused`` are symbols that it gives no prices of, ``depth_refused`` those that it gives no bid and
    ask of, each with the reason.
    """

    refused: dict[str, str]
    depth_refused: dict[str, str]

    async def watch(self, symbols: Iterable[str], depth: Iterable[str] = ()) -> None:
        """Want these symbols and no others, ``depth`` ones with bid and ask."""

    async def run(self) -> None:
        """Keep the stream up until ``close``."""

    async def reconnect(self) -> None:
        """Give the connection up and make another one."""

    async def close(self) -> None:
        """Let ``run`` return."""


class Feeds:
    """All feeds of one engine by name, the preferred one first.

    ``hear`` takes events, ``notice`` what people should know: level, tag, text, key.
    """

    def __init__(
        self,
        engine: Engine,
        feeds: Mapping[str, PriceFeed],
        clock: Clock,
        hear: Callable[[Event], None],
        notice: Callable[[Level, str, str, str], None],
    ) -> None:
        self._engine, self._feeds, self._clock = engine, feeds, clock
        self._hear, self._notice = hear, notice
        self._silent_ms = int(SILENT_MS * clock.speed)
        self._judge = FeedJudge(
            list(feeds),
            open_ms=engine.session.open_ms,
            close_ms=engine.session.close_ms,
            silent_ms=self._silent_ms,
            back_ms=int(BACK_MS * clock.speed),
        )
        self._symbols = sorted(engine.market.symbols) + [
            name for name in (engine.market.index_symbol,) if name is not None
        ]
        self._depth: frozenset[str] | None = None
        self._live_once: set[str] = set()
        self._refusals_said: set[tuple[str, Level, str]] = set()
        self._last_tick_ms: int | None = None
        self._nonsense_since: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------ what comes in

    def on_tick(self, name: str, tick: Tick) -> bool:
        """A tick of one feed; only the active one's are used. True when this one was."""
        now_ms = self._clock.now_ms()
        if name != self._judge.active and self._judge.silent:
            # Whether its ticks are good again shows only when they are used, and nobody else has any.
            self._nonsense_since.pop(name, None)
        nonsense = now_ms - self._nonsense_since.get(name, now_ms) >= self._silent_ms
        # A feed that has sent only what cannot be believed for so long is as good as silent.
        used = name == self._judge.active if nonsense else self._judge.on_tick(name, now_ms)
        if self._judge.news:
            self.look(now_ms)
        if used:
            self._pass_on(name, tick, now_ms)
        return used

    def _pass_on(self, name: str, tick: Tick, now_ms: int) -> None:
        refused = self._engine.market.quarantined
        before = refused.total()
        self._hear(tick)
        if refused.total() > before:
            self._nonsense_since.setdefault(name, now_ms)
            return
        self._nonsense_since.pop(name, None)
        self._last_tick_ms = now_ms

    def on_live(self, name: str) -> None:
        """A feed is connected and everything is subscribed."""
        now_ms = self._clock.now_ms()
        self._live_once.add(name)
        self._judge.on_connected(name, now_ms)
        if self._judge.news:
            self.look(now_ms)

    def on_down(self, name: str, reason: str) -> None:
        """A feed has lost its connection; it looks for a new one by itself."""
        self._judge.on_disconnected(name)
        if name in self._live_once:
            self._notice(
                Level.ALERT, "FEED", f"feed {name} is down: {reason}; reconnecting", f"down:{name}"
            )

    # ------------------------------------------------------------ what is looked at

    def look(self, now_ms: int) -> None:
        """Judge the feeds by the time; to be called about once a second."""
        for judgement in self._judge.on_time(now_ms):
            if isinstance(judgement, Switched):
                self._notice(
                    Level.ALERT,
                    "FEED",
                    f"prices now come from feed {judgement.source} instead of {judgement.before}",
                    "switched",
                )
            else:
                self._hear(judgement)
        for name, feed in self._feeds.items():
            self._say_refused(name, feed)
            if self._judge.wants_reconnect(name, now_ms):
                self._spawn(feed.reconnect())

    def _say_refused(self, name: str, feed: PriceFeed) -> None:
        """Say once which symbols a feed does not give.

        A symbol without ticks is not entered, and the core asks for quotes of one that is held.
        """
        for level, refused, what in (
            (Level.ALERT, feed.refused, "prices of {}; they are not entered until they tick"),
            (Level.LOG, feed.depth_refused, "bid and ask of {}; the last price counts"),
        ):
            fresh = {
                s: why for s, why in refused.items() if (name, level, s) not in self._refusals_said
            }
            if fresh:
                self._refusals_said |= {(name, level, symbol) for symbol in fresh}
                text = f"feed {name} gives no {what.format(_by_reason(fresh))}"
                self._notice(level, "FEED", text, f"refused:{name}")

    def follow_depth(self) -> None:
        """Subscribe held and working symbols with depth, so that there is an ask."""
        depth = frozenset(self._engine.market.watched)
        if depth != self._depth:
            self._depth = depth
            for feed in self._feeds.values():
                self._spawn(feed.watch(self._symbols, depth))

    def age_ms(self, now_ms: int) -> int | None:
        """Time since the last tick that was used, None before the first."""
        return None if self._last_tick_ms is None else max(now_ms - self._last_tick_ms, 0)

    # ------------------------------------------------------------ start and end

    def start(self) -> None:
        """Subscribe, and keep every feed up."""
        self.follow_depth()
        for name, feed in self._feeds.items():
            self._spawn(self._keep_up(name, feed))

    async def _keep_up(self, name: str, feed: PriceFeed) -> None:
        while True:
            try:
                await feed.run()
                return
            except Exception:
                _log.exception("feed %s broke", name)
                self.on_down(name, "internal error")
                await asyncio.sleep(_AFTER_BREAKING_S)

    async def close(self) -> None:
        """Close every feed."""
        await asyncio.gather(
            *(feed.close() for feed in self._feeds.values()), return_exceptions=True
        )
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _by_reason(refused: Mapping[str, str]) -> str:
    """``A, B (limit reached) and C (unknown symbol)``."""
    reasons: dict[str, list[str]] = {}
    for symbol in sorted(refused):
        reasons.setdefault(refused[symbol], []).append(symbol)
    return " and ".join(f"{', '.join(symbols)} ({why})" for why, symbols in reasons.items())
