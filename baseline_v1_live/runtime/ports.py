"""What the drivers need of the things around the core; adapters and simulators implement these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from baseline_v1_live.core.messages import (
    CancelOrder,
    CheckMargin,
    Command,
    Event,
    FetchQuote,
    LoadHistory,
    ModifyOrder,
    Notify,
    PlaceOrder,
    QueryOrder,
    TakeSnapshot,
    Tick,
)
from baseline_v1_live.runtime.records import (
    OrderRecord,
    PositionRecord,
    StateRecord,
    TradeRecord,
)

ToBroker = PlaceOrder | ModifyOrder | CancelOrder | QueryOrder | TakeSnapshot
ToPriceSource = LoadHistory | FetchQuote | CheckMargin

# (exchange time in epoch ms, symbol, last price, bid, ask, bid quantity, ask quantity, day volume);
# prices in paise, 0 where the tape has none; a volume that is not known is negative.
TapeRow = tuple[int, str, int, int, int, int, int, int]


class SimulatedVenue(Protocol):
    """A broker on a simulated clock: takes commands, sees the tape, gives events when due."""

    due_ms: int

    def send(self, command: Command, at_ms: int) -> None:
        """A command leaves the bot."""

    def advance(self, to_ms: int) -> list[tuple[int, Event]]:
        """Let time pass and return the events that reach the bot, each with its instant."""

    def on_tick(self, tick: Tick) -> None:
        """The tape moves."""


class Broker(Protocol):
    """Where orders go and whose books count, in real time. Nothing here raises for what it does."""

    async def send(self, command: ToBroker) -> Event:
        """Send a command once; its answer as the core's event. Cancelled = outcome unknown."""


class PriceSource(Protocol):
    """Prices, history and margins on request."""

    async def ask(self, command: ToPriceSource) -> Event | None:
        """The answer as the core's event; None for a quote that could not be had."""


class StepJournal(Protocol):
    """Stores one step of the engine, whole or not at all, before its commands leave."""

    def commit(
        self,
        event: Event,
        commands: Sequence[Command],
        orders: Sequence[OrderRecord],
        positions: Sequence[PositionRecord],
        trades: Sequence[TradeRecord],
        state: Sequence[StateRecord] = (),
    ) -> None:
        """Store the event, its commands, the orders, positions and trades that changed, and what a
        restart needs of them.
        """


class Notifier(Protocol):
    """Says things to people."""

    def notify(self, notice: Notify, at_ms: int) -> None:
        """Say it now, or queue it; never fails and never waits."""
