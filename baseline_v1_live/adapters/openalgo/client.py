"""The gateway over HTTP: orders with their four outcomes, whole books, proofs, prices, contracts.

Nothing here raises for what a gateway does: orders end in an Outcome, reads in a value or Unreadable.
Orders are never sent twice; reads are repeated only when the gateway's rate limiter stopped them.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from baseline_v1_live.adapters.openalgo import proof
from baseline_v1_live.adapters.openalgo.limiter import OrderLimiter, Urgency, urgency_of
from baseline_v1_live.adapters.openalgo.transport import Exchanged, OpenSession, Transport
from baseline_v1_live.adapters.openalgo.wire import books, data, outcomes, requests
from baseline_v1_live.adapters.openalgo.wire.books import Book, OrderRow, SnapshotRead
from baseline_v1_live.adapters.openalgo.wire.data import Funds, Holiday, Quotes, SessionHours
from baseline_v1_live.adapters.openalgo.wire.outcomes import NotSent, Outcome
from baseline_v1_live.adapters.openalgo.wire.owners import OwnerOf, always_ours, owner_by
from baseline_v1_live.adapters.openalgo.wire.requests import Question
from baseline_v1_live.adapters.openalgo.wire.values import Mode, Reply, Unreadable
from baseline_v1_live.core.instruments import Contract
from baseline_v1_live.core.messages import (
    Bar,
    BrokerOrder,
    BrokerPosition,
    BrokerTrade,
    CancelOrder,
    ModifyOrder,
    OrderRefused,
    OrderUpdated,
    OutcomeUnknown,
    PlaceOrder,
    QueryOrder,
    Request,
    Tick,
)
from baseline_v1_live.core.session import ist_date
from baseline_v1_live.runtime.clock import wall_ms

_log = logging.getLogger(__name__)

_READ_RETRY_S = (0.25, 0.5, 1.0)
_REFUSED_PAUSE_S = 0.05
_ORDER_HOLD_MS = 1_000
# An entry that waited is an entry at an old price, and so is a chase: a second later it has another one.
# What protects or takes back waits as long as it takes.
_PATIENCE_MS = {Urgency.ENTRY: 2_000, Urgency.CHASE: 1_000}

ValueT = TypeVar("ValueT")
Answer = OrderUpdated | OrderRefused | OutcomeUnknown


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds to wait for a whole answer. History waits in the gateway's own queue."""

    order_s: float = 15.0
    read_s: float = 5.0
    history_s: float = 15.0


class OpenAlgoClient:
    """One account at one gateway.

    ``limiter`` paces order messages, ``observer`` gets every exchange without the key, ``now_ms`` is
    the time in epoch milliseconds, ``sleep`` takes seconds, ``first_request_id`` numbers the first
    exchange. A caller that is cancelled while an order is on its way must take its outcome for unknown.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeouts: Timeouts | None = None,
        limiter: OrderLimiter | None = None,
        observer: Callable[[Exchanged], None] | None = None,
        now_ms: Callable[[], int] = wall_ms,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        first_request_id: int = 1,
        open_session: OpenSession | None = None,
    ) -> None:
        self.timeouts = timeouts or Timeouts()
        self.limiter = limiter or OrderLimiter()
        self._transport = Transport(
            base_url,
            api_key,
            observer=observer,
            now_ms=now_ms,
            first_request_id=first_request_id,
            open_session=open_session,
        )
        self._now_ms = now_ms
        self._sleep = sleep
        self._history_turn = asyncio.Lock()
        self._kept: dict[Hashable, object] = {}
        self._kept_date: dt.date | None = None
        self._skipped: set[str] = set()
        self._owner_of: OwnerOf = always_ours
        self._told: dict[str, OrderUpdated] = {}
        self._end_told: dict[str, asyncio.Event] = {}
        self._answers: dict[str, asyncio.Future[Answer | None]] = {}

    def __repr__(self) -> str:
        return f"OpenAlgoClient({self._transport!r})"

    async def __aenter__(self) -> OpenAlgoClient:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def pause(self, seconds: float) -> None:
        """Wait in this client's own time, so that many questions stay within the gateway's rate."""
        await self._sleep(seconds)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    # ------------------------------------------------------------ orders

    async def place(
        self, command: PlaceOrder, on_turn: Callable[[], bool] | None = None
    ) -> Outcome:
        """Send a new order, once. ``on_turn`` is called when its turn has come: it leaves then, unless
        the answer is False.
        """
        return await self._order(command, lambda: requests.place_order(command), None, on_turn)

    async def modify(self, command: ModifyOrder) -> Outcome:
        """Send a change of an order, once."""
        known = command.broker_order_id
        return await self._order(command, lambda: requests.modify_order(command), known)

    async def cancel(self, command: CancelOrder) -> Outcome:
        """Ask for an order's cancellation, once. Refused may mean that the order is already over."""
        known = command.broker_order_id
        return await self._order(command, lambda: requests.cancel_order(known), known)

    async def _order(
        self,
        command: PlaceOrder | ModifyOrder | CancelOrder,
        question: Callable[[], Question],
        asked_id: str | None,
        on_turn: Callable[[], bool] | None = None,
    ) -> Outcome:
        try:
            path, body = question()
        except ValueError as error:
            return NotSent(str(error))
        urgency = urgency_of(command)
        if not await self.limiter.acquire(urgency, patience_ms=_PATIENCE_MS.get(urgency)):
            return NotSent("held back by our own order rate")
        if on_turn is not None and not on_turn():
            return NotSent("not wanted any more")
        reply = await self._transport.post(path, body, self.timeouts.order_s)
        if reply.status == 429:
            self.limiter.hold(_ORDER_HOLD_MS)
        return outcomes.outcome(reply, asked_id)

    # ------------------------------------------------------------ books

    def know(self, underlying: str, contracts: Mapping[str, Contract]) -> None:
        """What is traded today, by symbol; empty while it is not chosen. From now on a row of the books
        that cannot be read spoils them only where it may be of one of these, or of the underlying while
        there are none; before, any such row does.
        """
        self._owner_of = owner_by(underlying, contracts)

    async def order_status(self, broker_order_id: str) -> OrderRow | Unreadable:
        """One order as the gateway shows it: a claim."""
        reply = await self._read(requests.order_status(broker_order_id))
        return books.order_status(reply, self._today())

    async def order_book(self) -> Book[BrokerOrder] | Unreadable:
        """All orders of the day on our exchange."""
        reply = await self._read(requests.order_book())
        return self._heard(books.order_book(reply, self._today(), self._owner_of))

    async def trade_book(self) -> Book[BrokerTrade] | Unreadable:
        """All fills of the day on our exchange, added up by order."""
        reply = await self._read(requests.trade_book())
        return self._heard(books.trade_book(reply, self._owner_of))

    async def position_book(self) -> Book[BrokerPosition] | Unreadable:
        """Net intraday positions on our exchange."""
        reply = await self._read(requests.position_book())
        return self._heard(books.position_book(reply, self._owner_of))

    async def snapshot(self) -> SnapshotRead | Unreadable:
        """All three books, read at the same time, or an error. ``asked_at_ms`` is before the first."""
        asked_at_ms = self._now_ms()
        orders, trades, positions = await asyncio.gather(
            self._read(requests.order_book()),
            self._read(requests.trade_book()),
            self._read(requests.position_book()),
        )
        read = books.snapshot(orders, trades, positions, asked_at_ms, self._owner_of)
        return self._heard(read)

    def hear(self, update: OrderUpdated) -> None:
        """Take the stream's word on an order, as a second witness in proofs. Only what a broker has
        pushed in our own mode may be given (``proof.PUSHED_BY``).
        """
        self._told[update.broker_order_id] = update
        waiting = self._end_told.pop(update.broker_order_id, None) if proof.is_end(update) else None
        if waiting is not None:
            waiting.set()

    async def query(self, command: QueryOrder, expected: Mode | None = None) -> Answer:
        """One order's status joined with its fills; ``proven`` as proof.py has it.

        Fills from another mode than ``expected`` are another account's: they answer nothing.

        A gateway that does not find the order refuses the question; that proves nothing about it.
        A question that comes while the same is being asked waits for that answer, and takes it when it
        proves an end: the stream's news and the cancel's answer both ask, a millisecond apart.
        """
        known_as = command.broker_order_id
        asked_before = self._answers.get(known_as)
        if asked_before is not None:
            answer = await asyncio.shield(asked_before)
            if isinstance(answer, OrderUpdated) and proof.is_proven_end(answer):
                return answer
        done = self._answers[known_as] = asyncio.get_running_loop().create_future()
        answer = None
        try:
            answer = await self._prove(command, expected)
            return answer
        finally:
            done.set_result(answer)
            if self._answers.get(known_as) is done:
                del self._answers[known_as]

    async def _prove(self, command: QueryOrder, expected: Mode | None) -> Answer:
        known_as = command.broker_order_id
        first = await self._look(command, expected, side_by_side=True)
        if not isinstance(first, proof.Sighting):
            return first
        if not proof.needs_second_look(first, self._told.get(known_as)):
            return proof.updated(command.order_id, first, None, self._told.get(known_as))
        paused = await self._pause_unless_told(known_as)
        if proof.agrees(first, self._told.get(known_as)):
            return proof.updated(command.order_id, first, None, self._told.get(known_as))
        second = await self._look(command, expected, side_by_side=False)
        if not isinstance(second, proof.Sighting):
            return second
        # Two looks are compared only when the whole pause lies between them.
        before = first if paused else None
        return proof.updated(command.order_id, second, before, self._told.get(known_as))

    async def _look(
        self, command: QueryOrder, expected: Mode | None, *, side_by_side: bool
    ) -> proof.Sighting | OrderRefused | OutcomeUnknown:
        """Status and trades of one order. One after the other, every fill before an end is among the
        trades; side by side takes one round trip, and what it shows needs a second witness.
        """
        trades: Book[BrokerTrade] | Unreadable
        if side_by_side:
            row, trades = await asyncio.gather(
                self.order_status(command.broker_order_id), self.trade_book()
            )
        else:
            row = await self.order_status(command.broker_order_id)
        if isinstance(row, Unreadable):
            if row.status == 404:
                return OrderRefused(
                    order_id=command.order_id, request=Request.QUERY, message=row.reason
                )
            return self._no_answer(command, row.reason)
        if not side_by_side:
            trades = await self.trade_book()
        if isinstance(trades, Unreadable):
            return self._no_answer(command, trades.reason)
        if expected is not None and trades.mode is not expected:
            return self._no_answer(command, f"the trades are those of {trades.mode} mode")
        sighting = proof.join(command.broker_order_id, row, trades.rows)
        if isinstance(sighting, Unreadable):
            return self._no_answer(command, sighting.reason)
        return sighting

    async def _pause_unless_told(self, broker_order_id: str) -> bool:
        """Wait before the second look; False when the stream has said an end meanwhile."""
        told = self._end_told.setdefault(broker_order_id, asyncio.Event())
        waits = [
            asyncio.ensure_future(self._sleep(proof.SECOND_LOOK_S)),
            asyncio.ensure_future(told.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in waits:
                waiting.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        return not told.is_set()

    def _no_answer(self, command: QueryOrder, reason: str) -> OutcomeUnknown:
        return OutcomeUnknown(order_id=command.order_id, request=Request.QUERY, message=reason)

    # ------------------------------------------------------------ prices

    async def quotes(self, symbol: str) -> Tick | Unreadable:
        """The last price and the best bid and ask of one symbol."""
        return data.quotes(await self._read(requests.quotes(symbol)), symbol)

    async def multiquotes(self, symbols: Iterable[str]) -> Quotes | Unreadable:
        """The same of several symbols, and why some have none."""
        return data.multiquotes(await self._read(requests.multiquotes(symbols)))

    async def history(
        self, symbol: str, start: dt.date, end: dt.date, within: tuple[int, int] | None = None
    ) -> tuple[Bar, ...] | Unreadable:
        """Closed one-minute bars, both dates included, or only those ``within`` two instants (epoch ms);
        asked one symbol after the other: the gateway serves about three a second, the rest waits.
        """
        async with self._history_turn:
            reply = await self._read(requests.history(symbol, start, end), self.timeouts.history_s)
            bars = data.history(reply, self._now_ms(), within)
            if isinstance(bars, Unreadable):
                # Who refuses does it at once, and would be asked for all the other symbols at once.
                await self._sleep(_REFUSED_PAUSE_S)
        return bars

    # ------------------------------------------------------------ constant for the day

    async def symbol(self, symbol: str) -> Contract | Unreadable:
        """The contract behind an option's symbol."""
        return await self._once(
            ("symbol", symbol),
            requests.symbol_record(symbol),
            lambda reply: data.contract(reply, symbol),
        )

    async def expiries(self, underlying: str) -> tuple[dt.date, ...] | Unreadable:
        """Expiry dates of an underlying's options, the nearest first."""
        return await self._once(
            ("expiry", underlying), requests.expiries(underlying), data.expiries
        )

    async def holidays(self, year: int) -> tuple[Holiday, ...] | Unreadable:
        """The exchange calendar of a year."""
        return await self._once(("holidays", year), requests.holidays(year), data.holidays)

    async def timings(self, date: dt.date) -> SessionHours | Unreadable | None:
        """Our exchange's hours of a date, None when it is closed."""
        return await self._once(("timings", date), requests.timings(date), data.timings)

    async def _once(
        self, key: Hashable, question: Question, read: Callable[[Reply], ValueT | Unreadable]
    ) -> ValueT | Unreadable:
        """Ask once a day. Errors and empty lists are not kept: the gateway may not be ready yet."""
        today = self._today()
        if today != self._kept_date:
            self._kept.clear()
            self._kept_date = today
        if key in self._kept:
            return self._kept[key]  # type: ignore[return-value]
        value = read(await self._read(question))
        if not isinstance(value, Unreadable) and value != () and self._kept_date == today:
            self._kept[key] = value
        return value

    # ------------------------------------------------------------ account and gateway

    async def funds(self) -> Funds | Unreadable:
        """The account's money."""
        return data.funds(await self._read(requests.funds()))

    async def margin(self, commands: Sequence[PlaceOrder]) -> int | Unreadable:
        """The margin in paise that these orders together would block."""
        try:
            question = requests.margin(commands)
        except ValueError as error:
            return Unreadable(str(error))
        return data.margin(await self._read(question))

    async def analyzer(self) -> Mode | Unreadable:
        """Whether the gateway trades live or on paper."""
        return data.analyzer(await self._read(requests.analyzer()))

    async def ping(self) -> str | Unreadable:
        """The broker's name; says that the gateway takes our key, not that the broker is there."""
        return data.ping(await self._read(requests.ping()))

    async def _read(self, question: Question, timeout_s: float | None = None) -> Reply:
        path, body = question
        for pause_s in (*_READ_RETRY_S, None):
            reply = await self._transport.post(path, body, timeout_s or self.timeouts.read_s)
            if reply.status != 429 or pause_s is None:
                break
            await self._sleep(pause_s)
        return reply

    def _today(self) -> dt.date:
        return ist_date(self._now_ms())

    def _heard(self, read: ValueT) -> ValueT:
        """Say once which rows of a book were left out, and why."""
        if isinstance(read, Book | SnapshotRead):
            for reason in read.skipped:
                if reason not in self._skipped:
                    self._skipped.add(reason)
                    _log.warning("left out of the books: %s", reason)
        return read
