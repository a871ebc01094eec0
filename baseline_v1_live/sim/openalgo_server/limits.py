"""Rate limits as the gateway keeps them: per client and endpoint, a moving window of real time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

ORDER_LIMIT = 10
API_LIMIT = 50
# basketorder, splitorder, closeposition and cancelallorder count under the wider limit.
ORDER_ENDPOINTS = frozenset({"placeorder", "modifyorder", "cancelorder", "placesmartorder"})
_WINDOW_S = 1.0


class RateLimits:
    """Says no to the 11th order call (51st other call) of one client within a second."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def refusal(self, client: str, endpoint: str) -> str | None:
        """Count a call; the gateway's text when it is one too many. Refused calls do not count."""
        limit = ORDER_LIMIT if endpoint in ORDER_ENDPOINTS else API_LIMIT
        calls = self._calls.setdefault((client, endpoint), deque())
        now = self._monotonic()
        while calls and calls[0] <= now - _WINDOW_S:
            calls.popleft()
        if len(calls) >= limit:
            return f"{limit} per 1 second"
        calls.append(now)
        return None
