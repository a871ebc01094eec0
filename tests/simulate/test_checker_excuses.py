"""The checker on a bare short: which troubles on the wire excuse it, for how long, and which never."""

from __future__ import annotations

import pytest

from baseline_v1_live.simulate.check_account import Cover
from tests.simulate.checker_scene import CALL, PUT, Scene, played


def _stop_body(symbol: str) -> dict[str, str]:
    return {
        "symbol": symbol,
        "action": "BUY",
        "pricetype": "SL",
        "quantity": "650",
        "trigger_price": "140",
        "price": "143",
    }


def test_a_lost_order_of_another_symbol_excuses_nothing() -> None:
    """The put's stop got no answer: that is no reason for a bare call."""

    async def story(scene: Scene) -> None:
        scene.short()
        for _ in range(7):
            call = scene.send("placeorder", lost=True, **_stop_body(PUT))
            scene.answer(call, 500)
            await scene.wait(1)

    assert Cover.COVERED in played(story)


def test_a_lost_order_of_the_symbol_excuses_for_five_seconds() -> None:
    """From its end on the bot has as long as ever, and no longer."""

    async def story(scene: Scene) -> None:
        scene.short()
        await scene.wait(3)
        scene.answer(scene.send("placeorder", lost=True, **_stop_body(CALL)), 500)
        await scene.wait(4)
        assert Cover.COVERED not in scene.said()
        await scene.wait(2)

    assert Cover.COVERED in played(story)


def test_a_request_that_was_wrong_itself_excuses_nothing() -> None:
    """The exchange refuses what cannot be: that is an answer."""

    async def story(scene: Scene) -> None:
        scene.short()
        for _ in range(7):
            call = scene.send("placeorder", **_stop_body(CALL))
            scene.answer(call, 400, {"message": "Quantity must be in multiples of lot size 65"})
            await scene.wait(1)

    assert Cover.COVERED in played(story)


def test_books_that_cannot_be_read_excuse_until_they_can() -> None:
    """Five seconds after the first right ones it is said."""

    async def story(scene: Scene) -> None:
        scene.short()
        for _ in range(10):
            scene.read_books(fails=True)
            await scene.wait(1)
        scene.read_books()
        await scene.wait(4)
        assert scene.said() == set()
        await scene.wait(3)

    assert played(story) == {Cover.COVERED}


@pytest.mark.parametrize(
    ("status", "body"),
    [(429, {"message": "10 per 1 second"}), (403, {"message": "no"}), (200, {"status": "error"})],
)
def test_a_gateway_that_says_no_to_all_excuses_every_symbol(
    status: int, body: dict[str, str]
) -> None:
    """Whatever the call was about, until five seconds after the last such answer."""

    async def story(scene: Scene) -> None:
        scene.short()
        for _ in range(10):
            scene.answer(scene.send("quotes", symbol=PUT), status, body)
            await scene.wait(1)
        assert scene.said() == set()
        await scene.wait(6)

    assert played(story) == {Cover.COVERED}


def test_books_that_nobody_asks_for_excuse_nothing() -> None:
    """They were right when they were read a minute ago."""

    async def story(scene: Scene) -> None:
        scene.read_books()
        await scene.wait(60)
        scene.short()
        await scene.wait(7)

    assert played(story) == {Cover.COVERED}


def test_a_bot_that_tries_no_more_is_not_excused() -> None:
    """The books failed once, and nobody has asked since."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.read_books(fails=True)
        await scene.wait(9)
        assert scene.said() == set()
        await scene.wait(7)

    assert played(story) == {Cover.COVERED}


def test_three_right_books_of_different_moments_are_no_snapshot() -> None:
    """Each was right once, and never all at a time."""

    async def story(scene: Scene) -> None:
        scene.short()
        for number in range(12):
            for book in ("orderbook", "tradebook", "positionbook"):
                call = scene.send(book)
                good = book != ("orderbook", "tradebook", "positionbook")[number % 3]
                if good:
                    scene.chaos.books_ok_ms[book] = scene.world.now_ms
                scene.answer(call, 200 if good else 500)
            await scene.wait(1)

    assert played(story) == set()


@pytest.mark.parametrize(
    ("looks", "first_s", "said"), [(1, 1, False), (2, 1, True), (2, 0.9, False)]
)
def test_a_stop_without_an_answer_has_to_be_missing_in_two_looks(
    looks: int, first_s: float, said: bool
) -> None:
    """It may be on its way at the first, which counts a second after it left; while the books fail there
    is no second.
    """

    async def story(scene: Scene) -> None:
        entry = scene.entry()
        scene.fill(entry)
        scene.tell(entry)
        scene.answer(scene.send("placeorder", lost=True, **_stop_body(CALL)), 500)
        for look in range(looks):
            await scene.wait(1 if look else first_s)
            scene.read_books()
        for _ in range(9):
            await scene.wait(1)
            scene.read_books(fails=True)

    assert (Cover.COVERED in played(story)) is said


def test_a_look_that_something_excuses_does_not_count() -> None:
    """While the gateway says no, and for five seconds after, nothing could be said."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.stop()
        await scene.wait(2)
        before = scene.checker.checks[Cover.COVERED]
        scene.answer(scene.send("quotes", symbol=PUT), 429, {"message": "10 per 1 second"})
        await scene.wait(5)
        assert scene.checker.checks[Cover.COVERED] == before
        assert scene.checker.excused[Cover.COVERED] >= 5
        await scene.wait(2)
        assert scene.checker.checks[Cover.COVERED] > before

    assert played(story) == set()
