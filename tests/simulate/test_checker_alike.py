"""The checker where an order of somebody else looks like one of ours that has no answer."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate.chaos import BY_HAND
from baseline_v1_live.simulate.check_account import Cover
from baseline_v1_live.simulate.observe import Call
from tests.simulate.checker_scene import CALL, LOT, OURS, Scene, played


def bare_short(scene: Scene) -> None:
    """A short of ten lots whose stop is gone."""
    scene.short(10)
    scene.cancel(scene.stop(10))


def send_exit(scene: Scene, lots: int = 10) -> None:
    """A purchase leaves, and its answer does not come."""
    body = {"symbol": CALL, "action": "BUY", "quantity": lots * LOT, "pricetype": "MARKET"}
    call = Call("placeorder", json.dumps(body | {"strategy": OURS}), refused=False, lost=True)
    scene.checker.reach.sent(call)
    scene.checker.reach.ended(call, None)


def arrive(scene: Scene, strategy: str = OURS) -> BookOrder:
    """A purchase of ten lots comes to the exchange and fills."""
    order = scene.order("BUY", "LIMIT", 10, price=95.0, strategy=strategy)
    scene.fill(order)
    return order


def read_books(
    scene: Scene, found: BookOrder | None, reason: str = "STOP_FAILED", *left_alone: str
) -> None:
    """The bot has read the books, takes this order for its own, and leaves those alone."""
    known = {found.orderid: SimpleNamespace(reason=reason)} if found is not None else {}
    engine: Any = SimpleNamespace(
        orders=SimpleNamespace(by_broker_id=known.get),
        reconciler=SimpleNamespace(strays=SimpleNamespace(left_alone=set(left_alone))),
    )
    scene.checker._alike.look(engine)


def test_the_one_that_was_found_is_the_one_that_was_sent() -> None:
    """Somebody buys just as much; ours comes a minute later, and the long that it makes is his."""

    async def story(scene: Scene) -> None:
        bare_short(scene)
        send_exit(scene)
        await scene.wait(1)
        his = arrive(scene, BY_HAND)
        read_books(scene, his)
        await scene.wait(60)
        ours = arrive(scene)
        await scene.wait(60)
        assert (his.strategy, ours.strategy) == (OURS, BY_HAND)
        assert scene.checker.ledger.symbol(CALL).traded == 0

    assert played(story) == set()


def test_ours_that_had_come_as_well_is_his() -> None:
    """Both stand in the books and nothing tells them apart: whichever is found, one is ours."""

    async def story(scene: Scene) -> None:
        bare_short(scene)
        send_exit(scene)
        ours, his = arrive(scene), arrive(scene, BY_HAND)
        read_books(scene, his)
        await scene.wait(60)
        assert (his.strategy, ours.strategy) == (OURS, BY_HAND)

    assert played(story) == set()


@pytest.mark.parametrize("lots", [9, 11])
def test_a_purchase_of_another_size_is_told_apart(lots: int) -> None:
    """Who takes an order of another size for his own makes a long of his own."""

    async def story(scene: Scene) -> None:
        bare_short(scene)
        send_exit(scene, lots)
        await scene.wait(1)
        read_books(scene, arrive(scene, BY_HAND))
        await scene.wait(100)
        arrive(scene)
        await scene.wait(60)

    assert Cover.LONG in played(story)


def test_a_purchase_from_before_is_told_apart() -> None:
    """What the exchange had more than two minutes before ours was sent cannot be ours."""

    async def story(scene: Scene) -> None:
        bare_short(scene)
        his = arrive(scene, BY_HAND)
        await scene.wait(121)
        send_exit(scene)
        read_books(scene, his)
        await scene.wait(100)
        arrive(scene)
        await scene.wait(60)

    assert Cover.LONG in played(story)


def test_an_order_that_was_taken_over_is_no_mistake() -> None:
    """A stray order that the bot takes over on purpose stays what it was."""

    async def story(scene: Scene) -> None:
        bare_short(scene)
        send_exit(scene)
        await scene.wait(1)
        his = arrive(scene, BY_HAND)
        read_books(scene, his, reason="found at the broker")
        assert his.strategy == BY_HAND

    played(story)


def test_only_the_next_one_in_time_counts_as_his() -> None:
    """Ours never came: what we buy too much three minutes later is our own."""

    async def story(scene: Scene) -> None:
        bare_short(scene)
        send_exit(scene)
        await scene.wait(1)
        read_books(scene, arrive(scene, BY_HAND))
        await scene.wait(180)
        arrive(scene)
        await scene.wait(60)

    assert Cover.LONG in played(story)


@pytest.mark.parametrize("moved", [False, True])
def test_a_nameless_stop_that_somebody_has_moved_counts_as_his(moved: bool) -> None:
    """The bot says that it is not its own, and covers with another: then there is one of each."""

    async def story(scene: Scene) -> None:
        scene.short(10)
        stop = scene.stop(10, answered=False)
        if moved:
            values = {"pricetype": "SL", "quantity": stop.quantity, "price": 109.0}
            change = {"orderid": stop.orderid, "trigger_price": 106.0, "strategy": BY_HAND}
            scene.world.venue.modify(values | change)
        read_books(scene, None, "", stop.orderid)
        scene.stop(10)
        await scene.wait(20)

    assert (Cover.STACKED in played(story)) is not moved
