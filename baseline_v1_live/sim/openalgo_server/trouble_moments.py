"""Troubles that happen at an instant: in the market, at the broker, on the stream, by somebody's hand."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from baseline_v1_live.runtime.ports import TapeRow
from baseline_v1_live.sim.openalgo_server.books import BookOrder, BookPosition
from baseline_v1_live.sim.openalgo_server.stream import Stream
from baseline_v1_live.sim.openalgo_server.trouble_books import Odds
from baseline_v1_live.sim.openalgo_server.troubles import Later, Troubles
from baseline_v1_live.sim.openalgo_server.venue import SQUARE_OFF_STRATEGY, RefusedError, Venue

BY_HAND = "by hand"
_NOT_OURS = (BY_HAND, SQUARE_OFF_STRATEGY)
_TICK_PAISE = 5
_SMALL_LOTS = 3
_SWEEP_MAX_S = 30.0
_BURST_EVERY_S = 0.06
_BURST_MIN = 6


class Moments:
    """``strike`` makes one happen now; as a tape's ``bend`` it bends the prices that are played."""

    def __init__(
        self,
        venue: Venue,
        stream: Stream,
        odds: Odds,
        chance: random.Random,
        later: Later,
        troubles: Troubles,
    ) -> None:
        self._venue, self._stream, self._ticks = venue, stream, troubles.ticks
        self._odds, self._chance, self._later = odds, chance, later
        self._factors: dict[str, float] = {}
        self._short_of_size: set[str] = set()
        venue.bend = self._bend
        venue.trades = lambda: not odds.during("halt")
        self._acts: dict[str, Callable[[], bool]] = {
            "stream_cut": self._cut_stream,
            "old_ticks": lambda: self._send_ticks(lambda message: message),
            "garbage_ticks": lambda: self._send_ticks(self._garbage),
            "gap_over_stop": self._gap_over_stop,
            "jumps": self._jump,
            "broker_square_off": self._square_off,
            "broker_sweep": self._sweep,
            "lane_full": self._burst,
            "closed_by_hand": self._close,
            "added_by_hand": self._add,
            "stop_cancelled_by_hand": self._cancel_stop,
            "stop_moved_by_hand": self._move_stop,
            "order_by_hand": self._order,
        }

    @property
    def names(self) -> frozenset[str]:
        """What it can do."""
        return frozenset(self._acts)

    def strike(self, name: str) -> bool:
        """Make a trouble happen now; False when there is nothing that it could strike.

        What it changed is to be published by the caller. Raises KeyError for a name it does not know.
        """
        try:
            struck = self._acts[name]()
        except RefusedError:
            return False
        if struck:
            self._odds.count(name)
        return struck

    # ------------------------------------------------------------ the tape

    def _bend(self, row: TapeRow) -> TapeRow | None:
        """A row of the tape as it is played; None for one that is left out."""
        if self._odds.during("halt"):
            self._odds.count("halt")
            return None
        at_ms, symbol, ltp, bid, ask, bid_quantity, ask_quantity, volume = row
        factor = self._factors.get(symbol)
        if factor is not None:
            ltp, bid, ask = (_times(price, factor) for price in (ltp, bid, ask))
        contract = self._venue.day.contracts.get(symbol)
        if contract is not None and self._odds.during("small_sizes"):
            most = _SMALL_LOTS * contract.lot_size
            if max(bid_quantity, ask_quantity) > most:
                self._count_short_of_size(symbol)
            bid_quantity, ask_quantity = min(bid_quantity, most), min(ask_quantity, most)
        return (at_ms, symbol, ltp, bid, ask, bid_quantity, ask_quantity, volume)

    def _count_short_of_size(self, symbol: str) -> None:
        """Once for each order that works while few lots are offered."""
        for order in self._alive:
            if order.symbol == symbol and order.orderid not in self._short_of_size:
                self._short_of_size.add(order.orderid)
                self._odds.count("small_sizes")

    def _gap_over_stop(self) -> bool:
        """From its next tick on, a symbol trades beyond the limit of an order that waits in it."""
        waiting = [
            order
            for order in self._alive
            if order.pricetype == "SL" and order.strategy not in (BY_HAND, SQUARE_OFF_STRATEGY)
        ]
        # A stop rather than an entry: that is where it hurts.
        waiting = [order for order in waiting if order.action == "BUY"] or waiting
        if not waiting:
            return False
        order = self._chance.choice(waiting)
        beyond = self._chance.uniform(1.02, 1.35)
        target = order.price_paise * (beyond if order.action == "BUY" else 1 / beyond)
        self._move(order.symbol, target / self._venue.market.by_symbol[order.symbol].last)
        return True

    def _jump(self) -> bool:
        symbol = self._chance.choice(sorted(self._venue.day.contracts))
        self._move(symbol, self._chance.choice((0.7, 0.85, 0.95, 1.05, 1.2, 1.4)))
        return True

    def _move(self, symbol: str, factor: float) -> None:
        self._factors[symbol] = self._factors.get(symbol, 1.0) * factor

    # ------------------------------------------------------------ the stream

    def _cut_stream(self) -> bool:
        self._stream.drop_all()
        return True

    def _send_ticks(self, changed: Callable[[bytes], bytes]) -> bool:
        """Prices that nobody traded go out over the stream."""
        if not self._ticks:
            return False
        for message in self._chance.sample(list(self._ticks), min(5, len(self._ticks))):
            told = changed(message)
            for client in list(self._stream.clients):
                client.post(told)
        return True

    def _garbage(self, message: bytes) -> bytes:
        body = json.loads(message)
        data = body["data"]
        index = self._venue.market.index_paise / 100
        off_tick = round(float(data["ltp"] or 0) + 0.03, 2)
        data["ltp"] = self._chance.choice((0, -5, 1e9, index, None, "NaN", off_tick, data["ltp"]))
        depth = data.get("depth")
        if depth and self._chance.random() < 0.5:
            depth["buy"], depth["sell"] = depth["sell"], depth["buy"]
        return json.dumps(body, separators=(",", ":")).encode()

    # ------------------------------------------------------------ the broker

    def _square_off(self) -> bool:
        self._venue.square_off("MIS")
        return True

    def _sweep(self) -> bool:
        """The broker's own end of the day: orders go first, positions when it comes to them."""
        swept = [order for order in self._alive if order.strategy != BY_HAND]
        if not swept:
            return False
        for order in swept:
            self._venue.cancel(order.orderid)
        self._later(self._chance.uniform(1, _SWEEP_MAX_S), self._end_positions)
        return True

    def _end_positions(self) -> None:
        self._venue.square_off(None)

    def _burst(self) -> bool:
        """Entries fill lot by lot, faster than stops can be brought along; stops of before are lost."""
        entries = [o for o in self._alive if o.action == "SELL" and o.strategy != BY_HAND]
        stops = self._stops
        if sum(self._lots(order) for order in entries) + len(stops) < _BURST_MIN:
            return False
        for order in stops:
            self._venue.cancel(order.orderid)
        for order in entries:
            self._fill_a_lot(order)
        return True

    def _fill_a_lot(self, order: BookOrder) -> None:
        if order.remaining:
            lot = self._venue.day.contracts[order.symbol].lot_size
            self._venue.execute(order.orderid, lot, order.price_paise or order.reference_paise)
            self._later(_BURST_EVERY_S, lambda: self._fill_a_lot(order))

    def _lots(self, order: BookOrder) -> int:
        return order.remaining // self._venue.day.contracts[order.symbol].lot_size

    # ------------------------------------------------------------ people

    @property
    def _alive(self) -> list[BookOrder]:
        return [order for order in self._venue.books.orders.values() if not order.over]

    @property
    def _stops(self) -> list[BookOrder]:
        return [
            order
            for order in self._alive
            if order.action == "BUY" and order.pricetype == "SL" and order.strategy != BY_HAND
        ]

    @property
    def _ours(self) -> list[BookPosition]:
        """What is short in a symbol that the bot has sold."""
        orders = self._venue.books.orders.values()
        sold = {o.symbol for o in orders if o.strategy not in _NOT_OURS and o.filled_quantity}
        positions = self._venue.books.positions.values()
        return [held for held in positions if held.quantity < 0 and held.symbol in sold]

    def _close(self) -> bool:
        if not self._ours:
            return False
        position = self._chance.choice(self._ours)
        lot = self._venue.day.contracts[position.symbol].lot_size
        lots = -position.quantity // lot
        lots = self._chance.choice((lots, max(lots // 2, 1)))
        self._trade(position.symbol, "BUY", lots * lot)
        return True

    def _add(self) -> bool:
        if not self._ours:
            return False
        symbol = self._chance.choice(self._ours).symbol
        lots = self._chance.randint(1, 5)
        self._trade(symbol, "SELL", lots * self._venue.day.contracts[symbol].lot_size)
        return True

    def _cancel_stop(self) -> bool:
        if not self._stops:
            return False
        self._venue.cancel(self._chance.choice(self._stops).orderid)
        return True

    def _move_stop(self) -> bool:
        if not self._stops:
            return False
        stop = self._chance.choice(self._stops)
        changed: dict[str, Any] = {
            "strategy": BY_HAND,
            "orderid": stop.orderid,
            "pricetype": "SL",
            "quantity": stop.quantity,
            "price": (stop.price_paise + 500) / 100,
            "trigger_price": (stop.trigger_paise + 500) / 100,
        }
        self._venue.modify(changed)
        return True

    def _order(self) -> bool:
        """Somebody's own order, mostly where the bot trades; some rest, some fill."""
        contracts = self._venue.day.contracts
        busy = sorted({order.symbol for order in self._alive})
        nearby = busy and self._chance.random() < 0.7
        symbol = self._chance.choice(busy if nearby else sorted(contracts))
        ltp = self._venue.market.by_symbol[symbol].last
        quantity = self._chance.randint(1, 3) * contracts[symbol].lot_size
        side = self._chance.choice(("BUY", "BUY", "SELL"))
        factor = self._chance.choice((0.5, 0.8, 1.1))
        price = _times(ltp, factor if side == "BUY" else 1 / factor) / 100
        self._trade(symbol, side, quantity, price=price)
        return True

    def _trade(self, symbol: str, side: str, quantity: int, price: float = 0.0) -> None:
        self._venue.place(
            {
                "strategy": BY_HAND,
                "symbol": symbol,
                "exchange": "NFO",
                "action": side,
                "quantity": quantity,
                "pricetype": "LIMIT" if price else "MARKET",
                "product": "MIS",
                "price": price,
                "trigger_price": 0.0,
            }
        )


def _times(price_paise: int, factor: float) -> int:
    """A price moved, on the tick; 0, which says that there is none, stays."""
    if price_paise <= 0:
        return price_paise
    return max(round(price_paise * factor / _TICK_PAISE), 1) * _TICK_PAISE
