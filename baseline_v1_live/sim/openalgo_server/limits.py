"""Rate limits as the gateway keeps them: per client and endpoint, a moving window of its own time."""

from __future__ import annotations

from collections import deque

from baseline_v1_live.sim.openalgo_server.clock import Deadline, ServerClock

ORDER_LIMIT = 10
API_LIMIT = 50
# basketorder, splitorder, closeposition and cancelallorder count under the wider limit.
ORDER_ENDPOINTS = frozenset({"placeorder", "modifyorder", "cancelorder", "placesmartorder"})
_WINDOW_S = 1.0


class RateLimits:
    """Says no to the 11th order call (51st other call) of one client within a second."""

    def __init__(self, clock: ServerClock) -> None:
        self._clock = clock
        self._counted_until: dict[tuple[str, str], deque[Deadline]] = {}

    def refusal(self, client: str, endpoint: str) -> str | None:
        """Count a call; the gateway's text when it is one too many. Refused calls do not count."""
        limit = ORDER_LIMIT if endpoint in ORDER_ENDPOINTS else API_LIMIT
        calls = self._counted_until.setdefault((client, endpoint), deque())
        while calls and self._clock.passed(calls[0]):
            calls.popleft()
        if len(calls) >= limit:
            return f"{limit} per 1 second"
        calls.append(self._clock.deadline(_WINDOW_S))
        return None
