"""No order leaves while the gateway trades in another mode than ours."""

from __future__ import annotations

import asyncio

import pytest

from baseline_v1_live.core.messages import (
    CancelOrder,
    Event,
    OrderRefused,
    OutcomeUnknown,
    QueryOrder,
    Request,
    TakeSnapshot,
)
from baseline_v1_live.live_wiring import OwnModeOnly
from baseline_v1_live.runtime.ports import ToBroker
from tests.harness_orders import STOP, change_of
from tests.runtime.live_desk import Taker

MODIFY = change_of(STOP, "7")
CANCEL = CancelOrder(order_id="stop", broker_order_id="7")
QUERY = QueryOrder(order_id="stop", broker_order_id="7")
LOOK = TakeSnapshot(reason="test")


def _answer(command: ToBroker, wrong: str) -> tuple[Event, list[ToBroker]]:
    taker = Taker()
    orders = OwnModeOnly(taker)
    orders.wrong = wrong
    return asyncio.run(orders.send(command)), taker.sent


@pytest.mark.parametrize("command", [STOP, MODIFY, CANCEL, QUERY, LOOK])
def test_in_our_own_mode_everything_passes(command: ToBroker) -> None:
    """Nothing is held back while nothing is known to be wrong."""
    assert _answer(command, "")[1] == [command]


@pytest.mark.parametrize(
    ("command", "asked"),
    [(STOP, Request.PLACE), (MODIFY, Request.MODIFY), (CANCEL, Request.CANCEL)],
)
def test_in_another_mode_no_order_passes(command: ToBroker, asked: Request) -> None:
    """A stop and a cancel too would go to somebody else's account; the core hears that nothing left."""
    answer, sent = _answer(command, "live, not analyze")

    assert sent == []
    assert isinstance(answer, OrderRefused)
    assert (answer.request, answer.sent, answer.order_id) == (asked, False, "stop")


def test_in_another_mode_a_question_is_not_answered() -> None:
    """What that account knows of an order is not the truth about ours."""
    answer, sent = _answer(QUERY, "live, not analyze")

    assert sent == []
    assert isinstance(answer, OutcomeUnknown)
    assert answer.request is Request.QUERY


def test_in_another_mode_books_are_read() -> None:
    """They tell when the mode is right again."""
    assert _answer(LOOK, "live, not analyze")[1] == [LOOK]
