"""The checker on the wire: what leaves has a stored intent, leaves once, and in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from baseline_v1_live.core.messages import (
    BrokerStatus,
    OperatorSaid,
    OrderRefused,
    PlaceOrder,
    Purpose,
    Request,
    Side,
)
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate.chaos import BY_HAND
from baseline_v1_live.simulate.check_wire import EachOnce, EntriesOnWire
from tests.harness_market import C260, at
from tests.simulate.wire_scene import Wire, change, entry


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    return Wire(tmp_path)


def known(first: PlaceOrder, state: OrderState) -> Order:
    """What the bot knows of an order that it found at the broker as 77."""
    return Order(
        order_id=first.order_id,
        symbol=first.symbol,
        side=first.side,
        order_type=first.order_type,
        purpose=first.purpose,
        quantity=first.quantity,
        trigger_price_paise=first.trigger_price_paise,
        limit_price_paise=first.limit_price_paise,
        reason="",
        position_id=first.order_id,
        placed_at_ms=at("10:00"),
        state=state,
        broker_order_id="77",
    )


def row(first: PlaceOrder, **values: Any) -> BookOrder:
    """The same at the exchange, cancelled."""
    fields: dict[str, Any] = {
        "orderid": "77",
        "symbol": first.symbol,
        "exchange": "NFO",
        "action": first.side,
        "quantity": first.quantity,
        "price_paise": first.limit_price_paise,
        "trigger_paise": first.trigger_price_paise,
        "pricetype": "SL",
        "product": "MIS",
        "strategy": "baseline_v1",
        "placed_ms": at("10:00"),
        "changed_ms": at("10:00"),
        "reference_paise": 13_500,
        "status": BrokerStatus.CANCELLED,
    }
    return BookOrder(**(fields | values))


def stop(**values: Any) -> PlaceOrder:
    return entry(**({"side": Side.BUY, "purpose": Purpose.STOP} | values))


# ---------------------------------------------------------------- the intent


def test_an_entry_with_a_stored_step_is_lawful(wire: Wire) -> None:
    """So is a change of it."""
    for command in (entry(), change()):
        wire.decide(command)
        wire.send(command)

    assert wire.findings.checks[EntriesOnWire.DISK] == 2
    assert wire.said == set()


@pytest.mark.parametrize(("stored", "told"), [(False, False), (True, False), (False, True)])
def test_an_entry_without_a_stored_step_is_said(wire: Wire, stored: bool, told: bool) -> None:
    """The queue's word alone is not enough, and what it has not said yet is not known to be stored."""
    command = entry()
    wire.decide(command, stored=stored, told=told)
    wire.send(command)

    assert wire.said == {EntriesOnWire.DISK}


def test_a_change_of_an_entry_without_a_stored_step_is_said(wire: Wire) -> None:
    """It sells elsewhere, or more."""
    wire.decide(change(), stored=False, told=False)
    wire.send(change())

    assert wire.said == {EntriesOnWire.DISK}


def test_a_stop_may_leave_before_its_step_is_stored(wire: Wire) -> None:
    """A short that stands open is worse than a gap in a file."""
    command = stop()
    wire.decide(command, stored=False, told=False)
    wire.send(command)

    assert wire.said == set()


def test_an_order_that_leaves_twice_is_said(wire: Wire) -> None:
    """As of a client that tries again after a timeout."""
    command = stop()
    wire.decide(command)
    call = wire.send(command)
    wire.checks.ended(call, None)
    assert wire.said == set()
    wire.send(command)

    assert wire.said == {EachOnce.NAME}


def test_an_order_that_nobody_decided_on_is_said(wire: Wire) -> None:
    """Nor is one of another quantity the same order."""
    wire.decide(stop(quantity=650))
    wire.send(stop(quantity=715))

    assert wire.said == {EachOnce.NAME}


def test_what_was_not_sent_is_no_intent_any_more(wire: Wire) -> None:
    """It was given back; when it leaves all the same, nobody stands behind it."""
    command = stop()
    wire.decide(command)
    refused = OrderRefused(
        order_id=command.order_id, request=Request.PLACE, message="", sent=False, seq=2
    )
    wire.checks.hear(wire.desk.engine, refused, ())
    wire.send(command)

    assert wire.said == {EachOnce.NAME}


def test_what_a_dead_process_decided_must_not_leave(wire: Wire) -> None:
    """Sent and not answered is unknown after a restart, never sent again."""
    command = stop()
    wire.decide(command)
    wire.checks.new_process()
    wire.send(command)

    assert wire.said == {EachOnce.NAME}


def test_an_entry_that_leaves_is_an_intent_of_its_quantity(wire: Wire) -> None:
    """So is a change of it; a stop is none."""
    intended: list[tuple[str, str, int]] = []
    wire.checks.on_entry = lambda *intent: intended.append(intent)
    for command in (entry(order_id="entry-1"), change(quantity=585), stop()):
        wire.decide(command)
        wire.send(command)

    assert intended == [(C260, "entry-1", 650), (C260, "2026-12-28-entry-0001", 585)]


def test_two_entries_of_a_symbol_without_an_answer_are_said(wire: Wire) -> None:
    """Another symbol's, and one after the answer, are lawful."""
    first, other, second, third = (
        entry(),
        entry(symbol=C260.replace("26000", "26100")),
        *(entry(quantity=quantity) for quantity in (585, 520)),
    )
    for command in (first, other, second, third):
        wire.decide(command)
    call = wire.send(first)
    wire.send(other)
    wire.checks.ended(call, None)
    wire.send(second)
    assert wire.said == set()
    wire.send(third)

    assert wire.said == {EachOnce.UNANSWERED}


@pytest.mark.parametrize(
    ("state", "truth", "lawful"),
    [
        (OrderState.CANCELLED, {}, True),
        (OrderState.CLAIMED, {}, False),
        (OrderState.CANCELLED, {"status": BrokerStatus.TRIGGER_PENDING}, False),
        (OrderState.CANCELLED, {"strategy": BY_HAND}, False),
        (OrderState.CANCELLED, {"placed_ms": at("09:59")}, False),
    ],
)
def test_an_entry_whose_end_was_seen_needs_no_answer(
    wire: Wire, state: OrderState, truth: dict[str, Any], lawful: bool
) -> None:
    """The books and a question showed its end. A bot that believes so of an order that still works, is
    another's or came before, has guessed.
    """
    first, second = entry(), entry(quantity=585)
    wire.decide(first)
    wire.decide(second)
    wire.send(first)
    wire.desk.engine.orders.restore([known(first, state)], 1)
    wire.rows["77"] = row(first, **truth)
    wire.send(second)

    assert wire.said == (set() if lawful else {EachOnce.UNANSWERED})


def test_a_lost_stop_may_have_another_beside_it_after_two_seconds(wire: Wire) -> None:
    """The books were looked at twice by then; sooner it is one too many."""
    for wait_ms in (3_000, 1_000):
        command = stop(quantity=650 - wait_ms // 1000 * 65)
        wire.decide(command)
        wire.send(command)
        wire.now_ms += wait_ms
    assert wire.said == set()
    command = stop(quantity=65)
    wire.decide(command)
    wire.send(command)

    assert wire.said == {EachOnce.UNANSWERED}


# ---------------------------------------------------------------- the time


@pytest.mark.parametrize("verb", ["kill", "pause", "flatten", "stopday"])
@pytest.mark.parametrize(("after_ms", "lawful"), [(400, True), (600, False)])
def test_an_entry_that_leaves_after_a_word_is_said(
    wire: Wire, verb: str, after_ms: int, lawful: bool
) -> None:
    """Half a second is allowed to what was on its way."""
    command = entry()
    wire.decide(command)
    wire.gate.hear(OperatorSaid(verb=verb), wire.now_ms)
    wire.now_ms += after_ms
    wire.send(command)

    assert wire.said == (set() if lawful else {EntriesOnWire.AFTER})


def test_a_stop_may_leave_after_a_kill(wire: Wire) -> None:
    """What protects is never held back."""
    command = stop()
    wire.decide(command)
    wire.gate.hear(OperatorSaid(verb="kill"), wire.now_ms)
    wire.now_ms += 60_000
    wire.send(command)

    assert wire.said == set()


@pytest.mark.parametrize(
    ("time", "lawful"), [("09:15:59", False), ("09:16", True), ("14:59:59", True), ("15:01", False)]
)
def test_an_entry_that_leaves_outside_its_hours_is_said(
    wire: Wire, time: str, lawful: bool
) -> None:
    """By the exchange's clock."""
    wire.now_ms = at(time)
    command = entry()
    wire.decide(command)
    wire.send(command)

    assert wire.said == (set() if lawful else {EntriesOnWire.HOURS})
