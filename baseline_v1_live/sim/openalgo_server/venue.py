"""The venue without any socket: plays the tape, takes orders, keeps the gateway's books.

Order updates gather in an outbox; whoever caused them publishes them (see ``take_updates``).
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from baseline_v1_live.core.instruments import paise
from baseline_v1_live.core.messages import (
    BrokerStatus,
    CancelOrder,
    Command,
    ModifyOrder,
    OrderAccepted,
    OrderRefused,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    Purpose,
    Side,
    Tick,
)
from baseline_v1_live.core.session import MINUTE_MS, at_ist, ist_datetime
from baseline_v1_live.runtime.ports import TapeRow
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.exchange import Exchange, ExchangeModel
from baseline_v1_live.sim.openalgo_server.audit import Audit
from baseline_v1_live.sim.openalgo_server.books import BookOrder, BookPosition, Books
from baseline_v1_live.sim.openalgo_server.market import INDEX_EXCHANGE, Market
from baseline_v1_live.sim.openalgo_server.profiles import Profile
from baseline_v1_live.sim.openalgo_server.rows import order_update
from baseline_v1_live.sim.tape import rows

MIS_OPEN = dt.time(9, 0)
SQUARE_OFF = dt.time(15, 15)
SQUARE_OFF_STRATEGY = "AUTO_SQUARE_OFF"
_MIS_CLOSED = (
    "MIS orders cannot be placed after square-off time (15:15 IST). "
    "Trading resumes at 09:00 AM IST."
)
_NEVER_MS = 1 << 62


class RefusedError(Exception):
    """A definite no, with its HTTP status and text."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Venue:
    """One market day, one account. ``analyze`` is the process-wide analyzer switch."""

    def __init__(
        self,
        day: MarketDay,
        profile: Profile,
        *,
        start_ms: int,
        seed: int,
        user: str,
        model: ExchangeModel | None,
    ) -> None:
        self.day = day
        self.profile = profile
        self.analyze = profile.analyze
        self.user = user
        self.now_ms = start_ms
        self.market = Market(day)
        self.books = Books()
        self.audit = Audit()
        # Without latency every answer is there at once and becomes the HTTP reply.
        model = replace(model or ExchangeModel(), latency_ms=0)
        self.exchange = Exchange(day.contracts, model)
        # Whether anything trades; while it does not, orders rest.
        self.trades: Callable[[], bool] = lambda: True
        # What becomes of a row of the tape before it is played; None for one that is left out.
        self.bend: Callable[[TapeRow], TapeRow | None] = lambda row: row
        self._random = random.Random(seed)
        self._tape: Iterator[TapeRow] = rows(day)
        self._next: TapeRow | None = next(self._tape, None)
        self._outbox: list[dict[str, Any]] = []
        self._square_off_ms = at_ist(day.date, SQUARE_OFF)

    # ------------------------------------------------------------ time

    @property
    def over(self) -> bool:
        """Whether the tape is played to its end."""
        return self._next is None

    @property
    def next_tick_ms(self) -> int:
        """The instant of the next tick, far away when the tape is over."""
        return self._next[0] if self._next else _NEVER_MS

    def play_to(self, to_ms: int, on_tick: Callable[[str], None] | None = None) -> None:
        """Play everything up to and including an instant; the callback hears each tick's symbol."""
        while self._next is not None and self._next[0] <= to_ms:
            at_ms = self._next[0]
            self._square_off_until(at_ms)
            self.now_ms = max(self.now_ms, at_ms)
            row = self.bend(self._next)
            self._next = next(self._tape, None)
            if row is None:
                continue
            self.tick(row)
            if on_tick is not None:
                on_tick(row[1])
        self._square_off_until(to_ms)
        self.now_ms = max(self.now_ms, to_ms)

    def tick(self, row: TapeRow) -> None:
        """Take one tick, of the tape or made up by a test, at its own instant."""
        at_ms, symbol, ltp, bid, ask, bid_quantity, ask_quantity, volume = row
        self.market.by_symbol[symbol].take(row)
        self.exchange.on_tick(
            Tick(
                at_ms=at_ms,
                symbol=symbol,
                ltp_paise=ltp,
                bid_paise=bid or None,
                ask_paise=ask or None,
                bid_quantity=bid_quantity or None,
                ask_quantity=ask_quantity or None,
                volume=None if volume < 0 else volume,
            )
        )
        if self.exchange.due_ms <= at_ms:
            self._absorb(None)

    def _square_off_until(self, to_ms: int) -> None:
        """The analyzer's intraday square-off at 15:15, looked after again each minute."""
        while self._square_off_ms <= to_ms:
            self.now_ms = max(self.now_ms, self._square_off_ms)
            if self.analyze and self.profile.squares_off:
                self.square_off("MIS")
            self._square_off_ms += MINUTE_MS

    def square_off(self, product: str | None) -> tuple[list[BookOrder], list[str]]:
        """Close positions at the market; for one product its resting orders go first.

        Returns the exit orders and the texts of refused ones.
        """
        if product is not None:
            for order in list(self.books.orders.values()):
                if order.product == product and not order.over:
                    self.cancel(order.orderid)
        exits, failures = [], []
        for held in list(self.books.positions.values()):
            most = self.day.contracts[held.symbol].order_quantity_max
            while held.quantity and product in (None, held.product):
                quantity = min(abs(held.quantity), most)
                try:
                    exits.append(self.place(_exit(held, quantity)))
                except RefusedError as refusal:
                    failures.append(f"{held.symbol}: {refusal.message}")
                    break
                if exits[-1].remaining:
                    break  # What the quote could not fill rests; more of it would oversell.
        return exits, failures

    # ------------------------------------------------------------ orders

    def place(self, request: dict[str, Any]) -> BookOrder:
        """Place an order from a checked body.

        Raises RefusedError; a refused order leaves no row in the books.
        """
        instrument = self.market.find(request["symbol"], request["exchange"])
        if instrument is None or instrument.exchange == INDEX_EXCHANGE:
            raise RefusedError(
                400, f"Symbol {request['symbol']} not found on {request['exchange']}"
            )
        self._check(request, instrument.ltp)
        order = BookOrder(
            orderid=self._order_id(),
            symbol=request["symbol"],
            exchange=request["exchange"],
            action=Side(request["action"].upper()),
            quantity=request["quantity"],
            price_paise=paise(request["price"]),
            trigger_paise=paise(request["trigger_price"]),
            pricetype=request["pricetype"],
            product=request["product"],
            strategy=request["strategy"],
            placed_ms=self.now_ms,
            changed_ms=self.now_ms,
            reference_paise=instrument.ltp,
        )
        market = order.pricetype == "MARKET"
        command = PlaceOrder(
            order_id=order.orderid,
            symbol=order.symbol,
            side=order.action,
            order_type=OrderType(order.pricetype),
            purpose=Purpose.ENTRY,
            quantity=order.quantity,
            trigger_price_paise=order.trigger_paise if order.pricetype == "SL" else 0,
            limit_price_paise=0 if market else order.price_paise,
        )
        self._send(command, order)
        if self.profile.fills_at_placement and self.trades():
            self.exchange.match_now(order.exchange_id, self.now_ms)
            self._absorb(None)
        return order

    def modify(self, request: dict[str, Any]) -> BookOrder:
        """Change an order. The analyzer changes quantity and prices only and ignores the rest."""
        order = self._order(request["orderid"], "modify")
        if request["pricetype"] in ("MARKET", "SL-M") and request["price"]:
            raise RefusedError(400, f"{request['pricetype']} orders do not accept a price")
        self._check_lot(order.symbol, request["quantity"])
        if self.analyze:
            pricetype = order.pricetype
            price = paise(request["price"]) or order.price_paise
            trigger = paise(request["trigger_price"]) or order.trigger_paise
        else:
            pricetype = self._known_type(request["pricetype"])
            price, trigger = paise(request["price"]), paise(request["trigger_price"])
        self._send(
            ModifyOrder(
                order_id=order.orderid,
                broker_order_id=order.exchange_id,
                symbol=order.symbol,
                side=order.action,
                order_type=OrderType(pricetype),
                quantity=request["quantity"],
                trigger_price_paise=trigger if pricetype == "SL" else 0,
                limit_price_paise=0 if pricetype == "MARKET" else price,
            )
        )
        order.pricetype, order.quantity = pricetype, request["quantity"]
        order.price_paise, order.trigger_paise = price, trigger
        order.changed_ms = self.now_ms
        return order

    def cancel(self, orderid: str) -> BookOrder:
        """Cancel an order; doing it twice is refused, as the gateway refuses it."""
        order = self._order(orderid, "cancel")
        self._send(CancelOrder(order_id=orderid, broker_order_id=order.exchange_id))
        return order

    def execute(self, orderid: str, quantity: int, price_paise: int) -> None:
        """Let the exchange trade a part of an order, whatever its state."""
        self.exchange.execute(
            self.books.orders[orderid].exchange_id, quantity, price_paise, self.now_ms
        )
        self._absorb(None)

    def reject(self, orderid: str, message: str) -> None:
        """Let the broker throw out an order that it had taken."""
        self.exchange.reject(self.books.orders[orderid].exchange_id, message, self.now_ms)
        self._absorb(None)

    def take_updates(self) -> list[dict[str, Any]]:
        """The order updates that nobody has published yet, oldest first."""
        taken, self._outbox = self._outbox, []
        return taken

    # ------------------------------------------------------------ inside

    def _send(self, command: Command, placed: BookOrder | None = None) -> None:
        self.exchange.send(command, self.now_ms)
        self._absorb(placed)

    def _absorb(self, placed: BookOrder | None) -> None:
        """Take what the exchange says now; raises RefusedError when it refused the command."""
        refusal: str | None = None
        for at_ms, event in self.exchange.advance(self.now_ms):
            match event:
                case OrderAccepted() if placed is not None:
                    self.books.add(placed, event.broker_order_id)
                    # Booked as nothing yet, so that its first status counts as news.
                    placed.status = BrokerStatus.UNCLEAR
                case OrderRefused():
                    refusal = event.message
                case OrderUpdated():
                    self._note(event, at_ms)
                    changed = self.books.take(event, at_ms, self._trade_id(at_ms))
                    if changed is not None:
                        self._outbox.append(order_update(changed, self.analyze, self))
        if refusal is not None:
            raise RefusedError(400, refusal)

    def _note(self, event: OrderUpdated, at_ms: int) -> None:
        orderid = self.books.known_as(event.broker_order_id).orderid
        resting = self.exchange.orders[event.broker_order_id]
        self.audit.order(event, at_ms, orderid, resting.side, resting.order_type)

    def _check(self, request: dict[str, Any], ltp: int) -> None:
        pricetype, product = request["pricetype"], request["product"]
        if product == "CNC":
            raise RefusedError(
                400,
                f"CNC product not allowed for {request['exchange']} derivatives segment. "
                "Use NRML for carryforward or MIS for intraday.",
            )
        self._known_type(pricetype)
        if pricetype != "MARKET" and not request["price"]:
            raise RefusedError(400, f"{pricetype} orders require price")
        if pricetype == "SL" and not request["trigger_price"]:
            raise RefusedError(400, "SL orders require trigger_price")
        self._check_lot(request["symbol"], request["quantity"])
        if product == "MIS" and self.analyze and self.profile.squares_off:
            time = ist_datetime(self.now_ms).time()
            held = self.books.held(request["symbol"], product)
            buys = request["action"].upper() == "BUY"
            reduces = held < 0 if buys else held > 0
            if not MIS_OPEN <= time < SQUARE_OFF and not reduces:
                raise RefusedError(400, _MIS_CLOSED)
        if pricetype == "MARKET" and ltp <= 0:
            raise RefusedError(
                400,
                f"Cannot place MARKET order for {request['symbol']} - unable to fetch current "
                "price. Please try again later or use LIMIT order with a specific price.",
            )

    def _check_lot(self, symbol: str, quantity: int) -> None:
        lot = self.day.contracts[symbol].lot_size
        if quantity % lot:
            raise RefusedError(400, f"Quantity must be in multiples of lot size {lot}")

    @staticmethod
    def _known_type(pricetype: str) -> str:
        # NSE bans SL-M on options, and the built-in exchange has no such order.
        if pricetype == "SL-M":
            raise RefusedError(400, "SL-M orders are blocked for options; use SL")
        return pricetype

    def _order(self, orderid: str, verb: str) -> BookOrder:
        order = self.books.orders.get(orderid)
        if order is None:
            raise RefusedError(404, f"Order {orderid} not found")
        if order.over:
            raise RefusedError(400, f"Cannot {verb} order in {order.status} status")
        return order

    def _order_id(self) -> str:
        """Date, six digits that would be microseconds, two at random: not in order of time."""
        while True:
            number = f"{ist_datetime(self.now_ms):%y%m%d}{self._random.randrange(10**8):08d}"
            if number not in self.books.orders:
                return number

    def _trade_id(self, at_ms: int) -> str:
        return f"TRADE-{ist_datetime(at_ms):%Y%m%d-%H%M%S}-{self._random.getrandbits(32):08x}"


def _exit(held: BookPosition, quantity: int) -> dict[str, Any]:
    return {
        "strategy": SQUARE_OFF_STRATEGY,
        "symbol": held.symbol,
        "exchange": held.exchange,
        "action": "SELL" if held.quantity > 0 else "BUY",
        "quantity": quantity,
        "pricetype": "MARKET",
        "product": held.product,
        "price": 0.0,
        "trigger_price": 0.0,
    }
