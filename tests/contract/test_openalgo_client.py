"""What only OpenAlgo has: our client against the compatible server, beyond the cases of every broker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient, Timeouts
from baseline_v1_live.adapters.openalgo.wire.books import SnapshotRead
from baseline_v1_live.adapters.openalgo.wire.outcomes import Accepted, Refused, Unknown
from baseline_v1_live.adapters.openalgo.wire.values import Mode
from baseline_v1_live.core.messages import OrderType, PlaceOrder, Purpose, Side
from tests.harness_orders import SALE
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
    values = {"order_id": "ours-1", "symbol": gateway.call, "quantity": lots * gateway.lot}
    return replace(SALE, **(values | fields))


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


def test_a_snapshot_is_the_exchanges_own_books() -> None:
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


def test_ambiguous_answers_are_unknown() -> None:
    """HTML, cut JSON, a 500 and success without an id leave the outcome unknown."""

    async def story(gateway: Gateway, client: OpenAlgoClient) -> None:
        for name in ("html_reply", "truncated_json", "http_500", "success_without_id"):
            await gateway.sim("fault", name=name, endpoint="placeorder")
            assert isinstance(await client.place(sale(gateway)), Unknown), name

    talk(story)


def test_a_wrong_key_is_refused_and_reads_nothing() -> None:
    """With a wrong key orders are refused, and books are unreadable, not empty."""

    async def story(gateway: Gateway, client: OpenAlgoClient) -> None:
        assert isinstance(await client.place(sale(gateway)), Refused)
        assert not isinstance(await client.snapshot(), SnapshotRead)

    talk(story, key="wrong-key")


def test_contracts_expiries_and_history_are_the_days_own() -> None:
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


def test_the_gateways_mode_is_known() -> None:
    """Analyzer mode and live mode are told apart before anything is sent."""

    async def story(_: Gateway, client: OpenAlgoClient) -> None:
        assert await client.analyzer() is Mode.ANALYZE

    talk(story)
