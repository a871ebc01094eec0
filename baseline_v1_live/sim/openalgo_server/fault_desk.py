"""Takes orders for troubles of the catalogue while the server runs, and has them happen on real sockets.

How often and how long is ordered at ``POST /sim/fault``; what happens then is told in troubles.py and
trouble_moments.py, which the simulated days use, too.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from baseline_v1_live.sim.fault_catalogue import BY_NAME, TROUBLES, Place, Trouble
from baseline_v1_live.sim.openalgo_server.clock import Deadline, ServerClock
from baseline_v1_live.sim.openalgo_server.rest import Answering, Served
from baseline_v1_live.sim.openalgo_server.stream import Stream
from baseline_v1_live.sim.openalgo_server.trouble_moments import Moments
from baseline_v1_live.sim.openalgo_server.troubles import LATE_MAX_S, Troubles
from baseline_v1_live.sim.openalgo_server.venue import Venue

_CUT = Served(0, "", cut=True)


@dataclass
class _Running:
    """A trouble that was ordered. ``until`` and ``left`` None: until it is taken back."""

    name: str
    chance: float
    until: Deadline | None
    left: int | None


class FaultDesk:
    """Is the Odds of a running server. ``then`` answers a call that comes through.

    ``fired`` counts by trouble. Durations are the gateway's own: simulated seconds.
    """

    def __init__(
        self, venue: Venue, stream: Stream, clock: ServerClock, then: Answering, seed: int
    ) -> None:
        self.fired: Counter[str] = Counter()
        self._venue, self._stream, self._clock, self._then = venue, stream, clock, then
        self._chance = random.Random(f"troubles of {seed}")
        self._running: dict[str, _Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._troubles = Troubles(venue, stream, self, self._chance, self._later)
        self._moments = Moments(venue, stream, self, self._chance, self._later, self._troubles)
        stream.carry = self._troubles.carry

    # ------------------------------------------------------------ orders

    def order(self, order: dict[str, Any]) -> dict[str, Any]:
        """Have a trouble happen: now, or by ``chance`` (1 unless said) and for ``seconds`` or ``count``
        strikes (without either, until ``chance`` 0 takes it back). Gives back what was understood.

        Raises ValueError for a trouble that is not known or not a gateway's, and for impossible numbers.
        """
        trouble = self._known(order.get("name"))
        name = trouble.name
        if name in self._moments.names:
            struck = self._moments.strike(name)
            self._publish()
            why = {} if struck else {"message": "there is nothing now that it could strike"}
            return {"name": name, "struck": struck} | why
        asked = _number(order, "chance")
        chance = 1.0 if asked is None else asked
        if not 0 <= chance <= 1:
            raise ValueError(f"chance must be from 0 to 1: {chance}")
        if chance == 0:
            self._running.pop(name, None)
            return {"name": name, "chance": 0}
        seconds, count = _number(order, "seconds"), _number(order, "count")
        if (seconds is not None and seconds <= 0) or (count is not None and count < 1):
            raise ValueError(f"seconds must be above 0 and count at least 1: {seconds}, {count}")
        until = None if seconds is None else self._clock.deadline(seconds)
        left = None if count is None else int(count)
        self._running[name] = _Running(name, chance, until, left)
        if name == "gateway_down":
            self._stream.drop_all()
        return {"name": name, "chance": chance, "seconds": seconds, "count": left}

    def clear(self) -> None:
        """Take all back."""
        self._running.clear()

    def state(self) -> dict[str, Any]:
        """What it can do, what is ordered, and what has struck how often."""
        return {
            "faults": [
                {"name": t.name, "kind": t.kind.value, "what": t.what}
                for t in TROUBLES
                if t.place is Place.GATEWAY
            ],
            "elsewhere": [t.name for t in TROUBLES if t.place is not Place.GATEWAY],
            "running": [
                {
                    "name": name,
                    "chance": self._running[name].chance,
                    "count": self._running[name].left,
                }
                for name in list(self._running)
                if self.during(name)
            ],
            "fired": dict(self.fired),
        }

    @staticmethod
    def _known(name: Any) -> Trouble:
        trouble = BY_NAME.get(name)
        if trouble is None:
            raise ValueError(f"fault {name!r} is not known; GET /sim/fault lists them")
        if trouble.place is not Place.GATEWAY:
            raise ValueError(
                f"fault {name!r} is one of the bot's own process, disk, clock or people, where no "
                f"gateway reaches; try: python -m baseline_v1_live simulate --faults {name} --always"
            )
        return trouble

    # ------------------------------------------------------------ as the Odds

    def strikes(self, name: str) -> bool:
        """Whether a trouble strikes this time; counted if so."""
        running = self._now(name)
        if running is None or self._chance.random() >= running.chance:
            return False
        self.count(name)
        return True

    def during(self, name: str) -> bool:
        """Whether a trouble that lasts is there now."""
        return self._now(name) is not None

    def count(self, name: str) -> None:
        """A trouble has struck."""
        self.fired[name] += 1
        running = self._running.get(name)
        if running is not None and running.left is not None:
            running.left -= 1
            if running.left == 0:
                del self._running[name]

    def looked(self, book: str) -> None:
        """Nobody asks here."""

    def _now(self, name: str) -> _Running | None:
        running = self._running.get(name)
        if running is not None and running.until is not None and self._clock.passed(running.until):
            del self._running[name]
            return None
        return running

    # ------------------------------------------------------------ real sockets

    async def answer(self, endpoint: str, text: str, remote: str) -> Served:
        """One call from the wire to the gateway and back. What is lost ends with a cut connection."""
        fate = self._troubles.fate(endpoint)
        if fate.refused:
            return _CUT
        patience_s = LATE_MAX_S if fate.reset_s is None else fate.reset_s
        if fate.lost:
            await self._clock.wait(patience_s)
            return _CUT
        await self._clock.wait(fate.out_s)
        served = await self._troubles.answer(endpoint, text, remote, self._then)
        if fate.deaf:
            await self._clock.wait(patience_s)
            return _CUT
        await self._clock.wait(fate.back_s)
        return served

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """A client of the stream comes, and is turned away while the gateway is not to be had."""
        if self.during("gateway_down") or self.during("gateway_hangs"):
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=503)
        return await self._stream.serve(request)

    def stop(self) -> None:
        """Forget what was to happen later."""
        for task in self._tasks:
            task.cancel()

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        task = asyncio.get_running_loop().create_task(self._do_later(seconds, act))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do_later(self, seconds: float, act: Callable[[], None]) -> None:
        await self._clock.wait(seconds)
        act()
        self._publish()

    def _publish(self) -> None:
        self._stream.publish_orders(self._venue.take_updates())


def _number(order: dict[str, Any], key: str) -> float | None:
    value = order.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise ValueError(f"{key} must be a number: {value!r}")
    return value
