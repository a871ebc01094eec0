"""Contract cases: our gateway client against the OpenAlgo-compatible server, over real sockets.

The number in a test's name is the case; every broker adapter must pass the same cases.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient, Timeouts
from baseline_v1_live.adapters.openalgo.wire.books import SnapshotRead
from baseline_v1_live.adapters.openalgo.wire.outcomes import Accepted, NotSent, Refused, Unknown
from baseline_v1_live.adapters.openalgo.wire.values import Mode
from baseline_v1_live.core.messages import (
    BrokerStatus,
    CancelOrder,
    ModifyOrder,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    Purpose,
    QueryOrder,
    Side,
)
from tests.sim.openalgo_server.gateway import KEY, Gateway, play, small_day

Story = Callable[[Gateway, OpenAlgoClient], Awaitable[None]]


def talk(story: Story, *, key: str = KEY, **settings: Any) -> None:
    """Run a story with the server and our client of it."""

    async def told(gateway: Gateway) -> None:
        async with OpenAlgoClient(
            gateway.server.url,
            key,
            timeouts=Timeouts(order_s=0.5, read_s=2.0),
            now_ms=lambda: gateway.server.now_ms,
        ) as client:
            await story(gateway, client)

    play(told, **settings)


def sale(gateway: Gateway, lots: int = 1, **fields: Any) -> PlaceOrder:
    values: dict[str, Any] = {
        "order_id": "ours-1",
        "symbol": gateway.call,
        "side": Side.SELL,
        "order_type": OrderType.MARKET,
        "purpose": Purpose.ENTRY,
        "quantity": lots * gateway.lot,
    }
    return PlaceOrder(**(values | fields))


async def resting_stop(gateway: Gateway, client: OpenAlgoClient, lots: int = 2) -> str:
    """A BUY stop far above the market; returns the broker's id."""
    command = sale(
        gateway,
        lots,
        side=Side.BUY,
        order_type=OrderType.SL,
        purpose=Purpose.STOP,
        trigger_price_paise=90_000,
        limit_price_paise=90_300,
    )
    placed = await client.place(command)
    assert isinstance(placed, Accepted), placed
    return placed.broker_order_id


async def proof_of(client: OpenAlgoClient, broker_order_id: str) -> OrderUpdated:
    answer = await client.query(QueryOrder(order_id="ours-1", broker_order_id=broker_order_id))
    assert isinstance(answer, OrderUpdated), answer
    return answer


def test_case_01_a_market_order_is_accepted_filled_and_proven() -> None:
    """A placed order has an id, and the answer about it joins its status with its fills."""

    async def story(gateway: Gateway, client: OpenAlgoClient) -> None:
        placed = await client.place(sale(gateway))
        assert isinstance(placed, Accepted)
        answer = await proof_of(client, placed.broker_order_id)

        assert (answer.status, answer.proven) == (BrokerStatus.COMPLETE, True)
        assert answer.filled_quantity == gateway.lot
        assert (answer.filled_value_paise or 0) > 0

    talk(story)


def test_case_02_a_bad_order_is_refused() -> None:
    """An order that the gateway will not have is a definite no with the gateway's reason."""

    async def story(gateway: Gateway, client: OpenAlgoClient) -> None:
        outcome = await client.place(sale(gateway, quantity=gateway.lot + 1))

        assert isinstance(outcome, Refused)
        assert outcome.message

    talk(story)


def test_case_03_a_resting_stop_is_modified_to_absolute_values() -> None:
    """A modify sets quantity and prices, and the proof shows them."""

    async def story(gateway: Gateway, client: OpenAlgoClient) -> None:
        broker_order_id = await resting_stop(gateway, client)
        outcome = await client.modify(
            ModifyOrder(
                order_id="ours-1",
                broker_order_id=broker_order_id,
                symbol=gateway.call,
                side=Side.BUY,
                order_type=OrderType.SL,
                quantity=gateway.lot,
                trigger_price_paise=91_000,
                limit_price_paise=91_300,
            )
        )
        answer = await proof_of(client, broker_order_id)

        assert isinstance(outcome, Accepted)
        assert answer.status is BrokerStatus.TRIGGER_PENDING
        shown = (answer.quantity, answer.trigger_price_paise, answer.limit_price_paise)
        assert shown == (gateway.lot, 91_000, 91_300)

    talk(story)


def test_case_04_a_cancel_is_proven_and_a_second_one_is_refused() -> None:
    """A cancelled order is proven cancelled with nothing filled; cancelling again is a no."""

    async def story(gateway: Gateway, client: OpenAlgoClient) -> None:
        broker_order_id = await resting_stop(gateway, client)
        command = CancelOrder(order_id="ours-1", broker_order_id=broker_order_id)
        first = await client.cancel(command)
        answer = await proof_of(client, broker_order_id)
        second = await client.cancel(command)

        assert isinstance(first, Accepted)
        assert (answer.status, answer.filled_quantity) == (BrokerStatus.CANCELLED, 0)
        assert answer.proven
        assert isinstance(second, Refused)

    talk(story)


def test_case_05_a_snapshot_is_the_exchanges_own_books() -> None:
    """Orders, trades and positions of a snapshot are what the exchange holds."""

    async def story(gateway: Gateway, client: OpenAlgoClient) -> None:
        placed = await client.place(sale(gateway, 2))
        stop = await resting_stop(gateway, client)
        read = await client.snapshot()
        truth = await gateway.sim("books")

        assert isinstance(placed, Accepted)
        assert isinstance(read, SnapshotRead)
        assert {row.broker_order_id for row in read.taken.orders} == {placed.broker_order_id, stop}
        (trade,) = read.taken.trades
        assert trade.filled_quantity == truth["trades"][0]["filled_quantity"] == 2 * gateway.lot
        assert trade.filled_value_paise == truth["trades"][0]["filled_value_paise"]
        (position,) = [row for row in read.taken.positions if row.net_quantity]
        assert (position.symbol, position.net_quantity) == (gateway.call, -2 * gateway.lot)

    talk(story)


def test_case_06_empty_books_are_empty_and_not_unreadable() -> None:
    """Before the first order a snapshot is whole and has nothing in it."""

    async def story(_: Gateway, client: OpenAlgoClient) -> None:
        read = await client.snapshot()

        assert isinstance(read, SnapshotRead)
        assert (read.taken.orders, read.taken.trades) == ((), ())

    talk(story)


def test_case_07_a_reply_lost_after_acceptance_is_unknown_and_the_books_show_the_order() -> None:
    """A lost answer is never a refusal: the order stands in the next snapshot."""

    async def story(gateway: Gateway, client: OpenAlgoClient) -> None:
        await gateway.sim("fault", name="drop_reply_after_accept", endpoint="placeorder")
        outcome = await client.place(sale(gateway))
        read = await client.snapshot()

        assert isinstance(outcome, Unknown)
        assert isinstance(read, SnapshotRead)
        assert [row.symbol for row in read.taken.orders] == [gateway.call]

    talk(story)


def test_case_08_ambiguous_answers_are_unknown() -> None:
    """HTML, cut JSON, a 500 and success without an id leave the outcome unknown."""

    async def story(gateway: Gateway, client: OpenAlgoClient) -> None:
        for name in ("html_reply", "truncated_json", "http_500", "success_without_id"):
            await gateway.sim("fault", name=name, endpoint="placeorder")
            assert isinstance(await client.place(sale(gateway)), Unknown), name

    talk(story)


def test_case_09_a_gateway_that_is_down_was_not_sent_anything() -> None:
    """A refused connection is known not to have carried the order."""

    async def story(gateway: Gateway, client: OpenAlgoClient) -> None:
        await gateway.server.stop()

        assert isinstance(await client.place(sale(gateway)), NotSent)

    talk(story)


def test_case_10_a_wrong_key_is_refused_and_reads_nothing() -> None:
    """With a wrong key orders are refused, and books are unreadable, not empty."""

    async def story(gateway: Gateway, client: OpenAlgoClient) -> None:
        assert isinstance(await client.place(sale(gateway)), Refused)
        assert not isinstance(await client.snapshot(), SnapshotRead)

    talk(story, key="wrong-key")


def test_case_11_contracts_expiries_and_history_are_the_days_own() -> None:
    """The gateway's record of a contract, its expiry list and its bars agree with the day."""

    async def story(gateway: Gateway, client: OpenAlgoClient) -> None:
        day = small_day()
        contract = await client.symbol(gateway.call)
        expiries = await client.expiries("NIFTY")
        bars = await client.history(gateway.call, day.date, day.date)

        assert contract == day.contracts[gateway.call]
        assert isinstance(expiries, tuple)
        assert day.expiry in expiries
        assert isinstance(bars, tuple | list)
        assert len(bars) > 5

    talk(story)


def test_case_12_the_gateways_mode_is_known() -> None:
    """Analyzer mode and live mode are told apart before anything is sent."""

    async def story(_: Gateway, client: OpenAlgoClient) -> None:
        assert await client.analyzer() is Mode.ANALYZE

    talk(story)


def test_case_13_live_rows_without_fills_are_proven_by_the_trade_book() -> None:
    """A gateway whose order rows have no fills gives the same proof through its trades."""

    async def story(gateway: Gateway, client: OpenAlgoClient) -> None:
        placed = await client.place(sale(gateway))
        assert isinstance(placed, Accepted)
        await gateway.advance(9, 31)
        answer = await proof_of(client, placed.broker_order_id)

        assert (answer.status, answer.proven) == (BrokerStatus.COMPLETE, True)
        assert answer.filled_quantity == gateway.lot

    talk(story, profile="zerodha")
