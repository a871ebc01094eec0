"""An order lives over REST as it does in the gateway's sandbox and at a live broker."""

from __future__ import annotations

from baseline_v1_live.sim.openalgo_server.market import Instrument
from baseline_v1_live.sim.openalgo_server.profiles import PROFILES
from tests.sim.openalgo_server.gateway import STRATEGY, Gateway, at, play


async def until_changed(gateway: Gateway, orderid: str) -> str:
    """Step ten seconds at a time until an order's status changes."""
    before = (await gateway.status(orderid))["order_status"]
    for _ in range(360):
        await gateway.server.advance_to(gateway.server.now_ms + 10_000)
        if (now := (await gateway.status(orderid))["order_status"]) != before:
            return str(now)
    raise AssertionError(f"{orderid} stayed {before} for an hour")


def test_a_market_order_fills_before_its_reply() -> None:
    """In the analyzer a SELL is complete at the bid when the reply comes."""

    async def story(gateway: Gateway) -> None:
        bid = (await gateway.quote())["bid"]
        row = await gateway.status(await gateway.placed())
        held = (await gateway.ok("positionbook"))["data"]

        assert (row["order_status"], row["average_price"]) == ("complete", bid)
        assert (row["filled_quantity"], row["pending_quantity"]) == (gateway.lot, 0)
        assert [(row["quantity"], row["average_price"]) for row in held] == [(-gateway.lot, bid)]

    play(story)


def test_a_stop_waits_for_its_trigger_and_fills_on_a_tick() -> None:
    """A SELL stop below the market rests as trigger pending until the tape trades there."""

    async def story(gateway: Gateway) -> None:
        trigger = round((await gateway.quote())["ltp"] - 1, 2)
        stop = await gateway.placed(
            pricetype="SL", trigger_price=trigger, price=round(trigger - 5, 2)
        )
        assert (await gateway.status(stop))["order_status"] == "trigger pending"

        assert await until_changed(gateway, stop) == "complete"
        row = await gateway.status(stop)
        assert trigger - 5 <= row["average_price"]
        assert (await gateway.ok("tradebook"))["data"][0]["orderid"] == stop

    play(story)


def test_a_large_order_fills_in_parts() -> None:
    """More than the quote offers fills for what is there; the rest follows on later ticks."""

    async def story(gateway: Gateway) -> None:
        most, instrument = 1755, gateway.server.venue.market.by_symbol[gateway.call]
        while instrument.bid_quantity >= most:
            await gateway.server.advance_to(gateway.server.now_ms + 5_000)
        offered = instrument.bid_quantity
        orderid = await gateway.placed(quantity=most)
        row = await gateway.status(orderid)
        assert (row["order_status"], row["filled_quantity"]) == ("open", offered)
        assert row["pending_quantity"] == most - offered
        again = await gateway.status(await gateway.placed(quantity=65))
        assert again["filled_quantity"] == 0  # nobody sells into the same quote twice

        assert await until_changed(gateway, orderid) == "complete"
        trades = [t for t in (await gateway.ok("tradebook"))["data"] if t["orderid"] == orderid]
        assert len(trades) > 1
        assert sum(trade["quantity"] for trade in trades) == most

    play(story)


def test_the_analyzer_modifies_quantity_and_prices_only() -> None:
    """A modification's order type is ignored, its trigger and quantity count."""

    async def story(gateway: Gateway) -> None:
        stop = await gateway.placed("BUY", pricetype="SL", trigger_price=800, price=810)
        status, body = await gateway.modify(
            stop, "BUY", pricetype="LIMIT", price=830, trigger_price=820, quantity=2 * gateway.lot
        )
        row = await gateway.status(stop)

        assert status == 200
        assert body == {
            "orderid": stop, "message": "Order modified successfully", "status": "success",
            "mode": "analyze",
        }  # fmt: skip
        assert (row["price_type"], row["trigger_price"], row["price"]) == ("SL", 820, 830)
        assert row["quantity"] == 2 * gateway.lot

    play(story)


def test_a_live_modification_changes_the_type() -> None:
    """A SELL stop made a LIMIT order at the bid fills on a later tick."""

    async def story(gateway: Gateway) -> None:
        quote = await gateway.quote()
        trigger = round(quote["ltp"] * 0.7 / 0.05) * 0.05
        stop = await gateway.placed(
            pricetype="SL", trigger_price=round(trigger, 2), price=round(trigger, 2)
        )
        price = round(quote["bid"] - 2, 2)
        status, _ = await gateway.modify(stop, pricetype="LIMIT", price=price)
        assert status == 200
        await gateway.server.advance_to(gateway.server.now_ms + 60_000)
        row = await gateway.status(stop)

        assert (row["pricetype"], row["order_status"]) == ("LIMIT", "complete")

    play(story, profile="zerodha")


def test_cancelling_twice_is_refused() -> None:
    """The second cancel is a 400, as is modifying what is over."""

    async def story(gateway: Gateway) -> None:
        stop = await gateway.placed("BUY", pricetype="SL", trigger_price=800, price=810)
        first = await gateway.post("cancelorder", strategy=STRATEGY, orderid=stop)
        second = await gateway.post("cancelorder", strategy=STRATEGY, orderid=stop)
        late = await gateway.modify(stop, "BUY", price=830, trigger_price=820)

        assert first[0] == 200
        assert second == (400, {
            "status": "error", "mode": "analyze",
            "message": "Cannot cancel order in cancelled status",
        })  # fmt: skip
        assert late[0] == 400
        assert late[1]["message"] == "Cannot modify order in cancelled status"

    play(story)


def test_what_the_exchange_refuses_leaves_no_row() -> None:
    """Off-tick prices and a limit on the wrong side are 400, and so is a priced MARKET change."""

    async def story(gateway: Gateway) -> None:
        off_tick = await gateway.order("BUY", pricetype="LIMIT", price=100.03)
        wrong = await gateway.order("BUY", pricetype="SL", trigger_price=800, price=790)
        banned = await gateway.order("BUY", pricetype="SL-M", trigger_price=800)
        assert [status for status, _ in (off_tick, wrong, banned)] == [400, 400, 400]
        assert (await gateway.ok("orderbook"))["data"]["orders"] == []
        stop = await gateway.placed("BUY", pricetype="SL", trigger_price=800, price=810)
        status, body = await gateway.modify(stop, "BUY", pricetype="MARKET", price=5)

        assert (status, body["message"]) == (400, "MARKET orders do not accept a price")

    play(story)


def test_before_the_first_tick_nothing_trades_at_the_market() -> None:
    """Without a price a MARKET order is refused; the text is the sandbox's."""

    async def story(gateway: Gateway) -> None:
        status, body = await gateway.order()

        assert status == 400
        assert "unable to fetch current price" in body["message"]

    play(story, open_at=None)


def test_the_analyzer_squares_off_at_a_quarter_past_three() -> None:
    """MIS stops are cancelled, MIS positions closed, new MIS orders refused, NRML goes on."""

    async def story(gateway: Gateway) -> None:
        await gateway.placed()
        stop = await gateway.placed("BUY", pricetype="SL", trigger_price=800, price=810)
        await gateway.advance(15, 16)
        held = (await gateway.ok("positionbook"))["data"]
        orders = (await gateway.ok("orderbook"))["data"]["orders"]
        status, body = await gateway.order()

        assert [row["quantity"] for row in held] == [0]
        assert orders[0]["strategy"] == "AUTO_SQUARE_OFF"
        assert (await gateway.status(stop))["order_status"] == "cancelled"
        assert status == 400
        assert body["message"] == (
            "MIS orders cannot be placed after square-off time (15:15 IST). "
            "Trading resumes at 09:00 AM IST."
        )
        assert (await gateway.order(product="NRML"))[0] == 200

    play(story)


def test_live_rows_lack_what_the_analyzer_adds() -> None:
    """zerodha: no mode, no fills in order rows, text prices in positions, MARKET price 0.0."""

    async def story(gateway: Gateway) -> None:
        orderid = await gateway.placed()
        await gateway.server.advance_to(at(9, 32))
        book = await gateway.ok("orderbook")
        held = await gateway.ok("positionbook")
        status = await gateway.status(orderid)
        trade = (await gateway.ok("tradebook"))["data"][0]
        money = await gateway.ok("funds")

        assert book.keys() == held.keys() == {"data", "status"}
        assert book["data"]["orders"][0].keys() == {
            "orderid", "symbol", "exchange", "action", "quantity", "price", "trigger_price",
            "pricetype", "product", "order_status", "timestamp",
        }  # fmt: skip
        assert book["data"]["orders"][0]["price"] == 0.0
        assert held["data"][0].keys() == {
            "symbol", "exchange", "product", "quantity", "average_price", "ltp", "pnl",
        }  # fmt: skip
        assert isinstance(held["data"][0]["average_price"], str)
        assert (status["pricetype"], status["average_price"]) == ("MARKET", trade["average_price"])
        assert trade.keys() == {
            "action", "average_price", "exchange", "orderid", "product", "quantity", "symbol",
            "timestamp", "trade_value",
        }  # fmt: skip
        assert all(isinstance(value, str) for value in money["data"].values())
        assert len(money["data"]) == 5

    play(story, profile="zerodha")


def test_an_unknown_live_status_takes_the_row_before_or_breaks_the_book() -> None:
    """In transit an order shows its predecessor's status; as the first row it fails the book."""

    async def story(gateway: Gateway) -> None:
        await gateway.placed()
        assert (await gateway.post("orderbook"))[0] == 500
        await gateway.advance(9, 32)
        await gateway.placed("BUY", pricetype="SL", trigger_price=800, price=810)
        in_transit = (await gateway.ok("orderbook"))["data"]["orders"]
        await gateway.server.advance_to(gateway.server.now_ms + 1_000)
        settled = (await gateway.ok("orderbook"))["data"]["orders"]

        assert [row["order_status"] for row in in_transit] == ["complete", "complete"]
        assert [row["order_status"] for row in settled] == ["complete", "trigger pending"]

    play(story, profile="zerodha")


def test_profiles_have_names() -> None:
    """The three deployments differ where their facts say so."""
    assert PROFILES["docker"].stall_s == 12.0
    assert PROFILES["threaded"].stall_s == 0.0
    assert not PROFILES["zerodha"].analyze


def test_ticks_without_price_or_volume_are_in_no_bar() -> None:
    """A recorded tape may lack both; range, bars and day volume keep what they had."""
    call = Instrument("NIFTY01DEC2626000CE", "NFO", 1, None)
    for second, (ltp, volume) in enumerate([(10_000, 65), (0, 130), (10_100, -1)]):
        call.take((at(9, 15, second), call.symbol, ltp, 0, 0, 0, 0, volume))

    assert (call.low, call.high, call.volume) == (10_000, 10_100, 130)
    assert [(bar.low, bar.high) for bar in call.bars] == [(10_000, 10_100)]
