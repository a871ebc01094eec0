"""The numbered cases that every broker adapter must pass, in the core's own commands and events.

A case that needs what not every broker has names it in ``CASES``; desks.py says who lacks it and why.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from baseline_v1_live.core.messages import (
    BrokerStatus,
    CancelOrder,
    Event,
    ModifyOrder,
    OrderAccepted,
    OrderRefused,
    OrderType,
    OrderUpdated,
    OutcomeUnknown,
    PlaceOrder,
    QueryOrder,
    Request,
    Side,
    SnapshotTaken,
    TakeSnapshot,
)
from tests.contract.desks import LOT, SYMBOL, ContractDesk
from tests.harness_orders import SALE, STOP, change_of

Case = Callable[[ContractDesk], Awaitable[None]]
EventT = TypeVar("EventT", bound=Event)
AMPLE = 100 * LOT
# More order messages than any broker takes at once.
BURST = 60


async def sent(desk: ContractDesk, command: Any, kind: type[EventT]) -> EventT:
    """Send a command whose answer must be of this kind."""
    answer = await desk.send(command)
    assert isinstance(answer, kind), answer
    return answer


async def quiet(desk: ContractDesk, ltp: int = 13_000, size: int = AMPLE) -> None:
    """The option trades at a price with an ordinary quote around it."""
    await desk.move_price(ltp, bid=ltp - 10, ask=ltp + 10, size=size)


def sale(lots: int = 1, **fields: Any) -> PlaceOrder:
    return replace(SALE, **({"order_id": "ours-1", "quantity": lots * LOT} | fields))


def stop(lots: int = 2, **fields: Any) -> PlaceOrder:
    """A BUY stop at 140.00, limit 143.00."""
    return replace(STOP, **({"order_id": "ours-1", "quantity": lots * LOT} | fields))


def change(broker_order_id: str, lots: int = 2, **fields: Any) -> ModifyOrder:
    return change_of(stop(lots), broker_order_id, **fields)


def cancellation(broker_order_id: str) -> CancelOrder:
    return CancelOrder(order_id="ours-1", broker_order_id=broker_order_id)


async def placed(desk: ContractDesk, command: PlaceOrder) -> str:
    """Place an order that must be accepted; the broker's id."""
    answer = await sent(desk, command, OrderAccepted)
    assert (answer.order_id, answer.request) == (command.order_id, Request.PLACE)
    assert answer.broker_order_id
    return answer.broker_order_id


async def proven(desk: ContractDesk, broker_order_id: str) -> OrderUpdated:
    """Ask for an order; the answer must be proof."""
    question = QueryOrder(order_id="ours-1", broker_order_id=broker_order_id)
    answer = await sent(desk, question, OrderUpdated)
    assert (answer.broker_order_id, answer.symbol) == (broker_order_id, SYMBOL)
    assert answer.proven, answer
    return answer


async def books(desk: ContractDesk) -> SnapshotTaken:
    return await sent(desk, TakeSnapshot(reason="contract"), SnapshotTaken)


def state(answer: OrderUpdated) -> tuple[BrokerStatus, int | None, int | None]:
    return answer.status, answer.filled_quantity, answer.filled_value_paise


async def case_01_a_market_order_is_accepted_filled_and_proven(desk: ContractDesk) -> None:
    """A placed order has an id, and the answer about it joins its status with its fills."""
    await quiet(desk)
    order = await placed(desk, sale(2))
    await quiet(desk)
    assert state(await proven(desk, order)) == (BrokerStatus.COMPLETE, 2 * LOT, 2 * LOT * 12_990)


async def case_02_a_bad_order_is_refused(desk: ContractDesk) -> None:
    """No whole lot: a definite no with the broker's reason, and nothing in the books."""
    await quiet(desk)
    answer = await sent(desk, sale(quantity=LOT + 1), OrderRefused)
    assert (answer.order_id, answer.request, answer.sent) == ("ours-1", Request.PLACE, True)
    assert answer.message
    assert (await books(desk)).orders == ()


async def case_03_a_resting_stop_is_modified_to_absolute_values(desk: ContractDesk) -> None:
    """A modify sets quantity and prices, saying it twice changes nothing, and the proof shows it."""
    await quiet(desk)
    order = await placed(desk, stop(2))
    await quiet(desk)
    wanted = change(order, 1, trigger_price_paise=14_500, limit_price_paise=14_800)
    for _ in range(2):
        answer = await sent(desk, wanted, OrderAccepted)
        assert (answer.request, answer.broker_order_id) == (Request.MODIFY, order)
    await quiet(desk)
    shown = await proven(desk, order)
    assert shown.status is BrokerStatus.TRIGGER_PENDING
    assert (shown.quantity, shown.trigger_price_paise, shown.limit_price_paise) == (
        LOT, 14_500, 14_800,
    )  # fmt: skip


async def case_04_a_cancel_is_proven_and_a_second_one_is_refused(desk: ContractDesk) -> None:
    """A cancelled order is proven cancelled with nothing filled; cancelling again is a no."""
    await quiet(desk)
    order = await placed(desk, stop())
    await quiet(desk)
    answer = await sent(desk, cancellation(order), OrderAccepted)
    assert answer.request is Request.CANCEL
    assert state(await proven(desk, order)) == (BrokerStatus.CANCELLED, 0, 0)
    refused = await sent(desk, cancellation(order), OrderRefused)
    assert (refused.request, refused.sent) == (Request.CANCEL, True)


async def case_05_a_filled_order_cannot_be_cancelled_or_changed(desk: ContractDesk) -> None:
    """Both are refused, and the proof of the fill is what it was."""
    await quiet(desk)
    order = await placed(desk, sale())
    await quiet(desk)
    filled = await proven(desk, order)
    await sent(desk, cancellation(order), OrderRefused)
    await sent(desk, change(order, 1, side=Side.SELL, limit_price_paise=13_700), OrderRefused)
    assert state(await proven(desk, order)) == state(filled)


async def case_06_an_order_fills_in_parts(desk: ContractDesk) -> None:
    """More than is offered fills for what is there: alive and proven so far, then complete."""
    await quiet(desk)
    limited = {"order_type": OrderType.LIMIT, "limit_price_paise": 13_100}
    order = await placed(desk, sale(3, **limited))
    await desk.move_price(13_105, bid=13_105, ask=13_110, size=LOT)
    assert state(await proven(desk, order)) == (BrokerStatus.OPEN, LOT, LOT * 13_105)
    await desk.move_price(13_110, bid=13_110, ask=13_120, size=AMPLE)
    value = LOT * 13_105 + 2 * LOT * 13_110
    assert state(await proven(desk, order)) == (BrokerStatus.COMPLETE, 3 * LOT, value)


async def case_07_a_partly_filled_order_is_cancelled_with_its_fills(desk: ContractDesk) -> None:
    """Cancelled does not mean unfilled: the proof keeps what traded."""
    await quiet(desk)
    order = await placed(desk, sale(3, order_type=OrderType.LIMIT, limit_price_paise=13_100))
    await desk.move_price(13_105, bid=13_105, ask=13_110, size=LOT)
    await sent(desk, cancellation(order), OrderAccepted)
    assert state(await proven(desk, order)) == (BrokerStatus.CANCELLED, LOT, LOT * 13_105)


async def case_08_a_stop_waits_for_its_trigger(desk: ContractDesk) -> None:
    """Below the trigger it waits; at it, it buys at the ask within its limit, and that is told."""
    await quiet(desk)
    order = await placed(desk, stop(2))
    await quiet(desk, 13_990)
    assert (await proven(desk, order)).status is BrokerStatus.TRIGGER_PENDING
    await quiet(desk, 14_000)
    done = (BrokerStatus.COMPLETE, 2 * LOT, 2 * LOT * 14_010)
    assert state(await proven(desk, order)) == done
    told = await desk.told(order, BrokerStatus.COMPLETE)
    assert state(told) == done


async def case_09_a_stop_whose_limit_is_jumped_over_stays_open(desk: ContractDesk) -> None:
    """A gap past the limit triggers the stop and fills nothing; a new limit fills it."""
    await quiet(desk)
    order = await placed(desk, stop(2))
    await quiet(desk, 14_500)
    assert state(await proven(desk, order)) == (BrokerStatus.OPEN, 0, 0)
    await sent(desk, change(order, 2, limit_price_paise=14_900), OrderAccepted)
    await quiet(desk, 14_600)
    assert state(await proven(desk, order)) == (BrokerStatus.COMPLETE, 2 * LOT, 2 * LOT * 14_610)


async def case_10_a_snapshot_is_the_brokers_books_whole(desk: ContractDesk) -> None:
    """Orders, trades and signed positions of one moment, fills added up by order."""
    await quiet(desk)
    sold = await placed(desk, sale(2))
    resting = await placed(desk, stop(2, order_id="ours-2"))
    await quiet(desk)
    taken = await books(desk)
    assert {row.broker_order_id: row.status for row in taken.orders} == {
        sold: BrokerStatus.COMPLETE, resting: BrokerStatus.TRIGGER_PENDING,
    }  # fmt: skip
    (shown,) = [row for row in taken.orders if row.broker_order_id == resting]
    assert (shown.side, shown.order_type, shown.quantity) == (Side.BUY, OrderType.SL, 2 * LOT)
    assert (shown.trigger_price_paise, shown.limit_price_paise) == (14_000, 14_300)
    (trade,) = taken.trades
    assert (trade.broker_order_id, trade.side) == (sold, Side.SELL)
    assert (trade.filled_quantity, trade.filled_value_paise) == (2 * LOT, 2 * LOT * 12_990)
    held = {row.symbol: row.net_quantity for row in taken.positions if row.net_quantity}
    assert held == {SYMBOL: -2 * LOT}


async def case_11_empty_books_are_empty_and_not_unreadable(desk: ContractDesk) -> None:
    """Before the first order a snapshot is whole and has nothing in it."""
    taken = await books(desk)
    assert (taken.orders, taken.trades) == ((), ())
    assert [row for row in taken.positions if row.net_quantity] == []


async def case_12_an_order_nobody_knows_is_refused(desk: ContractDesk) -> None:
    """The question is refused, which proves nothing about an order; a cancel of it is refused too."""
    question = QueryOrder(order_id="ours-1", broker_order_id="26122900000000")
    assert (await sent(desk, question, OrderRefused)).request is Request.QUERY
    await sent(desk, cancellation("26122900000000"), OrderRefused)


async def case_13_what_happens_while_the_stream_is_down_is_not_lost(desk: ContractDesk) -> None:
    """A fill that nobody could be told of is in the next snapshot, and the stream tells again."""
    await quiet(desk)
    order = await placed(desk, stop(2))
    await desk.told(order, BrokerStatus.TRIGGER_PENDING)
    async with desk.stream_down():
        await quiet(desk, 14_000)
        taken = await books(desk)
        assert [(row.broker_order_id, row.filled_quantity) for row in taken.trades] == [
            (order, 2 * LOT)
        ]
        assert all(event.status is not BrokerStatus.COMPLETE for event in desk.heard)
    later = await placed(desk, stop(1, order_id="ours-2", trigger_price_paise=14_200))
    await desk.told(later, BrokerStatus.TRIGGER_PENDING)


async def case_14_an_update_that_comes_twice_says_the_same(desk: ContractDesk) -> None:
    """Fills in updates are totals, so hearing them again adds nothing."""
    await quiet(desk)
    order = await placed(desk, stop(2))
    await quiet(desk, 14_000)
    first = await desk.told(order, BrokerStatus.COMPLETE)
    desk.heard.clear()
    await desk.repeat(order)
    again = await desk.told(order, BrokerStatus.COMPLETE)
    assert state(again) == state(first) == (BrokerStatus.COMPLETE, 2 * LOT, 2 * LOT * 14_010)


async def case_15_a_lost_reply_leaves_the_outcome_unknown(desk: ContractDesk) -> None:
    """A placement that was carried out unheard is no refusal: the books show the order, once."""
    await quiet(desk)
    await desk.lose_reply("place")
    answer = await sent(desk, stop(), OutcomeUnknown)
    assert (answer.order_id, answer.request) == ("ours-1", Request.PLACE)
    await quiet(desk)
    assert [row.side for row in (await books(desk)).orders] == [Side.BUY]


async def case_16_a_cancel_whose_reply_is_lost_is_unknown_until_proven(desk: ContractDesk) -> None:
    """A cancel or a change that was carried out unheard is unknown; the proof has the truth."""
    await quiet(desk)
    order = await placed(desk, stop())
    await quiet(desk)
    for request, command in (("modify", change(order, 1)), ("cancel", cancellation(order))):
        await desk.lose_reply(request)
        answer = await sent(desk, command, OutcomeUnknown)
        assert (answer.request, answer.order_id) == (Request(request), "ours-1")
    shown = await proven(desk, order)
    assert (shown.status, shown.quantity) == (BrokerStatus.CANCELLED, LOT)


async def case_17_a_broker_that_is_away_was_not_sent_anything(desk: ContractDesk) -> None:
    """A refused connection is known not to have carried the order; books are unreadable, not empty."""
    await quiet(desk)
    await desk.shut_down()
    answer = await sent(desk, sale(), OrderRefused)
    assert not answer.sent
    assert not isinstance(await desk.send(TakeSnapshot(reason="contract")), SnapshotTaken)


async def case_18_too_many_orders_at_once_are_refused_and_not_unknown(desk: ContractDesk) -> None:
    """Each is accepted or known not to be sent, and the books hold exactly the accepted ones."""
    await quiet(desk)
    answers = [await desk.send(stop(1, order_id=f"ours-{n}")) for n in range(BURST)]
    accepted = [answer for answer in answers if isinstance(answer, OrderAccepted)]
    refused = [answer for answer in answers if isinstance(answer, OrderRefused)]
    assert len(accepted) + len(refused) == BURST
    assert accepted
    assert refused
    assert not any(answer.sent for answer in refused)
    await quiet(desk)
    assert {row.broker_order_id for row in (await books(desk)).orders} == {
        answer.broker_order_id for answer in accepted
    }


# Each case with what it needs of a broker beyond orders and books.
CASES: list[tuple[Case, str]] = [
    (case_01_a_market_order_is_accepted_filled_and_proven, ""),
    (case_02_a_bad_order_is_refused, ""),
    (case_03_a_resting_stop_is_modified_to_absolute_values, ""),
    (case_04_a_cancel_is_proven_and_a_second_one_is_refused, ""),
    (case_05_a_filled_order_cannot_be_cancelled_or_changed, ""),
    (case_06_an_order_fills_in_parts, ""),
    (case_07_a_partly_filled_order_is_cancelled_with_its_fills, ""),
    (case_08_a_stop_waits_for_its_trigger, ""),
    (case_09_a_stop_whose_limit_is_jumped_over_stays_open, ""),
    (case_10_a_snapshot_is_the_brokers_books_whole, ""),
    (case_11_empty_books_are_empty_and_not_unreadable, ""),
    (case_12_an_order_nobody_knows_is_refused, ""),
    (case_13_what_happens_while_the_stream_is_down_is_not_lost, "stream"),
    (case_14_an_update_that_comes_twice_says_the_same, "stream"),
    (case_15_a_lost_reply_leaves_the_outcome_unknown, "replies"),
    (case_16_a_cancel_whose_reply_is_lost_is_unknown_until_proven, "replies"),
    (case_17_a_broker_that_is_away_was_not_sent_anything, "replies"),
    (case_18_too_many_orders_at_once_are_refused_and_not_unknown, "rates"),
]
