"""Where our purchases stand: a stop within the bounds of any stop, an open one where the market is."""

from __future__ import annotations

from collections import defaultdict, deque

from baseline_v1_live.core.messages import BrokerStatus, Side, Tick
from baseline_v1_live.core.risk import BASIS_POINTS, band_edge
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import MINUTE_MS
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.simulate.chaos import Chaos
from baseline_v1_live.simulate.check_account import Held, is_ours
from baseline_v1_live.simulate.check_base import Lasting
from baseline_v1_live.simulate.check_reach import Reach
from baseline_v1_live.simulate.world import World


class Standing:
    """``shown_paise`` is by symbol what a purchase costs by the newest two prices that the bot was shown,
    the lower of them: a lone jump is not believed before the next one (docs/strategy.md, section 2).
    """

    _MEAN_MS = 30_000

    LEFT = "no open purchase is left behind"

    def __init__(
        self, lasting: Lasting, chaos: Chaos, reach: Reach, world: World, rules: Rules
    ) -> None:
        self._lasting, self._chaos, self._reach = lasting, chaos, reach
        self._world, self._rules = world, rules
        self.shown_paise: dict[str, int] = {}
        self._last_paise: dict[str, int] = {}
        self._most_paise: dict[str, int] = defaultdict(int)
        self._since_ms: dict[str, int] = {}
        self._traded: dict[str, deque[tuple[int, int]]] = defaultdict(deque)

    def shown(self, tick: Tick) -> None:
        """The bot was shown a price."""
        price = tick.ask_paise or tick.ltp_paise
        self.shown_paise[tick.symbol] = min(price, self._last_paise.get(tick.symbol, price))
        self._last_paise[tick.symbol] = price
        self._most_paise[tick.symbol] = max(price, self._most_paise[tick.symbol])
        self._traded[tick.symbol].append((self._world.now_ms, tick.ltp_paise))

    def useless(self, stop: BookOrder, held: Held) -> bool:
        """Whether it stands farther away than any stop may (docs/strategy.md, sections 3 and 7)."""
        if stop.orderid in held.moved or not held.entries:
            return False  # Where somebody has put it it is told, and stays.
        instrument = self._world.venue.market.by_symbol[stop.symbol]
        tick = instrument.contract.tick_paise if instrument.contract else 0
        sold = held.entries.values()
        low = max(entry.trigger_paise for entry in sold) + self._rules.entry_trigger_ticks * tick
        if self._chaos.fired["journal_damaged"]:
            # Taken over at what it would have cost then.
            low = max(low, instrument.high, self._most_paise[stop.symbol])
        most = low * (BASIS_POINTS + self._rules.stop_pct_max_bp) // BASIS_POINTS + tick
        if stop.trigger_paise <= most:
            return False
        # An entry that filled before its cancellation is stopped above the price that had it cancelled,
        # which may have traded while the entry was still on its way.
        earliest_ms = min(entry.placed_ms for entry in sold) - self._rules.gateway_horizon_ms
        since = earliest_ms - MINUTE_MS
        highs = [bar.high for bar in instrument.bars if since < bar.minute_ms <= stop.placed_ms]
        return stop.trigger_paise > max(highs, default=0) + self._rules.stop_offset_paise + tick

    def look(self, held: Held) -> None:
        """At the purchases of a symbol that the market may have left behind."""
        buys = [o for o in held.live.values() if o.action == "BUY" and is_ours(o)]
        cover = sum(order.remaining for order in buys)
        for order in buys:
            if order.status is BrokerStatus.OPEN and order.pricetype != "MARKET":
                self._look_at(order, bare=cover - order.remaining < held.sure)
            else:
                self.over(order)

    def over(self, order: BookOrder) -> None:
        """An order does not stand in the book any more."""
        if self._since_ms.pop(order.orderid, None) is not None:
            self._lasting.note(self.LEFT, order.orderid, False, "", real=False)

    def _look_at(self, order: BookOrder, *, bare: bool) -> None:
        """One that is left behind is changed or replaced: each try counts, whatever comes of it."""
        since = max(order.changed_ms, self._reach.tried_ms.get(order.orderid, 0))
        if self._since_ms.get(order.orderid) != since:
            self.over(order)
            self._since_ms[order.orderid] = since
        symbol, limit = order.symbol, order.price_paise
        ask = self._world.venue.market.by_symbol[symbol].ask
        behind = bare and limit < min(ask, self.shown_paise.get(symbol, 0), self._edge(symbol))
        what = f"of {symbol} rests at {limit}, the ask is {ask}"
        self._lasting.note(self.LEFT, order.orderid, behind, what, symbol=symbol)

    def _edge(self, symbol: str) -> int:
        """The farthest limit (paise) that the exchange takes now, by its own reference and by that of
        whoever saw the prices that the bot was shown, which stands until the next price.
        """
        now, traded = self._world.now_ms, self._traded[symbol]
        while len(traded) > 1 and traded[0][0] < traded[-1][0] - self._MEAN_MS:
            traded.popleft()
        reference = self._world.venue.exchange.reference_paise(symbol, now)
        if traded:
            reference = min(reference, sum(price for _, price in traded) // len(traded))
        return band_edge(reference, Side.BUY, self._rules)
