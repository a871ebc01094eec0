"""Working orders in our contracts that no order of ours is behind: whose they may be, and what then.

A process that died while its disk refused to write may have left a stop behind that nobody remembers.
Left alone, it buys a second time when the price comes; so a stop that stands where our own short's stop
would is taken over, and one that covers nothing is cancelled. Everything else is somebody else's: said.
"""

from __future__ import annotations

from baseline_v1_live.core.instruments import round_up, rupee_text
from baseline_v1_live.core.messages import BrokerOrder, Level, OrderType, Purpose, Side
from baseline_v1_live.core.net_positions import NetRead
from baseline_v1_live.core.position import Position
from baseline_v1_live.core.reconcile import OrderNotOurs
from baseline_v1_live.core.risk import BASIS_POINTS
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.position_tracker import PositionTracker


class StrayOrders:
    """Decides about each stray order; ``looked_at`` is those seen once, ``left_alone`` those that were
    said to be somebody else's, by the broker's id.
    """

    def __init__(self, orders: OrderManager, positions: PositionTracker) -> None:
        self.orders = orders
        self.positions = positions
        self.looked_at: set[str] = set()
        self.left_alone: set[str] = set()

    def resolve(self, strays: list[OrderNotOurs], read: NetRead) -> None:
        """Take over, cancel or say each stray order of one snapshot; ``read`` are its positions.

        Nothing is cancelled or said at the first look: the books are read one after the other.
        """
        before, self.looked_at = self.looked_at, set()
        for stray in strays:
            row, broker_order_id = stray.row, stray.row.broker_order_id
            if row.symbol in read.unclear:
                self.looked_at.add(broker_order_id)  # Nobody can say what it covers.
                continue
            ours, theirs = self.positions.open_short(row.symbol), read.net.get(row.symbol, 0)
            position = self.positions.held(row.symbol)
            # The account is short by just what is ours, so it can cover nothing else.
            covers = position is not None and theirs == -ours < 0
            bare = _is_stop(row) and ours <= 0 <= theirs and self._in_our_manner(row)
            if covers and position is not None and _is_stop(row) and self._fits(row, position):
                self._take_over_stop(stray, position)
            elif bare and broker_order_id in before:
                self._cancel(stray, Purpose.STOP, "a stop without a position")
            elif self._is_lost_entry(row) and broker_order_id in before:
                self._cancel(stray, Purpose.ENTRY, "an entry that nobody knows")
            elif _is_stop(row) and self._state_lost and theirs < 0:
                self.looked_at.add(broker_order_id)  # It covers, and will fit when that is adopted.
            elif self._state_lost and broker_order_id in before and not _sells_long(row, theirs):
                # Most likely an exit that was being worked: two of them would buy twice.
                purpose = Purpose.EXIT if row.side is Side.BUY else Purpose.ENTRY
                self._cancel(stray, purpose, "an order of before the journal was lost", position)
            elif broker_order_id in before and broker_order_id not in self.left_alone:
                self.left_alone.add(broker_order_id)
                self._tell(row, "is not ours and is left alone")
            elif bare or broker_order_id not in self.left_alone:
                self.looked_at.add(broker_order_id)

    @property
    def _state_lost(self) -> bool:
        return self.orders.rules.foreign_position == "ours"

    def _is_lost_entry(self, row: BrokerOrder) -> bool:
        adopts = self.orders.rules.foreign_position != "alert"
        return adopts and _is_entry(row) and self._in_our_manner(row)

    def _fits(self, row: BrokerOrder, position: Position) -> bool:
        """Whether it can have been the position's own stop: it stands where that would.

        Where a short was taken over with a stop of our making, the one that it had is as good when it
        is of our manner, so most likely ours before it was forgotten, or when it is nearer.
        """
        if position.adopted:
            nearer = row.trigger_price_paise <= position.stop_trigger_paise
            return nearer or self._in_our_manner(row)
        return row.trigger_price_paise == position.stop_trigger_paise

    def _take_over_stop(self, stray: OrderNotOurs, position: Position) -> None:
        self.orders.take_over(stray.row, Purpose.STOP, position.position_id, stray.filled)
        position.stop_trigger_paise = stray.row.trigger_price_paise
        self.positions.changed[position.position_id] = position
        self._tell(stray.row, "covers what we hold and is taken over as its stop")

    def _cancel(
        self, stray: OrderNotOurs, purpose: Purpose, why: str, position: Position | None = None
    ) -> None:
        closes = position is not None and purpose is Purpose.EXIT
        name = position.position_id if position is not None and closes else ""
        order = self.orders.take_over(stray.row, purpose, name, stray.filled)
        # Should it fill on the way, the position has to be stopped somewhere.
        trigger, limit_bp = stray.row.trigger_price_paise, self.orders.rules.stop_pct_max_bp
        tick_paise = self.orders.contracts[order.symbol].tick_paise
        order.swing_low_paise = trigger
        order.protect_trigger_paise = round_up(
            trigger * (BASIS_POINTS + limit_bp) // BASIS_POINTS, tick_paise
        )
        self.orders.cancel(order, why)
        self._tell(stray.row, f"is {why} and is cancelled")

    def _tell(self, row: BrokerOrder, what: str) -> None:
        self.orders.say(
            Level.CRITICAL if _is_stop(row) else Level.ALERT,
            "RECONCILE",
            f"{row.symbol}: the broker has an order that the bot does not know, {row.side} "
            f"{row.quantity} {row.order_type} trigger {rupee_text(row.trigger_price_paise)} limit "
            f"{rupee_text(row.limit_price_paise)} ({row.broker_order_id}); it {what}",
            f"stray:{row.broker_order_id}",
        )

    def _in_our_manner(self, row: BrokerOrder) -> bool:
        """Whether its limit is as far from its trigger as we set it."""
        rules = self.orders.rules
        if row.side is Side.BUY:
            return row.limit_price_paise - row.trigger_price_paise == rules.stop_limit_offset_paise
        return row.trigger_price_paise - row.limit_price_paise == rules.entry_limit_offset_paise


def _sells_long(row: BrokerOrder, theirs: int) -> bool:
    """Whether it sells what the account is long: most likely a correction of ours, to be left to work."""
    return row.side is Side.SELL and row.order_type is not OrderType.SL and theirs > 0


def _is_stop(row: BrokerOrder) -> bool:
    return row.side is Side.BUY and row.order_type is OrderType.SL


def _is_entry(row: BrokerOrder) -> bool:
    return row.side is Side.SELL and row.order_type is OrderType.SL
