"""The built-in exchange: an order book of our own orders against a recorded or generated tape.

Fill rules. An order is seen from the first tick after its latency. A stop-limit order triggers when the
last price is at or through its trigger and is a limit order from that same tick on. A SELL fills at the
bid, a BUY at the ask (the last price less or plus the spread model where there are no quotes) when that
price is at or better than its limit; a MARKET order always; for at most the quoted size, where sizes
are recorded; the rest stays. Between two ticks nothing trades: no price path is invented.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from baseline_v1_live.core.instruments import Contract
from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerPosition,
    BrokerStatus,
    BrokerTrade,
    CancelOrder,
    Command,
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
    SnapshotTaken,
    TakeSnapshot,
    Tick,
)
from baseline_v1_live.sim.resting_order import RestingOrder

_REFERENCE_WINDOW_MS = 30_000
_PROTECTION_BP = 4_000
_LOW_PRICE_PAISE = 5_000
_LOW_PROTECTION_PAISE = 2_000
_BASIS_POINTS = 10_000


@dataclass(frozen=True, kw_only=True)
class ExchangeModel:
    """How the exchange behaves.

    ``latency_ms`` is one way; ``spread_paise`` is added to (taken from) the last price for a BUY (a
    SELL) where the tape has no quotes; ``mis_cutoff_ms`` is the instant from which orders that would
    open a position are refused, None for never; ``price_protection`` switches the exchange's limit-price
    protection (BUY above 1.40 x its 30 s reference, or + ₹20 up to ₹50, and mirrored; NSE/FAOP/54242);
    ticks before ``open_ms`` or after ``close_ms`` (None: no bound) are no trades.
    """

    latency_ms: int = 50
    spread_paise: int = 0
    mis_cutoff_ms: int | None = None
    price_protection: bool = True
    open_ms: int | None = None
    close_ms: int | None = None


@dataclass
class _Quote:
    """A symbol's last tick, the size that our orders left of it, and the prices of the last 30 s."""

    tick: Tick
    sizes: dict[Side, int | None]
    recent: deque[tuple[int, int]] = field(default_factory=deque)


class Exchange:
    """Takes commands, sees ticks, and gives back events when they are due.

    The driver calls ``send`` when a command leaves, ``advance`` to take what is due, ``on_tick`` for
    every tick. ``due_ms`` is the next instant at which ``advance`` has something to do.
    """

    def __init__(
        self, contracts: Mapping[str, Contract], model: ExchangeModel, order_prefix: str = "X"
    ) -> None:
        self.contracts = contracts
        self.model = model
        self.orders: dict[str, RestingOrder] = {}
        self.positions: dict[str, int] = {}
        self.due_ms = 1 << 62
        # Why the broker throws an order out that has just triggered, None when it does not.
        self.refusal_at_trigger: Callable[[RestingOrder], str | None] = lambda _: None
        self._prefix = order_prefix
        self._book: dict[str, list[RestingOrder]] = {}
        self._quotes: dict[str, _Quote] = {}
        self._heap: list[tuple[int, int, Command | Event]] = []
        self._counter = 0
        self._sequence = 0
        self._index_paise = 0

    # ------------------------------------------------------------ the driver's side

    def send(self, command: Command, at_ms: int) -> None:
        """A command leaves the bot at this instant; it arrives one latency later."""
        self._schedule(at_ms + self.model.latency_ms, command)

    def advance(self, to_ms: int) -> list[tuple[int, Event]]:
        """Let time pass; return the events that reach the bot until then, with their instants."""
        delivered: list[tuple[int, Event]] = []
        while self._heap and self._heap[0][0] <= to_ms:
            at_ms, _, item = heapq.heappop(self._heap)
            if isinstance(item, Event):
                delivered.append((at_ms, item))
            else:
                self._arrive(item, at_ms)
        self.due_ms = self._heap[0][0] if self._heap else 1 << 62
        return delivered

    def on_tick(self, tick: Tick) -> None:
        """Match the symbol's orders against a tick, if it can be a trade: a price, inside the session,
        and not the index level that feeds sometimes show for an option.
        """
        if not self._is_trade(tick):
            return
        sizes = {Side.BUY: tick.ask_quantity, Side.SELL: tick.bid_quantity}
        quote = self._quotes.get(tick.symbol)
        if quote is None:
            quote = self._quotes[tick.symbol] = _Quote(tick, sizes)
        quote.tick, quote.sizes = tick, sizes
        quote.recent.append((tick.at_ms, tick.ltp_paise))
        while quote.recent[0][0] < tick.at_ms - _REFERENCE_WINDOW_MS:
            quote.recent.popleft()
        book = self._book.get(tick.symbol)
        if book:
            self._match(book, tick, sizes)
            self._book[tick.symbol] = [order for order in book if not order.over]

    def match_now(self, broker_order_id: str, at_ms: int) -> None:
        """Match one order against the quote that stands, as OpenAlgo's sandbox does at placement.

        Size that was taken from the quote before is not there a second time.
        """
        order = self.orders[broker_order_id]
        quote = self._quotes.get(order.symbol)
        if quote is None or order.over:
            return
        self._match([order], msgspec.structs.replace(quote.tick, at_ms=at_ms), quote.sizes)
        book = self._book[order.symbol]
        self._book[order.symbol] = [resting for resting in book if not resting.over]

    def reference_paise(self, symbol: str, at_ms: int) -> int:
        """The price that a symbol's limits are measured by, 0 before its first trade."""
        quote = self._quotes.get(symbol)
        return self._reference(quote, at_ms) if quote is not None else 0

    def _is_trade(self, tick: Tick) -> bool:
        if tick.symbol not in self.contracts:
            self._index_paise = tick.ltp_paise
            return False
        opened, closed = self.model.open_ms, self.model.close_ms
        return (
            tick.ltp_paise > 0
            and tick.ltp_paise != self._index_paise
            and (opened is None or tick.at_ms >= opened)
            and (closed is None or tick.at_ms <= closed)
        )

    # ------------------------------------------------------------ arrivals

    def _arrive(self, command: Command, at_ms: int) -> None:
        match command:
            case PlaceOrder():
                self._place(command, at_ms)
            case ModifyOrder():
                self._modify(command, at_ms)
            case CancelOrder():
                self._cancel(command, at_ms)
            case QueryOrder():
                self._query(command, at_ms)
            case TakeSnapshot():
                self._reply(at_ms, self._snapshot(at_ms - self.model.latency_ms))

    def _place(self, command: PlaceOrder, at_ms: int) -> None:
        refusal = self._refusal(command, at_ms)
        if refusal is not None:
            self._refuse(command.order_id, Request.PLACE, refusal, at_ms)
            return
        self._counter += 1
        waits = command.order_type is OrderType.SL
        order = RestingOrder(
            order_id=command.order_id,
            broker_order_id=f"{self._prefix}{self._counter:06d}",
            symbol=command.symbol,
            side=command.side,
            order_type=command.order_type,
            quantity=command.quantity,
            trigger_price_paise=command.trigger_price_paise,
            limit_price_paise=command.limit_price_paise,
            placed_at_ms=at_ms,
            status=BrokerStatus.TRIGGER_PENDING if waits else BrokerStatus.OPEN,
        )
        self.orders[order.broker_order_id] = order
        self._book.setdefault(order.symbol, []).append(order)
        self._accept(order, Request.PLACE, at_ms)
        self._report(order, at_ms)

    def _modify(self, command: ModifyOrder, at_ms: int) -> None:
        order = self.orders.get(command.broker_order_id)
        refusal = None
        if order is None:
            refusal = "order not found"
        elif order.over:
            refusal = f"cannot modify an order in {order.status} status"
        elif command.quantity <= order.filled_quantity:
            refusal = f"quantity {command.quantity} is not above what is filled"
        else:
            refusal = self._shape_refusal(command)
            if refusal is None and order.status is BrokerStatus.OPEN:
                refusal = self._protection_refusal(
                    command.symbol,
                    command.side,
                    command.order_type,
                    command.limit_price_paise,
                    at_ms,
                )
        if order is None or refusal is not None:
            self._refuse(command.order_id, Request.MODIFY, refusal or "", at_ms)
            return
        if command.order_type is not OrderType.SL:
            order.status = BrokerStatus.OPEN  # Nothing is left to wait for.
        order.order_type = command.order_type
        order.quantity = command.quantity
        order.trigger_price_paise = command.trigger_price_paise
        order.limit_price_paise = command.limit_price_paise
        self._accept(order, Request.MODIFY, at_ms)
        self._report(order, at_ms)

    def _cancel(self, command: CancelOrder, at_ms: int) -> None:
        order = self.orders.get(command.broker_order_id)
        if order is None or order.over:
            status = "unknown" if order is None else order.status
            message = f"cannot cancel an order in {status} status"
            self._refuse(command.order_id, Request.CANCEL, message, at_ms)
            return
        order.status = BrokerStatus.CANCELLED
        self._book[order.symbol].remove(order)
        self._accept(order, Request.CANCEL, at_ms)
        self._report(order, at_ms)

    def _query(self, command: QueryOrder, at_ms: int) -> None:
        order = self.orders.get(command.broker_order_id)
        if order is None:
            self._refuse(command.order_id, Request.QUERY, "order not found", at_ms)
        else:
            self._report(order, at_ms, proven=True)

    # ------------------------------------------------------------ what the market may do at any time

    def execute(self, broker_order_id: str, quantity: int, price_paise: int, at_ms: int) -> None:
        """Trade a part of an order at a price, whatever its state: brokers have reported executions of
        orders that they had called cancelled.
        """
        order = self.orders[broker_order_id]
        quantity = min(quantity, order.quantity - order.filled_quantity)
        if quantity <= 0:
            return
        order.filled_quantity += quantity
        order.filled_value_paise += quantity * price_paise
        if order.remaining == 0:
            order.status = BrokerStatus.COMPLETE
            self._drop(order)
        signed = quantity if order.side is Side.BUY else -quantity
        self.positions[order.symbol] = self.positions.get(order.symbol, 0) + signed
        self._report(order, at_ms)

    def reject(self, broker_order_id: str, message: str, at_ms: int) -> None:
        """Throw an order out after it was taken, as a broker's risk system does."""
        order = self.orders[broker_order_id]
        if not order.over:
            order.status, order.message = BrokerStatus.REJECTED, message
            self._drop(order)
            self._report(order, at_ms)

    def _drop(self, order: RestingOrder) -> None:
        book = self._book.get(order.symbol, [])
        if order in book:
            book.remove(order)

    # ------------------------------------------------------------ checks

    def _refusal(self, command: PlaceOrder, at_ms: int) -> str | None:
        if command.symbol not in self.contracts:
            return f"unknown symbol {command.symbol}"
        refusal = self._shape_refusal(command)
        if refusal is not None:
            return refusal
        cutoff = self.model.mis_cutoff_ms
        if cutoff is not None and at_ms >= cutoff and self._opens(command):
            return "intraday orders cannot be placed after the square-off time"
        if command.order_type is OrderType.SL:
            return None  # Its limit is checked when it triggers, as the exchange does.
        return self._protection_refusal(
            command.symbol, command.side, command.order_type, command.limit_price_paise, at_ms
        )

    def _shape_refusal(self, command: PlaceOrder | ModifyOrder) -> str | None:
        contract = self.contracts[command.symbol]
        if command.quantity <= 0 or command.quantity % contract.lot_size:
            return f"quantity {command.quantity} is not a multiple of lot {contract.lot_size}"
        if command.quantity > contract.freeze_quantity:
            return f"quantity {command.quantity} is above freeze {contract.freeze_quantity}"
        for price in (command.trigger_price_paise, command.limit_price_paise):
            if price < 0 or price % contract.tick_paise:
                return f"price {price} is not a multiple of tick {contract.tick_paise}"
        if command.order_type is not OrderType.MARKET and command.limit_price_paise == 0:
            return "limit price is missing"
        if command.order_type is OrderType.SL:
            trigger, limit = command.trigger_price_paise, command.limit_price_paise
            if trigger == 0:
                return "trigger price is missing"
            if (limit < trigger) if command.side is Side.BUY else (limit > trigger):
                return "limit price is on the wrong side of the trigger price"
        return None

    def _protection_refusal(
        self, symbol: str, side: Side, order_type: OrderType, limit_paise: int, at_ms: int
    ) -> str | None:
        quote = self._quotes.get(symbol)
        if quote is None:
            return "no trade today yet" if order_type is OrderType.MARKET else None
        if order_type is OrderType.MARKET or not self.model.price_protection:
            return None
        reference = self._reference(quote, at_ms)
        if reference <= _LOW_PRICE_PAISE:
            room = _LOW_PROTECTION_PAISE
        else:
            room = reference * _PROTECTION_BP // _BASIS_POINTS
        if side is Side.BUY and limit_paise > reference + room:
            return f"limit price {limit_paise} is above the protection range"
        if side is Side.SELL and limit_paise < reference - room:
            return f"limit price {limit_paise} is below the protection range"
        return None

    def _reference(self, quote: _Quote, at_ms: int) -> int:
        while quote.recent and quote.recent[0][0] < at_ms - _REFERENCE_WINDOW_MS:
            quote.recent.popleft()
        if not quote.recent:
            return quote.tick.ltp_paise
        return sum(price for _, price in quote.recent) // len(quote.recent)

    def _opens(self, command: PlaceOrder) -> bool:
        held = self.positions.get(command.symbol, 0)
        signed = command.quantity if command.side is Side.BUY else -command.quantity
        return held * signed >= 0 or abs(signed) > abs(held)

    # ------------------------------------------------------------ matching

    def _match(self, book: list[RestingOrder], tick: Tick, sizes: dict[Side, int | None]) -> None:
        for order in book:
            if order.status is BrokerStatus.TRIGGER_PENDING and not self._trigger(order, tick):
                continue
            self._fill(order, tick, sizes)

    def _trigger(self, order: RestingOrder, tick: Tick) -> bool:
        """Whether the order is a limit order from this tick on."""
        reached = (
            tick.ltp_paise >= order.trigger_price_paise
            if order.side is Side.BUY
            else tick.ltp_paise <= order.trigger_price_paise
        )
        if not reached:
            return False
        order.status = BrokerStatus.OPEN
        refusal = self.refusal_at_trigger(order) or self._protection_refusal(
            order.symbol, order.side, order.order_type, order.limit_price_paise, tick.at_ms
        )
        if refusal is not None:
            order.status = BrokerStatus.REJECTED
            order.message = refusal
        self._report(order, tick.at_ms)
        return refusal is None

    def _fill(self, order: RestingOrder, tick: Tick, sizes: dict[Side, int | None]) -> None:
        buys = order.side is Side.BUY
        quoted = tick.ask_paise if buys else tick.bid_paise
        if quoted is None and (tick.bid_paise or tick.ask_paise):
            return  # Nobody stands on the other side.
        spread = self.model.spread_paise if buys else -self.model.spread_paise
        if quoted is None:
            price = max(tick.ltp_paise + spread, self.contracts[order.symbol].tick_paise)
        else:
            price = quoted
        if order.order_type is not OrderType.MARKET:
            limit = order.limit_price_paise
            if (price > limit) if buys else (price < limit):
                return
        size = sizes[order.side] if quoted is not None else None
        quantity = order.remaining if size is None else min(order.remaining, size)
        # Options trade in whole lots, whatever size a tape shows.
        quantity -= quantity % self.contracts[order.symbol].lot_size
        if quantity <= 0:
            return
        if size is not None:
            sizes[order.side] = size - quantity
        order.filled_quantity += quantity
        order.filled_value_paise += quantity * price
        if order.remaining == 0:
            order.status = BrokerStatus.COMPLETE
        signed = quantity if buys else -quantity
        self.positions[order.symbol] = self.positions.get(order.symbol, 0) + signed
        self._report(order, tick.at_ms)

    # ------------------------------------------------------------ answers

    def _schedule(self, at_ms: int, item: Command | Event) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (at_ms, self._sequence, item))
        self.due_ms = self._heap[0][0]

    def _reply(self, at_ms: int, event: Event) -> None:
        self._schedule(at_ms + self.model.latency_ms, event)

    def _accept(self, order: RestingOrder, request: Request, at_ms: int) -> None:
        self._reply(
            at_ms,
            OrderAccepted(
                order_id=order.order_id, request=request, broker_order_id=order.broker_order_id
            ),
        )

    def _refuse(self, order_id: str, request: Request, message: str, at_ms: int) -> None:
        self._reply(at_ms, OrderRefused(order_id=order_id, request=request, message=message))

    def _report(self, order: RestingOrder, at_ms: int, *, proven: bool = False) -> None:
        self._reply(
            at_ms,
            OrderUpdated(
                exchange_at_ms=at_ms,
                broker_order_id=order.broker_order_id,
                symbol=order.symbol,
                status=order.status,
                filled_quantity=order.filled_quantity,
                filled_value_paise=order.filled_value_paise,
                quantity=order.quantity,
                trigger_price_paise=order.trigger_price_paise,
                limit_price_paise=order.limit_price_paise,
                proven=proven,
                message=order.message,
            ),
        )

    def _snapshot(self, asked_at_ms: int) -> SnapshotTaken:
        return SnapshotTaken(
            asked_at_ms=asked_at_ms,
            orders=tuple(
                BrokerOrder(
                    broker_order_id=order.broker_order_id,
                    symbol=order.symbol,
                    side=order.side,
                    order_type=order.order_type,
                    quantity=order.quantity,
                    trigger_price_paise=order.trigger_price_paise,
                    limit_price_paise=order.limit_price_paise,
                    status=order.status,
                    placed_at_ms=order.placed_at_ms,
                    message=order.message,
                )
                for order in self.orders.values()
            ),
            trades=tuple(
                BrokerTrade(
                    broker_order_id=order.broker_order_id,
                    symbol=order.symbol,
                    side=order.side,
                    filled_quantity=order.filled_quantity,
                    filled_value_paise=order.filled_value_paise,
                )
                for order in self.orders.values()
                if order.filled_quantity
            ),
            positions=tuple(
                BrokerPosition(symbol=symbol, net_quantity=net)
                for symbol, net in self.positions.items()
            ),
        )
