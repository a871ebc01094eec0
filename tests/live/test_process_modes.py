"""What a mode may do at the gateway, what surrounds the session, and what the process carries along."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
from pathlib import Path

from baseline_v1_live.core.session import at_ist
from tests.live.process_desk import (
    EXPIRY_AND_ATM,
    ROOT,
    ServedDesk,
    alone,
    scripted,
    served,
    wait_for,
)
from tests.live.small_day import DATE, FILL_MS, NEXT_CALL, PUT, SOLD

ORDER_CALLS = ("placeorder", "modifyorder", "cancelorder", "cancelallorder", "closeposition")
HEAVY = ("pandas", "pyarrow", "numpy", "openalgo", "telegram", "matplotlib")
OK = {"status": "success"}


def _orders_sent(desk: ServedDesk) -> int:
    return sum(len(desk.requests(call)) for call in ORDER_CALLS)


def test_a_dry_run_sends_nothing(tmp_path: Path) -> None:
    """It decides as the bot does, answers its own orders with DRY- ids, and the gateway gets none."""
    with served(tmp_path, mode="dry-run") as desk:
        bot = desk.start("--dry-run")
        wait_for(lambda: desk.now_ms() >= FILL_MS, "the break's time", why=bot.words)

        _, told = desk.tell("orders")

        names = {row["symbol"]: row["broker_order_id"] for row in told["orders"]}
        assert {SOLD, PUT} <= names.keys()
        assert all(name.startswith("DRY-") for name in names.values())
        assert sum(row["filled_quantity"] for row in told["orders"]) == 0
        assert bot.stop()[0] == 0, bot.words()
        assert _orders_sent(desk) == 0
        assert desk.ask("books")["orders"] == []


def test_the_built_in_exchange_fills_and_remembers(tmp_path: Path) -> None:
    """Orders fill on live prices without the gateway, and a restart finds the paper books again."""
    with served(tmp_path, mode="paper-builtin") as desk:
        bot = desk.start("--paper", "builtin")

        def sold() -> bool:
            rows = {row.symbol: row for row in desk.control.positions()}
            return SOLD in rows and rows[SOLD].cover == "resting"

        bot.wait_until_said("subscribing")
        wait_for(lambda: desk.now_ms() >= FILL_MS, "the break's time", why=bot.words)
        wait_for(sold, "a covered position", why=bot.words)
        desk.set_speed(30)
        bot.stop(signal.SIGKILL)

        again = desk.start("--paper", "builtin")
        again.wait_until_said("subscribing")

        assert [row.symbol for row in desk.control.positions()] == [SOLD]
        wait_for(sold, "the same position, covered", why=again.words)
        assert again.stop()[0] == 0, again.words()
        assert _orders_sent(desk) == 0


def test_the_analyzer_switched_off_stops_all_orders(tmp_path: Path) -> None:
    """On paper nothing is sold any more within a minute after the gateway has begun to trade live, and
    no order of ours goes there, not even to close; back on paper what was asked for is done, and still
    nothing is sold.
    """
    with served(tmp_path) as desk:
        bot = desk.trade(speed=60)
        sent = _orders_sent(desk)

        desk.rest("analyzer/toggle", mode=False)
        switched_ms = desk.now_ms()
        wait_for(lambda: desk.control.status().gate == "blocked_mode", "no entries", why=bot.words)

        assert desk.now_ms() - switched_ms <= 70_000
        assert desk.tell("flatten", "--yes")[0] == 0
        until_ms = desk.now_ms() + 60_000
        wait_for(lambda: desk.now_ms() >= until_ms, "a minute", why=bot.words)
        assert bot.running
        assert _orders_sent(desk) == sent

        desk.rest("analyzer/toggle", mode=True)
        wait_for(lambda: not desk.held() and not desk.working(), "all flat", why=bot.words)
        assert desk.tell("resume")[0] == 0
        until_ms = desk.now_ms() + 60_000
        wait_for(lambda: desk.now_ms() >= until_ms, "a minute", why=bot.words)
        assert desk.control.status().gate == "blocked_mode"
        assert desk.working() == []


def test_after_the_close_the_bot_says_so_and_ends(tmp_path: Path) -> None:
    """With --exit-when-closed there is nothing to wait for: code 0, no order."""
    with served(tmp_path) as desk:
        desk.advance(at_ist(DATE, dt.time(15, 41)))

        bot = desk.start("--exit-when-closed")

        assert (bot.code(), bot.errors) == (0, []), bot.words()
        assert "over" in bot.said
        assert _orders_sent(desk) == 0


def test_a_holiday_names_the_next_session_and_ends(tmp_path: Path) -> None:
    """A day on which only another exchange is open is no trading day."""
    dates: list[str] = []

    def timings(body: dict[str, str]) -> dict[str, object]:
        """The first date that is asked for is a holiday, the others are ordinary days."""
        dates.append(body["date"])
        date = dt.date.fromisoformat(body["date"])
        hours = {"CRYPTO": (dt.time(0, 0), dt.time(23, 59))}
        if body["date"] != dates[0]:
            hours["NFO"] = (dt.time(9, 15), dt.time(15, 40))
        rows = [
            {"exchange": name, "start_time": at_ist(date, start), "end_time": at_ist(date, end)}
            for name, (start, end) in hours.items()
        ]
        return {**OK, "data": rows}

    script = {
        "ping": (200, {**OK, "data": {"broker": "zerodha", "message": "pong"}}),
        "quotes": (200, {**OK, "data": {"ltp": 26_000.0, "volume": 0}}),
        "analyzer": (200, {**OK, "data": {"mode": "analyze", "analyze_mode": True}}),
        "market_timings": (200, timings),
        "market_holidays": (200, {**OK, "data": []}),
    }
    with scripted(**script) as url, alone(tmp_path, url) as desk:
        bot = desk.run(*EXPIRY_AND_ATM, "--exit-when-closed")

        assert (bot.code(), bot.errors) == (0, []), bot.words()
        assert "next session" in bot.said


def test_the_live_process_loads_no_research(tmp_path: Path) -> None:
    """A bot that runs has imported neither the tables' libraries nor the SDK."""
    with served(tmp_path) as desk:
        bot = desk.start(python=("-X", "importtime"))
        bot.wait_until_said("subscribing")
        desk.tell("status")

        assert bot.stop()[0] == 0
        loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in bot.errors}
        assert "aiohttp" in loaded
        assert loaded.isdisjoint(HEAVY)


def test_a_terminal_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    """A bot whose reader has closed the pipe trades on, and ends as it would have."""
    with served(tmp_path) as desk:
        process = subprocess.Popen(
            [sys.executable, "-m", "baseline_v1_live", *EXPIRY_AND_ATM, "--sim-clock", desk.url],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **desk.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()

            wait_for(lambda: desk.held() == {SOLD: -650}, "a position")
            wait_for(lambda: desk.resting("SELL") == {NEXT_CALL, PUT}, "entries")
            process.send_signal(signal.SIGTERM)

            assert process.wait(10) == 0
            assert process.stderr.read() == b""
        finally:
            process.kill()
            process.wait()
