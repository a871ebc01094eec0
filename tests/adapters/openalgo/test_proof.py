"""What proves that an order is over: the trade book, the stream beside the row, or two looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from baseline_v1_live.adapters.openalgo.broker import OpenAlgoBroker
from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.wire.stream import OrderPush
from baseline_v1_live.adapters.openalgo.wire.values import Mode
from baseline_v1_live.core.messages import BrokerStatus, Event, OrderUpdated
from tests.adapters.openalgo.client_desk import OK, QUERY, SYMBOL, Sleeps, run
from tests.adapters.openalgo.gateway import HANG, Answer, Gateway

CANCELLED, REJECTED, OPEN = BrokerStatus.CANCELLED, BrokerStatus.REJECTED, BrokerStatus.OPEN
PUSHED = "zerodha"


def _row(status: str, **more: Any) -> Answer:
    row = {
        "orderid": "7", "symbol": SYMBOL, "exchange": "NFO", "action": "BUY", "quantity": 65,
        "price": 133.1, "trigger_price": 130.05, "pricetype": "SL", "product": "MIS",
        "order_status": status, **more,
    }  # fmt: skip
    return 200, {**OK, "data": row}


def _trades(filled: int) -> Answer:
    row = {
        "orderid": "7", "symbol": SYMBOL, "exchange": "NFO", "action": "BUY", "quantity": filled,
        "average_price": 131.5,
    }  # fmt: skip
    return 200, {**OK, "data": [row] if filled else []}


def _push(
    status: BrokerStatus, filled: int | None = 0, mode: Mode = Mode.LIVE, broker: str = PUSHED
) -> OrderPush:
    update = OrderUpdated(broker_order_id="7", symbol=SYMBOL, status=status, filled_quantity=filled)
    return OrderPush(update, mode, broker)


class Desk:
    """A broker of live mode at a scripted gateway; ``pauses`` are those between two looks."""

    def __init__(self, server: Gateway, client: OpenAlgoClient, pauses: Pauses) -> None:
        self.server, self.pauses = server, pauses
        self.broker = OpenAlgoBroker(client, lambda _: None, lambda _: None, Mode.LIVE)

    def show(self, *looks: tuple[str, int]) -> None:
        """What the gateway shows at each look: the row's status and the fills of the trade book."""
        self.server.say("orderstatus", *(_row(status) for status, _ in looks))
        self.server.say("tradebook", *(_trades(filled) for _, filled in looks))

    async def ask(self) -> OrderUpdated:
        answer = await self.broker.send(QUERY)
        assert isinstance(answer, OrderUpdated), answer
        return answer

    @property
    def looks(self) -> int:
        return len(self.server.bodies("orderstatus"))


class Pauses(Sleeps):
    """Pauses during which something may happen; such a pause would go on for long."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], Any] | None = None

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            happens()
            await asyncio.sleep(60)


def prove(
    *looks: tuple[str, int],
    before: tuple[OrderPush, ...] = (),
    meanwhile: OrderPush | None = None,
) -> tuple[OrderUpdated, int, list[float]]:
    """Ask for an order: the answer, how many looks it took, and the pauses between them."""
    pauses = Pauses()

    async def scenario(server: Gateway, client: OpenAlgoClient) -> tuple[OrderUpdated, int]:
        desk = Desk(server, client, pauses)
        desk.show(*looks)
        for push in before:
            desk.broker.push_event(push)
        if meanwhile is not None:
            pauses.meanwhile = lambda: desk.broker.push_event(meanwhile)
        return await desk.ask(), desk.looks

    answer, count = run(scenario, sleep=pauses)
    return answer, count, pauses.seconds


# ---------------------------------------------------------------- the stream as second witness


@pytest.mark.parametrize("filled", [0, 30])
@pytest.mark.parametrize(("word", "status"), [("cancelled", CANCELLED), ("rejected", REJECTED)])
def test_an_end_that_was_pushed_is_proven_by_one_look(
    word: str, status: BrokerStatus, filled: int
) -> None:
    """Row, trade book and stream say the same: no pause, no second look."""
    answer, looks, pauses = prove((word, filled), before=(_push(status, filled),))

    assert (answer.status, answer.filled_quantity, answer.proven) == (status, filled, True)
    assert (looks, pauses) == (1, [])


@pytest.mark.parametrize(
    "push",
    [
        _push(CANCELLED, broker="groww"),
        _push(CANCELLED, broker=""),
        _push(CANCELLED, mode=Mode.ANALYZE),
        _push(CANCELLED, filled=30),
        _push(CANCELLED, filled=None),
        _push(REJECTED),
        _push(OPEN),
    ],
    ids=["polled", "unnamed", "other mode", "more fills", "fills unsaid", "another end", "alive"],
)
def test_what_is_no_second_witness_leaves_two_looks(push: OrderPush) -> None:
    """The gateway's own rows again, another account, or another story."""
    answer, looks, pauses = prove(("cancelled", 0), before=(push,))

    assert answer.proven
    assert (looks, pauses) == (2, [0.5])


def test_the_newest_word_of_the_stream_counts() -> None:
    """An order that is pushed as alive after an end was pushed has no second witness."""
    _, looks, _ = prove(("cancelled", 0), before=(_push(CANCELLED), _push(OPEN)))

    assert looks == 2


def test_a_push_ends_the_pause() -> None:
    """What the look showed is proven the moment the stream says the same."""
    answer, looks, pauses = prove(("cancelled", 0), meanwhile=_push(CANCELLED))

    assert answer.proven
    assert (looks, pauses) == (1, [0.5])


def test_a_neighbours_status_is_looked_through() -> None:
    """The row shows its neighbour's "complete", the stream the cancellation: one more look at once."""
    answer, looks, _ = prove(("complete", 0), ("cancelled", 0), meanwhile=_push(CANCELLED))

    assert (answer.status, answer.proven, looks) == (CANCELLED, True, 2)


def test_two_looks_without_the_whole_pause_between_them_prove_nothing() -> None:
    """The stream cut the pause short and tells another story than both rows."""
    answer, looks, _ = prove(("cancelled", 0), meanwhile=_push(REJECTED))

    assert (answer.proven, looks) == (False, 2)


def test_fills_that_the_trade_book_lacks_are_waited_for() -> None:
    """The stream knows of a fill before the cancellation: the second look has it."""
    answer, looks, _ = prove(("cancelled", 0), ("cancelled", 30), before=(_push(CANCELLED, 30),))

    assert (answer.filled_quantity, answer.proven, looks) == (30, True, 2)


def test_a_row_that_knows_more_fills_is_no_proof() -> None:
    """The stream and the trade book are both behind the row: nothing is proven yet."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> OrderUpdated:
        desk = Desk(server, client, Pauses())
        desk.show(("cancelled", 0))
        server.say("orderstatus", _row("cancelled", filled_quantity=30))
        desk.broker.push_event(_push(CANCELLED))
        return await desk.ask()

    assert not run(scenario, sleep=Pauses()).proven


def test_a_row_that_lags_behind_the_stream_is_looked_at_again() -> None:
    """The stream has said the end; the row that still lives is not believed at once."""
    answer, looks, _ = prove(("open", 0), ("cancelled", 0), before=(_push(CANCELLED),))

    assert (answer.status, answer.proven, looks) == (CANCELLED, True, 2)


def test_a_row_that_goes_on_living_is_believed() -> None:
    """Half a second later it lives still, whatever the stream has said."""
    answer, looks, _ = prove(("open", 0), before=(_push(CANCELLED),))

    assert (answer.status, answer.proven, looks) == (OPEN, True, 2)


def test_a_pushed_end_without_its_row_is_no_proof() -> None:
    """A complete row without its fills is a claim, even beside a pushed cancellation."""
    answer, _, _ = prove(("complete", 0), before=(_push(CANCELLED),))

    assert not answer.proven


# ---------------------------------------------------------------- how the looks are asked


def test_the_first_look_takes_one_round_trip() -> None:
    """Status and trades are asked side by side: the trades do not wait for the status."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> list[str]:
        server.say("orderstatus", HANG)
        server.say("tradebook", _trades(0))
        await client.query(QUERY)
        return [path for path, _ in server.asked]

    assert set(run(scenario)) == {"orderstatus", "tradebook"}


def test_the_second_look_reads_the_trades_after_the_status() -> None:
    """Without another witness every fill before an end must be among the trades."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> list[str]:
        server.say("orderstatus", _row("cancelled"), HANG)
        server.say("tradebook", _trades(0))
        await client.query(QUERY)
        return [path for path, _ in server.asked]

    assert run(scenario).count("tradebook") == 1


def _two_questions(*looks: tuple[str, int]) -> tuple[list[Event], int]:
    """The same question twice, the second while the first is being asked."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> tuple[list[Event], int]:
        desk = Desk(server, client, Pauses())
        desk.show(*looks)
        answers = await asyncio.gather(desk.ask(), desk.ask())
        return list(answers), desk.looks

    return run(scenario)


def test_two_questions_at_once_share_a_proven_end() -> None:
    """The second waits for the first, and asks nothing when that proves an end."""
    answers, looks = _two_questions(("complete", 65))

    assert [getattr(answer, "proven", None) for answer in answers] == [True, True]
    assert looks == 1


def test_an_order_that_lives_is_asked_for_again() -> None:
    """What the first question saw may be older than the second one."""
    answers, looks = _two_questions(("open", 0), ("complete", 65))

    assert [getattr(answer, "status", None) for answer in answers] == [OPEN, BrokerStatus.COMPLETE]
    assert looks == 2


@pytest.mark.parametrize("given_up", [0, 1])
def test_a_question_that_is_given_up_leaves_the_other_one_alone(given_up: int) -> None:
    """Being cancelled is the caller's own matter."""

    async def scenario(server: Gateway, client: OpenAlgoClient) -> OrderUpdated:
        desk = Desk(server, client, Pauses())
        desk.show(("complete", 65))
        asked = [asyncio.ensure_future(desk.ask()) for _ in range(2)]
        await asyncio.sleep(0)
        asked.pop(given_up).cancel()
        return await asked[0]

    assert run(scenario).proven
