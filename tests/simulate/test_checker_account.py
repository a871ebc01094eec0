"""The checker on the account: what it must say of a wrong one, and must not say of a right one."""

from __future__ import annotations

import pytest

from baseline_v1_live.simulate.check_account import Cover
from tests.simulate.checker_scene import BY_HAND, CALL, Scene, played


def test_a_short_without_cover_is_said_after_five_seconds() -> None:
    """Nothing covers, and everything could be had."""

    async def story(scene: Scene) -> None:
        scene.short()
        await scene.wait(7)

    assert played(story) == {Cover.COVERED}


def test_a_short_that_is_covered_in_time_is_lawful() -> None:
    """Four seconds are allowed, and a stop of the same quantity covers."""

    async def story(scene: Scene) -> None:
        scene.short()
        await scene.wait(4)
        scene.stop()
        await scene.wait(60)

    assert played(story) == set()


def test_a_stop_too_small_covers_too_little() -> None:
    """A lot is bare."""

    async def story(scene: Scene) -> None:
        scene.short(10)
        scene.stop(9)
        await scene.wait(7)

    assert played(story) == {Cover.COVERED}


@pytest.mark.parametrize(
    ("trigger", "handed", "damaged", "said"),
    [
        (102.35, False, False, False),
        (102.45, False, False, True),
        (200.0, True, False, False),
        (131.95, False, True, False),
        (132.15, False, True, True),
    ],
)
def test_a_stop_farther_away_than_a_stop_may_be_covers_nothing(
    trigger: float, handed: bool, damaged: bool, said: bool
) -> None:
    """Sold below a low of 93.05, it stands at most 10 % above that. Where somebody has moved it to, it is
    told and stays; a short that was taken over has been so at a price of the day, here 120 at most.
    """

    async def story(scene: Scene) -> None:
        if damaged:
            scene.tick(12_000)
            scene.chaos.fired["journal_damaged"] = 1
        scene.short()
        stop = scene.stop(trigger_price=100.0 if handed else trigger, price=203.0)
        if handed:
            values = {"pricetype": "SL", "quantity": stop.quantity, "price": 203.0}
            moved = {"orderid": stop.orderid, "trigger_price": trigger, "strategy": BY_HAND}
            scene.world.venue.modify(values | moved)
        await scene.wait(7)

    assert played(story) == ({Cover.COVERED} if said else set())


@pytest.mark.parametrize(("arrives_s", "said"), [(100, False), (200, True)])
def test_an_entry_that_was_long_on_its_way_counts_the_prices_of_that_time(
    arrives_s: int, said: bool
) -> None:
    """The price rose to 105 before the entry reached the exchange, which it may for 130 seconds."""

    async def story(scene: Scene) -> None:
        scene.tick(10_500)
        scene.tick(9_500)
        await scene.wait(arrives_s)
        scene.tick(9_500)
        scene.fill(scene.entry())
        scene.stop(trigger_price=106.05, price=109.05)
        await scene.wait(7)

    assert played(story) == ({Cover.COVERED} if said else set())


def test_what_a_correction_sells_beside_somebody_elses_sale_is_no_short_of_ours() -> None:
    """Our orders have bought what they sold: the account's short is as much his as it is ours."""

    async def story(scene: Scene) -> None:
        scene.tick(9_500)
        scene.short(4)
        scene.fill(scene.order("BUY", "MARKET", 5))
        correction = scene.order("SELL", "MARKET", 1)
        scene.by_hand("SELL", 3)
        scene.fill(correction)
        assert scene.checker.ledger.symbol(CALL).left == 0
        await scene.wait(20)

    assert Cover.COVERED not in played(story)


@pytest.mark.parametrize(("lots", "said"), [(6, False), (7, True)])
def test_a_short_after_a_long_that_somebody_has_taken_in_may_be_all_ours(
    lots: int, said: bool
) -> None:
    """Ours bought two lots too many, somebody sold two, and an entry sells six."""

    async def story(scene: Scene) -> None:
        scene.tick(9_500)
        scene.short(4)
        scene.fill(scene.order("BUY", "MARKET", 6))
        scene.by_hand("SELL", 2)
        scene.short(6)
        scene.stop(lots)
        await scene.wait(7)

    assert (Cover.NO_POSITION in played(story)) is said


@pytest.mark.parametrize(("trigger", "said"), [(106.05, False), (106.15, True)])
def test_a_stop_may_stand_above_the_price_that_had_its_entry_cancelled(
    trigger: float, said: bool
) -> None:
    """The price rose to 105 while the entry rested, and it filled all the same."""

    async def story(scene: Scene) -> None:
        entry = scene.entry()
        scene.tick(10_500)
        scene.fill(entry)
        scene.stop(trigger_price=trigger, price=108.0)
        await scene.wait(7)

    assert played(story) == ({Cover.COVERED} if said else set())


def test_an_exit_that_is_worked_covers() -> None:
    """No stop, and an order that buys all of it back."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.order("BUY", "LIMIT", 10, price=80.0)
        await scene.wait(20)

    assert played(story) == set()


def test_a_stop_without_its_position_is_said() -> None:
    """The position is gone, the stop rests on."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.stop()
        scene.fill(scene.order("BUY", "LIMIT", 10, price=80.0))
        await scene.wait(7)

    assert Cover.NO_POSITION in played(story)


def test_a_stop_that_goes_soon_after_its_position_is_lawful() -> None:
    """Somebody closes the position, and its stop is cancelled three seconds later."""

    async def story(scene: Scene) -> None:
        scene.short()
        stop = scene.stop()
        scene.by_hand("BUY", 10)
        await scene.wait(3)
        scene.cancel(stop)
        await scene.wait(20)

    assert played(story) == set()


def test_two_stops_that_share_a_position_are_said() -> None:
    """Each of half the quantity: together they fit, and yet there is one too many."""

    async def story(scene: Scene) -> None:
        scene.short(10)
        scene.stop(5)
        scene.stop(5)
        await scene.wait(7)

    assert played(story) == {Cover.STACKED}


@pytest.mark.parametrize("spare", [False, True])
def test_two_positions_of_a_symbol_have_a_stop_each(spare: bool) -> None:
    """An entry fills after its cancellation, beside the position of another; a third stop is too many."""

    async def story(scene: Scene) -> None:
        scene.short(5)
        late = scene.entry(5)
        scene.cancel(late)
        scene.fill(late, 5, late=True)
        scene.stop(5)
        scene.stop(4 if spare else 5)
        if spare:
            scene.stop(1)
        await scene.wait(7)

    assert played(story) == ({Cover.STACKED} if spare else set())


def test_a_position_that_is_gone_leaves_its_stop_to_no_other() -> None:
    """Two entries filled, and the first was bought back before."""

    async def story(scene: Scene) -> None:
        scene.short(10)
        scene.fill(scene.order("BUY", "LIMIT", 10, price=80.0))
        scene.short(10)
        scene.stop(5)
        scene.stop(5)
        await scene.wait(7)

    assert played(story) == {Cover.STACKED}


def test_a_second_stop_that_is_taken_out_soon_is_lawful() -> None:
    """A lost stop turned up beside its replacement."""

    async def story(scene: Scene) -> None:
        scene.short()
        extra = scene.stop()
        scene.stop()
        await scene.wait(4)
        scene.cancel(extra)
        await scene.wait(20)

    assert played(story) == set()


def test_a_stop_and_an_exit_of_the_same_short_are_said() -> None:
    """Both can fill."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.stop()
        scene.order("BUY", "LIMIT", 10, price=80.0)
        await scene.wait(7)

    assert played(story) == {Cover.TWICE}


def test_a_stop_and_an_exit_that_share_a_short_are_lawful() -> None:
    """A stage: the stop is shrunk before a part is bought back."""

    async def story(scene: Scene) -> None:
        scene.short(10)
        scene.stop(6)
        scene.order("BUY", "LIMIT", 4, price=80.0)
        await scene.wait(20)

    assert played(story) == set()


def test_a_long_of_ours_is_said_when_it_stays() -> None:
    """Somebody closes a half; then the stop buys it all."""

    async def story(scene: Scene) -> None:
        scene.short(10)
        stop = scene.stop(10)
        scene.by_hand("BUY", 5)
        scene.fill(stop)
        await scene.wait(7)

    assert played(story) == {Cover.LONG}


def test_a_long_of_ours_that_is_sold_soon_is_lawful() -> None:
    """The same, and what was bought too much is sold again."""

    async def story(scene: Scene) -> None:
        scene.short(10)
        stop = scene.stop(10)
        scene.by_hand("BUY", 5)
        scene.fill(stop)
        await scene.wait(3)
        scene.fill(scene.order("SELL", "LIMIT", 5, price=95.0))
        await scene.wait(20)

    assert played(story) == set()


@pytest.mark.parametrize(
    ("lots", "price", "lawful"), [(5, 20.0, True), (5, 5_000.0, False), (4, 20.0, False)]
)
def test_a_long_that_nobody_buys_is_sold_as_well_as_can_be(
    lots: int, price: float, lawful: bool
) -> None:
    """A sale of it all at a price that is there is all that can be done; a dear or a small one is not."""

    async def story(scene: Scene) -> None:
        scene.short(10)
        stop = scene.stop(10)
        scene.by_hand("BUY", 5)
        scene.fill(stop)
        scene.order("SELL", "LIMIT", lots, price=price)
        await scene.wait(20)

    assert played(story) == (set() if lawful else {Cover.LONG})


def test_a_long_of_somebody_else_is_his() -> None:
    """We hold nothing; a purchase by hand is none of ours."""

    async def story(scene: Scene) -> None:
        scene.by_hand("BUY", 5)
        await scene.wait(20)

    assert played(story) == set()


def test_what_somebody_else_sold_again_need_not_be_covered() -> None:
    """Half was closed by hand and the stop shrunk; a later sale by hand is not ours, whatever the sum."""

    async def story(scene: Scene) -> None:
        scene.short(10)
        stop = scene.stop(10)
        scene.by_hand("BUY", 5)
        scene.cancel(stop)
        scene.stop(5)
        scene.by_hand("SELL", 5)
        await scene.wait(20)

    assert played(story) == set()
