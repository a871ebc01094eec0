"""Which entry rests at the broker: placing, switching, shrinking and cancelling of resting entries.

At most one working entry per option type. The first placement and a disqualification act at once, a
switch waits for the close of the minute's bars, and nothing replaces an order whose end is not proven
(docs/strategy.md, sections 4 to 6).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from baseline_v1_live.core.instruments import OptionType, round_up, rupee_text
from baseline_v1_live.core.margin_desk import MARGIN_ASKED, MarginDesk
from baseline_v1_live.core.market import Market
from baseline_v1_live.core.messages import Level, OrderType, Purpose, Side
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.risk import entry_quantity, limit_reached
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.position_tracker import PositionTracker
from baseline_v1_live.strategy.strike_filter import Candidate, best_of

NO_LOT = "no_lot"
HELD = "held"
ORDER_UNKNOWN = "order_unknown"
CLOSED_OUTSIDE = "closed_outside"
BLOCKED = "blocked_after_refusal"
DATA_STALE = "data_stale"
DATA_DEAD = "data_dead"
MINUTES_MISSING = "minutes_missing"
LEFT_BEHIND = "left_behind"
SPENT = "spent"
CHURN = "churn_breaker"
REFUSED_BY_BROKER = "refused_by_broker"
SWITCH = "switch"
CHANGE_FAILED = "change_failed"
STOPPING = "stopping"
NOT_SENT = "not_sent"


class Working(msgspec.Struct):
    """A live entry and the candidate that it rests on."""

    order: Order
    candidate: Candidate
    deferred_to: str = ""


class EntryDesk:
    """Decides on entries; reads the market, the orders and the positions."""

    def __init__(self, orders: OrderManager, positions: PositionTracker, market: Market) -> None:
        self.rules = orders.rules
        self.orders = orders
        self.positions = positions
        self.market = market
        self.margin = MarginDesk(orders)
        self.rejections: Counter[str] = market.rejections
        self.churn_tripped = False
        self.working: dict[OptionType, Working] = {}
        self.best: dict[OptionType, str] = {}
        self._hold_until_bar_close: set[OptionType] = set()
        self._blocked_until: dict[str, int] = {}
        self.cancelled_at: dict[str, int] = {}
        self.replacements: list[tuple[int, str]] = []
        self._skipped: dict[OptionType, str] = {}

    # ------------------------------------------------------------ the one entrance

    def evaluate(self, gate: str | None, *, at_bar_close: bool, stopping: bool = False) -> None:
        """Bring the resting entries to what is wanted now.

        ``gate`` is the reason why no entry may rest at all, None when entries are allowed.
        ``stopping`` says that the process ends in a moment: no cancel waits for an answer.
        """
        if stopping:
            for order in list(self.orders.live(purpose=Purpose.ENTRY)):
                self.orders.cancel(order, STOPPING)
        for option_type in OptionType:
            working = self.working.get(option_type)
            if working is not None and not working.order.live:
                self._end(option_type, working)
                working = None
            if at_bar_close:
                self._hold_until_bar_close.discard(option_type)
            if working is not None:
                self._tend(option_type, working, gate, at_bar_close)
            elif gate is None:
                self._place_best(option_type)
            else:
                self.best.pop(option_type, None)
        self._cancel_beyond_limits()
        self._cancel_strays()

    def _cancel_beyond_limits(self) -> None:
        """A resting entry whose slot a late fill or an adopted short has taken is cancelled at once."""
        for option_type, working in self.working.items():
            order = working.order
            if not order.cancel_wanted and order.position_id not in self.positions.open:
                reason = limit_reached(option_type, self._occupied(beside=order), self.rules)
                if reason is not None:
                    self._cancel(working, reason)

    def _cancel_strays(self) -> None:
        """An entry that was given up and turns up alive after all is taken out again."""
        working = [working.order for working in self.working.values()]
        for order in list(self.orders.live(purpose=Purpose.ENTRY)):
            if order not in working and not order.cancel_wanted:
                self.orders.cancel(order, "given up before", ask_first=True)

    def sync_protection(self) -> None:
        """Store with each working entry where its position would be stopped, as of now."""
        for working in self.working.values():
            tick = working.candidate.contract.tick_paise
            # An order that a newer swing nearby did not move still sells at its own low.
            offset = self.rules.entry_trigger_ticks * tick
            low = working.order.trigger_price_paise + offset
            # A high off the tick must not keep the stop from being placed.
            stop = round_up(working.candidate.stop_paise, tick)
            if (low, stop) != (working.order.swing_low_paise, working.order.protect_trigger_paise):
                working.order.swing_low_paise = low
                working.order.protect_trigger_paise = stop
                self.orders.keep(working.order)

    def resume(self) -> None:
        """The operator lifts the churn breaker."""
        self.churn_tripped = False
        self.replacements.clear()

    def deadlines(self) -> Iterator[int]:
        """Instants at which an evaluation has something to decide without any news."""
        now = self.orders.now_ms
        yield from self.margin.deadlines()
        for until in self._blocked_until.values():
            if until > now:
                yield until
        for working in self.working.values():
            order = working.order
            if order.cancel_wanted:
                continue
            if order.triggered_at_ms is not None:
                yield order.triggered_at_ms + self.rules.left_behind_ms
            dead = self.market.silent_from_ms(order.symbol, self._dead_ms)
            if dead is not None:
                yield dead

    # ------------------------------------------------------------ choosing

    def rankable(self, option_type: OptionType) -> list[Candidate]:
        """Candidates that stage 3 may choose from now: qualified, not held, blocked or stale."""
        working = self.working.get(option_type)
        return [
            candidate
            for candidate in self.market.candidates(option_type)
            if self.obstacle(candidate, working) is None
        ]

    def obstacle(self, candidate: Candidate, working: Working | None) -> str | None:
        """Why a candidate that is not spent may not be entered now, None if it may."""
        reason = candidate.stage_two()
        if reason is not None:
            return reason
        symbol = candidate.symbol
        if working is not None and working.order.symbol == symbol:
            return None
        now = self.orders.now_ms
        if self.positions.held(symbol) is not None:
            return HELD
        if symbol in self.positions.no_reentry:
            return CLOSED_OUTSIDE
        if self._blocked_until.get(symbol, 0) > now:
            return BLOCKED
        if self.orders.has_unknown(symbol):
            return ORDER_UNKNOWN
        if symbol in self.market.minutes_missing:
            return MINUTES_MISSING
        if self.market.silent_ms(symbol) >= self._stale_ms:
            return DATA_STALE
        if not self._size(candidate):
            return NO_LOT
        return None

    def _size(self, candidate: Candidate) -> int:
        return entry_quantity(candidate.stop_points_paise, candidate.contract, self.rules)

    @property
    def _stale_ms(self) -> int:
        return max(self.rules.symbol_stale_ms, 3 * self.rules.snapshot_cadence_ms)

    @property
    def _dead_ms(self) -> int:
        return max(self.rules.symbol_dead_ms, 3 * self.rules.snapshot_cadence_ms)

    # ------------------------------------------------------------ placing

    def _place_best(self, option_type: OptionType) -> None:
        if option_type in self._hold_until_bar_close or self._has_entry(option_type):
            return
        best = best_of(self.rankable(option_type))
        if best is None:
            self.best.pop(option_type, None)
            self._say_no_lot(option_type)
            return
        quantity = self._size(best)
        refusal = self._refusal(option_type) or self.margin.obstacle(best, quantity)
        if refusal is not None:
            if refusal != MARGIN_ASKED:
                self._skip(option_type, best.symbol, refusal)
            return
        order = self.orders.place(
            symbol=best.symbol,
            side=Side.SELL,
            order_type=OrderType.SL,
            purpose=Purpose.ENTRY,
            quantity=quantity,
            trigger_price_paise=best.trigger_paise,
            limit_price_paise=best.limit_paise,
            reason=best.describe(),
        )
        if order is None:
            self._blocked_until[best.symbol] = self.orders.now_ms + self.rules.refusal_block_ms
            return
        self._skipped.pop(option_type, None)
        self._show_best(option_type, best)
        best.ordered = True
        self.working[option_type] = Working(order, best)
        self.sync_protection()
        self._count_replacement(best.symbol)

    def _has_entry(self, option_type: OptionType) -> bool:
        """Whether an entry of this type is alive that is not worked here: restored, or given up."""
        return any(
            self.orders.contracts[order.symbol].option_type is option_type
            for order in self.orders.live(purpose=Purpose.ENTRY)
        )

    def _refusal(self, option_type: OptionType) -> str | None:
        if self.churn_tripped:
            return CHURN
        if any(
            order.state is OrderState.UNKNOWN
            and self.orders.contracts[order.symbol].option_type is option_type
            for order in self.orders.live()
        ):
            return ORDER_UNKNOWN
        return limit_reached(option_type, self._occupied(), self.rules)

    def _occupied(self, *, beside: Order | None = None) -> list[OptionType]:
        """The type of each slot in use: positions, and entries that may still open one.

        Where it is about whether the entry ``beside`` may stay, those that are being cancelled do not
        count: one of two goes, not both.
        """
        slots = [position.option_type for position in self.positions.open.values()]
        for order in self.orders.live(purpose=Purpose.ENTRY):
            leaving = beside is not None and (order is beside or order.cancel_wanted)
            if order.position_id not in self.positions.open and not leaving:
                slots.append(self.orders.contracts[order.symbol].option_type)
        return slots

    def _skip(self, option_type: OptionType, symbol: str, reason: str) -> None:
        """Count a refusal once, not again on every tick that it lasts."""
        if self._skipped.get(option_type) != reason:
            self._skipped[option_type] = reason
            self.rejections[reason] += 1
            self.orders.say(Level.LOG, "FILTER", f"{symbol} not entered: {reason}")

    def _say_no_lot(self, option_type: OptionType) -> None:
        """Nothing can be sold: say so when it is because R does not pay for one lot."""
        for candidate in self.market.candidates(option_type):
            if self.obstacle(candidate, None) == NO_LOT:
                self._skip(option_type, candidate.symbol, NO_LOT)
                return

    def _count_replacement(self, symbol: str) -> None:
        now = self.orders.now_ms
        since = now - self.rules.churn_window_ms
        # After a restart under a clock that was put back some may lie ahead of it: they do not count.
        if not since <= self.cancelled_at.get(symbol, -1) <= now:
            return
        counted = [(at, name) for at, name in self.replacements if since <= at <= now]
        self.replacements = [*counted, (now, symbol)]
        same = sum(1 for _, name in self.replacements if name == symbol)
        if (
            same >= self.rules.churn_symbol_max
            or len(self.replacements) >= self.rules.churn_total_max
        ):
            self.churn_tripped = True
            self.rejections[CHURN] += 1
            self.orders.say(
                Level.CRITICAL,
                "ORDER",
                f"churn breaker: {same} re-placements of {symbol}, {len(self.replacements)} in "
                "all; no more entries until resume",
                CHURN,
            )

    def _show_best(self, option_type: OptionType, best: Candidate) -> None:
        if self.best.get(option_type) == best.symbol:
            return
        self.best[option_type] = best.symbol
        text = f"best {option_type}: {best.symbol}, {best.describe()}"
        self.orders.say(Level.LOG, "FILTER", text, f"best:{option_type}")

    # ------------------------------------------------------------ tending

    def _tend(
        self, option_type: OptionType, working: Working, gate: str | None, at_bar_close: bool
    ) -> None:
        order, candidate = working.order, working.candidate
        if order.cancel_wanted:
            return
        if gate is not None:
            self._cancel(working, gate)
            return
        if order.triggered_at_ms is not None or order.filled_quantity:
            self._tend_triggered(working)
            return
        if self.market.silent_ms(order.symbol) >= self._dead_ms:
            self._cancel(working, DATA_DEAD)
            return
        self._take_newer_swing(working)
        candidate = working.candidate
        if order.changes_failed >= self.rules.exit_tries:
            self._cancel(working, CHANGE_FAILED)
            return
        # The break is the entry, never a reason to cancel: a swing that broke above the order's own
        # trigger leaves the order to its trigger. One that broke at it, unseen, is spent.
        spent = candidate.spent and candidate.trigger_paise <= order.trigger_price_paise
        reason = SPENT if spent else candidate.stage_two()
        if reason is not None:
            self.rejections[reason] += 1
            self._cancel(working, reason)
            return
        quantity = self._size(candidate)
        if quantity == 0:
            self.rejections[NO_LOT] += 1
            self._cancel(working, NO_LOT)
        elif quantity < order.quantity:
            self.orders.modify(order, quantity=quantity)
        self._consider_switch(option_type, working, at_bar_close)

    def _tend_triggered(self, working: Working) -> None:
        """A triggered entry that its limit leaves behind is cancelled; its fills stay."""
        order = working.order
        self.market.spend(working.candidate)
        since = order.triggered_at_ms or order.changed_at_ms
        if order.triggered_at_ms is None:
            order.triggered_at_ms = since
        if self.orders.now_ms >= since + self.rules.left_behind_ms:
            self._cancel(working, LEFT_BEHIND)

    def _take_newer_swing(self, working: Working) -> None:
        """Same symbol, newer swing: the order moves to it, by modify when the trigger moves enough."""
        order = working.order
        newer = self.market.symbols[order.symbol].candidate
        if newer is None or newer.spent or newer.stage_two():
            return
        far = abs(newer.trigger_paise - order.trigger_price_paise) >= (
            self.rules.modify_threshold_paise
        )
        if newer is working.candidate and (order.change or not far):
            return  # Where its change was refused or got lost, it is asked for once more.
        if far:
            quantity = self._size(newer)
            if not self.margin.known_enough(order.symbol, quantity):
                quantity = min(quantity, order.quantity)
            if not quantity or not self.orders.modify(
                order,
                quantity=quantity,
                trigger_price_paise=newer.trigger_paise,
                limit_price_paise=newer.limit_paise,
            ):
                return
            self.orders.say(
                Level.LOG,
                "ORDER",
                f"moving entry {order.symbol} to trigger {rupee_text(newer.trigger_paise)}",
            )
            order.reason = newer.describe()
        old = working.candidate
        if old is newer:
            return
        working.candidate = newer
        newer.ordered = True
        self.market.let_go(old)
        self.sync_protection()

    def _consider_switch(
        self, option_type: OptionType, working: Working, at_bar_close: bool
    ) -> None:
        candidates = [c for c in self.rankable(option_type) if c.symbol != working.order.symbol]
        best = best_of([working.candidate, *candidates])
        if best is None or best is working.candidate:
            working.deferred_to = ""
            return
        working.deferred_to = best.symbol
        if at_bar_close:
            self._show_best(option_type, best)
            self.orders.say(
                Level.LOG,
                "FILTER",
                f"switching {option_type} from {working.order.symbol} to {best.symbol}: "
                f"{best.describe()}",
            )
            self._cancel(working, SWITCH)

    def _cancel(self, working: Working, reason: str) -> None:
        self.orders.cancel(working.order, reason, ask_first=True)

    # ------------------------------------------------------------ ending

    def _end(self, option_type: OptionType, working: Working) -> None:
        """An entry is over: free its slot and remember what must not happen again."""
        order, candidate = working.order, working.candidate
        del self.working[option_type]
        self.market.let_go(candidate)
        if order.filled_quantity:
            self.market.spend(candidate)
            if working.deferred_to or order.cancel_wanted:
                # It filled while it was to be replaced: the switch is dropped, and the next entry
                # of this type is a new decision at the next bar close.
                self._hold_until_bar_close.add(option_type)
        elif order.state is OrderState.CANCELLED and order.cancel_wanted:
            self.cancelled_at[order.symbol] = self.orders.now_ms
            if order.cancel_reason == LEFT_BEHIND:
                self.market.spend(candidate)
                self.rejections[LEFT_BEHIND] += 1
        elif not order.sent:
            # Nobody has refused it and the swing is still there: it may be tried again in a while.
            self._blocked_until[order.symbol] = self.orders.now_ms + self.rules.refusal_block_ms
            self.rejections[NOT_SENT] += 1
        else:
            self.market.spend(candidate)
            self._blocked_until[order.symbol] = self.orders.now_ms + self.rules.refusal_block_ms
            self.rejections[REFUSED_BY_BROKER] += 1
            self.orders.say(
                Level.ALERT,
                "ORDER",
                f"entry {order.symbol} {order.state}: {order.message or 'no reason given'}; "
                f"blocked for {self.rules.refusal_block_ms // 1000} s",
                f"entry_refused:{order.symbol}",
            )
