"""How long closing everything takes, in round trips: five shorts with resting stops, 40 ms away.

    python -m bench.close_all [--repetitions 20] [--json]

The way of each position: its stop is cancelled, the cancellation is proven, the short is bought back at
the market. That is three round trips one after the other, for all positions side by side. Measured from
the operator's word until the last exit is booked; the target is 1.3 times three round trips.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.limiter import Limits, OrderLimiter
from baseline_v1_live.adapters.openalgo.wire.outcomes import Accepted
from baseline_v1_live.core.messages import (
    OrderType,
    PlaceOrder,
    Purpose,
    Side,
    Started,
    Tick,
)
from baseline_v1_live.core.order_states import RESTING
from baseline_v1_live.core.rules import Rules
from bench import bot as bots
from bench import gateway as gateways
from bench.bot import Bot, Span
from bench.figures import machine, percentile, spread, table
from bench.gateway import CONTRACTS, INDEX, INDEX_PAISE, KEY, LOT, OPTION_PAISE, Gateway

ROUND_TRIPS = 3
TARGET = 1.3
# What the operator says, and whether the gateway pushes order updates.
SCENARIOS = {
    "flatten": ("flatten", True),
    "day-exit": ("kill", True),
    "no-updates": ("flatten", False),
}


@dataclass(frozen=True)
class Closing:
    """One closing. ``lone_trip_ms``: a question to the same gateway while nothing else was asked."""

    total_ms: float
    lone_trip_ms: float
    round_trips: int
    limiter_ms: float
    journal_ms: float


async def sell(gateway: Gateway) -> None:
    """Somebody sells two lots of each option; the bot is to find and adopt them."""
    ample = Limits(entries_per_second=1_000, exits_per_second=1_000, per_minute=10_000, reserved=0)
    async with OpenAlgoClient(gateway.url, KEY, limiter=OrderLimiter(ample)) as client:
        for symbol in CONTRACTS:
            outcome = await client.place(
                PlaceOrder(
                    order_id="foreign",
                    symbol=symbol,
                    side=Side.SELL,
                    order_type=OrderType.MARKET,
                    purpose=Purpose.ENTRY,
                    quantity=2 * LOT,
                )
            )
            assert isinstance(outcome, Accepted), outcome


async def hold(bot: Bot) -> None:
    """Until the shorts are the bot's and its stops rest, and the second of their messages is over."""
    hear, engine = bot.driver.hear, bot.engine
    hear(Tick(symbol=INDEX, ltp_paise=INDEX_PAISE))
    for symbol in CONTRACTS:
        hear(Tick(symbol=symbol, ltp_paise=OPTION_PAISE, bid_paise=14_990, ask_paise=15_010))
    hear(Started(mode="live"))

    def protected() -> bool:
        stops = list(engine.orders.live(purpose=Purpose.STOP))
        return len(stops) == len(CONTRACTS) and all(stop.state in RESTING for stop in stops)

    await bot.until(protected)
    await asyncio.sleep(1.1)
    await bot.settle()


async def close_once(round_trip_ms: float, verb: str, updates: bool) -> tuple[Closing, str]:
    """One closing at a fresh gateway, and its story as lines."""
    rules = Rules(foreign_position="adopt", history_required=False)
    with gateways.running(round_trip_ms) as gateway:
        await sell(gateway)
        async with bots.running(gateway, rules=rules, updates=updates) as bot:
            await hold(bot)
            lone_ms = await lone_trip(bot)
            bot.trace.clear()
            closed: dict[str, float] = {}
            positions = bot.engine.positions

            def flat() -> bool:
                now_s = time.perf_counter()
                for name, position in positions.positions.items():
                    if position.closed:
                        closed.setdefault(name, now_s)
                return not positions.open

            start_s = time.perf_counter()
            bot.driver.say(verb)
            end_s = await bot.until(flat)
            await bot.settle()
            last = max(closed, key=lambda name: closed[name])
            closing = _closing(bot, last, start_s, end_s, lone_ms)
            return closing, _story(bot, start_s, closed)


async def lone_trip(bot: Bot) -> float:
    """Milliseconds of a question, the median of five."""
    bot.trace.clear()
    for _ in range(5):
        await bot.client.ping()
    return percentile([span.ms for span in bot.trace.requests if span.name == "ping"], 0.5)


def _closing(bot: Bot, last: str, start_s: float, end_s: float, lone_ms: float) -> Closing:
    """The figures of the position that was closed last."""
    orders = bot.engine.orders.orders
    theirs = {order_id for order_id, order in orders.items() if order.position_id == last}

    def of_last(spans: list[Span]) -> list[Span]:
        return [s for s in spans if s.order_id in theirs and start_s <= s.start_s < end_s]

    return Closing(
        total_ms=(end_s - start_s) * 1000,
        lone_trip_ms=lone_ms,
        round_trips=_one_after_the_other(of_last(bot.trace.requests), lone_ms / 4_000),
        limiter_ms=sum(s.ms for s in of_last(bot.trace.limits)),
        journal_ms=sum(s.ms for s in of_last(bot.trace.commits)),
    )


def _one_after_the_other(requests: list[Span], overlap_s: float) -> int:
    """The longest chain of requests of which each began when the one before had ended.

    They may overlap a little: the stream's news of a cancellation comes with the cancel's answer, and
    the question that follows from the one may leave before the other is read.
    """
    count, free_s = 0, 0.0
    for request in sorted(requests, key=lambda s: s.end_s):
        if request.start_s >= free_s - overlap_s:
            count, free_s = count + 1, request.end_s
    return count


def _story(bot: Bot, start_s: float, closed: dict[str, float]) -> str:
    trace, orders = bot.trace, bot.engine.orders.orders
    spans = [*trace.requests, *trace.commits, *trace.limits]
    lines = []
    for span in sorted(spans, key=lambda s: s.start_s):
        order = orders.get(span.order_id)
        whose = order.symbol if order else "-"
        lines.append(
            f"{(span.start_s - start_s) * 1000:8.1f} {(span.end_s - start_s) * 1000:8.1f}  "
            f"{span.name:<14} {whose}"
        )
    lines += [f"{(at_s - start_s) * 1000:8.1f} {'':8}  closed {n}" for n, at_s in closed.items()]
    return "\n".join(lines)


def summary(closings: list[Closing], round_trip_ms: float) -> dict[str, object]:
    """The figures of one scenario."""
    floor_ms = ROUND_TRIPS * round_trip_ms
    totals = [closing.total_ms for closing in closings]
    ratios = [total / floor_ms for total in totals]
    to_lone = [c.total_ms / (ROUND_TRIPS * c.lone_trip_ms) for c in closings]
    return {
        "repetitions": len(closings),
        "total ms": spread(totals),
        f"ratio to {ROUND_TRIPS} x {round_trip_ms:g} ms": spread(ratios),
        "one trip alone ms": spread([c.lone_trip_ms for c in closings]),
        f"ratio to {ROUND_TRIPS} such trips": spread(to_lone),
        "round trips in a row": spread([c.round_trips for c in closings]),
        "limiter wait ms": spread([c.limiter_ms for c in closings]),
        "journal wait ms": spread([c.journal_ms for c in closings]),
        "within target": sum(ratio <= TARGET for ratio in ratios),
    }


def main() -> int:
    """Measure, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--round-trip-ms", type=float, default=40.0)
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--trace", action="store_true", help="every request of every closing")
    given = parser.parse_args()
    found: dict[str, object] = {"machine": machine(), "target ratio": TARGET}
    for name in given.scenarios:
        closings = []
        for _ in range(given.repetitions):
            closing, story = asyncio.run(close_once(given.round_trip_ms, *SCENARIOS[name]))
            closings.append(closing)
            if given.trace:
                print(f"{name}: {asdict(closing)}\n{story}\n", file=sys.stderr)
        found[name] = figures = summary(closings, given.round_trip_ms)
        if not given.json:
            rows = {k: v for k, v in figures.items() if isinstance(v, dict)}
            print(table(name, rows, ("best", "p50", "p95", "worst")))
            print(f"within {TARGET} x: {figures['within target']} of {len(closings)}\n")
    if given.json:
        print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
