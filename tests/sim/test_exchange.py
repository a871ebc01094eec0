"""The built-in exchange: when and at what price an order fills (sim/exchange.py)."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import (
    BrokerStatus,
    OrderAccepted,
    OrderUpdated,
    Side,
)
from tests.sim.exchange_desk import (
    BUY,
    LATENCY,
    LIMIT,
    MARKET,
    RESTS,
    SELL,
    SL,
    T0,
    WAITS,
    Desk,
    complete,
)


@pytest.fixture
def desk() -> Desk:
    return Desk()


# ---------------------------------------------------------------- when an order is seen


def test_an_order_is_seen_from_the_first_tick_after_its_latency(desk: Desk) -> None:
    """A tick that comes before the order has arrived does not fill it; the next one does."""
    desk.tick(0, 13000)
    order = desk.place(SELL, MARKET, at=10)
    desk.tick(10 + LATENCY - 1, 12000)
    desk.tick(10 + LATENCY, 12500)

    assert desk.shown(order) == complete(12500)


def test_answers_take_the_latency_back(desk: Desk) -> None:
    """The acceptance reaches the bot two latencies after the order left, a fill one after it."""
    desk.tick(0, 13000)
    desk.place(SELL, MARKET, at=100)
    desk.tick(1_000, 12900)
    desk.wait(10_000)
    at = {type(event): moment for moment, event in desk.news}

    assert at[OrderAccepted] == 100 + 2 * LATENCY
    assert at[OrderUpdated] == 1_000 + LATENCY


def test_nothing_trades_between_two_ticks(desk: Desk) -> None:
    """A price between two ticks never traded: an order whose limit lies there does not fill."""
    desk.tick(0, 13000)
    order = desk.place(BUY, LIMIT, limit_price_paise=12500)
    desk.tick(1_000, 13000)
    rested = desk.shown(order)
    desk.tick(5_000, 12500)

    assert rested == RESTS
    assert desk.shown(order) == complete(12500)


def test_due_says_when_there_is_something_to_do(desk: Desk) -> None:
    """The exchange is due when an order arrives and when an answer does, and else never."""
    idle = desk.exchange.due_ms
    desk.place(SELL, LIMIT, limit_price_paise=13000)
    arrives = desk.exchange.due_ms
    desk.wait(LATENCY)
    answers = desk.exchange.due_ms
    desk.wait(2 * LATENCY)

    assert (arrives, answers) == (T0 + LATENCY, T0 + 2 * LATENCY)
    assert desk.exchange.due_ms == idle


# ---------------------------------------------------------------- triggers


@pytest.mark.parametrize(
    ("side", "trigger", "limit", "short_of_it", "reached"),
    [
        (SELL, 12995, 12695, 13000, 12995),
        (SELL, 12995, 12695, 13000, 12990),
        (BUY, 14000, 14300, 13995, 14000),
        (BUY, 14000, 14300, 13995, 14010),
    ],
)
def test_a_stop_limit_order_triggers_at_or_through_its_trigger(
    desk: Desk, side: Side, trigger: int, limit: int, short_of_it: int, reached: int
) -> None:
    """At its trigger or beyond, an order triggers and fills by its limit at that same tick."""
    order = desk.place(side, SL, trigger_price_paise=trigger, limit_price_paise=limit)
    desk.tick(100, short_of_it)
    before = desk.shown(order)
    desk.tick(5_000, reached)

    assert before == WAITS
    assert desk.shown(order) == complete(reached)


def test_only_the_last_price_triggers(desk: Desk) -> None:
    """A quote beyond the trigger does not trigger; only a trade does."""
    order = desk.place(SELL, SL, trigger_price_paise=12995, limit_price_paise=12695)
    desk.tick(100, 13000, bid_paise=12900, ask_paise=12990)

    assert desk.shown(order) == WAITS


def test_a_triggered_order_is_a_limit_order(desk: Desk) -> None:
    """A triggered order that its limit leaves behind rests, and fills when the price returns."""
    order = desk.place(SELL, SL, trigger_price_paise=12995, limit_price_paise=12695)
    desk.tick(100, 12600)
    desk.tick(200, 12690)
    left_behind = desk.shown(order)
    desk.tick(5_000, 13100)

    assert left_behind == RESTS
    assert desk.shown(order) == complete(13100)


def test_a_tick_without_a_price_triggers_and_fills_nothing(desk: Desk) -> None:
    """A row of the tape that carries no last price triggers and fills no order."""
    desk.tick(0, 13000)
    waiting = desk.place(SELL, SL, trigger_price_paise=12995, limit_price_paise=12695)
    market = desk.place(SELL, MARKET)
    desk.tick(100, 0)

    assert desk.shown(waiting) == WAITS
    assert desk.shown(market) == RESTS


# ---------------------------------------------------------------- prices


@pytest.mark.parametrize(("side", "limit", "price"), [(SELL, 12900, 12950), (BUY, 13100, 13050)])
def test_a_sale_fills_at_the_bid_and_a_purchase_at_the_ask(
    desk: Desk, side: Side, limit: int, price: int
) -> None:
    """A SELL gets the bid and a BUY pays the ask, whatever the last price and the own limit."""
    order = desk.place(side, LIMIT, limit_price_paise=limit)
    desk.tick(100, 13000, bid_paise=12950, ask_paise=13050)

    assert desk.shown(order) == complete(price)


@pytest.mark.parametrize(("side", "limit"), [(SELL, 12955), (BUY, 13045)])
def test_a_limit_that_the_quote_does_not_reach_rests(desk: Desk, side: Side, limit: int) -> None:
    """A bid below a SELL's limit, or an ask above a BUY's, fills nothing although the LTP would."""
    order = desk.place(side, LIMIT, limit_price_paise=limit)
    desk.tick(100, 13000, bid_paise=12950, ask_paise=13050)

    assert desk.shown(order) == RESTS


@pytest.mark.parametrize(("side", "limit"), [(SELL, 12950), (BUY, 13050)])
def test_a_limit_at_the_quote_fills(desk: Desk, side: Side, limit: int) -> None:
    """A quote exactly at the limit fills."""
    order = desk.place(side, LIMIT, limit_price_paise=limit)
    desk.tick(100, 13000, bid_paise=12950, ask_paise=13050)

    assert desk.shown(order) == complete(limit)


@pytest.mark.parametrize("side", list(Side))
def test_without_quotes_the_last_price_fills(desk: Desk, side: Side) -> None:
    """Where the tape has no quotes, orders of both sides fill at the last price."""
    desk.tick(0, 13000)
    order = desk.place(side, MARKET)
    desk.tick(100, 13100)

    assert desk.shown(order) == complete(13100)


@pytest.mark.parametrize(("side", "price"), [(SELL, 13075), (BUY, 13125)])
def test_the_spread_model_replaces_missing_quotes(side: Side, price: int) -> None:
    """With a spread model a SELL gets the last price less the spread, a BUY pays it on top."""
    desk = Desk(spread_paise=25)
    desk.tick(0, 13000)
    order = desk.place(side, MARKET)
    desk.tick(100, 13100)

    assert desk.shown(order) == complete(price)


def test_the_spread_model_leaves_quotes_alone() -> None:
    """Where there are quotes the spread model adds nothing."""
    desk = Desk(spread_paise=25)
    order = desk.place(BUY, LIMIT, limit_price_paise=13200)
    desk.tick(100, 13100, bid_paise=13090, ask_paise=13110)

    assert desk.shown(order) == complete(13110)


def test_the_spread_model_counts_for_the_limit() -> None:
    """A limit that the last price reaches, but not with the spread, does not fill."""
    desk = Desk(spread_paise=25)
    order = desk.place(BUY, LIMIT, limit_price_paise=13120)
    desk.tick(100, 13100)

    assert desk.shown(order) == RESTS


def test_the_worst_sale_is_at_the_lowest_price_there_is() -> None:
    """A market sale of a nearly worthless option never fills at a price of zero or less."""
    desk = Desk(spread_paise=25)
    desk.tick(0, 10)
    order = desk.place(SELL, MARKET)
    desk.tick(100, 10)
    _, quantity, value = desk.shown(order)

    assert value >= 5 * quantity


@pytest.mark.parametrize("side", list(Side))
def test_a_market_order_always_fills(desk: Desk, side: Side) -> None:
    """A MARKET order fills at its first tick, however far the price has run."""
    desk.tick(0, 13000)
    order = desk.place(side, MARKET)
    desk.tick(100, 60000)

    assert desk.shown(order) == complete(60000)


# ---------------------------------------------------------------- sizes


def test_a_fill_is_for_at_most_the_quoted_size(desk: Desk) -> None:
    """An order larger than the quoted size fills in part; the rest stays and fills later."""
    order = desk.place(BUY, LIMIT, limit_price_paise=13100)
    desk.tick(100, 13000, ask_paise=13050, ask_quantity=260)
    part = desk.shown(order)
    desk.tick(5_000, 13000, ask_paise=13060, ask_quantity=1000)

    assert part == (BrokerStatus.OPEN, 260, 260 * 13050)
    assert desk.shown(order) == (BrokerStatus.COMPLETE, 650, 260 * 13050 + 390 * 13060)


def test_the_quoted_size_holds_for_market_orders_too(desk: Desk) -> None:
    """A MARKET order fills for the quoted size only."""
    desk.tick(0, 13000)
    order = desk.place(SELL, MARKET)
    desk.tick(100, 13000, bid_paise=12950, bid_quantity=65)

    assert desk.shown(order) == (BrokerStatus.OPEN, 65, 65 * 12950)


def test_two_orders_share_the_quoted_size(desk: Desk) -> None:
    """The size of one tick fills the older order first and the younger with what is left."""
    first = desk.place(BUY, LIMIT, limit_price_paise=13100)
    second = desk.place(BUY, LIMIT, limit_price_paise=13100)
    desk.tick(100, 13000, ask_paise=13050, ask_quantity=715)

    assert desk.shown(first) == complete(13050)
    assert desk.shown(second) == (BrokerStatus.OPEN, 65, 65 * 13050)


def test_the_two_sides_have_sizes_of_their_own(desk: Desk) -> None:
    """A BUY takes from the ask's size and leaves the bid's to a SELL."""
    bought = desk.place(BUY, LIMIT, limit_price_paise=13100)
    sold = desk.place(SELL, LIMIT, limit_price_paise=12900)
    quote = {"bid_paise": 12950, "ask_paise": 13050, "bid_quantity": 650, "ask_quantity": 650}
    desk.tick(100, 13000, **quote)

    assert desk.shown(bought) == complete(13050)
    assert desk.shown(sold) == complete(12950)
