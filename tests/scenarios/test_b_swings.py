"""Selecting strikes, continued: the field's scenarios B9 to B18.

B12 (the swing's own bar in the break test) holds by the order of the bars: only later ticks count.
"""

from __future__ import annotations

import msgspec
import pytest

from baseline_v1_live.core.messages import Bar, BarsLoaded, PlaceOrder
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C260, C261, C2605, P260, Ohlc, at, later_swing


@pytest.fixture
def desk() -> Desk:
    """The entry in C260 rests; low 130, highest high 139, five lots."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    return desk


def test_b9_a_lower_low_is_a_swing_only_when_two_bars_confirm_it() -> None:
    """A lower low without a high between updates the swing after the second confirming bar."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.say("pause")
    desk.swing_low(C260, 130.00, 139.00)
    desk.say("resume")
    desk.refuse("entry-0001", "not now")
    desk.take()
    bars: tuple[Ohlc, ...] = (
        (134.00, 135.00, 128.00, 129.00),
        (129.00, 137.00, 129.00, 136.00),
        (136.00, 138.00, 133.00, 137.00),
    )
    desk.minutes(C260, bars[:2])
    assert desk.take() == []
    desk.minute({C260: bars[2]})

    assert desk.take() == ["place entry-0002 SELL 325 C260 SL 127.95/124.95"]
    assert desk.engine.market.swings[-1].swing.is_update


def test_b9_the_second_confirmation_may_come_late() -> None:
    """A bar that confirms nothing between the two that do only delays the swing."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.swing_low(C260, 130.00, 139.00)
    desk.refuse("entry-0001", "not now")
    desk.take()
    bars: tuple[Ohlc, ...] = (
        (134.00, 135.00, 128.00, 129.00),
        (129.00, 137.00, 129.00, 136.00),
        (130.00, 131.00, 128.50, 128.90),
        (136.00, 138.00, 133.00, 137.00),
    )
    desk.minutes(C260, bars)

    assert "place entry-0002 SELL 325 C260 SL 127.95/124.95" in desk.take()


def test_b10_a_new_swing_moves_the_resting_entry(desk: Desk) -> None:
    """A higher swing low of the same symbol takes the entry along by one modification."""
    desk.minutes(C260, later_swing())

    assert desk.take() == ["modify entry-0001 325 SL 131.45/128.45"]
    desk.modified("entry-0001")
    desk.fill("entry-0001", 325, 131.45)
    assert desk.take() == ["place stop-0002 BUY 325 C260 SL 138.00/141.00"]


def test_b10_once_filled_a_new_swing_changes_neither_entry_nor_stop(desk: Desk) -> None:
    """The stop of a position stays where its fill put it, whatever swings come later."""
    desk.fill("entry-0001", 325, 129.95)
    desk.accept("stop-0002")
    desk.take()
    desk.minutes(C260, later_swing())
    desk.advance(60)

    assert desk.take() == []


def test_b10_a_swing_spent_above_our_trigger_leaves_no_entry_unwatched(desk: Desk) -> None:
    """The order stayed at 129.95 for a new swing of 130.95; that one breaks at 130.90 and bounces: the
    entry still goes when its stop is no longer within 10 %.
    """
    desk.minutes(C260, later_swing(130.95))
    assert desk.take() == []
    desk.tick(C260, 130.50)
    desk.tick(C260, 135.00)
    desk.tick(C260, 146.00)
    desk.advance(15)

    assert "cancel entry-0001" in desk.take()


def test_b11_the_forming_high_takes_lots_off_at_once() -> None:
    """A new high inside the minute widens the stop, and the entry is cut to nine lots at that tick."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    desk.tick(C260, 139.50)

    assert desk.take() == ["modify entry-0001 585 SL 129.95/126.95"]


def test_b11_lots_are_never_added_to_a_resting_entry() -> None:
    """The highest high only rises, so an entry that was cut stays cut."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.tick(C260, 139.50)
    desk.modified("entry-0001")
    desk.take()
    desk.tick(C260, 131.00)
    desk.advance(120)

    assert desk.take() == []


def test_b11_the_stop_uses_the_highest_high_at_the_fill(desk: Desk) -> None:
    """A high of the minute in which the entry fills belongs to the stop."""
    desk.tick(C260, 139.80)
    desk.tick(C260, 129.95)
    desk.take()
    desk.fill("entry-0001", 325, 129.95)

    assert desk.take() == ["place stop-0002 BUY 325 C260 SL 140.80/143.80"]


def test_b13_the_vwap_of_a_swing_is_frozen() -> None:
    """Volume that lifts the VWAP after the swing does not take the candidate away."""
    desk = Desk(rules=Rules(lots_max=5))
    desk.say("pause")
    desk.swing_low(C260, 130.00, 139.00)
    desk.minute({C260: (136.00, 139.00, 135.50, 138.00)}, volume=90_000_000)
    desk.say("resume")

    assert desk.take() == ["place entry-0001 SELL 325 C260 SL 129.95/126.95"]


def test_b14_a_held_symbol_is_not_entered_again() -> None:
    """A new swing low of a symbol that is held is not sold."""
    desk = Desk()
    desk.short(C260)
    desk.take()
    desk.minutes(C260, later_swing())
    desk.advance(60)

    assert desk.take() == []


def test_b14_a_symbol_that_the_user_closed_is_not_entered_again() -> None:
    """After somebody else closed our position its symbol is left alone for the day."""
    desk = Desk()
    with desk.answered():
        desk.short(C260)
        desk.bought_elsewhere[C260] += 650
        desk.advance(30)
    assert desk.engine.positions.open == {}
    desk.take()
    desk.minutes(C260, later_swing())
    desk.minutes(C260, later_swing())

    assert desk.take() == []


def test_b15_no_stale_best_remains_when_all_candidates_are_gone(desk: Desk) -> None:
    """When the last call disqualifies, no best call is shown any more."""
    assert desk.engine.desk.best == {"CE": C260}
    desk.tick(C260, 142.05)
    desk.prove("entry-0001")
    desk.cancelled("entry-0001")
    desk.tick(C260, 141.00)

    assert desk.engine.desk.best == {}


@pytest.mark.parametrize(
    ("first", "second", "best"),
    [
        ((C2605, 130.00, 139.00), (C260, 130.00, 139.00), C260),
        ((C260, 130.00, 139.00), (C261, 131.00, 140.00), C261),
        ((C261, 130.00, 139.00), (C260, 130.00, 139.00), C260),
        ((C2605, 130.00, 139.05), (C261, 130.00, 139.10), C2605),
    ],
    ids=["round strike", "higher low", "symbol", "points come first"],
)
def test_b16_equal_candidates_have_one_winner(
    first: tuple[str, float, float], second: tuple[str, float, float], best: str
) -> None:
    """Points nearest to ten win, then a strike of whole hundreds, a higher low, and the name."""
    desk = Desk()
    desk.swing_lows({symbol: (low, high) for symbol, low, high in (first, second)})
    (placed,) = desk.of(PlaceOrder)

    assert placed.symbol == best
    assert placed.reason != ""


def test_b18_bars_of_a_stranger_disturb_nobody(desk: Desk) -> None:
    """Bars and ticks of a symbol outside the universe are dropped, and the others go on."""
    desk.feed(BarsLoaded(symbol="NIFTY29DEC2699999CE", bars=(Bar(at("09:15:00"), 1, 1, 1, 1, 1),)))
    desk.tick("NIFTY29DEC2699999CE", 10.00)
    desk.swing_low(P260, 130.00, 139.00)

    assert desk.take() == ["place entry-0002 SELL 325 P260 SL 129.95/126.95"]


def test_a_swing_that_is_found_again_while_it_is_sold_stays_sold() -> None:
    """History corrects an earlier bar while the entry is being cancelled; it fills and is stopped out:
    the low that was found anew in the corrected bars is the one that was sold.
    """
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.say("pause")
    first, *rest = desk.engine.market.symbols[C260].series.bars
    corrected = msgspec.structs.replace(first, volume=first.volume + 65)
    desk.feed(BarsLoaded(symbol=C260, bars=(corrected, *rest)))
    desk.fill("entry-0001", 650, 129.95)
    desk.accept("stop-0002")
    desk.fill("stop-0002", 650, 140.00)
    desk.take()
    desk.say("resume")
    desk.tick(C260, 131.00)
    desk.advance(120)

    assert not any(line.startswith("place entry") for line in desk.take())
