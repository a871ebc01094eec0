"""The checker on closing: cancels and exits that lag, and who is not flat at the hard cut."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import Level, Notify, OperatorSaid
from baseline_v1_live.simulate.check_closing import ClosingLeaves, HardCut
from tests.simulate.checker_scene import CALL, LOT, Scene, played
from tests.simulate.test_checker_beliefs import Believer

# ---------------------------------------------------------------- closing


async def _kill(scene: Scene) -> ClosingLeaves:
    closing = scene.checker._closing
    closing.hear(Believer(), OperatorSaid(verb="kill"))  # type: ignore[arg-type]
    await scene.wait(1)
    return closing


def test_after_a_kill_entries_that_rest_on_are_said() -> None:
    """Three seconds are allowed."""

    async def story(scene: Scene) -> None:
        scene.entry()
        await _kill(scene)
        await scene.wait(3)

    assert played(story) == {ClosingLeaves.CANCELS}


def test_after_a_kill_cancels_that_leave_in_time_are_lawful() -> None:
    """Whether they have their answer yet or not."""

    async def story(scene: Scene) -> None:
        order = scene.entry()
        await _kill(scene)
        scene.answer(scene.send("cancelorder", orderid=order.orderid))
        await scene.wait(3)

    assert played(story) == set()


def test_after_a_kill_a_short_that_nobody_buys_back_is_said() -> None:
    """Its stop covers, and that is not enough."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.stop()
        await _kill(scene)
        await scene.wait(3)

    assert played(story) == {ClosingLeaves.EXITS}


def test_after_a_kill_an_exit_that_leaves_in_time_is_lawful() -> None:
    """So is a gateway that could not be had."""

    async def sells(scene: Scene) -> None:
        scene.short()
        stop = scene.stop()
        await _kill(scene)
        scene.cancel(stop)
        body = {"symbol": CALL, "action": "BUY", "pricetype": "MARKET", "quantity": "650"}
        scene.answer(scene.send("placeorder", **body))
        scene.fill(scene.order("BUY", "LIMIT", 10, price=80.0))
        await scene.wait(3)

    async def cannot(scene: Scene) -> None:
        scene.short()
        scene.stop()
        await _kill(scene)
        scene.answer(scene.send("cancelorder", orderid="1"), 429, {"message": "10 per 1 second"})
        await scene.wait(3)

    assert ClosingLeaves.EXITS not in played(sells)
    assert played(cannot) == set()


@pytest.mark.parametrize(("lots", "lawful"), [(10, True), (9, False)])
def test_after_a_kill_an_exit_that_was_lost_before_is_not_sent_again(
    lots: int, lawful: bool
) -> None:
    """Its quantity is reserved until the gateway's horizon; what it leaves is to be bought."""

    async def story(scene: Scene) -> None:
        scene.short()
        body = {"symbol": CALL, "action": "BUY", "pricetype": "MARKET", "quantity": lots * LOT}
        scene.checker.ended(scene.send("placeorder", lost=True, **body), None)
        await scene.wait(20)
        await _kill(scene)
        await scene.wait(3)

    assert (ClosingLeaves.EXITS not in played(story)) is lawful


# ---------------------------------------------------------------- the hard cut


@pytest.mark.parametrize(("held", "reachable", "lawful"), [
    (False, True, True), (True, True, False), (True, False, True),
])  # fmt: skip
def test_a_position_at_the_hard_cut_is_said(held: bool, reachable: bool, lawful: bool) -> None:
    """Unless the gateway could not be had within the minute before: that look is excused."""

    async def story(scene: Scene) -> None:
        if held:
            scene.short()
            scene.stop()
        await scene.wait(30)
        if not reachable:
            scene.answer(scene.send("orderbook"), 429, {"message": "10 per 1 second"})
        await scene.wait(20)
        scene.checker._cut.look(scene.world.now_ms)
        looks = scene.checker.checks[HardCut.FLAT], scene.checker.excused[HardCut.FLAT]
        assert looks == ((1, 0) if reachable else (0, 1))

    assert (HardCut.FLAT not in played(story)) is lawful


def test_nobody_is_flat_at_a_hard_cut_in_a_halt() -> None:
    """The market stood still within the minute before: nothing could be closed."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.stop()
        cut, cut_ms = scene.checker._cut, scene.world.now_ms + 50_000
        await scene.wait(30)
        scene.world.venue.trades = lambda: False
        cut.look(cut_ms)
        scene.world.venue.trades = lambda: True
        await scene.wait(25)
        cut.look(cut_ms)

    assert played(story) == set()


def test_an_order_of_ours_that_works_at_the_hard_cut_is_said() -> None:
    """Flat is not enough; somebody else's order may stay."""

    async def ours(scene: Scene) -> None:
        scene.entry()
        await scene.wait(61)
        scene.checker._cut.look(scene.world.now_ms)

    async def theirs(scene: Scene) -> None:
        scene.order("SELL", "SL", strategy="by hand")
        await scene.wait(61)
        scene.checker._cut.look(scene.world.now_ms)

    assert played(ours) == {HardCut.FLAT}
    assert played(theirs) == set()


@pytest.mark.parametrize("told", [False, True])
def test_whoever_is_not_flat_at_the_hard_cut_says_so(told: bool) -> None:
    """With a critical notice, within ten seconds."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.stop()
        await scene.wait(61)
        cut, cut_ms = scene.checker._cut, scene.world.now_ms
        cut.look(cut_ms)
        if told:
            cut.hear((Notify(level=Level.CRITICAL, tag="EXIT", text="", key="hard_cut"),))
        await scene.wait(11)
        cut.look(cut_ms)

    assert (HardCut.SAID not in played(story)) is told
