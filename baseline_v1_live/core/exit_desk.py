"""What a price or a fill brings to an end: the day, a stage of it, or one position at its own target.

The limits are those of the exit policy (strategy/exit_policy.py). Closing is the position tracker's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from baseline_v1_live.core.instruments import rupee_text
from baseline_v1_live.core.messages import Level, Side
from baseline_v1_live.core.position import FIXED_TARGET, Position
from baseline_v1_live.core.price_watch import PriceWatch
from baseline_v1_live.core.rules import ExitPolicy
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.position_tracker import PositionTracker
from baseline_v1_live.strategy.exit_policy import DayLimits, Held, r_milli, stage_reason


class ExitDesk:
    """Evaluates all limits. ``exit_day`` ends the day for a reason; ``prices`` asks for the quotes that
    confirm a limit.
    """

    def __init__(
        self,
        orders: OrderManager,
        positions: PositionTracker,
        prices: PriceWatch,
        exit_day: Callable[[str], None],
    ) -> None:
        self.rules = orders.rules
        self.orders = orders
        self.positions = positions
        self.prices = prices
        self.limits = DayLimits(self.rules)
        self._targets = Held(self.rules)
        self._exit_day = exit_day

    def look(self, pnl_paise: int, positions: Iterable[Position] = ()) -> bool:
        """Evaluate the limits of R at a P&L, and the own targets of the positions whose price came.

        True when something follows that the engine's step must carry out.
        """
        if self.positions.day_exit_reason is not None:
            return False
        found = not self.prices.stale and self._look_at_day(pnl_paise)
        if self.rules.exit_policy is ExitPolicy.FIXED:
            for position in positions:
                found |= self._look_at_target(position)
        return found

    def _look_at_day(self, pnl_paise: int) -> bool:
        limits = self.limits
        stages, peak = limits.stages_reached, limits.peak_r_milli
        reason = limits.evaluate(
            pnl_paise,
            self.orders.now_ms,
            realised=self.positions.all_realised,
            quoted=self.prices.all_quoted,
        )
        fresh, limits.held.fresh = limits.held.fresh, False
        if fresh:
            self.prices.confirm_limit()
        if reason is not None:
            self._exit_day(reason)
        if peak is None and limits.peak_r_milli is not None:
            self._say_armed(limits.peak_r_milli)
        for level in self.rules.staged_r_milli[stages : limits.stages_reached]:
            self._reach_stage(level, r_milli(pnl_paise, self.rules))
        return fresh or reason is not None or limits.stages_reached > stages

    def _look_at_target(self, position: Position) -> bool:
        """A position whose target has traded for a moment is to be closed."""
        target = None if position.exit_wanted else self.positions.own_target(position)
        if target is None or position.open_quantity <= 0:
            return False
        symbol = position.symbol
        believed = self._targets.believed(
            position.position_id,
            self.orders.prices.reached(symbol, Side.SELL, target),
            self.orders.now_ms,
            quoted=self.prices.was_quoted(symbol),
        )
        fresh, self._targets.fresh = self._targets.fresh, False
        if fresh:
            self.prices.confirm_price(symbol)
        if believed:
            text = f"{symbol}: own target {rupee_text(target)} traded, closing"
            self.orders.say(Level.INFO, "EXIT", text)
            self.positions.want_exit(position, FIXED_TARGET)
        return fresh or believed

    def _reach_stage(self, level_r_milli: int, now_r_milli: int) -> None:
        self.orders.say(
            Level.INFO,
            "R-CHECK",
            f"{level_r_milli / 1000:+g}R reached at {now_r_milli / 1000:+.2f}R: buying back "
            f"{self.rules.staged_part_bp / 100:g} % of every open position",
        )
        self.positions.reach_stage(stage_reason(level_r_milli))

    def _say_armed(self, peak_r_milli: int) -> None:
        gap = self.rules.trailing_gap_r_milli
        self.orders.say(
            Level.INFO,
            "R-CHECK",
            f"trailing from {peak_r_milli / 1000:+.2f}R on: all is closed {gap / 1000:g}R below the peak",
        )
