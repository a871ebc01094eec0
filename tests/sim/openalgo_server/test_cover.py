"""The checker of an account's history: what is bare, and what was entered twice."""

from __future__ import annotations

from typing import Any

import pytest

from baseline_v1_live.sim.openalgo_server.cover import (
    Duplicate,
    Naked,
    duplicate_entries,
    naked_intervals,
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
    assert naked_intervals([*SOLD, STOP]) == [Naked(CALL, 20, 25, 130)]


def test_a_short_that_is_never_covered_is_bare_to_the_end() -> None:
    """Without a stop the interval goes on to the end of the history."""
    assert naked_intervals(SOLD, end_ms=900) == [Naked(CALL, 20, 900, 130)]
    assert naked_intervals([*SOLD, order(50, "x", "SELL", symbol=PUT)]) == [
        Naked(CALL, 20, 50, 130)
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
    assert naked_intervals(rows) == [Naked(CALL, 40, 47, 130)]


def test_a_stop_covers_its_own_quantity_only() -> None:
    """More sold than the stop buys back is bare by the difference, at its worst."""
    rows = [
        *SOLD, STOP | {"at_ms": 20}, fill(30, "f", "SELL", 65), fill(33, "f", "SELL", 65),
        order(35, "s", "BUY", "trigger pending", quantity=195),
        order(37, "s", "BUY", "trigger pending", quantity=260),
    ]  # fmt: skip
    assert naked_intervals(rows) == [Naked(CALL, 30, 37, 130)]


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
    assert naked_intervals(rows, end_ms=30) == [Naked(CALL, 20, 30, 130)]


def test_other_rows_only_carry_the_time() -> None:
    """Calls and streams change no position; the last of them ends the history."""
    assert naked_intervals([*SOLD, {"kind": "call", "at_ms": 80}]) == [Naked(CALL, 20, 80, 130)]


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
