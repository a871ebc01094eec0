"""What really happened, for an independent checker: orders, fills and calls, oldest first.

Orders and fills come from the exchange's own events, never from what a reply said or left out.
"""

from __future__ import annotations

import bisect
import heapq
from collections import deque
from typing import Any

from baseline_v1_live.core.messages import OrderType, OrderUpdated, Side

CALLS_MAX = 20_000
PAGE_ROWS = 5_000
_Row = dict[str, Any]


class Audit:
    """Rows numbered from 1 by ``n``; every row has ``at_ms`` and a ``kind``.

    ``order``: an order as it is after a change. ``fill``: one trade of it. ``request``: a call that
    asks for a change of orders, with its body. ``call``: any other call, the last ``CALLS_MAX`` of
    them; ``limited`` when it got a 429. ``stream``: a WebSocket client has come or gone.
    """

    def __init__(self) -> None:
        self._rows: list[_Row] = []
        self._calls: deque[_Row] = deque(maxlen=CALLS_MAX)
        self._count = 0
        self._known: dict[str, _Row] = {}

    def order(
        self, event: OrderUpdated, at_ms: int, orderid: str, side: Side, order_type: OrderType
    ) -> None:
        """Note the exchange's word on an order, if it says anything new."""
        before = self._known.get(orderid, {})
        state = {
            "orderid": orderid,
            "symbol": event.symbol,
            "side": side.value,
            "pricetype": order_type.value,
            "quantity": event.quantity,
            "trigger_paise": event.trigger_price_paise,
            "limit_paise": event.limit_price_paise,
            "status": event.status.value,
            "filled_quantity": event.filled_quantity or 0,
            "filled_value_paise": event.filled_value_paise or 0,
            "message": event.message,
        }
        if state == before:
            return
        self._known[orderid] = state
        quantity = state["filled_quantity"] - before.get("filled_quantity", 0)
        if quantity:
            fill = {key: state[key] for key in ("orderid", "symbol", "side")}
            value = state["filled_value_paise"] - before.get("filled_value_paise", 0)
            self._add("fill", at_ms, **fill, quantity=quantity, value_paise=value)
        self._add("order", at_ms, **state)

    def call(self, at_ms: int, endpoint: str, order: _Row | None, *, limited: bool = False) -> None:
        """Note a REST call as it arrives; ``order`` is the body of one that changes orders."""
        if order is not None:
            body = {key: value for key, value in order.items() if key != "apikey"}
            self._add("request", at_ms, endpoint=endpoint, body=body)
        else:
            self._calls.append(self._row("call", at_ms, endpoint=endpoint, limited=limited))

    def stream(self, at_ms: int, what: str) -> None:
        """Note that a WebSocket client is ``connected`` or ``gone``."""
        self._add("stream", at_ms, what=what)

    def page(self, since: int) -> dict[str, Any]:
        """Rows after number ``since``, ``PAGE_ROWS`` at most; ask again with ``next`` while ``more``."""
        kept = self._rows[_place(self._rows, since) :]
        rows = list(heapq.merge(kept, self._after(since), key=_number))
        page = rows[:PAGE_ROWS]
        return {
            "rows": page,
            "next": page[-1]["n"] if page else since,
            "more": len(rows) > len(page),
        }

    # ------------------------------------------------------------ inside

    def _add(self, kind: str, at_ms: int, **fields: Any) -> None:
        self._rows.append(self._row(kind, at_ms, **fields))

    def _row(self, kind: str, at_ms: int, **fields: Any) -> _Row:
        self._count += 1
        return {"n": self._count, "at_ms": at_ms, "kind": kind, **fields}

    def _after(self, since: int) -> list[_Row]:
        return [row for row in self._calls if row["n"] > since]


def _number(row: _Row) -> int:
    return int(row["n"])


def _place(rows: list[_Row], since: int) -> int:
    return bisect.bisect_right(rows, since, key=_number)
