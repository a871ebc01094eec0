"""A trading desk for scenario tests: one engine, a broker's book on paper, and a clock moved by hand.

``Desk`` stamps events as a driver would and keeps every command. Whatever goes to the broker is told
as one line a command, e.g. ``place entry-0001 SELL 650 C260 SL 129.95/126.95``, so that a test can
compare whole sequences. The broker answers only what a test makes it answer; with ``auto`` it answers
everything at once, which is meant for positions that a test needs as its starting point. Snapshots are
always answered from the broker's book, unless ``snapshots`` is off. Prices are rupees in the tests.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import paise
from baseline_v1_live.core.messages import (
    Bar,
    BarsLoaded,
    Command,
    Event,
    Level,
    Notify,
    OperatorSaid,
    PlaceOrder,
    Purpose,
    SetTimer,
    Started,
    TakeSnapshot,
    Tick,
    TimerDue,
)
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.position import Position
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import MINUTE_MS, Session, clock_text, minute_start
from baseline_v1_live.core.session_state import SessionState, capture, restore
from tests.harness_broker import TO_BROKER, Broker, short_id, tell
from tests.harness_market import (
    C260,
    C261,
    C262,
    INDEX,
    P259,
    P260,
    P261,
    SHORT_NAMES,
    Ohlc,
    at,
    day,
    make_contract,
    swing_bars,
)

_NEVER_MS = 1 << 62
_BASE_VOLUME = 1_000_000


class Desk(Broker):
    """One engine for one day, started before the open; all helpers act at ``now_ms``."""

    def __init__(
        self,
        *,
        rules: Rules | None = None,
        session: Session | None = None,
        start: str = "09:14:00",
        auto: bool = False,
        snapshots: bool = True,
        index_symbol: str | None = INDEX,
    ) -> None:
        super().__init__()
        self.contracts = {symbol: make_contract(symbol) for symbol in SHORT_NAMES}
        self._new_engine = lambda: Engine(
            rules=rules or Rules(),
            session=session or day(),
            contracts=self.contracts,
            index_symbol=index_symbol,
        )
        self.engine = self._new_engine()
        self.auto = auto
        self.snapshots = snapshots
        self.now_ms = at(start)
        self.commands: list[Command] = []
        self._unanswered: deque[Command] = deque()
        self._answering = False
        self._taken = 0
        self._seq = 0
        self._timer_ms = _NEVER_MS
        self._volumes: Counter[str] = Counter()
        self._background: Counter[str] = Counter()
        self.feed(Started(mode="test"))

    # ------------------------------------------------------------ events in

    def feed(self, event: Event) -> list[Command]:
        """Stamp an event, hand it to the engine, and return the commands that came of it."""
        self._seq += 1
        stamped = msgspec.structs.replace(event, seq=self._seq, at_ms=self.now_ms)
        commands = list(self.engine.handle(stamped))
        self.commands += commands
        self._unanswered += commands
        if not self._answering:
            self._answering = True
            while self._unanswered:
                self._react(self._unanswered.popleft())
            self._answering = False
        return commands

    def advance(self, seconds: float) -> None:
        """Let time pass, with a TimerDue at each instant that the engine asked to be woken at."""
        self.until(self.now_ms + round(seconds * 1000))

    def clock(self, text: str) -> None:
        """As ``advance``, to a time of the day such as ``15:15:00``."""
        self.until(at(text))

    def until(self, to_ms: int) -> None:
        assert to_ms >= self.now_ms, "time does not run backwards"
        wakings: Counter[int] = Counter()
        while self._timer_ms <= to_ms:
            self.now_ms = max(self.now_ms, self._timer_ms)
            wakings[self.now_ms] += 1
            assert wakings[self.now_ms] < 10, f"woken again and again at {self.time}"
            self._timer_ms = _NEVER_MS
            self.feed(TimerDue())
        self.now_ms = to_ms

    def first_sent(self, seconds: float) -> list[str]:
        """Let time pass until something is sent, so many seconds at most; what that is."""
        for _ in range(round(seconds * 10)):
            self.advance(0.1)
            lines = self.take()
            if lines:
                return lines
        return []

    def tick(
        self,
        symbol: str,
        price: float,
        *,
        ask: float | None = None,
        bid: float | None = None,
        quoted: bool = True,
        volume: int = 0,
        exchange_at: str | None = None,
    ) -> list[Command]:
        """A price; bid and ask are the price itself unless given, ``volume`` is what traded since."""
        self._volumes[symbol] += volume
        self.last_prices[symbol] = price
        return self.feed(
            Tick(
                symbol=symbol,
                ltp_paise=paise(price),
                bid_paise=paise(price if bid is None else bid) if quoted else None,
                ask_paise=paise(price if ask is None else ask) if quoted else None,
                volume=self._volumes[symbol],
                exchange_at_ms=at(exchange_at) if exchange_at else None,
            )
        )

    def index(self, level: float) -> list[Command]:
        return self.feed(Tick(symbol=INDEX, ltp_paise=paise(level)))

    def history(self, symbol: str, first: str, *bars: Ohlc) -> list[Command]:
        """Bars of consecutive minutes from the gateway's history, the first at ``first``.

        Nearly all volume traded in the first.
        """
        loaded = tuple(
            Bar(
                at(first) + number * MINUTE_MS,
                *(paise(price) for price in bar),
                100 if number else _BASE_VOLUME,
            )
            for number, bar in enumerate(bars)
        )
        return self.feed(BarsLoaded(symbol=symbol, bars=loaded))

    def quote(self, symbol: str, price: float, *, ask: float | None = None) -> list[Command]:
        """The gateway's answer to FetchQuote."""
        return self.feed(
            Tick(
                symbol=symbol,
                ltp_paise=paise(price),
                bid_paise=paise(price),
                ask_paise=paise(price if ask is None else ask),
                quoted=True,
            )
        )

    def restart(self, *, after: float = 3) -> None:
        """The process ends and a new one takes up its state; answers on their way are lost."""
        written = msgspec.json.encode(capture(self.engine))
        self.now_ms += round(after * 1000)
        self._timer_ms = _NEVER_MS
        self.engine = self._new_engine()
        restore(self.engine, msgspec.json.decode(written, type=SessionState))
        self.feed(Started(mode="test"))

    def say(self, verb: str) -> list[Command]:
        return self.feed(OperatorSaid(verb=verb))

    # ------------------------------------------------------------ market shapes

    def minute(self, bars: Mapping[str, Ohlc], *, volume: int = 100) -> None:
        """Trade one whole minute: each symbol goes open, high, low, close; it ends 2 s into the next.

        The first minute starts at the next full one, so that every bar is seen whole.
        """
        start = minute_start(self.now_ms + MINUTE_MS - 5_000)
        start = max(start, self.engine.session.open_ms)
        for step in range(4):
            self.until(start + 5_000 + step * 10_000)
            for symbol, prices in bars.items():
                self.tick(symbol, prices[step], volume=volume if step == 3 else 0)
        self.until(start + MINUTE_MS + 2_000)

    def minutes(self, symbol: str, bars: Iterable[Ohlc]) -> None:
        """Minute after minute of one symbol."""
        for bar in bars:
            self.minute({symbol: bar})

    def swing_low(
        self,
        symbol: str,
        low: float,
        highest_high: float,
        *,
        base: float | None = None,
        volume: int = _BASE_VOLUME,
    ) -> None:
        """Make a swing low, confirmed at the close of the last minute, with this highest high since.

        ``base`` is where nearly all volume traded before, thus the VWAP: 30 % below unless given.
        """
        self.swing_lows({symbol: (low, highest_high)}, base=base, volume=volume)

    def swing_lows(
        self,
        wanted: Mapping[str, tuple[float, float]],
        *,
        base: float | None = None,
        volume: int = _BASE_VOLUME,
    ) -> None:
        """Swing lows of several symbols at once, all confirmed at the same bar close."""
        shapes = {symbol: swing_bars(low, high, base) for symbol, (low, high) in wanted.items()}
        before = Counter(self.engine.market.rejections)
        opening = {symbol: shape[0] for symbol, shape in shapes.items()}
        self.minute(opening, volume=volume)
        for number in range(1, 5):
            bars = {symbol: shape[number] for symbol, shape in shapes.items()}
            self.minute(bars, volume=100 if volume else 0)
        # The base may be a swing low of its own; what is refused of it is no concern of the test.
        self._background += self.engine.market.rejections - before
        bars = {symbol: shape[5] for symbol, shape in shapes.items()}
        self.minute(bars, volume=100 if volume else 0)

    def short(
        self, symbol: str, *, low: float = 130.0, highest_high: float = 139.0, at: float = 129.95
    ) -> Position:
        """An open position with its stop working: swing, entry, break, fill; all answered."""
        with self.answered():
            self.swing_low(symbol, low, highest_high)
            entry = self.entry(symbol)
            self.tick(symbol, at)
            self.fill(entry.order_id, entry.quantity, at)
        position = self.position(symbol)
        assert position is not None
        return position

    @contextmanager
    def answered(self) -> Iterator[None]:
        """Within, the broker answers everything at once."""
        before, self.auto = self.auto, True
        yield
        self.auto = before

    # ------------------------------------------------------------ looking

    def take(self) -> list[str]:
        """What went to the broker since the last call, one line a command; snapshots left out."""
        fresh, self._taken = self.commands[self._taken :], len(self.commands)
        return [tell(command) for command in fresh if isinstance(command, TO_BROKER)]

    def placed(self, purpose: Purpose) -> list[str]:
        """Short ids of all orders placed for a purpose, oldest first."""
        return [short_id(c.order_id) for c in self.of(PlaceOrder) if c.purpose is purpose]

    def entry(self, symbol: str) -> Order:
        """The live entry of a symbol."""
        return self._live(symbol, Purpose.ENTRY)

    def stop(self, symbol: str) -> Order:
        """The live protective stop of a symbol."""
        return self._live(symbol, Purpose.STOP)

    def entries(self) -> list[str]:
        """Short symbols of all entries that are alive."""
        return [SHORT_NAMES[o.symbol] for o in self.engine.orders.live(purpose=Purpose.ENTRY)]

    def order(self, order_id: str) -> Order:
        return self.engine.orders.orders[self.full(order_id)]

    def state(self, order_id: str) -> OrderState:
        return self.order(order_id).state

    def position(self, symbol: str) -> Position | None:
        """The newest position of a symbol, open or closed."""
        positions = self.engine.positions.positions.values()
        return next((p for p in reversed(list(positions)) if p.symbol == symbol), None)

    def said(self, tag: str, level: Level | None = None) -> list[str]:
        """Texts of the notices with this tag, and level where given."""
        return [
            notice.text
            for notice in self.of(Notify)
            if notice.tag == tag and (level is None or notice.level is level)
        ]

    def rejected(self) -> dict[str, int]:
        """Refusals counted by reason, those of the background that ``swing_low`` made left out."""
        return dict(self.engine.market.rejections - self._background)

    @property
    def time(self) -> str:
        return clock_text(self.now_ms)

    # ------------------------------------------------------------ inside

    def _live(self, symbol: str, purpose: Purpose) -> Order:
        (order,) = self.engine.orders.live(symbol, purpose)
        return order

    def _react(self, command: Command) -> None:
        if isinstance(command, SetTimer):
            self._timer_ms = min(self._timer_ms, command.due_at_ms)
        elif isinstance(command, TakeSnapshot) and self.snapshots:
            self.snapshot()
        elif self.auto and isinstance(command, TO_BROKER):
            self.answer(command)


def desk_of_five() -> Desk:
    """Five positions: C260, C261 and P260 open with stops 2, 4 and 8, C262 and P261 stopped out at
    140.00, so -2.01R so far; and entry 11 resting in P259. All sold at 129.95, 650 each.
    """
    desk = Desk()
    for symbol in (C260, C261, C262, P260, P261):
        desk.short(symbol)
    for symbol in (C262, P261):
        desk.tick(symbol, 140.00)
        desk.fill(desk.stop(symbol).order_id, 650, 140.00)
    with desk.answered():
        desk.swing_low(P259, 130.00, 139.00)
    desk.take()
    return desk
