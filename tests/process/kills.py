"""One short day in which the bot is killed, perhaps more than once, and started again each time."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.process_desk import wait_for
from tests.process.short_day import SQUARE_OFF_MS, STARTS_MS
from tests.process.short_desk import ShortDesk, short_day

RESTART_MAX_S = 30.0
# For so long after a restart the market is slow.
CAREFUL_MS = 6_000
OUTAGES_MS = (0, 20_000, 60_000)


@dataclass(frozen=True)
class Kill:
    """Where a bot is killed: at a place of tests/process/killed_bot.py, or at an instant of the market.

    ``outage_ms``: how far the market goes on while no bot runs.
    """

    place: str = ""
    at_ms: int = 0
    outage_ms: int = 0

    def __str__(self) -> str:
        where = self.place or f"at {(self.at_ms - STARTS_MS) / 1000:.3f} s of the day"
        return f"{where}, outage {self.outage_ms // 1000} s"


@dataclass
class Outcome:
    """What came of a day. ``restarts_s``: real seconds from each start after a kill to reconciled."""

    kills: tuple[Kill, ...]
    killed: int = 0
    restarts_s: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    took_s: float = 0.0

    @property
    def name(self) -> str:
        return " | ".join(str(kill) for kill in self.kills)


def play(folder: Path, kills: Sequence[Kill]) -> Outcome:
    """The day with these kills, each of another bot; what is wrong afterwards is in the outcome."""
    outcome, since_s = Outcome(tuple(kills)), time.monotonic()
    with short_day(folder) as desk:
        try:
            _play(desk, kills, outcome)
            outcome.violations += desk.violations()
        except (AssertionError, OSError) as error:
            outcome.violations.append(str(error))
    outcome.took_s = time.monotonic() - since_s
    return outcome


def _play(desk: ShortDesk, kills: Sequence[Kill], outcome: Outcome) -> None:
    for number, kill in enumerate([*kills, Kill()]):
        since_s = time.monotonic()
        bot = desk.bot(kill_at=kill.place)
        took_s = desk.wait_until_enabled(bot, since_s)
        if number and took_s is not None:
            outcome.restarts_s.append(took_s)
            if took_s > RESTART_MAX_S:
                outcome.violations.append(f"enabled {took_s:.1f} s after its start")
        if kill.at_ms and desk.wait_until(kill.at_ms, bot):
            bot.stop(signal.SIGKILL)
        if desk.finish(bot):
            return
        code = bot.code()
        if code != -signal.SIGKILL:
            outcome.violations.append(f"ended with code {code}: {bot.words()}")
            return
        outcome.killed += 1
        _be_down(desk, kill.outage_ms)
    raise AssertionError("killed without a kill being left")


def _be_down(desk: ShortDesk, outage_ms: int) -> None:
    from_ms = wait_for(lambda: _standing_ms(desk), "a clock that stands")
    to_ms = from_ms + outage_ms
    desk.advance(to_ms)
    desk.downtimes.append((from_ms, to_ms))
    desk.busy.append((to_ms, to_ms + CAREFUL_MS))


def _standing_ms(desk: ShortDesk) -> int:
    clock = desk.ask("clock")
    return 0 if clock["running"] else int(clock["now_ms"])


# ---------------------------------------------------------------- which kills


def survey(folder: Path) -> tuple[list[str], list[str]]:
    """The places of a day without a kill, in their order, and what was wrong with that day."""
    with short_day(folder) as desk:
        bot = desk.bot()
        wrong = [] if desk.finish(bot) else [f"ended with code {bot.code()}: {bot.words()}"]
        return desk.places(), wrong + desk.violations()


def at_places(places: Iterable[str]) -> list[Kill]:
    """One kill at each place; the outages take turns."""
    return [
        Kill(place, outage_ms=OUTAGES_MS[number % len(OUTAGES_MS)])
        for number, place in enumerate(places)
    ]


def at_random(chance: random.Random) -> list[Kill]:
    """One to three kills of a day: the first at an instant, later ones early in a restart or after."""
    instants = sorted(
        chance.randrange(STARTS_MS, SQUARE_OFF_MS + 3_000) for _ in range(chance.randint(1, 3))
    )
    kills = [Kill(at_ms=at_ms, outage_ms=chance.choice(OUTAGES_MS)) for at_ms in instants]
    for number in range(1, len(kills)):
        if chance.random() < 0.5:
            place = f"{chance.choice(('before', 'after'))} commit 0.{chance.randint(1, 12)}"
            kills[number] = Kill(place, outage_ms=kills[number].outage_ms)
    return kills
