"""The checker of an account's history: what is bare or long, which stops are too many, and what was
entered twice.
"""

from __future__ import annotations

from typing import Any

import pytest

from baseline_v1_live.sim.openalgo_server.cover import (
    Duplicate,
    Interval,
    SoldAgain,
    duplicate_entries,
    idle_stop_intervals,
    long_intervals,
    naked_intervals,
    second_stop_intervals,
    sold_again,
)

CALL, OTHER_CALL, PUT = "NIFTY01DEC2626000CE", "NIFTY01DEC2626100CE", "NIFTY01DEC2626000PE"


def order(
    at_ms: int, orderid: str, side: str, status: str = "open", filled: int = 0, **fields: Any
) -> dict[str, Any]:
    row = {
        "kind": "order", "at_ms": at_ms, "orderid": orderid, "symbol": CALL, "side": side,
        "status": status, "quantity": 130, "filled_quantity": filled,
    }  # fmt: skip
    return row | fields


def fill(at_ms: int, orderid: str, side: str, quantity: int = 130, **fields: Any) -> dict[str, Any]:
    row = {
        "kind": "fill", "at_ms": at_ms, "orderid": orderid, "symbol": CALL, "side": side,
        "quantity": quantity,
    }  # fmt: skip
    return row | fields


SOLD = [
    order(10, "e", "SELL", "trigger pending"),
    fill(20, "e", "SELL"),
    order(20, "e", "SELL", "complete", 130),
]
STOP = order(25, "s", "BUY", "trigger pending")


def test_a_short_is_bare_until_its_stop_is_live() -> None:
    """From the fill to the stop at the exchange the whole quantity is bare."""
    assert naked_intervals([*SOLD, STOP]) == [Interval(CALL, 20, 25, 130)]


def test_a_short_that_is_never_covered_is_bare_to_the_end() -> None:
    """Without a stop the interval goes on to the end of the history."""
    assert naked_intervals(SOLD, end_ms=900) == [Interval(CALL, 20, 900, 130)]
    assert naked_intervals([*SOLD, order(50, "x", "SELL", symbol=PUT)]) == [
        Interval(CALL, 20, 50, 130)
    ]


def test_what_lasts_no_time_is_not_bare() -> None:
    """A stop in the instant of the fill leaves nothing to report."""
    assert naked_intervals([*SOLD, STOP | {"at_ms": 20}]) == []


@pytest.mark.parametrize("status", ["cancelled", "rejected"])
def test_a_stop_that_is_gone_covers_nothing(status: str) -> None:
    """From the end of the stop the short is bare until an exit works."""
    gone = order(40, "s", "BUY", status)
    exit_order = order(47, "x", "BUY")
    rows = [*SOLD, STOP | {"at_ms": 20}, gone, exit_order]
    assert naked_intervals(rows) == [Interval(CALL, 40, 47, 130)]


def test_a_stop_covers_its_own_quantity_only() -> None:
    """More sold than the stop buys back is bare by the difference, at its worst."""
    rows = [
        *SOLD, STOP | {"at_ms": 20}, fill(30, "f", "SELL", 65), fill(33, "f", "SELL", 65),
        order(35, "s", "BUY", "trigger pending", quantity=195),
        order(37, "s", "BUY", "trigger pending", quantity=260),
    ]  # fmt: skip
    assert naked_intervals(rows) == [Interval(CALL, 30, 37, 130)]


def test_a_stop_that_fills_in_parts_covers_all_the_way() -> None:
    """What it has bought is no longer short, what is left of it covers the rest."""
    rows = [
        *SOLD, STOP | {"at_ms": 20}, fill(60, "s", "BUY", 65), order(60, "s", "BUY", "open", 65),
        fill(70, "s", "BUY", 65), order(70, "s", "BUY", "complete", 130), order(99, "y", "SELL"),
    ]  # fmt: skip
    assert naked_intervals(rows) == []


def test_cover_of_one_symbol_covers_no_other() -> None:
    """A stop on another strike leaves this one bare."""
    rows = [*SOLD, order(20, "s", "BUY", "trigger pending", symbol=OTHER_CALL)]
    assert naked_intervals(rows, end_ms=30) == [Interval(CALL, 20, 30, 130)]


def test_other_rows_only_carry_the_time() -> None:
    """Calls and streams change no position; the last of them ends the history."""
    assert naked_intervals([*SOLD, {"kind": "call", "at_ms": 80}]) == [Interval(CALL, 20, 80, 130)]


def test_two_live_entries_of_a_symbol_are_found() -> None:
    """The second entry counts when it comes alive, and a change of it does not count again."""
    rows = [order(10, "a", "SELL"), order(15, "b", "SELL"), order(18, "b", "SELL", quantity=65)]
    assert duplicate_entries(rows) == [Duplicate(15, CALL, ("a", "b"))]


def test_two_live_entries_of_an_option_type_are_found() -> None:
    """Two calls are one too many; a call and a put are not."""
    put = order(12, "p", "SELL", symbol=PUT)
    other = order(15, "b", "SELL", symbol=OTHER_CALL)
    assert duplicate_entries([order(10, "a", "SELL"), put]) == []
    assert duplicate_entries([order(10, "a", "SELL"), put, other]) == [
        Duplicate(15, "CE", ("a", "b"))
    ]


def test_an_entry_after_the_end_of_another_is_fair() -> None:
    """Cancelled, then placed elsewhere; filled, then sold again; a long sold: none is a duplicate."""
    cancelled = [order(10, "a", "SELL"), order(15, "a", "SELL", "cancelled")]
    assert duplicate_entries([*cancelled, order(16, "b", "SELL", symbol=OTHER_CALL)]) == []
    assert duplicate_entries([*SOLD, order(30, "b", "SELL")]) == []
    long = [fill(5, "x", "BUY"), order(10, "a", "SELL"), order(11, "b", "SELL")]
    assert duplicate_entries(long) == []


LAWFUL = [
    *SOLD, STOP, fill(60, "s", "BUY", 65), order(60, "s", "BUY", "open", 65),
    fill(61, "s", "BUY", 65), order(61, "s", "BUY", "complete", 130), order(99, "p", "SELL", symbol=PUT),
]  # fmt: skip


def asked(at_ms: int, action: str, endpoint: str = "placeorder", **body: Any) -> dict[str, Any]:
    body = {"symbol": CALL, "action": action, **body}
    return {"kind": "request", "at_ms": at_ms, "endpoint": endpoint, "body": body}


def test_more_bought_than_sold_is_long_until_it_is_sold() -> None:
    """A stop and an exit that both fill leave a long, which a correction ends; a life without one does
    not.
    """
    twice = [*LAWFUL[:-1], fill(70, "x", "BUY", 65), fill(73, "x", "BUY", 65)]
    assert long_intervals([*twice, fill(95, "c", "SELL")]) == [Interval(CALL, 70, 95, 130)]
    assert long_intervals(twice, end_ms=90) == [Interval(CALL, 70, 90, 130)]
    assert long_intervals(LAWFUL, end_ms=900) == []


def test_a_long_that_is_corrected_in_its_instant_lasts_no_time() -> None:
    """Nothing of it is left to report; a long of one symbol is none of another."""
    at_once = [*LAWFUL, fill(70, "x", "BUY"), fill(70, "c", "SELL")]
    assert long_intervals(at_once, end_ms=900) == []
    assert long_intervals([*SOLD, fill(70, "x", "BUY", symbol=PUT)], end_ms=80) == [
        Interval(PUT, 70, 80, 130)
    ]


def test_a_stop_without_a_short_is_idle() -> None:
    """From the purchase that closed the short, or from the beginning, until the stop is gone."""
    closed = [*SOLD, STOP, fill(40, "x", "BUY"), order(40, "x", "BUY", "complete", 130)]
    gone = order(47, "s", "BUY", "cancelled")
    assert idle_stop_intervals([*closed, gone]) == [Interval(CALL, 40, 47, 130)]
    assert idle_stop_intervals(closed, end_ms=900) == [Interval(CALL, 40, 900, 130)]
    assert idle_stop_intervals([STOP], end_ms=30) == [Interval(CALL, 25, 30, 130)]
    assert idle_stop_intervals(LAWFUL, end_ms=900) == []


def test_a_stop_is_idle_by_what_it_has_beyond_the_short() -> None:
    """A short that shrinks under its stop, until the stop is made smaller; a long counts as no short."""
    shrinks = [*SOLD, STOP, fill(40, "x", "BUY", 65)]
    smaller = order(48, "s", "BUY", "trigger pending", quantity=65)
    assert idle_stop_intervals([*shrinks, smaller], end_ms=900) == [Interval(CALL, 40, 48, 65)]
    long = [fill(20, "x", "BUY"), STOP]
    assert idle_stop_intervals(long, end_ms=30) == [Interval(CALL, 25, 30, 130)]


def test_an_order_that_waits_for_no_trigger_is_no_idle_stop() -> None:
    """An exit, and a stop that has triggered, are worked; what they buy too much is a long."""
    worked = [order(10, "x", "BUY", "open"), order(10, "s", "BUY", "open")]
    assert idle_stop_intervals(worked, end_ms=900) == []
    assert second_stop_intervals(worked, end_ms=900) == []


def test_stops_beside_one_are_counted() -> None:
    """While both wait, also where together they are for just what is short; a change of one adds none."""
    half = order(30, "a", "BUY", "trigger pending", quantity=65)
    other = order(35, "b", "BUY", "trigger pending", quantity=65)
    changed = other | {"at_ms": 37, "trigger_paise": 14_000}
    gone = order(44, "a", "BUY", "cancelled", quantity=65)
    rows = [*SOLD, half, other, changed, gone]
    assert second_stop_intervals(rows, end_ms=900) == [Interval(CALL, 35, 44, 1)]
    assert idle_stop_intervals(rows, end_ms=900) == []


def test_one_stop_each_is_lawful() -> None:
    """One stop that grows, that is replaced after its end, and one of another symbol: never two."""
    grown = order(30, "s", "BUY", "trigger pending", quantity=260)
    replaced = [order(40, "s", "BUY", "cancelled"), order(41, "t", "BUY", "trigger pending")]
    put = order(42, "p", "BUY", "trigger pending", symbol=PUT)
    assert second_stop_intervals([*SOLD, STOP, grown, *replaced, put], end_ms=900) == []
    assert second_stop_intervals(LAWFUL, end_ms=900) == []


def test_a_sale_of_what_is_short_already_is_found() -> None:
    """It counts as it arrives, whatever becomes of it; so does each further one."""
    rows = [*SOLD, asked(30, "SELL"), STOP, asked(40, "SELL")]
    assert sold_again(rows) == [SoldAgain(30, CALL, 130), SoldAgain(40, CALL, 130)]


def test_a_sale_of_what_is_not_short_is_lawful() -> None:
    """Before the fill of the first, after the purchase, of another symbol, of a long; and a purchase, a
    change or a cancellation is no sale.
    """
    assert sold_again([asked(9, "SELL"), *SOLD]) == []
    assert sold_again([*LAWFUL, asked(70, "SELL")]) == []
    assert sold_again([*SOLD, asked(30, "SELL", symbol=PUT), asked(31, "BUY")]) == []
    assert sold_again([*SOLD, asked(30, "SELL", "modifyorder"), STOP]) == []
    assert sold_again([*LAWFUL, fill(70, "x", "BUY"), asked(71, "SELL")]) == []
    cancelled = {
        "kind": "request",
        "at_ms": 30,
        "endpoint": "cancelorder",
        "body": {"orderid": "e"},
    }
    assert sold_again([*SOLD, cancelled]) == []
