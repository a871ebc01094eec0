"""Makes a plan's troubles happen: on the wire, at the gateway, in the market, on the disk, by hand.

It is the Wire, the Gateway and the Disk of a simulated machine. What happens to calls, orders, books and
messages is told in sim/openalgo_server/troubles.py, which openalgo-sim has too; here is when, and what
only a simulated machine can have. Everything by chance comes from one generator, in the order in which
things happen, so a seed is one story.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextvars import Context
from functools import partial

from baseline_v1_live.adapters.journal.store import BUSY_TIMEOUT_MS
from baseline_v1_live.core.session import SECOND_MS
from baseline_v1_live.sim.fault_catalogue import BY_NAME, Kind
from baseline_v1_live.sim.openalgo_server.rest import Served
from baseline_v1_live.sim.openalgo_server.trouble_books import BOOKS
from baseline_v1_live.sim.openalgo_server.trouble_moments import BY_HAND, Moments
from baseline_v1_live.sim.openalgo_server.troubles import ORDERS, Troubles
from baseline_v1_live.simulate.clock import set_time
from baseline_v1_live.simulate.network import Passage
from baseline_v1_live.simulate.plan import Plan, Window
from baseline_v1_live.simulate.world import World

__all__ = ["BOOKS", "BY_HAND", "ORDERS", "Chaos"]
_CLOCK_STEPS_MS = tuple(s * SECOND_MS for s in (-3600, -300, -3, 3, 60, 3600))
_LOCKS_S = (1, 10, 60)
_KILL_AFTER_S = 0.5
_AGAIN_S, _TRIES = 5.0, 400


class _KilledError(BaseException):
    """Unwinds what called the disk; nothing of its process runs after that."""


class Chaos:
    """``fired`` counts by trouble, ``books_ok_ms`` is when each book was last given out as it is.

    ``on_fault`` hears the name of each trouble that strikes, ``operator`` of what the operator does,
    ``on_told`` each message of the stream that gets through.
    """

    def __init__(self, plan: Plan, open_ms: int) -> None:
        self.plan = plan
        self.fired: Counter[str] = Counter()
        self.books_ok_ms: dict[str, int] = {}
        self.log: Callable[[str], None] = lambda _: None
        self.on_fault: Callable[[str], None] = lambda _: None
        self.operator: Callable[[str], None] = lambda _: None
        self.on_told: Callable[[bytes], None] = lambda _: None
        self.kill_at_next_commit: Callable[[], None] | None = None
        self._open_ms = open_ms
        self._windows: dict[str, list[Window]] = {}
        for window in plan.windows:
            self._windows.setdefault(window.name, []).append(window)
        self._counted: set[Window] = set()
        self._chance = random.Random(f"chaos of {plan.seed}")
        self._world: World | None = None
        self._locked_until_ms: int | None = None
        self._locked = False

    def attach(self, world: World) -> None:
        """The world whose gateway it troubles."""
        self._world = world
        self.troubles = Troubles(world.venue, world.stream, self, self._chance, self.later)
        self.moments = Moments(
            world.venue, world.stream, self, self._chance, self.later, self.troubles
        )
        for window in self.plan.windows:
            if window.name == "gateway_down":
                self._at(window.from_ms, world.stream.drop_all)
            elif window.name == "clock_set":
                by_ms = self._chance.choice(_CLOCK_STEPS_MS)
                self._at(window.from_ms, partial(self._set_clock, by_ms))
                self._at(window.to_ms, partial(set_time, world.loop, 0))

    # ------------------------------------------------------------ when

    @property
    def world(self) -> World:
        """The world, once it is attached."""
        assert self._world is not None
        return self._world

    @property
    def healed(self) -> bool:
        """Whether nothing goes wrong any more."""
        return self._since_open_ms >= self.plan.heal_ms

    @property
    def _since_open_ms(self) -> int:
        return self.world.now_ms - self._open_ms

    def during(self, name: str) -> bool:
        """Whether a trouble that lasts is there now."""
        return name in self._windows and self._window(name) is not None

    def _window(self, name: str) -> Window | None:
        now = self._since_open_ms
        windows = self._windows.get(name, ())
        return next((w for w in windows if w.from_ms <= now < w.to_ms), None)

    def strikes(self, name: str) -> bool:
        """Whether a trouble strikes this time; counted if so."""
        chance = self.plan.chances.get(name, 0.0)
        if not chance or self.healed or self._chance.random() >= chance:
            return False
        self.count(name)
        return True

    def count(self, name: str) -> None:
        """A trouble has struck. One that lasts strikes once, however much it spoils."""
        window = (
            self._window(name) if BY_NAME[name].kind is not Kind.DAY or name == "halt" else None
        )
        if window is not None:
            if window in self._counted:
                return
            self._counted.add(window)
        self.fired[name] += 1
        self.log(f"trouble {name}")
        self.on_fault(name)

    def looked(self, book: str) -> None:
        """A book was given out as it is."""
        self.books_ok_ms[book] = self.world.now_ms

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something to the market after so many seconds."""

        def run() -> None:
            act()
            self.world.catch_up()

        self.world.loop.call_later(seconds, run, context=self.world.context)

    def _at(self, since_open_ms: int, act: Callable[[], None]) -> None:
        left_ms = max(since_open_ms - self._since_open_ms, 0)
        self.world.loop.call_later(left_ms / SECOND_MS, act, context=self.world.context)

    # ------------------------------------------------------------ the wire and the gateway

    def passage(self, endpoint: str, body: str) -> Passage:  # noqa: ARG002
        """The fate of a request that leaves now."""
        out_s, back_s = self._chance.uniform(0.001, 0.03), self._chance.uniform(0.001, 0.03)
        fate = self.troubles.fate(endpoint)
        return Passage(
            out_s=out_s + fate.out_s,
            back_s=back_s + fate.back_s,
            refused=fate.refused,
            lost=fate.lost,
            deaf=fate.deaf,
            reset_s=fate.reset_s,
        )

    def messages_s(self, message: bytes | None) -> list[float]:  # noqa: ARG002
        """After how long a message of the stream arrives."""
        return [self._chance.uniform(0.001, 0.02)]

    @property
    def stream_up(self) -> bool:
        """Whether the stream can be reached."""
        return not (self.during("gateway_down") or self.during("gateway_hangs"))

    @property
    def context(self) -> Context:
        """That of the gateway's own tasks."""
        return self.world.context

    def join(self, deliver: Callable[[bytes | None], None]) -> Callable[[str | None], None]:
        """A client of the stream has come."""

        def tell(message: bytes) -> None:
            self.on_told(message)
            deliver(message)

        def carry(message: bytes | None) -> None:
            if message is None:
                deliver(None)
            else:
                self.troubles.carry(message, tell)

        return self.world.join(carry)

    async def answer(self, endpoint: str, text: str, remote: str) -> Served:
        """One call at the gateway, spoilt where the plan says so."""
        return await self.troubles.answer(endpoint, text, remote, self.world.answer)

    # ------------------------------------------------------------ moments

    def happen(self, name: str, tries: int = _TRIES) -> None:
        """A trouble of the plan's moments has come. Where there is nothing to strike it tries again."""
        if self.healed:
            return
        if name == "journal_locked":
            locked_ms = self._chance.choice(_LOCKS_S) * SECOND_MS
            self._locked_until_ms = min(self._since_open_ms + locked_ms, self.plan.heal_ms)
        elif self.moments.strike(name):
            self.world.catch_up()
            if name == "lane_full":
                self.later(_KILL_AFTER_S, lambda: self.operator("kill_switch"))
        elif tries > 1:
            self.later(_AGAIN_S, lambda: self.happen(name, tries - 1))

    def _set_clock(self, by_ms: int) -> None:
        self.count("clock_set")
        set_time(self.world.loop, by_ms)

    # ------------------------------------------------------------ the disk

    def commit_s(self) -> float:
        """How long the next group of steps takes."""
        until_ms = self._locked_until_ms
        left_ms = 0 if until_ms is None else until_ms - self._since_open_ms
        if left_ms > 0:
            self.count("journal_locked")
            self._locked = left_ms > BUSY_TIMEOUT_MS
            return min(left_ms, BUSY_TIMEOUT_MS) / SECOND_MS
        self._locked = False
        if self.during("disk_slow"):
            self.count("disk_slow")
            return self._chance.uniform(0.5, 4)
        return self._chance.uniform(0.001, 0.01)

    def error(self) -> str | None:
        """Why the disk takes nothing now."""
        if self._locked:
            return "database is locked"
        if self.during("disk_full"):
            self.count("disk_full")
            return "database or disk is full"
        return None

    def at_boundary(self, number: int, *, stored: bool) -> None:  # noqa: ARG002
        """The process is just before or after a commit: where it is to be killed, it is."""
        kill = self.kill_at_next_commit
        if kill is not None and self._chance.random() < 0.5:
            self.kill_at_next_commit = None
            self.count("killed_at_commit")
            kill()
            raise _KilledError
