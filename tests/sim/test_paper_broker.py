"""Paper trading on live ticks: orders fill as on the built-in exchange, and a restart finds its books."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from baseline_v1_live.core.messages import (
    BrokerPosition,
    BrokerStatus,
    CancelOrder,
    Event,
    OrderAccepted,
    OrderRefused,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    QueryOrder,
    Request,
    SnapshotTaken,
    TakeSnapshot,
    Tick,
)
from baseline_v1_live.core.session import at_ist
from baseline_v1_live.runtime.ports import ToBroker
from baseline_v1_live.sim.exchange import ExchangeModel
from baseline_v1_live.sim.paper_broker import PaperBooksError, PaperBroker
from tests.harness_market import C260, make_contract
from tests.harness_orders import ENTRY, EXIT, SALE, STOP, change_of

DATE = dt.date(2026, 12, 29)
T0 = at_ist(DATE, dt.time(10, 0))
ResultT = TypeVar("ResultT")


class Desk:
    """A paper broker that can be dropped and started again from its file, and what it said unasked."""

    def __init__(self, folder: Path, model: ExchangeModel) -> None:
        self.path = folder / "paper-exchange.json"
        self.model = model
        self.date = DATE
        self.now = T0
        self.news: list[OrderUpdated] = []
        self.broker = self._made()

    def _made(self) -> PaperBroker:
        return PaperBroker(
            {C260: make_contract(C260)},
            self.model,
            path=self.path,
            date=self.date,
            now_ms=lambda: self.now,
            on_event=self._hear,
        )

    def _hear(self, event: Event) -> None:
        assert isinstance(event, OrderUpdated)
        self.news.append(event)

    def restart(self) -> None:
        """As a kill does it: the object is gone at once, and nothing is asked of it before."""
        self.broker = self._made()

    async def tick(self, ltp: int, **quote: Any) -> None:
        self.now += 1_000
        self.broker.on_tick(Tick(symbol=C260, ltp_paise=ltp, **quote))
        await asyncio.sleep(0)  # News comes soon after.

    async def place(self, command: PlaceOrder) -> str:
        answer = await self.broker.send(command)
        assert isinstance(answer, OrderAccepted), answer
        assert (answer.order_id, answer.request) == (command.order_id, Request.PLACE)
        await asyncio.sleep(0)
        return answer.broker_order_id

    async def proof(self, name: str) -> tuple[BrokerStatus, int | None, int | None]:
        answer = await self.broker.send(QueryOrder(order_id="ours", broker_order_id=name))
        assert isinstance(answer, OrderUpdated), answer
        assert (answer.order_id, answer.proven) == ("ours", True)
        return answer.status, answer.filled_quantity, answer.filled_value_paise

    async def books(self) -> SnapshotTaken:
        answer = await self.broker.send(TakeSnapshot(reason="test"))
        assert isinstance(answer, SnapshotTaken)
        assert answer.asked_at_ms == self.now
        return answer

    async def held(self) -> int:
        positions = (await self.books()).positions
        return sum(position.net_quantity for position in positions)


def play(
    folder: Path, story: Callable[[Desk], Awaitable[ResultT]], **model: Any
) -> tuple[ResultT, Desk]:
    async def main() -> tuple[ResultT, Desk]:
        desk = Desk(folder, ExchangeModel(**model))
        return await story(desk), desk

    return asyncio.run(main())


def test_a_whole_life_with_a_restart_after_every_step(tmp_path: Path) -> None:
    """Entry, fill, stop, its trigger: each process finds what the one before it was told."""

    async def story(desk: Desk) -> None:
        entry = await desk.place(ENTRY)
        desk.restart()
        assert (await desk.proof(entry))[0] is BrokerStatus.TRIGGER_PENDING

        await desk.tick(12_995, bid_paise=12_990, ask_paise=13_000)
        assert desk.news[-1].status is BrokerStatus.COMPLETE
        desk.restart()
        assert await desk.proof(entry) == (BrokerStatus.COMPLETE, 650, 650 * 12_990)
        assert await desk.held() == -650

        stop = await desk.place(STOP)
        assert stop != entry
        desk.restart()
        await desk.tick(13_995)
        assert (await desk.proof(stop))[0] is BrokerStatus.TRIGGER_PENDING
        await desk.tick(14_010, bid_paise=14_000, ask_paise=14_020)
        desk.restart()
        assert await desk.proof(stop) == (BrokerStatus.COMPLETE, 650, 650 * 14_020)
        assert (await desk.books()).positions == (BrokerPosition(symbol=C260, net_quantity=0),)

    play(tmp_path, story)


def test_a_partial_fill_goes_on_after_a_restart(tmp_path: Path) -> None:
    """What was filled is counted once, and the rest is still for sale."""

    async def story(desk: Desk) -> None:
        entry = await desk.place(ENTRY)
        await desk.tick(12_990, bid_paise=12_990, ask_paise=13_000, bid_quantity=195)
        assert (desk.news[-1].status, desk.news[-1].filled_quantity) == (BrokerStatus.OPEN, 195)

        desk.restart()
        assert await desk.proof(entry) == (BrokerStatus.OPEN, 195, 195 * 12_990)
        await desk.tick(12_980, bid_paise=12_980, ask_paise=12_990, bid_quantity=6_500)
        value = 195 * 12_990 + 455 * 12_980
        assert await desk.proof(entry) == (BrokerStatus.COMPLETE, 650, value)
        trades = (await desk.books()).trades
        assert [(t.filled_quantity, t.filled_value_paise) for t in trades] == [(650, value)]

    play(tmp_path, story)


def test_the_books_are_on_the_disk_before_the_bot_hears(tmp_path: Path) -> None:
    """At each answer and at each piece of news, another process would read the same books."""

    async def story(desk: Desk) -> list[str]:
        heard: list[str] = []

        async def same() -> bool:
            before = await desk.books()
            desk.restart()
            return await desk.books() == before

        def on_event(event: Event) -> None:
            # The file as it is at this very moment.
            heard.append(desk.path.read_text())

        desk.broker._on_event = on_event
        entry = await desk.place(ENTRY)
        await desk.tick(12_990, bid_paise=12_990, ask_paise=13_000)
        assert await same()
        stop = await desk.place(STOP)
        change = change_of(
            STOP, stop, quantity=585, trigger_price_paise=14_100, limit_price_paise=14_400
        )
        assert await same()
        for command in (change, CancelOrder(order_id="stop", broker_order_id="PAPER-000002")):
            assert isinstance(await desk.broker.send(command), OrderAccepted)
            assert await same()
        assert (await desk.proof(entry))[0] is BrokerStatus.COMPLETE
        return heard

    heard, _ = play(tmp_path, story)
    assert '"status":"trigger pending"' in heard[0]
    assert '"status":"complete"' in heard[1]


def test_a_write_that_was_cut_short_loses_nothing(tmp_path: Path) -> None:
    """The half-written new file is not the books."""

    async def story(desk: Desk) -> None:
        entry = await desk.place(ENTRY)
        desk.path.with_name(desk.path.name + ".new").write_bytes(b'{"date":')
        desk.restart()
        assert (await desk.proof(entry))[0] is BrokerStatus.TRIGGER_PENDING
        await desk.place(STOP)
        desk.restart()
        assert len((await desk.books()).orders) == 2

    play(tmp_path, story)


def test_a_market_order_is_filled_at_once_on_the_last_quote(tmp_path: Path) -> None:
    """First the acceptance, then the fill; what the offer did not have is filled later."""

    async def story(desk: Desk) -> None:
        await desk.tick(13_000, bid_paise=12_990, ask_paise=13_010, bid_quantity=325)
        sale = await desk.place(SALE)
        assert [(n.status, n.filled_quantity) for n in desk.news] == [
            (BrokerStatus.OPEN, 0),
            (BrokerStatus.OPEN, 325),
        ]
        await desk.tick(13_000, bid_paise=12_980, ask_paise=13_010, bid_quantity=6_500)
        value = 325 * 12_990 + 325 * 12_980
        assert await desk.proof(sale) == (BrokerStatus.COMPLETE, 650, value)

    play(tmp_path, story)


def test_an_answer_comes_before_what_follows_from_it(tmp_path: Path) -> None:
    """The news of a fill waits until the one who sent the order has its id."""

    async def story(desk: Desk) -> None:
        await desk.tick(13_000)
        answer = await desk.broker.send(SALE)
        assert isinstance(answer, OrderAccepted)
        assert desk.news == []
        await asyncio.sleep(0)
        assert [news.status for news in desk.news] == [BrokerStatus.OPEN, BrokerStatus.COMPLETE]

    play(tmp_path, story)


def test_a_market_order_without_a_quote_waits_for_one(tmp_path: Path) -> None:
    """After a restart nothing is known of prices: the exit is taken and fills with the next tick."""

    async def story(desk: Desk) -> None:
        await desk.tick(13_000)
        await desk.place(SALE)
        desk.restart()
        out = await desk.place(EXIT)
        assert (await desk.proof(out))[0] is BrokerStatus.OPEN
        await desk.tick(13_050, bid_paise=13_040, ask_paise=13_060)
        assert await desk.proof(out) == (BrokerStatus.COMPLETE, 650, 650 * 13_060)
        assert await desk.held() == 0

    play(tmp_path, story)


def test_a_change_to_market_is_filled_at_once(tmp_path: Path) -> None:
    """A resting purchase need not wait for another tick."""

    async def story(desk: Desk) -> None:
        await desk.tick(13_000, bid_paise=12_990, ask_paise=13_010)
        stop = await desk.place(STOP)
        change = change_of(
            STOP, stop, order_type=OrderType.MARKET, trigger_price_paise=0, limit_price_paise=0
        )
        assert isinstance(await desk.broker.send(change), OrderAccepted)
        assert await desk.proof(stop) == (BrokerStatus.COMPLETE, 650, 650 * 13_010)

    play(tmp_path, story)


def test_a_quoted_tick_is_no_trade(tmp_path: Path) -> None:
    """An answer to a question triggers nothing."""

    async def story(desk: Desk) -> None:
        entry = await desk.place(ENTRY)
        await desk.tick(12_900, quoted=True)
        assert (await desk.proof(entry))[0] is BrokerStatus.TRIGGER_PENDING
        await desk.tick(12_900)
        assert (await desk.proof(entry))[0] is BrokerStatus.COMPLETE

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("command", "request_kind"),
    [
        (CancelOrder(order_id="ours", broker_order_id="PAPER-000009"), Request.CANCEL),
        (QueryOrder(order_id="ours", broker_order_id="PAPER-000009"), Request.QUERY),
        (
            change_of(STOP, "PAPER-000009", order_id="ours", symbol="NIFTY29DEC2699999CE"),
            Request.MODIFY,
        ),
    ],
)
def test_what_is_not_known_is_refused(
    tmp_path: Path, command: ToBroker, request_kind: Request
) -> None:
    """An order or a symbol that is not in the books; nothing is stored for it."""

    async def story(desk: Desk) -> Event:
        return await desk.broker.send(command)

    answer, desk = play(tmp_path, story)
    assert isinstance(answer, OrderRefused)
    assert (answer.order_id, answer.request) == ("ours", request_kind)
    assert not desk.path.exists()


def test_books_of_another_date_are_over(tmp_path: Path) -> None:
    """The day starts flat, with its own numbers."""

    async def story(desk: Desk) -> None:
        await desk.tick(13_000)
        first = await desk.place(SALE)
        desk.date += dt.timedelta(days=1)
        desk.restart()
        assert (await desk.books()).orders == ()
        assert await desk.held() == 0
        assert await desk.place(ENTRY) == first

    play(tmp_path, story)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"date":"2026-12-29"', b"\xff\xfe"])
def test_books_that_cannot_be_read_are_not_empty_books(tmp_path: Path, content: bytes) -> None:
    """The start is refused, in one line that names the file and says what to do."""
    path = tmp_path / "paper-exchange.json"
    path.write_bytes(content)

    async def story(desk: Desk) -> None:
        raise AssertionError("it started")

    with pytest.raises(PaperBooksError) as caught:
        play(tmp_path, story)
    message = str(caught.value)
    assert str(path) in message
    assert "move the file away" in message
    assert "\n" not in message


def test_orders_go_on_when_the_disk_does_not_take_them(tmp_path: Path) -> None:
    """The folder is gone: an exit is still carried out, and stored with the next change that can be."""
    folder = tmp_path / "state"
    folder.mkdir()

    async def story(desk: Desk) -> None:
        await desk.tick(13_000)
        await desk.place(SALE)
        desk.path.unlink()
        folder.rmdir()
        out = await desk.place(EXIT)
        assert (await desk.proof(out))[0] is BrokerStatus.COMPLETE
        folder.mkdir()
        await desk.place(ENTRY)
        desk.restart()
        assert len((await desk.books()).orders) == 3

    play(folder, story)


def test_the_latency_of_the_model_is_left_out(tmp_path: Path) -> None:
    """A live process has its own: every answer is there when ``send`` returns."""

    async def story(desk: Desk) -> None:
        await desk.tick(13_000)
        await desk.place(SALE)
        assert await desk.held() == -650

    play(tmp_path, story, latency_ms=500)
