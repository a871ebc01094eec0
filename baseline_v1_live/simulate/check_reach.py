"""What the bot could reach and know: the gateway as a whole, the books, and each symbol's orders.

It is learned from the wire, call by call. A call about one order that goes wrong excuses what is wrong
with its symbol, and no other.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from baseline_v1_live.core.reconcile import SENT_SHOWS_AFTER_MS
from baseline_v1_live.runtime.records import Step
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.sim.openalgo_server.rest import Served
from baseline_v1_live.simulate.chaos import BOOKS, ORDERS, Chaos
from baseline_v1_live.simulate.observe import Call
from baseline_v1_live.simulate.world import World

SLOW_MS = 1_000
# An exit without an answer reserves its quantity until the gateway's horizon and a few looks are over.
RESERVED_MS = 150_000
_LOOKS_OF_A_LOSS = _LOST_STOPS = 2
_TRIES_EVERY_MS = 10_000
# A row's time is in whole seconds and by another clock (docs/strategy.md, section 11).
_CLOCKS_MS = 120_000
# A refused correction is sent again so late (docs/strategy.md, section 8).
_SOLD_AGAIN_MS = 5_000
# So is a refused exit, and it may wait a second for the disk: just over the five seconds of a cover.
_BOUGHT_AGAIN_MS = 1_100
_BY_THE_BROKER, _ERROR = "RMS", '{"status": "error"'
_GATEWAY_SAYS_NO = frozenset({401, 403, 429, 503})


def asked(call: Call) -> Mapping[str, Any]:
    """A call's body."""
    body: dict[str, Any] = json.loads(call.text)
    return body


class Reserved(NamedTuple):
    """An exit or a correction that has left and whose answer has not come."""

    sent_ms: int
    symbol: str
    action: str
    quantity: int
    strategy: str


class Reach:
    """An observer of the wire. ``excused_to_ms`` is until when something could not be mended."""

    def __init__(self, world: World, chaos: Chaos) -> None:
        self.gateway_bad_ms = 0
        self.symbol_bad_ms: dict[str, int] = {}
        self.bot_down_ms = self._unanswered_ms = 0
        self._world, self._chaos = world, chaos
        self._pending: dict[Call, int] = {}
        # Trade books that were asked for behind an order's status, the order's symbol, and of what the
        # newest status was, and when.
        self._behind: dict[Call, str] = {}
        self._status_of = ("", 0)
        self._snapshot_ms = 0
        self._reserved: list[Reserved] = []
        # How many right books, asked for late enough after it left, have not had one.
        self._missed: Counter[Reserved] = Counter()
        self._named: set[str] = set()  # Orders whose answer has come.
        # Stops without an answer, by their calls: when they left, and their symbols.
        self._stops: dict[Call, tuple[int, str]] = {}
        # Symbols of which a stop was refused, and since then none was taken and no exit has left.
        self._stop_refused: set[str] = set()
        self._books_bad = False
        self._books_back_ms = self._books_tried_ms = 0
        self._good_of: dict[int, set[str]] = {}
        # When the newest books that were all right were asked for, and changes of orders tried.
        self.books_right_ms = 0
        self.tried_ms: dict[str, int] = {}

    def symbol_of(self, call: Call) -> str:
        """The symbol that a call is about, empty when it is about none."""
        if call in self._behind:
            return self._behind[call]
        if call.endpoint not in ORDERS and call.endpoint != "orderstatus":
            return ""
        body = asked(call)
        if "symbol" in body:
            return str(body["symbol"])
        order = self._world.venue.books.orders.get(str(body.get("orderid")))
        return order.symbol if order else ""

    # ------------------------------------------------------------ observing

    def sent(self, call: Call) -> None:
        """A request leaves now."""
        self._pending[call] = self._world.now_ms
        if call.endpoint == "orderstatus":
            self._status_of = (self.symbol_of(call), self._world.now_ms)
        if call.endpoint == "placeorder" and asked(call).get("pricetype") in ("MARKET", "LIMIT"):
            self._reserved.append(self._reserved_by(call, self._world.now_ms))
            self._stop_refused.discard(self.symbol_of(call))
        elif call.endpoint == "placeorder" and asked(call)["action"] == "BUY":
            self._stops[call] = (self._world.now_ms, self.symbol_of(call))
        elif call.endpoint == "orderbook":
            self._snapshot_ms = self._world.now_ms  # Its other books are asked for just behind it.
        elif call.endpoint == "tradebook" and self._snapshot_ms < self._world.now_ms:
            if self._status_of[1] == self._world.now_ms:
                self._behind[call] = self._status_of[0]
        elif call.endpoint in ("modifyorder", "cancelorder"):
            self.tried_ms[str(asked(call).get("orderid"))] = self._world.now_ms

    def ended(self, call: Call, served: Served | None) -> None:
        """The bot has its answer, or none."""
        sent_ms = self._pending.pop(call, None)
        if sent_ms is None:
            return  # Of a process that is dead.
        now = self._world.now_ms
        if call.endpoint == "placeorder" and (call.refused or _settles(call, served)):
            mine = self._reserved_by(call, sent_ms)
            self._stops.pop(call, None)
            self._reserved = [one for one in self._reserved if one != mine]
            if served is not None and can_be_read(call, served):
                self._stop_refused.discard(self.symbol_of(call))
                self._named.add(str(json.loads(served.text).get("orderid")))
        if call.endpoint == "orderstatus":
            self._status_of = (self.symbol_of(call), now)
        if call.endpoint in BOOKS:
            right_ms = self._chaos.books_ok_ms.get(call.endpoint, -1)
            self._hear_book(call.endpoint, _good(served) and right_ms >= sent_ms, sent_ms, now)
        if not can_be_read(call, served) or now - sent_ms > SLOW_MS:
            self._unanswered_ms = now
        refused = served is not None and _refuses_purchase(call, served)
        if refused:
            self._hear_refused_purchase(call, now)
        if served is not None and _refuses_sale(call, served):
            self._spoil(call, now + _SOLD_AGAIN_MS)
        if call.refused or (served is not None and _says_no(served)):
            self.gateway_bad_ms = now
        elif not (refused or can_be_read(call, served)) or now - sent_ms > SLOW_MS:
            self._spoil(call, now)
        self._behind.pop(call, None)

    def stored(self, steps: Sequence[Step]) -> None:
        """Of no interest here."""

    def process_ended(self) -> None:
        """What was on its way has nobody who waits for it."""
        self._pending.clear()
        self._behind.clear()
        self.bot_down_ms = self._world.now_ms

    def lose_journal(self) -> None:
        """What has left and not come is known to nobody any more: it covers nothing, and cannot be
        waited for. What arrives later is an order of the exchange's books as any other.
        """
        self._reserved.clear()

    # ------------------------------------------------------------ asking

    def excused_to_ms(self, symbol: str, now: int, *, books: bool = True) -> int:
        """Until when what is wrong with a symbol could not have been known or mended; 0: at any time.
        Without ``books`` it is known and can be mended although they cannot be read.
        """
        return max(self.unreached_to_ms(symbol, now, books=books), self.bot_down_ms)

    def unreached_to_ms(self, symbol: str, now: int, *, books: bool = True) -> int:
        """The same, where a bot that is not ready yet excuses nothing."""
        bad = books and self._books_bad
        if bad and now - self._books_tried_ms <= _TRIES_EVERY_MS:
            return now  # Whoever tries no more is not excused.
        for call, sent_ms in self._pending.items():
            if now - sent_ms > SLOW_MS and self._concerns(call, symbol, books=books):
                return now
        return max(
            self.gateway_bad_ms,
            self._books_back_ms if books else 0,
            self._books_tried_ms if bad else 0,
            self.symbol_bad_ms.get(symbol, 0),
        )

    def told_right(self, book: str, asked_ms: int) -> bool:
        """Whether a book that was asked for at an instant was given out as it is."""
        return self._chaos.books_ok_ms.get(book, -1) >= asked_ms

    def unanswered_to_ms(self, now: int) -> int:
        """Until when the gateway could not be had by whoever only asks, as a start does: all that
        counts above, and any call without an answer.
        """
        waits = any(now - sent_ms > SLOW_MS for sent_ms in self._pending.values())
        return now if waits else max(self.unreached_to_ms("", now), self._unanswered_ms)

    def reserved(self, symbol: str, action: str, now: int, for_ms: int = RESERVED_MS) -> int:
        """Units of exits (``BUY``) or corrections (``SELL``) on their way, or whose answer got lost,
        which the exchange does not have: nobody may send them again before the gateway's horizon, or
        before so many milliseconds.
        """
        self._reserved = [one for one in self._reserved if now - one.sent_ms <= RESERVED_MS]
        units, arrived = 0, set(self._named)
        # The newest first: an order that came after two of them may be either, and the older one's time
        # is over sooner.
        for one in reversed(self._reserved):
            if (one.symbol, one.action) != (symbol, action):
                continue
            row = next((row for row in self._rows_like(one) if row.orderid not in arrived), None)
            if row is not None:
                arrived.add(row.orderid)
            elif now - one.sent_ms <= for_ms:
                units += one.quantity
        return units

    def closing(self, symbol: str, now: int) -> int:
        """Units of exits on their way or lost that may stand for a cover: those that two books in a row,
        asked for a second after they left, did not show need a stop beside them (docs/strategy.md,
        section 11). Where stops got lost as well, further ones follow at growing pauses.
        """
        since = now - RESERVED_MS
        lost_stops = sum(one == symbol and ms > since for ms, one in self._stops.values())
        if lost_stops >= _LOST_STOPS:
            return self.reserved(symbol, "BUY", now)
        missing = sum(
            one.quantity
            for one in self._reserved
            if (one.symbol, one.action) == (symbol, "BUY")
            and self._missed[one] >= _LOOKS_OF_A_LOSS
            and not any(row.orderid not in self._named for row in self._rows_like(one))
        )
        return max(self.reserved(symbol, "BUY", now) - missing, 0)

    def sent_alike(self, order: BookOrder) -> Reserved | None:
        """What has left before an order came to the exchange, as far as a row's time can tell, looks the
        same and has no answer.
        """
        wanted = (order.symbol, order.action, order.quantity)
        return next(
            (
                one
                for one in self._reserved
                if (one.symbol, one.action, one.quantity) == wanted
                and one.sent_ms <= order.placed_ms + _CLOCKS_MS
                and order.pricetype in ("MARKET", "LIMIT")
            ),
            None,
        )

    def fine_since(self, since_ms: int, now: int) -> bool:
        """Whether the gateway, the books and every order could be had all the time from then to now."""
        return max(self.excused_to_ms(s, now) for s in ("", *self.symbol_bad_ms)) < since_ms

    # ------------------------------------------------------------ inside

    def _hear_refused_purchase(self, call: Call, now: int) -> None:
        """Where stops are refused an exit is sent, and then it is the exit that may be tried again. One
        that got lost may not, so that stops are all that is left.
        """
        symbol = self.symbol_of(call)
        if asked(call)["pricetype"] == "SL":
            if symbol in self._stop_refused and not self.reserved(symbol, "BUY", now):
                return
            self._stop_refused.add(symbol)
        self._spoil(call, now + _BOUGHT_AGAIN_MS)

    def _reserved_by(self, call: Call, sent_ms: int) -> Reserved:
        body = asked(call)
        quantity = int(body["quantity"])
        return Reserved(
            sent_ms, body["symbol"], body["action"], quantity, str(body.get("strategy", ""))
        )

    def _rows_like(self, one: Reserved) -> Iterator[BookOrder]:
        """Orders of the exchange that may be it."""
        return (
            order
            for order in self._world.venue.books.orders.values()
            if (order.symbol, order.action, order.quantity)
            == (one.symbol, one.action, one.quantity)
            and order.pricetype in ("MARKET", "LIMIT")
            and order.placed_ms >= one.sent_ms
        )

    def _concerns(self, call: Call, symbol: str, *, books: bool) -> bool:
        return (books and call.endpoint in BOOKS) or self.symbol_of(call) == symbol

    def _hear_book(self, endpoint: str, good: bool, sent_ms: int, now: int) -> None:
        """The books are to be had again when all three, asked for together, were right."""
        self._books_tried_ms = now
        if not good:
            self._books_bad = True
            self._good_of.pop(sent_ms, None)
            return
        together = self._good_of.setdefault(sent_ms, set())
        together.add(endpoint)
        if together == BOOKS:
            if self._books_bad or now - sent_ms > SLOW_MS:
                self._books_back_ms = now
            self._books_bad = False
            self._good_of.clear()
            if sent_ms > self.books_right_ms:
                self.books_right_ms = sent_ms
                shows_ms = sent_ms - SENT_SHOWS_AFTER_MS
                self._missed.update(one for one in self._reserved if one.sent_ms <= shows_ms)

    def _spoil(self, call: Call, now: int) -> None:
        symbol = self.symbol_of(call)
        if symbol:
            self.symbol_bad_ms[symbol] = max(self.symbol_bad_ms.get(symbol, 0), now)


def can_be_read(call: Call, served: Served | None) -> bool:
    """Whether an answer can be read, and is what the exchange had to say."""
    if call.lost or served is None or served.cut:
        return False
    if served.status in (400, 404):
        return _BY_THE_BROKER not in served.text  # Else the request itself was wrong, or too late.
    if served.status != 200:
        return False
    try:
        body = json.loads(served.text)
    except ValueError:
        return False
    return call.endpoint != "placeorder" or bool(body.get("orderid"))


def _says_no(served: Served) -> bool:
    """Whether the gateway answers nobody now; a broker's error may come as a success by HTTP."""
    return served.status in _GATEWAY_SAYS_NO or (
        served.status == 200 and served.text.startswith(_ERROR)
    )


def _good(served: Served | None) -> bool:
    return served is not None and served.status == 200 and not served.cut


def _settles(call: Call, served: Served | None) -> bool:
    """Whether an answer says what became of an order: it has a name, or it was refused."""
    refused = not call.lost and served is not None and 400 <= served.status < 500
    return refused or can_be_read(call, served)


def _refuses_purchase(call: Call, served: Served) -> bool:
    """Whether a stop or an exit is refused that was right, and the bot hears it."""
    return _refuses(call, served) and asked(call)["action"] == "BUY"


def _refuses_sale(call: Call, served: Served) -> bool:
    """Whether to sell what no stop price guards is refused, and the bot hears it: a correction."""
    if not _refuses(call, served):
        return False
    body = asked(call)
    return body["action"] == "SELL" and body["pricetype"] != "SL"


def _refuses(call: Call, served: Served) -> bool:
    if call.endpoint != "placeorder" or call.lost:
        return False
    return served.status == 403 or (served.status == 400 and _BY_THE_BROKER in served.text)
