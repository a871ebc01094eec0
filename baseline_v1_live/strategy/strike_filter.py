"""Which swing lows may be sold: three filter stages, each refusal with its reason.

Stage 1 asks once about the price, stage 2 follows the stop distance, stage 3 picks the best of a
kind (docs/strategy.md, section 4). All comparisons are in integers.
"""

from __future__ import annotations

from collections.abc import Iterable

from baseline_v1_live.core.instruments import Contract, round_down, rupee_text
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.strategy.bars import Vwap
from baseline_v1_live.strategy.swings import Swing

BASIS_POINTS = 10_000

PRICE_LOW = "price_low"
PRICE_HIGH = "price_high"
NO_VWAP = "no_vwap"
VWAP_PREMIUM_LOW = "vwap_premium_low"
STOP_PCT_LOW = "stop_pct_low"
STOP_PCT_HIGH = "stop_pct_high"


def stage_one(price_paise: int, vwap: Vwap | None, rules: Rules) -> str | None:
    """The reason why a swing low of this price and VWAP may not be sold, None if it may."""
    if price_paise < rules.price_min_paise:
        return PRICE_LOW
    if price_paise > rules.price_max_paise:
        return PRICE_HIGH
    if vwap is None:
        return NO_VWAP
    premium = (price_paise * vwap.weight - vwap.value) * BASIS_POINTS
    if premium < rules.vwap_premium_min_bp * vwap.value:
        return VWAP_PREMIUM_LOW
    return None


class Candidate:
    """A swing low that passed stage 1, followed until it is spent or replaced.

    ``highest_high_paise`` is the highest high of all bars after the swing's own bar, the forming
    bar included; it only ever rises. ``ordered`` says that an order of ours rests on it.
    """

    __slots__ = (
        "_rules",
        "contract",
        "highest_high_paise",
        "low_paise",
        "ordered",
        "spent",
        "swing",
        "trigger_paise",
    )

    def __init__(
        self, swing: Swing, contract: Contract, highest_high_paise: int, rules: Rules
    ) -> None:
        self.swing = swing
        self.contract = contract
        self.highest_high_paise = highest_high_paise
        self.spent = False
        self.ordered = False
        self.low_paise = swing.price_paise
        # One tick below the low; read on every tick of the symbol, so it is kept.
        tick = contract.tick_paise
        self.trigger_paise = round_down(self.low_paise - rules.entry_trigger_ticks * tick, tick)
        self._rules = rules

    @property
    def symbol(self) -> str:
        """The option's name."""
        return self.contract.symbol

    @property
    def limit_paise(self) -> int:
        """Entry limit: the trigger less the limit offset."""
        limit = self.trigger_paise - self._rules.entry_limit_offset_paise
        return max(round_down(limit, self.contract.tick_paise), self.contract.tick_paise)

    @property
    def stop_paise(self) -> int:
        """Where the protective stop would stand: highest high plus the stop offset."""
        return self.highest_high_paise + self._rules.stop_offset_paise

    @property
    def stop_points_paise(self) -> int:
        """Risk per unit: stop less low."""
        return self.stop_paise - self.low_paise

    def stage_two(self) -> str | None:
        """The reason why the stop distance disqualifies it now, None while it qualifies."""
        distance = self.stop_points_paise * BASIS_POINTS
        if distance < self._rules.stop_pct_min_bp * self.low_paise:
            return STOP_PCT_LOW
        if distance > self._rules.stop_pct_max_bp * self.low_paise:
            return STOP_PCT_HIGH
        return None

    def rank(self) -> tuple[int, bool, int, str]:
        """Stage 3's order, the best first: points nearest to the target, then a round strike,
        then the higher low, then the symbol.
        """
        return (
            abs(self.stop_points_paise - self._rules.stop_points_target_paise),
            self.contract.strike_paise % self._rules.round_strike_paise != 0,
            -self.low_paise,
            self.symbol,
        )

    def describe(self) -> str:
        """The figures that stage 3 ranked it by, for messages."""
        kind = "round" if self.rank()[1] is False else "odd"
        return (
            f"stop {rupee_text(self.stop_points_paise)} points above low "
            f"{rupee_text(self.low_paise)}, {kind} strike"
        )


def best_of(candidates: Iterable[Candidate]) -> Candidate | None:
    """Stage 3: the best of the candidates given, None when there is none."""
    return min(candidates, key=Candidate.rank, default=None)
