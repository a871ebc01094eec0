"""The checker on the rate of what leaves: orders of a second and a minute, calls, changes of an order."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseline_v1_live.sim.openalgo_server.rest import Served
from baseline_v1_live.simulate.check_wire import OrderRate
from tests.harness_market import C260
from tests.simulate.wire_scene import ORDER_IDS, Wire, change, entry


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    return Wire(tmp_path)


def _orders(wire: Wire, many: int, every_ms: int, *, entries: bool = False) -> None:
    for _ in range(many):
        if entries:
            command = entry(symbol=C260, quantity=65 * (next(ORDER_IDS) % 20 + 1))
            wire.decide(command)
            wire.checks.ended(wire.send(command), None)
        else:
            wire.call("cancelorder", {"orderid": "1"})
        wire.now_ms += every_ms


@pytest.mark.parametrize(("many", "lawful"), [(10, True), (11, False)])
def test_more_than_ten_orders_in_a_second_are_said(wire: Wire, many: int, lawful: bool) -> None:
    """In any second, whatever kinds they are."""
    _orders(wire, many, 90)

    assert wire.said == (set() if lawful else {OrderRate.SECOND})


@pytest.mark.parametrize(("many", "lawful"), [(8, True), (9, False)])
def test_an_entry_is_not_the_ninth_of_a_second(wire: Wire, many: int, lawful: bool) -> None:
    """The last two are kept for what closes."""
    _orders(wire, many - 1, 10)
    _orders(wire, 1, 0, entries=True)

    assert wire.said == (set() if lawful else {OrderRate.SECOND})


@pytest.mark.parametrize(("many", "lawful"), [(100, True), (101, False)])
def test_more_than_a_hundred_orders_in_a_minute_are_said(
    wire: Wire, many: int, lawful: bool
) -> None:
    """Evenly spread, so that no second is too full."""
    _orders(wire, many, 590)

    assert wire.said == (set() if lawful else {OrderRate.MINUTE})


@pytest.mark.parametrize(("before", "lawful"), [(69, True), (70, False)])
def test_an_entry_leaves_a_share_of_the_minute(wire: Wire, before: int, lawful: bool) -> None:
    """Thirty of a minute are kept from entries."""
    _orders(wire, before, 700)
    _orders(wire, 1, 0, entries=True)

    assert wire.said == (set() if lawful else {OrderRate.MINUTE})


@pytest.mark.parametrize(("many", "lawful"), [(50, True), (51, False)])
def test_more_than_fifty_calls_in_a_second_are_said(wire: Wire, many: int, lawful: bool) -> None:
    """The gateway counts each endpoint by itself: what was asked of another has its own fifty."""
    for _ in range(many):
        wire.call("orderbook")
        wire.call("orderstatus")
        wire.now_ms += 15

    assert wire.said == (set() if lawful else {OrderRate.CALLS})


@pytest.mark.parametrize(("many", "lawful"), [(10, True), (11, False)])
def test_positions_that_are_asked_for_in_a_tight_loop_are_said(
    wire: Wire, many: int, lawful: bool
) -> None:
    """All books are read once a second at most, but for the few times that something else asks."""
    for _ in range(many):
        wire.call("positionbook")
        wire.now_ms += 30

    assert wire.said == (set() if lawful else {OrderRate.CALLS})


@pytest.mark.parametrize(("many", "lawful"), [(25, True), (26, False)])
def test_an_order_that_is_changed_too_often_is_said(wire: Wire, many: int, lawful: bool) -> None:
    """Brokers take no more. What the gateway refuses by itself they never see."""
    for number in range(many + 9):
        command = change(quantity=65 * (number % 10 + 1))
        wire.decide(command)
        refused = Served(403, "{}") if number < 9 else None
        wire.checks.ended(wire.send(command), refused)
        wire.now_ms += 2_000

    assert wire.said == (set() if lawful else {OrderRate.CHANGES})
