"""Brokers that say "open" of an order that still waits for its trigger (docs/strategy.md, section 11)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from baseline_v1_live.core.messages import BrokerStatus, OrderUpdated, QueryOrder
from baseline_v1_live.core.order_states import OrderState
from tests.harness import Desk
from tests.harness_market import C260

Ways = Callable[[Desk, str], None]


def pushed(desk: Desk, order_id: str) -> None:
    desk.update(order_id, BrokerStatus.OPEN)


def in_the_books(desk: Desk, order_id: str) -> None:
    desk.book[desk.full(order_id)].status = BrokerStatus.OPEN
    desk.advance(5)


def proven(desk: Desk, order_id: str) -> None:
    desk.prove(order_id, BrokerStatus.OPEN)


each_way = pytest.mark.parametrize("says_open", [pushed, in_the_books, proven])


@pytest.fixture
def desk() -> Desk:
    """650 sold at 129.95, its stop 140.00/143.00 working."""
    desk = Desk()
    desk.short(C260)
    desk.advance(31)
    desk.take()
    return desk


@pytest.fixture
def resting() -> Desk:
    """An entry 129.95/126.95 rests; the last price is above its trigger."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.tick(C260, 133.00)
    desk.advance(6)
    desk.take()
    return desk


@each_way
def test_open_is_no_trigger_of_a_stop_that_no_price_has_reached(
    desk: Desk, says_open: Ways
) -> None:
    """A stop that the broker calls open far from its trigger is neither chased nor asked about."""
    desk.tick(C260, 135.00, ask=135.10)
    says_open(desk, "stop-0002")
    desk.advance(60)

    assert desk.take() == []
    assert desk.stop(C260).triggered_at_ms is None


@each_way
def test_open_is_no_trigger_of_an_entry_that_no_price_has_reached(
    resting: Desk, says_open: Ways
) -> None:
    """An entry that the broker calls open above its trigger is not left behind: it goes on resting."""
    says_open(resting, "entry-0001")
    resting.advance(60)

    assert resting.take() == []
    assert resting.entries() == ["C260"]


@each_way
def test_a_far_ask_is_no_trigger(desk: Desk, says_open: Ways) -> None:
    """The exchange triggers on trades: a wide spread alone makes no stop be chased."""
    desk.tick(C260, 139.50, ask=145.00)
    says_open(desk, "stop-0002")
    desk.advance(1)

    assert desk.modifies("stop-0002") == []


@each_way
def test_a_far_bid_is_no_trigger(resting: Desk, says_open: Ways) -> None:
    """Nor does a wide spread make a resting entry count as left behind."""
    resting.tick(C260, 130.50, bid=126.00, ask=131.00)
    says_open(resting, "entry-0001")
    resting.advance(10)

    assert not resting.entry(C260).cancel_wanted


def test_open_is_a_trigger_where_a_quote_has_reached_it(desk: Desk) -> None:
    """A quote triggers nothing by itself, but it shows that the broker's word is true."""
    desk.quote(C260, 144.00)
    assert desk.stop(C260).triggered_at_ms is None
    desk.update("stop-0002", BrokerStatus.OPEN)

    assert desk.stop(C260).triggered_at_ms == desk.now_ms


def test_open_is_a_trigger_where_our_own_ticks_saw_it_traded(desk: Desk) -> None:
    """The price may have gone back since: the trigger that traded is remembered."""
    desk.tick(C260, 140.00)
    desk.tick(C260, 135.00)
    desk.update("stop-0002", BrokerStatus.OPEN)

    assert desk.state("stop-0002") is OrderState.OPEN


@each_way
def test_a_price_that_comes_after_the_word_triggers(desk: Desk, says_open: Ways) -> None:
    """What was not believed costs nothing: the tick that reaches the trigger starts the chase."""
    desk.tick(C260, 135.00)
    says_open(desk, "stop-0002")
    desk.tick(C260, 150.00)
    desk.advance(1)

    assert len(desk.modifies("stop-0002")) == 1


def test_the_first_word_of_a_stop_may_be_open() -> None:
    """A broker that never says trigger pending leaves the stop accepted: it covers, and waits."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001", status=BrokerStatus.OPEN)
    desk.tick(C260, 129.95)
    desk.fill("entry-0001", 650, 129.95)
    desk.accept("stop-0002", status=BrokerStatus.OPEN)
    desk.take()
    questions = len(desk.of(QueryOrder))
    desk.advance(60)

    assert desk.state("stop-0002") is OrderState.ACCEPTED
    assert desk.stop(C260).triggered_at_ms is None
    assert len(desk.of(QueryOrder)) == questions
    assert desk.take() == []


def test_open_brings_a_stop_back_that_was_said_to_be_refused(desk: Desk) -> None:
    """Whatever "open" means of it, an order that the broker shows is alive."""
    desk.prove("stop-0002", BrokerStatus.CANCELLED)
    desk.refuse("stop-0003", "timeout at the exchange")
    assert desk.state("stop-0003") is OrderState.REFUSED
    desk.feed(
        OrderUpdated(
            order_id=desk.full("stop-0003"),
            broker_order_id="B0003",
            symbol=C260,
            status=BrokerStatus.OPEN,
        )
    )

    assert desk.state("stop-0003") is OrderState.ACCEPTED


def test_a_fill_shows_the_trigger_without_any_price(desk: Desk) -> None:
    """A stop-limit order that fills in part has triggered, whatever the prices say."""
    desk.tick(C260, 135.00)
    desk.fill("stop-0002", 65, 141.00)
    desk.update("stop-0002", BrokerStatus.OPEN)

    assert desk.stop(C260).triggered_at_ms == desk.now_ms
