"""Whether what protects leaves before what opens: exits, stops and cancels overtake entries."""

from __future__ import annotations

from collections.abc import Sequence

from baseline_v1_live.core.messages import (
    CancelOrder,
    Command,
    Event,
    ModifyOrder,
    OrderAccepted,
    OrderRefused,
    OutcomeUnknown,
    PlaceOrder,
    Purpose,
    Request,
)
from baseline_v1_live.runtime.live import COMMIT_PATIENCE_S
from baseline_v1_live.runtime.records import Step
from baseline_v1_live.simulate.check_base import Findings

PATIENCE_MS = round(COMMIT_PATIENCE_S * 1000)
# An entry whose turn had come at the instant in which the other was stored may be on its way.
_ROUNDING_MS = 1
_Message = PlaceOrder | ModifyOrder | CancelOrder
_REQUESTS: dict[type[Command], Request] = {
    PlaceOrder: Request.PLACE,
    ModifyOrder: Request.MODIFY,
    CancelOrder: Request.CANCEL,
}


class ExitsFirst:
    """No entry, and no change of one, leaves while an exit, a stop, a correction, a change of one of
    these or a cancel has been ready longer. It is ready when its step is stored, or waits no longer for
    the disk; it is not waited for any more when it has left, or has an answer without that.
    """

    NAME = "exits overtake entries"

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        # By order and request: what waits, the step that decided on it, and when it is ready.
        self._waiting: dict[tuple[str, Request], tuple[_Message, int, int]] = {}

    def hear(self, event: Event, commands: Sequence[Command]) -> None:
        """A step of the engine."""
        if isinstance(event, OrderAccepted | OrderRefused | OutcomeUnknown):
            self._waiting.pop((event.order_id, event.request), None)
        ready_ms = self._findings.now_ms + PATIENCE_MS
        for command in commands:
            if isinstance(command, PlaceOrder | ModifyOrder | CancelOrder) and not opens(command):
                self._waiting[_key(command)] = (command, event.seq, ready_ms)

    def stored(self, steps: Sequence[Step]) -> None:
        """The journal says that it has these steps."""
        numbers, now = {step.event.seq for step in steps}, self._findings.now_ms
        for key, (command, seq, ready_ms) in self._waiting.items():
            if seq in numbers:
                self._waiting[key] = (command, seq, min(ready_ms, now))

    def leaves(self, command: PlaceOrder | ModifyOrder) -> None:
        """An order or a change of one leaves now."""
        self._waiting.pop(_key(command), None)
        if opens(command):
            now = self._findings.now_ms
            late = [
                f"{type(other).__name__} of {other.order_id} for {(now - ready_ms) / 1000:.3f} s"
                for other, _, ready_ms in self._waiting.values()
                if now - ready_ms > _ROUNDING_MS
            ]
            what = f"{command.order_id} leaves before {', '.join(late)}"
            self._findings.hold(self.NAME, not late, what)

    def cancel_leaves(self, broker_order_id: str) -> None:
        """A cancel leaves now."""
        for key, (command, _, _) in list(self._waiting.items()):
            if isinstance(command, CancelOrder) and command.broker_order_id == broker_order_id:
                del self._waiting[key]

    def new_process(self) -> None:
        """What a dead process had decided and not sent never leaves."""
        self._waiting.clear()


def opens(command: _Message) -> bool:
    """Whether a message is an entry, or another price or quantity of one."""
    return not isinstance(command, CancelOrder) and command.purpose is Purpose.ENTRY


def _key(command: _Message) -> tuple[str, Request]:
    return command.order_id, _REQUESTS[type(command)]
