"""Exits without an answer, and starts that do not end: what the checker grants, and what not."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.simulate.check_account import Cover
from baseline_v1_live.simulate.check_flips import Flips, Purchases
from baseline_v1_live.simulate.checker import READY
from baseline_v1_live.simulate.observe import Call
from tests.simulate.checker_scene import CALL, LOT, Scene, played


def _send(
    scene: Scene, action: str, kind: str = "MARKET", *, lost: bool = True, lots: int = 10
) -> Call:
    return scene.send(
        "placeorder", lost=lost, symbol=CALL, action=action, quantity=lots * LOT, pricetype=kind
    )


@pytest.mark.parametrize(("seconds", "said"), [(140, False), (170, True)])
def test_an_exit_without_an_answer_counts_until_the_horizon(seconds: int, said: bool) -> None:
    """Nobody may send it again before that; afterwards the short is bare."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.checker.ended(_send(scene, "BUY"), None)
        await scene.wait(seconds)

    assert (Cover.COVERED in played(story)) is said


def test_a_stop_without_an_answer_is_no_exit() -> None:
    """Five seconds after its answer is known to be lost, something else must cover."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.checker.ended(_send(scene, "BUY", "SL"), None)
        await scene.wait(7)

    assert Cover.COVERED in played(story)


@pytest.mark.parametrize("status", [400, 403])
def test_a_refused_exit_covers_nothing(status: int) -> None:
    """Its outcome is known."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.answer(_send(scene, "BUY", lost=False), status, {"message": "wrong"})
        await scene.wait(8)

    assert Cover.COVERED in played(story)


@pytest.mark.parametrize(("seconds", "said"), [(5.9, False), (6.5, True)])
def test_a_refused_exit_may_be_tried_again_at_the_stated_pace(seconds: float, said: bool) -> None:
    """Five seconds later, and for a second it may wait for the disk."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.answer(_send(scene, "BUY", lost=False), 403, {"message": "wrong"})
        await scene.wait(seconds)
        scene.order("BUY", "LIMIT", 10)
        await scene.wait(5)

    assert (Cover.COVERED in played(story)) is said


@pytest.mark.parametrize(("between", "said"), [("nothing", True), ("exit", False), ("stop", False)])
def test_refused_stops_are_an_excuse_once(between: str, said: bool) -> None:
    """Where stops are refused an exit is sent; whoever only tries stops leaves the short bare."""

    async def story(scene: Scene) -> None:
        scene.short()
        for _ in range(8):
            scene.answer(
                _send(scene, "BUY", "SL", lost=False), 400, {"message": "RMS: stops are blocked"}
            )
            await scene.wait(2)
            if between == "exit":
                call = _send(scene, "BUY", lost=False)
                scene.answer(call, 400, {"message": "RMS: margin exceeds"})
            elif between == "stop":
                scene.answer(_send(scene, "BUY", "SL", lost=False))

    assert (Cover.COVERED in played(story)) is said


@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.parametrize("squares_off", [False, True])
def test_a_lost_exit_that_books_do_not_show_covers_no_longer(
    shown: bool, squares_off: bool
) -> None:
    """Two of them, asked for a second after it left, are enough for a stop; from the square-off on there
    is none to place.
    """

    async def story(scene: Scene) -> None:
        scene.short()
        if squares_off:
            scene.checker._session = msgspec.structs.replace(scene.session, square_off_ms=0)
        scene.checker.ended(_send(scene, "BUY", "LIMIT"), None)
        if shown:
            scene.order("BUY", "LIMIT", 10, price=80.0)
        for _ in range(12):
            await scene.wait(1)
            scene.read_books()

    assert (Cover.COVERED in played(story)) is not (shown or squares_off)


def test_stops_that_are_refused_beside_a_lost_exit_are_all_that_is_left() -> None:
    """The exit may not be sent again before the horizon."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.checker.ended(_send(scene, "BUY", "LIMIT"), None)
        await scene.wait(1)
        for _ in range(10):
            scene.answer(
                _send(scene, "BUY", "SL", lost=False), 400, {"message": "RMS: stops are blocked"}
            )
            for _ in range(5):
                await scene.wait(1)
                scene.read_books()

    assert Cover.COVERED not in played(story)


def test_an_exit_that_arrived_counts_once() -> None:
    """It fills for a part and is cancelled: what is left is bare, and no ghost of it covers."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.checker.ended(_send(scene, "BUY", "LIMIT"), None)
        await scene.wait(1)
        exit_ = scene.order("BUY", "LIMIT", 10, price=80.0)
        scene.fill(exit_, 4)
        scene.cancel(exit_)
        await scene.wait(8)

    assert Cover.COVERED in played(story)


def test_a_correction_without_an_answer_counts_until_the_horizon() -> None:
    """A long whose sale got lost is not sold twice."""

    async def story(scene: Scene, *, lost: bool) -> None:
        scene.short()
        scene.by_hand("BUY", 10)
        scene.fill(scene.order("BUY", "LIMIT", 10, price=80.0))
        if lost:
            scene.checker.ended(_send(scene, "SELL"), None)
        await scene.wait(100)

    assert Cover.LONG in played(lambda scene: story(scene, lost=False))
    assert Cover.LONG not in played(lambda scene: story(scene, lost=True))


@pytest.mark.parametrize(
    ("status", "why", "every_s", "kind", "said"),
    [
        (400, "RMS: margin exceeds", 6, "MARKET", False),
        (400, "RMS: margin exceeds", 12, "MARKET", True),
        (400, "RMS: margin exceeds", 6, "SL", True),
        (400, "quantity is no multiple of the lot", 6, "MARKET", True),
        (403, "this address may place no orders", 6, "MARKET", False),
        (403, "this address may place no orders", 12, "MARKET", True),
    ],
)
def test_a_correction_that_the_broker_refuses_is_sent_again_after_five_seconds(
    status: int, why: str, every_s: int, kind: str, said: bool
) -> None:
    """A long that the broker lets nobody sell is nobody's fault, as long as it is tried in time."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.by_hand("BUY", 10)
        scene.fill(scene.order("BUY", "LIMIT", 10, price=80.0))
        for _ in range(5):
            scene.answer(_send(scene, "SELL", kind, lost=False), status, {"message": why})
            await scene.wait(every_s)

    assert (Cover.LONG in played(story)) is said


@pytest.mark.parametrize(("answered", "said"), [(False, False), (True, True)])
def test_of_two_corrections_alike_one_has_come(answered: bool, said: bool) -> None:
    """The other one may still be on its way: it was sent before, and got no answer. Where the first one
    is answered and only that one was sent, the second half is offered by nobody.
    """

    async def story(scene: Scene) -> None:
        scene.short()
        scene.by_hand("BUY", 20)
        scene.fill(scene.order("BUY", "LIMIT", 10, price=80.0))
        scene.fill(scene.order("BUY", "LIMIT", 10, price=80.0))
        calls = [_send(scene, "SELL", "LIMIT") for _ in range(1 if answered else 2)]
        row = scene.order("SELL", "LIMIT", 10, price=95.0)
        if answered:
            scene.answer(calls[0], 200, {"status": "success", "orderid": row.orderid})
        scene.fill(row)
        scene.read_books()
        await scene.wait(20)

    assert (Cover.LONG in played(story)) is said


@pytest.mark.parametrize(("seconds", "said"), [(110, True), (122, False)])
def test_of_two_exits_alike_the_newer_one_has_come(seconds: int, said: bool) -> None:
    """What came after both may be either; the older one cannot come any more once its time is over."""

    async def story(scene: Scene) -> None:
        scene.short(20)
        scene.checker.ended(_send(scene, "BUY", "LIMIT"), None)
        await scene.wait(10)
        scene.checker.ended(_send(scene, "BUY", "LIMIT"), None)
        scene.fill(scene.order("BUY", "LIMIT", 10, price=80.0))
        await scene.wait(seconds)
        _send(scene, "BUY")

    assert (Purchases.NAME in played(story)) is said


@pytest.mark.parametrize("answered", [False, True])
def test_a_stop_may_cover_what_a_lost_correction_sells(answered: bool) -> None:
    """Nobody can say whether the lot that is short again when it arrives is short now: until then the
    stop may be larger by it, and may buy it. Once it is refused that is one lot too much.
    """

    async def story(scene: Scene) -> None:
        scene.short(10)
        stop = scene.stop(11)
        call = _send(scene, "SELL", "MARKET", lost=not answered, lots=1)
        if answered:
            scene.answer(call, 400, {"message": "RMS: margin exceeds"})
        await scene.wait(20)
        scene.fill(stop)

    told = {Cover.NO_POSITION, Flips.NAME}
    assert played(story) & told == (told if answered else set())


@pytest.mark.parametrize(
    ("damaged", "lost", "later", "said"),
    [
        (1, True, False, False),
        (1, False, False, True),
        (0, True, False, True),
        (1, True, True, True),
    ],
)
def test_a_long_that_nobody_remembers_is_not_ours(
    damaged: int, lost: bool, later: bool, said: bool
) -> None:
    """Bought before the journal was damaged and the memory lost; one of ``later`` is known."""

    def begin(scene: Scene) -> None:
        rules = Rules(foreign_position="ours" if lost else "alert")
        bot = Engine(rules=rules, session=scene.session, contracts={}, index_symbol=None)
        scene.chaos.fired["journal_damaged"] = damaged
        scene.checker._begin_process(bot)

    async def story(scene: Scene) -> None:
        if later:
            begin(scene)
        scene.short()
        scene.by_hand("BUY", 10)
        scene.fill(scene.order("BUY", "LIMIT", 10, price=80.0))
        await scene.wait(3)
        begin(scene)
        await asyncio.sleep(20)
        scene.checker._lasting.look()

    assert (Cover.LONG in played(story)) is said


def test_a_short_that_nobody_remembers_stays_ours() -> None:
    """It is taken over, and covered again."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.checker.ledger.forget_longs()
        await scene.wait(20)

    assert Cover.COVERED in played(story)


def _lose_journal(scene: Scene) -> None:
    bot = Engine(
        rules=Rules(foreign_position="ours"),
        session=scene.session,
        contracts={},
        index_symbol=None,
    )
    scene.chaos.fired["journal_damaged"] += 1
    scene.checker._begin_process(bot)


@pytest.mark.parametrize(("lost", "said"), [(True, False), (False, True)])
def test_an_exit_of_a_lost_journal_can_be_sent_again_before_the_horizon(
    lost: bool, said: bool
) -> None:
    """Who has lost the journal does not know that one got no answer; who has it waits."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.checker.ended(_send(scene, "BUY"), None)
        await scene.wait(60)
        if lost:
            _lose_journal(scene)
        _send(scene, "BUY")

    assert (Purchases.NAME in played(story)) is said


@pytest.mark.parametrize(("sent_after", "said"), [(False, True), (True, False)])
def test_an_exit_of_a_lost_journal_covers_nothing(sent_after: bool, said: bool) -> None:
    """The short is bare to whoever starts then; an exit that got lost since is one to wait for."""

    async def story(scene: Scene) -> None:
        scene.short()
        if sent_after:
            _lose_journal(scene)
        scene.checker.ended(_send(scene, "BUY"), None)
        if not sent_after:
            _lose_journal(scene)
        await scene.wait(20)

    assert (Cover.COVERED in played(story)) is said


@pytest.mark.parametrize("down", [False, True])
def test_a_bot_that_never_reads_the_books_is_said(down: bool) -> None:
    """After 30 seconds, unless the gateway answers nobody."""

    async def story(scene: Scene) -> None:
        for _ in range(40):
            await asyncio.sleep(1)
            if down:
                scene.answer(scene.send("orderbook"), 503)
            scene.checker._look_at_readiness(None)

    assert (READY in played(story)) is not down


@pytest.mark.parametrize(("seconds", "said"), [(48, False), (52, True)])
def test_a_start_that_the_gateway_delays_has_half_a_minute_from_then(
    seconds: int, said: bool
) -> None:
    """It says no for 20 s: 30 s after that the books are to be read, and not later."""

    async def story(scene: Scene) -> None:
        for second in range(seconds):
            await asyncio.sleep(1)
            if second < 20:
                scene.answer(scene.send("orderbook"), 503)
            scene.checker._look_at_readiness(None)

    assert (READY in played(story)) is said


@pytest.mark.parametrize(
    ("status", "said"), [(None, False), (500, False), (200, True), (400, True)]
)
def test_a_question_without_an_answer_is_a_gateway_that_is_not_there(
    status: int | None, said: bool
) -> None:
    """A start cannot go on without it, nor with an error of the gateway's own."""

    async def story(scene: Scene) -> None:
        for _ in range(20):
            question = scene.send("market/timings")
            await asyncio.sleep(0.5)
            scene.checker.ended(question, scene.served(status) if status else None)
            await asyncio.sleep(4.5)
            scene.checker._look_at_readiness(None)

    assert (READY in played(story)) is said
