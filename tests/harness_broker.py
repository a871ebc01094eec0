"""The broker of the scenario tests: a book of our orders on paper, and every answer it can give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from baseline_v1_live.core.instruments import paise, rupee_text
from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerPosition,
    BrokerStatus,
    BrokerTrade,
    CancelOrder,
    Command,
    Event,
    Filled,
    ModifyOrder,
    OrderAccepted,
    OrderRefused,
    OrderType,
    OrderUpdated,
    OutcomeUnknown,
    PlaceOrder,
    QueryOrder,
    Request,
    Side,
    SnapshotFailed,
    SnapshotTaken,
)
from tests.harness_market import DATE, SHORT_NAMES

Kind = TypeVar("Kind", bound=Command)
TO_BROKER = (PlaceOrder, ModifyOrder, CancelOrder, QueryOrder)


@dataclass
class BookedOrder:
    """An order in the broker's book."""

    order_id: str
    broker_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: int
    trigger_paise: int
    limit_paise: int
    placed_at_ms: int
    status: BrokerStatus
    filled_quantity: int = 0
    filled_value_paise: int = 0
    message: str = ""


class Broker:
    """The broker's side of the desk: what is in its book, and what it tells the bot.

    Order ids may be short, e.g. ``stop-0002``.
    """

    now_ms: int
    commands: list[Command]

    def __init__(self) -> None:
        self.book: dict[str, BookedOrder] = {}
        self.bought_elsewhere: Counter[str] = Counter()
        self.last_prices: dict[str, float] = {}

    def feed(self, event: Event) -> list[Command]:
        raise NotImplementedError

    def of(self, kind: type[Kind]) -> list[Kind]:
        """All commands of a kind so far, oldest first."""
        return [command for command in self.commands if isinstance(command, kind)]

    def modifies(self, order_id: str) -> list[ModifyOrder]:
        """All modifications asked of an order, oldest first."""
        return [c for c in self.of(ModifyOrder) if c.order_id == self.full(order_id)]

    def full(self, order_id: str) -> str:
        return order_id if order_id.startswith("2") else f"{DATE.isoformat()}-{order_id}"

    # ------------------------------------------------------------ the broker's answers

    def accept(
        self,
        order_id: str,
        request: Request = Request.PLACE,
        *,
        status: BrokerStatus | None = BrokerStatus.TRIGGER_PENDING,
    ) -> None:
        """The gateway takes a request; after a placement the book's status follows, unless None."""
        row = self._row(order_id)
        if request is Request.CANCEL:
            row.status = BrokerStatus.CANCELLED
        self.feed(
            OrderAccepted(
                order_id=row.order_id, request=request, broker_order_id=row.broker_order_id
            )
        )
        if request is Request.PLACE and row.order_type is OrderType.SL and status is not None:
            row.status = status
            self.update(order_id, status)

    def modified(self, order_id: str) -> None:
        """The broker takes the newest modification of an order."""
        row = self._row(order_id)
        command = self.modifies(order_id)[-1]
        row.order_type, row.quantity = command.order_type, command.quantity
        row.trigger_paise, row.limit_paise = command.trigger_price_paise, command.limit_price_paise
        self.accept(order_id, Request.MODIFY)

    def cancelled(self, order_id: str) -> None:
        """The broker takes the cancel and proves it: status and fills together."""
        self.accept(order_id, Request.CANCEL)
        self.prove(order_id)

    def refuse(
        self,
        order_id: str,
        message: str = "refused",
        request: Request = Request.PLACE,
        *,
        sent: bool = True,
    ) -> None:
        """A definite no."""
        order_id = self.full(order_id)
        if request is Request.PLACE:
            self.book.pop(order_id, None)
        self.feed(OrderRefused(order_id=order_id, request=request, message=message, sent=sent))

    def lose(
        self, order_id: str, request: Request = Request.PLACE, *, reached: bool = False
    ) -> None:
        """A request's outcome is unknown; ``reached`` says whether the broker in truth has it."""
        if request is Request.PLACE and reached:
            self._row(order_id)
        elif request is Request.PLACE:
            self.book.pop(self.full(order_id), None)
        self.feed(OutcomeUnknown(order_id=self.full(order_id), request=request, message="timeout"))

    def fill(self, order_id: str, quantity: int, price: float, *, heard: bool = True) -> None:
        """So many more units fill at this price; the bot hears of it unless ``heard`` is off."""
        row = self._row(order_id)
        row.filled_quantity += quantity
        row.filled_value_paise += quantity * paise(price)
        done = row.filled_quantity >= row.quantity
        row.status = BrokerStatus.COMPLETE if done else BrokerStatus.OPEN
        if heard:
            self.hear_fill(order_id)

    def hear_fill(self, order_id: str) -> None:
        """The order's fills so far, as the order stream pushes them."""
        row = self._row(order_id)
        self.feed(
            Filled(
                broker_order_id=row.broker_order_id,
                symbol=row.symbol,
                side=row.side,
                filled_quantity=row.filled_quantity,
                filled_value_paise=row.filled_value_paise,
            )
        )

    def update(self, order_id: str, status: BrokerStatus, *, message: str = "") -> None:
        """A bare status row, which proves nothing."""
        row = self._row(order_id)
        self.feed(
            OrderUpdated(
                broker_order_id=row.broker_order_id,
                symbol=row.symbol,
                status=status,
                message=message,
            )
        )

    def prove(self, order_id: str, status: BrokerStatus | None = None) -> None:
        """An answer that joins status and fills: those of the book, with a new status if given."""
        row = self._row(order_id)
        row.status = status or row.status
        self.feed(
            OrderUpdated(
                broker_order_id=row.broker_order_id,
                symbol=row.symbol,
                status=row.status,
                filled_quantity=row.filled_quantity,
                filled_value_paise=row.filled_value_paise,
                quantity=row.quantity,
                trigger_price_paise=row.trigger_paise,
                limit_price_paise=row.limit_paise,
                proven=True,
                message=row.message,
            )
        )

    def snapshot(
        self,
        *,
        net: Mapping[str, int] | None = None,
        asked_at_ms: int | None = None,
        untraded: str = "",
    ) -> None:
        """The broker's books as they are; ``net`` replaces the positions, and the trade book does not
        have the fills of the order ``untraded`` yet.
        """
        held = self.net() if net is None else net
        self.feed(
            SnapshotTaken(
                asked_at_ms=self.now_ms if asked_at_ms is None else asked_at_ms,
                orders=tuple(book_row(row) for row in self.book.values()),
                trades=tuple(
                    _trade_row(row)
                    for row in self.book.values()
                    if row.filled_quantity and row.order_id != self.full(untraded)
                ),
                positions=tuple(BrokerPosition(symbol=s, net_quantity=n) for s, n in held.items()),
            )
        )

    def snapshot_failed(self) -> None:
        """The broker's books could not be read whole."""
        self.feed(SnapshotFailed(message="order book: timeout"))

    def stray(
        self,
        becomes: str,
        symbol: str,
        quantity: int,
        trigger: float,
        limit: float,
        *,
        side: Side = Side.BUY,
        order_type: OrderType = OrderType.SL,
    ) -> BookedOrder:
        """A working order that the bot knows nothing of; ``becomes`` is its id if it is taken over."""
        row = BookedOrder(
            order_id=self.full(becomes),
            broker_order_id=f"S{becomes[-4:]}",
            symbol=symbol,
            side=side,
            order_type=order_type,
            quantity=quantity,
            trigger_paise=paise(trigger),
            limit_paise=paise(limit),
            placed_at_ms=self.now_ms,
            status=BrokerStatus.TRIGGER_PENDING,
        )
        self.book[row.order_id] = row
        return row

    def net(self) -> dict[str, int]:
        """What the broker holds: signed net quantity by symbol."""
        held = Counter(self.bought_elsewhere)
        for row in self.book.values():
            held[row.symbol] += row.filled_quantity * (1 if row.side is Side.BUY else -1)
        return dict(held)

    def answer(self, command: Command) -> None:
        """Do at once what a command asks for; market orders fill at the last price."""
        match command:
            case PlaceOrder(order_id=order_id):
                self.accept(order_id)
                if command.order_type is OrderType.MARKET:
                    self.fill(order_id, command.quantity, self.last_prices[command.symbol])
            case ModifyOrder(order_id=order_id):
                self.modified(order_id)
            case CancelOrder(order_id=order_id):
                self.accept(order_id, Request.CANCEL)
            case QueryOrder(order_id=order_id):
                self.prove(order_id)

    def _row(self, order_id: str) -> BookedOrder:
        """The order in the broker's book; it gets there with the first answer that implies so."""
        order_id = self.full(order_id)
        if order_id not in self.book:
            command = next(c for c in self.of(PlaceOrder) if c.order_id == order_id)
            waits = command.order_type is OrderType.SL
            self.book[order_id] = BookedOrder(
                order_id=order_id,
                broker_order_id=f"B{order_id[-4:]}",
                symbol=command.symbol,
                side=command.side,
                order_type=command.order_type,
                quantity=command.quantity,
                trigger_paise=command.trigger_price_paise,
                limit_paise=command.limit_price_paise,
                placed_at_ms=self.now_ms,
                status=BrokerStatus.TRIGGER_PENDING if waits else BrokerStatus.OPEN,
            )
        return self.book[order_id]


def book_row(row: BookedOrder) -> BrokerOrder:
    return BrokerOrder(
        broker_order_id=row.broker_order_id,
        symbol=row.symbol,
        side=row.side,
        order_type=row.order_type,
        quantity=row.quantity,
        trigger_price_paise=row.trigger_paise,
        limit_price_paise=row.limit_paise,
        status=row.status,
        placed_at_ms=row.placed_at_ms,
        message=row.message,
    )


def _trade_row(row: BookedOrder) -> BrokerTrade:
    return BrokerTrade(
        broker_order_id=row.broker_order_id,
        symbol=row.symbol,
        side=row.side,
        filled_quantity=row.filled_quantity,
        filled_value_paise=row.filled_value_paise,
    )


def tell(command: Command) -> str:
    """A command to the broker in one line, all that the broker acts on."""
    match command:
        case PlaceOrder():
            head = f"place {short_id(command.order_id)} {command.side} {command.quantity}"
            return f"{head} {SHORT_NAMES[command.symbol]} {_terms(command)}"
        case ModifyOrder():
            head = f"modify {short_id(command.order_id)} {command.quantity}"
            return f"{head} {_terms(command)}"
        case CancelOrder():
            return f"cancel {short_id(command.order_id)}"
        case QueryOrder():
            return f"ask {short_id(command.order_id)}"
    return type(command).__name__


def _terms(command: PlaceOrder | ModifyOrder) -> str:
    match command.order_type:
        case OrderType.MARKET:
            return "MARKET"
        case OrderType.LIMIT:
            return f"LIMIT {rupee_text(command.limit_price_paise)}"
    trigger, limit = command.trigger_price_paise, command.limit_price_paise
    return f"SL {rupee_text(trigger)}/{rupee_text(limit)}"


def short_id(order_id: str) -> str:
    return order_id[len(DATE.isoformat()) + 1 :]
