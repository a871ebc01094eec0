"""The checker on what is bought back: nothing beside what may fill, no flip, no order left behind."""

from __future__ import annotations

import pytest

from baseline_v1_live.simulate.check_flips import Flips, Purchases
from baseline_v1_live.simulate.check_standing import Standing
from tests.simulate.checker_scene import BY_HAND, CALL, LOT, Scene, played


def _buy(scene: Scene, lots: int = 10, *, decided_ms: int | None = None) -> None:
    """A MARKET purchase leaves that was decided on at this instant, now where none is given."""
    values = {"symbol": CALL, "action": "BUY", "quantity": lots * LOT, "pricetype": "MARKET"}
    scene.checker.reach.sent(scene.call("placeorder", **values))
    decided = scene.world.now_ms if decided_ms is None else decided_ms
    scene.checker._purchases.look(CALL, lots * LOT, decided)


# ---------------------------------------------------------------- a purchase leaves


@pytest.mark.parametrize(("lots", "said"), [(4, False), (5, True)])
def test_what_is_bought_beside_a_living_stop_must_fit(lots: int, said: bool) -> None:
    """Of ten lots the stop may still buy six."""

    async def story(scene: Scene) -> None:
        scene.short(10)
        scene.stop(6)
        _buy(scene, lots)

    assert (Purchases.NAME in played(story)) is said


@pytest.mark.parametrize(("stop", "said"), [(4, False), (5, True)])
def test_a_stop_may_cover_an_exit_without_an_answer(stop: int, said: bool) -> None:
    """Four of ten lots were to be bought and nobody knows of it: a stop covers them while the rest is
    bought; one for more than that would buy beside.
    """

    async def story(scene: Scene) -> None:
        scene.short(10)
        _buy(scene, 4)
        scene.stop(stop)
        await scene.wait(4)
        _buy(scene, 6)

    assert (Purchases.NAME in played(story)) is said


@pytest.mark.parametrize(("seconds", "said"), [(100, True), (131, False)])
def test_a_purchase_without_an_answer_may_fill_until_the_horizon(seconds: int, said: bool) -> None:
    """After that the gateway has it no more."""

    async def story(scene: Scene) -> None:
        scene.short()
        _buy(scene)
        await scene.wait(seconds)
        _buy(scene)

    assert (Purchases.NAME in played(story)) is said


@pytest.mark.parametrize("read", [False, True])
def test_a_stop_whose_placement_has_no_answer_is_known_from_the_books(read: bool) -> None:
    """Nobody can know that it lives before they are read, or its answer comes."""

    async def story(scene: Scene) -> None:
        scene.short()
        scene.stop(answered=False)
        await scene.wait(1)
        if read:
            scene.read_books()
            await scene.wait(1)
        _buy(scene)

    assert (Purchases.NAME in played(story)) is read


def test_a_nameless_stop_that_somebody_has_moved_is_known_to_nobody() -> None:
    """Its row in the books is like no order that was sent."""

    async def story(scene: Scene) -> None:
        scene.short()
        stop = scene.stop(answered=False)
        moved = {"orderid": stop.orderid, "pricetype": "SL", "quantity": stop.quantity}
        prices = {"price": 109.0, "trigger_price": 106.0}
        scene.world.venue.modify(moved | prices | {"strategy": BY_HAND})
        await scene.wait(1)
        scene.read_books()
        await scene.wait(1)
        _buy(scene)

    assert Purchases.NAME not in played(story)


def test_a_purchase_is_judged_by_what_was_known_when_it_was_decided() -> None:
    """It waited for its turn while somebody else closed the short; the next one is decided afterwards."""

    async def story(scene: Scene, *, waited: bool) -> None:
        scene.short()
        decided_ms = scene.world.now_ms
        await scene.wait(1)
        scene.by_hand("BUY", 10)
        await scene.wait(1)
        scene.read_books()
        await scene.wait(1)
        _buy(scene, decided_ms=decided_ms if waited else None)

    assert Purchases.NAME not in played(lambda scene: story(scene, waited=True))
    assert Purchases.NAME in played(lambda scene: story(scene, waited=False))


@pytest.mark.parametrize("torn", [False, True])
def test_books_that_are_torn_by_a_fill_do_not_tell_of_somebody_elses_trade(torn: bool) -> None:
    """An entry fills further while they are read: trades and positions do not agree."""

    async def story(scene: Scene) -> None:
        entry = scene.entry(10)
        scene.fill(entry, 6)
        scene.by_hand("BUY", 1)
        await scene.wait(1)
        books = [scene.send(book) for book in ("orderbook", "tradebook", "positionbook")]
        await scene.wait(0.1)
        if torn:
            scene.fill(entry, 4)
        for call in books:
            scene.chaos.books_ok_ms[call.endpoint] = scene.world.now_ms
            scene.answer(call)
        await scene.wait(1)
        _buy(scene, 10 if torn else 6)

    assert (Purchases.NAME in played(story)) is not torn


@pytest.mark.parametrize("told", [False, True])
def test_a_fill_after_its_cancellation_is_unknown_until_it_is_told(told: bool) -> None:
    """The stop was called cancelled, and has bought half of it all the same."""

    async def story(scene: Scene) -> None:
        scene.short()
        stop = scene.stop()
        scene.cancel(stop)
        scene.fill(stop, 5, late=True)
        if told:
            scene.tell(stop)
        await scene.wait(1)
        _buy(scene)

    assert (Purchases.NAME in played(story)) is told


@pytest.mark.parametrize("answered", [False, True])
def test_a_stop_that_grew_without_an_answer_is_known_from_the_books(answered: bool) -> None:
    """Asked to cover four lots more, it does, and nobody was told."""

    async def story(scene: Scene) -> None:
        scene.short(10)
        stop = scene.stop(6)
        values = {"pricetype": "SL", "price": 104.0, "trigger_price": 101.0, "quantity": 10 * LOT}
        change = {"orderid": stop.orderid, "symbol": CALL, "action": "BUY"}
        call = scene.call("modifyorder", **values, **change)
        scene.checker.news.sent(call)
        scene.world.venue.modify(values | change)
        if answered:
            scene.checker.news.ended(call, scene.served())
        await scene.wait(1)
        _buy(scene, 4)

    assert (Purchases.NAME in played(story)) is answered


# ---------------------------------------------------------------- a flip


def test_a_purchase_of_ours_that_flips_is_said() -> None:
    """Two exits of the whole position fill, and nobody else had a hand in it."""

    async def story(scene: Scene) -> None:
        await scene.wait(100)
        scene.short()
        exits = [scene.order("BUY", "LIMIT", 10, price=80.0) for _ in range(2)]
        for order in exits:
            scene.fill(order)

    assert played(story) == {Flips.NAME}


def test_a_flip_after_somebody_elses_purchase_is_no_fault_of_ours() -> None:
    """A stop met what was closed by hand a moment before."""

    async def story(scene: Scene) -> None:
        await scene.wait(100)
        scene.short()
        stop = scene.stop()
        scene.by_hand("BUY", 10)
        scene.fill(stop)

    assert played(story) == set()


def test_a_correction_that_sells_too_much_is_said() -> None:
    """A sale that opens is no correction."""

    async def story(scene: Scene) -> None:
        await scene.wait(100)
        scene.fill(scene.order("SELL", "LIMIT", 5, price=95.0))

    assert played(story) == {Flips.NAME}


def test_a_surprise_explains_no_second_flip() -> None:
    """Somebody closes the short; then two orders of ours buy it as well."""

    async def story(scene: Scene, many: int) -> None:
        scene.short()
        stops = [scene.stop() for _ in range(many)]
        scene.by_hand("BUY", 10)
        for stop in stops:
            scene.fill(stop)

    assert Flips.NAME not in played(lambda scene: story(scene, 1))
    assert Flips.NAME in played(lambda scene: story(scene, 2))


@pytest.mark.parametrize(("seconds", "said"), [(4, False), (6, True)])
def test_what_is_known_has_to_be_mended_within_five_seconds(seconds: int, said: bool) -> None:
    """The books have told of the purchase by hand, and the stop was left as it was."""

    async def story(scene: Scene) -> None:
        scene.short()
        stop = scene.stop()
        scene.by_hand("BUY", 10)
        await scene.wait(1)
        scene.read_books()
        await scene.wait(seconds)
        scene.fill(stop)

    assert (Flips.NAME in played(story)) is said


@pytest.mark.parametrize("answered", [False, True])
def test_two_stops_of_which_one_got_no_answer_may_both_fill(answered: bool) -> None:
    """The short was covered again because nobody could know of the first one."""

    async def story(scene: Scene) -> None:
        scene.short()
        first = scene.stop(answered=answered)
        second = scene.stop()
        scene.fill(first)
        scene.fill(second)

    assert (Flips.NAME in played(story)) is answered


def test_a_fill_after_its_cancellation_explains_a_flip() -> None:
    """The stop was called cancelled, what was short is bought back, and then the stop fills too."""

    async def story(scene: Scene) -> None:
        scene.short()
        stop = scene.stop()
        scene.cancel(stop)
        scene.fill(scene.order("BUY", "LIMIT", 10, price=80.0))
        scene.fill(stop, late=True)

    assert played(story) == set()


@pytest.mark.parametrize("read", [False, True])
def test_a_long_of_somebody_else_takes_in_what_is_sold(read: bool) -> None:
    """He was long before we sold: half of our short is none of the account's, once the books say so."""

    async def story(scene: Scene) -> None:
        scene.by_hand("BUY", 5)
        await scene.wait(100)
        scene.read_books()
        scene.short(10)
        stop = scene.stop(10)
        if read:
            await scene.wait(1)
            scene.read_books()
            await scene.wait(6)
        scene.fill(stop)

    assert (Flips.NAME in played(story)) is read


def test_a_lost_call_about_the_symbol_explains_no_flip() -> None:
    """A question about an order failed; nothing was surprising about the two exits."""

    async def story(scene: Scene) -> None:
        scene.short()
        exits = [scene.order("BUY", "LIMIT", 10, price=80.0) for _ in range(2)]
        scene.answer(scene.send("orderstatus", orderid=exits[0].orderid), 500)
        for order in exits:
            scene.fill(order)

    assert played(story) == {Flips.NAME}


@pytest.mark.parametrize("left_first", [False, True])
def test_a_correction_may_meet_an_entry_that_fills_while_it_is_on_its_way(left_first: bool) -> None:
    """The entry was being cancelled, and sells while the correction is under way to sell a long. One
    that leaves after that was heard of sells what is short already.
    """

    async def story(scene: Scene) -> None:
        first, entry = scene.entry(5), scene.entry(5)
        scene.fill(first)
        scene.tell(first)
        scene.fill(scene.stop(5))
        values = {"symbol": CALL, "action": "SELL", "quantity": LOT, "pricetype": "LIMIT"}
        call = scene.call("placeorder", **values)
        if left_first:
            scene.checker.reach.sent(call)
        scene.fill(entry)
        scene.tell(entry)
        await scene.wait(1)
        scene.fill(scene.order("SELL", "LIMIT", 1, price=95.0))

    assert (Flips.NAME in played(story)) is not left_first


def test_an_excused_flip_is_counted_as_such() -> None:
    """It proves nothing."""

    async def story(scene: Scene) -> None:
        scene.short()
        stop = scene.stop()
        scene.by_hand("BUY", 10)
        scene.fill(stop)
        assert scene.checker.excused[Flips.NAME] == 1
        assert scene.checker.checks[Flips.NAME] == 0

    assert played(story) == set()


# ---------------------------------------------------------------- an order in the book


@pytest.mark.parametrize(
    ("ask", "shown", "said"), [(None, True, True), (0, True, False), (None, False, False)]
)
def test_a_triggered_stop_that_the_market_left_behind_is_said(
    ask: int | None, shown: bool, said: bool
) -> None:
    """The price leaped over its limit, and nobody changes it; unless nobody sells, or the bot was not
    shown that price.
    """

    async def story(scene: Scene) -> None:
        scene.tick(9_000)
        scene.short()
        scene.stop()
        scene.tick(11_000, ask=ask, shown=shown)
        await scene.wait(7)

    assert (Standing.LEFT in played(story)) is said


def test_a_triggered_stop_that_is_chased_is_lawful() -> None:
    """Each try counts, whatever comes of it."""

    async def story(scene: Scene) -> None:
        scene.tick(9_000)
        scene.short()
        stop = scene.stop()
        scene.tick(11_000)
        for _ in range(5):
            await scene.wait(4)
            call = scene.call("modifyorder", orderid=stop.orderid)
            scene.checker.reach.sent(call)

    assert played(story) == set()


def test_an_exit_that_rests_for_ever_is_said() -> None:
    """A LIMIT purchase below the market buys nothing."""

    async def story(scene: Scene) -> None:
        scene.tick(9_000)
        scene.short()
        scene.order("BUY", "LIMIT", 10, price=80.0)
        await scene.wait(7)

    assert played(story) == {Standing.LEFT}


def test_a_limit_at_the_farthest_price_that_the_exchange_takes_is_lawful() -> None:
    """The price has doubled at once; 38 % above its mean there is nothing better to ask for."""

    async def story(scene: Scene) -> None:
        scene.tick(10_000)
        scene.short()
        for _ in range(20):
            scene.tick(10_000)
        scene.tick(30_000)
        scene.order("BUY", "LIMIT", 10, price=151.0)
        await scene.wait(7)

    assert played(story) == set()
