"""A whole day as two processes: openalgo-sim serves it, the bot trades it, and both are compared."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openalgo

from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.core.messages import Purpose
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.session_state import SessionState
from baseline_v1_live.runtime.recovery import read_session

ROOT = Path(__file__).parent.parent.parent
KEY = "simulated-key"
_STATUS = {
    OrderState.FILLED: "complete",
    OrderState.CANCELLED: "cancelled",
    OrderState.REJECTED: "rejected",
}


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "baseline_v1_live", *arguments]


@dataclass
class DayDesk:
    """A served day and its bot; ``folder`` holds the bot's state and both outputs."""

    folder: Path
    server: subprocess.Popen[str]
    url: str
    ws_url: str
    bot: subprocess.Popen[bytes] | None = None
    starts: int = 0
    codes: list[int] = field(default_factory=list)

    # ------------------------------------------------------------ the bot

    def start_bot(self, *arguments: str) -> None:
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "OPENALGO_HOST": self.url,
            "OPENALGO_WS_URL": self.ws_url,
            "OPENALGO_API_KEY": KEY,
            "STATE_DIR": str(self.folder / "state"),
        }
        self.starts += 1
        with (self.folder / "bot.log").open("ab") as log:
            self.bot = subprocess.Popen(
                _command("--auto", "--sim-clock", self.url, "--exit-when-closed", *arguments),
                cwd=self.folder,
                env=environ,
                stdout=log,
                stderr=log,
            )

    def kill_bot(self) -> None:
        assert self.bot is not None
        self.bot.send_signal(signal.SIGKILL)
        self.bot.wait()

    def wait_for_bot(self, timeout_s: float) -> int:
        assert self.bot is not None
        return self.bot.wait(timeout=timeout_s)

    @property
    def said(self) -> str:
        return (self.folder / "bot.log").read_text()

    # ------------------------------------------------------------ the server

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/sim/{path}", data=data, timeout=20) as answer:
            return json.load(answer)

    def now_ms(self) -> int:
        return int(self.ask("clock")["now_ms"])

    def set_speed(self, speed: float) -> None:
        self.ask("speed", {"speed": speed})

    def wait_until(self, at_ms: int, timeout_s: float) -> None:
        self.wait_for(lambda: self.now_ms() >= at_ms, timeout_s, f"the clock at {at_ms}")

    def wait_for(self, reached: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not reached():
            assert self.bot is None or self.bot.poll() is None, (
                f"the bot ended:\n{self.said[-3000:]}"
            )
            assert time.monotonic() < deadline, f"{what} not reached in {timeout_s} s"
            time.sleep(0.005)

    def audit(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        since = 0
        while True:
            page = self.ask(f"audit?since={since}")
            rows += page["rows"]
            since = page["next"]
            if not page["more"]:
                return rows

    def sdk(self) -> Any:
        """The gateway's own SDK, looking at the same account."""
        return openalgo.api(api_key=KEY, host=self.url)

    # ------------------------------------------------------------ what the bot believes

    def session(self) -> SessionState:
        with Journal.open_read_only(self.folder / "state" / "paper" / "journal.db") as journal:
            date = self.ask("clock")["session"]["date"]
            session = read_session(journal.state(date))
        assert session is not None
        return session

    def table(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / "state" / "paper" / "journal.db"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(f"SELECT * FROM {name}").fetchall()
        return [dict(row) for row in rows]


@contextmanager
def served_day(folder: Path, seed: int, speed: float) -> Any:
    """A generated day behind the gateway's contract, its clock held until somebody is connected."""
    folder.mkdir(parents=True, exist_ok=True)
    server = subprocess.Popen(
        _command(
            *("openalgo-sim", "--seed", str(seed), "--speed", str(speed)),
            *("--port", "0", "--ws-port", "0", "--wait-for-client"),
        ),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=(folder / "server.err").open("w"),
        text=True,
    )
    desk: DayDesk | None = None
    try:
        assert server.stdout is not None
        for line in server.stdout:
            found = re.search(r"REST (\S+)  WebSocket (\S+)", line)
            if found:
                desk = DayDesk(folder, server, found[1], found[2])
                break
        assert desk is not None, (folder / "server.err").read_text()
        yield desk
    finally:
        if desk is not None and desk.bot is not None and desk.bot.poll() is None:
            desk.kill_bot()
        server.kill()
        server.wait()


def differences(desk: DayDesk) -> list[str]:
    """Where the bot's own tables and the gateway's books, read with the real SDK, are not the same."""
    sdk = desk.sdk()
    theirs = {row["orderid"]: row for row in sdk.orderbook()["data"]["orders"]}
    trades: dict[str, list[dict[str, Any]]] = {}
    for trade in sdk.tradebook()["data"]:
        trades.setdefault(trade["orderid"], []).append(trade)
    ours = {row["broker_order_id"]: row for row in desk.table("orders") if row["broker_order_id"]}
    found = [
        f"{name} is only at the gateway: {theirs[name]}" for name in theirs.keys() - ours.keys()
    ]
    found += [f"{name} is only in our table: {ours[name]}" for name in ours.keys() - theirs.keys()]
    for name in ours.keys() & theirs.keys():
        found += _order_differences(ours[name], theirs[name], trades.get(name, []))
    net = {row["symbol"]: row["quantity"] for row in sdk.positionbook()["data"]}
    found += [f"{symbol} is held: {quantity}" for symbol, quantity in net.items() if quantity]
    open_ours = [
        row for row in desk.table("positions") if row["quantity"] or not row["closed_at_ms"]
    ]
    return found + [f"we hold {row}" for row in open_ours]


def _order_differences(
    ours: dict[str, Any], theirs: dict[str, Any], trades: list[dict[str, Any]]
) -> list[str]:
    name = ours["order_id"]
    pairs = {
        "symbol": (ours["symbol"], theirs["symbol"]),
        "side": (ours["side"], theirs["action"]),
        "quantity": (ours["quantity"], int(theirs["quantity"])),
        "status": (_STATUS.get(OrderState(ours["state"]), ours["state"]), theirs["order_status"]),
        "filled": (ours["filled_quantity"], sum(int(trade["quantity"]) for trade in trades)),
        "value": (
            ours["filled_value_paise"],
            round(sum(trade["quantity"] * trade["average_price"] * 100 for trade in trades)),
        ),
    }
    if ours["order_type"] != "MARKET":
        pairs["limit"] = (ours["limit_price_paise"], round(float(theirs["price"]) * 100))
        pairs["trigger"] = (
            ours["trigger_price_paise"],
            round(float(theirs["trigger_price"]) * 100),
        )
    return [f"{name} {what}: {a} here, {b} there" for what, (a, b) in pairs.items() if a != b]


@dataclass(frozen=True)
class Counts:
    """What a day had in it."""

    entries: int
    stops: int
    switches: int
    in_parts: int

    @property
    def rich(self) -> bool:
        """Whether it had enough of everything to be worth comparing."""
        return self.entries >= 5 and self.stops >= 2 and min(self.switches, self.in_parts) >= 1


def counts(desk: DayDesk) -> Counts:
    orders = desk.session().orders
    trades: dict[str, int] = {}
    for trade in desk.sdk().tradebook()["data"]:
        trades[trade["orderid"]] = trades.get(trade["orderid"], 0) + 1

    def filled(order: Order, purpose: Purpose) -> bool:
        return order.purpose is purpose and order.filled_quantity > 0

    return Counts(
        entries=sum(filled(order, Purpose.ENTRY) for order in orders),
        stops=sum(filled(order, Purpose.STOP) for order in orders),
        switches=sum(order.cancel_reason == "switch" for order in orders),
        in_parts=sum(count > 1 for count in trades.values())
        + sum(0 < order.filled_quantity < order.quantity for order in orders),
    )
