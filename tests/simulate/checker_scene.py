"""An account without a bot for the checker to look at: a real exchange's books on a simulated clock."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import Session
from baseline_v1_live.sim.exchange import ExchangeModel
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.sim.openalgo_server.profiles import named_profile
from baseline_v1_live.sim.openalgo_server.rest import Served
from baseline_v1_live.sim.openalgo_server.rows import order_update
from baseline_v1_live.sim.small_day import small_day
from baseline_v1_live.simulate.chaos import BY_HAND, Chaos
from baseline_v1_live.simulate.check_end import End
from baseline_v1_live.simulate.check_news import Cause
from baseline_v1_live.simulate.checker import Checker
from baseline_v1_live.simulate.loop import run_simulated
from baseline_v1_live.simulate.observe import Call
from baseline_v1_live.simulate.plan import draw
from baseline_v1_live.simulate.world import World

LOT = 65
MINUTE_MS = 60_000
CALL, OTHER_CALL, PUT = "NIFTY01DEC2626000CE", "NIFTY01DEC2626050CE", "NIFTY01DEC2626000PE"
OURS = "baseline_v1"


class Scene:
    """What tests do to the account and on the wire; ``checker`` looks on."""

    def __init__(self, rules: Rules | None = None) -> None:
        day = small_day(1, minutes=40)
        self.open_ms = int(day.at_ms[0]) // MINUTE_MS * MINUTE_MS
        self.world = World(
            day, named_profile("threaded"), ExchangeModel(), start_ms=self.open_ms, seed=1
        )
        self.chaos = Chaos(draw(1, ()), self.open_ms)
        self.chaos.attach(self.world)
        self.checker = Checker(self.world, self.chaos, rules or Rules(), self.open_ms)
        self.unintended = False
        self.session = Session(
            date=dt.date(2026, 11, 26),
            open_ms=self.open_ms,
            close_ms=self.open_ms + 40 * MINUTE_MS,
            first_entry_ms=self.open_ms + MINUTE_MS,
            last_entry_ms=self.open_ms + 20 * MINUTE_MS,
            square_off_ms=self.open_ms + 30 * MINUTE_MS,
            hard_cut_ms=self.open_ms + 35 * MINUTE_MS,
        )

    async def wait(self, seconds: float) -> None:
        """Time passes; the checker looks each second, without a bot that could be excused."""
        end = self.world.loop.time() + seconds
        while self.world.loop.time() < end:
            await asyncio.sleep(min(1.0, end - self.world.loop.time()))
            # The exchange's time passes, and no tick of its tape is played.
            self.world.venue.now_ms = self.world.now_ms
            self.checker.reach.bot_down_ms = 0
            self._look()

    def _look(self) -> None:
        """What the checker looks at each second, all but the bot."""
        checker = self.checker
        for symbol, held in checker.ledger.symbols.items():
            checker._look_at(symbol, held)
        checker._entries.look(checker.ledger)
        checker._lasting.look()

    def said(self) -> set[str]:
        """The invariants that did not hold."""
        return {violation.invariant for violation in self.checker.violations}

    # ------------------------------------------------------------ the account

    def order(self, side: str, kind: str, lots: int = 10, **values: Any) -> BookOrder:
        """A new order at the exchange, ours unless ``strategy`` says otherwise, and its placement was
        answered unless ``answered`` says otherwise.
        """
        answered = values.pop("answered", True)
        price = 104.0 if side == "BUY" else 90.0
        trigger = (price - 3.0 if side == "BUY" else price + 3.0) if kind == "SL" else 0.0
        request = {
            "strategy": OURS,
            "symbol": CALL,
            "exchange": "NFO",
            "action": side,
            "quantity": lots * LOT,
            "pricetype": kind,
            "product": "MIS",
            "price": price,
            "trigger_price": trigger,
        }
        order = self.world.venue.place(request | values)
        if side == "SELL" and kind == "SL" and not self.unintended:
            self.checker._intents.leaves(order.symbol, order.orderid, order.quantity)
        if answered:
            self.checker.news.answered(order.orderid, Cause.ARRIVED)
        return order

    def entry(self, lots: int = 10, **values: Any) -> BookOrder:
        """An entry of ours that rests."""
        return self.order("SELL", "SL", lots, **values)

    def stop(self, lots: int = 10, **values: Any) -> BookOrder:
        """A protective stop of ours that rests."""
        return self.order("BUY", "SL", lots, **values)

    def fill(self, order: BookOrder, lots: int | None = None, *, late: bool = False) -> None:
        """The exchange trades an order; ``late``: as something that nobody could foresee."""
        venue = self.world.venue
        units = order.remaining if lots is None else lots * LOT
        if late:
            venue.execute(order.orderid, units, 10_000)
        else:
            venue.exchange.execute(order.exchange_id, units, 10_000, self.world.now_ms)
            venue._absorb(None)

    def cancel(self, order: BookOrder) -> None:
        """Take an order out."""
        self.world.venue.cancel(order.orderid)

    def by_hand(self, side: str, lots: int) -> None:
        """Somebody else trades."""
        price = 95.0 if side == "BUY" else 99.0
        order = self.order(side, "LIMIT", lots, strategy=BY_HAND, price=price)
        self.fill(order)

    def short(self, lots: int = 10, symbol: str = CALL) -> None:
        """A position of ours."""
        self.fill(self.entry(lots, symbol=symbol))

    def tick(self, paise: int, *, ask: int | None = None, shown: bool = True) -> None:
        """CALL trades; ``shown``: the bot gets the price."""
        ask = paise if ask is None else ask
        now = self.world.now_ms
        self.world.venue.now_ms = now
        self.world.venue.tick((now, CALL, paise, paise - 5, ask, 10_000, 10_000, -1))
        self.world.venue._absorb(None)
        if shown:
            self.checker._standing.shown_paise[CALL] = paise

    def tell(self, order: BookOrder) -> None:
        """The stream tells the bot of an order as it is."""
        update = order_update(order, False, self.world.venue)
        self.checker.news.told(json.dumps(update, separators=(",", ":")).encode())

    # ------------------------------------------------------------ the wire

    def send(self, endpoint: str, *, lost: bool = False, **body: Any) -> Call:
        """A request leaves."""
        call = self.call(endpoint, lost=lost, **body)
        self.checker.sent(call)
        return call

    @staticmethod
    def call(endpoint: str, *, lost: bool = False, **body: Any) -> Call:
        """A request that nobody was told of."""
        return Call(endpoint, json.dumps(body), refused=False, lost=lost)

    def answer(self, call: Call, status: int = 200, body: Any = None) -> None:
        """Its answer comes."""
        self.checker.ended(call, self.served(status, body))

    @staticmethod
    def served(status: int = 200, body: Any = None) -> Served:
        """An answer."""
        known = {"status": "success", "orderid": "1", "data": []}
        return Served(status, json.dumps(known if body is None else body))

    def read_books(self, *, fails: bool = False) -> None:
        """The bot reads all three books, rightly or not at all."""
        books = {book: self.send(book) for book in ("orderbook", "tradebook", "positionbook")}
        for book, call in books.items():
            if not fails:
                self.chaos.books_ok_ms[book] = self.world.now_ms
            self.answer(call, 500 if fails else 200)


def played(story: Callable[[Scene], Awaitable[None]], rules: Rules | None = None) -> set[str]:
    """Play a story with a scene; the invariants that did not hold in it."""
    made: list[Scene] = []

    async def whole() -> None:
        made.append(Scene(rules))
        await story(made[0])

    run_simulated(whole())
    return made[0].said()


def end_of(scene: Scene, folder: Path) -> End:
    """The checker's look at the end of a day whose state is in a folder."""
    checker = scene.checker
    return End(
        scene.world,
        checker.findings,
        checker.ledger,
        folder,
        answers=checker._answers,
        loss=checker._loss,
    )
