"""What a seed means: the day's market, the rules it is traded by, and which troubles strike how often."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable

import msgspec

from baseline_v1_live.core.rules import ExitPolicy, Rules
from baseline_v1_live.core.session import MINUTE_MS, SECOND_MS
from baseline_v1_live.sim.fault_catalogue import BY_NAME, TROUBLES, Kind

# Of so many seeds in a row the last one is a whole day with all its symbols.
FULL_SIZE_EVERY = 50
_TROUBLES_MIN, _TROUBLES_MAX = 5, 17
# How often one call or message is struck, drawn for each day that has the trouble.
_CHANCES = (0.01, 0.03, 0.1, 0.3)
_OFTEN, _MOSTLY = (0.1, 0.3, 0.6), (0.3, 0.6, 1.0)
# What few calls of a day can meet is drawn more often than the rest, which is drawn once, and strikes
# more often, or hundreds of days would hardly show it.
_RARE: dict[str, tuple[float, tuple[float, ...]]] = {
    "acceptance_late": (1.0, _OFTEN),
    "answer_lost": (1.5, _OFTEN),
    "request_lost": (1.5, _OFTEN),
    "orders_forbidden": (6.0, ()),
    "gap_over_stop": (2.0, ()),
    "old_ticks": (1.5, ()),
    "cut_json": (1.0, _OFTEN),
    "depth_refused": (1.5, _OFTEN),
    "no_id": (1.5, _OFTEN),
    "order_question_fails": (1.5, _OFTEN),
    "refused": (1.0, _OFTEN),
    "trades_late": (1.5, _OFTEN),
    "updates_lost": (1.0, _OFTEN),
    "updates_shuffled": (1.0, _OFTEN),
    "updates_twice": (1.0, _OFTEN),
    "messenger_dead": (1.3, ()),
    "rate_limited": (1.2, ()),
    "positions_empty": (1.2, ()),
    "disk_slow": (1.2, ()),
    "prices_fail": (1.6, _OFTEN),
    "rejected_later": (2.0, _OFTEN),
    "fill_after_cancel": (2.3, _OFTEN),
    "fill_during_cancel": (2.0, _MOSTLY),
    "fill_during_modify": (3.0, _MOSTLY),
    "stop_refused": (2.0, _MOSTLY),
    "stop_rejected_at_trigger": (6.0, _MOSTLY),
    "clock_set": (1.5, ()),
    "halt": (1.7, ()),
    "gateway_down": (1.3, ()),
    "garbage_ticks": (1.3, ()),
    "margin_short": (2.5, ()),
    "kill_switch": (3.5, ()),
    "broker_square_off": (4.0, ()),
    "broker_sweep": (20.0, ()),
    "lane_full": (11.0, ()),
    "paused": (2.0, ()),
    "terminated": (1.5, ()),
    "order_by_hand": (2.0, ()),
    "added_by_hand": (2.5, ()),
    "closed_by_hand": (3.2, ()),
    "stop_cancelled_by_hand": (3.5, ()),
    "stop_moved_by_hand": (3.5, ()),
    "journal_damaged": (3.3, ()),
}
# These end the day or its entries, so they come seldom, and when a good part of it has passed. A sweep
# needs orders that work, and mostly there is none.
_ENDS_MAX = {
    "kill_switch": 1,
    "broker_square_off": 1,
    "broker_sweep": 3,
    "lane_full": 1,
    "journal_damaged": 2,
}
_ENDS_BETWEEN = (0.4, 0.9)
# This one needs entries that rest.
_ENTERS_BETWEEN = {"lane_full": (0.15, 0.7)}
# Every third of them races our own square-off.
_RACES, _RACE_MS = 1 / 3, (-90 * SECOND_MS, 120 * SECOND_MS)
# Most days are healed around the square-off, some after the hard cut only.
_HEALS_MS = (-8 * MINUTE_MS, 6 * MINUTE_MS)
_MOMENTS_MIN, _MOMENTS_MAX = 2, 7
_PERIODS_MIN, _PERIODS_MAX = 2, 6
_HALTS = 2
_ALONE_TIMES, _FULL_SIZE_TIMES = 3, 4
_LASTS_S, _HALT_S = (5, 60), (120, 240)
# A moment that waits for the next order message strikes so long after it; none comes for ever.
_AFTER_ORDER_MS = (0, 5, 20, 60, 200, 800, 2_000)


class Window(msgspec.Struct, frozen=True):
    """When a trouble lasts: milliseconds from the open."""

    name: str
    from_ms: int
    to_ms: int


class Moment(msgspec.Struct, frozen=True):
    """When a trouble happens: milliseconds from the open, or so long after the first order message
    from then on.
    """

    at_ms: int
    name: str
    after_order_ms: int | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A seed's day. Instants are milliseconds from the open, minutes those after it.

    ``chances`` are those of single calls and messages, ``windows`` are periods, and ``moments`` instants
    by trouble. From ``heal_ms`` on nothing goes wrong any more. A ``full_size`` day is a whole session of
    all strikes.
    """

    seed: int
    full_size: bool
    minutes: int
    last_entry_minute: int
    square_off_minute: int
    troubles: tuple[str, ...]
    profile: str
    rules: Rules
    chances: dict[str, float]
    windows: tuple[Window, ...]
    moments: tuple[Moment, ...]
    heal_ms: int


def draw(
    seed: int,
    allowed: Collection[str] | None = None,
    *,
    alone: str | None = None,
    exit_policy: ExitPolicy | None = None,
    full_size: bool = False,
) -> Plan:
    """The plan of a seed. ``allowed``: troubles to draw from, None for all, empty for none; ``alone``:
    just this one, at every chance it gets. ``exit_policy`` and ``full_size`` take the place of what the
    seed would have.
    """
    chance = random.Random(f"plan of {seed}")
    names = _drawn(chance, allowed) if alone is None else (alone,)
    full_size = full_size or seed % FULL_SIZE_EVERY == FULL_SIZE_EVERY - 1
    minutes, last_entry, square_off = (375, 345, 360) if full_size else (42, 27, 31)
    heal_ms = square_off * MINUTE_MS + chance.randrange(*_HEALS_MS)
    often = (_ALONE_TIMES if alone else 1) * (_FULL_SIZE_TIMES if full_size else 1)
    drawn = _Drawn(chance, square_off * MINUTE_MS, heal_ms, often)
    for name in names:
        drawn.add(name, certain=alone is not None)
    return Plan(
        seed=seed,
        full_size=full_size,
        minutes=minutes,
        last_entry_minute=last_entry,
        square_off_minute=square_off,
        troubles=tuple(names),
        profile=chance.choice(("threaded", "threaded", "threaded", "zerodha", "docker")),
        rules=_rules(chance, exit_policy, names),
        chances=drawn.chances,
        windows=tuple(drawn.windows),
        moments=tuple(sorted(drawn.moments, key=lambda moment: (moment.at_ms, moment.name))),
        heal_ms=heal_ms,
    )


class _Drawn:
    """When the troubles of a plan strike, drawn one after the other."""

    def __init__(self, chance: random.Random, square_off_ms: int, heal_ms: int, often: int) -> None:
        self.chances: dict[str, float] = {}
        self.windows: list[Window] = []
        self.moments: list[Moment] = []
        self._chance, self._often = chance, often
        self._square_off_ms, self._heal_ms = square_off_ms, heal_ms

    def add(self, name: str, *, certain: bool) -> None:
        """One more trouble; ``certain``: at every chance that it gets."""
        chance, lasts_s = self._chance, BY_NAME[name].lasts_s
        match BY_NAME[name].kind:
            case Kind.REQUEST | Kind.MESSAGE:
                rate = chance.choice(_RARE[name][1] if name in _RARE else _CHANCES)
                self.chances[name] = 1.0 if certain else rate
            case Kind.PERIOD:
                self._last(name, chance.randint(_PERIODS_MIN, _PERIODS_MAX), lasts_s)
            case Kind.DAY if name == "halt":
                self._last(name, _HALTS, _HALT_S)
            case Kind.DAY if name != "jumps":
                self.windows.append(Window(name, 0, self._heal_ms))
            case _:
                self._happen(name)

    def _last(self, name: str, times: int, lasts_s: tuple[int, int]) -> None:
        for _ in range(times * self._often):
            from_ms = self._chance.randrange(-20 * SECOND_MS, self._heal_ms)
            lasts_ms = self._chance.randint(*(lasts_s if any(lasts_s) else _LASTS_S)) * SECOND_MS
            self.windows.append(Window(name, from_ms, min(from_ms + lasts_ms, self._heal_ms)))

    def _happen(self, name: str) -> None:
        chance, first_ms, last_ms = self._chance, MINUTE_MS, self._heal_ms
        times = chance.randint(_MOMENTS_MIN, _MOMENTS_MAX) * self._often
        if name in _ENDS_MAX:
            times = chance.randint(1, _ENDS_MAX[name])
            ends_ms = min(self._square_off_ms, self._heal_ms)
            between = _ENTERS_BETWEEN.get(name, _ENDS_BETWEEN)
            first_ms, last_ms = (round(part * ends_ms) for part in between)
            race_ms = [self._square_off_ms + ms for ms in _RACE_MS]
            races = race_ms[0] < self._heal_ms and name not in _ENTERS_BETWEEN
            if races and chance.random() < _RACES:
                first_ms, last_ms = race_ms[0], min(race_ms[1], self._heal_ms)
        for _ in range(times):
            at_ms = chance.randrange(first_ms, last_ms)
            # Half of them strike while an order message is under way, the rest at any time.
            after_ms = chance.choice(_AFTER_ORDER_MS) if chance.random() < 0.5 else None
            self.moments.append(Moment(at_ms, name, after_ms))


def _drawn(chance: random.Random, allowed: Collection[str] | None) -> tuple[str, ...]:
    names = [t.name for t in TROUBLES if allowed is None or t.name in allowed]
    if not names:
        return ()
    many = min(chance.randint(_TROUBLES_MIN, _TROUBLES_MAX), len(names))
    return tuple(sorted(_sample(chance, names, many)))


def _sample(chance: random.Random, names: Iterable[str], many: int) -> list[str]:
    """So many different names, each the likelier the greater its weight."""
    keys = {name: chance.random() ** (1 / _RARE.get(name, (1.0, ()))[0]) for name in names}
    return sorted(keys, key=lambda name: -keys[name])[:many]


def _rules(chance: random.Random, forced: ExitPolicy | None, troubles: Collection[str]) -> Rules:
    """Rules that find trades on small days, other limits each time; their exit policies act on the
    profits of such a day, too.
    """
    market, *others = ExitPolicy
    drawn = chance.choices([market, *others], weights=[4, 2, 2, 2])[0]
    stages = chance.choice(((100, 200), (150, 400), (300, 600)))
    arm = chance.choice((150, 300, 500))
    policy = forced or drawn
    # The order lane is filled by the lots of large entries only.
    lots_max = max(chance.choice((3, 10)), 10 if "lane_full" in troubles else 0)
    return Rules(
        vwap_premium_min_bp=-3_000,
        price_min_paise=5_000,
        price_max_paise=40_000,
        positions_max=chance.choice((2, 3, 5)),
        positions_ce_max=chance.choice((1, 2, 3)),
        positions_pe_max=chance.choice((1, 2, 3)),
        lots_max=lots_max,
        day_target_r_milli=chance.choice((3_000, 5_000, 8_000)),
        day_stop_r_milli=chance.choice((-3_000, -5_000, -8_000)),
        exit_policy=policy,
        staged_r_milli=stages,
        fixed_target_r_milli=chance.choice((100, 200, 400)),
        trailing_arm_r_milli=stages[-1] if policy is ExitPolicy.STAGED else arm,
        trailing_gap_r_milli=chance.choice((100, 200)),
    )
