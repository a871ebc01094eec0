"""The driver on a simulated clock: plays a tape through the engine and a simulated venue.

Time is the events' own. Everything due before a tick happens before it, in order of instants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import (
    CancelOrder,
    DataEnded,
    Event,
    ModifyOrder,
    Notify,
    OperatorSaid,
    PlaceOrder,
    QueryOrder,
    SetTimer,
    Started,
    TakeSnapshot,
    Tick,
    TimerDue,
)
from baseline_v1_live.runtime.ports import Notifier, SimulatedVenue, StepJournal, TapeRow
from baseline_v1_live.runtime.records import take_changes

_TO_VENUE = (PlaceOrder, ModifyOrder, CancelOrder, QueryOrder, TakeSnapshot)
_NEVER_MS = 1 << 62


class SimulatedDriver:
    """Drives one engine through one day. ``now_ms`` is the simulated clock."""

    def __init__(
        self,
        engine: Engine,
        venue: SimulatedVenue,
        *,
        journal: StepJournal | None = None,
        notifier: Notifier | None = None,
        after_step: Callable[[int], None] | None = None,
    ) -> None:
        self.engine = engine
        self.venue = venue
        self.now_ms = 0
        self.steps = 0
        self._journal = journal
        self._notifier = notifier
        self._after_step = after_step
        self._seq = 0
        self._timer_ms = _NEVER_MS

    def start(self, at_ms: int, mode: str) -> None:
        """Tell the engine to reconcile and trade."""
        self.now_ms = at_ms
        self._step(Started(mode=mode), at_ms)

    def play(self, rows: Iterable[TapeRow]) -> None:
        """Play the tape's rows, in time order; everything due until a row's instant comes first."""
        venue, deliver = self.venue, self._deliver
        for at_ms, symbol, ltp, bid, ask, bid_quantity, ask_quantity, volume in rows:
            if at_ms >= self._timer_ms or at_ms >= venue.due_ms:
                self.run_until(at_ms)
            self._seq += 1
            tick = Tick(
                seq=self._seq,
                at_ms=at_ms,
                symbol=symbol,
                ltp_paise=ltp,
                bid_paise=bid or None,
                ask_paise=ask or None,
                bid_quantity=bid_quantity or None,
                ask_quantity=ask_quantity or None,
                volume=None if volume < 0 else volume,
            )
            venue.on_tick(tick)
            deliver(tick, at_ms)

    def run_until(self, to_ms: int) -> None:
        """Let everything happen that is due up to and including this instant."""
        while self._due_ms <= to_ms:
            at_ms = self._due_ms
            for delivered_ms, event in self.venue.advance(at_ms):
                self._step(event, delivered_ms)
            if self._timer_ms <= at_ms:
                self._timer_ms = _NEVER_MS
                self._step(TimerDue(), at_ms)
        self.now_ms = max(self.now_ms, to_ms)

    def say(self, verb: str) -> None:
        """Give an operator's command at the present instant."""
        self._step(OperatorSaid(verb=verb), self.now_ms)

    def end(self) -> None:
        """The tape is over: the last bars close, and the venue's last answers arrive."""
        self._step(DataEnded(), self.now_ms)
        grace_ms = 2 * self.engine.rules.query_retry_ms
        self.run_until(self.now_ms + grace_ms)

    @property
    def _due_ms(self) -> int:
        return min(self.venue.due_ms, self._timer_ms)

    def _step(self, event: Event, at_ms: int) -> None:
        self._seq += 1
        at_ms = max(at_ms, self.now_ms)
        self._deliver(msgspec.structs.replace(event, seq=self._seq, at_ms=at_ms), at_ms)

    def _deliver(self, event: Event, at_ms: int) -> None:
        self.now_ms = at_ms
        self.steps += 1
        commands = self.engine.handle(event)
        if self._journal is not None and (commands or type(event) is not Tick):
            self._journal.commit(event, commands, *take_changes(self.engine))
        for command in commands:
            if isinstance(command, _TO_VENUE):
                self.venue.send(command, at_ms)
            elif isinstance(command, SetTimer):
                self._timer_ms = min(self._timer_ms, command.due_at_ms)
            elif isinstance(command, Notify) and self._notifier is not None:
                self._notifier.notify(command, at_ms)
        if self._after_step is not None:
            self._after_step(at_ms)
