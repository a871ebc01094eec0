"""The checker on entries: how many, of which symbols and swings, and none that rests when forbidden."""

from __future__ import annotations

import asyncio

import pytest

from baseline_v1_live.core.messages import OperatorSaid
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.simulate.check_entries import (
    Entries,
    HeldSymbols,
    IntentsFillOnce,
    RestingEntries,
    SwingsSoldOnce,
)
from tests.simulate.checker_scene import CALL, OTHER_CALL, PUT, Scene, played


@pytest.mark.parametrize(("told", "said"), [(True, True), (False, False)])
def test_a_symbol_that_is_held_is_not_sold_again(told: bool, said: bool) -> None:
    """An entry that filled a moment ago, of which nobody has told yet, cannot be known."""

    async def story(scene: Scene) -> None:
        entry = scene.entry(10)
        scene.fill(entry)
        if told:
            scene.tell(entry)
        await scene.wait(1)
        scene.checker._held.look(CALL, "entry-0002", scene.world.now_ms)

    assert (HeldSymbols.NAME in played(story)) is said


def test_a_symbol_that_was_closed_may_be_sold_again() -> None:
    """Bought back whole, by whomever."""

    async def story(scene: Scene) -> None:
        entry = scene.entry(10)
        scene.fill(entry)
        scene.tell(entry)
        scene.by_hand("BUY", 10)
        await scene.wait(1)
        scene.checker._held.look(CALL, "entry-0002", scene.world.now_ms)

    assert HeldSymbols.NAME not in played(story)


async def _look(scene: Scene, seconds: float) -> None:
    for _ in range(round(seconds)):
        await scene.wait(1)
        scene.checker._resting.look(scene.checker.ledger, scene.session)
        scene.checker._lasting.look()


@pytest.mark.parametrize("verb", ["pause", "flatten", "kill", "stopday", "stop"])
@pytest.mark.parametrize(("cancelled", "said"), [(True, False), (False, True)])
def test_an_entry_that_rests_is_cancelled_when_entries_are_forbidden(
    verb: str, cancelled: bool, said: bool
) -> None:
    """Within three seconds; whether the broker does it is another thing."""

    async def story(scene: Scene) -> None:
        entry = scene.entry(10)
        scene.tell(entry)
        await scene.wait(10)
        word = OperatorSaid(seq=1, at_ms=scene.world.now_ms, verb=verb, by="somebody")
        scene.checker.gate.hear(word, scene.world.now_ms)
        if cancelled:
            await asyncio.sleep(1)
            scene.send("cancelorder", orderid=entry.orderid)
        await _look(scene, 5)

    assert (RestingEntries.NAME in played(story)) is said


@pytest.mark.parametrize("claimed", [True, False])
def test_an_entry_that_is_said_to_be_over_need_not_be_cancelled(claimed: bool) -> None:
    """As long as the bot asks whether that is true."""

    async def story(scene: Scene) -> None:
        entry = scene.entry(10)
        scene.tell(entry)
        await scene.wait(10)
        scene.checker._resting._claimed = lambda orderid: claimed and orderid == entry.orderid
        word = OperatorSaid(seq=1, at_ms=scene.world.now_ms, verb="pause", by="somebody")
        scene.checker.gate.hear(word, scene.world.now_ms)
        await _look(scene, 5)

    assert (RestingEntries.NAME in played(story)) is not claimed


def test_an_entry_of_before_a_resumed_pause_may_rest() -> None:
    """Nothing forbids it any more."""

    async def story(scene: Scene) -> None:
        scene.entry(10)
        for seq, verb in enumerate(("pause", "resume"), start=1):
            word = OperatorSaid(seq=seq, at_ms=scene.world.now_ms, verb=verb, by="somebody")
            scene.checker.gate.hear(word, scene.world.now_ms)
        await _look(scene, 8)

    assert RestingEntries.NAME not in played(story)


def test_two_entries_in_a_symbol_are_said() -> None:
    """And they are two of a type as well."""

    async def story(scene: Scene) -> None:
        scene.entry()
        scene.entry()
        await scene.wait(7)

    assert Entries.ONE in played(story)


def test_two_entries_of_a_type_are_said() -> None:
    """One working entry a type."""

    async def story(scene: Scene) -> None:
        scene.entry()
        scene.entry(symbol=OTHER_CALL)
        await scene.wait(7)

    assert played(story) == {Entries.TWO_TYPES}


def test_an_entry_of_each_type_is_lawful() -> None:
    """A call's and a put's."""

    async def story(scene: Scene) -> None:
        scene.entry()
        scene.entry(symbol=PUT)
        await scene.wait(20)

    assert played(story) == set()


def test_an_entry_beyond_the_limit_of_positions_is_said() -> None:
    """One position is allowed; it is held, and an entry rests beside it."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.stop()
        scene.entry(symbol=PUT)
        await scene.wait(7)

    assert played(story, Rules(positions_max=1)) == {Entries.LIMITS}
    assert played(story, Rules(positions_max=2)) == set()


def test_an_entry_that_fills_beyond_its_intent_is_said() -> None:
    """A second order of the same intent turns up and fills, too; parts of one are lawful."""

    async def story(scene: Scene) -> None:
        first = scene.entry(10)
        scene.fill(first, 4)
        scene.fill(first, 6)
        scene.unintended = True
        second = scene.entry(10)
        assert scene.said() == set()
        scene.fill(second, 1)

    assert played(story) == {IntentsFillOnce.NAME}


def test_a_swing_that_two_orders_sell_is_said() -> None:
    """The second one is another entry of the same low."""

    async def story(scene: Scene) -> None:
        sold = SwingsSoldOnce(scene.checker.findings, scene.checker.ledger)
        first, second = scene.entry(), scene.entry(symbol=CALL)
        await scene.wait(1)
        sold.look(first, 5)
        sold.look(first, 5)
        sold.look(second, 6)
        assert scene.said() == set()
        sold.look(second, 5)

    assert played(story) == {SwingsSoldOnce.NAME}
