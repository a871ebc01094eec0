"""What many seeds came to: how often each trouble struck, in which states, and what was found."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import msgspec

from baseline_v1_live.sim.fault_catalogue import TROUBLES
from baseline_v1_live.simulate.seed import SeedResult
from baseline_v1_live.simulate.strikes import parts_of


class FaultCount(msgspec.Struct, frozen=True, kw_only=True):
    """One trouble: on how many days it was drawn and struck, how many times, and by state of orders and
    positions, the most frequent first.
    """

    drawn_days: int
    days: int
    times: int
    states: dict[str, int]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run. ``order_states`` and ``position_states`` count strikes by each state that was there then,
    ``violations`` days by invariant, ``checks`` looks by invariant, ``excused`` looks at what could not
    be held just then, ``exits`` filled purchases by reason. ``short_s``: seconds of all shorts together.
    ``digest`` is that of all event logs.
    """

    commit: str
    first_seed: int
    seeds: int
    full_size_days: int
    days_with_trades: int
    trades: int
    exits: dict[str, int] = {}
    short_s: int = 0
    starts: int
    exit_policies: dict[str, int]
    faults_struck: int
    faults: dict[str, FaultCount]
    order_states: dict[str, int]
    position_states: dict[str, int]
    checks_made: int
    checks: dict[str, int]
    excused: dict[str, int] = {}
    days_with_violations: int
    violations: dict[str, int]
    digest: str


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What ``simulate --json`` writes."""

    summary: Summary
    days: Sequence[SeedResult]


def summed(days: Sequence[SeedResult], commit: str) -> Summary:
    """All days of a run as one value."""
    faults = {trouble.name: _count(trouble.name, days) for trouble in TROUBLES}
    order_states: Counter[str] = Counter()
    position_states: Counter[str] = Counter()
    for fault in faults.values():
        for state, times in fault.states.items():
            orders, positions = parts_of(state)
            order_states.update(dict.fromkeys(orders, times))
            position_states.update(dict.fromkeys(positions, times))
    checks: Counter[str] = Counter()
    excused: Counter[str] = Counter()
    exits: Counter[str] = Counter()
    for day in days:
        checks.update(day.checks)
        excused.update(day.excused)
        exits.update(day.exits)
    found = Counter(name for day in days for name in {v.invariant for v in day.violations})
    return Summary(
        commit=commit,
        first_seed=min((day.seed for day in days), default=0),
        seeds=len(days),
        full_size_days=sum(day.full_size for day in days),
        days_with_trades=sum(1 for day in days if day.trades),
        trades=sum(day.trades for day in days),
        exits=_by_times(exits),
        short_s=sum(day.short_s for day in days),
        starts=sum(day.starts for day in days),
        exit_policies=dict(sorted(Counter(day.exit_policy for day in days).items())),
        faults_struck=sum(fault.times for fault in faults.values()),
        faults=faults,
        order_states=_by_times(order_states),
        position_states=_by_times(position_states),
        checks_made=checks.total(),
        checks=dict(sorted(checks.items())),
        excused=dict(sorted(excused.items())),
        days_with_violations=sum(1 for day in days if day.violations),
        violations=_by_times(found),
        digest=hashlib.sha256("".join(day.digest for day in days).encode()).hexdigest()[:16],
    )


# So much of a run has to be tried for it to say anything: strikes of each fault and trades by day.
_STRIKES_A_DAY, _TRADED = 0.25, 0.8


def thin(summary: Summary) -> list[str]:
    """What a run of all faults has tried too little, one line each: a fault that struck less often than
    once in four days, or fewer than four days of five with a trade.
    """
    lines = [
        f"{name} struck {fault.times} times in {summary.seeds} days, fewer than one in four"
        for name, fault in summary.faults.items()
        if fault.times < _STRIKES_A_DAY * summary.seeds
    ]
    if summary.days_with_trades < _TRADED * summary.seeds:
        lines.append(
            f"{summary.days_with_trades} of {summary.seeds} days had trades, fewer than four of five"
        )
    return lines


def _count(name: str, days: Sequence[SeedResult]) -> FaultCount:
    states: Counter[str] = Counter()
    for day in days:
        states.update(day.states.get(name, {}))
    return FaultCount(
        drawn_days=sum(name in day.troubles for day in days),
        days=sum(name in day.fired for day in days),
        times=sum(day.fired.get(name, 0) for day in days),
        states=_by_times(states),
    )


def _by_times(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
