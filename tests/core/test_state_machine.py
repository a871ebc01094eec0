"""Orders and positions against a hostile broker: nothing it may do makes the bot over-buy or forget.

After every step of a hostile day (hostile_day.py) the invariants of docs/strategy.md (sections 5 to 8)
are asked of the broker's truth. At the end everything heals, and the bot must converge to that truth
with every short covered.

BASELINE_HYPOTHESIS_EXAMPLES raises the number of runs, BASELINE_HYPOTHESIS_SEED draws new ones.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import invariant

from baseline_v1_live.core.instruments import OptionType
from baseline_v1_live.core.messages import (
    Event,
    MarginChecked,
    ModifyOrder,
    OrderType,
    PlaceOrder,
    Purpose,
    Request,
    Side,
    Tick,
)
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.runtime.ports import ToBroker
from tests.core.hostile_day import CONTRACTS, LOT, RULES, SYMBOLS, HostileDay


class OrdersAndPositions(HostileDay):
    """What must hold on a hostile day, and what the checks remember for it."""

    def __init__(self) -> None:
        super().__init__()
        self.prices: dict[str, list[int]] = {symbol: [] for symbol in SYMBOLS}
        self.prices_before: dict[str, int] = {}
        self.unanswered: dict[str, PlaceOrder] = {}
        self.first_exit: str | None = None
        self.margins: dict[tuple[str, int], MarginChecked] = {}
        self.unseen: dict[str, PlaceOrder] = {}
        self.purchases: dict[str, PlaceOrder] = {}

    def feed(self, event: Event) -> None:
        if getattr(event, "request", None) is Request.PLACE:
            self.unanswered.pop(event.order_id, None)
        if isinstance(event, MarginChecked):
            self.margins[event.symbol, event.quantity] = event
        if isinstance(event, Tick):
            self.prices[event.symbol].append(event.ltp_paise)
        super().feed(event)
        for order_id, purchase in self.purchases.items():
            if self.engine.orders.was_unseen(self.engine.orders.orders[order_id]):
                self.unseen[order_id] = purchase
        reason = self.engine.positions.day_exit_reason
        if self.first_exit is None and reason is not None:
            self.first_exit = reason
            self.check_limit_was_reached(reason)

    # ------------------------------------------------------------ what holds of each command

    def check(self, command: ToBroker) -> None:
        if isinstance(command, PlaceOrder):
            self.check_placement(command)
        elif isinstance(command, ModifyOrder):
            self.check_change(command)

    def check_placement(self, command: PlaceOrder) -> None:
        symbol, key = command.symbol, (command.symbol, command.side, command.purpose)
        assert command.order_id not in self.broker.by_order_id
        for order_id, other in self.unanswered.items():
            state = self.engine.orders.orders[order_id].state
            if state is OrderState.IN_FLIGHT:
                assert (other.symbol, other.side, other.purpose) != key, "two in flight"
        self.unanswered[command.order_id] = command
        self.prices_before[command.order_id] = len(self.prices[symbol])
        assert 0 < command.quantity <= CONTRACTS[symbol].order_quantity_max
        assert command.quantity % LOT == 0
        match command.purpose:
            case Purpose.ENTRY:
                assert (command.side, command.order_type) == (Side.SELL, OrderType.SL)
                self.check_entry(command)
            case Purpose.STOP:
                assert (command.side, command.order_type) == (Side.BUY, OrderType.SL)
                self.purchases[command.order_id] = command
            case Purpose.EXIT:
                assert command.side is Side.BUY
                self.check_exit_type(command)
                self.purchases[command.order_id] = command
            case Purpose.CORRECTION:
                assert (command.side, command.order_type) == (Side.SELL, OrderType.MARKET)
                self.check_correction(command)

    def check_exit_type(self, command: PlaceOrder) -> None:
        """What closes goes at market."""
        assert command.order_type is OrderType.MARKET

    def check_change(self, command: ModifyOrder) -> None:
        """No entry grows without margin for it, and no stop is chased before a price reached it."""
        order = self.engine.orders.orders[command.order_id]
        if order.purpose is Purpose.ENTRY and command.quantity > order.quantity:
            margin = self.margins[command.symbol, command.quantity]
            assert margin.available_paise == 115_000, "margin was not known to be enough"
        chased = command.limit_price_paise != order.limit_price_paise
        if order.purpose is Purpose.STOP and chased and not order.filled_quantity:
            first = max(self.prices_before[command.order_id] - 1, 0)
            highest = max(self.prices[command.symbol][first:], default=0)
            assert highest >= order.trigger_price_paise, "chased before its trigger"

    def check_correction(self, command: PlaceOrder) -> None:
        """All corrections that may still fill sell at most what is known to be bought too much."""
        orders = self.engine.orders
        position = self.engine.positions.positions[orders.orders[command.order_id].position_id]
        live = orders.live_of(position.position_id, Purpose.CORRECTION)
        assert sum(order.remaining for order in live) <= -position.open_quantity

    def check_entry(self, command: PlaceOrder) -> None:
        positions, orders = self.engine.positions, self.engine.orders
        margin = self.margins.get((command.symbol, command.quantity))
        assert margin is None or margin.available_paise != 114_999, "margin was too low"
        assert not self.closed_verbs, f"entry after {self.closed_verbs}"
        assert positions.day_exit_reason is None
        assert positions.entries_stopped_by is None
        assert self.session.first_entry_ms <= self.now < self.session.last_entry_ms
        assert positions.held(command.symbol) is None
        # A position that its entry still fills is one position.
        taken = {p.position_id: p.symbol for p in positions.open.values()}
        taken |= {o.order_id: o.symbol for o in orders.live(purpose=Purpose.ENTRY)}
        kinds = [CONTRACTS[symbol].option_type for symbol in taken.values()]
        assert len(kinds) <= RULES.positions_max
        assert kinds.count(OptionType.CE) <= RULES.positions_ce_max
        assert kinds.count(OptionType.PE) <= RULES.positions_pe_max
        kind = CONTRACTS[command.symbol].option_type
        for order in orders.live():
            if order.state is OrderState.UNKNOWN:
                assert CONTRACTS[order.symbol].option_type is not kind

    def check_limit_was_reached(self, reason: str) -> None:
        """A day limit fires only when the bot's own fills, at the price shown last, have reached it."""
        if not reason.endswith(("_TARGET", "_STOP")):
            return
        market = self.engine.market.symbols
        pnl = 0
        for order in self.engine.orders.orders.values():
            price = market[order.symbol].closing_price_paise
            sign = 1 if order.side is Side.SELL else -1
            pnl += sign * (order.filled_value_paise - order.filled_quantity * price)
        for position in self.engine.positions.positions.values():
            price = market[position.symbol].closing_price_paise
            pnl -= position.external_value_paise - position.external_quantity * price
        r = pnl / RULES.r_value_paise
        assert (r > 2.9) if reason.endswith("_TARGET") else (r < -2.9), f"{reason} at {r:.2f} R"

    # ------------------------------------------------------------ what always holds

    @invariant()
    def the_first_exit_reason_stays(self) -> None:
        assert self.engine.positions.day_exit_reason == self.first_exit
        if "kill" in self.closed_verbs:
            assert self.first_exit is not None

    @invariant()
    def nothing_is_believed_beyond_the_truth(self) -> None:
        seen: set[str] = set()
        for order in self.engine.orders.orders.values():
            row = self.broker.by_order_id.get(order.order_id)
            assert order.filled_quantity <= (row.filled if row else 0)
            if order.broker_order_id is not None:
                assert order.broker_order_id not in seen, "one broker order, two of ours"
                seen.add(order.broker_order_id)
                assert row is not None
                assert row.broker_order_id == order.broker_order_id, "somebody else's order"

    @invariant()
    def own_orders_never_buy_more_than_was_sold(self) -> None:
        """What is bought, and what may still be bought, is never more than what was sold; a cancelled
        order that fills, a change that is done after it was given up, and a stop or exit that was in
        no book, so that another stop covered, and is there after all, are the broker's doing.
        """
        broker = self.broker
        for symbol in SYMBOLS:
            broken = broker.filled_after_cancel(symbol) + broker.grown_late.get(symbol, 0)
            unseen = [lost for lost in self.unseen.values() if lost.symbol == symbol]
            broken += sum(lost.quantity for lost in unseen)
            bought = broker.total(symbol, Purpose.STOP, Purpose.EXIT)
            sold = broker.total(symbol, Purpose.ENTRY)
            assert bought + broker.may_still_buy(symbol) <= sold + broken, f"{symbol} over-bought"

    # ------------------------------------------------------------ what holds at the end

    def teardown(self) -> None:
        if not hasattr(self, "engine"):
            return
        self.heal()
        self.check_converged()

    def check_converged(self) -> None:
        engine, broker = self.engine, self.broker
        for order in engine.orders.live():
            row = broker.by_order_id.get(order.order_id)
            assert row is not None, f"{order.order_id} lives in the ledger only, {order.state}"
            assert row.live, f"{order.order_id} is {row.status} at the broker, {order.state} here"
            assert order.resting, f"{order.order_id} is {order.state}"
            assert order.quantity == row.quantity, f"{order.order_id} has another quantity"
        live = {order.order_id for order in engine.orders.live()}
        for row in broker.live_rows():
            assert row.order_id in live, f"{row.order_id} lives at the broker only"
        for order in engine.orders.orders.values():
            row = broker.by_order_id.get(order.order_id)
            truth = (row.filled, row.value_paise) if row else (0, 0)
            assert (order.filled_quantity, order.filled_value_paise) == truth, order.order_id
        for symbol in SYMBOLS:
            self.check_symbol(symbol)
        if engine.positions.day_exit_reason is not None and not any(map(broker.net, SYMBOLS)):
            assert engine.day_over
            assert not broker.live_rows()

    def check_symbol(self, symbol: str) -> None:
        engine, broker = self.engine, self.broker
        held = [p for p in engine.positions.open.values() if p.symbol == symbol]
        short = sum(p.open_quantity for p in held)
        assert short == -broker.net(symbol), f"{symbol} short {short}, broker {broker.net(symbol)}"
        if engine.positions.day_exit_reason is not None:
            assert short == 0, f"{symbol} not flat after {engine.positions.day_exit_reason}"
        for position in held:
            stops = [
                broker.by_order_id[o.order_id]
                for o in engine.orders.live_of(position.position_id, Purpose.STOP)
            ]
            working = [(row.remaining, row.trigger_paise) for row in stops]
            expected = [(position.open_quantity, position.stop_trigger_paise)]
            if not position.open_quantity:
                expected = []
            assert working == expected, f"{symbol}: open {position.open_quantity}, stops {working}"
        buys = sum(
            r.remaining for r in broker.live_rows() if r.symbol == symbol and r.side is Side.BUY
        )
        assert buys == short, f"{symbol} short {short}, resting buys {buys}"


EXAMPLES = int(os.environ.get("BASELINE_HYPOTHESIS_EXAMPLES", "60"))
SEED = os.environ.get("BASELINE_HYPOTHESIS_SEED")
OrdersAndPositions.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    derandomize=SEED is None,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
TestOrdersAndPositions = OrdersAndPositions.TestCase
if SEED is not None:
    TestOrdersAndPositions = seed(int(SEED))(TestOrdersAndPositions)
