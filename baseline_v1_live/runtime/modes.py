"""The ways in which the live loop runs, and how its process ends."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class RunMode(StrEnum):
    """Where orders go. The value names the folder of the mode's state."""

    LIVE = "live"
    PAPER = "paper"  # the gateway's own paper trading, its analyzer mode
    BUILTIN = "paper-builtin"  # the built-in exchange on the gateway's prices
    DRY_RUN = "dry-run"  # nowhere: orders are answered and never fill

    @property
    def sends_orders(self) -> bool:
        """Whether orders go to the gateway."""
        return self in (RunMode.LIVE, RunMode.PAPER)


class ExitCode(IntEnum):
    """What a supervisor or a script learns from the end of the process."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    LOCKED = 3
    ENTRIES_NOT_PROVEN = 4
    NOT_FLAT = 5
    NOT_COVERED = 6
    FORCED = 130
