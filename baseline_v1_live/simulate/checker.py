"""Looks at the account from outside, and at the engine after every step, and says what must never be.

What the bot believes counts only where a rule is about its decisions; positions, orders and fills are the
exchange's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import BrokerStatus, Command, Event, PlaceOrder, Purpose
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import clock_text
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate.chaos import BOOKS, BY_HAND, Chaos
from baseline_v1_live.simulate.world import World

WITHIN_MS = 5_000
_BOOKS_FRESH_MS = 3_000


class Violation(msgspec.Struct, frozen=True):
    """An invariant that did not hold."""

    invariant: str
    at: str
    what: str


class Checker:
    """``violations`` gathers what was wrong; ``trades`` counts symbols' entries that filled."""

    def __init__(self, world: World, chaos: Chaos, rules: Rules, open_ms: int) -> None:
        self.violations: list[Violation] = []
        self.world, self.chaos, self.rules = world, chaos, rules
        self._open_ms = open_ms
        self._since: dict[tuple[str, str], int] = {}
        self._told: set[tuple[str, str]] = set()
        self._down_ms = 0

    @property
    def trades(self) -> int:
        """Entries of ours that filled at least in part."""
        return sum(
            1
            for order in self.world.venue.books.orders.values()
            if order.strategy != BY_HAND and order.action == "SELL" and order.filled_quantity
        )

    def blame(self, invariant: str, what: str) -> None:
        """Say once that an invariant does not hold; ``what`` begins with what it is about."""
        about = what.split()[0]
        if (invariant, about) not in self._told:
            self._told.add((invariant, about))
            at = clock_text(self.world.now_ms)
            self.violations.append(Violation(invariant, at, what))

    # ------------------------------------------------------------ every step of the engine

    def watch(self, engine: Engine, log: Callable[[str], None]) -> None:
        """Look at every step of an engine from now on."""
        handle = engine.handle

        def step(event: Event) -> tuple[Command, ...]:
            commands = handle(event)
            if commands or type(event).__name__ != "Tick":
                log(f"{msgspec.json.encode(event).decode()} -> {len(commands)}")
                for command in commands:
                    log(f"  {msgspec.json.encode(command).decode()}")
                self._check_step(engine, commands)
            return commands

        engine.handle = step  # type: ignore[method-assign]

    def _check_step(self, engine: Engine, commands: tuple[Command, ...]) -> None:
        for command in commands:
            if isinstance(command, PlaceOrder) and command.purpose is Purpose.ENTRY:
                self._check_entry(engine, command)
        flying = Counter(
            (order.symbol, order.side, order.purpose)
            for order in engine.orders.live()
            if order.state is OrderState.IN_FLIGHT
        )
        for key, many in flying.items():
            if many > 1:
                self.blame("one order in flight", f"{many} of {' '.join(key)}")

    def _check_entry(self, engine: Engine, command: PlaceOrder) -> None:
        now, session = engine.orders.now_ms, engine.session
        if engine.positions.day_exit_reason is not None:
            self.blame("no entry after the day's exit", command.order_id)
        if engine.paused or engine.stopping:
            self.blame("no entry while paused", command.order_id)
        if not session.first_entry_ms <= now < session.last_entry_ms:
            self.blame("no entry outside its hours", command.order_id)
        busy = {order.symbol for order in engine.orders.live(purpose=Purpose.ENTRY)}
        busy |= {position.symbol for position in engine.positions.open.values()}
        if len(busy) > self.rules.positions_max:
            self.blame("limits hold", f"{len(busy)} symbols with {command.order_id}")
        for kind, most in (
            ("CE", self.rules.positions_ce_max),
            ("PE", self.rules.positions_pe_max),
        ):
            if sum(symbol.endswith(kind) for symbol in busy) > most:
                self.blame("limits hold", f"too many {kind} with {command.order_id}")

    # ------------------------------------------------------------ every second of the account

    def look(self, engine: Engine | None) -> None:
        """Look at the account now."""
        if engine is None or not engine.reconciled:
            self._down_ms = self.world.now_ms
        orders = list(self.world.venue.books.orders.values())
        net = {p.symbol: p.quantity for p in self.world.venue.books.positions.values()}
        for symbol in sorted({order.symbol for order in orders}):
            self._look_at(symbol, net.get(symbol, 0), [o for o in orders if o.symbol == symbol])
        entries = Counter(o.symbol for o in orders if _entry(o) and not o.over)
        for symbol, many in entries.items():
            self._lasting("no duplicate entry", symbol, bare=many > 1, what=f"{many} entries work")

    def _look_at(self, symbol: str, net: int, orders: list[BookOrder]) -> None:
        ours = [order for order in orders if order.strategy != BY_HAND]
        ledger = sum(o.filled_quantity if o.action == "SELL" else -o.filled_quantity for o in ours)
        held = max(min(ledger, -net), 0)
        buys = [o for o in ours if o.action == "BUY" and not o.over]
        cover = sum(order.remaining for order in buys)
        stops = sum(o.remaining for o in buys if o.status is BrokerStatus.TRIGGER_PENDING)
        bare = f"short {held}, covered {cover}"
        self._lasting("every short is covered", symbol, bare=cover < held, what=bare)
        self._lasting(
            "no stop without its position", symbol, bare=stops > held, what=f"{stops} for {held}"
        )
        self._lasting(
            "a long of ours is corrected", symbol, bare=net > 0 > ledger, what=f"net {net}"
        )

    def _lasting(self, invariant: str, symbol: str, *, bare: bool, what: str) -> None:
        """Blame what lasts too long although bot and gateway could have mended it."""
        key = (invariant, symbol)
        now = self.world.now_ms
        if not bare:
            self._since.pop(key, None)
            return
        since = self._since.setdefault(key, now)
        books = [self.chaos.books_ok_ms.get(book, 0) for book in BOOKS]
        if now - min(books) > _BOOKS_FRESH_MS + WITHIN_MS:
            self._since[key] = now  # Nobody can know: the books are not to be had.
            return
        if now - max(since, self.chaos.spoilt_ms, self._down_ms) > WITHIN_MS:
            self.blame(invariant, f"{symbol}: {what} for {(now - since) / 1000:.0f} s")

    # ------------------------------------------------------------ the end

    def conclude(self, engine: Engine | None) -> None:
        """After the healed end: flat, and both sides agree."""
        if engine is None:
            self.blame("converges", "no bot runs at the end")
            return
        venue = self.world.venue
        by_hand: Counter[str] = Counter()
        for order in venue.books.orders.values():
            if order.strategy == BY_HAND:
                sign = 1 if order.action == "BUY" else -1
                by_hand[order.symbol] += sign * order.filled_quantity
        for position in venue.books.positions.values():
            if position.quantity and position.quantity != by_hand[position.symbol]:
                self.blame("flat at the end", f"{position.symbol} {position.quantity:+d}")
        for order in venue.books.orders.values():
            if order.strategy != BY_HAND and not order.over:
                self.blame("nothing works at the end", f"{order.symbol} {order.orderid}")
        if not engine.day_over:
            self.blame("the day is over", f"{engine.state} {engine.positions.day_exit_reason}")
        self._compare(engine)

    def _compare(self, engine: Engine) -> None:
        theirs = {o.orderid: o for o in self.world.venue.books.orders.values()}
        for order in engine.orders.orders.values():
            row = theirs.get(order.broker_order_id or "")
            if row is None:
                continue
            if (row.filled_quantity, row.filled_value_paise) != (
                order.filled_quantity,
                order.filled_value_paise,
            ):
                self.blame(
                    "tables equal the books",
                    f"{order.order_id}: {order.filled_quantity} of {row.filled_quantity}",
                )


def _entry(order: BookOrder) -> bool:
    return order.strategy != BY_HAND and order.action == "SELL" and order.pricetype == "SL"
