"""Says the core's notices on a terminal or in a log: one line each, simulated or real time first."""

from __future__ import annotations

from collections.abc import Callable

from baseline_v1_live.core.messages import Level, Notify
from baseline_v1_live.core.session import clock_text


class ConsoleNotifier:
    """Writes ``[10:46:15] [EXIT] text`` lines through ``write``.

    ``tags`` limits LOG-level notices to these tags (None = all); louder levels are always written.
    """

    def __init__(self, write: Callable[[str], object], tags: frozenset[str] | None = None) -> None:
        self._write = write
        self._tags = tags

    def notify(self, notice: Notify, at_ms: int) -> None:
        """Write one line."""
        if notice.level is Level.LOG and self._tags is not None and notice.tag not in self._tags:
            return
        mark = {Level.ALERT: "ALERT ", Level.CRITICAL: "CRITICAL "}.get(notice.level, "")
        self._write(f"[{clock_text(at_ms)}] [{notice.tag}] {mark}{notice.text}")
