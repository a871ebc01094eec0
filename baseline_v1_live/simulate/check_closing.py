"""What must hold when all is to be closed: cancels and exits leave at once, and the hard cut is kept."""

from __future__ import annotations

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import BrokerStatus, Command, Event, Level, Notify, OperatorSaid
from baseline_v1_live.core.session import MINUTE_MS
from baseline_v1_live.simulate.check_account import Ledger, is_entry, is_ours
from baseline_v1_live.simulate.check_base import Findings
from baseline_v1_live.simulate.check_reach import Reach, asked
from baseline_v1_live.simulate.observe import Call
from baseline_v1_live.simulate.world import World

SENT_MS = 3_000
BEFORE_CUT_MS = MINUTE_MS
ALERT_MS = 10_000


class ClosingLeaves:
    """After a kill, a flatten or the day's exit: cancels and exits leave within three seconds."""

    CANCELS = "cancels leave within 3 s"
    EXITS = "exits leave within 3 s"

    def __init__(self, world: World, findings: Findings, reach: Reach, ledger: Ledger) -> None:
        self._world, self._findings = world, findings
        self._reach, self._ledger = reach, ledger
        self._exit_seen = False
        self._cancelled: dict[str, int] = {}
        self._bought: dict[str, int] = {}
        self._process = 0

    def hear(self, engine: Engine, event: Event) -> None:
        """After a step of the engine."""
        begins = isinstance(event, OperatorSaid) and event.verb in ("kill", "flatten")
        if engine.positions.day_exit_reason is not None and not self._exit_seen:
            self._exit_seen = True
            begins = True
        if begins and engine.reconciled:
            self._begin()

    def new_process(self) -> None:
        """What a dead process had begun is another's to end."""
        self._process += 1

    def sent(self, call: Call) -> None:
        """A request leaves now."""
        if call.endpoint == "cancelorder":
            self._cancelled[str(asked(call).get("orderid"))] = self._findings.now_ms
        elif call.endpoint == "placeorder":
            body = asked(call)
            if body["action"] == "BUY" and body["pricetype"] != "SL":
                self._bought[body["symbol"]] = self._findings.now_ms

    def _begin(self) -> None:
        began_ms = self._findings.now_ms
        entries = [
            (symbol, order.orderid)
            for symbol, held in self._ledger.symbols.items()
            for order in held.live.values()
            if is_entry(order)
        ]
        held = [name for name, its in self._ledger.symbols.items() if its.left > 0]
        process = self._process

        def look() -> None:
            if process == self._process:
                self._look(began_ms, entries, held)

        loop = self._world.loop
        loop.call_later(SENT_MS / 1000, look, context=self._world.context)

    def _look(self, began_ms: int, entries: list[tuple[str, str]], held: list[str]) -> None:
        for symbol, orderid in entries:
            live = orderid in self._ledger.symbol(symbol).live
            asked_for = self._cancelled.get(orderid, 0) >= began_ms
            if live and not asked_for and not self._excused(symbol, began_ms):
                self._findings.blame(self.CANCELS, f"{symbol} entry {orderid} rests")
            self._findings.checks[self.CANCELS] += 1
        for symbol in held:
            its = self._ledger.symbol(symbol)
            lost = self._reach.reserved(symbol, "BUY", self._findings.now_ms)
            closing = its.left <= lost or self._bought.get(symbol, 0) >= began_ms
            closing |= any(
                _is_exit(order.pricetype, order.status) and order.action == "BUY" and is_ours(order)
                for order in its.live.values()
            )
            if not closing and not self._excused(symbol, began_ms):
                self._findings.blame(self.EXITS, f"{symbol} short {its.left}, no exit was sent")
            self._findings.checks[self.EXITS] += 1

    def _excused(self, symbol: str, began_ms: int) -> bool:
        now = self._findings.now_ms
        return self._reach.excused_to_ms(symbol, now) >= began_ms - SENT_MS


def _is_exit(pricetype: str, status: BrokerStatus) -> bool:
    """An order that is no stop, or a stop that has triggered and is worked."""
    return pricetype != "SL" or status is not BrokerStatus.TRIGGER_PENDING


class HardCut:
    """Flat at the hard cut, if the gateway could be had for the minute before and the market traded; if
    not flat, it is said.
    """

    FLAT = "flat by the hard cut"
    SAID = "not flat at the hard cut is said"

    def __init__(self, world: World, findings: Findings, reach: Reach, ledger: Ledger) -> None:
        self._world, self._findings = world, findings
        self._reach, self._ledger = reach, ledger
        self._halted_ms = 0
        self._done = False
        self._open_ms: int | None = None
        self._said = False

    def hear(self, commands: tuple[Command, ...]) -> None:
        """After a step of the engine."""
        for command in commands:
            if isinstance(command, Notify) and command.key == "hard_cut":
                self._said |= command.level is Level.CRITICAL

    def look(self, hard_cut_ms: int) -> None:
        """Look once at the hard cut, and once more a little later."""
        now = self._findings.now_ms
        if not self._world.venue.trades():
            self._halted_ms = now
        if not self._done and now >= hard_cut_ms:
            self._done = True
            since_ms = hard_cut_ms - BEFORE_CUT_MS
            fine = self._halted_ms < since_ms and self._reach.fine_since(since_ms, now)
            left = self._left()
            if fine:
                self._findings.hold(self.FLAT, not left, ", ".join(left) or "nothing")
            else:
                self._findings.excuse(self.FLAT)
            if left:
                self._open_ms = now
        if self._open_ms is not None and now >= self._open_ms + ALERT_MS:
            self._open_ms = None
            up = now - self._reach.bot_down_ms > ALERT_MS
            if up:
                self._findings.hold(self.SAID, self._said, "nobody was told")
            else:
                self._findings.excuse(self.SAID)

    def _left(self) -> list[str]:
        left = []
        for symbol, held in sorted(self._ledger.symbols.items()):
            if held.left:
                left.append(f"{symbol} {-held.left:+d}")
            left += [f"{symbol} {o.orderid} works" for o in held.live.values() if is_ours(o)]
        return left
