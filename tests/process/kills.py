"""One short day in which the bot is killed, perhaps more than once, and started again each time."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.process_desk import wait_for
from tests.process.damages import DAMAGES
from tests.process.short_day import SQUARE_OFF_MS, STARTS_MS
from tests.process.short_desk import ShortDesk, short_day

RESTART_MAX_S = 30.0
# For so long after a restart the market is slow.
CAREFUL_MS = 6_000
OUTAGES_MS = (0, 20_000, 60_000)
# So far into the market a restarted bot still takes up what it found.
RECOVERY_MS = 3_000


@dataclass(frozen=True)
class Kill:
    """Where a bot is killed: at a place of tests/process/killed_bot.py, or at an instant of the market.

    ``outage_ms``: how far the market goes on while no bot runs. ``damage``: what becomes of the journal
    meanwhile, of tests/process/damages.py.
    """

    place: str = ""
    at_ms: int = 0
    outage_ms: int = 0
    damage: str = ""

    def __str__(self) -> str:
        where = self.place or f"at {(self.at_ms - STARTS_MS) / 1000:.3f} s of the day"
        told = f"{where}, outage {self.outage_ms // 1000} s"
        return f"{told}, {self.damage}" if self.damage else told


# After each of these the next bot's recovery has places of its own: a journal that is half made; entries
# that fill while nobody looks; a short without a stop, and one whose stop nobody remembers; the day's
# exit; and a short of which no journal tells.
FIRST_KILLS = (
    Kill("after schema 0.2"),
    Kill("after send 2", outage_ms=90_000),
    Kill("before send 3", outage_ms=20_000),
    Kill("after send 4", outage_ms=20_000),
    Kill("after send 12"),
    Kill("after send 4", damage="file truncated"),
)


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
            outcome.violations += _violations(desk, kills)
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
        _be_down(desk, kill)
    raise AssertionError("killed without a kill being left")


def _be_down(desk: ShortDesk, kill: Kill) -> None:
    from_ms = wait_for(lambda: _standing_ms(desk), "a clock that stands")
    to_ms = from_ms + kill.outage_ms
    desk.advance(to_ms)
    desk.downtimes.append((from_ms, to_ms))
    desk.busy.append((to_ms, to_ms + CAREFUL_MS))
    if kill.damage:
        DAMAGES[kill.damage](desk.journal)
        desk.sold_by_then = len(desk.sales())


def _violations(desk: ShortDesk, kills: Sequence[Kill]) -> list[str]:
    """A journal that was damaged cannot have all that the exchange has, and nothing is sold with it."""
    if not any(kill.damage for kill in kills):
        return desk.violations()
    sold = desk.sales()[desk.sold_by_then :]
    return desk.violations(books_only=True) + [f"sold without the journal: {sale}" for sale in sold]


def _standing_ms(desk: ShortDesk) -> int:
    clock = desk.ask("clock")
    return 0 if clock["running"] else int(clock["now_ms"])


# ---------------------------------------------------------------- which kills


def survey(folder: Path, first: Kill | None = None) -> tuple[list[str], list[str]]:
    """The places of a day without a kill in their order, or those of the next bot's recovery after a
    first one, and what was wrong with that day.
    """
    with short_day(folder) as desk:
        if first is not None:
            killed = desk.bot(kill_at=first.place)
            if desk.finish(killed):
                return [], [f"not reached: {first}"]
            _be_down(desk, first)
        from_ms, bot = desk.now_ms(), desk.bot()
        if first is not None:
            desk.wait_until(from_ms + RECOVERY_MS, bot)
            places = desk.places(2)
        wrong = [] if desk.finish(bot) else [f"ended with code {bot.code()}: {bot.words()}"]
        if first is None:
            return desk.places(), wrong + desk.violations()
        return places, wrong + _violations(desk, [first])


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
