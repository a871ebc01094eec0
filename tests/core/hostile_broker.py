"""A broker that may do everything a broker can do to us, and never what none can.

It holds the truth: orders, fills, net positions. Requests wait in ``sent`` until the test decides
their fate, answers and pushed news wait in ``mail`` until the test delivers them. Statements that
join an order with its fills, and snapshots, are true at the instant they are made; but a broker that
``folds`` calls an order open that still waits for its trigger, in whatever it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from baseline_v1_live.core.instruments import Contract
from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerPosition,
    BrokerStatus,
    BrokerTrade,
    CancelOrder,
    CheckMargin,
    Command,
    Event,
    FetchQuote,
    Filled,
    HistoryFailed,
    LoadHistory,
    MarginChecked,
    ModifyOrder,
    OrderAccepted,
    OrderRefused,
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

OVER = frozenset({BrokerStatus.COMPLETE, BrokerStatus.CANCELLED, BrokerStatus.REJECTED})
# The gateway gives up a request after this long: nothing is done and nothing answered later.
HORIZON_MS = 120_000

Asking = LoadHistory | FetchQuote | CheckMargin
Requesting = PlaceOrder | ModifyOrder | CancelOrder | QueryOrder
_REQUEST = {
    PlaceOrder: Request.PLACE,
    ModifyOrder: Request.MODIFY,
    CancelOrder: Request.CANCEL,
    QueryOrder: Request.QUERY,
}


class Fate(StrEnum):
    """What becomes of one request."""

    DONE = "done"
    REFUSED = "refused"
    NOT_SENT = "not sent"
    DONE_UNHEARD = "done, outcome unknown"
    LOST = "not done, outcome unknown"
    LATE = "outcome unknown, done later"


class News(StrEnum):
    """In which form the broker pushes what happened to an order."""

    FULL = "status with fills and their value"
    NO_VALUE = "status with filled quantity"
    STATUS = "bare status"
    TRADE = "trade"
    NONE = "nothing"


@dataclass(kw_only=True)
class Row:
    """One order in the broker's book, as it truly is."""

    order_id: str
    broker_order_id: str
    symbol: str
    side: Side
    purpose: Purpose
    order_type: OrderType
    quantity: int
    trigger_paise: int
    limit_paise: int
    placed_at_ms: int
    status: BrokerStatus
    filled: int = 0
    value_paise: int = 0
    filled_after_cancel: int = 0

    @property
    def live(self) -> bool:
        return self.status not in OVER

    @property
    def remaining(self) -> int:
        return self.quantity - self.filled if self.live else 0


@dataclass
class Sent:
    """A request on its way; ``fate`` LATE marks one whose sender was told that it is unknown."""

    command: Command
    at_ms: int


@dataclass
class Mail:
    """An event on its way back; pushed news may be dropped, answers may not."""

    event: Event
    at_ms: int
    pushed: bool


@dataclass
class HostileBroker:
    """The truth, and the queues to and from it."""

    contracts: Mapping[str, Contract]
    now_ms: int = 0
    price: dict[str, int] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    by_order_id: dict[str, Row] = field(default_factory=dict)
    bought_by_user: dict[str, int] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    limbo: list[Sent] = field(default_factory=list)
    mail: list[Mail] = field(default_factory=list)
    grown_late: dict[str, int] = field(default_factory=dict)
    folds: bool = False

    # ------------------------------------------------------------ the truth

    def total(self, symbol: str, *purposes: Purpose) -> int:
        """Units filled in a symbol by orders of these purposes."""
        return sum(
            r.filled for r in self.rows.values() if r.symbol == symbol and r.purpose in purposes
        )

    def own_short(self, symbol: str) -> int:
        """Units our own orders are net short."""
        sold = self.total(symbol, Purpose.ENTRY, Purpose.CORRECTION)
        return sold - self.total(symbol, Purpose.STOP, Purpose.EXIT)

    def net(self, symbol: str) -> int:
        """The account's signed quantity: ours and what the user bought by hand."""
        return self.bought_by_user.get(symbol, 0) - self.own_short(symbol)

    def live_rows(self) -> list[Row]:
        """Orders that may still fill, oldest first."""
        return [row for row in self.rows.values() if row.live]

    def may_still_buy(self, symbol: str) -> int:
        """Units that stops and exits, in the book or on their way to it, may still buy."""
        resting = sum(
            r.remaining for r in self.rows.values() if r.symbol == symbol and r.side is Side.BUY
        )
        return resting + sum(
            s.command.quantity
            for s in (*self.sent, *self.limbo)
            if isinstance(s.command, PlaceOrder)
            and s.command.symbol == symbol
            and s.command.side is Side.BUY
        )

    def filled_after_cancel(self, symbol: str) -> int:
        """Units that cancelled orders bought all the same, or sold as corrections: what those sold
        too much is bought back.
        """
        return sum(
            r.filled_after_cancel
            for r in self.rows.values()
            if r.symbol == symbol and r.purpose is not Purpose.ENTRY
        )

    # ------------------------------------------------------------ requests

    def send(self, command: Command) -> None:
        """A request leaves the bot."""
        self.sent.append(Sent(command, self.now_ms))

    def decide(self, index: int, fate: Fate) -> None:
        """Let one waiting request meet its fate; a broker's own no takes precedence."""
        sent = self.sent.pop(index)
        command = sent.command
        if isinstance(command, TakeSnapshot):
            taken = fate in (Fate.DONE, Fate.LATE)
            self._answer(self.snapshot(sent.at_ms) if taken else SnapshotFailed(message="no books"))
            return
        if isinstance(command, Asking):
            answer = self.asked(command, fate)
            if answer is not None:
                self._answer(answer)
            return
        assert isinstance(command, Requesting)
        request = _REQUEST[type(command)]
        lost = OutcomeUnknown(order_id=command.order_id, request=request, message="timeout")
        if isinstance(command, QueryOrder):
            self._answer(self.proof(command) if fate in (Fate.DONE, Fate.LATE) else lost)
        elif fate is Fate.DONE:
            self._answer(self._do(command))
        elif fate is Fate.DONE_UNHEARD:
            self._do(command)
            self._answer(lost)
        elif fate is Fate.LATE:
            self.limbo.append(sent)
            self._answer(lost)
        elif fate is Fate.LOST:
            self._answer(lost)
        else:
            self._answer(
                OrderRefused(
                    order_id=command.order_id,
                    request=request,
                    message=fate,
                    sent=fate is Fate.REFUSED,
                )
            )

    def arrive_late(self, index: int) -> None:
        """A request that was given up long ago is done now; nobody is told."""
        command = self.limbo.pop(index).command
        assert isinstance(command, Requesting)
        before = {row.broker_order_id: row.quantity for row in self.rows.values()}
        self._do(command)
        if isinstance(command, ModifyOrder):
            row = self.rows[command.broker_order_id]
            grown = max(row.quantity - before[row.broker_order_id], 0)
            self.grown_late[row.symbol] = self.grown_late.get(row.symbol, 0) + grown

    def overdue(self) -> None:
        """Nothing waits beyond the gateway's horizon."""
        oldest = self.now_ms - HORIZON_MS
        while self.limbo and self.limbo[0].at_ms <= oldest:
            self.arrive_late(0)
        for sent in [s for s in self.sent if s.at_ms <= oldest]:
            self.decide(self.sent.index(sent), Fate.DONE)

    def _do(self, command: Requesting) -> Event:
        match command:
            case PlaceOrder():
                row = self._place(command)
                broker_order_id = row.broker_order_id
                request = Request.PLACE
            case ModifyOrder():
                row = self.rows[command.broker_order_id]
                request = Request.MODIFY
                if not row.live or command.quantity <= row.filled:
                    return self._no(command, request, f"cannot modify, {row.status}")
                row.order_type = command.order_type
                row.quantity = command.quantity
                row.trigger_paise = command.trigger_price_paise
                row.limit_paise = command.limit_price_paise
                broker_order_id = row.broker_order_id
            case CancelOrder():
                row = self.rows[command.broker_order_id]
                request = Request.CANCEL
                if not row.live:
                    return self._no(command, request, f"cannot cancel, {row.status}")
                row.status = BrokerStatus.CANCELLED
                broker_order_id = row.broker_order_id
        self.push(row, News.FULL)
        return OrderAccepted(
            order_id=command.order_id, request=request, broker_order_id=broker_order_id
        )

    def _no(self, command: Requesting, request: Request, why: str) -> OrderRefused:
        return OrderRefused(order_id=command.order_id, request=request, message=why)

    def _place(self, command: PlaceOrder) -> Row:
        waits = command.order_type is OrderType.SL
        row = Row(
            order_id=command.order_id,
            broker_order_id=f"B{len(self.rows) + 1:03d}",
            symbol=command.symbol,
            side=command.side,
            purpose=command.purpose,
            order_type=command.order_type,
            quantity=command.quantity,
            trigger_paise=command.trigger_price_paise,
            limit_paise=command.limit_price_paise,
            placed_at_ms=self.now_ms,
            status=BrokerStatus.TRIGGER_PENDING if waits else BrokerStatus.OPEN,
        )
        assert command.order_id not in self.by_order_id, f"{command.order_id} placed twice"
        self.rows[row.broker_order_id] = self.by_order_id[row.order_id] = row
        return row

    # ------------------------------------------------------------ what happens at the exchange

    def trade(self, symbol: str, price: int, lots: int, news: News, *, reject: bool) -> None:
        """A price: stop-limit orders trigger, and up to ``lots`` lots of each order fill."""
        self.price[symbol] = price
        for row in self.live_rows():
            if row.symbol != symbol:
                continue
            buys = row.side is Side.BUY
            if row.status is BrokerStatus.TRIGGER_PENDING:
                if price < row.trigger_paise if buys else price > row.trigger_paise:
                    continue
                row.status = BrokerStatus.REJECTED if reject else BrokerStatus.OPEN
                self.push(row, news)
            self.fill(row, lots, news)

    def fill(self, row: Row, lots: int, news: News) -> None:
        """Fill an open order as far as the price allows."""
        price, buys = self.price[row.symbol], row.side is Side.BUY
        quantity = min(lots * self.contracts[row.symbol].lot_size, row.remaining)
        if row.status is not BrokerStatus.OPEN or quantity <= 0:
            return
        beyond = price > row.limit_paise if buys else price < row.limit_paise
        if row.order_type is not OrderType.MARKET and beyond:
            return
        row.filled += quantity
        row.value_paise += quantity * price
        if row.filled == row.quantity:
            row.status = BrokerStatus.COMPLETE
        self.push(row, news)

    def fill_after_cancel(self, row: Row, lots: int, news: News) -> None:
        """A cancelled order turns out to have traded before it went."""
        lot = self.contracts[row.symbol].lot_size
        quantity = min(lots * lot, row.quantity - row.filled)
        row.filled += quantity
        row.filled_after_cancel += quantity
        row.value_paise += quantity * (row.limit_paise or self.price[row.symbol])
        self.push(row, news)

    def end(self, row: Row, status: BrokerStatus, news: News) -> None:
        """The broker, or the user by hand, ends a living order."""
        row.status = status
        self.push(row, news)

    def user_buys(self, symbol: str, lots: int) -> None:
        """The user closes a part of the account's short by hand."""
        quantity = min(lots * self.contracts[symbol].lot_size, max(-self.net(symbol), 0))
        self.bought_by_user[symbol] = self.bought_by_user.get(symbol, 0) + quantity

    # ------------------------------------------------------------ what it says

    def word(self, status: BrokerStatus) -> BrokerStatus:
        """What this broker calls a status."""
        return (
            BrokerStatus.OPEN if self.folds and status is BrokerStatus.TRIGGER_PENDING else status
        )

    def push(self, row: Row, news: News, status: BrokerStatus | None = None) -> None:
        """Push news of an order; with ``status`` a false one."""
        if news is News.NONE:
            return
        event: Event
        if news is News.TRADE:
            event = Filled(
                broker_order_id=row.broker_order_id,
                symbol=row.symbol,
                side=row.side,
                filled_quantity=row.filled,
                filled_value_paise=row.value_paise,
            )
        else:
            event = OrderUpdated(
                broker_order_id=row.broker_order_id,
                symbol=row.symbol,
                status=status or self.word(row.status),
                filled_quantity=None if news is News.STATUS else row.filled,
                filled_value_paise=row.value_paise if news is News.FULL else None,
            )
        self.mail.append(Mail(event, self.now_ms, pushed=True))

    def proof(self, command: QueryOrder) -> OrderUpdated:
        """The order's status joined with its fills, as of now."""
        row = self.rows[command.broker_order_id]
        return OrderUpdated(
            broker_order_id=row.broker_order_id,
            symbol=row.symbol,
            status=self.word(row.status),
            filled_quantity=row.filled,
            filled_value_paise=row.value_paise,
            quantity=row.quantity,
            trigger_price_paise=row.trigger_paise,
            limit_price_paise=row.limit_paise,
            proven=True,
        )

    def asked(self, command: Asking, fate: Fate) -> Event | None:
        """What the gateway says of prices and margins: the truth, a no, or nothing at all.

        It has no history; the test itself brings bars.
        """
        match command:
            case FetchQuote(symbol=symbol):
                price = self.price[symbol]
                if fate is not Fate.DONE:
                    return None
                return Tick(
                    symbol=symbol, ltp_paise=price, bid_paise=price, ask_paise=price, quoted=True
                )
            case LoadHistory(symbol=symbol):
                return None if fate is Fate.LOST else HistoryFailed(symbol=symbol, message=fate)
            case CheckMargin(symbol=symbol, quantity=quantity):
                if fate is Fate.LOST:
                    return None
                known = fate in (Fate.DONE, Fate.REFUSED)
                return MarginChecked(
                    symbol=symbol,
                    quantity=quantity,
                    required_paise=100_000 if known else None,
                    available_paise=(115_000 if fate is Fate.DONE else 114_999) if known else None,
                )

    def snapshot(self, asked_at_ms: int) -> SnapshotTaken:
        """All books as of now."""
        rows = self.rows.values()
        return SnapshotTaken(
            asked_at_ms=asked_at_ms,
            orders=tuple(
                BrokerOrder(
                    broker_order_id=row.broker_order_id,
                    symbol=row.symbol,
                    side=row.side,
                    order_type=row.order_type,
                    quantity=row.quantity,
                    trigger_price_paise=row.trigger_paise,
                    limit_price_paise=row.limit_paise,
                    status=self.word(row.status),
                    placed_at_ms=row.placed_at_ms,
                )
                for row in rows
            ),
            trades=tuple(
                BrokerTrade(
                    broker_order_id=row.broker_order_id,
                    symbol=row.symbol,
                    side=row.side,
                    filled_quantity=row.filled,
                    filled_value_paise=row.value_paise,
                )
                for row in rows
                if row.filled
            ),
            positions=tuple(
                BrokerPosition(symbol=symbol, net_quantity=self.net(symbol))
                for symbol in sorted({row.symbol for row in rows})
            ),
        )

    def _answer(self, event: Event) -> None:
        self.mail.append(Mail(event, self.now_ms, pushed=False))
