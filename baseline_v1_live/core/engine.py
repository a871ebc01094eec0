"""The whole core: events go in, commands come out, and nothing in between does I/O.

Order inside one step: stamp, then what the event says of market, orders and positions, then deadlines,
reconciliation, the day's exits, and only then, if trading is enabled, entries. Exits come first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from baseline_v1_live.core.charges import order_charges
from baseline_v1_live.core.day_end import DayEnd
from baseline_v1_live.core.entry_desk import EntryDesk
from baseline_v1_live.core.exit_desk import ExitDesk
from baseline_v1_live.core.future_times import bring_back
from baseline_v1_live.core.history_desk import HistoryDesk
from baseline_v1_live.core.instruments import Contract, rupee_text
from baseline_v1_live.core.market import Market
from baseline_v1_live.core.messages import (
    BarsLoaded,
    Command,
    DataEnded,
    EntriesAllowed,
    EntriesBlocked,
    Event,
    FeedBack,
    FeedSilent,
    Filled,
    HistoryFailed,
    InvariantError,
    Level,
    MarginChecked,
    OperatorSaid,
    OrderAccepted,
    OrderRefused,
    OrderSent,
    OrderUpdated,
    OutcomeUnknown,
    Purpose,
    SetTimer,
    SnapshotFailed,
    SnapshotTaken,
    Started,
    Tick,
    TimerDue,
)
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.position import FLATTEN, Position
from baseline_v1_live.core.price_watch import PriceWatch
from baseline_v1_live.core.reconciler import Reconciler
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import MINUTE_MS, SECOND_MS, Session, clock_text, minute_start
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.position_tracker import PositionTracker
from baseline_v1_live.strategy.exit_policy import KILL_SWITCH, SQUARE_OFF, r_milli

_FAR_FUTURE_MS = 1 << 62


class TradingState(StrEnum):
    """What the bot may do. The default is not to trade."""

    STARTING = "starting"
    RECONCILING = "reconciling"
    ENABLED = "enabled"
    EXIT_ONLY = "exit_only"
    HALTED = "halted"


class Engine:
    """The core's state and its one entrance, ``handle``."""

    def __init__(
        self,
        *,
        rules: Rules,
        session: Session,
        contracts: Mapping[str, Contract],
        index_symbol: str | None,
    ) -> None:
        self.rules = rules
        self.session = session
        self.state = TradingState.STARTING
        self.market = Market(rules, session, contracts, index_symbol)
        self.orders = OrderManager(rules, contracts, session.date, self.market)
        self.positions = PositionTracker(order_manager=self.orders)
        self.orders.ready = False
        self.desk = EntryDesk(self.orders, self.positions, self.market)
        self.prices = PriceWatch(self.orders, self.positions, self.market)
        self.history = HistoryDesk(self.orders, self.positions, self.market)
        self.reconciler = Reconciler(self.orders, self.positions, self._closing_price)
        self.day_end = DayEnd(self.orders, self.positions, self.reconciler, session)
        self.exits = ExitDesk(self.orders, self.positions, self.prices, self._exit_day)
        self.paused = False
        self.stopping = False
        self.blocked: dict[str, str] = {}
        self.silent_feeds: set[str] = set()
        self.day_over = False
        self.reconciled = False
        self._seq = 0
        self._dirty = False
        self._due_ms = 0
        self._armed_ms = _FAR_FUTURE_MS
        self._held: dict[str, list[Position]] = {}
        self._charges_paise = 0
        self._routes: dict[type[Event], Callable[[Any], object]] = {
            OrderSent: self.orders.on_sent,
            OrderAccepted: self.orders.on_accepted,
            OrderRefused: self.orders.on_refused,
            OutcomeUnknown: self.orders.on_unknown,
            OrderUpdated: self.reconciler.on_order_news,
            Filled: self.reconciler.on_order_news,
            SnapshotTaken: self._on_snapshot,
            SnapshotFailed: lambda event: self.reconciler.on_failed(event.message),
            BarsLoaded: self._on_bars_loaded,
            HistoryFailed: self.history.on_failed,
            MarginChecked: self.desk.margin.on_checked,
            EntriesBlocked: self._on_blocked,
            EntriesAllowed: self._on_allowed,
            FeedSilent: self._on_feed_silent,
            FeedBack: self._on_feed_back,
            TimerDue: self._on_timer,
            OperatorSaid: self._on_operator,
            Started: self._on_started,
            DataEnded: self._on_data_ended,
        }

    # ------------------------------------------------------------ the one entrance

    def handle(self, event: Event) -> tuple[Command, ...]:
        """Take one event and return the commands that follow from it, in the order to send them.

        Raises InvariantError only for a bug of ours, e.g. time running backwards; whatever markets
        and brokers do is handled.
        """
        if event.at_ms < self.orders.now_ms or event.seq <= self._seq:
            raise InvariantError(f"event {event.seq} is stamped before event {self._seq}")
        self._seq = event.seq
        self.orders.now_ms = event.at_ms
        if type(event) is Tick:
            self._on_tick(event)
        else:
            self._routes[type(event)](event)
            self._dirty = True
        if self._dirty or event.at_ms >= self._due_ms:
            self._settle()
        if not self.orders.commands:
            return ()
        commands = tuple(self.orders.commands)
        self.orders.commands.clear()
        return commands

    # ------------------------------------------------------------ looking

    @property
    def pnl_paise(self) -> int:
        """P&L of the day that counts for R: before charges, or after them where so set."""
        gross = self.positions.pnl_paise
        return gross - self._charges_paise if self.rules.r_net_of_charges else gross

    @property
    def charges_paise(self) -> int:
        """Estimated charges of all fills so far."""
        return self._charges_paise

    @property
    def r_milli(self) -> int:
        """R of the day in thousandths."""
        return r_milli(self.pnl_paise, self.rules)

    @property
    def entries_halted(self) -> bool:
        """Whether a safety rule or the operator's kill has stopped entries for the day."""
        return bool(
            self.positions.entries_stopped_by
            or self.desk.churn_tripped
            or self.positions.day_exit_reason == KILL_SWITCH
        )

    @property
    def entries_proven_over(self) -> bool:
        """Whether no entry of ours can fill any more."""
        return not self.unproven_entries()

    def unproven_entries(self) -> list[str]:
        """Ids of entries whose end is not proven, oldest first."""
        return [order.order_id for order in self.orders.live(purpose=Purpose.ENTRY)]

    def gate(self) -> str | None:
        """The reason why no entry may rest now, None when entries are allowed."""
        now = self.orders.now_ms
        if self.state is not TradingState.ENABLED:
            return f"state_{self.state}"
        if self.positions.day_exit_reason is not None:
            return "day_exit"
        if self.positions.entries_stopped_by is not None:
            return "entries_stopped"
        if self.stopping:
            return "stopping"
        if self.paused or self.positions.flattening:
            return "paused"
        if self.blocked:
            return f"blocked_{min(self.blocked)}"
        halt = self.reconciler.halt
        if halt is not None:
            return halt
        if now < self.session.first_entry_ms:
            return "before_first_entry"
        if now >= self.session.last_entry_ms:
            return "after_last_entry"
        if self.silent_feeds:
            return "feed_silent"
        return None

    # ------------------------------------------------------------ hearing

    def _on_tick(self, tick: Tick) -> None:
        state = self.market.on_tick(tick)
        if state is None:
            self._dirty |= self.market.dirty
            return
        symbol = tick.symbol
        if symbol in self.orders.live_symbols:
            self.orders.on_tick(symbol, tick.ltp_paise, quoted=tick.quoted)
            self._dirty |= not tick.quoted or bool(self.orders.called_open)
        held = self._held.get(symbol)
        if held is not None:
            if tick.quoted:
                self.prices.on_quote(symbol)
            for position in held:
                position.silent_alerted &= tick.quoted
                self.positions.mark(position, state.closing_price_paise, tick.at_ms)
            self._dirty |= self.exits.look(self.pnl_paise, held)
        if self.market.dirty:
            self._dirty = True

    def _on_started(self, event: Started) -> None:
        self.state = TradingState.RECONCILING
        self.prices.started_ms = event.at_ms
        bring_back(self.orders.orders.values(), event.at_ms)
        bring_back(self.positions.positions.values(), event.at_ms)
        self.positions.books_read_ms = min(self.positions.books_read_ms, event.at_ms)
        if event.at_ms > self.session.open_ms:
            self._miss_minutes()
        self.orders.say(Level.INFO, "RECONCILE", f"started in {event.mode} mode, reading the books")
        self.reconciler.ask("start")

    def _miss_minutes(self) -> None:
        if self.rules.history_required:
            self.market.miss_minutes()
            self.history.on_gap()

    def _on_bars_loaded(self, event: BarsLoaded) -> None:
        # The bar of a minute that still runs is not a bar, whatever history says.
        over = minute_start(event.at_ms)
        closed = tuple(bar for bar in event.bars if bar.minute_ms < over)
        self.market.on_bars_loaded(msgspec.structs.replace(event, bars=closed))
        self.history.on_loaded(event)

    def _on_blocked(self, event: EntriesBlocked) -> None:
        if event.cause not in self.blocked:
            text = f"no new entries ({event.cause}): {event.message}"
            self.orders.say(Level.ALERT, "ORDER", text, f"blocked:{event.cause}")
        self.blocked[event.cause] = event.message

    def _on_allowed(self, event: EntriesAllowed) -> None:
        if self.blocked.pop(event.cause, None) is not None:
            text = f"{event.cause} no longer keeps entries back"
            self.orders.say(Level.INFO, "ORDER", text, f"blocked:{event.cause}")

    def _on_snapshot(self, event: SnapshotTaken) -> None:
        self.reconciled = self.orders.ready = True
        self.reconciler.on_snapshot(event)
        if self.state is TradingState.RECONCILING:
            if self.day_over:
                self.state = TradingState.HALTED
            elif self.positions.day_exit_reason is not None:
                self.state = TradingState.EXIT_ONLY
                self.reconciler.hurry = True
            elif self.reconciler.missing.since_ms:
                return  # What we hold is protected; nothing is sold before the books add up.
            else:
                self.state = TradingState.ENABLED
            self.orders.say(Level.INFO, "RECONCILE", f"books read and reconciled: {self.state}")

    def _on_feed_silent(self, event: FeedSilent) -> None:
        self.silent_feeds.add(event.source)
        self._miss_minutes()
        self.orders.say(
            Level.ALERT,
            "ORDER",
            f"feed {event.source} is silent: no new entries, stops stay",
            "feed",
        )

    def _on_feed_back(self, event: FeedBack) -> None:
        self.silent_feeds.discard(event.source)
        self._miss_minutes()
        if self.reconciled:
            # Order updates may have been missed along with the prices.
            self.reconciler.ask("the feed is back")

    def _on_timer(self, _: TimerDue) -> None:
        # Whose timer it was is not known: the next deadline is asked for anew in any case. Twice is
        # harmless, and a deadline that nobody waits for would never come.
        self._armed_ms = _FAR_FUTURE_MS

    def _on_operator(self, event: OperatorSaid) -> None:
        verb = event.verb
        if verb == "pause":
            self.paused = True
        elif verb == "resume":
            self.paused = False
            self.desk.resume()
        elif verb == "flatten":
            self.paused = True
            self.positions.flatten()
        elif verb == "stop":
            self.stopping = True
        elif verb == "kill":
            self._exit_day(KILL_SWITCH)
        elif verb in ("stopday", "halt"):
            self.positions.stop_entries(f"{verb} by {event.by}")
        else:
            self.orders.say(Level.ALERT, "ORDER", f"{verb!r} is not a command", "operator")
            return
        self.orders.say(Level.INFO, "ORDER", f"{verb} by {event.by}", "operator")

    def _on_data_ended(self, event: DataEnded) -> None:
        self.market.close_bars(minute_start(event.at_ms) + MINUTE_MS)

    # ------------------------------------------------------------ one step's decisions

    def _settle(self) -> None:
        """Everything that follows from the event and from the time: safe to run at any time."""
        now = self.orders.now_ms
        self.desk.sync_protection()
        self._book()
        at_bar_close = self._close_bars()
        if self.reconciled:
            self.orders.on_time()
            self._book()
        if self.state is not TradingState.STARTING:
            self.reconciler.ask_if_due()
        if not self.reconciled:
            # What the broker holds is not known: nothing is sent before its books were read.
            self._hold()
            self._arm()
            return
        self.positions.squares_off = now >= self.session.square_off_ms
        if self.positions.squares_off and self.positions.day_exit_reason is None:
            self._exit_day(SQUARE_OFF)
        self.positions.drive_all()
        if self.positions.books_wanted:
            wanted, self.positions.books_wanted = self.positions.books_wanted, ""
            self.reconciler.ask(wanted, afresh=wanted == FLATTEN)
        self.prices.look(feed_silent=bool(self.silent_feeds))
        if self._history_wanted:
            self.history.ask_where_due()
        self._say_swings()
        self.desk.evaluate(self.gate(), at_bar_close=at_bar_close, stopping=self.stopping)
        self._finish_day()
        self._hold()
        self.market.dirty = False
        self._dirty = False
        self._arm()

    def _book(self) -> None:
        booked = self.positions.book_fills()
        self.reconciler.judge_booked(booked)
        if booked:
            self.count_charges()
            self._hold()
            self.exits.look(self.pnl_paise)

    def count_charges(self) -> None:
        """Estimate the charges of all fills so far anew."""
        self._charges_paise = sum(
            order_charges(
                self.session.date,
                order.side,
                order.filled_value_paise,
                self.rules.brokerage_per_order_paise,
            )
            for order in self.orders.orders.values()
        )

    def _hold(self) -> None:
        self._held = {}
        # Entries that fill after they were cancelled make several positions of a symbol.
        for position in self.positions.open.values():
            self._held.setdefault(position.symbol, []).append(position)
        self.market.watched = self.orders.live_symbols | self._held.keys()

    def _close_bars(self) -> bool:
        """Close the bars whose minute and grace are over; True when a minute was closed."""
        before = minute_start(self.orders.now_ms - self.rules.bar_grace_ms)
        if before <= self.market.closed_before_ms:
            return False
        self.market.close_bars(before)
        return True

    def _exit_day(self, reason: str) -> None:
        if self.positions.day_exit_reason is None:
            open_count = len(self.positions.open)
            closed = len(self.positions.positions) - open_count
            self.orders.say(
                Level.LOG,
                "R-CHECK",
                f"Cumulative R: {self.r_milli / 1000:+.1f}R ({closed} closed, {open_count} open)",
            )
            self.state = TradingState.EXIT_ONLY
            self.reconciler.hurry = True
        self.positions.close_all_positions(reason)

    def _say_swings(self) -> None:
        """One line for each new swing low that may be sold, and each new kind of bad tick."""
        for tick, reason in self.market.fresh_quarantines:
            price = rupee_text(tick.ltp_paise)
            self.orders.say(
                Level.LOG, "FILTER", f"{tick.symbol} at {price} quarantined: {reason}", reason
            )
        self.market.fresh_quarantines.clear()
        for swing in self.market.fresh_lows:
            self.orders.say(
                Level.LOG,
                "SWING",
                f"{swing.symbol} low {rupee_text(swing.price_paise)} of "
                f"{clock_text(swing.minute_ms)[:5]} passed the price filter",
            )
        self.market.fresh_lows.clear()

    def _finish_day(self) -> None:
        reason = self.positions.day_exit_reason
        if reason is not None and self.day_end.proven():
            # Looked at on and on: a fill that is heard of after the end opens the books again.
            self.day_over = True
            self.state = TradingState.HALTED
            self.day_end.conclude(reason, self.r_milli, self._charges_paise)

    # ------------------------------------------------------------ time

    def _arm(self) -> None:
        """Know the next deadline, and have the shell wake us no later than then."""
        now = self.orders.now_ms
        # What is overdue could not be done in this step; it is looked at again in a second.
        self._due_ms = min(due if due > now else now + SECOND_MS for due in self._deadlines())
        if self._due_ms < self._armed_ms:
            self._armed_ms = self._due_ms
            self.orders.commands.append(SetTimer(due_at_ms=self._due_ms))

    def _deadlines(self) -> list[int]:
        now = self.orders.now_ms
        due = [self.market.closed_before_ms + MINUTE_MS + self.rules.bar_grace_ms]
        due += self.orders.deadlines()
        due += self.positions.deadlines()
        due += self.desk.deadlines()
        due += self.prices.deadlines(feed_silent=bool(self.silent_feeds))
        if self.reconciled and self._history_wanted:
            due += self.history.deadlines()
        if self.state is not TradingState.STARTING:
            due += self.reconciler.deadlines()
        due += [
            instant
            for instant in (
                self.session.first_entry_ms,
                self.session.last_entry_ms,
                self.session.square_off_ms,
                self.session.hard_cut_ms,
            )
            if instant > now
        ]
        return due

    @property
    def _history_wanted(self) -> bool:
        """Whether bars of before can lead to anything: a feed is there, and entries may come."""
        return (
            not self.silent_feeds
            and self.positions.day_exit_reason is None
            and self.orders.now_ms < self.session.last_entry_ms
        )

    def _closing_price(self, symbol: str) -> int:
        return self.market.closing_price(symbol) or 0

    def open_unknowns(self) -> list[str]:
        """Ids of orders whose outcome is unknown, for the operator's eyes."""
        return [o.order_id for o in self.orders.live() if o.state is OrderState.UNKNOWN]
