"""One position of ours from its first fill to flat: quantities, money, and what is wanted of it."""

from __future__ import annotations

import msgspec

from baseline_v1_live.core.instruments import OptionType

STOP_LOSS = "STOP_LOSS"
OVER_RISK = "OVER_RISK"
STOP_FAILED = "STOP_FAILED"
EXTERNAL_CLOSE = "EXTERNAL_CLOSE"
FLATTEN = "FLATTEN"
LONG_CORRECTION = "LONG_CORRECTION"
FOREIGN = "FOREIGN_POSITION"
FIXED_TARGET = "FIXED_TARGET"
# A part that is bought back at a stage has the stage's R before this, e.g. ``+3R_STAGE``.
STAGE = "_STAGE"


class Position(msgspec.Struct, kw_only=True):
    """A short option position, named by the order that opened it.

    Money is exact: values are Σ price x quantity of broker fills. ``external_*`` is what somebody
    else, or a long of ours, closed of it, valued at the price known when it was seen.
    ``overbought_quantity`` is what was bought beyond what was short, in all. ``surplus_quantity`` is
    what its entry sold beyond R, in all; ``stages`` counts the stages of the day that it was open at,
    the newest is ``stage_reason``, and ``staged_quantity`` is what was bought back for them.
    """

    position_id: str
    symbol: str
    option_type: OptionType
    lot_size: int
    swing_low_paise: int
    stop_trigger_paise: int
    opened_at_ms: int
    mark_paise: int
    entry_quantity: int = 0
    entry_value_paise: int = 0
    exit_quantity: int = 0
    exit_value_paise: int = 0
    correction_quantity: int = 0
    correction_value_paise: int = 0
    external_quantity: int = 0
    external_value_paise: int = 0
    overbought_quantity: int = 0
    closed_at_ms: int | None = None
    exit_reason: str = ""

    exit_wanted: str = ""
    trim_quantity: int = 0
    trim_checked: bool = False
    surplus_quantity: int = 0
    stages: int = 0
    stage_reason: str = ""
    staged_quantity: int = 0
    adopted: bool = False
    exit_attempts: int = 0
    exit_due_ms: int = 0
    stop_failures: int = 0
    stop_due_ms: int = 0
    last_tick_ms: int = 0
    silent_alerted: bool = False

    @property
    def open_quantity(self) -> int:
        """Units still short; negative when more was bought than sold."""
        return (
            self.entry_quantity
            + self.correction_quantity
            - self.exit_quantity
            - self.external_quantity
        )

    @property
    def pnl_paise(self) -> int:
        """P&L before charges: money in less money out, the open quantity at its mark."""
        return (
            self.entry_value_paise
            + self.correction_value_paise
            - self.exit_value_paise
            - self.external_value_paise
            - self.open_quantity * self.mark_paise
        )

    @property
    def risk_per_unit_paise(self) -> int:
        """Risk per unit at entry: stop less swing low."""
        return self.stop_trigger_paise - self.swing_low_paise

    @property
    def r_milli(self) -> int:
        """The trade's own R multiple, in thousandths: P&L over risk per unit x quantity sold."""
        risk = self.risk_per_unit_paise * self.entry_quantity
        return round(self.pnl_paise * 1000 / risk) if risk else 0

    @property
    def closed(self) -> bool:
        """Whether it is flat and nothing of it can still fill."""
        return self.closed_at_ms is not None
