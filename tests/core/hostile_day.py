"""A day of the bot at a hostile broker, in which Hypothesis chooses everything that happens.

It chooses what the broker, the market, the user and the operator do. What must hold meanwhile is in
test_state_machine.py.
"""

from __future__ import annotations

import datetime as dt

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import OptionType, option_symbol
from baseline_v1_live.core.messages import (
    Bar,
    BarsLoaded,
    BrokerStatus,
    CancelOrder,
    CheckMargin,
    Event,
    FetchQuote,
    LoadHistory,
    ModifyOrder,
    OperatorSaid,
    PlaceOrder,
    Purpose,
    QueryOrder,
    SetTimer,
    Side,
    Started,
    Stop,
    TakeSnapshot,
    Tick,
    TimerDue,
)
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import MINUTE_MS, Session, at_ist, minute_start
from baseline_v1_live.runtime.ports import ToBroker
from tests.core.hostile_broker import HORIZON_MS, Fate, HostileBroker, News, Sent
from tests.harness_market import make_contract

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
    for contract in [make_contract(option_symbol("NIFTY", EXPIRY, strike * 100, kind), LOT)]
}
SYMBOLS = tuple(CONTRACTS)
TO_BROKER = (PlaceOrder, ModifyOrder, CancelOrder, QueryOrder, TakeSnapshot)
ASKED = (LoadHistory, FetchQuote, CheckMargin)


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


class HostileDay(RuleBasedStateMachine):
    """The engine, the broker, and one clock for both."""

    trading_rules = RULES

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
            rules=self.trading_rules, session=self.session, contracts=CONTRACTS, index_symbol=None
        )
        self.broker = HostileBroker(CONTRACTS, folds=folds)
        self.now = self.broker.now_ms = START_MS
        self.seq = 0
        self.timer: int | None = None
        self.closed_verbs: set[str] = set()
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
        self.begin()

    def begin(self) -> None:
        """What happens before anything is chosen."""

    def feed(self, event: Event) -> None:
        self.seq += 1
        event = msgspec.structs.replace(event, seq=self.seq, at_ms=self.now)
        for command in self.engine.handle(event):
            if isinstance(command, SetTimer):
                assert command.due_at_ms > self.now
                self.timer = min(self.timer or command.due_at_ms, command.due_at_ms)
            elif isinstance(command, TO_BROKER):
                self.check(command)
                self.broker.send(command)
            elif isinstance(command, ASKED):
                self.broker.send(command)
            assert not isinstance(command, Stop)

    def check(self, command: ToBroker) -> None:
        """What holds of a command, asked before the broker has it."""

    def pass_time(self, ms: int) -> None:
        end = self.now + ms
        while (due := self._next_due_ms()) is not None and due <= end:
            self.now = self.broker.now_ms = max(self.now, due)
            self.force_overdue()
            if self.timer is not None and self.timer <= self.now:
                self.timer = None
                self.feed(TimerDue())
                self.force_overdue()
        self.now = self.broker.now_ms = end
        self.force_overdue()

    def _next_due_ms(self) -> int | None:
        """When the engine wants to be woken, or something has waited until the horizon."""
        waiting = (*self.broker.limbo, *self.broker.sent, *self.broker.mail)
        overdue = min((each.at_ms + HORIZON_MS for each in waiting), default=None)
        return min((due for due in (self.timer, overdue) if due is not None), default=None)

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

    # ------------------------------------------------------------ healing

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
