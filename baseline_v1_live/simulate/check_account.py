"""What must hold of the account, looked at from the exchange's own books after each change of them.

``Ledger`` knows what is ours of each symbol; what the bot believes plays no part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baseline_v1_live.core.messages import BrokerStatus
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.sim.openalgo_server.venue import SQUARE_OFF_STRATEGY
from baseline_v1_live.simulate.chaos import BY_HAND, Chaos
from baseline_v1_live.simulate.check_base import Lasting
from baseline_v1_live.simulate.check_forgotten import Forgotten
from baseline_v1_live.simulate.check_reach import Reach
from baseline_v1_live.simulate.world import World

_THIRD_PARTIES = frozenset({BY_HAND, SQUARE_OFF_STRATEGY})


def is_ours(order: BookOrder) -> bool:
    """Whether the bot has placed an order."""
    return order.strategy not in _THIRD_PARTIES


def is_entry(order: BookOrder) -> bool:
    """Whether an order of ours opens."""
    return is_ours(order) and order.action == "SELL" and order.pricetype == "SL"


class Held:
    """What is ours of one symbol. Signed units, short is positive.

    ``traded``: what our own orders have sold less what they bought. ``sure``: what of it nobody else
    can have closed; negative when our orders bought what somebody had closed before. ``given``: what of
    such longs somebody else's sales have taken in. ``least`` and ``most``: what must and what may count
    as our short; between them lies what our sales and somebody else's sales in a long of ours share.
    ``entries``: the entries that have sold since nothing was surely ours; a late fill makes a second
    position beside the first, each with its stop. ``moved`` are stops that stand where somebody else has
    moved them to.
    """

    __slots__ = (
        "entries", "forced_ms", "given", "live", "moved", "net", "sure", "traded", "value_paise",
    )  # fmt: skip

    def __init__(self) -> None:
        self.traded = self.sure = self.given = self.net = self.value_paise = 0
        self.entries: dict[str, BookOrder] = {}
        self.forced_ms = 0
        self.live: dict[str, BookOrder] = {}
        self.moved: set[str] = set()

    @property
    def least(self) -> int:
        """The least that must be covered."""
        return max(min(self.sure, self.traded), 0)

    @property
    def left(self) -> int:
        """What is left to close: the least of a short, all of a long of ours."""
        return self.least if self.sure > 0 else self.sure

    @property
    def most(self) -> int:
        """The most that a cover may be."""
        return max(min(self.traded + self.given, -self.net), 0)

    def take(self, order: BookOrder, quantity: int, value_paise: int) -> None:
        """A fill of ``quantity`` units, whoever's it is."""
        sold = quantity if order.action == "SELL" else -quantity
        self.net -= sold
        if is_ours(order):
            self.traded += sold
            self.sure += sold
            self.value_paise += value_paise if sold > 0 else -value_paise
        if self.sure > 0:
            self.sure = min(self.sure, max(-self.net, 0))
        elif self.sure < 0:
            left = max(self.sure, -max(self.net, 0))
            self.given += left - self.sure
            self.sure = left
        if self.sure <= 0:
            self.entries.clear()
        elif is_entry(order):
            self.entries[order.orderid] = order


class Ledger:
    """Every fill in its order, by symbol. ``on_fill`` is told of ours, ``on_change`` of every change.
    ``forgotten`` are those of our orders that the bot cannot know any more.
    """

    def __init__(self, world: World, on_change: Callable[[str], None]) -> None:
        self.symbols: dict[str, Held] = {}
        self.fills = 0
        self.forgotten = Forgotten()
        self.on_fill: Callable[[BookOrder, int, int, int], None] = lambda *_: None
        self.on_order: Callable[[BookOrder], None] = lambda _: None
        self.on_news: Callable[[BookOrder, int, bool, bool], None] = lambda *_: None
        self.on_grown: Callable[[BookOrder, int], None] = lambda *_: None
        self._world, self._on_change = world, on_change
        self._seen: dict[str, tuple[int, int]] = {}
        self._expected: dict[tuple[str, str, int], tuple[str, int]] = {}
        self._listen()

    def symbol(self, name: str) -> Held:
        """What is ours of a symbol."""
        return self.symbols.setdefault(name, Held())

    def order(self, orderid: str) -> BookOrder | None:
        """The exchange's order of this id."""
        return self._world.venue.books.orders.get(orderid)

    def forgotten_orders(self) -> list[BookOrder]:
        """Orders of ours that no disk remembers."""
        orders = self._world.venue.books.orders
        return [order for name, order in orders.items() if name in self.forgotten]

    def forget_longs(self) -> None:
        """The bot has lost its memory: a long that its orders made is nobody's any more, told and left
        alone. Shorts it takes over.
        """
        for name, held in self.symbols.items():
            if held.sure < 0:
                held.sure = 0
                self._on_change(name)

    def expect(self, symbol: str, action: str, quantity: int, strategy: str, until_ms: int) -> None:
        """The next order of ours like this counts as somebody else's (check_alike.py), if it comes by
        ``until_ms``.
        """
        self._expected[symbol, action, quantity] = (strategy, until_ms)

    def count_again(self, symbol: str) -> None:
        """Whose an order of a symbol is has changed."""
        held = self.symbol(symbol)
        held.traded = held.sure = held.given = held.net = held.value_paise = 0
        orders = [o for o in self._world.venue.books.orders.values() if o.symbol == symbol]
        fills = [
            (fill.at_ms, fill.trade_id, order, fill) for order in orders for fill in order.fills
        ]
        for _, _, order, fill in sorted(fills, key=lambda each: each[:2]):
            held.take(order, fill.quantity, fill.value_paise)
        for order in orders:
            self.on_order(order)
        self._on_change(symbol)

    def _listen(self) -> None:
        books, venue = self._world.venue.books, self._world.venue
        take, execute, modify = books.take, venue.execute, venue.modify

        def taken(*args: Any, **named: Any) -> BookOrder | None:
            changed = take(*args, **named)
            self._hear(books.known_as(args[0].broker_order_id))
            return changed

        def executed(orderid: str, *args: Any, **named: Any) -> None:
            self.symbol(books.orders[orderid].symbol).forced_ms = self._world.now_ms
            execute(orderid, *args, **named)

        def modified(request: dict[str, Any]) -> BookOrder:
            before = books.orders.get(request["orderid"])
            was = (before.quantity, before.trigger_paise) if before else (0, 0)
            order = modify(request)
            self._hear_change(order, *was, by_hand=request.get("strategy") == BY_HAND)
            return order

        books.take = taken  # type: ignore[method-assign]
        venue.execute = executed  # type: ignore[method-assign]
        venue.modify = modified  # type: ignore[method-assign]

    def _hear_change(
        self, order: BookOrder, quantity: int, trigger_paise: int, *, by_hand: bool
    ) -> None:
        if order.quantity > quantity:
            self.on_grown(order, order.quantity - quantity)
        if order.trigger_paise != trigger_paise:
            moved = self.symbol(order.symbol).moved
            moved.discard(order.orderid)
            if by_hand:
                moved.add(order.orderid)
        self._on_change(order.symbol)

    def _hear(self, order: BookOrder) -> None:
        held = self.symbol(order.symbol)
        new, alive = order.orderid not in self._seen, order.orderid in held.live
        if is_ours(order):
            self.forgotten.arrives(order)
        if order.orderid not in self._seen and is_ours(order):
            alike = (order.symbol, str(order.action), order.quantity)
            strategy, until_ms = self._expected.pop(alike, ("", 0))
            if self._world.now_ms <= until_ms:
                order.strategy = strategy
        if order.over:
            held.live.pop(order.orderid, None)
        else:
            held.live[order.orderid] = order
        quantity, value = self._seen.get(order.orderid, (0, 0))
        self._seen[order.orderid] = (order.filled_quantity, order.filled_value_paise)
        filled = order.filled_quantity - quantity
        self.on_news(order, filled, new, not new and not alive)
        if filled > 0:
            self.fills += 1
            before = held.sure
            held.take(order, filled, order.filled_value_paise - value)
            if is_ours(order):
                self.on_fill(order, filled, before, held.sure)
        self.on_order(order)
        self._on_change(order.symbol)


class Cover:
    """Every short is covered by one stop or an exit, and nothing of ours covers what is not there."""

    COVERED = "every short is covered"
    NO_POSITION = "no stop without its position"
    STACKED = "one stop, not two"
    TWICE = "no short is covered twice"
    LONG = "a long of ours is corrected"

    def __init__(
        self,
        lasting: Lasting,
        chaos: Chaos,
        reach: Reach,
        forgotten: Forgotten,
        *,
        useless: Callable[[BookOrder, Held], bool],
        untold: Callable[[str], bool],
        others_untold: Callable[[str], bool],
        squares_off: Callable[[], bool],
    ) -> None:
        self._lasting, self._chaos, self._reach = lasting, chaos, reach
        self._forgotten, self._useless = forgotten, useless
        self._untold, self._others_untold = untold, others_untold
        self._squares_off = squares_off

    def look(self, symbol: str, held: Held, now: int) -> None:
        """How a symbol stands now. An exit of unknown outcome is an active exit, until the gateway's
        horizon has passed.
        """
        buys = [o for o in held.live.values() if o.action == "BUY" and is_ours(o)]
        known = [order for order in buys if not self._forgotten.moved(order)]
        buying = sum(order.remaining for order in known)
        resting = [o for o in known if o.status is BrokerStatus.TRIGGER_PENDING]
        cover = sum(order.remaining for order in buys)
        cover -= sum(order.remaining for order in resting if self._useless(order, held))
        stops = sum(order.remaining for order in resting)
        short, most = held.least, held.most
        if self._chaos.fired["journal_damaged"]:
            most = max(-held.net, 0)  # What nobody remembers is taken over whole.
        note, some = self._lasting.note, bool(resting)
        bare, what = cover < short, f"is short {short}, covered {cover},"
        # From the square-off on no stop stands beside an exit that got lost.
        reach, squares_off = self._reach, self._squares_off()
        lost = reach.reserved(symbol, "BUY", now) if squares_off else reach.closing(symbol, now)
        bare = bare and cover + lost < short
        books = self._untold(symbol)
        note(self.COVERED, symbol, bare, what, real=short > 0, books=books)
        books |= self._others_untold(symbol)
        selling = self._reach.reserved(symbol, "SELL", now)
        what = f"has stops of {stops} for {most}"
        note(self.NO_POSITION, symbol, stops > most + selling, what, real=some, books=books)
        stacked = len(resting) > max(len(held.entries), 1)
        note(self.STACKED, symbol, stacked, f"has {len(resting)} stops", real=some, books=books)
        what = f"has orders of {buying} to buy back {most}"
        twice = buying > most and stops <= most
        note(self.TWICE, symbol, twice, what, real=buying > 0, books=books)
        what = f"is long {-held.sure} by our own orders"
        sold = selling + self._on_sale(symbol, held)
        note(self.LONG, symbol, -held.sure > sold, what, real=held.sure != 0, books=books)

    def _on_sale(self, symbol: str, held: Held) -> int:
        """Units that our orders offer at a price that is there: more than that nobody can do to sell, and
        what the quoted size does not take waits for the next.
        """
        instrument = self._chaos.world.venue.market.by_symbol[symbol]
        bid = instrument.bid or instrument.last
        return sum(
            order.remaining
            for order in held.live.values()
            if order.action == "SELL" and is_ours(order) and not is_entry(order)
            if order.pricetype == "MARKET" or order.price_paise <= bid
        )
