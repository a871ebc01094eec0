"""What a broker and a market do to an order of their own will: throw it out, trade it, refuse it late."""

from __future__ import annotations

from baseline_v1_live.core.messages import BrokerStatus
from baseline_v1_live.sim.resting_order import RestingOrder
from tests.sim.exchange_desk import BUY, LIMIT, SELL, SL, SYMBOL, T0, Desk, complete


def waiting_stop(desk: Desk) -> str:
    """A stop-limit order to buy that waits for its trigger of 110."""
    desk.tick(0, 10_000)
    orderid = desk.place(BUY, SL, 100, trigger_price_paise=11_000, limit_price_paise=11_300)
    desk.wait(200)
    return orderid


def test_a_stop_can_be_thrown_out_at_its_trigger() -> None:
    """It is asked about when it triggers, not before; then it is rejected with the reason, unfilled."""
    desk, asked = Desk(), []

    def refusal(order: RestingOrder) -> str | None:
        asked.append(order.broker_order_id)
        return "outside the range"

    desk.exchange.refusal_at_trigger = refusal
    orderid = waiting_stop(desk)
    desk.tick(300, 10_900)
    before = list(asked)
    desk.tick(400, 11_000)
    desk.tick(500, 11_000)

    assert (before, asked) == ([], [orderid])
    assert desk.shown(orderid) == (BrokerStatus.REJECTED, 0, 0)


def test_a_stop_that_nobody_refuses_triggers_and_fills() -> None:
    """The same prices without the refusal."""
    desk = Desk()
    orderid = waiting_stop(desk)
    desk.tick(400, 11_000)

    assert desk.shown(orderid) == complete(11_000)


def test_a_cancelled_order_can_be_executed_all_the_same() -> None:
    """Its fill counts in position and order, and it trades never more than its quantity."""
    desk = Desk()
    orderid = waiting_stop(desk)
    desk.exchange.reject(orderid, "RMS: rejected", T0 + 300)
    desk.exchange.execute(orderid, 65, 11_000, T0 + 400)
    desk.exchange.execute(orderid, 6_500, 11_100, T0 + 500)

    assert desk.shown(orderid) == (BrokerStatus.COMPLETE, 650, 65 * 11_000 + 585 * 11_100)
    assert desk.exchange.positions == {SYMBOL: 650}


def test_an_order_that_is_over_is_rejected_no_more() -> None:
    """A rejection that comes too late changes nothing."""
    desk = Desk()
    desk.tick(0, 10_000)
    orderid = desk.place(SELL, LIMIT, 100, limit_price_paise=9_900)
    desk.tick(200, 10_000)
    desk.exchange.reject(orderid, "RMS: rejected", T0 + 300)

    assert desk.shown(orderid) == complete(10_000)
