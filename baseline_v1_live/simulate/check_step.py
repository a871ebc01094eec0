"""What must hold of each step of the engine: when entries may be, how many orders, which ticks count."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import (
    Command,
    Event,
    LoadHistory,
    ModifyOrder,
    OperatorSaid,
    PlaceOrder,
    Purpose,
    Tick,
    TimerDue,
)
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import SECOND_MS, clock_text
from baseline_v1_live.runtime.records import Step
from baseline_v1_live.runtime.recovery import FLAGS
from baseline_v1_live.simulate.check_base import Findings

DAY_EXIT, PAUSED, KILLED, STOPPING = "the day's exit", "a pause", "a kill", "the process's end"
STOPPED = "entries were stopped"
_JUMP = 0.30
TIMERS_A_SECOND = 20


class _Word(NamedTuple):
    """What opens or closes the gate, and in which step it was heard or decided."""

    seq: int
    at_ms: int
    why: str
    closes: bool


class EntryGate:
    """Since when entries are forbidden, and by what; people's words count as they were said. What died
    with its process before it was on the disk was never answered, and counts no more.
    """

    def __init__(self) -> None:
        self.closed_ms: dict[str, int] = {}
        self._words: list[_Word] = []
        self._unstored: set[_Word] = set()
        self._seq = 0

    def hear(self, event: Event, now_ms: int) -> None:
        """What a person or the process says."""
        self._seq = event.seq
        if not isinstance(event, OperatorSaid):
            return
        match event.verb:
            case "pause" | "flatten":
                self._take(PAUSED, now_ms)
            case "resume":
                self._take(PAUSED, now_ms, closes=False)
            case "kill":
                self._take(KILLED, now_ms)
            case "stopday" | "halt":
                self._take(STOPPED, now_ms)
            case "stop":
                self._take(STOPPING, now_ms)

    def learn(self, engine: Engine, now_ms: int) -> None:
        """What the bot itself has decided."""
        if engine.positions.day_exit_reason is not None and DAY_EXIT not in self.closed_ms:
            self._take(DAY_EXIT, now_ms)
        if engine.positions.entries_stopped_by is not None and STOPPED not in self.closed_ms:
            self._take(STOPPED, now_ms)

    def stored(self, steps: Iterable[Step]) -> None:
        """The journal has these steps. A later one has all flags again when a word's own was refused."""
        for step in steps:
            seq, whole = step.event.seq, any(record.kind == FLAGS for record in step.state)
            self._unstored = {
                word
                for word in self._unstored
                if word.seq != seq and not (whole and word.seq < seq)
            }

    def new_process(self) -> None:
        """A restart remembers neither what was not stored nor that its process was about to end."""
        self._words = [
            word for word in self._words if word not in self._unstored and word.why != STOPPING
        ]
        self._unstored.clear()
        self.closed_ms.clear()
        for word in self._words:
            self._apply(word)

    def _take(self, why: str, now_ms: int, *, closes: bool = True) -> None:
        word = _Word(self._seq, now_ms, why, closes)
        self._words.append(word)
        self._unstored.add(word)
        self._apply(word)

    def _apply(self, word: _Word) -> None:
        if word.closes:
            self.closed_ms.setdefault(word.why, word.at_ms)
        else:
            self.closed_ms.pop(word.why, None)


class OneInFlight:
    """At most one order in flight per (symbol, side, purpose)."""

    NAME = "one order in flight"

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def look(self, engine: Engine) -> None:
        """After a step that sent something."""
        flying = Counter(
            (order.symbol, order.side, order.purpose)
            for order in engine.orders.live()
            if order.state is OrderState.IN_FLIGHT
        )
        for key, many in flying.items():
            self._findings.hold(self.NAME, many <= 1, f"{many} of {' '.join(key)}")


class Spinning:
    """No more than twenty timers are due in any second: a deadline that runs ahead of the clock spins.

    Those that ask for a symbol's history are not among them: there are many symbols, and what is asked of
    the gateway is counted on the wire.
    """

    NAME = "the bot does not spin"

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._due: deque[int] = deque(maxlen=TIMERS_A_SECOND)

    def look(self, event: Event, commands: Sequence[Command], now_ms: int) -> None:
        """At every event of an engine, with what came of it."""
        if type(event) is not TimerDue or any(isinstance(c, LoadHistory) for c in commands):
            return
        spins = len(self._due) == TIMERS_A_SECOND and self._due[0] > now_ms - SECOND_MS
        self._findings.hold(self.NAME, not spins, f"{TIMERS_A_SECOND + 1} timers within a second")
        self._due.append(now_ms)


class EntriesAllowed:
    """No entry is decided on after the day's exit, a kill or a pause, or outside its hours."""

    NAME = "no entry is decided on after"
    HOURS = "no entry outside its hours"

    def __init__(self, findings: Findings, gate: EntryGate) -> None:
        self._findings, self._gate = findings, gate

    def look(self, engine: Engine, command: PlaceOrder) -> None:
        """At an entry's command."""
        closed = sorted(self._gate.closed_ms)
        why = f"{command.order_id} after {', '.join(closed)}"
        self._findings.hold(self.NAME, not closed, why)
        session, now = engine.session, engine.orders.now_ms
        inside = session.first_entry_ms <= now < session.last_entry_ms
        self._findings.hold(self.HOURS, inside, f"{command.order_id} at {clock_text(now)}")


class EntryLimits:
    """Positions, types and lots stay within the rules, and risk within R, whatever is on its way."""

    NAME = "limits hold"
    RISK = "an entry's risk is within R"

    def __init__(self, findings: Findings, rules: Rules) -> None:
        self._findings, self._rules = findings, rules

    def look(self, engine: Engine, command: PlaceOrder | ModifyOrder) -> None:
        """At a command that sells, or sells more."""
        rules, about = self._rules, command.order_id
        busy = {order.symbol for order in engine.orders.live(purpose=Purpose.ENTRY)}
        busy |= {position.symbol for position in engine.positions.open.values()}
        if isinstance(command, PlaceOrder):
            many = f"{about} is the {len(busy)}th symbol"
            self._findings.hold(self.NAME, len(busy) <= rules.positions_max, many)
            # What a late fill has put beyond the other type's limit is not this entry's doing.
            kind = command.symbol[-2:]
            most = rules.positions_ce_max if kind == "CE" else rules.positions_pe_max
            fits = sum(symbol.endswith(kind) for symbol in busy) <= most
            self._findings.hold(self.NAME, fits, f"{about} with too many {kind}")
        lot = engine.orders.contracts[command.symbol].lot_size
        lots, rest = divmod(command.quantity, lot)
        fits = 0 < lots <= rules.lots_max and not rest
        self._findings.hold(self.NAME, fits, f"{about} of {command.quantity} units")
        self._look_at_risk(engine, command)

    def _look_at_risk(self, engine: Engine, command: PlaceOrder | ModifyOrder) -> None:
        order = engine.orders.orders.get(command.order_id)
        candidate = engine.market.symbols[command.symbol].candidate
        if order is None or candidate is None or order.protect_trigger_paise <= 0:
            return
        if candidate.trigger_paise != command.trigger_price_paise:
            return  # An order that stays at its own swing while a newer one is nearby.
        risk = (candidate.highest_high_paise + self._rules.stop_offset_paise) - (
            candidate.swing.price_paise
        )
        whole = risk * command.quantity
        fits = whole <= self._rules.r_value_paise
        self._findings.hold(self.RISK, fits, f"{command.order_id} risks {whole / 100:.0f}")


class TickJudge:
    """By the rules' own words (docs/strategy.md, section 2): whether a tick may be used."""

    def __init__(self, rules: Rules, index_symbol: str | None) -> None:
        self._snapshots = bool(rules.snapshot_cadence_ms)
        self._index_symbol = index_symbol
        self._index = 0
        self._newest: dict[str, int] = {}
        self._good: dict[str, int] = {}
        self._odd: dict[str, int] = {}

    def refuses(self, tick: Tick, open_ms: int, close_ms: int) -> bool:
        """Whether the tick is to be quarantined; a good one is remembered."""
        symbol, price = tick.symbol, tick.ltp_paise
        at = tick.at_ms if tick.exchange_at_ms is None else tick.exchange_at_ms
        if price <= 0 or (symbol != self._index_symbol and price == self._index):
            return True
        if at < self._newest.get(symbol, 0) and not tick.quoted:
            return True
        if not open_ms <= at <= close_ms:
            return True
        if self._too_far(tick):
            self._odd[symbol] = price
            return True
        self._odd.pop(symbol, None)
        self._good[symbol] = price
        if not tick.quoted:
            self._newest[symbol] = at
        if symbol == self._index_symbol:
            self._index = price
        return False

    def _too_far(self, tick: Tick) -> bool:
        last, odd = self._good.get(tick.symbol), self._odd.get(tick.symbol)
        if self._snapshots or last is None or not _far(tick.ltp_paise, last):
            return False
        second = odd is not None and not _far(tick.ltp_paise, odd)
        bid, ask = tick.bid_paise, tick.ask_paise
        quoted = bid is not None and ask is not None and bid <= tick.ltp_paise <= ask
        return not (second or quoted)


def _far(price: int, last: int) -> bool:
    return abs(price - last) > _JUMP * last


class QuarantinedTicks:
    """A tick that may not be used changes no price, bar, candidate or mark, and decides nothing."""

    NAME = "no decision on a quarantined tick"

    def __init__(self, findings: Findings, rules: Rules, index_symbol: str | None) -> None:
        self._findings = findings
        self._judge = TickJudge(rules, index_symbol)
        self._before: tuple[object, ...] | None = None

    def before(self, engine: Engine, event: Event) -> None:
        """Before a step."""
        self._before = None
        if isinstance(event, Tick):
            session = engine.session
            if self._judge.refuses(event, session.open_ms, session.close_ms):
                self._before = _shown(engine, event.symbol)

    def after(self, engine: Engine, event: Event, commands: tuple[Command, ...]) -> None:
        """After the same step."""
        if self._before is None or not isinstance(event, Tick):
            return
        kept = _shown(engine, event.symbol) == self._before
        entries = [c for c in commands if isinstance(c, PlaceOrder) and c.purpose is Purpose.ENTRY]
        about = f"{event.symbol} at {event.ltp_paise / 100:g}"
        self._findings.hold(self.NAME, kept, f"{about} changed what the market shows")
        self._findings.hold(self.NAME, not entries, f"{about} had an entry sent")


def _shown(engine: Engine, symbol: str) -> tuple[object, ...]:
    """All that a tick of a symbol could change, whether or not a minute ends in the same step."""
    market = engine.market
    state = market.symbols.get(symbol)
    marks = [(p.position_id, p.mark_paise) for p in engine.positions.open.values()]
    if state is None:
        return market.index_paise, marks
    series = state.series
    bars = list(series.bars)
    high, low = series.forming_high_paise, series.forming_low_paise
    if high is None and bars:
        high, low = bars[-1].high_paise, bars[-1].low_paise
        bars.pop()
    prices = (state.last_paise, state.ask_paise, state.bid_paise, state.last_tick_ms)
    return market.index_paise, marks, prices, high, low, len(bars)
