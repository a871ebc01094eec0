"""What a seed means: the day's market, the rules it is traded by, and which troubles strike how often."""

from __future__ import annotations

import random
from collections.abc import Collection

import msgspec

from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import MINUTE_MS, SECOND_MS
from baseline_v1_live.sim.fault_catalogue import BY_NAME, TROUBLES, Kind

MINUTES = 40
SQUARE_OFF_MINUTE = 31
LAST_ENTRY_MINUTE = 27
_TROUBLES_MIN, _TROUBLES_MAX = 3, 10
# These end the day or its entries: often enough to be tried, seldom enough to leave days to trade.
_SELDOM = frozenset({"kill_switch", "journal_damaged", "terminated", "broker_square_off"})
_LASTS_S = {
    "rate_limited": (2, 40),
    "gateway_down": (2, 90),
    "gateway_hangs": (2, 60),
    "login_over": (5, 120),
    "stream_silent": (5, 120),
    "symbol_stalled": (60, 400),
    "disk_full": (5, 120),
    "disk_slow": (5, 60),
    "clock_set": (30, 300),
    "messenger_dead": (60, 2_000),
}


class Window(msgspec.Struct, frozen=True):
    """When a trouble lasts: milliseconds from the open."""

    name: str
    from_ms: int
    to_ms: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A seed's day. Instants are milliseconds from the open.

    ``chances`` are those of single calls and messages, ``windows`` are periods, and ``moments`` instants
    by trouble. From ``heal_ms`` on nothing goes wrong any more.
    """

    seed: int
    troubles: tuple[str, ...]
    profile: str
    rules: Rules
    chances: dict[str, float]
    windows: tuple[Window, ...]
    moments: tuple[tuple[int, str], ...]
    heal_ms: int


def draw(seed: int, allowed: Collection[str] | None = None, *, alone: str | None = None) -> Plan:
    """The plan of a seed. ``allowed``: troubles to draw from, None for all, empty for none; ``alone``:
    just this one, at every chance it gets.
    """
    chance = random.Random(f"plan of {seed}")
    names = _drawn(chance, allowed) if alone is None else (alone,)
    square_off_ms = SQUARE_OFF_MINUTE * MINUTE_MS
    heal_ms = square_off_ms + chance.randrange(-8 * MINUTE_MS, 3 * MINUTE_MS)
    windows: list[Window] = []
    moments: list[tuple[int, str]] = []
    chances: dict[str, float] = {}
    for name in names:
        kind = BY_NAME[name].kind
        if kind in (Kind.REQUEST, Kind.MESSAGE):
            chances[name] = 1.0 if alone else chance.choice((0.01, 0.03, 0.1, 0.3))
        elif kind is Kind.PERIOD:
            for _ in range(chance.randint(1, 3) * (3 if alone else 1)):
                from_ms = chance.randrange(-20 * SECOND_MS, heal_ms)
                lasts_ms = chance.randint(*_LASTS_S[name]) * SECOND_MS
                windows.append(Window(name, from_ms, min(from_ms + lasts_ms, heal_ms)))
        elif kind is Kind.MOMENT:
            many = 1 if name in _SELDOM else chance.randint(1, 4)
            for _ in range(many * (3 if alone else 1)):
                moments.append((chance.randrange(MINUTE_MS, heal_ms), name))
    return Plan(
        seed=seed,
        troubles=tuple(names),
        profile=chance.choice(("threaded", "threaded", "threaded", "zerodha", "docker")),
        rules=_rules(chance),
        chances=chances,
        windows=tuple(windows),
        moments=tuple(sorted(moments)),
        heal_ms=heal_ms,
    )


def _drawn(chance: random.Random, allowed: Collection[str] | None) -> tuple[str, ...]:
    names = [t.name for t in TROUBLES if allowed is None or t.name in allowed]
    if not names:
        return ()
    many = min(chance.randint(_TROUBLES_MIN, _TROUBLES_MAX), len(names))
    return tuple(sorted(chance.sample(names, many)))


def _rules(chance: random.Random) -> Rules:
    """Rules that find trades on small days, other limits each time."""
    return Rules(
        vwap_premium_min_bp=-3_000,
        price_min_paise=5_000,
        price_max_paise=40_000,
        positions_max=chance.choice((2, 3, 5)),
        positions_ce_max=chance.choice((1, 2, 3)),
        positions_pe_max=chance.choice((1, 2, 3)),
        lots_max=chance.choice((3, 10)),
        day_target_r_milli=chance.choice((3_000, 5_000, 8_000)),
        day_stop_r_milli=chance.choice((-3_000, -5_000, -8_000)),
    )
