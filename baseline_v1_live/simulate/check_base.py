"""What all checks share: findings, how often each invariant was looked at, and what may last a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec

from baseline_v1_live.core.session import clock_text
from baseline_v1_live.simulate.check_reach import Reach

WITHIN_MS = 5_000


class Violation(msgspec.Struct, frozen=True):
    """An invariant that did not hold."""

    invariant: str
    at: str
    what: str


class Findings:
    """``violations`` gathers what was wrong, ``checks`` how often an invariant was really looked at,
    ``excused`` how often something made it impossible to hold it.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.violations: list[Violation] = []
        self.checks: Counter[str] = Counter()
        self.excused: Counter[str] = Counter()
        self._now_ms = now_ms
        self._told: set[tuple[str, str]] = set()

    @property
    def now_ms(self) -> int:
        """The instant by the exchange's clock."""
        return self._now_ms()

    def hold(self, invariant: str, ok: bool, what: str) -> bool:
        """Look at an invariant once; what is wrong begins with what it is about. Returns ``ok``."""
        self.checks[invariant] += 1
        if not ok:
            self.blame(invariant, what)
        return ok

    def excuse(self, invariant: str) -> None:
        """An invariant was looked at when it could not be held."""
        self.excused[invariant] += 1

    def blame(self, invariant: str, what: str) -> None:
        """Say once of each thing that an invariant does not hold for it."""
        about = what.split(maxsplit=1)[0]
        if (invariant, about) not in self._told:
            self._told.add((invariant, about))
            self.violations.append(Violation(invariant, clock_text(self.now_ms), what))


class Lasting:
    """What is wrong only when it lasts, although bot and gateway could have mended it."""

    def __init__(self, findings: Findings, reach: Reach) -> None:
        self._findings, self._reach = findings, reach
        # (invariant, what it is about) -> (symbol, since when, limit, what is wrong, without books)
        self._open: dict[tuple[str, str], tuple[str, int, int, str, bool]] = {}

    def note(
        self,
        invariant: str,
        about: str,
        bad: bool,
        what: str,
        *,
        symbol: str = "",
        within_ms: int = WITHIN_MS,
        real: bool = True,
        books: bool = True,
    ) -> None:
        """How something stands now; ``about`` is a symbol unless that is given. Not ``real``: there is
        nothing that could be wrong, so it does not count as a look. ``books``: whoever cannot read them
        cannot know of it.
        """
        now, key = self._findings.now_ms, (invariant, about)
        if real:
            excused_to = self._reach.excused_to_ms(symbol or about, now, books=books)
            counts = now - excused_to > within_ms
            (self._findings.checks if counts else self._findings.excused)[invariant] += 1
        if not bad:
            self._open.pop(key, None)
        elif key in self._open:
            symbol, since, within_ms, _, _ = self._open[key]
            self._open[key] = (symbol, since, within_ms, what, books)
        else:
            self._open[key] = (symbol or about, now, within_ms, what, books)

    def forget(self, invariant: str) -> None:
        """Nothing is wrong any more in this respect."""
        for key in [key for key in self._open if key[0] == invariant]:
            del self._open[key]

    def look(self) -> None:
        """Blame what has lasted too long by now."""
        now = self._findings.now_ms
        for (invariant, about), (symbol, since, within_ms, what, books) in list(self._open.items()):
            excused_to = self._reach.excused_to_ms(symbol, now, books=books)
            if now - max(since, excused_to) > within_ms:
                self._findings.blame(invariant, f"{about} {what} for {(now - since) / 1000:.1f} s")
