"""How near the day's exits come to their limits, and the stops to their triggers, on generated days.

For each day: R when a limit was first reached, when the exit fired, and at the end; for each stop and
each closing order: the price paid against its trigger, or against the ask when the exit fired.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

import msgspec

from baseline_v1_live.core.messages import Purpose
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import Session, clock_text
from baseline_v1_live.research.replay import Replay
from baseline_v1_live.sim.day import MarketDay
from baseline_v1_live.sim.exchange import ExchangeModel
from baseline_v1_live.strategy.exit_policy import STOP, TARGET, day_reason

R_MISS = 0.2
SLIPPAGE_MISS_PCT = 1.0


class ExitSlippage(msgspec.Struct, frozen=True, kw_only=True):
    """One executed exit order: ``wanted`` is the stop's trigger, or the ask when the exit fired."""

    symbol: str
    purpose: str
    at: str
    quantity: int
    wanted: float
    paid: float

    @property
    def pct(self) -> float:
        """Paid above wanted, in percent; negative when it was cheaper."""
        return (self.paid / self.wanted - 1) * 100


class DayAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """One day: ``limit_r`` is None when the day ended without reaching a limit."""

    seed: int
    reason: str
    limit_r: float | None
    first_r: float | None
    fired_r: float
    final_r: float
    trades: int
    exits: list[ExitSlippage]

    @property
    def miss_r(self) -> float | None:
        """Final R beyond (positive) or short of (negative) the limit, None without a limit."""
        if self.limit_r is None:
            return None
        return self.final_r - self.limit_r if self.limit_r > 0 else self.limit_r - self.final_r


class _Observer:
    """Watches a replay for the moments at which a limit is reached and the exit fires."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.replay: Replay | None = None
        self.first_r_milli: int | None = None
        self.fired_r_milli: int | None = None
        self.asks: dict[str, int] = {}

    def look(self) -> None:
        assert self.replay is not None
        if self.fired_r_milli is not None:
            return
        engine = self.replay.engine
        milli = engine.r_milli
        beyond = milli >= self._rules.day_target_r_milli or milli <= self._rules.day_stop_r_milli
        if not beyond:
            self.first_r_milli = None
        elif self.first_r_milli is None:
            self.first_r_milli = milli
        if engine.positions.day_exit_reason is not None:
            self.fired_r_milli = milli
            self.asks = {p.symbol: p.mark_paise for p in engine.positions.open.values()}


def measure_day(
    seed: int, rules: Rules, session: Session, generate: Callable[[int], MarketDay]
) -> DayAccuracy:
    """Play the generated day of a seed and measure its exits."""
    observer = _Observer(rules)
    replay = Replay(
        generate(seed),
        rules,
        session,
        ExchangeModel(),
        after_step=observer.look,
    )
    observer.replay = replay
    result = replay.run()
    reason = result.day.exit_reason or ""
    limits = {TARGET: rules.day_target_r_milli, STOP: rules.day_stop_r_milli}
    limit = next((limits[kind] for kind in limits if reason == day_reason(kind, rules)), None)
    first = observer.first_r_milli
    return DayAccuracy(
        seed=seed,
        reason=reason,
        limit_r=None if limit is None else limit / 1000,
        first_r=None if first is None or limit is None else first / 1000,
        fired_r=(observer.fired_r_milli or 0) / 1000,
        final_r=result.day.r,
        trades=len(result.trades),
        exits=list(_slippages(replay, observer.asks)),
    )


def measure_days(
    seeds: Iterable[int],
    rules: Rules,
    session: Session,
    generate: Callable[[int], MarketDay],
    jobs: int,
    done: Callable[[], object],
) -> list[DayAccuracy]:
    """Measure many days on ``jobs`` processes; ``done`` is called after each.

    ``generate`` makes the day of a seed; it goes to the processes, so it must be picklable.
    """
    found = []
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        futures = [pool.submit(measure_day, seed, rules, session, generate) for seed in seeds]
        for future in futures:
            found.append(future.result())
            done()
    return found


def _slippages(replay: Replay, asks: dict[str, int]) -> Iterator[ExitSlippage]:
    for order in replay.engine.orders.orders.values():
        if not order.filled_quantity or order.purpose not in (Purpose.STOP, Purpose.EXIT):
            continue
        wanted = (
            order.trigger_price_paise
            if order.purpose is Purpose.STOP
            else asks.get(order.symbol, 0)
        )
        if not wanted:
            continue
        assert order.closed_at_ms is not None
        yield ExitSlippage(
            symbol=order.symbol,
            purpose=order.purpose,
            at=clock_text(order.closed_at_ms),
            quantity=order.filled_quantity,
            wanted=wanted / 100,
            paid=order.filled_value_paise / order.filled_quantity / 100,
        )


# ---------------------------------------------------------------- report


def markdown(days: list[DayAccuracy]) -> str:
    """The measurements as Markdown tables, misses listed one by one."""
    lines = [
        "| seed | day exit | R when reached | R when fired | final R | miss | trades | "
        "worst stop slippage | worst exit slippage |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for day in days:
        lines.append(
            f"| {day.seed} | {day.reason} | {_r(day.first_r)} | {_r(day.fired_r)} | "
            f"{_r(day.final_r)} | {_r(day.miss_r)} | {day.trades} | "
            f"{_worst(day, Purpose.STOP)} | {_worst(day, Purpose.EXIT)} |"
        )
    stops = [e.pct for day in days for e in day.exits if e.purpose == Purpose.STOP]
    exits = [e.pct for day in days for e in day.exits if e.purpose == Purpose.EXIT]
    misses = [abs(day.miss_r) for day in days if day.miss_r is not None]
    lines += [
        "",
        f"- {len(days)} days, {len(misses)} ended at a limit; the median distance of final R from "
        f"its limit is {statistics.median(misses) if misses else 0:.3f} R, "
        f"the largest {max(misses, default=0):.3f} R.",
        f"- {_spread('stops against their trigger', stops)}",
        f"- {_spread('closing orders against the ask when the exit fired', exits)}",
        "",
        f"Misses over {R_MISS} R or {SLIPPAGE_MISS_PCT:g} %:",
        "",
    ]
    return "\n".join([*lines, *(_misses(days) or ["none"])]) + "\n"


def _misses(days: list[DayAccuracy]) -> list[str]:
    lines = []
    for day in days:
        if day.miss_r is not None and abs(day.miss_r) > R_MISS:
            assert day.first_r is not None
            lines.append(
                f"- seed {day.seed}: final {day.final_r:+.2f}R, reached at {day.first_r:+.2f}R, "
                f"fired at {day.fired_r:+.2f}R"
            )
        for item in day.exits:
            if item.pct > SLIPPAGE_MISS_PCT:
                lines.append(
                    f"- seed {day.seed}: {item.at} {item.symbol} {item.purpose} of {item.quantity} "
                    f"wanted {item.wanted:.2f}, paid {item.paid:.2f} ({item.pct:+.2f} %)"
                )
    return lines


def _r(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"


def _worst(day: DayAccuracy, purpose: Purpose) -> str:
    found = [item.pct for item in day.exits if item.purpose == purpose]
    return f"{max(found):+.2f} %" if found else ""


def _spread(name: str, values: list[float]) -> str:
    if not values:
        return f"{name}: none"
    ordered = sorted(values)
    p95 = ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)]
    over = sum(1 for value in values if value > SLIPPAGE_MISS_PCT)
    return (
        f"{len(values)} {name}: median {statistics.median(values):+.2f} %, 95th percentile "
        f"{p95:+.2f} %, worst {ordered[-1]:+.2f} %, over {SLIPPAGE_MISS_PCT:g} %: {over}"
    )
