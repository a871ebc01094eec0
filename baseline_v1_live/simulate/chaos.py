"""Makes a plan's troubles happen: on the wire, at the gateway, in the market, on the disk, by hand.

It is the Wire and the Disk of a simulated machine. Everything by chance comes from one generator, in the
order in which things happen, so a seed is one story.
"""

from __future__ import annotations

import json
import random
from collections import Counter, deque
from collections.abc import Callable
from contextvars import Context
from typing import Any

from baseline_v1_live.core.session import SECOND_MS
from baseline_v1_live.sim.openalgo_server.rest import Served
from baseline_v1_live.sim.openalgo_server.venue import RefusedError
from baseline_v1_live.simulate.network import Passage
from baseline_v1_live.simulate.plan import Plan
from baseline_v1_live.simulate.world import World

ORDERS = frozenset({"placeorder", "modifyorder", "cancelorder"})
BOOKS = frozenset({"orderbook", "tradebook", "positionbook"})
BY_HAND = "by hand"
_HTML = "<!doctype html>\n<html><head><title>502 Bad Gateway</title></head></html>\n"
_BROKEN = '{"status": "error", "message": "An unexpected error occurred"}'
_NO_LOGIN = '{"status": "error", "message": "Invalid openalgo apikey"}'
_LATE_MAX_S = 130.0


class _KilledError(BaseException):
    """Unwinds what called the disk; nothing of its process runs after that."""


class Chaos:
    """``fired`` counts by trouble, ``spoilt_ms`` has the instants of the last call of an order or a book
    that went wrong, by what it was about.
    """

    def __init__(self, plan: Plan, open_ms: int) -> None:
        self.plan = plan
        self.fired: Counter[str] = Counter()
        self.spoilt_ms = 0
        self.books_ok_ms: dict[str, int] = {}
        self.log: Callable[[str], None] = lambda _: None
        self.on_trade: Callable[[str], None] = lambda _: None
        self.kill_at_next_commit: Callable[[], None] | None = None
        self._open_ms = open_ms
        self._chance = random.Random(f"chaos of {plan.seed}")
        self._world: World | None = None
        self._ticks: deque[bytes] = deque(maxlen=50)
        self._emptied: set[str] = set()
        self._stalled = ""

    def attach(self, world: World) -> None:
        """The world whose gateway it troubles."""
        self._world = world
        symbols = sorted(world.venue.day.contracts)
        self._stalled = self._chance.choice(symbols)

    # ------------------------------------------------------------ asking

    @property
    def world(self) -> World:
        """The world, once it is attached."""
        assert self._world is not None
        return self._world

    @property
    def healed(self) -> bool:
        """Whether nothing goes wrong any more."""
        return self._since_open_ms >= self.plan.heal_ms

    @property
    def _since_open_ms(self) -> int:
        return self.world.now_ms - self._open_ms

    def during(self, name: str) -> bool:
        """Whether a period of this trouble lasts now."""
        now = self._since_open_ms
        return any(w.name == name and w.from_ms <= now < w.to_ms for w in self.plan.windows)

    def strikes(self, name: str) -> bool:
        """Whether a trouble strikes this time; counted if so."""
        chance = self.plan.chances.get(name, 0.0)
        if not chance or self.healed or self._chance.random() >= chance:
            return False
        self.count(name)
        return True

    def count(self, name: str) -> None:
        """A trouble has struck."""
        self.fired[name] += 1
        self.log(f"trouble {name}")

    # ------------------------------------------------------------ the wire

    def passage(self, endpoint: str, body: str) -> Passage:  # noqa: ARG002
        """The fate of a request that leaves now."""
        chance = self._chance
        out_s, back_s = chance.uniform(0.001, 0.03), chance.uniform(0.001, 0.03)
        if self.during("gateway_down"):
            self.count("gateway_down")
            return self._spoil(Passage(out_s=out_s, back_s=back_s, refused=True))
        if self.during("gateway_hangs"):
            self.count("gateway_hangs")
            return self._spoil(Passage(out_s=out_s, back_s=back_s, lost=True))
        if endpoint in ORDERS:
            reset_s = chance.choice((None, 0.2))
            if self.strikes("answer_lost"):
                return self._spoil(Passage(out_s=out_s, back_s=0, deaf=True, reset_s=reset_s))
            if self.strikes("request_lost"):
                return self._spoil(Passage(out_s=out_s, back_s=0, lost=True, reset_s=reset_s))
            if self.strikes("acceptance_late"):
                late_s = chance.choice((chance.uniform(1, 15), chance.uniform(15, _LATE_MAX_S)))
                return self._spoil(Passage(out_s=late_s, back_s=back_s), late_s)
        if self.strikes("answer_late"):
            late_s = chance.uniform(0.5, 20)
            return self._spoil(Passage(out_s=out_s, back_s=late_s), late_s)
        return Passage(out_s=out_s, back_s=back_s)

    def messages_s(self, message: bytes | None) -> list[float]:
        """After how long each copy of a message of the stream arrives; none: it is lost."""
        delay_s = self._chance.uniform(0.001, 0.02)
        if message is None or self._world is None:
            return [delay_s]
        if b'"type":"order_update"' in message:
            if self.strikes("updates_lost"):
                return []
            if self.strikes("updates_twice"):
                return [delay_s, delay_s + self._chance.uniform(0, 5)]
            if self.strikes("updates_shuffled"):
                return [delay_s + self._chance.uniform(0, 60)]
        elif b'"market_data"' in message:
            if self.during("stream_silent"):
                self.count("stream_silent")
                return []
            if self.during("symbol_stalled") and self._stalled.encode() in message:
                self.count("symbol_stalled")
                return []
            if self._chance.random() < 0.02:
                self._ticks.append(message)
        return [delay_s]

    @property
    def stream_up(self) -> bool:
        """Whether the stream can be reached."""
        return not (self.during("gateway_down") or self.during("gateway_hangs"))

    def _spoil(self, passage: Passage, for_s: float = 15.0) -> Passage:
        self.spoilt_ms = max(self.spoilt_ms, self.world.now_ms + round(for_s * SECOND_MS))
        return passage

    # ------------------------------------------------------------ the gateway

    @property
    def context(self) -> Context:
        """That of the gateway's own tasks."""
        return self.world.context

    def join(self, deliver: Callable[[bytes | None], None]) -> Callable[[str | None], None]:
        """A client of the stream has come."""
        return self.world.join(deliver)

    async def answer(self, endpoint: str, text: str, remote: str) -> Served:
        """One call at the gateway, spoilt where the plan says so."""
        refusal = self._refusal(endpoint, text)
        if refusal is not None:
            self.spoilt_ms = max(self.spoilt_ms, self.world.now_ms)
            return refusal
        carried_out = self._chance.random() < 0.5
        spoilt = self._spoilt(endpoint)
        if spoilt is not None and not carried_out and endpoint in ORDERS:
            return spoilt
        self._before(endpoint, text)
        served = await self.world.answer(endpoint, text, remote)
        self._after(endpoint, served)
        if spoilt is not None:
            return spoilt
        if endpoint in ORDERS and served.status == 200:
            if self.strikes("cut_json"):
                return self._bad(served._replace(text=served.text[: len(served.text) // 2]))
            if endpoint == "placeorder" and self.strikes("no_id"):
                body = json.loads(served.text)
                body.pop("orderid", None)
                return self._bad(served._replace(text=json.dumps(body)))
        if endpoint in BOOKS:
            served = self._book(endpoint, served)
        return served

    def _refusal(self, endpoint: str, text: str) -> Served | None:
        if self.during("rate_limited"):
            self.count("rate_limited")
            return Served(429, '{"message": "10 per 1 second"}')
        if self.during("login_over"):
            self.count("login_over")
            return Served(403, _NO_LOGIN)
        if endpoint == "placeorder":
            stop = '"BUY"' in text and '"SL"' in text
            if stop and self.strikes("stop_refused"):
                return Served(400, '{"status": "error", "message": "RMS: stop orders are blocked"}')
            if not stop and self.strikes("refused"):
                return Served(400, '{"status": "error", "message": "RMS: margin exceeds"}')
        return None

    def _spoilt(self, endpoint: str) -> Served | None:
        if endpoint not in ORDERS and endpoint != "orderstatus":
            return None
        if self.strikes("error_500"):
            return self._bad(Served(500, _BROKEN))
        if self.strikes("html"):
            return self._bad(Served(502, _HTML, "text/html"))
        return None

    def _book(self, endpoint: str, served: Served) -> Served:
        if served.status != 200:
            return served
        if self.strikes("book_fails"):
            return self._bad(Served(500, _BROKEN))
        # A book that lies twice in a row is told from the truth by nobody.
        if not self._emptied and self.strikes("book_empty"):
            self._emptied.add(endpoint)
            body = json.loads(served.text)
            empty: Any = {"orders": [], "statistics": {}} if endpoint == "orderbook" else []
            return self._bad(served._replace(text=json.dumps(body | {"data": empty})))
        if endpoint in self._emptied:
            self._emptied.clear()
        self.books_ok_ms[endpoint] = self.world.now_ms
        return served

    def _bad(self, served: Served) -> Served:
        self.spoilt_ms = max(self.spoilt_ms, self.world.now_ms)
        return served

    def _before(self, endpoint: str, text: str) -> None:
        """What the market does just before a request is carried out."""
        if endpoint not in ("cancelorder", "modifyorder"):
            return
        order = self.world.venue.books.orders.get(str(json.loads(text).get("orderid")))
        if order is None or order.over:
            return
        price = order.price_paise or order.reference_paise
        if endpoint == "cancelorder" and self.strikes("fill_during_cancel"):
            lots = self._chance.choice((order.remaining, max(order.remaining // 130 * 65, 65)))
            self.world.venue.execute(order.orderid, lots, price)
        elif (
            endpoint == "modifyorder"
            and order.remaining > 65
            and self.strikes("fill_during_modify")
        ):
            self.world.venue.execute(order.orderid, 65, price)

    def _after(self, endpoint: str, served: Served) -> None:
        """What becomes of an order after it was taken."""
        if served.status != 200 or endpoint not in ("placeorder", "cancelorder"):
            return
        orderid = json.loads(served.text).get("orderid")
        order = self.world.venue.books.orders.get(str(orderid))
        if order is None:
            return
        if endpoint == "placeorder":
            if not order.over and self.strikes("rejected_later"):
                self.later(self._chance.uniform(0.05, 3), lambda: self._reject(order.orderid))
        elif order.remaining == 0 and self.strikes("fill_after_cancel"):
            left = order.quantity - order.filled_quantity
            price = order.price_paise or order.reference_paise
            self.later(
                self._chance.uniform(0.05, 60),
                lambda: self.world.venue.execute(order.orderid, left, price),
            )

    def _reject(self, orderid: str) -> None:
        self.world.venue.reject(orderid, "RMS: rejected")

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something to the market after so many seconds."""

        def run() -> None:
            act()
            self.world.catch_up()

        self.world.loop.call_later(seconds, run, context=self.world.context)

    # ------------------------------------------------------------ the disk

    def commit_s(self) -> float:
        """How long the next group of steps takes."""
        if self.during("disk_slow"):
            self.count("disk_slow")
            return self._chance.uniform(0.5, 4)
        return self._chance.uniform(0.001, 0.01)

    def error(self) -> str | None:
        """Why the disk takes nothing now."""
        if self.during("disk_full"):
            self.count("disk_full")
            return "database or disk is full"
        return None

    def at_boundary(self, number: int, *, stored: bool) -> None:  # noqa: ARG002
        """The process is just before or after a commit: where it is to be killed, it is."""
        kill = self.kill_at_next_commit
        if kill is not None and self._chance.random() < 0.5:
            self.kill_at_next_commit = None
            self.count("killed_at_commit")
            kill()
            raise _KilledError

    # ------------------------------------------------------------ people

    def by_hand(self, name: str) -> None:
        """Somebody does something in the broker's own app."""
        venue, chance = self.world.venue, self._chance
        ours = [
            order
            for order in venue.books.orders.values()
            if not order.over
            and order.action == "BUY"
            and order.pricetype == "SL"
            and order.strategy != BY_HAND
        ]
        held = [p for p in venue.books.positions.values() if p.quantity < 0]
        try:
            match name:
                case "closed_by_hand" if held:
                    position = chance.choice(held)
                    lots = -position.quantity // 65
                    self._trade(
                        position.symbol, "BUY", chance.choice((lots, max(lots // 2, 1))) * 65
                    )
                case "added_by_hand" if held:
                    self._trade(chance.choice(held).symbol, "SELL", chance.randint(1, 5) * 65)
                case "stop_cancelled_by_hand" if ours:
                    venue.cancel(chance.choice(ours).orderid)
                case "stop_moved_by_hand" if ours:
                    stop = chance.choice(ours)
                    venue.modify(
                        {
                            "orderid": stop.orderid,
                            "pricetype": "SL",
                            "quantity": stop.quantity,
                            "price": (stop.price_paise + 500) / 100,
                            "trigger_price": (stop.trigger_paise + 500) / 100,
                        }
                    )
                case "order_by_hand":
                    symbol = chance.choice(sorted(venue.day.contracts))
                    ltp = venue.market.by_symbol[symbol].ltp
                    self._trade(symbol, "BUY", 65, price=max(ltp // 2 // 5 * 5, 5) / 100)
                case _:
                    return
        except RefusedError:
            return
        self.count(name)
        self.world.catch_up()

    def _trade(self, symbol: str, side: str, quantity: int, price: float = 0.0) -> None:
        self.world.venue.place(
            {
                "strategy": BY_HAND,
                "symbol": symbol,
                "exchange": "NFO",
                "action": side,
                "quantity": quantity,
                "pricetype": "LIMIT" if price else "MARKET",
                "product": "MIS",
                "price": price,
                "trigger_price": 0.0,
            }
        )

    def bad_ticks(self, name: str) -> None:
        """Ticks that nobody traded go out over the stream."""
        if not self._ticks:
            return
        for message in self._chance.sample(list(self._ticks), min(5, len(self._ticks))):
            if name == "garbage_ticks":
                body = json.loads(message)
                index = self.world.venue.market.by_symbol["NIFTY"].ltp / 100
                body["data"]["ltp"] = self._chance.choice((0, -5, 1e9, index, None, "NaN"))
                message = json.dumps(body).encode()
            for client in list(self.world.stream.clients):
                client.post(message)
        self.count(name)
