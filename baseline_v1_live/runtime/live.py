"""The driver in real time: stamps events, has each step stored, and sends the commands that follow.

An order leaves when the step that decided on it is on the disk. Where that takes more than a second or
fails, nothing is sold until the disk is well again, while stops, exits and cancellations go out all the
same: their intent is in memory, and an uncovered short is worse than a gap in a file.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import (
    CancelOrder,
    CheckMargin,
    Command,
    EntriesAllowed,
    EntriesBlocked,
    Event,
    FetchQuote,
    HistoryFailed,
    Level,
    LoadHistory,
    ModifyOrder,
    Notify,
    OperatorSaid,
    OrderRefused,
    OutcomeUnknown,
    PlaceOrder,
    Purpose,
    QueryOrder,
    Request,
    SaveSummary,
    SetTimer,
    SnapshotFailed,
    SnapshotTaken,
    Stop,
    TakeSnapshot,
    Tick,
    TimerDue,
)
from baseline_v1_live.runtime.clock import Clock
from baseline_v1_live.runtime.ports import Broker, Notifier, PriceSource, ToBroker, ToPriceSource
from baseline_v1_live.runtime.records import StateRecord, Step, take_changes

_log = logging.getLogger(__name__)

COMMIT_PATIENCE_S = 1.0
CALM_S = 30.0
_BREAKS_TOLD = 3
_BREAKS_BETWEEN = 1_000
_AFTER_A_BUG_MS = 1_000
JOURNAL = "journal"
_NEVER_MS = 1 << 62


class StepQueue(Protocol):
    """Stores steps in order, on a thread of its own."""

    def put(self, step: Step) -> asyncio.Future[None]:
        """Done when the step is on the disk, failed when it is not."""


class Keeper(Protocol):
    """Knows what of an engine a restart needs and which of it has changed."""

    def changes(self, engine: Engine) -> list[StateRecord]:
        """The records that changed since the last call."""

    def store_all_again(self, engine: Engine) -> None:
        """Forget what was stored: a step of it is not on the disk."""


class LiveDriver:
    """Drives one engine. ``hear`` takes every event, from whatever source, inside one event loop.

    ``first_seq`` is the newest number that the journal knows, ``first_state`` is stored with the first
    step. ``patience_s`` is how many real seconds an order waits for its step to be on the disk,
    ``calm_s`` for how long no step may have failed before anything is sold again.
    ``on_tick`` hears each stamped tick, ``on_step`` runs after every step that was not a bare tick.
    """

    def __init__(
        self,
        engine: Engine,
        broker: Broker,
        prices: PriceSource,
        clock: Clock,
        *,
        journal: StepQueue,
        keeper: Keeper,
        notifier: Notifier,
        first_seq: int = 0,
        first_state: Sequence[StateRecord] = (),
        patience_s: float = COMMIT_PATIENCE_S,
        calm_s: float = CALM_S,
        on_tick: Callable[[Tick], None] | None = None,
        on_step: Callable[[], None] | None = None,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.reconciled_at_ms: int | None = None
        self.books_error = ""
        self.broken = 0
        self._broker, self._prices = broker, prices
        self._journal, self._keeper, self._notifier = journal, keeper, notifier
        self._on_tick, self._on_step = on_tick, on_step
        self._seq = first_seq
        self._first_state = list(first_state)
        self._patience_s = patience_s
        self._now_ms = 0
        self._due_ms = _NEVER_MS
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._late_steps = 0
        self._newest: asyncio.Future[None] | None = None
        # The newest step when one failed: only a later one carries all. 0: the disk lacks nothing.
        self._lacking_seq = 0
        self._loop = asyncio.get_running_loop()
        self._failed_s = -calm_s
        self._calm_s = calm_s
        self._closed = False

    # ------------------------------------------------------------ hearing

    def hear(self, event: Event) -> None:
        """Take one event: stamp it, let the engine decide, have the step stored and carried out."""
        if self._closed:
            return
        self._seq += 1
        self._now_ms = max(self._now_ms, self.clock.now_ms())
        event = msgspec.structs.replace(event, seq=self._seq, at_ms=self._now_ms)
        try:
            self._step(event)
        except Exception as error:
            self._break(event, error)
            self._save_what_was_decided(event)

    def _save_what_was_decided(self, event: Event) -> None:
        """Exits and stops come first in a step: what was decided before the bug struck still goes out.

        And the engine is asked again in a second, because it may not have said when it wants to be.
        """
        decided = tuple(self.engine.orders.commands)
        self.engine.orders.commands.clear()
        self._arm(self._now_ms + _AFTER_A_BUG_MS)
        changed = self.engine.orders.changed or self.engine.positions.changed
        try:
            if decided or changed:
                self._store(event, decided)
        except Exception:
            _log.exception("what was decided before the bug could not be carried out")

    def _step(self, event: Event) -> None:
        if self._on_tick is not None and isinstance(event, Tick):
            self._on_tick(event)
        engine = self.engine
        commands = engine.handle(event)
        bare = isinstance(event, Tick | TimerDue)
        if bare and not commands and not engine.orders.changed and not engine.positions.changed:
            return
        if isinstance(event, SnapshotTaken):
            self.reconciled_at_ms, self.books_error = self._now_ms, ""
        elif isinstance(event, SnapshotFailed):
            self.books_error = event.message
        self._store(event, commands)
        if self._on_step is not None:
            self._on_step()

    def say(self, verb: str, by: str = "operator") -> None:
        """Pass on a person's command."""
        self.hear(OperatorSaid(verb=verb, by=by))

    async def kept(self) -> bool:
        """Whether all that has been heard is on the disk; waited for, but not for long."""
        if self._newest is None:
            return True
        done, _ = await asyncio.wait([self._newest], timeout=self._patience_s)
        if self._lacking_seq:
            return False  # A step before it was not stored, and it does not make up for that.
        return all(not one.cancelled() and one.exception() is None for one in done) and bool(done)

    def notice(self, level: Level, tag: str, text: str, key: str = "") -> None:
        """Say something that the shell itself has noticed."""
        notice = Notify(level=level, tag=tag, text=text, key=key)
        self._notifier.notify(notice, self.clock.now_ms())

    @property
    def now_ms(self) -> int:
        """The newest instant that the engine knows of, or the clock's if that is later."""
        return max(self._now_ms, self.clock.now_ms())

    def _break(self, event: Event, error: Exception) -> None:
        """A bug of ours: nothing more is sold, what is held is looked after, and people are told.

        The same bug may strike at each tick: it is told and logged the first times, then seldom.
        """
        self.broken += 1
        if self.broken <= _BREAKS_TOLD or self.broken % _BREAKS_BETWEEN == 0:
            _log.error("the engine broke on %r", event, exc_info=error)
            self.notice(
                Level.CRITICAL,
                "BUG",
                f"internal error {self.broken} on {type(event).__name__}: {error!r}; entries stop "
                "for the day, stops and exits go on. Please look at the positions, and report this "
                "with the log",
                f"bug:{type(error).__name__}",
            )
        if self.broken == 1:
            self.say("halt", "an internal error")

    # ------------------------------------------------------------ carrying out

    def _store(self, event: Event, commands: Sequence[Command]) -> None:
        orders: list[PlaceOrder | ModifyOrder | CancelOrder] = []
        for command in commands:
            match command:
                case PlaceOrder() | ModifyOrder() | CancelOrder():
                    orders.append(command)
                case QueryOrder() | TakeSnapshot():
                    self._spawn(self._send(command))
                case LoadHistory() | FetchQuote() | CheckMargin():
                    self._spawn(self._ask(command))
                case SetTimer(due_at_ms=due_ms):
                    self._arm(due_ms)
                case Notify():
                    self._notifier.notify(command, self._now_ms)
                case SaveSummary():
                    pass  # The journal makes the day's row of it when it stores the step.
                case Stop(reason=reason):
                    self.notice(Level.CRITICAL, "BUG", reason)
        # First what is new of the engine's own records, because take_changes forgets it.
        state = self._first_state + self._keeper.changes(self.engine)
        stored = self._journal.put(Step(event, tuple(commands), *take_changes(self.engine), state))
        self._newest = stored
        stored.add_done_callback(partial(self._look_at, event.seq))
        if orders:
            self._spawn(self._send_stored(stored, orders))

    async def _send_stored(
        self,
        stored: asyncio.Future[None],
        orders: Sequence[PlaceOrder | ModifyOrder | CancelOrder],
    ) -> None:
        """Send a step's orders once it is stored, or without that when it takes too long."""
        problem = ""
        try:
            await asyncio.wait_for(asyncio.shield(stored), self._patience_s)
        except TimeoutError:
            problem = f"a step is not on the disk after {self._patience_s:g} s"
            self._doubt(problem)
        except Exception as error:
            problem = str(error) or repr(error)
        for command in orders:
            why = problem
            if isinstance(command, PlaceOrder) and self.engine.orders.taken_back(command.order_id):
                why = "not wanted any more"  # A kill or the like came while it waited for the disk.
            if why and self._opens(command):
                request = Request.PLACE if isinstance(command, PlaceOrder) else Request.MODIFY
                self.hear(
                    OrderRefused(
                        order_id=command.order_id, request=request, message=why, sent=False
                    )
                )
            else:
                self._spawn(self._send(command))

    @staticmethod
    def _opens(command: PlaceOrder | ModifyOrder | CancelOrder) -> bool:
        """Whether a command is of an entry: what closes or protects is never held back."""
        match command:
            case PlaceOrder():
                return command.purpose is Purpose.ENTRY
            case ModifyOrder():
                return command.purpose is Purpose.ENTRY
        return False

    def _look_at(self, seq: int, stored: asyncio.Future[None]) -> None:
        """A step is on the disk, late or in time, or it is not and will not be."""
        if stored.cancelled():
            return
        error = stored.exception()
        if error is None:
            # Until some step is on the disk, each carries what only the first one has to store.
            self._first_state = []
            if seq > self._lacking_seq:
                self._lacking_seq = 0
            self._trust()
        else:
            self._keeper.store_all_again(self.engine)
            self._lacking_seq = self._seq
            self._failed_s = self._loop.time()
            self._doubt(str(error) or repr(error))

    def _doubt(self, problem: str) -> None:
        if not self._late_steps:
            self.hear(
                EntriesBlocked(
                    cause=JOURNAL,
                    message=f"the journal does not keep up: {problem}; nothing is sold, stops and "
                    "exits go out without it. Look at the disk of the state folder",
                )
            )
        self._late_steps += 1

    def _trust(self) -> None:
        """Entries are allowed again once no step has failed for a while: on a full disk small ones still
        fit.
        """
        if self._late_steps and self._loop.time() >= self._failed_s + self._calm_s:
            self._late_steps = 0
            self.hear(EntriesAllowed(cause=JOURNAL))

    async def _send(self, command: ToBroker) -> None:
        try:
            event = await self._broker.send(command)
        except Exception as error:
            _log.exception("the broker's adapter broke on %r", command)
            event = _unknown(command, repr(error))
        self.hear(event)

    async def _ask(self, command: ToPriceSource) -> None:
        try:
            event = await self._prices.ask(command)
        except Exception as error:
            _log.exception("the price source broke on %r", command)
            event = None
            if isinstance(command, LoadHistory):
                event = HistoryFailed(symbol=command.symbol, message=repr(error))
        if event is not None:
            self.hear(event)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ------------------------------------------------------------ time

    def _arm(self, due_ms: int) -> None:
        if due_ms < self._due_ms:
            self._due_ms = due_ms
            self._wait()

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay_s = self.clock.real_s(self._due_ms - self.clock.now_ms())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self.clock.now_ms() < self._due_ms:
            self._wait()
            return
        self._due_ms = _NEVER_MS
        self.hear(TimerDue())

    # ------------------------------------------------------------ the end

    async def close(self) -> None:
        """Hear nothing more. What is on its way to the broker stays without an answer."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _unknown(command: ToBroker, message: str) -> Event:
    if isinstance(command, TakeSnapshot):
        return SnapshotFailed(message=message)
    request = {
        PlaceOrder: Request.PLACE,
        ModifyOrder: Request.MODIFY,
        CancelOrder: Request.CANCEL,
        QueryOrder: Request.QUERY,
    }[type(command)]
    return OutcomeUnknown(order_id=command.order_id, request=request, message=message)
