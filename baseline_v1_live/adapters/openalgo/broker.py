"""The gateway as the live loop's broker and price source: commands in, the core's events out.

Nothing here raises but a cancellation, after which the outcome of what was sent is unknown. Books and
order updates that come from another mode than ours are somebody else's account: they are never shown to
the core. What an order message was answered is passed on in any mode, because it is true in any mode.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

import msgspec

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.proof import PUSHED_BY
from baseline_v1_live.adapters.openalgo.wire.outcomes import NotSent, Outcome, Refused, as_event
from baseline_v1_live.adapters.openalgo.wire.stream import OrderPush
from baseline_v1_live.adapters.openalgo.wire.values import Mode, Unreadable
from baseline_v1_live.core.messages import (
    BarsLoaded,
    CancelOrder,
    CheckMargin,
    Event,
    FetchQuote,
    HistoryFailed,
    LoadHistory,
    MarginChecked,
    ModifyOrder,
    OrderType,
    OrderUpdated,
    OutcomeUnknown,
    PlaceOrder,
    Purpose,
    QueryOrder,
    Request,
    Side,
    SnapshotFailed,
    SnapshotTaken,
    TakeSnapshot,
    Tick,
)
from baseline_v1_live.core.session import Session
from baseline_v1_live.runtime.ports import ToBroker, ToPriceSource

_log = logging.getLogger(__name__)

_BLOCKED = frozenset({401, 403})
_REQUESTS: dict[type[ToBroker], Request] = {
    PlaceOrder: Request.PLACE,
    ModifyOrder: Request.MODIFY,
    CancelOrder: Request.CANCEL,
    QueryOrder: Request.QUERY,
}

SaidT = TypeVar("SaidT")


class OpenAlgoBroker:
    """Sends orders and reads books.

    ``on_mode`` hears the mode of every answer that tells one, ``on_blocked`` the gateway's words when it
    takes no request of ours (401, 403): a wrong key, or the broker's session is over. ``expected`` is
    our own mode; None takes books of any. ``on_sent`` hears the id of each order whose placement left
    ``late_s`` real seconds ago and is not answered. ``taken_back`` is asked when an order's turn has
    come, whether it is to stay.
    """

    def __init__(
        self,
        client: OpenAlgoClient,
        on_mode: Callable[[Mode], None],
        on_blocked: Callable[[str], None],
        expected: Mode | None = None,
        on_sent: Callable[[str], None] | None = None,
        late_s: float = 1.0,
        taken_back: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._taken_back = taken_back
        self._late_s = late_s
        self._client = client
        self._on_mode, self._on_blocked, self._on_sent = on_mode, on_blocked, on_sent
        self._expected = expected

    async def send(self, command: ToBroker) -> Event:
        """Send a command once; its answer as the core's event."""
        try:
            match command:
                case PlaceOrder():
                    return self._outcome(command, await self._place(command))
                case ModifyOrder():
                    return self._outcome(command, await self._client.modify(command))
                case CancelOrder():
                    return self._outcome(command, await self._client.cancel(command))
                case QueryOrder():
                    return await self._query(command)
                case TakeSnapshot():
                    return await self._snapshot()
        except Exception as error:
            _log.exception("broke on %r", command)
            words = f"internal error: {error!r}"
            if isinstance(command, TakeSnapshot):
                return SnapshotFailed(message=words)
            return OutcomeUnknown(
                order_id=command.order_id, request=_REQUESTS[type(command)], message=words
            )

    def push_event(self, push: OrderPush) -> OrderUpdated | None:
        """An order update of the stream as the core's event, None when it is of another mode.

        It is the broker's word without its trade book, so never a proof by itself; where the broker
        has pushed it, it is a witness for the proofs that queries give.
        """
        self._hear_mode(push.mode)
        if not self._is_ours(push.mode):
            return None
        if push.broker in PUSHED_BY:
            self._client.hear(push.update)
        return push.update

    def _outcome(self, command: PlaceOrder | ModifyOrder | CancelOrder, outcome: Outcome) -> Event:
        if not isinstance(outcome, NotSent):
            self._hear_mode(outcome.mode)
        if isinstance(outcome, Refused) and outcome.status in _BLOCKED:
            _tell(self._on_blocked, outcome.message)
        return as_event(outcome, command.order_id, _REQUESTS[type(command)])

    async def _query(self, command: QueryOrder) -> Event:
        answer = await self._client.query(command, self._expected)
        if not isinstance(answer, OrderUpdated):
            # The order is known to us and not to the gateway: it may have changed its mode.
            mode = await self._client.analyzer()
            if not isinstance(mode, Unreadable):
                self._hear_mode(mode)
        return answer

    async def _snapshot(self) -> SnapshotTaken | SnapshotFailed:
        read = await self._client.snapshot()
        if isinstance(read, Unreadable):
            if read.status in _BLOCKED:
                _tell(self._on_blocked, read.reason)
            return SnapshotFailed(message=read.reason)
        self._hear_mode(read.mode)
        if read.mode is Mode.UNSAID:
            return SnapshotFailed(message="the books come from a mode that is not known")
        if not self._is_ours(read.mode):
            return SnapshotFailed(
                message=f"the books are those of {read.mode} mode, and we run in {self._expected} mode"
            )
        return read.taken

    async def _place(self, command: PlaceOrder) -> Outcome:
        told: list[asyncio.TimerHandle] = []

        def turn() -> bool:
            if self._taken_back(command.order_id):
                return False
            if self._on_sent is not None:
                loop = asyncio.get_running_loop()
                told.append(loop.call_later(self._late_s, _tell, self._on_sent, command.order_id))
            return True

        try:
            return await self._client.place(command, turn)
        finally:
            for handle in told:
                handle.cancel()

    def _hear_mode(self, mode: Mode) -> None:
        if mode is not Mode.UNSAID:
            _tell(self._on_mode, mode)

    def _is_ours(self, mode: Mode) -> bool:
        return self._expected is None or mode in (self._expected, Mode.UNSAID)


class OpenAlgoPrices:
    """Quotes, the session's bars and margins. ``on_blocked`` as OpenAlgoBroker's."""

    def __init__(
        self, client: OpenAlgoClient, session: Session, on_blocked: Callable[[str], None]
    ) -> None:
        self._client = client
        self._session = session
        self._on_blocked = on_blocked

    async def ask(self, command: ToPriceSource) -> Event | None:
        """The answer as the core's event; None for a quote that could not be had."""
        try:
            match command:
                case FetchQuote(symbol=symbol):
                    return await self._quote(symbol)
                case LoadHistory(symbol=symbol):
                    return await self._history(symbol)
                case CheckMargin():
                    return await self._margin(command)
        except Exception as error:
            _log.exception("broke on %r", command)
            return _unanswered(command, f"internal error: {error!r}")

    async def _quote(self, symbol: str) -> Tick | None:
        read = await self._client.quotes(symbol)
        if isinstance(read, Unreadable):
            self._hear_blocked(read)
            _log.warning("%s", read.reason)
            return None
        return msgspec.structs.replace(read, quoted=True)

    async def _history(self, symbol: str) -> BarsLoaded | HistoryFailed:
        session = self._session
        # Gateways add the pre-open's bars, and some the day before's.
        within = (session.open_ms, session.close_ms)
        read = await self._client.history(symbol, session.date, session.date, within)
        if isinstance(read, Unreadable):
            self._hear_blocked(read)
            return HistoryFailed(symbol=symbol, message=read.reason)
        return BarsLoaded(symbol=symbol, bars=read)

    async def _margin(self, command: CheckMargin) -> MarginChecked:
        order = PlaceOrder(
            order_id="margin",
            symbol=command.symbol,
            side=Side.SELL,
            order_type=OrderType.SL,
            purpose=Purpose.ENTRY,
            quantity=command.quantity,
            trigger_price_paise=command.trigger_price_paise,
            limit_price_paise=command.limit_price_paise,
        )
        required, funds = await asyncio.gather(self._client.margin([order]), self._client.funds())
        problems = [read for read in (required, funds) if isinstance(read, Unreadable)]
        for problem in problems:
            self._hear_blocked(problem)
        return MarginChecked(
            symbol=command.symbol,
            quantity=command.quantity,
            required_paise=None if isinstance(required, Unreadable) else required,
            available_paise=None if isinstance(funds, Unreadable) else funds.available_paise,
            message="; ".join(problem.reason for problem in problems),
        )

    def _hear_blocked(self, read: Unreadable) -> None:
        if read.status in _BLOCKED:
            _tell(self._on_blocked, read.reason)


def _unanswered(command: ToPriceSource, words: str) -> Event | None:
    match command:
        case LoadHistory(symbol=symbol):
            return HistoryFailed(symbol=symbol, message=words)
        case CheckMargin(symbol=symbol, quantity=quantity):
            return MarginChecked(symbol=symbol, quantity=quantity, message=words)
    return None


def _tell(callback: Callable[[SaidT], None], said: SaidT) -> None:
    """A listener that fails must not turn an order that was accepted into one of unknown outcome."""
    try:
        callback(said)
    except Exception:
        _log.exception("a listener failed on %r", said)
