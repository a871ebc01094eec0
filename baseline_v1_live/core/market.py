"""What the market has shown: per symbol the last good price, bars, swings and candidates.

It turns ticks and loaded bars into candidates and says when one changed; it never thinks of orders.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping

import msgspec

from baseline_v1_live.core.instruments import Contract, OptionType
from baseline_v1_live.core.messages import Bar, BarsLoaded, Side, Tick
from baseline_v1_live.core.quarantine import TickGate
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import MINUTE_MS, Session, minute_start
from baseline_v1_live.strategy.bars import BarSeries
from baseline_v1_live.strategy.strike_filter import Candidate, stage_one
from baseline_v1_live.strategy.swings import Swing, SwingDetector, SwingKind

PASS = "pass"
# Two moves of the index farther apart than this are not a moving market.
_INDEX_PAUSE_MS = 5_000
# An index without any tick for so long gives no sign of the market any more.
_INDEX_DEAD_MS = 15_000


class SwingRecord(msgspec.Struct, frozen=True):
    """A swing and stage 1's verdict: ``pass`` or a reason for a low, None for a high."""

    swing: Swing
    verdict: str | None


class SymbolState:
    """One symbol as the market shows it."""

    __slots__ = (
        "ask_paise",
        "bid_paise",
        "candidate",
        "contract",
        "detector",
        "followed",
        "gate",
        "index_clock_ms",
        "last_paise",
        "last_tick_ms",
        "recent",
        "series",
        "spent_minutes",
    )

    def __init__(self, contract: Contract, rules: Rules, session: Session) -> None:
        self.contract = contract
        self.series = BarSeries()
        self.detector = SwingDetector(rules.swing_confirmations)
        self.gate = TickGate(rules, session)
        self.candidate: Candidate | None = None
        self.followed: tuple[Candidate, ...] = ()
        self.last_paise = 0
        self.ask_paise: int | None = None
        self.bid_paise: int | None = None
        self.last_tick_ms = 0
        self.index_clock_ms = 0
        self.spent_minutes: set[int] = set()
        self.recent: deque[tuple[int, int]] = deque()

    @property
    def closing_price_paise(self) -> int:
        """What we would pay to close a short: the ask, else the last price."""
        return self.ask_paise or self.last_paise


class Market:
    """All symbols of the day. ``dirty`` is set when a candidate appeared, changed or was spent."""

    def __init__(
        self,
        rules: Rules,
        session: Session,
        contracts: Mapping[str, Contract],
        index_symbol: str | None,
    ) -> None:
        self.rules = rules
        self.session = session
        self.symbols = {name: SymbolState(c, rules, session) for name, c in contracts.items()}
        self.index_symbol = index_symbol
        self.index_paise: int | None = None
        self._index_moved_ms = 0
        self._index_clock_ms = 0
        self._index_seen_ms = 0
        self._index_dead_ms = max(_INDEX_DEAD_MS, 3 * rules.snapshot_cadence_ms)
        self._index_pause_ms = max(_INDEX_PAUSE_MS, 3 * rules.snapshot_cadence_ms)
        self.minutes_missing: set[str] = set()
        self.fresh_lows: list[Swing] = []
        self.fresh_quarantines: list[tuple[Tick, str]] = []
        self._quarantine_said: set[tuple[str, str]] = set()
        self._index_gate = TickGate(rules, session)
        self.watched: frozenset[str] = frozenset()
        self.swings: list[SwingRecord] = []
        self.rejections: Counter[str] = Counter()
        self.quarantined: Counter[str] = Counter()
        self.dirty = False
        self.closed_before_ms = minute_start(session.open_ms)

    # ------------------------------------------------------------ looking

    def reference_price(self, symbol: str, at_ms: int) -> int | None:
        """Mean price of the last 30 s of a watched symbol, else its last price."""
        state = self.symbols.get(symbol)
        if state is None or not state.last_paise:
            return None
        self._forget_old(state, at_ms)
        if not state.recent:
            return state.last_paise
        return sum(price for _, price in state.recent) // len(state.recent)

    def closing_price(self, symbol: str) -> int | None:
        """What we would pay now to close a short: ask, else last price, None before any tick."""
        state = self.symbols.get(symbol)
        return None if state is None else state.closing_price_paise or None

    def reached(self, symbol: str, side: Side, trigger_paise: int) -> bool:
        """Whether the newest last price is at or through a trigger (paise), as the exchange triggers on
        trades; False without any price.
        """
        state = self.symbols.get(symbol)
        if state is None or not state.last_paise:
            return False
        if side is Side.BUY:
            return state.last_paise >= trigger_paise
        return state.last_paise <= trigger_paise

    def candidates(self, option_type: OptionType) -> Iterator[Candidate]:
        """Candidates of a type that passed stage 1 and are not spent."""
        for state in self.symbols.values():
            candidate = state.candidate
            if (
                candidate is not None
                and not candidate.spent
                and candidate.contract.option_type is option_type
            ):
                yield candidate

    def silent_ms(self, symbol: str) -> int:
        """For how long the index has moved since a symbol's last tick.

        Time in which the index stood still is not counted: a halted market is silent too. Without an
        index in the data the check is off and the answer is 0.
        """
        if self.index_symbol is None or not self.rules.index_checks:
            return 0
        return self._index_clock_ms - self.symbols[symbol].index_clock_ms

    def silent_from_ms(self, symbol: str, limit_ms: int) -> int | None:
        """The earliest instant at which ``silent_ms`` can reach a limit; None where it has, or is off.

        Counted from the index's newest move, not from now: while the index stands still it does not
        run ahead of the clock, and whoever waits for it is not woken again and again.
        """
        if self.index_symbol is None or not self.rules.index_checks:
            return None
        left_ms = limit_ms - self.silent_ms(symbol)
        return self._index_moved_ms + left_ms if left_ms > 0 else None

    # ------------------------------------------------------------ hearing

    def on_tick(self, tick: Tick) -> SymbolState | None:
        """Take a tick; return its symbol's state, None for an index tick or one not believed.

        A quoted one is a price and nothing more: no bar, no trigger, no sign of life of the feed.
        """
        state = self.symbols.get(tick.symbol)
        if state is None:
            self._on_index(tick)
            return None
        refusal = state.gate.refusal(tick, self.index_paise)
        if refusal is not None:
            self._quarantine(tick, refusal)
            return None
        ltp = tick.ltp_paise
        at_ms = tick.at_ms
        exchange_ms = at_ms if tick.exchange_at_ms is None else tick.exchange_at_ms
        moved = ltp != state.last_paise
        state.last_paise = ltp
        state.ask_paise = tick.ask_paise
        state.bid_paise = tick.bid_paise
        if tick.symbol in self.watched:
            state.recent.append((at_ms, ltp))
            self._forget_old(state, at_ms)
        if tick.quoted:
            return state
        if at_ms - state.last_tick_ms >= self.rules.symbol_stale_ms:
            self.dirty = True  # A symbol that was silent may be entered again.
        state.last_tick_ms = at_ms
        if moved and at_ms - self._index_seen_ms > self._index_dead_ms:
            # Without the index's own ticks the options themselves tell that the market moves.
            self._market_moved(at_ms)
        # The part of the index's pause that lies before this tick is not its silence.
        state.index_clock_ms = self._index_clock_ms + min(
            at_ms - self._index_moved_ms, self._index_pause_ms
        )
        minute = exchange_ms - exchange_ms % MINUTE_MS
        if state.series.add_tick(minute, ltp, tick.volume) is not None:
            self._on_bar_closed(state, len(state.series.bars) - 1)
        for candidate in state.followed:
            if ltp > candidate.highest_high_paise:
                candidate.highest_high_paise = ltp
                self.dirty = True
            elif ltp <= candidate.trigger_paise and not candidate.spent:
                candidate.spent = True
                self.dirty = True
        return state

    def close_bars(self, before_minute_ms: int) -> None:
        """Close every forming bar of a minute before this one."""
        self.closed_before_ms = before_minute_ms
        for state in self.symbols.values():
            if state.series.close_before(before_minute_ms) is not None:
                self._on_bar_closed(state, len(state.series.bars) - 1)

    def on_bars_loaded(self, event: BarsLoaded) -> None:
        """Take bars from history; what they change is seen again in order, as if it were live."""
        state = self.symbols.get(event.symbol)
        if state is None:
            return
        known = len(state.series.bars)
        first = state.series.load(event.bars)
        if state.series.whole:
            self.minutes_missing.discard(event.symbol)
            self.dirty = True
        if first is None:
            return
        if first < known:
            self._forget_swings(state)
            first = 0
        for index in range(first, len(state.series.bars)):
            self._follow_bar(state, state.series.bars[index])
            self._on_bar_closed(state, index)
        self.dirty = True

    def spend(self, candidate: Candidate) -> None:
        """The swing of a candidate was sold, or must not be sold any more: nor by one that was found
        anew in bars that were loaded meanwhile.
        """
        state, minute_ms = self.symbols[candidate.symbol], candidate.swing.minute_ms
        state.spent_minutes.add(minute_ms)
        for known in (candidate, *state.followed):
            known.spent |= known.swing.minute_ms == minute_ms

    def spent_swings(self) -> dict[str, list[int]]:
        """By symbol, the minutes of the swings known to be spent."""
        found = {}
        for name, state in self.symbols.items():
            minutes = state.spent_minutes | {c.swing.minute_ms for c in state.followed if c.spent}
            if minutes:
                found[name] = sorted(minutes)
        return found

    def remember_spent(self, spent: Mapping[str, list[int]]) -> None:
        """Swings that were spent before a restart stay spent when their bars are loaded again."""
        for name, minutes in spent.items():
            if name in self.symbols:
                self.symbols[name].spent_minutes.update(minutes)

    def miss_minutes(self) -> None:
        """Ticks of every symbol were missed: none may be entered until its history is loaded."""
        self.minutes_missing.update(self.symbols)
        for state in self.symbols.values():
            state.series.mark_gap()

    def let_go(self, candidate: Candidate) -> None:
        """No order rests on a candidate any more: follow it only if it is still the current one."""
        candidate.ordered = False
        state = self.symbols[candidate.symbol]
        if state.candidate is not candidate:
            state.followed = tuple(kept for kept in state.followed if kept is not candidate)

    # ------------------------------------------------------------ inside

    def _on_index(self, tick: Tick) -> None:
        if tick.symbol != self.index_symbol:
            self._quarantine(tick, "unknown_symbol")
            return
        refusal = self._index_gate.refusal(tick, None)
        if refusal is not None:
            self._quarantine(tick, refusal)
            return
        self._index_seen_ms = tick.at_ms
        if tick.ltp_paise != self.index_paise:
            self._market_moved(tick.at_ms)
        self.index_paise = tick.ltp_paise

    def _market_moved(self, at_ms: int) -> None:
        moved_for = at_ms - self._index_moved_ms
        self._index_clock_ms += min(moved_for, self._index_pause_ms)
        self._index_moved_ms = at_ms

    def _quarantine(self, tick: Tick, reason: str) -> None:
        """Count a tick that is not believed; the first of a symbol and reason is to be said."""
        self.quarantined[reason] += 1
        if (tick.symbol, reason) not in self._quarantine_said:
            self._quarantine_said.add((tick.symbol, reason))
            self.fresh_quarantines.append((tick, reason))
            self.dirty = True

    def _on_bar_closed(self, state: SymbolState, newest: int) -> None:
        """Decide on the swing after the closed bar ``newest``."""
        bars = state.series.bars[: newest + 1]
        found = state.detector.on_bar_closed(bars)
        if found is None:
            return
        bar = bars[found.index]
        low = found.kind is SwingKind.LOW
        swing = Swing(
            symbol=state.contract.symbol,
            kind=found.kind,
            price_paise=bar.low_paise if low else bar.high_paise,
            minute_ms=bar.minute_ms,
            confirmed_ms=bars[-1].minute_ms,
            vwap=state.series.vwap(found.index),
            is_update=found.is_update,
        )
        if not low:
            self.swings.append(SwingRecord(swing, None))
            return
        refusal = stage_one(swing.price_paise, swing.vwap, self.rules)
        self.swings.append(SwingRecord(swing, refusal or PASS))
        old = state.candidate
        if refusal is not None:
            self.rejections[refusal] += 1
            state.candidate = None
        else:
            self.fresh_lows.append(swing)
            state.candidate = self._candidate(state, swing, bars[found.index + 1 :])
            state.candidate.spent |= swing.minute_ms in state.spent_minutes
            state.followed = (*state.followed, state.candidate)
            too_near_or_far = state.candidate.stage_two()
            if too_near_or_far is not None:
                self.rejections[too_near_or_far] += 1
        if old is not None and not old.ordered:
            state.followed = tuple(kept for kept in state.followed if kept is not old)
        self.dirty = True

    def _candidate(self, state: SymbolState, swing: Swing, later: list[Bar]) -> Candidate:
        """A candidate as its closed later bars and the forming bar leave it."""
        highest = max(bar.high_paise for bar in later)
        series = state.series
        if series.forming_high_paise is not None:
            highest = max(highest, series.forming_high_paise)
        candidate = Candidate(swing, state.contract, highest, self.rules)
        low = series.forming_low_paise
        candidate.spent = low is not None and low <= candidate.trigger_paise
        return candidate

    def _forget_swings(self, state: SymbolState) -> None:
        """Bars changed that swings were found in: they are found again, spent ones stay spent."""
        symbol = state.contract.symbol
        for record in self.swings:
            refusal = record.verdict or PASS
            if record.swing.symbol == symbol and refusal != PASS:
                self.rejections[refusal] -= 1
        self.swings = [record for record in self.swings if record.swing.symbol != symbol]
        state.spent_minutes |= {c.swing.minute_ms for c in state.followed if c.spent}
        state.detector = SwingDetector(self.rules.swing_confirmations)
        state.candidate = None
        state.followed = tuple(candidate for candidate in state.followed if candidate.ordered)

    def _follow_bar(self, state: SymbolState, bar: Bar) -> None:
        """A bar from history counts for the candidates before it as its ticks would have."""
        for candidate in state.followed:
            if bar.minute_ms <= candidate.swing.minute_ms:
                continue
            if bar.high_paise > candidate.highest_high_paise:
                candidate.highest_high_paise = bar.high_paise
                self.dirty = True
            if bar.low_paise <= candidate.trigger_paise and not candidate.spent:
                candidate.spent = True
                self.dirty = True

    def _forget_old(self, state: SymbolState, at_ms: int) -> None:
        oldest = at_ms - self.rules.reference_window_ms
        recent = state.recent
        while recent and recent[0][0] < oldest:
            recent.popleft()
