"""Questions to the gateway: exactly the fields it takes, exact prices, and nothing dangerous."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

import baseline_v1_live
from baseline_v1_live.adapters.openalgo.wire import requests
from baseline_v1_live.core.messages import ModifyOrder, OrderType, PlaceOrder, Purpose, Side

SYMBOL = "NIFTY23NOV2626000CE"


def _place(
    order_type: OrderType, trigger: int = 0, limit: int = 0, quantity: int = 65
) -> PlaceOrder:
    return PlaceOrder(
        order_id="2026-11-23-stop-1",
        symbol=SYMBOL,
        side=Side.BUY,
        order_type=order_type,
        purpose=Purpose.STOP,
        quantity=quantity,
        trigger_price_paise=trigger,
        limit_price_paise=limit,
    )


def _modify(order_type: OrderType, trigger: int = 0, limit: int = 0) -> ModifyOrder:
    return ModifyOrder(
        order_id="1",
        broker_order_id="26112375565833",
        symbol=SYMBOL,
        side=Side.BUY,
        order_type=order_type,
        quantity=130,
        trigger_price_paise=trigger,
        limit_price_paise=limit,
    )


BASE = {
    "strategy": "baseline_v1", "exchange": "NFO", "symbol": SYMBOL, "action": "BUY",
    "quantity": "65", "product": "MIS",
}  # fmt: skip


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (_place(OrderType.MARKET), {"pricetype": "MARKET"}),
        (_place(OrderType.LIMIT, limit=12995), {"pricetype": "LIMIT", "price": "129.95"}),
        (
            _place(OrderType.SL, trigger=13005, limit=13310),
            {"pricetype": "SL", "price": "133.10", "trigger_price": "130.05"},
        ),
    ],
)
def test_a_placement_has_exactly_the_fields_of_its_type(
    command: PlaceOrder, extra: dict[str, str]
) -> None:
    """Intraday on NFO, exact decimal prices, and no field that the order type does not have."""
    assert requests.place_order(command) == ("placeorder", BASE | extra)


@pytest.mark.parametrize(
    ("command", "prices"),
    [
        (_modify(OrderType.MARKET), ("MARKET", "0", "0")),
        (_modify(OrderType.LIMIT, limit=5), ("LIMIT", "0.05", "0")),
        (_modify(OrderType.SL, trigger=13005, limit=13310), ("SL", "133.10", "130.05")),
    ],
)
def test_a_change_has_every_field(command: ModifyOrder, prices: tuple[str, str, str]) -> None:
    """The gateway refuses a change with a field missing, and a market order with a price."""
    path, body = requests.modify_order(command)

    assert path == "modifyorder"
    assert (body["pricetype"], body["price"], body["trigger_price"]) == prices
    assert body["orderid"] == "26112375565833"
    assert body["quantity"] == "130"
    assert body["disclosed_quantity"] == "0"
    assert len(body) == 11


@pytest.mark.parametrize(
    "command",
    [
        _place(OrderType.MARKET, quantity=0),
        _place(OrderType.LIMIT),
        _place(OrderType.SL, limit=100),
        _place(OrderType.SL, trigger=100),
    ],
)
def test_a_command_that_makes_no_order_is_an_error(command: PlaceOrder) -> None:
    """No quantity or no price is our own bug, and a gateway might make a market order of it."""
    with pytest.raises(ValueError, match="2026-11-23-stop-1"):
        requests.place_order(command)


def test_margin_takes_text_only() -> None:
    """The margin endpoint refuses numbers; the rows have no strategy."""
    path, body = requests.margin([_place(OrderType.LIMIT, limit=12995)])

    assert path == "margin"
    assert all(isinstance(value, str) for value in body["positions"][0].values())
    assert "strategy" not in body["positions"][0]


@pytest.mark.parametrize("count", [0, 51])
def test_margin_takes_1_to_50_orders(count: int) -> None:
    """More or fewer are an error before they are sent."""
    with pytest.raises(ValueError, match="1 to 50"):
        requests.margin([_place(OrderType.MARKET)] * count)


def test_the_other_questions() -> None:
    """Every other question, as the gateway's schema wants it."""
    date = dt.date(2026, 11, 23)
    assert requests.cancel_order("7") == (
        "cancelorder", {"strategy": "baseline_v1", "orderid": "7"},
    )  # fmt: skip
    assert requests.order_status("7")[1] == {"strategy": "baseline_v1", "orderid": "7"}
    assert requests.quotes("NIFTY")[1] == {"symbol": "NIFTY", "exchange": "NSE_INDEX"}
    assert requests.multiquotes([SYMBOL])[1] == {"symbols": [{"symbol": SYMBOL, "exchange": "NFO"}]}
    assert requests.history(SYMBOL, date, date)[1] == {
        "symbol": SYMBOL, "exchange": "NFO", "interval": "1m",
        "start_date": "2026-11-23", "end_date": "2026-11-23",
    }  # fmt: skip
    assert requests.expiries("NIFTY")[1]["instrumenttype"] == "options"
    assert requests.symbol_record(SYMBOL)[0] == "symbol"
    assert requests.holidays(2026) == ("market/holidays", {"year": 2026})
    assert requests.timings(date) == ("market/timings", {"date": "2026-11-23"})
    empty = [requests.order_book(), requests.trade_book(), requests.position_book()]
    empty += [requests.funds(), requests.analyzer(), requests.ping()]
    assert all(body == {} for _, body in empty)


@pytest.mark.parametrize(
    "endpoint", ["place" + "smartorder", "close" + "position", "cancel" + "allorder"]
)
def test_account_wide_endpoints_are_named_nowhere(endpoint: str) -> None:
    """What acts on the whole account, or opens a position to close one, cannot be called at all."""
    package = Path(baseline_v1_live.__file__).parent
    # The stand-in for the gateway may have to know them, in order to refuse them.
    sources = [p for p in package.rglob("*.py") if p.relative_to(package).parts[0] != "sim"]
    wrong = [str(p) for p in sources if endpoint in p.read_text("utf-8").lower()]

    assert len(sources) > 20
    assert wrong == []
