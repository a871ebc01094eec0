"""The built-in exchange on live ticks: paper trading without a gateway's own paper account.

Its books lie in a file, because a restart must find them again: every change is on the disk before the
bot hears of it, so that the end of the process at any moment loses nothing that the bot was told.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from baseline_v1_live.core.instruments import Contract
from baseline_v1_live.core.messages import (
    Event,
    ModifyOrder,
    OrderAccepted,
    OrderRefused,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    QueryOrder,
    Request,
    Side,
    Tick,
)
from baseline_v1_live.runtime.ports import ToBroker
from baseline_v1_live.sim.exchange import Exchange, ExchangeModel
from baseline_v1_live.sim.resting_order import RestingOrder

_log = logging.getLogger(__name__)

_PREFIX = "PAPER-"


class PaperBooksError(Exception):
    """The stored books cannot be used; the message is one line for a person, ``seen`` what is wrong."""

    def __init__(self, seen: str) -> None:
        super().__init__(
            f"{seen}; the journal has orders or positions in them: move the file away, with the "
            "journal and its mark beside it, to begin the paper day anew"
        )
        self.seen = seen


class ExchangeBooks(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange's orders and positions of one date, as they are stored."""

    date: dt.date
    counter: int
    orders: list[RestingOrder]
    positions: dict[str, int]


class _PaperExchange(Exchange):
    """Adds books that can be stored, and takes a MARKET order before it has seen a tick."""

    def capture(self, date: dt.date) -> ExchangeBooks:
        """The books as they stand; what is on its way to or from the exchange is not in them."""
        return ExchangeBooks(
            date=date,
            counter=self._counter,
            orders=list(self.orders.values()),
            positions=self.positions,
        )

    def restore(self, books: ExchangeBooks) -> None:
        """Go on from stored books."""
        self._counter = books.counter
        self.positions = dict(books.positions)
        self.orders = {order.broker_order_id: order for order in books.orders}
        self._book = {}
        for order in books.orders:
            if not order.over:
                self._book.setdefault(order.symbol, []).append(order)

    def _protection_refusal(
        self, symbol: str, side: Side, order_type: OrderType, limit_paise: int, at_ms: int
    ) -> str | None:
        if order_type is OrderType.MARKET:
            return None  # Without a quote, as after a restart, it waits for one.
        return super()._protection_refusal(symbol, side, order_type, limit_paise, at_ms)


class PaperBroker:
    """A Broker that fills orders from the feed's ticks.

    ``model`` is used without its latency; ``path`` is the file of the books, whose content counts for
    ``date`` only. ``now_ms`` is the clock in epoch milliseconds. ``on_event`` gets what nobody asked
    for, such as fills: soon afterwards, never within ``on_tick`` or ``send``.

    Raises PaperBooksError when there is a file that cannot be read.
    """

    def __init__(
        self,
        contracts: Mapping[str, Contract],
        model: ExchangeModel,
        *,
        path: Path,
        date: dt.date,
        now_ms: Callable[[], int],
        on_event: Callable[[Event], None],
    ) -> None:
        without_latency = dataclasses.replace(model, latency_ms=0)
        self._exchange = _PaperExchange(contracts, without_latency, order_prefix=_PREFIX)
        self._path = path
        self._date = date
        self._now_ms = now_ms
        self._on_event = on_event
        books = _stored(path)
        if books is not None and books.date == date:
            self._exchange.restore(books)

    def on_tick(self, tick: Tick) -> None:
        """Match the orders against a tick of the feed, whatever the core thinks of it.

        A quoted tick is not a trade.
        """
        if tick.quoted:
            return
        at_ms = self._now_ms()
        self._exchange.on_tick(msgspec.structs.replace(tick, at_ms=at_ms))
        if self._exchange.due_ms <= at_ms:
            events = self._take(at_ms)
            self._save()
            self._report(events)

    async def send(self, command: ToBroker) -> Event:
        """Carry a command out; its answer. A MARKET order is filled at once if there is a quote."""
        if isinstance(command, ModifyOrder) and command.symbol not in self._exchange.contracts:
            return OrderRefused(
                order_id=command.order_id,
                request=Request.MODIFY,
                message=f"unknown symbol {command.symbol}",
            )
        at_ms = self._now_ms()
        self._exchange.send(command, at_ms)
        answer, *others = self._take(at_ms)
        if isinstance(command, QueryOrder) and isinstance(answer, OrderUpdated):
            return msgspec.structs.replace(answer, order_id=command.order_id)
        if isinstance(answer, OrderAccepted):
            # A stop-limit or a limit order sees the next tick first, as in a replay.
            if isinstance(command, PlaceOrder | ModifyOrder) and (
                command.order_type is OrderType.MARKET
            ):
                self._exchange.match_now(answer.broker_order_id, at_ms)
                others += self._take(at_ms)
            self._save()
            self._report(others)
        return answer

    def _take(self, at_ms: int) -> list[Event]:
        return [event for _, event in self._exchange.advance(at_ms)]

    def _report(self, events: list[Event]) -> None:
        # Soon, because a tick is shown here in the middle of the step that the core takes with it,
        # and because an answer comes before what follows from it.
        loop = asyncio.get_running_loop()
        for event in events:
            loop.call_soon(self._on_event, event)

    def _save(self) -> None:
        """Store the books whole: a new file takes the old one's place in one step."""
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(self._exchange.capture(self._date)))
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, self._path)
        except OSError as error:
            # Orders go on: an uncovered short is worse than books that a restart would not find.
            _log.error("the paper exchange's books are not stored: %s", error)


def _stored(path: Path) -> ExchangeBooks | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ExchangeBooks)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PaperBooksError(
            f"{path}: the paper exchange's books cannot be read ({error})"
        ) from None
