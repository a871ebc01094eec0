"""What a position means that is not at the broker as it is with us, and how it is booked.

One that is smaller at the broker is believed when the trade book says the same, or when two complete
snapshots in a row show it; until then it is in doubt, and neither bought nor sold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from baseline_v1_live.core.foreign import Foreign
from baseline_v1_live.core.messages import SnapshotTaken
from baseline_v1_live.core.net_positions import NetRead
from baseline_v1_live.core.reconcile import MoreThanOurs, ShortOfOurs
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.position_tracker import PositionTracker


class PositionDifferences:
    """Books what others closed, opened or sold of ours. ``price_of`` gives the price to value an external
    close at.
    """

    def __init__(
        self,
        orders: OrderManager,
        positions: PositionTracker,
        foreign: Foreign,
        price_of: Callable[[str], int],
    ) -> None:
        self.orders = orders
        self.positions = positions
        self.rules = orders.rules
        self._foreign = foreign
        self._price_of = price_of
        self._read_before_ms = 0
        self._doubted: dict[str, int] = {}
        self._others_traded: set[str] = set()

    def begin(self, snapshot: SnapshotTaken, read_before_ms: int) -> None:
        """Look at a snapshot: what is in doubt by the one before, which was asked for then, is so no more
        unless this one shows it too.
        """
        self._read_before_ms = read_before_ms
        self._others_traded = {
            trade.symbol
            for trade in snapshot.trades
            if self.orders.by_broker_id(trade.broker_order_id) is None
        }
        self._doubted, self.positions.doubtful = self.positions.doubtful, {}

    def confirm_shortfall(self, finding: ShortOfOurs) -> None:
        """A short of ours is smaller at the broker: somebody else has closed it."""
        symbol, quantity = finding.symbol, finding.quantity
        if not self._certain(symbol, quantity, agreed=finding.agreed):
            return
        for position in list(self.positions.open.values()):
            if position.symbol == symbol and quantity > 0:
                part = min(quantity, max(position.open_quantity, 0))
                quantity -= part
                self.positions.close_externally(position, part, self._price_of(symbol))

    def judge(self, finding: MoreThanOurs) -> None:
        """A position is larger at the broker, or on the other side of zero."""
        symbol, net_quantity, ours = finding.symbol, finding.net_quantity, finding.ours
        if ours < 0 and net_quantity < -ours:
            self._confirm_sold_long(symbol, -ours - max(net_quantity, 0), agreed=finding.agreed)
        elif finding.agreed and self._reclaim(symbol, -net_quantity - max(ours, 0)):
            pass
        elif not self._correct_flip(finding) and not self._foreign.adopt(symbol, net_quantity):
            self._foreign.tell(symbol, net_quantity, ours)

    def shorts_of_others(self, read: NetRead) -> Iterator[tuple[str, int]]:
        """By symbol: units short beyond ours, where the trade book says the same or it was seen twice.
        What was known stays as far as the books still leave room for it.
        """
        before = self.positions.strangers_short
        for symbol in read.net.keys() | before.keys():
            net_quantity, ours = read.net.get(symbol, 0), self.positions.open_short(symbol)
            beyond = -net_quantity - ours
            if symbol not in read.agreed and not self._foreign.is_told(symbol, net_quantity, ours):
                beyond = min(beyond, before.get(symbol, 0))
            if beyond > 0:
                yield symbol, beyond

    def _certain(self, symbol: str, difference: int, *, agreed: bool) -> bool:
        """Whether a difference is believed: the trade book shows it too, or the snapshot before did;
        until then it is doubtful, and what is in doubt is neither bought nor sold.
        """
        if agreed or self._doubted.get(symbol) == difference:
            return True
        self.positions.doubtful[symbol] = difference
        return False

    def _reclaim(self, symbol: str, short: int) -> bool:
        """Whether so many units short, beyond ours, are ours after all: we had booked them as closed by
        somebody else, and the trade book has no trade of anybody else in the symbol.
        """
        if symbol in self._others_traded:
            return False
        closed = [
            position
            for position in reversed(self.positions.positions.values())
            if position.symbol == symbol and position.external_quantity > 0
        ]
        for position in closed:
            part = min(short, position.external_quantity)
            if part > 0:
                short -= part
                self.positions.take_back_external(position, part)
        return bool(closed)

    def _confirm_sold_long(self, symbol: str, quantity: int, *, agreed: bool) -> None:
        """A long of ours is smaller at the broker: somebody sold it before our correction did."""
        if not self._certain(symbol, quantity, agreed=agreed):
            return
        for position in list(self.positions.open.values()):
            if position.symbol == symbol and position.open_quantity < 0 < quantity:
                part = min(quantity, -position.open_quantity)
                quantity -= part
                self.positions.close_externally(position, -part, self._price_of(symbol))

    def _correct_flip(self, finding: MoreThanOurs) -> bool:
        """A long where we have just bought to close: somebody had closed our short before.

        The trade book or two snapshots in a row must show it; then what was closed outside is booked,
        and the long that our own purchase made is sold by the position's own correction, never more
        than we bought.
        Looked for within a minute after the close, and in the first books read after it, however
        late those come.
        """
        symbol, net_quantity, ours = finding.symbol, finding.net_quantity, finding.ours
        if net_quantity <= 0 or ours > 0:
            return False
        since = min(
            self.orders.now_ms - self.rules.flip_window_ms,
            self._read_before_ms - self.rules.touched_grace_ms,
        )
        if self._doubted.get(symbol) == -net_quantity:
            since = 0  # The snapshot before saw it in time.
        closed = [
            p
            for p in reversed(self.positions.positions.values())
            if p.symbol == symbol and p.exit_quantity and (p.closed_at_ms or since) >= since
        ]
        if not closed:
            return False
        if not self._certain(symbol, -net_quantity, agreed=finding.agreed):
            return True
        left = net_quantity + min(ours, 0)
        for position in closed:
            # A long that was booked before is not made again, whoever buys within the minute.
            flipped = min(left, position.exit_quantity - position.overbought_quantity)
            if flipped > 0:
                left -= flipped
                self.positions.close_externally(position, flipped, self._price_of(symbol))
        return True
