"""The checker on what only the books can tell: news that nobody brought, ends that are not proven."""

from __future__ import annotations

import pytest

from baseline_v1_live.simulate.check_account import Cover
from tests.simulate.checker_scene import Scene, played


@pytest.mark.parametrize(("told", "said"), [(True, True), (False, False)])
def test_books_excuse_only_what_nothing_else_tells(told: bool, said: bool) -> None:
    """The stream has told of the fill: the stop needs no book."""

    async def story(scene: Scene) -> None:
        entry = scene.entry()
        scene.fill(entry)
        if told:
            scene.tell(entry)
        for _ in range(8):
            scene.read_books(fails=True)
            await scene.wait(1)

    assert (Cover.COVERED in played(story)) is said


def test_a_question_that_fails_leaves_it_to_the_books() -> None:
    """The stream called the stop over; who asks and gets no answer needs them."""

    async def story(scene: Scene) -> None:
        entry = scene.entry()
        scene.fill(entry)
        scene.tell(entry)
        scene.answer(scene.send("orderstatus", orderid=entry.orderid), 500)
        for _ in range(12):
            scene.read_books(fails=True)
            await scene.wait(1)

    assert Cover.COVERED not in played(story)


@pytest.mark.parametrize("read", [False, True])
def test_an_answer_that_tells_what_no_books_could_leaves_time_to_cover(read: bool) -> None:
    """Nothing told of the fill for six seconds, then the order's own status does; right books before that
    would have told.
    """

    async def story(scene: Scene) -> None:
        entry = scene.entry()
        scene.fill(entry)
        for second in range(6):
            await scene.wait(1)
            scene.read_books(fails=not (read and second == 0))
        scene.answer(scene.send("orderstatus", orderid=entry.orderid))
        await scene.wait(3)
        scene.stop()
        await scene.wait(6)

    assert (Cover.COVERED in played(story)) is read


@pytest.mark.parametrize(("apart_s", "said"), [(0.4, False), (0.6, True)])
def test_an_end_that_only_the_books_can_prove_takes_two_looks(apart_s: float, said: bool) -> None:
    """The stop was told to be cancelled; the books show it once, and then no more: half a second later
    they would have proven it.
    """

    async def story(scene: Scene) -> None:
        scene.short()
        stop = scene.stop()
        scene.cancel(stop)
        scene.tell(stop)
        scene.read_books()
        await scene.wait(apart_s)
        scene.read_books()
        for _ in range(15):
            await scene.wait(1)
            scene.read_books(fails=True)

    assert (Cover.COVERED in played(story)) is said


def test_an_end_that_was_read_and_not_proven_still_needs_the_books() -> None:
    """The stop is over, the books have told so once, and every look after that fails: for longer than
    news are new.
    """

    async def story(scene: Scene) -> None:
        entry = scene.entry()
        scene.fill(entry)
        scene.tell(entry)
        stop = scene.stop()
        scene.tell(stop)
        scene.cancel(stop)
        scene.read_books()
        scene.answer(scene.send("orderstatus", orderid=stop.orderid))
        for _ in range(20):
            await scene.wait(1)
            scene.read_books(fails=True)

    assert Cover.COVERED not in played(story)


@pytest.mark.parametrize(("right", "said"), [(1, False), (2, True)])
def test_a_question_proves_an_end_by_two_trade_books(right: int, said: bool) -> None:
    """Asked for behind the order's status; another question begins anew."""

    async def story(scene: Scene) -> None:
        entry = scene.entry()
        scene.fill(entry)
        scene.tell(entry)
        stop = scene.stop()
        scene.cancel(stop)
        scene.tell(stop)
        for _ in range(right):
            await scene.wait(0.5)
            book = scene.send("tradebook")
            scene.chaos.books_ok_ms["tradebook"] = scene.world.now_ms
            scene.answer(book)
        for _ in range(15):
            await scene.wait(1)
            scene.answer(scene.send("orderstatus", orderid=stop.orderid))
            scene.read_books(fails=True)

    assert (Cover.COVERED in played(story)) is said


@pytest.mark.parametrize(("behind", "said"), [(True, False), (False, True)])
def test_a_trade_book_behind_an_orders_status_is_part_of_that_question(
    behind: bool, said: bool
) -> None:
    """It gets no answer, so what became of the order is not known; any other trade book says nothing of
    an order that the stream has told of.
    """

    async def story(scene: Scene) -> None:
        entry = scene.entry()
        scene.fill(entry)
        scene.tell(entry)
        for _ in range(10):
            if behind:
                scene.answer(scene.send("orderstatus", orderid=entry.orderid))
            book = scene.send("tradebook")
            await scene.wait(1)
            scene.checker.ended(book, None)

    assert (Cover.COVERED in played(story)) is said
