"""Size and limits: how many lots an entry gets, what a fill leaves over, what a chase may pay.

Formulas of docs/strategy.md, sections 5 and 7; all in integer paise.
"""

from __future__ import annotations

from collections.abc import Iterable

from baseline_v1_live.core.instruments import Contract, OptionType, round_down, round_up
from baseline_v1_live.core.messages import Side
from baseline_v1_live.core.rules import Rules

BASIS_POINTS = 10_000

MAX_POSITIONS = "max_positions"
MAX_CE = "max_ce_positions"
MAX_PE = "max_pe_positions"


def entry_quantity(risk_per_unit_paise: int, contract: Contract, rules: Rules) -> int:
    """Units to sell: ⌊R / (risk per unit x lot)⌋ lots, at most the lots limit and one order's size.

    0 when R does not pay for one lot.
    """
    if risk_per_unit_paise <= 0:
        return 0
    lots = rules.r_value_paise // (risk_per_unit_paise * contract.lot_size)
    quantity = min(lots, rules.lots_max) * contract.lot_size
    return min(quantity, contract.order_quantity_max)


def excess_quantity(
    sold_quantity: int, sold_value_paise: int, stop_paise: int, lot_size: int, rules: Rules
) -> int:
    """Units to buy back after a fill: the whole lots by which stop less average fill exceeds R.

    ``sold_value_paise`` is Σ price x quantity of the fills, so the average need not be rounded.
    """
    risk = stop_paise * sold_quantity - sold_value_paise
    if sold_quantity <= 0 or risk <= rules.r_value_paise:
        return 0
    lots = (risk - rules.r_value_paise) * sold_quantity // (risk * lot_size)
    return min(lots * lot_size, sold_quantity)


def stage_part(original_quantity: int, lot_size: int, rules: Rules) -> int:
    """Units of a position that one stage buys back: its part in whole lots, rounded down."""
    lots = original_quantity // lot_size
    return lots * rules.staged_part_bp // BASIS_POINTS * lot_size


def fixed_target(
    sold_quantity: int,
    sold_value_paise: int,
    risk_per_unit_paise: int,
    tick_paise: int,
    rules: Rules,
) -> int | None:
    """Price (paise) at which a position has gained so many times its own risk, on the tick below it.

    Counted from its average fill, Σ price x quantity in ``sold_value_paise``. At least one tick, the
    lowest price there is; None for a position without a risk to count in.
    """
    if sold_quantity <= 0 or risk_per_unit_paise <= 0:
        return None
    gain = risk_per_unit_paise * rules.fixed_target_r_milli * sold_quantity
    price = (sold_value_paise * 1000 - gain) // (sold_quantity * 1000)
    return max(round_down(price, tick_paise), tick_paise)


def limit_reached(
    option_type: OptionType, occupied: Iterable[OptionType], rules: Rules
) -> str | None:
    """The limit that one more position of this type would break, None if it fits.

    ``occupied`` has one entry for each position held and each entry that rests or is in flight.
    """
    types = list(occupied)
    if len(types) >= rules.positions_max:
        return MAX_POSITIONS
    same = types.count(option_type)
    if option_type is OptionType.CE and same >= rules.positions_ce_max:
        return MAX_CE
    if option_type is OptionType.PE and same >= rules.positions_pe_max:
        return MAX_PE
    return None


def band_edge(reference_paise: int, side: Side, rules: Rules) -> int:
    """The farthest limit price that stays inside the exchange's limit-price protection.

    NSE refuses a BUY above 1.40 x reference, or reference + ₹20 when that is ≤ ₹50, and mirrors it
    for a SELL (NSE/FAOP/54242); the rules keep a margin within that.
    """
    if reference_paise <= rules.band_low_price_paise:
        distance = rules.band_low_offset_paise
    else:
        distance = reference_paise * rules.band_edge_bp // BASIS_POINTS
    return reference_paise + distance if side is Side.BUY else max(reference_paise - distance, 0)


def chase_limit(
    reference_paise: int, side: Side, chases: int, current_paise: int, tick_paise: int, rules: Rules
) -> int:
    """The limit price of the next re-pricing of an exit that rests.

    ``chases`` counts the re-pricings so far; each goes one step further from the reference, the last
    step is the band's edge. A step that would not improve on ``current_paise`` (0 = a market order)
    is skipped, and the price never gets worse for the fill than it is.
    """
    edge = band_edge(reference_paise, side, rules)
    sign = 1 if side is Side.BUY else -1
    for step in rules.chase_steps_bp[chases:]:
        price = reference_paise + sign * (reference_paise * step // BASIS_POINTS)
        price = min(price, edge) if side is Side.BUY else max(price, edge)
        price = _to_tick(price, side, tick_paise)
        if not current_paise or (price - current_paise) * sign > 0:
            return price
    price = _to_tick(edge, side, tick_paise)
    return price if not current_paise or (price - current_paise) * sign > 0 else current_paise


def _to_tick(price_paise: int, side: Side, tick_paise: int) -> int:
    # Towards the reference, so that rounding never leaves the band.
    if side is Side.BUY:
        return round_down(price_paise, tick_paise)
    return max(round_up(price_paise, tick_paise), tick_paise)
