"""Size, limits and the price of a chase (docs/strategy.md, sections 5 to 7)."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline_v1_live.core.instruments import Contract, OptionType
from baseline_v1_live.core.messages import Side
from baseline_v1_live.core.risk import (
    band_edge,
    chase_limit,
    entry_quantity,
    excess_quantity,
    limit_reached,
)
from baseline_v1_live.core.rules import Rules

RULES = Rules()
CE, PE = OptionType.CE, OptionType.PE
BUY, SELL = Side.BUY, Side.SELL


def contract_of(freeze: int = 1800, lot: int = 65) -> Contract:
    return Contract(
        symbol="NIFTY29DEC2626000CE",
        underlying="NIFTY",
        expiry=dt.date(2026, 12, 29),
        strike_paise=2_600_000,
        option_type=CE,
        lot_size=lot,
        freeze_quantity=freeze,
    )


# ---------------------------------------------------------------- size


def test_the_worked_example_is_ten_lots() -> None:
    """₹6,500 over 10 points and lots of 65 is 10 lots, 650 units."""
    assert entry_quantity(1000, contract_of(), RULES) == 650


@pytest.mark.parametrize(
    ("risk", "lots"),
    [(1001, 9), (1111, 9), (1112, 8), (2000, 5), (3000, 3), (3334, 2), (5000, 2), (10_000, 1)],
)
def test_lots_are_rounded_down(risk: int, lots: int) -> None:
    """Lots are R over risk per unit and lot size, rounded down: R is never exceeded."""
    quantity = entry_quantity(risk, contract_of(), RULES)

    assert quantity == lots * 65
    assert quantity * risk <= RULES.r_value_paise


@pytest.mark.parametrize("risk", [1, 100, 500, 999])
def test_at_most_ten_lots(risk: int) -> None:
    """However small the risk per unit, an entry has at most 10 lots."""
    assert entry_quantity(risk, contract_of(), RULES) == 650


def test_one_order_stays_within_the_freeze_quantity() -> None:
    """An entry is one order and carries at most the whole lots within the freeze quantity."""
    rules = Rules(lots_max=100)

    assert contract_of().order_quantity_max == 1755
    assert entry_quantity(10, contract_of(), rules) == 1755
    assert entry_quantity(10, contract_of(freeze=400), RULES) == 390
    assert entry_quantity(10, contract_of(freeze=1800, lot=75), rules) == 1800


@pytest.mark.parametrize("risk", [10_001, 100_000, 0, -5])
def test_no_lot_when_r_does_not_pay_for_one(risk: int) -> None:
    """A risk per unit that R does not pay for in one lot, or that is no risk, gives no lot."""
    assert entry_quantity(risk, contract_of(), RULES) == 0


def test_the_lot_size_is_the_contracts() -> None:
    """The size follows the contract's own lot."""
    assert entry_quantity(1000, contract_of(lot=75), RULES) == 8 * 75


# ---------------------------------------------------------------- after the fill


def excess(price: int, quantity: int = 650, stop: int = 14000) -> int:
    return excess_quantity(quantity, price * quantity, stop, 65, RULES)


def test_a_fill_at_the_trigger_leaves_nothing_over() -> None:
    """Filled at 129.95 the risk exceeds R by less than a lot's: nothing is bought back."""
    assert excess(12995) == 0


def test_a_fill_at_the_limit_leaves_two_lots_over() -> None:
    """Filled at 126.95 the risk of 10 lots is ₹8,482.50: two whole lots of it exceed R."""
    assert excess(12695) == 130


@pytest.mark.parametrize(("quantity", "over"), [(65, 0), (455, 0), (520, 0), (585, 65)])
def test_a_partial_fill_is_judged_by_its_own_risk(quantity: int, over: int) -> None:
    """A partial fill has less risk and less over, or nothing."""
    assert excess(12695, quantity) == over


def test_a_risk_of_exactly_r_leaves_nothing_over() -> None:
    """R itself is allowed."""
    assert excess(13000) == 0


def test_a_stop_below_the_fill_leaves_nothing_over() -> None:
    """A fill above its stop has no risk to exceed R."""
    assert excess(14005) == 0
    assert excess_quantity(0, 0, 14000, 65, RULES) == 0


def test_never_more_than_was_sold() -> None:
    """With a risk many times R, at most what was sold is bought back."""
    tiny = Rules(r_value_paise=1)

    assert excess_quantity(650, 650 * 5, 14000, 65, tiny) in (585, 650)


@given(st.integers(1, 27), st.integers(5, 13_999), st.sampled_from([65, 75, 30]))
def test_what_is_over_is_whole_lots_of_risk_beyond_r(lots: int, price: int, lot: int) -> None:
    """The risk of what is bought back fits into the excess over R, and one more lot's would not."""
    sold = lots * lot
    over = excess_quantity(sold, price * sold, 14000, lot, RULES)
    per_unit = 14000 - price
    beyond = per_unit * sold - RULES.r_value_paise

    assert over % lot == 0
    assert over * per_unit <= max(beyond, 0) < (over + lot) * per_unit


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("occupied", "ce", "pe"),
    [
        ([], None, None),
        ([CE, CE], None, None),
        ([CE, CE, CE], "max_ce_positions", None),
        ([PE, PE, PE], None, "max_pe_positions"),
        ([CE, PE, PE, PE], None, "max_pe_positions"),
        ([CE, CE, PE, PE], None, None),
        ([CE, CE, CE, PE, PE], "max_positions", "max_positions"),
        ([CE] * 6, "max_positions", "max_positions"),
    ],
)
def test_at_most_five_positions_and_three_of_a_type(
    occupied: list[OptionType], ce: str | None, pe: str | None
) -> None:
    """The sixth position, the fourth call and the fourth put are refused by name."""
    assert limit_reached(CE, occupied, RULES) == ce
    assert limit_reached(PE, iter(occupied), RULES) == pe


# ---------------------------------------------------------------- the band


@pytest.mark.parametrize(
    ("reference", "buy", "sell"),
    [
        (14_000, 19_320, 8_680),
        (10_000, 13_800, 6_200),
        (5_001, 6_901, 3_101),
        (5_000, 6_900, 3_100),
        (3_000, 4_900, 1_100),
        (1_900, 3_800, 0),
        (500, 2_400, 0),
    ],
)
def test_the_edge_of_the_band(reference: int, buy: int, sell: int) -> None:
    """The edge is 38 % from the reference, or ₹19 up to a reference of ₹50, never below zero."""
    assert band_edge(reference, BUY, RULES) == buy
    assert band_edge(reference, SELL, RULES) == sell


# ---------------------------------------------------------------- the chase


def ladder(reference: int, side: Side, count: int = 6) -> list[int]:
    """The limits of a chased market order while the reference stands still."""
    limits: list[int] = []
    for chases in range(count):
        current = limits[-1] if limits else 0
        limits.append(chase_limit(reference, side, chases, current, 5, RULES))
    return limits


def test_a_purchase_is_chased_upwards() -> None:
    """A BUY goes 3, 8 and 20 % above the reference, then to the band's edge, and stays there."""
    assert ladder(10_000, BUY) == [10_300, 10_800, 12_000, 13_800, 13_800, 13_800]


def test_a_sale_is_chased_downwards() -> None:
    """A SELL goes 3, 8 and 20 % below the reference, then to the band's edge, and stays there."""
    assert ladder(10_000, SELL) == [9_700, 9_200, 8_000, 6_200, 6_200, 6_200]


def test_low_prices_end_19_rupees_away() -> None:
    """Up to a reference of ₹50 the last step is ₹19 away, or the lowest price there is."""
    assert ladder(3_000, BUY, 4) == [3_090, 3_240, 3_600, 4_900]
    assert ladder(3_000, SELL, 4) == [2_910, 2_760, 2_400, 1_100]
    assert ladder(1_000, SELL, 4) == [970, 920, 800, 5]


def test_no_step_leaves_the_band() -> None:
    """A step that is set beyond the band's edge ends at the edge."""
    rules = Rules(chase_steps_bp=(5_000,))

    assert chase_limit(10_000, BUY, 0, 0, 5, rules) == 13_800
    assert chase_limit(10_000, SELL, 0, 0, 5, rules) == 6_200


def test_limits_are_rounded_towards_the_reference() -> None:
    """A limit off the tick is rounded inwards: a BUY down, a SELL up."""
    # 3 % of 101.37 is 3.0411, the edge 38 % away is 38.5206.
    assert chase_limit(10_137, BUY, 0, 0, 5, RULES) == 10_440
    assert chase_limit(10_137, SELL, 0, 0, 5, RULES) == 9_835
    assert chase_limit(10_137, BUY, 3, 0, 5, RULES) == 13_985
    assert chase_limit(10_137, SELL, 3, 0, 5, RULES) == 6_285


def test_a_step_that_would_not_improve_is_skipped() -> None:
    """A resting limit that is already beyond a step goes to the first step beyond itself."""
    assert chase_limit(10_000, BUY, 0, 10_300, 5, RULES) == 10_800
    assert chase_limit(10_000, BUY, 0, 11_000, 5, RULES) == 12_000
    assert chase_limit(10_000, SELL, 0, 9_000, 5, RULES) == 8_000


def test_a_limit_is_never_made_worse() -> None:
    """When the reference moves the good way, the limit stays where it is."""
    assert chase_limit(10_000, BUY, 9, 15_000, 5, RULES) == 15_000
    assert chase_limit(10_000, BUY, 0, 13_800, 5, RULES) == 13_800
    assert chase_limit(10_000, SELL, 9, 6_000, 5, RULES) == 6_000


def test_a_chase_follows_the_reference() -> None:
    """Each step is measured from the reference of its own moment."""
    first = chase_limit(14_000, BUY, 0, 14_300, 5, RULES)
    second = chase_limit(16_000, BUY, 1, first, 5, RULES)

    assert (first, second) == (14_420, 17_280)


@st.composite
def chases(draw: st.DrawFn) -> tuple[int, Side, int, int]:
    """Reference, side, re-pricings so far and a current limit inside the exchange's band, or 0."""
    reference = draw(st.integers(5, 100_000))
    side = draw(st.sampled_from(Side))
    low, high = exchange_band(reference)
    on_tick = st.integers(-(-max(low, 5) // 5), high // 5).map(lambda ticks: ticks * 5)
    return reference, side, draw(st.integers(0, 25)), draw(st.one_of(st.just(0), on_tick))


def exchange_band(reference: int) -> tuple[int, int]:
    """What NSE accepts: 40 % either way, or ₹20 up to a reference of ₹50."""
    room = 2_000 if reference <= 5_000 else reference * 40 // 100
    return reference - room, reference + room


@given(chases())
def test_a_chase_stays_inside_the_exchanges_band(chase: tuple[int, Side, int, int]) -> None:
    """Whatever the reference and the step, the limit is accepted, on the tick and no worse."""
    reference, side, count, current = chase
    limit = chase_limit(reference, side, count, current, 5, RULES)
    low, high = exchange_band(reference)

    assert max(low, 5) <= limit <= high
    assert limit % 5 == 0
    if current:
        assert limit >= current if side is BUY else limit <= current
