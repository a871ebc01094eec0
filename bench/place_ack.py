"""How long an order takes from the decision to the gateway's acknowledgement, against a bare socket.

    python -m bench.place_ack [--samples 200] [--json]

A late fill of an entry is heard; the engine decides on the protective stop, the step goes to the disk,
the order passes the limiter and the socket, and the engine hears that it was accepted. In turn with that,
in the same run, the same body goes to the same endpoint over a raw socket kept open, and over our client
alone, and one short row is committed to the same disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sqlite3
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.adapters.openalgo.limiter import Limits
from baseline_v1_live.adapters.openalgo.wire import requests
from baseline_v1_live.adapters.openalgo.wire.outcomes import Accepted
from baseline_v1_live.core.messages import (
    Filled,
    OrderType,
    PlaceOrder,
    Purpose,
    Side,
    Started,
    Tick,
)
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_states import RESTING, OrderState
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session_state import SessionState
from bench import bot as bots
from bench import gateway as gateways
from bench.bot import Bot, Span
from bench.figures import machine, percentile, spread, table
from bench.gateway import (
    CONTRACTS,
    DATE,
    INDEX,
    INDEX_PAISE,
    KEY,
    LOT,
    OPTION_PAISE,
    START_MS,
    Gateway,
)

TARGET = 3.0
AMPLE = Limits(entries_per_second=10_000, exits_per_second=10_000, per_minute=1_000_000)
_TRIGGER, _PROTECT = 14_000, 15_400
STOP = PlaceOrder(
    order_id="bare",
    symbol=next(iter(CONTRACTS)),
    side=Side.BUY,
    order_type=OrderType.SL,
    purpose=Purpose.STOP,
    quantity=LOT,
    trigger_price_paise=_PROTECT,
    limit_price_paise=_PROTECT + 300,
)


@dataclass
class Found:
    """Milliseconds of every sample, by what was timed."""

    raw: list[float] = field(default_factory=list)
    disk: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)

    def part(self, name: str, ms: float) -> None:
        self.parts.setdefault(name, []).append(ms)


class RawSocket:
    """One blocking connection, kept open; an answer is read to its Content-Length and not parsed."""

    def __init__(self, gateway: Gateway) -> None:
        where = urlsplit(gateway.url)
        assert where.hostname is not None
        assert where.port is not None
        self._socket = socket.create_connection((where.hostname, where.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        path, body = requests.place_order(STOP)
        data = json.dumps({"apikey": KEY, **body}).encode()
        head = (
            f"POST /api/v1/{path} HTTP/1.1\r\nHost: {where.netloc}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        self._request = head.encode() + data

    def ask(self) -> float:
        """One round trip in milliseconds."""
        start_s = time.perf_counter()
        self._socket.sendall(self._request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._socket.recv(65_536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += self._socket.recv(65_536)
        took_ms = (time.perf_counter() - start_s) * 1000
        assert head.startswith(b"HTTP/1.1 200"), received
        return took_ms

    def close(self) -> None:
        self._socket.close()


class Disk:
    """A table of SQLite with the journal's settings, to which one short row at a time is committed."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._db = sqlite3.connect(Path(self._folder.name) / "bare.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE rows (body TEXT)")

    def commit(self) -> float:
        """One commit in milliseconds."""
        start_s = time.perf_counter()
        self._db.execute("INSERT INTO rows VALUES ('an intent')")
        return (time.perf_counter() - start_s) * 1000

    def close(self) -> None:
        self._db.close()
        self._folder.cleanup()


def entries() -> list[Order]:
    """A cancelled entry in each option: nothing is done about it until a late fill is heard."""
    return [
        Order(
            order_id=f"{DATE}-entry-{number:04d}",
            symbol=symbol,
            side=Side.SELL,
            order_type=OrderType.SL,
            purpose=Purpose.ENTRY,
            quantity=LOT,
            trigger_price_paise=_TRIGGER,
            limit_price_paise=_TRIGGER - 300,
            reason="bench",
            position_id=f"{DATE}-entry-{number:04d}",
            placed_at_ms=START_MS,
            state=OrderState.CANCELLED,
            broker_order_id=f"bench-{number}",
            closed_at_ms=START_MS,
            swing_low_paise=_TRIGGER,
            protect_trigger_paise=_PROTECT,
        )
        for number, symbol in enumerate(CONTRACTS, 1)
    ]


def _state(orders: list[Order]) -> SessionState:
    return SessionState(
        date=DATE.isoformat(),
        order_counter=len(orders),
        orders=orders,
        positions=[],
        failures_seen=[],
        stop_failures=0,
        no_reentry=[],
        spent={},
        day_exit_reason=None,
        entries_stopped_by=None,
        churn_tripped=False,
        flattening=False,
        paused=False,
        day_over=False,
    )


async def batch(
    gateway: Gateway, journal: Journal, disk: Disk, found: Found, raw: RawSocket
) -> None:
    """Five samples of each kind, in turn: a bot whose five entries fill one after the other."""
    rules = Rules(history_required=False)
    orders = entries()
    async with bots.running(
        gateway, rules=rules, state=_state(orders), limits=AMPLE, journal=journal, updates=False
    ) as bot:
        for symbol in CONTRACTS:
            bot.driver.hear(Tick(symbol=symbol, ltp_paise=OPTION_PAISE))
        bot.driver.hear(Tick(symbol=INDEX, ltp_paise=INDEX_PAISE))
        bot.driver.hear(Started(mode="live"))
        await bot.until(lambda: bot.engine.reconciled)
        await bot.settle()
        for order in orders:
            found.raw.append(raw.ask())
            found.disk.append(disk.commit())
            start_s = time.perf_counter()
            outcome = await bot.client.place(STOP)
            found.client.append((time.perf_counter() - start_s) * 1000)
            assert isinstance(outcome, Accepted), outcome
            await _fill(bot, order, found)


async def _fill(bot: Bot, entry: Order, found: Found) -> None:
    assert entry.broker_order_id is not None
    bot.trace.clear()
    fill = Filled(
        broker_order_id=entry.broker_order_id,
        symbol=entry.symbol,
        side=entry.side,
        filled_quantity=LOT,
        filled_value_paise=LOT * _TRIGGER,
    )

    def acknowledged() -> bool:
        stops = bot.engine.orders.live_of(entry.position_id, Purpose.STOP)
        return bool(stops) and stops[0].state in RESTING

    start_s = time.perf_counter()
    bot.driver.hear(fill)
    end_s = await bot.until(acknowledged)
    await bot.settle()
    stop = bot.engine.orders.live_of(entry.position_id, Purpose.STOP)[0]
    trace = bot.trace

    def of_stop(spans: list[Span]) -> Span:
        return next(span for span in spans if span.order_id == stop.order_id)

    whole_ms = (end_s - start_s) * 1000
    sent, request, commit = map(of_stop, (trace.sends, trace.requests, trace.commits))
    decided, heard = trace.decisions[0], trace.decisions[-1]
    found.whole.append(whole_ms)
    found.part("decide", decided.ms)
    found.part("records, to the queue", (commit.start_s - decided.end_s) * 1000)
    found.part("commit", commit.ms)
    found.part("wake, limiter, to the client", (request.start_s - commit.end_s) * 1000)
    found.part("request", request.ms)
    found.part("outcome", (sent.end_s - request.end_s) * 1000)
    found.part("hear the answer", (end_s - sent.end_s) * 1000)
    found.part("(decide on the answer)", heard.ms)
    found.part("without the commit", whole_ms - commit.ms)


async def measure(samples: int) -> Found:
    """Everything, in turn, with the first two batches thrown away."""
    found, warm = Found(), Found()
    with ExitStack() as stack:
        gateway = stack.enter_context(gateways.running(rate_limits=False))
        journal = stack.enter_context(bots.new_journal())
        raw = stack.enter_context(closing(RawSocket(gateway)))
        disk = stack.enter_context(closing(Disk()))
        while len(found.whole) < samples:
            warming = len(warm.whole) < 2 * len(CONTRACTS)
            await batch(gateway, journal, disk, warm if warming else found, raw)
    return found


def main() -> int:
    """Measure, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    given = parser.parse_args()
    on = machine()
    found = asyncio.run(measure(given.samples))
    raw_ms = percentile(found.raw, 0.5)
    paths = {
        "raw socket": spread(found.raw),
        "bare commit on this disk": spread(found.disk),
        "our client alone": spread(found.client),
        "place to acknowledged": spread(found.whole),
        "  without the commit": spread(found.parts.pop("without the commit")),
    }
    for row in paths.values():
        row["p50 ratio"] = round(row["p50"] / raw_ms, 2)
        row["best ratio"] = round(row["best"] / min(found.raw), 2)
    parts = {name: spread(values) for name, values in found.parts.items()}
    if given.json:
        figures = {"machine": on, "target ratio": TARGET, "ms": paths, "parts ms": parts}
        print(json.dumps(figures, indent=2))
    else:
        print(f"{len(found.whole)} samples; the target is a p50 ratio of {TARGET:g} at most\n")
        columns = ("best", "p50", "p95", "worst")
        print(table("ms", paths, (*columns, "p50 ratio", "best ratio")), end="\n\n")
        print(table("parts, ms", parts, columns))
    return 0


if __name__ == "__main__":
    sys.exit(main())
