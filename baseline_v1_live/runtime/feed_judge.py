"""Which market data source is listened to, and when none of them speaks (strategy, data trust).

Each source is judged by its own ticks, in market hours only. The active source gives way when it has been
silent for 15 s and another one ticks; one before it in the list gets its place back after 10 s of its own
continuous ticks. Entries stop only when every source is silent. A halt of the whole market looks the same
from here as a dead feed: it pauses entries and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from baseline_v1_live.core.messages import FeedBack, FeedSilent

SILENT_MS = 15_000
BACK_MS = 10_000


class Switched(msgspec.Struct, frozen=True):
    """Ticks are taken from ``source`` from now on, and no longer from ``before``.

    A FeedBack always follows, because the core missed minutes on both sides of the change.
    """

    source: str
    before: str


Judgement = FeedSilent | FeedBack | Switched


@dataclass
class _Source:
    name: str
    since_ms: int | None = None  # ticks are expected since then
    subscribed: bool = False  # it was connected once
    connected_ms: int | None = None  # None: not connected now
    last_ms: int | None = None
    streak_ms: int = 0  # ticks came without a pause since then
    asked_ms: int | None = None


class FeedJudge:
    """``sources`` are names, the preferred one first; all instants are epoch milliseconds.

    ``open_ms`` and ``close_ms`` bound the market's hours, ``silent_ms`` is how long a source may say
    nothing in them, ``back_ms`` how long it must tick to get its place back. Call ``on_time`` about once
    a second, and whenever ``news`` is True, before a tick is handed on.
    """

    def __init__(
        self,
        sources: Sequence[str],
        *,
        open_ms: int,
        close_ms: int,
        silent_ms: int = SILENT_MS,
        back_ms: int = BACK_MS,
    ) -> None:
        self._sources = {name: _Source(name) for name in sources}
        self._active = self._sources[sources[0]]
        self._name = " and ".join(sources)
        self._open_ms, self._close_ms = open_ms, close_ms
        self._silent_ms, self._back_ms = silent_ms, back_ms
        self._pause_ms = back_ms // 2  # A longer one ends a source's continuous ticks.
        self._reconnect_ms = 2 * silent_ms
        self._said_silent = False
        self._news: list[Judgement] = []

    @property
    def active(self) -> str:
        """The source whose ticks are used."""
        return self._active.name

    @property
    def silent(self) -> bool:
        """Whether every source was silent when last looked at, and none has ticked since."""
        return self._said_silent

    @property
    def news(self) -> bool:
        """Whether ``on_time`` has something to say at once."""
        return bool(self._news)

    def on_connected(self, source: str, at_ms: int) -> None:
        """A source is connected and subscribed.

        The first time, its ticks are expected from now on. Later times change nothing about that: a
        source that connects again and again without a tick is silent all the same. What the active
        source sent before was not heard, so the core is told that minutes were missed; if all feeds
        are silent it is told with the first tick, because a connection alone ends no silence.
        """
        known = self._sources[source]
        known.connected_ms = at_ms
        if not known.subscribed:
            known.subscribed = True
            known.since_ms = at_ms
        if known is self._active and self._in_hours(at_ms) and not self._said_silent:
            self._say_back()

    def on_disconnected(self, source: str) -> None:
        """A source has lost its connection; it looks for a new one by itself."""
        self._sources[source].connected_ms = None

    def on_tick(self, source: str, at_ms: int) -> bool:
        """Whether this source's tick is to be used; ticks of the others are dropped."""
        heard = self._sources[source]
        was_silent = self._is_silent(heard, at_ms)
        if heard.last_ms is None or at_ms - heard.last_ms > self._pause_ms:
            heard.streak_ms = at_ms
        heard.last_ms = at_ms
        if not self._in_hours(at_ms):
            return heard is self._active
        if heard is not self._active and self._takes_over(heard, at_ms):
            self._switch(heard)
        elif heard is self._active and (self._said_silent or was_silent):
            self._say_back()
        return heard is self._active

    def on_time(self, at_ms: int) -> list[Judgement]:
        """What is new: looks for silence, and gives what the ticks since the last call have brought."""
        for source in self._sources.values():
            if source.since_ms is None and source.last_ms is None:
                source.since_ms = at_ms
        if self._in_hours(at_ms) and self._is_silent(self._active, at_ms):
            ticking = next((s for s in self._sources.values() if self._ticks(s, at_ms)), None)
            if ticking is not None:
                self._switch(ticking)
            elif not self._said_silent and self._all_silent(at_ms):
                self._said_silent = True
                self._news.append(FeedSilent(source=self._name))
        news, self._news = self._news, []
        return news

    def wants_reconnect(self, source: str, at_ms: int) -> bool:
        """Whether a source that is connected and silent should get a new connection now.

        True once, and again only after 30 s (twice ``silent_ms``): saying so counts as the attempt.
        """
        known = self._sources[source]
        if known.connected_ms is None or not self._in_hours(at_ms):
            return False
        fresh = at_ms - known.connected_ms < self._silent_ms
        asked = known.asked_ms is not None and at_ms - known.asked_ms < self._reconnect_ms
        if fresh or asked or not self._is_silent(known, at_ms):
            return False
        known.asked_ms = at_ms
        return True

    # ------------------------------------------------------------ inside

    def _in_hours(self, at_ms: int) -> bool:
        return self._open_ms <= at_ms <= self._close_ms

    def _expected_ms(self, source: _Source) -> int | None:
        """The instant from which a source's silence counts."""
        if source.since_ms is None and source.last_ms is None:
            return None
        return max(source.since_ms or 0, source.last_ms or 0, self._open_ms)

    def _is_silent(self, source: _Source, at_ms: int) -> bool:
        expected_ms = self._expected_ms(source)
        return expected_ms is not None and at_ms - expected_ms >= self._silent_ms

    def _all_silent(self, at_ms: int) -> bool:
        return all(self._is_silent(source, at_ms) for source in self._sources.values())

    def _ticks(self, source: _Source, at_ms: int) -> bool:
        return source.last_ms is not None and at_ms - source.last_ms <= self._pause_ms

    def _takes_over(self, heard: _Source, at_ms: int) -> bool:
        if self._is_silent(self._active, at_ms):
            return True
        names = list(self._sources)
        preferred = names.index(heard.name) < names.index(self._active.name)
        return preferred and at_ms - heard.streak_ms >= self._back_ms

    def _switch(self, source: _Source) -> None:
        self._news.append(Switched(source.name, self._active.name))
        self._active = source
        self._say_back()

    def _say_back(self) -> None:
        self._said_silent = False
        self._news.append(FeedBack(source=self._name))
