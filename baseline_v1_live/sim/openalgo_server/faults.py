"""Troubles on order: each waits for the next calls of an endpoint and spoils them.

``after`` says whether the request is carried out before its answer is spoilt; that is what makes an
outcome unknown to the client.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# name -> whether the request is carried out, unless the order says otherwise
FAULTS: dict[str, bool] = {
    "drop_reply_after_accept": True,
    "drop_before_accept": False,
    "delay_reply_s": True,
    "http_500": False,
    "html_reply": True,
    "truncated_json": True,
    "success_without_id": True,
}
# Those that make sense both ways.
_EITHER = frozenset({"http_500", "html_reply", "truncated_json"})
STREAM_FAULTS = ("drop_stream", "silent_stream")


@dataclass
class Fault:
    """A trouble, for ``count`` calls of ``endpoint`` (``*`` for any)."""

    name: str
    count: int
    endpoint: str
    seconds: float
    after: bool


class Faults:
    """The troubles that wait for their calls, oldest first."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(self, order: dict[str, Any]) -> Fault:
        """Order a trouble: ``name``, and if wished ``count``, ``endpoint``, ``seconds``, ``after``.

        Raises ValueError for a name that is not known and for a count below 1.
        """
        name = order.get("name")
        if name not in FAULTS:
            raise ValueError(f"fault {name!r} is not one of {', '.join(FAULTS)}")
        count = int(order.get("count", 1))
        if count < 1:
            raise ValueError(f"count must be at least 1: {count}")
        carried_out = FAULTS[name]
        fault = Fault(
            name=str(name),
            count=count,
            endpoint=str(order.get("endpoint", "placeorder")),
            seconds=float(order.get("seconds", 1.0)),
            after=bool(order.get("after", carried_out)) if name in _EITHER else carried_out,
        )
        self.waiting.append(fault)
        return fault

    def take(self, endpoint: str) -> Fault | None:
        """The trouble for this call, if one waits."""
        for fault in self.waiting:
            if fault.endpoint in ("*", endpoint):
                fault.count -= 1
                if fault.count == 0:
                    self.waiting.remove(fault)
                return fault
        return None
