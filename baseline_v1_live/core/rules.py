"""Every number the core decides by, as one frozen value. Defaults are those of docs/strategy.md.

The shell builds it from the settings (config.py); the core never reads a setting itself.
Ratios are basis points (1 % = 100 bp) so that comparisons stay in integers.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ExitPolicy(StrEnum):
    """How a profit is taken; the stop, the loss limit of the day and the square-off hold under each."""

    MARKET = "market"
    STAGED = "staged"
    FIXED = "fixed"
    TRAILING = "trailing"


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The trading rules' parameters; names end in their unit."""

    # What is traded
    underlying: str = "NIFTY"

    # Bars and ticks
    bar_grace_ms: int = 2_000
    jump_limit_bp: int = 3_000
    snapshot_cadence_ms: int = 0

    # Swings and the three filter stages
    swing_confirmations: int = 2
    price_min_paise: int = 10_000
    price_max_paise: int = 30_000
    vwap_premium_min_bp: int = 400
    stop_pct_min_bp: int = 200
    stop_pct_max_bp: int = 1_000
    stop_points_target_paise: int = 1_000
    round_strike_paise: int = 10_000

    # Size and limits
    r_value_paise: int = 650_000
    lots_max: int = 10
    positions_max: int = 5
    positions_ce_max: int = 3
    positions_pe_max: int = 3

    # Entry
    entry_trigger_ticks: int = 1
    entry_limit_offset_paise: int = 300
    modify_threshold_paise: int = 100
    left_behind_ms: int = 10_000
    refusal_block_ms: int = 60_000
    churn_window_ms: int = 300_000
    churn_symbol_max: int = 2
    churn_total_max: int = 5

    # Protective stop and chase
    stop_offset_paise: int = 100
    stop_limit_offset_paise: int = 300
    stop_failures_max: int = 3
    chase_after_ms: int = 1_000
    chase_every_ms: int = 1_000
    chase_steps_bp: tuple[int, ...] = (300, 800, 2_000)
    chase_modifies_max: int = 18
    band_edge_bp: int = 3_800
    band_low_price_paise: int = 5_000
    band_low_offset_paise: int = 1_900
    reference_window_ms: int = 30_000

    # The day's exits
    day_target_r_milli: int = 5_000
    day_stop_r_milli: int = -5_000
    r_confirm_ms: int = 1_000
    r_net_of_charges: bool = False
    brokerage_per_order_paise: int = 2_000
    exit_policy: ExitPolicy = ExitPolicy.MARKET
    staged_r_milli: tuple[int, ...] = (3_000, 4_000)
    staged_part_bp: int = 4_000
    fixed_target_r_milli: int = 2_000
    trailing_arm_r_milli: int = 4_000
    trailing_gap_r_milli: int = 1_000
    exit_tries: int = 3
    exit_retry_ms: int = 2_000
    exit_retry_late_ms: int = 5_000

    # Data trust
    symbol_stale_ms: int = 120_000
    symbol_dead_ms: int = 240_000
    position_silent_alert_ms: int = 30_000
    index_checks: bool = True
    history_required: bool = True

    # Outcomes and reconciliation
    query_retry_ms: int = 1_000
    exit_query_ms: int = 300
    cancel_retry_ms: int = 2_000
    gateway_horizon_ms: int = 130_000
    absent_snapshots: int = 3
    reconcile_busy_ms: int = 3_000
    reconcile_idle_ms: int = 8_000
    reconcile_doubt_ms: int = 1_000
    # Books that cannot be read, or do not add up, for so long stop entries.
    drift_halt_ms: int = 20_000
    flip_window_ms: int = 60_000
    touched_grace_ms: int = 5_000
    # Missing in all books for so long, and not known when asked for, an order is as one unanswered.
    row_gone_ms: int = 30_000
    # Looks at the books in which a stop or exit without an answer is missing before a stop covers.
    unseen_stop_snapshots: int = 2
    unseen_stops_max: int = 2
    # alert, adopt or flatten; "ours" when the day's state was lost: what the broker shows counts as ours.
    foreign_position: str = "alert"

    # Margin, prices and bars on request
    margin_check: bool = False
    margin_required: bool = False
    margin_headroom_bp: int = 11_500
    margin_fresh_ms: int = 60_000
    position_quote_ms: int = 10_000
    quote_every_ms: int = 5_000
    history_retry_ms: int = 30_000
    history_after_ms: int = 5_000

    @property
    def trails(self) -> bool:
        """Whether a fall of R from its peak can end the day."""
        return self.exit_policy in (ExitPolicy.STAGED, ExitPolicy.TRAILING)

    @property
    def wait_for_market_ms(self) -> int:
        """Shortest time in which the market can have answered: one snapshot's cadence in a replay."""
        return self.snapshot_cadence_ms
