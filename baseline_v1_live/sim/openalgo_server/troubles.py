"""Makes troubles of the catalogue happen to the gateway's calls, orders and messages, by name.

When one strikes is said by an ``Odds``: the plan of a simulated day, or what was ordered at
``POST /sim/fault``. Everything by chance comes from one generator, in the order in which things happen.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from baseline_v1_live.core.messages import OrderType, Side
from baseline_v1_live.sim.openalgo_server.rest import Answering, Served
from baseline_v1_live.sim.openalgo_server.stream import MODES, Stream
from baseline_v1_live.sim.openalgo_server.trouble_books import BOOKS, BROKEN, BookLies, Odds
from baseline_v1_live.sim.openalgo_server.venue import Venue
from baseline_v1_live.sim.resting_order import RestingOrder

ORDERS = frozenset({"placeorder", "modifyorder", "cancelorder"})
LATE_MAX_S = 130.0
_PRICES = frozenset({"quotes", "multiquotes", "depth", "history", "margin", "funds"})
# What the gateway answers out of its own tables, without the broker.
_OWN = frozenset({"ping", "analyzer", "symbol", "search", "expiry", "instruments", "holidays"})
_HTML = "<!doctype html>\n<html><head><title>502 Bad Gateway</title></head></html>\n"
_UPDATE, _PRICE, _OPTION = b'"type":"order_update"', b'"market_data"', b'"exchange":"NFO"'
_TICKS_KEPT = 50

Later = Callable[[float, Callable[[], None]], None]


class Fate(NamedTuple):
    """How a request fares on the wire, in seconds beyond the wire's own.

    ``refused``: nobody listens. ``lost``: it never arrives. ``deaf``: it is carried out and its answer
    is lost. The last two end when the caller's patience does, or with a reset after ``reset_s``.
    """

    out_s: float = 0.0
    back_s: float = 0.0
    refused: bool = False
    lost: bool = False
    deaf: bool = False
    reset_s: float | None = None


class Troubles:
    """``later`` does something to the market after so many simulated seconds and publishes it."""

    def __init__(
        self, venue: Venue, stream: Stream, odds: Odds, chance: random.Random, later: Later
    ) -> None:
        self.ticks: deque[bytes] = deque(maxlen=_TICKS_KEPT)
        self._venue, self._stream = venue, stream
        self._odds, self._chance, self._later = odds, chance, later
        self._books = BookLies(venue, odds, chance)
        self._stalled: bytes | None = None
        venue.exchange.refusal_at_trigger = self._refusal_at_trigger
        stream.refuses_mode = self._refuses_mode

    # ------------------------------------------------------------ the wire

    def fate(self, endpoint: str) -> Fate:
        """The fate of a request that leaves now."""
        odds, chance = self._odds, self._chance
        if odds.during("gateway_down"):
            odds.count("gateway_down")
            return Fate(refused=True)
        if odds.during("gateway_hangs"):
            odds.count("gateway_hangs")
            return Fate(lost=True)
        if endpoint in ORDERS:
            reset_s = chance.choice((None, 0.2))
            if odds.strikes("answer_lost"):
                return Fate(deaf=True, reset_s=reset_s)
            if odds.strikes("request_lost"):
                return Fate(lost=True, reset_s=reset_s)
            if odds.strikes("acceptance_late"):
                late_s = chance.choice((chance.uniform(1, 15), chance.uniform(15, LATE_MAX_S)))
                return Fate(out_s=late_s)
        if odds.strikes("answer_late"):
            return Fate(back_s=chance.uniform(0.5, 20))
        return Fate()

    def carry(self, message: bytes, post: Callable[[bytes], None]) -> None:
        """Have one message reach one client: now, later, twice, changed, or never."""
        odds, chance = self._odds, self._chance
        if odds.during("gateway_down") or odds.during("gateway_hangs"):
            return
        if self._silent(message):
            return
        if _UPDATE in message:
            if odds.strikes("updates_lost"):
                return
            if odds.strikes("updates_twice"):
                self._later(chance.uniform(0, 5), lambda: post(message))
            elif odds.strikes("updates_shuffled"):
                self._later(chance.uniform(0, 60), lambda: post(message))
                return
        elif _PRICE in message:
            if self._stalls(message):
                return
            if chance.random() < 0.02:
                self.ticks.append(message)
            if _OPTION in message:
                message = self._misquoted(message)
        post(message)

    def _silent(self, message: bytes) -> bool:
        """Whether it is news, and the stream answers its client and tells of nothing."""
        if _UPDATE in message or _PRICE in message:
            for name in ("stream_silent", "token_dead"):
                if self._odds.during(name):
                    self._odds.count(name)
                    return True
        return False

    def _stalls(self, message: bytes) -> bool:
        """Whether it is a price of the one symbol whose prices have stopped: one that matters, if any."""
        if not self._odds.during("symbol_stalled"):
            self._stalled = None
            return False
        if self._stalled is None:
            books = self._venue.books
            busy = {order.symbol for order in books.orders.values() if not order.over}
            busy |= {held.symbol for held in books.positions.values() if held.quantity}
            symbols = sorted(busy) or sorted(self._venue.day.contracts)
            self._stalled = self._chance.choice(symbols).encode()
        if self._stalled not in message:
            return False
        self._odds.count("symbol_stalled")
        return True

    def _misquoted(self, message: bytes) -> bytes:
        if self._odds.strikes("index_on_option"):
            body = json.loads(message)
            body["data"]["ltp"] = self._venue.market.index_paise / 100
            return _packed(body)
        if b'"depth":{' in message and self._odds.strikes("no_quotes"):
            body = json.loads(message)
            nothing = [{"price": 0.0, "quantity": 0, "orders": 0}]
            body["data"]["depth"] = {"buy": nothing * 5, "sell": nothing * 5}
            return _packed(body)
        return message

    def _refuses_mode(self, mode: int) -> bool:
        return mode == MODES["DEPTH"] and self._odds.strikes("depth_refused")

    # ------------------------------------------------------------ the gateway

    async def answer(self, endpoint: str, text: str, remote: str, then: Answering) -> Served:
        """One call at the gateway, which ``then`` answers; spoilt where a trouble strikes."""
        refusal = self._refusal(endpoint, text)
        if refusal is not None:
            return refusal
        carried_out = self._chance.random() < 0.5
        spoilt = self._spoilt(endpoint)
        if spoilt is not None and not carried_out and endpoint in ORDERS:
            return spoilt
        self._before(endpoint, text)
        served = await then(endpoint, text, remote)
        self._after(endpoint, served)
        if spoilt is not None:
            return spoilt
        if served.status != 200 or served.cut:
            return served
        if endpoint in ORDERS:
            return self._mutilated(endpoint, served)
        if endpoint in BOOKS:
            return self._books.told(endpoint, served)
        return self._misread(endpoint, served)

    def _refusal(self, endpoint: str, text: str) -> Served | None:
        """What the gateway says before it looks at a call at all."""
        odds = self._odds
        if odds.during("rate_limited"):
            odds.count("rate_limited")
            return Served(429, '{"message": "10 per 1 second"}')
        if odds.during("login_over"):
            odds.count("login_over")
            return _error(403, "Invalid openalgo apikey")
        if endpoint not in _OWN and odds.during("token_dead"):
            odds.count("token_dead")
            return _error(self._chance.choice((200, 401, 500)), "Token is invalid or has expired.")
        if endpoint in ORDERS and odds.during("orders_forbidden"):
            odds.count("orders_forbidden")
            return _error(403, "This IP address is not allowed to place orders")
        if endpoint != "placeorder":
            return None
        sells = '"SELL"' in text
        if sells and odds.during("margin_short"):
            odds.count("margin_short")
            return _error(400, "RMS: margin exceeds, cash available 0.00")
        stop = not sells and '"SL"' in text
        if stop and odds.strikes("stop_refused"):
            return _error(400, "RMS: stop orders are blocked")
        if not stop and odds.strikes("refused"):
            return _error(400, "RMS: margin exceeds")
        return None

    def _spoilt(self, endpoint: str) -> Served | None:
        if endpoint in ORDERS or endpoint == "orderstatus":
            if self._odds.strikes("error_500"):
                return Served(500, BROKEN)
            if self._odds.strikes("html"):
                return Served(502, _HTML, "text/html")
        return None

    def _mutilated(self, endpoint: str, served: Served) -> Served:
        """The answer to an order message that was carried out."""
        if self._odds.strikes("cut_json"):
            return served._replace(text=served.text[: len(served.text) // 2])
        if endpoint == "placeorder" and self._odds.strikes("no_id"):
            body = json.loads(served.text)
            body.pop("orderid", None)
            return served._replace(text=json.dumps(body))
        return served

    def _misread(self, endpoint: str, served: Served) -> Served:
        """The answer to a question that is for none of the books."""
        odds = self._odds
        if endpoint == "orderstatus" and odds.strikes("order_question_fails"):
            return Served(500, BROKEN)
        if endpoint in _PRICES and odds.strikes("prices_fail"):
            return Served(500, BROKEN)
        if endpoint == "funds" and odds.during("margin_short"):
            body = json.loads(served.text)
            cash = body["data"]["availablecash"]
            body["data"]["availablecash"] = "0.00" if isinstance(cash, str) else 0.0
            return served._replace(text=json.dumps(body))
        if endpoint == "quotes" and odds.strikes("index_on_option"):
            body = json.loads(served.text)
            body["data"]["ltp"] = self._venue.market.index_paise / 100
            return served._replace(text=json.dumps(body))
        return served

    # ------------------------------------------------------------ what happens to an order

    def _before(self, endpoint: str, text: str) -> None:
        """What the market does just before a request is carried out."""
        if endpoint not in ("cancelorder", "modifyorder"):
            return
        order = self._venue.books.orders.get(str(_asked(text).get("orderid")))
        if order is None or order.over:
            return
        lot = self._venue.day.contracts[order.symbol].lot_size
        price = order.price_paise or order.reference_paise
        if endpoint == "cancelorder":
            if self._odds.strikes("fill_during_cancel"):
                half = max(order.remaining // (2 * lot), 1) * lot
                quantity = self._chance.choice((order.remaining, half))
                self._venue.execute(order.orderid, quantity, price)
        elif order.remaining > lot and self._odds.strikes("fill_during_modify"):
            self._venue.execute(order.orderid, lot, price)

    def _after(self, endpoint: str, served: Served) -> None:
        """What becomes of an order after its message was answered."""
        if served.status != 200 or endpoint not in ("placeorder", "cancelorder"):
            return
        order = self._venue.books.orders.get(str(_asked(served.text).get("orderid")))
        if order is None:
            return
        orderid = order.orderid
        if endpoint == "placeorder":
            if not order.over and self._odds.strikes("rejected_later"):
                self._later(
                    self._chance.uniform(0.05, 3),
                    lambda: self._venue.reject(orderid, "RMS: rejected"),
                )
        elif order.remaining == 0 and self._odds.strikes("fill_after_cancel"):
            left = order.quantity - order.filled_quantity
            price = order.price_paise or order.reference_paise
            self._later(
                self._chance.uniform(0.05, 60),
                lambda: self._venue.execute(orderid, left, price),
            )

    def _refusal_at_trigger(self, order: RestingOrder) -> str | None:
        stop = order.side is Side.BUY and order.order_type is OrderType.SL
        if stop and self._odds.strikes("stop_rejected_at_trigger"):
            return "16283: the order price is outside the price protection range"
        return None


def _error(status: int, message: str) -> Served:
    return Served(status, json.dumps({"status": "error", "message": message}))


def _asked(text: str) -> dict[str, Any]:
    """A JSON object; an empty one where it is none."""
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _packed(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
