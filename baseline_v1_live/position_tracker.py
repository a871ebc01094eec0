"""PURE: fills to positions, the cover of every short, R of the day, and closing everything.

Positions are driven by comparing what is wanted with what is: each call of ``drive_all`` looks at the
open quantity and the live orders of a position and takes the next step, so it may be called at any
time and after any surprise. It decides and emits commands; it never calls a broker.
"""

from __future__ import annotations

from collections.abc import Iterator

from baseline_v1_live.core.instruments import round_up, rupee_text
from baseline_v1_live.core.messages import Level, OrderType, Purpose, Side
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_requests import CHASED_OUT
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.position import (
    FIXED_TARGET,
    FLATTEN,
    LONG_CORRECTION,
    OVER_RISK,
    STOP_FAILED,
    STOP_LOSS,
    Position,
)
from baseline_v1_live.core.position_book import PositionBook
from baseline_v1_live.core.risk import excess_quantity, stage_part
from baseline_v1_live.order_manager import OrderManager

_NOT_SENT_RETRY_MS = 1_000
_UNSEEN_RETRY_MS = 5_000


class PositionTracker(PositionBook):
    """All positions of the session, what is wanted of each, and the exit of the day.

    ``strangers_short`` are units that the newest books showed short beyond ours, by symbol.
    ``squares_off`` says that it is the square-off's time, whatever has ended the day before.
    ``books_read_ms`` is when those had been asked for, before a restart or since, 0 before the first.
    """

    def __init__(self, order_manager: OrderManager) -> None:
        super().__init__(order_manager)
        self.day_exit_reason: str | None = None
        self.squares_off = False
        self.entries_stopped_by: str | None = None
        self.doubtful: dict[str, int] = {}
        self.strangers_short: dict[str, int] = {}
        self.books_read_ms = 0
        self.books_wanted = ""
        self.flattening = False
        self.stop_failures = 0
        self.failures_seen: set[str] = set()

    def deadlines(self) -> Iterator[int]:
        """Instants at which ``drive_all`` has a retry to make."""
        for position in self.open.values():
            now = self.orders.now_ms
            for due in (position.exit_due_ms, position.stop_due_ms, self._books_due_ms(position)):
                if due > now:
                    yield due

    # ------------------------------------------------------------ deciding

    def close_all_positions(self, exit_reason: str) -> None:
        """Close the day: cancel every entry, then every stop, and buy back what is open.

        The first reason wins; calling again changes nothing. Positions are closed side by side, each
        at its own pace; a fill that comes later is closed as well.
        """
        if self.day_exit_reason is not None:
            return
        self.day_exit_reason = exit_reason
        self.orders.say(Level.LOG, "EXIT", f"DAILY EXIT TRIGGERED: {exit_reason}")
        self.orders.say(Level.LOG, "EXIT", "Cancelling all pending orders...")
        self._cancel_entries(exit_reason)
        self.drive_all()

    def flatten(self) -> None:
        """Close everything now without ending the day; it holds until all is flat."""
        self.flattening = True
        self._cancel_entries(FLATTEN)
        self.drive_all()

    def _cancel_entries(self, reason: str) -> None:
        for order in list(self.orders.live(purpose=Purpose.ENTRY)):
            if self.orders.ready:
                self.orders.cancel(order, reason)

    def want_exit(self, position: Position, reason: str) -> None:
        """Close one position whole; the first reason stays."""
        if not position.exit_wanted:
            position.exit_wanted = reason
            self.changed[position.position_id] = position

    def stop_entries(self, why: str) -> None:
        """No more entries today; the first cause stays and is said once."""
        if self.entries_stopped_by is None:
            self.entries_stopped_by = why
            self.orders.say(
                Level.CRITICAL, "EXIT", f"entries stopped for the day: {why}", "entries_stopped"
            )

    def drive_all(self) -> None:
        """Take the next step for every position that is open or not proven closed."""
        if not self.orders.ready:
            return
        all_wanted = self.day_exit_reason or (FLATTEN if self.flattening else "")
        for position in self.open.values() if all_wanted else ():
            self.want_exit(position, all_wanted)
        self.set_off()
        for position in list(self.open.values()):
            self._drive(position)
        if self.flattening and self.flat:
            self.flattening = False
            self.books_wanted = FLATTEN

    def _drive(self, position: Position) -> None:
        """Take the position's next step: protect it, close it, correct it, or declare it closed."""
        wanted = position.exit_wanted
        self._take_step(position)
        if position.exit_wanted != wanted:
            self._take_step(position)  # It has just failed to be protected.

    def _take_step(self, position: Position) -> None:
        if position.exit_wanted or position.exit_reason == STOP_LOSS:
            # The entry's rest would open again what is being closed.
            self._cancel_all(position, Purpose.ENTRY, position.exit_wanted or STOP_LOSS)
        self._learn_from_stops(position)
        self._trim_after_entry(position)
        open_quantity = position.open_quantity
        if open_quantity < 0:
            self._sell_long(position)
            return
        self._cancel_all(position, Purpose.CORRECTION, "no longer long")
        exit_target = self._exit_target(position)
        if exit_target:
            self._back_off_after_refusals(position)
        bare = self._bare(position, exit_target)
        self._cancel_surplus_exits(position, exit_target)
        covered = self._adjust_stop(position, open_quantity - exit_target + bare)
        if exit_target and covered:
            self._buy_back(position, exit_target)
        if open_quantity == 0:
            self._close(position)

    # ------------------------------------------------------------ steps

    def _exit_target(self, position: Position) -> int:
        """Units to be bought back now: all, or the parts that are wanted and not bought yet."""
        if position.exit_wanted:
            return position.open_quantity
        original = position.entry_quantity - position.surplus_quantity
        staged = position.stages * stage_part(original, position.lot_size, self.rules)
        parts = position.trim_quantity + max(staged - position.staged_quantity, 0)
        return min(parts, position.open_quantity)

    def _bare(self, position: Position, exit_target: int) -> int:
        """Units to be bought back that a stop covers meanwhile: their exit got lost, or was refused so
        often that the next one waits. From the square-off on there is no stop.
        """
        if self.squares_off:
            return 0
        bare = self.orders.unseen_exits(position.position_id)
        refused = position.exit_attempts >= self.rules.exit_tries
        if refused and self.orders.now_ms < position.exit_due_ms:
            exits = self.orders.live_of(position.position_id, Purpose.EXIT)
            bare += max(exit_target - sum(order.remaining for order in exits), 0)
        return min(bare, exit_target)

    def _trim_after_entry(self, position: Position) -> None:
        """Once, when the entry is over: whole lots whose risk exceeds R are to be bought back."""
        if position.trim_checked or self.orders.live_of(position.position_id, Purpose.ENTRY):
            return
        position.trim_checked = True
        excess = excess_quantity(
            position.entry_quantity,
            position.entry_value_paise,
            position.stop_trigger_paise,
            position.lot_size,
            self.rules,
        )
        position.trim_quantity = min(excess, max(position.open_quantity, 0))
        position.surplus_quantity = position.trim_quantity
        if position.trim_quantity:
            self.orders.say(
                Level.INFO,
                "ORDER",
                f"{position.symbol}: risk after the fill exceeds R, "
                f"buying back {position.trim_quantity}",
            )

    def _adjust_stop(self, position: Position, target: int) -> bool:
        """Bring the protective stop to ``target`` units; True when no more than that can fill by it.

        A stop of unknown outcome that the books do not show neither covers nor reserves anything: a
        short must not stand open until the gateway's horizon has passed. Should both turn up, one
        is cancelled at once, and what both bought too much is sold again.
        """
        live = self.orders.live_of(position.position_id, Purpose.STOP)
        stops = [stop for stop in live if not self.orders.unseen_stop(stop)]
        if target == 0:
            for stop in live:
                if position.exit_wanted and not stop.cancel_wanted:
                    self.orders.say(Level.LOG, "EXIT", f"Cancelling SL for {position.symbol}")
                self.orders.cancel(stop, position.exit_wanted or "flat")
            return not stops
        if not stops:
            # What the newest snapshot misses at the broker may be closed: the next one decides.
            target -= max(self.doubtful.get(position.symbol, 0), 0)
            if target > 0:
                self._place_stop(position, target)
            return True
        # The one that is known to rest and fits best is kept, the oldest of those.
        stop = min(
            stops,
            key=lambda s: (
                s.cancel_wanted,
                s.trigger_price_paise > position.stop_trigger_paise,
                not s.resting,
                s.remaining != target,
            ),
        )
        for extra in stops:
            if extra is not stop:
                self.orders.cancel(extra, "a second stop")
        if stop.triggered_at_ms is not None:
            self._cancel_all(position, Purpose.ENTRY, STOP_LOSS)
        if stop.remaining != target and not stop.change:
            self._resize_stop(stop, target)
        settled = not any(s.change or s.shrunk_to is not None for s in stops)
        return settled and sum(s.remaining for s in stops) <= target

    def _resize_stop(self, stop: Order, target: int) -> None:
        """One that waits for its trigger and that the broker does not resize is replaced by another."""
        stuck = stop.changes_failed >= self.rules.exit_tries and stop.triggered_at_ms is None
        if not stuck:
            self.orders.modify(stop, quantity=stop.filled_quantity + target)
        elif not stop.cancel_wanted:
            self.orders.say(
                Level.CRITICAL,
                "ORDER",
                f"{stop.symbol}: the stop of {stop.remaining} could not be changed to {target} "
                f"({stop.message or 'no reason given'}); it is replaced",
                f"stop_stuck:{stop.symbol}",
            )
            self.orders.cancel(stop, "cannot be resized")

    def _place_stop(self, position: Position, quantity: int) -> None:
        now = self.orders.now_ms
        if now < position.stop_due_ms:
            return
        on_their_way = self.orders.live(position.symbol, Purpose.STOP)
        if any(order.state is OrderState.IN_FLIGHT for order in on_their_way):
            return
        if self._too_many_unseen(position):
            return
        contract = self.orders.contracts[position.symbol]
        trigger = position.stop_trigger_paise
        stop = self.orders.place(
            symbol=position.symbol,
            side=Side.BUY,
            order_type=OrderType.SL,
            purpose=Purpose.STOP,
            quantity=min(quantity, contract.order_quantity_max),
            trigger_price_paise=trigger,
            limit_price_paise=round_up(
                trigger + self.rules.stop_limit_offset_paise, contract.tick_paise
            ),
            reason="protect",
            position_id=position.position_id,
        )
        if stop is None:
            # Refused by ourselves: the short is as naked as if the broker had refused.
            position.stop_due_ms = now + _NOT_SENT_RETRY_MS
            self._count_stop_failure(position, "not sendable")

    def _too_many_unseen(self, position: Position) -> bool:
        """Whether so many stops got lost that the next one has to wait: the position is closed instead.

        Each of them may be real where the gateway's books lag behind, so the pauses between them grow;
        but the exit may get lost as well, and then only another stop covers.
        """
        live = self.orders.live_of(position.position_id, Purpose.STOP)
        unseen = [stop for stop in live if self.orders.unseen_stop(stop)]
        if len(unseen) < self.rules.unseen_stops_max:
            return False
        newest_ms = max(stop.placed_at_ms for stop in unseen)
        doublings = len(unseen) - self.rules.unseen_stops_max
        wait_ms = min(_UNSEEN_RETRY_MS << doublings, self.rules.gateway_horizon_ms)
        if self.orders.now_ms >= newest_ms + wait_ms:
            return False
        if not position.exit_wanted:
            self._count_stop_failure(position, f"lost {len(unseen)} times")
            self.want_exit(position, STOP_FAILED)
        return True

    def _learn_from_stops(self, position: Position) -> None:
        """A stop that ended without our asking is a failure: once more at once, then market exit."""
        for stop in self.orders.ended_of(position.position_id, Purpose.STOP):
            if stop.order_id in self.failures_seen:
                continue
            self.failures_seen.add(stop.order_id)
            if stop.state is OrderState.FILLED:
                continue
            if stop.state is OrderState.NOT_PLACED and self.orders.was_unseen(stop):
                continue  # Said and replaced long ago.
            if stop.cancel_wanted:
                if stop.cancel_reason == CHASED_OUT:
                    self.want_exit(position, STOP_LOSS)
                continue
            if not stop.sent:
                position.stop_due_ms = self.orders.now_ms + _NOT_SENT_RETRY_MS
                self.orders.say(
                    Level.CRITICAL,
                    "ORDER",
                    f"{position.symbol}: stop not sent, gateway unreachable; trying again",
                    f"stop_not_sent:{position.symbol}",
                )
                continue
            why = f"{stop.state} by the broker ({stop.message or 'no reason given'})"
            self._count_stop_failure(position, why)
            if position.stop_failures > 1:
                # Wanted again only where an exit got lost or is refused. Refused at once each time, stops
                # would use up all order messages that the next exit needs; one that rested does not.
                position.stop_due_ms = stop.placed_at_ms + self.rules.exit_retry_late_ms

    def _count_stop_failure(self, position: Position, why: str) -> None:
        position.stop_failures += 1
        self.stop_failures += 1
        self.orders.say(
            Level.CRITICAL,
            "ORDER",
            f"{position.symbol}: protective stop {why}",
            f"stop_failed:{position.symbol}",
        )
        if position.stop_failures > 1 and position.open_quantity > 0:
            self.want_exit(position, STOP_FAILED)
        if self.stop_failures >= self.rules.stop_failures_max:
            self.stop_entries(f"{self.stop_failures} protective stops failed")

    def _buy_back(self, position: Position, target: int) -> None:
        """Buy what is neither bought nor reserved by an exit that may still fill."""
        exits = self.orders.live_of(position.position_id, Purpose.EXIT)
        # What the newest snapshot misses at the broker is not bought until the next one decides.
        doubtful = max(self.doubtful.get(position.symbol, 0), 0)
        live = sum(order.remaining for order in exits)
        need = target - doubtful - live
        if need > 0 and self._books_must_be_read(position):
            return
        if need <= 0 or self.orders.now_ms < position.exit_due_ms:
            return
        if any(order.state is OrderState.IN_FLIGHT for order in exits):
            return
        quantity, reason, limit = self._next_purchase(position, need, exits)
        self.orders.place_exit(
            position.symbol,
            min(quantity, self.orders.contracts[position.symbol].order_quantity_max),
            Side.BUY,
            reason,
            position_id=position.position_id,
            limit_price_paise=limit,
        )

    def _next_purchase(
        self, position: Position, need: int, exits: list[Order]
    ) -> tuple[int, str, int]:
        """Units, reason and limit price (paise, 0: at market) of the next order that buys back.

        Only what takes a profit has a limit, and not after a refusal: then it is time to get out.
        """
        symbol, reason = position.symbol, position.exit_wanted
        if not reason:
            surplus = position.trim_quantity - sum(
                order.remaining for order in exits if order.reason == OVER_RISK
            )
            if surplus > 0:
                return min(need, surplus), OVER_RISK, 0
            reason = position.stage_reason
            price = self.orders.prices.closing_price(symbol) or position.mark_paise
            limit = round_up(price, self.orders.contracts[symbol].tick_paise)
        else:
            taken = reason == FIXED_TARGET and not self.flattening and self.day_exit_reason is None
            limit = (self.own_target(position) or 0) if taken else 0
        return need, reason, 0 if position.exit_attempts else limit

    def _books_must_be_read(self, position: Position) -> bool:
        """Whether an exit of ours was cancelled since the books were last read: what it left over
        may have been closed by somebody else. Waited for, but not for long.
        """
        due_ms = self._books_due_ms(position)
        if due_ms:
            self.books_wanted = "an exit was cancelled"
        return self.orders.now_ms < due_ms

    def _books_due_ms(self, position: Position) -> int:
        """Until when a purchase waits for books newer than a cancelled exit, 0 when they are read."""
        ended_ms = max(
            (
                order.closed_at_ms or 0
                for order in self.orders.ended_of(position.position_id, Purpose.EXIT)
                if order.state is OrderState.CANCELLED
            ),
            default=-1,
        )
        return 0 if self.books_read_ms > ended_ms else ended_ms + self.rules.exit_retry_ms

    def _cancel_surplus_exits(self, position: Position, target: int) -> None:
        """An exit that would buy more than is wanted, such as one that turned up when its short was
        closed, must not be worked any more.
        """
        exits = self.orders.live_of(position.position_id, Purpose.EXIT)
        if sum(order.remaining for order in exits) > target:
            self._cancel_all(position, Purpose.EXIT, "more than is open")

    def _cancel_all(self, position: Position, purpose: Purpose, reason: str) -> None:
        for order in self.orders.live_of(position.position_id, purpose):
            self.orders.cancel(order, reason)

    def _back_off_after_refusals(self, position: Position) -> None:
        """Three tries two seconds apart, then one every five seconds with an alarm. An order that was
        taken after all, though not filled, begins the tries anew.
        """
        for purpose in (Purpose.EXIT, Purpose.CORRECTION):
            refused = False
            for order in self.orders.ended_of(position.position_id, purpose):
                taken = order.filled_quantity > 0 or (
                    refused and order.state is OrderState.CANCELLED
                )
                refused = order.state in (OrderState.REFUSED, OrderState.REJECTED)
                if order.order_id in self.failures_seen:
                    continue
                self.failures_seen.add(order.order_id)
                if not order.remaining or order.cancel_wanted:
                    continue
                if order.state is OrderState.NOT_PLACED:
                    continue  # Looked for long enough: the next one goes out at once.
                position.exit_attempts = 1 if taken else position.exit_attempts + 1
                late = position.exit_attempts >= self.rules.exit_tries
                wait = self.rules.exit_retry_late_ms if late else self.rules.exit_retry_ms
                position.exit_due_ms = self.orders.now_ms + wait
                self.orders.say(
                    Level.CRITICAL if late else Level.ALERT,
                    "MARKET-EXIT",
                    f"{position.symbol} exit {order.state} "
                    f"({order.message or 'no reason given'}), try {position.exit_attempts}; "
                    f"again in {wait // 1000} s",
                    f"exit_failed:{position.symbol}",
                )

    def _sell_long(self, position: Position) -> None:
        """Our own orders bought more than was sold: sell exactly that, and stop entries."""
        self.stop_entries(f"{position.symbol} became long by our own orders")
        self._cancel_all(position, Purpose.STOP, "over-bought")
        self._cancel_all(position, Purpose.EXIT, "over-bought")
        self._back_off_after_refusals(position)
        corrections = self.orders.live_of(position.position_id, Purpose.CORRECTION)
        doubtful = max(self.doubtful.get(position.symbol, 0), 0)
        need = -position.open_quantity - sum(order.remaining for order in corrections)
        if need < 0:
            self._cancel_all(position, Purpose.CORRECTION, "more than is long")
        # Beside a short of somebody else ours has closed a part of that, and a sale would open one: the
        # next books say how much of ours is gone.
        need -= doubtful + self.strangers_short.get(position.symbol, 0)
        if need <= 0 or self.orders.now_ms < position.exit_due_ms:
            return
        if any(order.state is OrderState.IN_FLIGHT for order in corrections):
            return
        self.orders.place_exit(
            position.symbol,
            min(need, self.orders.contracts[position.symbol].order_quantity_max),
            Side.SELL,
            LONG_CORRECTION,
            purpose=Purpose.CORRECTION,
            position_id=position.position_id,
        )

    def _close(self, position: Position) -> None:
        """Declare a flat position closed once nothing of it can still fill."""
        if any(order.position_id == position.position_id for order in self.orders.live()):
            return
        position.closed_at_ms = self.orders.now_ms
        self.open.pop(position.position_id, None)
        self._sum_closed()
        self.changed[position.position_id] = position
        sign = "+" if position.pnl_paise >= 0 else "-"
        self.orders.say(
            Level.INFO,
            "EXIT",
            f"{position.symbol} closed: {position.exit_reason}, "
            f"P&L {sign}{rupee_text(abs(position.pnl_paise))}, {position.r_milli / 1000:+.2f}R",
        )
