"""What must hold of each call that leaves the bot: its intent is stored, its time and rate are right."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import paise
from baseline_v1_live.core.messages import (
    Command,
    Event,
    ModifyOrder,
    OrderRefused,
    PlaceOrder,
    Purpose,
    Request,
)
from baseline_v1_live.core.session import MINUTE_MS, SECOND_MS, Session
from baseline_v1_live.order_manager import OrderManager
from baseline_v1_live.runtime.records import Step
from baseline_v1_live.sim.openalgo_server.books import BookOrder
from baseline_v1_live.sim.openalgo_server.rest import Served
from baseline_v1_live.simulate.chaos import ORDERS
from baseline_v1_live.simulate.check_account import is_ours
from baseline_v1_live.simulate.check_base import Findings
from baseline_v1_live.simulate.check_reach import asked
from baseline_v1_live.simulate.check_step import EntryGate
from baseline_v1_live.simulate.check_turns import ExitsFirst
from baseline_v1_live.simulate.observe import Call

ENTRY_LEAVES_MS = 500
# Of the exchange, the brokers, and our own share of a minute that entries leave to the rest.
ENTRIES_A_SECOND, ORDERS_A_SECOND, CALLS_A_SECOND = 8, 10, 50
# Snapshots are due once a second at most, but for some that something else asks for.
BOOKS_A_SECOND = 10
ENTRIES_A_MINUTE, ORDERS_A_MINUTE = 70, 100
ORDERS_A_DAY, CHANGES_OF_AN_ORDER = 5_000, 25
_ROUNDING_MS = 1
# A stop or exit without an answer that two books do not show may have another beside it.
_LOST_AFTER_MS = 2_000

_Intent = PlaceOrder | ModifyOrder
_Values = tuple[str, str, str, int, int, int]


def values_of(command: _Intent, broker_order_id: str = "") -> _Values:
    """What a command looks like on the wire."""
    market, stop = command.order_type == "MARKET", command.order_type == "SL"
    return (
        broker_order_id or command.symbol,
        str(command.side),
        str(command.order_type),
        command.quantity,
        command.trigger_price_paise if stop else 0,
        0 if market else command.limit_price_paise,
    )


def values_on_wire(endpoint: str, body: Mapping[str, Any]) -> _Values:
    """The same of a body."""
    return (
        str(body["orderid"] if endpoint == "modifyorder" else body["symbol"]),
        str(body["action"]),
        str(body["pricetype"]),
        int(body["quantity"]),
        paise(float(body.get("trigger_price", 0))),
        paise(float(body.get("price", 0))),
    )


class Intents:
    """Which command stands behind a call on the wire, and whether it is on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unsent: dict[_Values, deque[tuple[_Intent, int]]] = {}
        self._stored: set[int] = set()

    def hear(self, event: Event, commands: Sequence[Command]) -> None:
        """A step of the engine."""
        if isinstance(event, OrderRefused) and not event.sent:
            self._drop(event)
        for command in commands:
            if isinstance(command, PlaceOrder | ModifyOrder):
                known_as = command.broker_order_id if isinstance(command, ModifyOrder) else ""
                waiting = self._unsent.setdefault(values_of(command, known_as), deque())
                waiting.append((command, event.seq))

    def stored(self, steps: Sequence[Step]) -> None:
        """The journal says that it has these steps."""
        self._stored.update(step.event.seq for step in steps)

    def take(self, endpoint: str, body: Mapping[str, Any]) -> tuple[_Intent, int] | None:
        """The command that leaves now and its step, each once; None when nobody has decided on it."""
        waiting = self._unsent.get(values_on_wire(endpoint, body))
        return waiting.popleft() if waiting else None

    def on_disk(self, command: _Intent, seq: int) -> bool:
        """Whether the step of a command is stored: the queue said so, and the file has it."""
        return seq in self._stored and any(_has(p, seq, command) for p in self._journals())

    def new_process(self) -> None:
        """What a dead process had decided and not sent must never leave."""
        self._unsent.clear()
        self._stored.clear()

    def _journals(self) -> list[Path]:
        return sorted(self._folder.glob("*/journal.db"))

    def _drop(self, refused: OrderRefused) -> None:
        placing = refused.request is Request.PLACE
        for waiting in self._unsent.values():
            for command, seq in list(waiting):
                same = command.order_id == refused.order_id
                if same and isinstance(command, PlaceOrder) is placing:
                    waiting.remove((command, seq))


def _has(path: Path, seq: int, command: _Intent) -> bool:
    query = "SELECT count(*) FROM commands WHERE seq = ? AND kind = ? AND body LIKE ?"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as journal:
            values = (seq, type(command).__name__, f'%"{command.order_id}"%')
            return bool(journal.execute(query, values).fetchone()[0])
    except sqlite3.Error:
        return False


class EntriesOnWire:
    """No entry leaves before its intent is stored, or half a second after it was forbidden."""

    DISK = "no entry leaves before its intent is on disk"
    AFTER = "no entry leaves after"
    HOURS = "no entry leaves outside its hours"

    def __init__(self, findings: Findings, gate: EntryGate, intents: Intents) -> None:
        self._findings, self._gate, self._intents = findings, gate, intents

    def look(self, command: _Intent, seq: int, session: Session) -> None:
        """At an entry, or a change of one, that leaves now."""
        now, about = self._findings.now_ms, command.order_id
        stored = self._intents.on_disk(command, seq)
        self._findings.hold(self.DISK, stored, f"{about} has no stored step")
        if isinstance(command, ModifyOrder):
            return
        late = {
            why: now - since
            for why, since in self._gate.closed_ms.items()
            if now - since > ENTRY_LEAVES_MS
        }
        said = ", ".join(f"{ms / 1000:.1f} s after {why}" for why, ms in sorted(late.items()))
        self._findings.hold(self.AFTER, not late, f"{about} {said}")
        last_ms = session.last_entry_ms + ENTRY_LEAVES_MS
        inside = session.first_entry_ms <= now < last_ms
        self._findings.hold(self.HOURS, inside, f"{about} {(now - last_ms) / 1000:+.1f} s")


class EachOnce:
    """Every order on the wire was decided on, and leaves once; one of a kind is unanswered at a time.
    ``ended(order_id, sent_ms)``: whether the bot knows that an order which left then has ended.
    """

    NAME = "each order leaves once"
    UNANSWERED = "one order of a kind is unanswered"

    def __init__(self, findings: Findings, ended: Callable[[str, int], bool]) -> None:
        self._findings, self._ended = findings, ended
        self._open: dict[Call, tuple[PlaceOrder, int]] = {}

    def look(self, call: Call, command: _Intent | None, body: Mapping[str, Any]) -> None:
        """At an order or a change that leaves now."""
        about = f"{body.get('orderid') or body['symbol']} {body['action']} {body['quantity']}"
        self._findings.hold(self.NAME, command is not None, f"{about} that nobody decided on")
        if isinstance(command, PlaceOrder):
            alone = not any(
                _kind(earlier) == _kind(command) and self._unanswered(earlier, sent_ms)
                for earlier, sent_ms in self._open.values()
            )
            what = f"{command.symbol} {command.side} {command.purpose} beside another"
            self._findings.hold(self.UNANSWERED, alone, what)
            self._open[call] = (command, self._findings.now_ms)

    def _unanswered(self, earlier: PlaceOrder, sent_ms: int) -> bool:
        if earlier.purpose is Purpose.ENTRY:
            return not self._ended(earlier.order_id, sent_ms)
        return self._findings.now_ms - sent_ms <= _LOST_AFTER_MS

    def ended(self, call: Call) -> None:
        """A call has its answer, or none."""
        self._open.pop(call, None)

    def new_process(self) -> None:
        """Nobody waits for what a dead process has sent."""
        self._open.clear()


def _kind(command: PlaceOrder) -> tuple[str, str, str]:
    return command.symbol, command.side, command.purpose


class OrderRate:
    """How many calls really leave in any second, minute and day. The gateway counts each endpoint's by
    themselves.
    """

    SECOND = "orders in a second"
    MINUTE = "orders in a minute"
    CALLS = "calls in a second"
    DAY = "orders in a day"
    CHANGES = "changes of an order"

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._orders: deque[int] = deque()
        self._calls: dict[str, deque[int]] = defaultdict(deque)
        self._all = 0
        self._changes: Counter[str] = Counter()

    def look(self, call: Call, *, entry: bool, broker_order_id: str = "") -> None:
        """At a call that leaves now; ``entry``: it opens, or changes what opens."""
        now = self._findings.now_ms
        self._calls[call.endpoint].append(now)
        many = _within(self._calls[call.endpoint], now, SECOND_MS)
        most = BOOKS_A_SECOND if call.endpoint == "positionbook" else CALLS_A_SECOND
        self._findings.hold(self.CALLS, many <= most, f"{call.endpoint} is no. {many}")
        if call.endpoint not in ORDERS:
            return
        self._orders.append(now)
        self._all += 1
        in_a_minute = _within(self._orders, now, MINUTE_MS)
        in_a_second = sum(1 for at in self._orders if at > now - SECOND_MS + _ROUNDING_MS)
        kind = "entry" if entry else "order"
        most = ENTRIES_A_SECOND if entry else ORDERS_A_SECOND
        self._findings.hold(self.SECOND, in_a_second <= most, f"{kind} is no. {in_a_second}")
        most = ENTRIES_A_MINUTE if entry else ORDERS_A_MINUTE
        self._findings.hold(self.MINUTE, in_a_minute <= most, f"{kind} is no. {in_a_minute}")
        self._findings.hold(self.DAY, self._all <= ORDERS_A_DAY, f"{kind} is no. {self._all}")
        if call.endpoint == "modifyorder":
            self._changes[broker_order_id] += 1
            many = self._changes[broker_order_id]
            what = f"{broker_order_id} for the {many}th time"
            self._findings.hold(self.CHANGES, many <= CHANGES_OF_AN_ORDER, what)

    def ended(self, call: Call, served: Served | None) -> None:
        """What the gateway itself refuses never reaches the broker, who counts an order's changes."""
        if call.endpoint == "modifyorder" and served is not None and served.status in (403, 429):
            self._changes[str(asked(call).get("orderid", ""))] -= 1


def _within(times: deque[int], now: int, window_ms: int) -> int:
    while times and times[0] <= now - window_ms + _ROUNDING_MS:
        times.popleft()
    return len(times)


class WireChecks:
    """An observer of the wire that has every check above look. ``rows`` are the exchange's orders."""

    def __init__(
        self,
        findings: Findings,
        gate: EntryGate,
        folder: Path,
        rows: Mapping[str, BookOrder],
    ) -> None:
        self.intents = Intents(folder)
        self.session: Session | None = None
        self._orders: OrderManager | None = None
        self._rows = rows
        self.on_entry: Callable[[str, str, int], None] = lambda *_: None
        # Symbol and order of an entry that is no change of one, and when it was decided.
        self.on_new_entry: Callable[[str, str, int], None] = lambda *_: None
        self.on_order: Callable[[PlaceOrder], None] = lambda _: None
        # Symbol, units and when it was decided, of a purchase that no stop price holds back.
        self.on_purchase: Callable[[str, int, int], None] = lambda *_: None
        self._findings = findings
        self._decided_ms: dict[int, int] = {}
        self._entries = EntriesOnWire(findings, gate, self.intents)
        self._once = EachOnce(findings, self._known_ended)
        self._rate = OrderRate(findings)
        self.turns = ExitsFirst(findings)

    def hear(self, engine: Engine, event: Event, commands: Sequence[Command]) -> None:
        """A step of the engine."""
        self.session, self._orders = engine.session, engine.orders
        self.intents.hear(event, commands)
        self.turns.hear(event, commands)
        if commands:
            self._decided_ms[event.seq] = self._findings.now_ms

    def new_process(self) -> None:
        """Another process begins."""
        self.intents.new_process()
        self._decided_ms.clear()
        self._once.new_process()
        self.turns.new_process()

    def sent(self, call: Call) -> None:
        """A request leaves now."""
        if call.endpoint not in ("placeorder", "modifyorder"):
            self._rate.look(call, entry=False)
            if call.endpoint == "cancelorder":
                self.turns.cancel_leaves(str(asked(call).get("orderid", "")))
            return
        body = asked(call)
        command, seq = self.intents.take(call.endpoint, body) or (None, 0)
        entry = command is not None and command.purpose is Purpose.ENTRY
        self._rate.look(call, entry=entry, broker_order_id=str(body.get("orderid", "")))
        self._once.look(call, command, body)
        if command is not None:
            self.turns.leaves(command)
        if isinstance(command, PlaceOrder) and not call.refused:
            self.on_order(command)
        decided_ms = self._decided_ms.get(seq, self._findings.now_ms)
        if call.endpoint == "placeorder" and body["action"] == "BUY" and body["pricetype"] != "SL":
            self.on_purchase(str(body["symbol"]), int(body["quantity"]), decided_ms)
        if entry and command is not None:
            self.on_entry(command.symbol, command.order_id, command.quantity)
            if isinstance(command, PlaceOrder):
                self.on_new_entry(command.symbol, command.order_id, decided_ms)
        if entry and command is not None and self.session is not None:
            self._entries.look(command, seq, self.session)

    def ended(self, call: Call, served: Served | None) -> None:
        """The bot has its answer, or none."""
        self._once.ended(call)
        self._rate.ended(call, served)

    def stored(self, steps: Sequence[Step]) -> None:
        """The journal says that it has these steps."""
        self.intents.stored(steps)
        self.turns.stored(steps)

    def _known_ended(self, order_id: str, sent_ms: int) -> bool:
        """The books may have shown what the answer would have said. It must be so as well: what ended is
        an order of ours that came after this one left.
        """
        order = self._orders.orders.get(order_id) if self._orders is not None else None
        if order is None or order.live or order.broker_order_id is None:
            return False
        row = self._rows.get(order.broker_order_id)
        return row is not None and is_ours(row) and row.over and row.placed_ms >= sent_ms
