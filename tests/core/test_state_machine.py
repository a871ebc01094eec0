"""Orders and positions against a hostile broker: nothing it may do makes the bot over-buy or forget.

Hypothesis chooses what the broker, the market, the user and the operator do; after every step the
invariants of docs/strategy.md (sections 5 to 8) are asked of the broker's truth. At the end everything
heals, and the bot must converge to that truth with every short covered.

BASELINE_HYPOTHESIS_EXAMPLES raises the number of runs, BASELINE_HYPOTHESIS_SEED draws new ones.
"""

from __future__ import annotations

import datetime as dt
import os

import msgspec
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import Contract, OptionType, option_symbol
from baseline_v1_live.core.messages import (
    Bar,
    BarsLoaded,
    BrokerStatus,
    CancelOrder,
    CheckMargin,
    Event,
    FetchQuote,
    LoadHistory,
    MarginChecked,
    ModifyOrder,
    OperatorSaid,
    OrderType,
    PlaceOrder,
    Purpose,
    QueryOrder,
    Request,
    SetTimer,
    Side,
    Started,
    Stop,
    TakeSnapshot,
    Tick,
    TimerDue,
)
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import MINUTE_MS, Session, at_ist, minute_start
from tests.core.hostile_broker import HORIZON_MS, Fate, HostileBroker, News, Sent

DATE = dt.date(2026, 12, 22)
EXPIRY = dt.date(2026, 12, 29)
LOT = 65
OPEN_MS = at_ist(DATE, dt.time(9, 15))
START_MS = at_ist(DATE, dt.time(10, 0))
RULES = Rules(
    positions_max=3,
    positions_ce_max=2,
    positions_pe_max=2,
    day_target_r_milli=3_000,
    day_stop_r_milli=-3_000,
    margin_check=True,
)
CONTRACTS = {
    contract.symbol: contract
    for kind, strikes in ((OptionType.CE, (26000, 26050, 26100)), (OptionType.PE, (26000, 25950)))
    for strike in strikes
    for contract in [
        Contract(
            symbol=option_symbol("NIFTY", EXPIRY, strike * 100, kind),
            underlying="NIFTY",
            expiry=EXPIRY,
            strike_paise=strike * 100,
            option_type=kind,
            lot_size=LOT,
        )
    ]
}
SYMBOLS = tuple(CONTRACTS)
TO_BROKER = (PlaceOrder, ModifyOrder, CancelOrder, QueryOrder, TakeSnapshot)
ASKED = (LoadHistory, FetchQuote, CheckMargin)
NO_ENTRY_AFTER = frozenset({"pause", "flatten", "kill", "stopday"})

PICK = st.integers(0, 7)
LOTS = st.sampled_from((0, 1, 3, 100))
NEWS = st.sampled_from(tuple(News))


def swing_bars(end_ms: int, top: int) -> tuple[Bar, ...]:
    """A peak and then a confirmed swing low, the last bar's close at ``top``, in eight minutes."""
    low = top - 700
    shape = (  # high, low, close above the swing low
        (1500, 1000, 1200),
        (1400, 900, 1000),
        (1300, 800, 900),
        (1200, 700, 800),
        (200, 0, 100),
        (500, 200, 400),
        (800, 300, 700),
    )
    first = end_ms - len(shape) * MINUTE_MS
    return tuple(
        Bar(first + i * MINUTE_MS, low + lo, low + hi, low + lo, low + close, 1)
        for i, (hi, lo, close) in enumerate(shape)
    )


def history(end_ms: int, top: int) -> tuple[Bar, ...]:
    """A day so far whose VWAP lies low, and then a swing."""
    heavy = Bar(OPEN_MS, 5_000, 5_000, 5_000, 5_000, 1_000_000)
    return (heavy, *swing_bars(end_ms, top))


class OrdersAndPositions(RuleBasedStateMachine):
    """The engine, the broker, and one clock for both."""

    # ------------------------------------------------------------ the driver

    @initialize(minutes_to_last_entry=st.sampled_from((3, 20, 200)), folds=st.booleans())
    def start(self, minutes_to_last_entry: int, folds: bool) -> None:
        last_entry = START_MS + minutes_to_last_entry * MINUTE_MS
        self.session = Session(
            date=DATE,
            open_ms=OPEN_MS,
            close_ms=at_ist(DATE, dt.time(15, 40)),
            first_entry_ms=OPEN_MS + MINUTE_MS,
            last_entry_ms=last_entry,
            square_off_ms=last_entry + 5 * MINUTE_MS,
            hard_cut_ms=last_entry + 10 * MINUTE_MS,
        )
        self.engine = Engine(
            rules=RULES, session=self.session, contracts=CONTRACTS, index_symbol=None
        )
        self.broker = HostileBroker(CONTRACTS, folds=folds)
        self.prices: dict[str, list[int]] = {symbol: [] for symbol in SYMBOLS}
        self.prices_before: dict[str, int] = {}
        self.now = self.broker.now_ms = START_MS
        self.seq = 0
        self.timer: int | None = None
        self.unanswered: dict[str, PlaceOrder] = {}
        self.closed_verbs: set[str] = set()
        self.first_exit: str | None = None
        self.margins: dict[tuple[str, int], MarginChecked] = {}
        self.unseen_stops: dict[str, PlaceOrder] = {}
        self.stops: dict[str, PlaceOrder] = {}
        tops = {symbol: 13_700 + 500 * number for number, symbol in enumerate(SYMBOLS)}
        self.feed(Started(mode="test"))
        for symbol, top in tops.items():
            self.show(symbol, top)
        # History has the minute in which the ticks began only when that is over.
        self.pass_time(MINUTE_MS + 5_000)
        for symbol, top in tops.items():
            self.feed(BarsLoaded(symbol=symbol, bars=history(START_MS + MINUTE_MS, top)))
        self.settle()
        assert not self.engine.market.minutes_missing

    def feed(self, event: Event) -> None:
        self.seq += 1
        if getattr(event, "request", None) is Request.PLACE:
            self.unanswered.pop(event.order_id, None)
        if isinstance(event, MarginChecked):
            self.margins[event.symbol, event.quantity] = event
        if isinstance(event, Tick):
            self.prices[event.symbol].append(event.ltp_paise)
        event = msgspec.structs.replace(event, seq=self.seq, at_ms=self.now)
        for command in self.engine.handle(event):
            if isinstance(command, SetTimer):
                assert command.due_at_ms > self.now
                self.timer = min(self.timer or command.due_at_ms, command.due_at_ms)
            elif isinstance(command, TO_BROKER):
                if isinstance(command, PlaceOrder):
                    self.check_placement(command)
                elif isinstance(command, ModifyOrder):
                    self.check_change(command)
                self.broker.send(command)
            elif isinstance(command, ASKED):
                self.broker.send(command)
            assert not isinstance(command, Stop)
        for order_id, stop in self.stops.items():
            if self.engine.orders.unseen_stop(self.engine.orders.orders[order_id]):
                self.unseen_stops[order_id] = stop
        reason = self.engine.positions.day_exit_reason
        if self.first_exit is None and reason is not None:
            self.first_exit = reason
            self.check_limit_was_reached(reason)

    def pass_time(self, ms: int) -> None:
        end = self.now + ms
        while self.timer is not None and self.timer <= end:
            self.now = self.broker.now_ms = max(self.now, self.timer)
            self.timer = None
            self.feed(TimerDue())
            self.force_overdue()
        self.now = self.broker.now_ms = end
        self.force_overdue()

    def force_overdue(self) -> None:
        """The gateway does nothing, and the shell answers nothing, after the horizon."""
        self.broker.overdue()
        oldest = self.now - HORIZON_MS
        for mail in [m for m in self.broker.mail if m.at_ms <= oldest]:
            self.broker.mail.remove(mail)
            self.feed(mail.event)

    def show(self, symbol: str, price: int) -> None:
        self.broker.price[symbol] = price
        self.feed(Tick(symbol=symbol, ltp_paise=price, bid_paise=price, ask_paise=price))

    def settle(self) -> None:
        """An honest moment: every request is done, every answer and piece of news arrives in order."""
        for _ in range(60):
            if not self.broker.sent and not self.broker.mail:
                return
            while self.broker.sent:
                self.broker.decide(0, Fate.DONE)
            while self.broker.mail:
                self.feed(self.broker.mail.pop(0).event)

    # ------------------------------------------------------------ the broker's side

    @precondition(lambda self: self.broker.sent)
    @rule(pick=PICK, fate=st.sampled_from(tuple(Fate)))
    def request_meets(self, pick: int, fate: Fate) -> None:
        self.broker.decide(pick % len(self.broker.sent), fate)

    @precondition(lambda self: self.stops_on_their_way())
    @rule(fate=st.sampled_from((Fate.LOST, Fate.LATE, Fate.DONE_UNHEARD)))
    def stop_gets_no_answer(self, fate: Fate) -> None:
        self.broker.decide(self.broker.sent.index(self.stops_on_their_way()[0]), fate)
        for _ in range(4):
            self.honest_time(1_100)

    @precondition(lambda self: self.broker.limbo)
    @rule(pick=PICK)
    def late_request_arrives(self, pick: int) -> None:
        self.broker.arrive_late(pick % len(self.broker.limbo))

    @precondition(lambda self: self.broker.mail)
    @rule(pick=PICK)
    def mail_arrives(self, pick: int) -> None:
        self.feed(self.broker.mail.pop(pick % len(self.broker.mail)).event)

    @precondition(lambda self: any(m.pushed for m in self.broker.mail))
    @rule(pick=PICK)
    def news_arrives_and_will_again(self, pick: int) -> None:
        news = [m for m in self.broker.mail if m.pushed]
        self.feed(news[pick % len(news)].event)

    @precondition(lambda self: any(m.pushed for m in self.broker.mail))
    @rule()
    def pushed_news_is_lost(self) -> None:
        self.broker.mail = [m for m in self.broker.mail if not m.pushed]

    @precondition(lambda self: self.broker.sent or self.broker.mail)
    @rule()
    def honest_moment(self) -> None:
        self.settle()

    @rule(ms=st.sampled_from((100, 1_000, 2_100, 6_000)))
    def honest_time(self, ms: int) -> None:
        self.settle()
        self.pass_time(ms)
        self.settle()

    @rule(ms=st.sampled_from((100, 1_000, 2_100, 6_000, 21_000, 61_000)))
    def time_without_answers(self, ms: int) -> None:
        self.pass_time(ms)

    # ------------------------------------------------------------ the exchange's side

    @rule(
        pick=PICK,
        move=st.sampled_from((-3_000, -300, 5, 300, 1_100, 5_000)),
        lots=LOTS,
        news=NEWS,
        seen=st.booleans(),
    )
    def price_moves(self, pick: int, move: int, lots: int, news: News, seen: bool) -> None:
        symbol = SYMBOLS[pick % len(SYMBOLS)]
        self.price_is(symbol, max(self.broker.price[symbol] + move, 500), lots, news, seen=seen)

    @precondition(lambda self: self.waiting_rows())
    @rule(
        pick=PICK,
        beyond=st.sampled_from((0, 100, 300, 1_000, 4_000)),
        lots=LOTS,
        news=NEWS,
        seen=st.booleans(),
        reject=st.booleans(),
    )
    def trigger_trades(
        self, pick: int, beyond: int, lots: int, news: News, seen: bool, reject: bool
    ) -> None:
        rows = self.waiting_rows()
        row = rows[pick % len(rows)]
        price = row.trigger_paise + (beyond if row.side is Side.BUY else -beyond)
        self.price_is(row.symbol, price, lots, news, seen=seen, reject=reject)

    @precondition(lambda self: self.broker.live_rows())
    @rule(pick=PICK, lots=LOTS, news=NEWS)
    def order_fills(self, pick: int, lots: int, news: News) -> None:
        rows = self.broker.live_rows()
        self.broker.fill(rows[pick % len(rows)], lots, news)

    @precondition(lambda self: self.cancelled_rows())
    @rule(pick=PICK, lots=st.sampled_from((1, 3)), news=NEWS)
    def cancelled_order_fills(self, pick: int, lots: int, news: News) -> None:
        rows = self.cancelled_rows()
        self.broker.fill_after_cancel(rows[pick % len(rows)], lots, news)

    @precondition(lambda self: self.broker.live_rows())
    @rule(
        pick=PICK,
        status=st.sampled_from((BrokerStatus.CANCELLED, BrokerStatus.REJECTED)),
        news=NEWS,
    )
    def broker_or_user_ends(self, pick: int, status: BrokerStatus, news: News) -> None:
        rows = self.broker.live_rows()
        self.broker.end(rows[pick % len(rows)], status, news)

    @precondition(lambda self: self.broker.live_rows())
    @rule(pick=PICK, status=st.sampled_from(tuple(BrokerStatus)))
    def wrong_row(self, pick: int, status: BrokerStatus) -> None:
        rows = self.broker.live_rows()
        self.broker.push(rows[pick % len(rows)], News.STATUS, status)

    @precondition(lambda self: any(self.broker.net(s) < 0 for s in SYMBOLS))
    @rule(pick=PICK, lots=st.sampled_from((1, 100)))
    def user_closes_by_hand(self, pick: int, lots: int) -> None:
        short = [s for s in SYMBOLS if self.broker.net(s) < 0]
        self.broker.user_buys(short[pick % len(short)], lots)

    # ------------------------------------------------------------ the bot's side

    @precondition(lambda self: self.seq % 3 == 0)
    @rule(verb=st.sampled_from(("pause", "resume", "resume", "flatten", "kill", "stopday")))
    def operator_says(self, verb: str) -> None:
        if verb == "resume":
            self.closed_verbs -= {"pause", "flatten"}
        else:
            self.closed_verbs.add(verb)
        self.feed(OperatorSaid(verb=verb))

    @rule(pick=PICK)
    def new_swing(self, pick: int) -> None:
        symbol = SYMBOLS[pick % len(SYMBOLS)]
        for _ in range(8):
            self.pass_time(MINUTE_MS)
            self.settle()
        bars = swing_bars(minute_start(self.now), self.broker.price[symbol])
        self.feed(BarsLoaded(symbol=symbol, bars=bars))

    # ------------------------------------------------------------ helpers

    def waiting_rows(self) -> list:
        rows = self.broker.live_rows()
        return [row for row in rows if row.status is BrokerStatus.TRIGGER_PENDING]

    def stops_on_their_way(self) -> list[Sent]:
        return [
            sent
            for sent in self.broker.sent
            if isinstance(sent.command, PlaceOrder) and sent.command.purpose is Purpose.STOP
        ]

    def cancelled_rows(self) -> list:
        rows = self.broker.rows.values()
        return [
            row
            for row in rows
            if row.status is BrokerStatus.CANCELLED
            and row.filled < row.quantity
            and not row.filled_after_cancel
        ]

    def price_is(
        self, symbol: str, price: int, lots: int, news: News, *, seen: bool, reject: bool = False
    ) -> None:
        self.broker.trade(symbol, price, lots, news, reject=reject)
        if seen:
            self.show(symbol, price)

    # ------------------------------------------------------------ what holds of each command

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
                self.stops[command.order_id] = command
            case Purpose.EXIT:
                assert (command.side, command.order_type) == (Side.BUY, OrderType.MARKET)
            case Purpose.CORRECTION:
                assert (command.side, command.order_type) == (Side.SELL, OrderType.MARKET)
                self.check_correction(command)

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
        order that fills, a change that is done after it was given up, and a stop that was in no book
        and is there after all, are the broker's doing.
        """
        broker = self.broker
        for symbol in SYMBOLS:
            broken = broker.filled_after_cancel(symbol) + broker.grown_late.get(symbol, 0)
            unseen = [stop for stop in self.unseen_stops.values() if stop.symbol == symbol]
            broken += sum(stop.quantity for stop in unseen)
            bought = broker.total(symbol, Purpose.STOP, Purpose.EXIT)
            sold = broker.total(symbol, Purpose.ENTRY)
            assert bought + broker.may_still_buy(symbol) <= sold + broken, f"{symbol} over-bought"

    # ------------------------------------------------------------ healing

    def teardown(self) -> None:
        if not hasattr(self, "engine"):
            return
        self.heal()
        self.check_converged()

    def heal(self) -> None:
        """Every fault ends; the market stands still and trades freely."""
        while self.broker.limbo:
            self.broker.arrive_late(0)
        for step in range(120):
            self.calm_step(1_000 if step < 40 else 6_000)
        for _ in range(20):
            if self.now >= self.session.square_off_ms and not self.engine.day_over:
                self.calm_step(6_000)

    def calm_step(self, ms: int) -> None:
        self.settle()
        for symbol in SYMBOLS:
            self.price_is(symbol, self.broker.price[symbol], 100, News.FULL, seen=True)
        self.settle()
        self.pass_time(ms)
        self.settle()

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
