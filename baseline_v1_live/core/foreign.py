"""Positions of the account that are not ours: told and left alone, or taken over where rules say so."""

from __future__ import annotations

from collections.abc import Callable

from baseline_v1_live.core.instruments import rupee_text
from baseline_v1_live.core.messages import FetchQuote, Level
from baseline_v1_live.core.position import FOREIGN
from baseline_v1_live.core.reconcile import Finding, MoreThanOurs, ShortOfOurs
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.position_tracker import PositionTracker


class Foreign:
    """``adoptable`` are shorts seen once, by symbol: taken over when the next snapshot shows the same.

    ``price_of`` gives the price to value a short at, 0 while none is known.
    """

    def __init__(
        self, orders: OrderManager, positions: PositionTracker, price_of: Callable[[str], int]
    ) -> None:
        self.orders = orders
        self.positions = positions
        self.rules = orders.rules
        self.adoptable: dict[str, int] = {}
        self._price_of = price_of
        self._suspected: dict[str, tuple[int, int]] = {}
        self._told: dict[str, tuple[int, int]] = {}
        self._quoted_ms: dict[str, int] = {}

    @property
    def looked_at(self) -> bool:
        """Whether something was seen once: looked at again soon."""
        return bool(self.adoptable or self._suspected)

    def is_told(self, symbol: str, net_quantity: int, ours: int) -> bool:
        """Whether this difference was said to be somebody else's."""
        return self._told.get(symbol) == (net_quantity, ours)

    def adopt(self, symbol: str, net_quantity: int) -> bool:
        """A short of somebody else in one of our contracts: taken over where the rules say so.

        Two snapshots in a row must show the same size. Where we hold or sell the symbol ourselves,
        after the day's exit (unless it must be taken for ours), and where one stop could not cover
        it, it is left alone. False: to be said as not ours.
        """
        contract = self.orders.contracts.get(symbol)
        rule = self.rules.foreign_position
        flatten = rule == "flatten"
        if (
            contract is None
            or net_quantity >= 0
            or rule == "alert"
            or (self.positions.day_exit_reason is not None and rule != "ours")
            or self.positions.held(symbol) is not None
            or symbol in self.orders.live_symbols
            or (not flatten and -net_quantity > contract.order_quantity_max)
        ):
            self.adoptable.pop(symbol, None)
            return False
        if self.adoptable.get(symbol) != net_quantity:
            self.adoptable[symbol] = net_quantity
            return True
        price = self._price_of(symbol)
        if not price:
            self._ask_price(symbol)
            return False
        del self.adoptable[symbol]
        position = self.positions.adopt(symbol, -net_quantity, price)
        if flatten:
            self.positions.want_exit(position, FOREIGN)
        self.orders.say(
            Level.ALERT,
            "RECONCILE",
            f"{symbol}: a short of {-net_quantity} that is not ours is "
            f"{'closed' if flatten else 'adopted and protected'}, valued at {rupee_text(price)}",
            f"foreign:{symbol}",
        )
        return True

    def _ask_price(self, symbol: str) -> None:
        now = self.orders.now_ms
        if now >= self._quoted_ms.get(symbol, 0) + self.rules.quote_every_ms:
            self._quoted_ms[symbol] = now
            self.orders.commands.append(FetchQuote(symbol=symbol))

    def forget(self, findings: tuple[Finding, ...], unclear: frozenset[str]) -> None:
        """What the newest snapshot does not show any more is looked at anew when it comes again."""
        seen = {f.symbol for f in findings if isinstance(f, ShortOfOurs | MoreThanOurs)}
        for doubts in (self.adoptable, self._suspected):
            for symbol in doubts.keys() - seen:
                del doubts[symbol]
        for symbol in self._told.keys() - seen - unclear:
            del self._told[symbol]

    def tell(self, symbol: str, net_quantity: int, ours: int) -> None:
        """Say, at the second look in a row, what of the broker's position is not ours and left alone."""
        difference = (net_quantity, ours)
        if self._told.get(symbol) == difference:
            return
        if self._suspected.get(symbol) != difference:
            # A fill between the reading of two books looks like this once.
            self._suspected[symbol] = difference
            return
        del self._suspected[symbol]
        self._told[symbol] = difference
        unknown = [o.order_id for o in self.orders.live(symbol) if o.unanswered]
        perhaps = f"; it may be {', '.join(unknown)}, whose outcome is unknown" if unknown else ""
        self.orders.say(
            Level.CRITICAL if net_quantity > 0 or unknown else Level.ALERT,
            "RECONCILE",
            f"{symbol}: the broker holds {net_quantity:+d}, ours is {-ours:+d}; "
            f"the difference is not ours and is left alone{perhaps}",
            f"foreign:{symbol}",
        )
