"""Which rows of a tape are trades for the built-in exchange, and how much of a quote may be taken."""

from __future__ import annotations

import dataclasses

import pytest

from baseline_v1_live.core.messages import Tick
from baseline_v1_live.sim.contract_table import recorded_contract
from baseline_v1_live.sim.exchange import Exchange, ExchangeModel
from tests.harness_orders import SALE

SYMBOL = SALE.symbol


def exchange_with_sale(**model: int) -> Exchange:
    """A market sale of ten lots that the next tick may fill."""
    exchange = Exchange(
        {SYMBOL: recorded_contract(SYMBOL)},
        dataclasses.replace(ExchangeModel(latency_ms=0), **model),
    )
    exchange.on_tick(Tick(symbol=SYMBOL, at_ms=1_000, ltp_paise=13_000))
    exchange.send(SALE, 1_000)
    exchange.advance(1_000)
    return exchange


def sold(exchange: Exchange) -> int:
    return -exchange.positions.get(SYMBOL, 0)


@pytest.mark.parametrize(("size", "lots"), [(64, 0), (65, 1), (100, 1), (130, 2), (10_000, 10)])
def test_fills_are_whole_lots_of_the_quoted_size(size: int, lots: int) -> None:
    """A size that is no whole number of lots is filled up to its whole lots."""
    exchange = exchange_with_sale()
    exchange.on_tick(
        Tick(symbol=SYMBOL, at_ms=2_000, ltp_paise=13_000, bid_paise=12_995, bid_quantity=size)
    )

    assert sold(exchange) == lots * 65


def test_an_index_price_on_an_option_is_no_trade() -> None:
    """A row that shows the index level for an option fills nothing."""
    exchange = exchange_with_sale()
    exchange.on_tick(Tick(symbol="NIFTY", at_ms=1_500, ltp_paise=2_600_000))
    exchange.on_tick(Tick(symbol=SYMBOL, at_ms=2_000, ltp_paise=2_600_000))
    assert sold(exchange) == 0
    exchange.on_tick(Tick(symbol=SYMBOL, at_ms=3_000, ltp_paise=13_000))

    assert sold(exchange) == 650


def test_nothing_trades_outside_the_session() -> None:
    """Rows before the open and after the close fill nothing; the close itself does."""
    late = exchange_with_sale(open_ms=0, close_ms=1_999)
    late.on_tick(Tick(symbol=SYMBOL, at_ms=2_000, ltp_paise=13_000))
    early = exchange_with_sale(open_ms=2_001)
    early.on_tick(Tick(symbol=SYMBOL, at_ms=2_000, ltp_paise=13_000))
    last = exchange_with_sale(close_ms=2_000)
    last.on_tick(Tick(symbol=SYMBOL, at_ms=2_000, ltp_paise=13_000))

    assert (sold(late), sold(early), sold(last)) == (0, 0, 650)


def test_a_quote_of_the_other_side_alone_fills_nothing() -> None:
    """Where only an ask is quoted, nobody buys from us."""
    exchange = exchange_with_sale()
    exchange.on_tick(Tick(symbol=SYMBOL, at_ms=2_000, ltp_paise=13_000, ask_paise=20_000))

    assert sold(exchange) == 0
