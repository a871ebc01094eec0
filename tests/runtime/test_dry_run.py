"""The dry run takes every order, fills none, and its books say what its answers said."""

from __future__ import annotations

import asyncio

from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerStatus,
    CancelOrder,
    Event,
    OrderAccepted,
    OrderRefused,
    OrderType,
    OrderUpdated,
    QueryOrder,
    Request,
    Side,
    SnapshotTaken,
    TakeSnapshot,
)
from baseline_v1_live.runtime.dry_run import DryRunBroker
from baseline_v1_live.runtime.ports import ToBroker
from tests.harness_market import C260
from tests.harness_orders import ENTRY, EXIT, STOP, change_of

NOW_MS = 1_795_400_000_000
CHANGE = change_of(
    ENTRY,
    "DRY-000001",
    order_type=OrderType.LIMIT,
    quantity=585,
    trigger_price_paise=0,
    limit_price_paise=12_500,
)
CANCEL = CancelOrder(order_id="entry", broker_order_id="DRY-000001")
QUERY = QueryOrder(order_id="entry", broker_order_id="DRY-000001")
LOOK = TakeSnapshot(reason="test")


def _tell(broker: DryRunBroker, *commands: ToBroker) -> list[Event]:
    async def main() -> list[Event]:
        return [await broker.send(command) for command in commands]

    return asyncio.run(main())


def _broker(*known: BrokerOrder) -> DryRunBroker:
    return DryRunBroker(lambda: NOW_MS, known)


def test_orders_are_numbered() -> None:
    """Each gets the next DRY id."""
    answers = _tell(_broker(), ENTRY, STOP)

    assert answers == [
        OrderAccepted(
            order_id="entry", request=Request.PLACE, broker_order_id="DRY-000001"
        ),
        OrderAccepted(
            order_id="stop", request=Request.PLACE, broker_order_id="DRY-000002"
        ),
    ]  # fmt: skip


def test_an_order_rests_and_is_in_the_books() -> None:
    """A stop-limit order waits for its trigger, any other one is open; nothing is filled or held."""
    *_, books = _tell(_broker(), ENTRY, EXIT, LOOK)

    assert isinstance(books, SnapshotTaken)
    assert books.asked_at_ms == NOW_MS
    assert [order.status for order in books.orders] == [
        BrokerStatus.TRIGGER_PENDING,
        BrokerStatus.OPEN,
    ]
    assert books.orders[0] == BrokerOrder(
        broker_order_id="DRY-000001",
        symbol=C260,
        side=Side.SELL,
        order_type=OrderType.SL,
        quantity=650,
        trigger_price_paise=12_995,
        limit_price_paise=12_695,
        status=BrokerStatus.TRIGGER_PENDING,
        placed_at_ms=NOW_MS,
    )
    assert (books.trades, books.positions) == ((), ())


def test_a_change_shows_in_the_books_and_in_the_proof() -> None:
    """Type, quantity and prices are the new ones."""
    _, changed, proof, books = _tell(_broker(), ENTRY, CHANGE, QUERY, LOOK)

    assert changed == OrderAccepted(
        order_id="entry", request=Request.MODIFY, broker_order_id="DRY-000001"
    )
    assert proof == OrderUpdated(
        broker_order_id="DRY-000001",
        symbol=C260,
        status=BrokerStatus.OPEN,
        order_id="entry",
        filled_quantity=0,
        filled_value_paise=0,
        quantity=585,
        trigger_price_paise=0,
        limit_price_paise=12_500,
        proven=True,
    )
    assert isinstance(books, SnapshotTaken)
    assert (books.orders[0].order_type, books.orders[0].quantity) == (OrderType.LIMIT, 585)


def test_a_cancelled_order_is_over() -> None:
    """Proven unfilled; it can be neither changed nor cancelled again."""
    _, cancelled, proof, again, changed = _tell(_broker(), ENTRY, CANCEL, QUERY, CANCEL, CHANGE)

    assert isinstance(cancelled, OrderAccepted)
    assert isinstance(proof, OrderUpdated)
    assert (proof.status, proof.filled_quantity, proof.proven) == (BrokerStatus.CANCELLED, 0, True)
    assert isinstance(again, OrderRefused)
    assert isinstance(changed, OrderRefused)
    assert (again.request, changed.request) == (Request.CANCEL, Request.MODIFY)


def test_an_order_that_was_never_placed_is_refused() -> None:
    """Whatever is asked of it."""
    answers = _tell(_broker(), CHANGE, CANCEL, QUERY)

    assert all(isinstance(answer, OrderRefused) for answer in answers)


def test_orders_of_an_earlier_run_are_still_there() -> None:
    """After a restart they rest in the books, can be cancelled, and new numbers go on after theirs."""
    broker = _broker()
    *_, books = _tell(broker, ENTRY, ENTRY, LOOK)
    assert isinstance(books, SnapshotTaken)

    cancelled, placed, after = _tell(_broker(*books.orders), CANCEL, ENTRY, LOOK)

    assert isinstance(cancelled, OrderAccepted)
    assert isinstance(placed, OrderAccepted)
    assert placed.broker_order_id == "DRY-000003"
    assert isinstance(after, SnapshotTaken)
    assert [order.status for order in after.orders] == [
        BrokerStatus.CANCELLED,
        BrokerStatus.TRIGGER_PENDING,
        BrokerStatus.TRIGGER_PENDING,
    ]
