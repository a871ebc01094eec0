"""What happened at the exchange that the bot could not know of yet: told by the stream, by an answer, or
by the books, and by nothing else.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from baseline_v1_live.core.messages import BrokerStatus
from baseline_v1_live.core.reconcile import SENT_SHOWS_AFTER_MS
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.sim.openalgo_server.rest import Served
from baseline_v1_live.simulate.check_account import Ledger, is_entry, is_ours
from baseline_v1_live.simulate.check_base import WITHIN_MS
from baseline_v1_live.simulate.check_reach import SLOW_MS, Reach, asked, can_be_read
from baseline_v1_live.simulate.observe import Call

# What is not there may still be on its way: twice it has to be missing, in books that were asked for a
# second after it left (docs/strategy.md, sections 7 and 11). Two looks apart prove an end.
_LOOKS_OF_A_PROOF, _LOOKS_APART_MS = 2, 500
_FIRST_LOOK, _SECOND_LOOK = "a placement without an answer", "the same, missing once"
_UPDATE = b'"type":"order_update"'


class Cause(Enum):
    """What somebody who decides may not have known of."""

    ARRIVED = "an order of ours whose placement has no answer"
    OF_THE_DEAD = "an order of ours of a process that is dead"
    GREW = "a change of an order of ours that has no answer"
    FILLED = "a fill of an order that was over, or of an entry"
    OTHERS = "a trade of somebody else"


@dataclass(kw_only=True, eq=False)
class Surprise:
    """Units that ``side`` trades, or may trade, beyond what was known. ``known_ms``: since when it could
    be known, None while it cannot. ``left`` of them have not explained a flip yet.
    """

    cause: Cause
    side: str
    units: int
    at_ms: int
    orderid: str
    left: int
    known_ms: int | None = None
    settled: bool = False


@dataclass(eq=False)
class _Claim:
    """The end of an order that was told and has to be proven: by so many ``snapshots`` still, asked for
    from an instant on, or by the order's status and so many ``trade_books`` after it.
    """

    symbol: str
    from_ms: int
    snapshots: int = _LOOKS_OF_A_PROOF
    trade_books: int = _LOOKS_OF_A_PROOF


class News:
    """An observer of the wire, of the exchange's books and of the stream."""

    def __init__(self, now_ms: Callable[[], int], reach: Reach, ledger: Ledger) -> None:
        self._now_ms, self._reach, self._ledger = now_ms, reach, ledger
        self._surprises: dict[str, list[Surprise]] = defaultdict(list)
        # By symbol, orders of ours whose state the bot was not told, or did not learn when it asked, and
        # since when that holds.
        self._untold: dict[str, dict[str, int]] = defaultdict(dict)
        # Orders whose end was told and not proven, and those of which it was.
        self._claimed: dict[str, _Claim] = {}
        self._proven: set[str] = set()
        self._snapshot_ms = 0
        self._filled_ms: dict[str, int] = {}
        self._by_books_ms: dict[str, int] = {}
        self._asked_ms: dict[Call, int] = {}
        self._books_ms = 0
        ledger.on_news = self._hear
        ledger.on_grown = self._grown

    # ------------------------------------------------------------ asking

    def unknown(self, symbol: str, side: str, decided_ms: int) -> int:
        """Units of ``side`` that nobody could know of who decided at this instant."""
        return sum(
            one.units
            for one in self._surprises[symbol]
            if one.side == side and (one.known_ms is None or one.known_ms > decided_ms)
        )

    def explain(self, symbol: str, side: str, units: int, within_ms: int) -> bool:
        """Whether so many units too much are explained by what the bot could not know, or had not the
        time to mend. Each surprise explains once.
        """
        now = self._now_ms()
        since = now - within_ms
        could_act = self._reach.excused_to_ms(symbol, now) < since
        for one in self._surprises[symbol]:
            known_ms = one.known_ms
            if one.side != side or one.settled or (known_ms and known_ms < since and could_act):
                continue
            explained = min(one.left, units)
            one.left -= explained
            units -= explained
        return units <= 0

    def untold(self, symbol: str) -> bool:
        """Whether only the books can tell, or have told a moment ago, of something of our orders in a
        symbol: neither the stream nor an answer has. An end that was told is not proven yet.
        """
        told_ms = self._by_books_ms.get(symbol, -WITHIN_MS)
        claimed = any(claim.symbol == symbol for claim in self._claimed.values())
        return bool(self._untold[symbol]) or claimed or self._now_ms() - told_ms <= WITHIN_MS

    def others_untold(self, symbol: str) -> bool:
        """Whether only the books can tell, or have told a moment ago, what somebody else's trades in a
        symbol have left of ours.
        """
        since = self._now_ms() - WITHIN_MS
        return any(
            one.cause is Cause.OTHERS and (one.known_ms is None or one.known_ms > since)
            for one in self._surprises[symbol]
        )

    # ------------------------------------------------------------ the exchange

    def settle(self, symbol: str) -> None:
        """Called when the symbol has no order that could trade too much: what is known is mended."""
        for one in self._surprises[symbol]:
            one.settled |= one.known_ms is not None

    def _hear(self, order: BookOrder, filled: int, new: bool, late: bool) -> None:
        if filled:
            self._filled_ms[order.symbol] = self._now_ms()
        if not is_ours(order):
            if filled:
                self._add(Cause.OTHERS, order, filled)
            return
        self._untold[order.symbol][order.orderid] = self._now_ms()
        if new and not is_entry(order):
            self._add(Cause.ARRIVED, order, order.quantity)
        if filled and (late or is_entry(order)):
            self._add(Cause.FILLED, order, filled)

    def sold(self, order: BookOrder, filled: int, before: int, after: int) -> None:
        """At a sale of ours that took what is surely ours from ``before`` to ``after``: what a long of
        somebody else took in is no short of the account, which only the books tell.
        """
        if before + filled > after:
            self._add(Cause.OTHERS, order, before + filled - after, "BUY")

    def _grown(self, order: BookOrder, units: int) -> None:
        self._add(Cause.GREW, order, units)

    def _add(self, cause: Cause, order: BookOrder, units: int, side: str = "") -> None:
        self._surprises[order.symbol].append(
            Surprise(
                cause=cause,
                side=side or str(order.action),
                units=units,
                at_ms=self._now_ms(),
                orderid=order.orderid,
                left=units,
            )
        )

    # ------------------------------------------------------------ what reaches the bot

    def told(self, message: bytes) -> None:
        """The stream has brought a message."""
        if _UPDATE not in message:
            return
        body = json.loads(message)
        order = self._ledger.order(str(body["orderid"]))
        if order is None or body["filled_quantity"] != order.filled_quantity:
            return
        self._know(order, self._now_ms(), Cause.FILLED)
        if body["order_status"] == str(order.status):
            self._told_of(order)

    def sent(self, call: Call) -> None:
        """A request leaves now."""
        self._asked_ms[call] = self._now_ms()
        if call.endpoint == "positionbook":
            self._snapshot_ms = self._now_ms()

    def ended(self, call: Call, served: Served | None) -> None:
        """The bot has its answer, or none; ``Reach`` has heard of it before."""
        asked_ms = self._asked_ms.pop(call, None)
        if asked_ms is None:
            return
        if self._reach.books_right_ms > self._books_ms:
            self._books_ms = self._reach.books_right_ms
            self._books_read(self._books_ms)
            self._snapshot_read(self._books_ms)
        symbol = self._reach.symbol_of(call)
        if call.endpoint == "tradebook" and asked_ms != self._snapshot_ms:
            self._trade_book_read(self._reach.told_right("tradebook", asked_ms))
        if not can_be_read(call, served):
            if symbol and not call.refused and call.endpoint != "tradebook":
                about = str(asked(call).get("orderid") or _FIRST_LOOK)
                shows_ms = asked_ms + SENT_SHOWS_AFTER_MS if about == _FIRST_LOOK else 0
                self._untold[symbol][about] = max(self._now_ms(), shows_ms)
            return
        if served is None or served.status != 200:
            return
        prompt = self._now_ms() - asked_ms <= SLOW_MS
        if call.endpoint == "placeorder":
            self.answered(str(json.loads(served.text)["orderid"]), Cause.ARRIVED, prompt=prompt)
        elif call.endpoint == "modifyorder":
            self.answered(str(asked(call).get("orderid")), Cause.GREW, prompt=prompt)
        elif call.endpoint == "orderstatus":
            order = self._ledger.order(str(asked(call).get("orderid")))
            if order is not None:
                self._know(order, asked_ms, Cause.FILLED, Cause.GREW)
                since_ms = self._untold[order.symbol].get(order.orderid, 0)
                if since_ms <= asked_ms:
                    if self._reach.books_right_ms < since_ms:
                        # Nothing could tell before.
                        self._by_books_ms[order.symbol] = self._now_ms()
                    self._told_of(order)

    def _trade_book_read(self, right: bool) -> None:
        """One that was asked for beside an order's status; ``right``: as it is."""
        for orderid, claim in list(self._claimed.items()):
            claim.trade_books = claim.trade_books - 1 if right else _LOOKS_OF_A_PROOF
            self._prove(orderid, claim)

    def _snapshot_read(self, asked_ms: int) -> None:
        for orderid, claim in list(self._claimed.items()):
            if asked_ms >= claim.from_ms:
                claim.from_ms = asked_ms + _LOOKS_APART_MS
                claim.snapshots -= 1
                self._prove(orderid, claim)

    def _prove(self, orderid: str, claim: _Claim) -> None:
        if not (claim.snapshots and claim.trade_books):
            del self._claimed[orderid]
            self._proven.add(orderid)
            self._by_books_ms[claim.symbol] = self._now_ms()
            self._untold[claim.symbol].pop(orderid, None)

    def _told_of(self, order: BookOrder) -> None:
        """Stream or answer has told how an order stands. An end without all fills has to be proven."""
        ended = order.over and order.status is not BrokerStatus.COMPLETE
        if ended and order.orderid not in self._proven:
            claim = self._claimed.setdefault(order.orderid, _Claim(order.symbol, self._now_ms()))
            claim.trade_books = _LOOKS_OF_A_PROOF
        else:
            self._untold[order.symbol].pop(order.orderid, None)

    def answered(self, orderid: str, cause: Cause, *, prompt: bool = True) -> None:
        """What the bot asked for is confirmed. A ``prompt`` answer leaves no doubt, so it explains no
        flip; after a late one there may be something to mend.
        """
        order = self._ledger.order(orderid)
        for one in self._surprises[order.symbol] if order is not None else ():
            if (one.orderid, one.cause) == (orderid, cause):
                self._known(one)
                one.settled |= prompt

    def process_ended(self) -> None:
        """Who comes next knows what is on the disk, and what the books say when it has read them."""
        self._asked_ms.clear()
        self._proven.clear()
        now = self._now_ms()
        for symbol, held in self._ledger.symbols.items():
            for one in self._surprises[symbol]:
                if not one.settled:
                    one.known_ms = None
            for order in held.live.values():
                if is_ours(order):
                    self._untold[symbol][order.orderid] = now
                    if not is_entry(order):
                        self._add(Cause.OF_THE_DEAD, order, order.remaining)

    def _know(self, order: BookOrder, to_ms: int, *causes: Cause) -> None:
        for one in self._surprises[order.symbol]:
            if one.orderid == order.orderid and one.cause in causes and one.at_ms <= to_ms:
                self._known(one)

    def _books_read(self, asked_ms: int) -> None:
        for symbol, surprises in self._surprises.items():
            moved = self._ledger.symbol(symbol).moved
            for one in surprises:
                # Who has its name only from the books cannot find what does not look like it any more.
                lost = one.cause is Cause.ARRIVED and one.orderid in moved
                # What fills while the books are read is in one of them and not in the other.
                torn = one.cause is Cause.OTHERS and self._filled_ms[symbol] > asked_ms
                if one.at_ms <= asked_ms and not lost and not torn:
                    self._known(one)
        for symbol, untold in self._untold.items():
            told = [name for name, at_ms in untold.items() if at_ms <= asked_ms]
            for orderid in (name for name in told if name not in self._claimed):
                del untold[orderid]
                self._by_books_ms[symbol] = self._now_ms()
                if orderid == _FIRST_LOOK:
                    untold[_SECOND_LOOK] = asked_ms + 1

    def _known(self, one: Surprise) -> None:
        if one.known_ms is None:
            one.known_ms = self._now_ms()
