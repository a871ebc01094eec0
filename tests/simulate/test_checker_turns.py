"""The checker on whose turn it is: exits, stops and cancels leave before entries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from baseline_v1_live.adapters.openalgo.wire import requests
from baseline_v1_live.core.messages import (
    CancelOrder,
    ModifyOrder,
    OrderRefused,
    OrderType,
    PlaceOrder,
    Purpose,
    Request,
    Side,
)
from baseline_v1_live.simulate.check_turns import PATIENCE_MS, ExitsFirst
from tests.simulate.wire_scene import Wire, change, entry

EXIT = PlaceOrder(
    order_id="2026-12-28-exit-0009",
    symbol="NIFTY29DEC2626000CE",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    purpose=Purpose.EXIT,
    quantity=650,
    trigger_price_paise=0,
    limit_price_paise=13_500,
)
STOP = msgspec.structs.replace(
    change("88"), order_id="2026-12-28-stop-0002", side=Side.BUY, purpose=Purpose.STOP
)
CANCEL = CancelOrder(order_id="2026-12-28-entry-0003", broker_order_id="99")
Command = PlaceOrder | ModifyOrder | CancelOrder


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """A wire on which nothing has happened."""
    return Wire(tmp_path)


def leave(wire: Wire, command: Command) -> None:
    """A message leaves, as the client writes it."""
    if isinstance(command, CancelOrder):
        wire.call(*requests.cancel_order(command.broker_order_id))
    else:
        wire.send(command)


@pytest.mark.parametrize("protects", [EXIT, STOP, CANCEL])
@pytest.mark.parametrize("opens", [entry(), change()])
def test_an_entry_that_leaves_before_what_was_ready_is_said(
    wire: Wire, protects: Command, opens: PlaceOrder | ModifyOrder
) -> None:
    """An entry or a change of one, while an exit, a change of a stop, or a cancel waits longer."""
    wire.decide(opens)
    wire.now_ms += 50
    wire.decide(protects)
    wire.now_ms += 5
    leave(wire, opens)

    assert ExitsFirst.NAME in wire.said


@pytest.mark.parametrize("protects", [EXIT, STOP, CANCEL])
def test_what_has_left_before_is_lawful(wire: Wire, protects: Command) -> None:
    """The entry comes after it."""
    opens = entry()
    wire.decide(opens, protects)
    wire.now_ms += 500
    leave(wire, protects)
    leave(wire, opens)

    assert ExitsFirst.NAME not in wire.said
    assert wire.findings.checks[ExitsFirst.NAME] == 1


def test_what_is_not_stored_yet_is_not_ready(wire: Wire) -> None:
    """It waits for its disk, for a second at most; then it is ready without that."""
    first, second = entry(), entry(trigger_price_paise=12_000)
    wire.decide(first, second)
    wire.decide(EXIT, told=False)
    wire.now_ms += PATIENCE_MS
    leave(wire, first)
    assert ExitsFirst.NAME not in wire.said

    wire.now_ms += 5
    leave(wire, second)
    assert ExitsFirst.NAME in wire.said


def _refused(wire: Wire) -> None:
    refused = OrderRefused(
        seq=9, order_id=EXIT.order_id, request=Request.PLACE, message="", sent=False
    )
    wire.checks.hear(wire.desk.engine, refused, ())


@pytest.mark.parametrize("ends", [_refused, lambda wire: wire.checks.new_process()])
def test_what_never_leaves_is_not_waited_for(wire: Wire, ends: Callable[[Wire], Any]) -> None:
    """It was held back by our own side, or its process died."""
    wire.decide(EXIT)
    wire.now_ms += 500
    ends(wire)
    opens = entry()
    wire.decide(opens)
    leave(wire, opens)

    assert ExitsFirst.NAME not in wire.said


def test_an_entry_does_not_wait_for_another(wire: Wire) -> None:
    """Among entries the checker asks for no order."""
    first, second = entry(), entry(trigger_price_paise=12_000)
    wire.decide(first)
    wire.now_ms += 500
    wire.decide(second)
    leave(wire, second)

    assert ExitsFirst.NAME not in wire.said
