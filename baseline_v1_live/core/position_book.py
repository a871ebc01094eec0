"""What is known of our positions: fills booked into them, their P&L, and what was closed or adopted.

It never decides what to send; position_tracker.py compares what is wanted with what is.
"""

from __future__ import annotations

from baseline_v1_live.core.instruments import round_up, rupee_text
from baseline_v1_live.core.messages import Level, Purpose, Side
from baseline_v1_live.core.order import STRAY, FillDelta, Order
from baseline_v1_live.core.position import EXTERNAL_CLOSE, OVER_RISK, STAGE, STOP_LOSS, Position
from baseline_v1_live.core.risk import BASIS_POINTS, fixed_target
from baseline_v1_live.order_manager import OrderManager


class PositionBook:
    """All positions of the session, open and closed; ``changed`` are those the journal must store."""

    def __init__(self, order_manager: OrderManager) -> None:
        self.orders = order_manager
        self.rules = order_manager.rules
        self.positions: dict[str, Position] = {}
        self.open: dict[str, Position] = {}
        self.changed: dict[str, Position] = {}
        self.no_reentry: set[str] = set()
        self._closed_pnl_paise = 0

    # ------------------------------------------------------------ looking

    def held(self, symbol: str) -> Position | None:
        """The position that is open, or not yet proven closed, in a symbol."""
        return next((p for p in self.open.values() if p.symbol == symbol), None)

    def open_short(self, symbol: str) -> int:
        """Our open short quantity in a symbol (units); negative for a long of ours."""
        return sum(p.open_quantity for p in self.open.values() if p.symbol == symbol)

    @property
    def flat(self) -> bool:
        """Whether no position is open and no order of ours is alive."""
        return not self.open and not any(True for _ in self.orders.live())

    @property
    def settled(self) -> bool:
        """Whether all is flat and nothing ended so lately that the books may still surprise: an order
        may fill after its proven cancellation, and nobody may tell of it.
        """
        since = self.orders.now_ms - self.rules.flip_window_ms
        closed = (position.closed_at_ms or 0 for position in self.positions.values())
        return self.flat and max(self.orders.ended_ms, *closed, 0) <= since

    @property
    def all_realised(self) -> bool:
        """Whether nothing of the day's P&L depends on a price."""
        return not any(position.open_quantity for position in self.open.values())

    @property
    def pnl_paise(self) -> int:
        """P&L of the day before charges; open positions at the price we would pay to close."""
        return self._closed_pnl_paise + sum(position.pnl_paise for position in self.open.values())

    def own_target(self, position: Position) -> int | None:
        """Price (paise) at which a position has gained the fixed policy's multiple of its own risk."""
        return fixed_target(
            position.entry_quantity,
            position.entry_value_paise,
            position.risk_per_unit_paise,
            self.orders.contracts[position.symbol].tick_paise,
            self.rules,
        )

    def restore(self, positions: list[Position]) -> None:
        """Take the positions of a session that is taken up again."""
        self.positions = {position.position_id: position for position in positions}
        self.open = {name: p for name, p in self.positions.items() if not p.closed}
        self._sum_closed()

    # ------------------------------------------------------------ hearing

    def mark(self, position: Position, price_paise: int, at_ms: int) -> None:
        """Value an open position at the price we would pay to close it: ask, else last price."""
        position.mark_paise = price_paise
        position.last_tick_ms = at_ms

    def reach_stage(self, reason: str) -> None:
        """A stage of the day is reached: a part of every position open now is to be bought back."""
        for position in self.open.values():
            if position.open_quantity > 0:
                position.stages += 1
                position.stage_reason = reason
                self.changed[position.position_id] = position

    def book_fills(self) -> bool:
        """Take the fills that the order manager has heard of; True when there were any."""
        deltas = self.orders.take_fills()
        for delta in deltas:
            self._book(delta)
        if deltas:
            self._sum_closed()
        return bool(deltas)

    def _sum_closed(self) -> None:
        self._closed_pnl_paise = sum(p.pnl_paise for p in self.positions.values() if p.closed)

    def _book(self, delta: FillDelta) -> None:
        order = delta.order
        position = self.positions.get(order.position_id)
        if position is None and order.reason == STRAY and order.side is Side.BUY:
            # A purchase of before the journal was lost closes what was adopted meanwhile.
            position = self.held(order.symbol)
            if position is not None:
                order.position_id = position.position_id
        if position is None:
            if order.purpose is not Purpose.ENTRY and order.reason != STRAY:
                return
            position = self._open(order)
        if order.purpose is Purpose.ENTRY:
            # What was sold before its purchase, and is heard of later, was not bought too much.
            sold_before = min(delta.quantity, max(-position.open_quantity, 0))
            position.overbought_quantity = max(position.overbought_quantity - sold_before, 0)
            position.entry_quantity += delta.quantity
            position.entry_value_paise += delta.value_paise
        elif order.purpose is Purpose.CORRECTION:
            position.correction_quantity += delta.quantity
            position.correction_value_paise += delta.value_paise
        else:
            position.exit_quantity += delta.quantity
            position.exit_value_paise += delta.value_paise
            _count_overbought(position, delta.quantity)
            if delta.quantity:
                position.exit_attempts = 0
                position.exit_reason = STOP_LOSS if order.purpose is Purpose.STOP else order.reason
            if order.reason == OVER_RISK:
                position.trim_quantity = max(position.trim_quantity - delta.quantity, 0)
            elif order.reason.endswith(STAGE):
                position.staged_quantity += delta.quantity
        if position.open_quantity or delta.quantity:
            self._reopen(position)
        self.changed[position.position_id] = position

    def _open(self, order: Order) -> Position:
        contract = self.orders.contracts[order.symbol]
        position = Position(
            position_id=order.position_id,
            symbol=order.symbol,
            option_type=contract.option_type,
            lot_size=contract.lot_size,
            swing_low_paise=order.swing_low_paise,
            stop_trigger_paise=order.protect_trigger_paise,
            opened_at_ms=self.orders.now_ms,
            mark_paise=self.orders.prices.closing_price(order.symbol) or order.trigger_price_paise,
            last_tick_ms=self.orders.now_ms,
        )
        self.positions[position.position_id] = position
        return position

    def _reopen(self, position: Position) -> None:
        """Something of it is open again, or may be: it is looked after until proven closed."""
        if position.position_id not in self.open:
            self.open[position.position_id] = position
            price = self.orders.prices.closing_price(position.symbol)
            position.mark_paise = price or position.mark_paise
        if position.closed:
            # Its P&L is with the open ones again, and must not be counted twice until the next fill.
            position.closed_at_ms = None
            self._sum_closed()
        self.changed[position.position_id] = position

    def close_externally(self, position: Position, quantity: int, price_paise: int) -> None:
        """Book that somebody else closed a quantity of ours, at the price known now.

        A negative quantity is a long of ours that somebody else sold.
        """
        price_paise = (
            price_paise or position.mark_paise
        )  # Just started, no price may have come yet.
        position.external_quantity += quantity
        position.external_value_paise += quantity * price_paise
        _count_overbought(position, quantity)
        position.exit_reason = EXTERNAL_CLOSE
        self.no_reentry.add(position.symbol)
        self._reopen(position)
        self.orders.say(
            Level.ALERT,
            "RECONCILE",
            f"{position.symbol}: {abs(quantity)} closed outside the bot, booked at "
            f"{rupee_text(price_paise)}; no re-entry",
            f"external:{position.symbol}",
        )

    def set_off(self) -> None:
        """Close what is to be bought back of a symbol by what another position is long of it: to trade
        both would be to trade with ourselves. Not while an order for either is on its way. At one price
        for both it changes no P&L of the day.
        """
        for long in [position for position in self.open.values() if position.open_quantity < 0]:
            if any(self.orders.live(long.symbol, Purpose.CORRECTION)):
                continue
            if any(self.orders.live(long.symbol, Purpose.EXIT)):
                continue
            for short in self.open.values():
                quantity = min(short.open_quantity, -long.open_quantity)
                if short.symbol == long.symbol and short.exit_wanted and quantity > 0:
                    self._set_off(long, short, quantity)

    def _set_off(self, long: Position, short: Position, quantity: int) -> None:
        price_paise = self.orders.prices.closing_price(short.symbol) or short.mark_paise
        for position, closed in ((short, quantity), (long, -quantity)):
            position.external_quantity += closed
            position.external_value_paise += closed * price_paise
            self.changed[position.position_id] = position
        short.exit_reason = short.exit_wanted
        self.orders.say(
            Level.ALERT,
            "EXIT",
            f"{short.symbol}: {quantity} to buy back are set off against {quantity} bought too much",
        )

    def take_back_external(self, position: Position, quantity: int) -> None:
        """Nobody else has closed a quantity after all: it is short, and ours to look after."""
        value = position.external_value_paise * quantity // position.external_quantity
        position.external_quantity -= quantity
        position.external_value_paise -= value
        self._reopen(position)
        self.orders.say(
            Level.CRITICAL,
            "RECONCILE",
            f"{position.symbol}: {quantity} were not closed outside the bot, as it seemed: all trades "
            "are ours; they are protected again",
            f"external:{position.symbol}",
        )

    def adopt(self, symbol: str, quantity: int, price_paise: int) -> Position:
        """Take a short that is not ours as a position of ours, sold at the price known now.

        Its stop stands as far away as a stop may be. R counts it from this price on, and it is not
        trimmed: nobody sized it.
        """
        contract = self.orders.contracts[symbol]
        name = f"{self.orders.prefix}-adopted-{symbol}"
        before = sum(1 for known in self.positions if known.startswith(name))
        stop = price_paise * (BASIS_POINTS + self.rules.stop_pct_max_bp) // BASIS_POINTS
        position = Position(
            position_id=f"{name}-{before + 1}" if before else name,
            symbol=symbol,
            option_type=contract.option_type,
            lot_size=contract.lot_size,
            swing_low_paise=price_paise,
            stop_trigger_paise=round_up(stop, contract.tick_paise),
            opened_at_ms=self.orders.now_ms,
            mark_paise=price_paise,
            entry_quantity=quantity,
            entry_value_paise=quantity * price_paise,
            trim_checked=True,
            adopted=True,
        )
        self.positions[position.position_id] = position
        self._reopen(position)
        return position


def _count_overbought(position: Position, bought: int) -> None:
    position.overbought_quantity += max(min(bought, -position.open_quantity), 0)
