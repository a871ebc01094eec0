"""The world outside the bot: a market day that plays by itself, and the gateway that serves it.

The gateway is openalgo-sim's own, handlers, stream, rate limits and all; only its sockets are missing.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable
from contextvars import copy_context
from email.utils import format_datetime

from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.exchange import ExchangeModel
from baseline_v1_live.sim.openalgo_server.clock import ServerClock
from baseline_v1_live.sim.openalgo_server.faults import Faults
from baseline_v1_live.sim.openalgo_server.limits import RateLimits
from baseline_v1_live.sim.openalgo_server.profiles import Profile
from baseline_v1_live.sim.openalgo_server.rest import Rest, Served
from baseline_v1_live.sim.openalgo_server.stream import AUTH_TIMEOUT_S, Client, Stream
from baseline_v1_live.sim.openalgo_server.venue import Venue

_ORDERS = frozenset({"placeorder", "modifyorder", "cancelorder"})
API_KEY = "simulated-key"
USER = "trader"


class _Clock(ServerClock):
    """The loop's own time: it never stands, and is asked for so often that it must be cheap."""

    def __init__(self, start_ms: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(start_ms, 1.0, monotonic=loop.time)
        self._start_ms, self._begun_s, self._time_s = start_ms, loop.time(), loop.time

    def now_ms(self) -> int:
        """The simulated instant in epoch milliseconds."""
        # Half a microsecond more, because sums of seconds fall a little short of whole milliseconds.
        return self._start_ms + int((self._time_s() - self._begun_s) * 1000 + 0.0005)


class World:
    """One market day and one account, on the running loop. ``start_ms``: the instant of its time 0.

    ``on_order_message`` hears of each order message that arrives, before it is carried out.
    """

    def __init__(
        self, day: MarketDay, profile: Profile, model: ExchangeModel, *, start_ms: int, seed: int
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.context = copy_context()
        self.on_order_message: Callable[[], None] = lambda: None
        self.clock = _Clock(start_ms, self.loop)
        self.venue = Venue(day, profile, start_ms=start_ms, seed=seed, user=USER, model=model)
        self.faults = Faults()
        self.stream = Stream(self.venue, self.clock, API_KEY, AUTH_TIMEOUT_S, lambda: None)
        self.rest = Rest(
            self.venue,
            self.clock,
            self.stream,
            self.faults,
            RateLimits(self.clock),
            API_KEY,
            self.catch_up,
        )

    @property
    def now_ms(self) -> int:
        """The instant by the exchange's clock."""
        return self.clock.now_ms()

    async def play(self) -> None:
        """Play the tape to its end, each tick at its time."""
        over = self.loop.create_future()

        # Timers instead of a task's sleeps: there are thousands of ticks a day.
        def play_on() -> None:
            self.catch_up()
            if self.venue.over:
                over.set_result(None)
            else:
                wait_ms = max(self.venue.next_tick_ms - self.now_ms, 1)
                self.loop.call_later(wait_ms / 1000, play_on)

        play_on()
        await over

    def catch_up(self) -> None:
        """Play and publish what is due by now."""
        self.venue.play_to(self.now_ms, self._publish)
        self.stream.publish_orders(self.venue.take_updates())

    def _publish(self, symbol: str) -> None:
        self.stream.publish_orders(self.venue.take_updates())
        self.stream.publish_tick(symbol)

    # ------------------------------------------------------------ what the wire leads to

    async def answer(self, endpoint: str, text: str, remote: str) -> Served:
        """One REST call."""
        if endpoint in _ORDERS:
            self.on_order_message()
        return await self.rest.answer(endpoint, text, remote)

    def join(self, deliver: Callable[[bytes | None], None]) -> Callable[[str | None], None]:
        """A client of the stream."""

        def cut() -> None:
            self.stream.leave(client)
            deliver(None)

        def hear(text: str | None) -> None:
            if text is None:
                self.stream.leave(client)
            elif client in self.stream.clients:
                self.stream.hear(client, text)

        client = Client(deliver, cut)
        self.stream.enter(client)
        return hear

    def date_header(self) -> str:
        """The gateway's time as HTTP writes it."""
        at = dt.datetime.fromtimestamp(self.now_ms // 1000, dt.UTC)
        return format_datetime(at, usegmt=True)
