"""The built-in exchange behind OpenAlgo's REST and WebSocket contract, on two loopback sockets.

A day's tape plays on a clock of its own. Between two publications of ticks at least 20 ms of real time
pass, and each sends a symbol's newest state only: fast clocks conflate ticks, as gateways do, to at
most 50 messages a second and symbol. Orders meet every tick all the same, and on a fast clock their
updates do not wait for that publication. In manual stepping (speed 0) every tick is sent.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web

from baseline_v1_live.core.messages import SnapshotTaken, TakeSnapshot
from baseline_v1_live.core.session import at_ist
from baseline_v1_live.sim.contract_table import SESSION_OPEN
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.exchange import ExchangeModel
from baseline_v1_live.sim.openalgo_server.clock import ServerClock
from baseline_v1_live.sim.openalgo_server.control import Control
from baseline_v1_live.sim.openalgo_server.fault_desk import FaultDesk
from baseline_v1_live.sim.openalgo_server.faults import Faults
from baseline_v1_live.sim.openalgo_server.limits import RateLimits
from baseline_v1_live.sim.openalgo_server.profiles import Profile, named_profile
from baseline_v1_live.sim.openalgo_server.rest import Rest, not_found
from baseline_v1_live.sim.openalgo_server.stream import AUTH_TIMEOUT_S, Stream
from baseline_v1_live.sim.openalgo_server.venue import Venue

PUBLISH_EVERY_S = 0.02
FAST_SPEED = 20
FAST_TURN_S = 0.004
LEAD_MS = 30_000
_SLICE_MS = 2_000
_WAITING, _PAUSED = "waiting for a client", "paused"


class OpenAlgoServer:
    """One day, one account, one API key.

    ``port`` and ``ws_port`` 0 take any free port; after ``start`` the attributes hold the real ones.
    ``speed``: simulated seconds a real second; 0 for manual stepping by ``advance_to``.
    ``wait_for_client``: the clock stands while no socket is connected to the stream; REST calls do
    not count. ``start_ms`` None: half a minute before the open. ``rate_limits`` False switches off
    429 answers and the pace of history calls. ``model``: the exchange's rules; its latency and
    intraday cut-off are not used, because answers are replies and the analyzer has its own cut-off.
    """

    def __init__(
        self,
        day: MarketDay,
        *,
        port: int = 5000,
        ws_port: int = 8765,
        host: str = "127.0.0.1",
        speed: float = 1.0,
        api_key: str = "simulated-key",
        profile: str | Profile = "threaded",
        wait_for_client: bool = True,
        seed: int = 0,
        start_ms: int | None = None,
        rate_limits: bool = True,
        model: ExchangeModel | None = None,
        user: str = "trader",
        auth_timeout_s: float = AUTH_TIMEOUT_S,
    ) -> None:
        if start_ms is None:
            start_ms = at_ist(day.date, SESSION_OPEN) - LEAD_MS
        self.host, self.port, self.ws_port = host, port, ws_port
        self.clock = ServerClock(start_ms, speed)
        self.venue = Venue(
            day, named_profile(profile), start_ms=start_ms, seed=seed, user=user, model=model
        )
        self.faults = Faults()
        self._wait_for_client = wait_for_client
        self.stream = Stream(self.venue, self.clock, api_key, auth_timeout_s, self._mind_clients)
        self._rest = Rest(
            self.venue,
            self.clock,
            self.stream,
            self.faults,
            RateLimits(self.clock) if rate_limits else None,
            api_key,
            self.catch_up,
        )
        self.troubles = FaultDesk(self.venue, self.stream, self.clock, self._rest.answer, seed)
        self._rest.front = self.troubles.answer
        self._ticked: dict[str, None] = {}
        self._runners: list[web.AppRunner] = []
        self._player: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where REST is, without the path."""
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where the stream is."""
        return f"ws://{self.host}:{self.ws_port}"

    @property
    def now_ms(self) -> int:
        """The simulated instant."""
        return self.clock.now_ms()

    @property
    def over(self) -> bool:
        """Whether the tape is played to its end."""
        return self.venue.over

    async def start(self) -> None:
        """Open both sockets and let the clock run."""
        self._mind_clients()
        rest = web.Application()
        Control(self).add_to(rest)
        rest.router.add_get("/auth/check-setup", _check_setup)
        rest.router.add_route("*", "/api/v1/{endpoint:.*}", self._rest.serve)
        rest.router.add_route("*", "/{rest:.*}", _nothing_here)
        stream = web.Application()
        stream.router.add_get("/{rest:.*}", self.troubles.stream)
        try:
            self.port = await self._listen(rest, self.port)
            self.ws_port = await self._listen(stream, self.ws_port)
        except OSError:
            await self.stop()
            raise
        self._player = asyncio.get_running_loop().create_task(self._play())

    async def stop(self) -> None:
        """Close everything; harmless when it is not open."""
        if self._player is not None:
            self._player.cancel()
            await asyncio.gather(self._player, return_exceptions=True)
            self._player = None
        self.troubles.stop()
        await self.stream.close()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    def pause(self) -> None:
        """Let the simulated clock stand."""
        self.clock.hold(_PAUSED)

    def resume(self) -> None:
        """Let it run again."""
        self.clock.release(_PAUSED)

    async def advance_to(self, at_ms: int) -> None:
        """Move the clock forward and play everything until then, every tick published.

        Raises ValueError for an instant in the past.
        """
        self.clock.set_ms(at_ms)
        while self.venue.now_ms < at_ms:
            step = min(max(self.venue.next_tick_ms, self.venue.now_ms) + _SLICE_MS, at_ms)
            self.venue.play_to(step, self._tick_now)
            self._publish()
            await asyncio.sleep(0)

    def catch_up(self) -> None:
        """Play what is due by the clock; ticks are published a little later, the newest only."""
        self.venue.play_to(self.clock.turn(), self._note_tick)

    def exchange_books(self) -> SnapshotTaken:
        """Orders, trades and positions as the exchange itself has them."""
        exchange, at_ms = self.venue.exchange, self.venue.now_ms
        exchange.send(TakeSnapshot(reason="control"), at_ms)
        events = [event for _, event in exchange.advance(at_ms)]
        return next(event for event in events if isinstance(event, SnapshotTaken))

    # ------------------------------------------------------------ inside

    async def _listen(self, app: web.Application, port: int) -> int:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, self.host, port)
        await site.start()
        return int(runner.addresses[0][1])

    async def _play(self) -> None:
        """Keep the tape with the clock, and publish."""
        pause_s = FAST_TURN_S if self.clock.speed > FAST_SPEED else PUBLISH_EVERY_S
        published_s = 0.0
        while True:
            if not self.clock.manual:
                target = self.clock.turn()
                # In slices, so that a fast clock over a busy tape does not silence the sockets.
                while self.venue.now_ms < target:
                    step = min(self.venue.now_ms + _SLICE_MS, target)
                    self.venue.play_to(step, self._note_tick)
                    self._publish()
                    await asyncio.sleep(0)
                if time.monotonic() >= published_s + PUBLISH_EVERY_S:
                    published_s = time.monotonic()
                    self._publish_ticks()
                    self.stream.drop_slow()
            await asyncio.sleep(pause_s)

    def _mind_clients(self) -> None:
        """Let the clock stand while a client is waited for, from the moment the last one is gone."""
        if not self._wait_for_client:
            return
        if self.stream.clients:
            self.clock.release(_WAITING)
        else:
            self.clock.hold(_WAITING)

    def _note_tick(self, symbol: str) -> None:
        self._ticked[symbol] = None

    def _tick_now(self, symbol: str) -> None:
        self._publish()
        self.stream.publish_tick(symbol)

    def _publish(self) -> None:
        self.stream.publish_orders(self.venue.take_updates())

    def _publish_ticks(self) -> None:
        ticked, self._ticked = self._ticked, {}
        for symbol in ticked:
            self.stream.publish_tick(symbol)


async def _check_setup(_: web.Request) -> web.Response:
    body: dict[str, Any] = {"needs_setup": False, "status": "success"}
    return web.json_response(body)


async def _nothing_here(request: web.Request) -> web.Response:
    return not_found(request)
