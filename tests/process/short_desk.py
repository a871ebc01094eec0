"""The short day as real processes: openalgo-sim serves it, the bot trades it to its end and is looked at.

The market's clock stands from the moment a bot's price stream is gone until the next one's is there, so
how long a restart takes in real time changes nothing of the day; an outage of the market's time is made
by moving the clock on while it stands.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from baseline_v1_live.core.engine import TradingState
from baseline_v1_live.runtime.control_client import ControlClient, ControlError
from baseline_v1_live.sim.openalgo_server.cover import (
    Interval,
    duplicate_entries,
    idle_stop_intervals,
    long_intervals,
    naked_intervals,
    second_stop_intervals,
    sold_again,
)
from tests.live.process_desk import EXPIRY_AND_ATM, Program, ServedDesk
from tests.process.killed_bot import KILL_AT, PLACES
from tests.process.short_day import (
    BUSY_MS,
    CLOSED_MS,
    ENTRIES_MS,
    HARD_CUT_MS,
    SETTINGS,
    SQUARE_OFF_MS,
    STARTS_MS,
    write_short_day,
)

# Days wait more than they work.
SIDE_BY_SIDE = 2 * (os.cpu_count() or 1)


class Pace(NamedTuple):
    """Speeds of the market: ``quiet``, and ``near`` an instant that matters, so that whoever looks at
    the clock too late has not missed it; ``busy`` where a short must be covered in time, and ``wrong``
    as long as something is to be put right in time.
    """

    quiet: float
    near: float
    busy: float
    wrong: float


# A loaded machine lets any process wait for a second; then seconds of the market must be longer.
CALM, LOADED = Pace(60.0, 21.0, 3.0, 1.0), Pace(21.0, 21.0, 1.0, 0.25)
_LOADED_LAG_S = 0.1
_NEAR_MS = 10_000
# A bot looks at a clock of 20 or less twice a second, and knows only then that it is faster.
_SLOW, _LOOK_S = 20.0, 0.55
_ENTRIES_S = 5.0
WRONG_MAX_MS = 5_000
# What may stand for a moment only.
_WRONG: dict[str, Callable[[list[dict[str, Any]], int], list[Interval]]] = {
    "bare": naked_intervals,
    "long": long_intervals,
    "a stop for more than is short": idle_stop_intervals,
    "more than one stop": second_stop_intervals,
}
ENDS_WITHIN_S = 120.0
_STATUS = {"filled": "complete", "cancelled": "cancelled", "rejected": "rejected"}


@dataclass
class ShortDesk(ServedDesk):
    """A desk at an openalgo-sim that plays the short day from 09:22 on."""

    # From and to an instant: nobody could look after the account, or a bot was just starting.
    downtimes: list[tuple[int, int]] = field(default_factory=list)
    # From and to an instant: the market is slow.
    busy: list[tuple[int, int]] = field(default_factory=lambda: list(BUSY_MS))
    speed_max: float = CALM.quiet
    # How many sales had been asked for when the journal was lost.
    sold_by_then: int = 0
    # Whether the first bot was given time for its entries.
    entered: bool = False
    # When the market's speed was looked after last, and how long that has taken lately.
    paced_s: float = 0.0
    lag_s: float = 0.0
    # The exchange's history without the questions, as far as it was read.
    history: list[dict[str, Any]] = field(default_factory=list)
    read_to: int = 0

    @property
    def journal(self) -> Path:
        return self.state / "journal.db"

    def bot(self, *, kill_at: str = "", tz: str = "") -> Program:
        """Start the bot, which kills itself at a place of tests/process/killed_bot.py."""
        name = f"bot{len(self.programs) + 1}"
        environ = {**self.environ, PLACES: str(self.folder / f"{name}.places"), KILL_AT: kill_at}
        if tz:
            environ["TZ"] = tz
        arguments = [*EXPIRY_AND_ATM, "--sim-clock", self.url, "--exit-when-closed"]
        module = ["-m", "tests.process.killed_bot"]
        program = Program(self.folder, name, [*module, *arguments], environ)
        self.programs.append(program)
        return program

    def places(self, number: int = 1) -> list[str]:
        """The places that the bot of this number has reached, in their order."""
        return (self.folder / f"bot{number}.places").read_text().splitlines()

    def sales(self) -> list[dict[str, Any]]:
        """The sales that were asked for, oldest first."""
        return [body for body in self.requests("placeorder") if body["action"] == "SELL"]

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What a query of the journal gives."""
        with closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]

    # ------------------------------------------------------------ the day

    def wait_until(self, at_ms: int, bot: Program) -> bool:
        """Wait for an instant of the market; False when the bot ends before."""
        return self.run_until(bot, lambda: self.now_ms() >= at_ms, f"the clock at {at_ms}")

    def finish(self, bot: Program) -> bool:
        """Let the day go on until all is flat, and to its end; False when the bot ends before that."""
        if self.wait_until(SQUARE_OFF_MS + 1_000, bot) and self.run_until(
            bot, self._quiet_or_late, "the end of the square-off"
        ):
            return self._close(bot)
        # One that is started after the close has nothing to do.
        return bot.code() == 0 and self.now_ms() >= CLOSED_MS

    def _close(self, bot: Program) -> bool:
        # What the last answers say must be stored: the bot has until the close to do it.
        if not self.wait_until(self.now_ms() + 5_000, bot):
            return False
        if self.now_ms() < CLOSED_MS:
            self.advance(CLOSED_MS)
        self.run_until(bot, lambda: False, "the end of the process")
        return bot.code() == 0

    def _quiet_or_late(self) -> bool:
        return self.now_ms() > HARD_CUT_MS or not (self.held() or self.working())

    def run_until(self, bot: Program, reached: Callable[[], object], what: str) -> bool:
        """Let the market go on until something is true; False when the bot ends before."""
        deadline = time.monotonic() + ENDS_WITHIN_S
        while bot.running:
            self._pace(bot)
            if reached():
                return True
            assert time.monotonic() < deadline, f"{what} not in {ENDS_WITHIN_S:g} s\n{bot.words()}"
            time.sleep(0.02)
        return False

    def _pace(self, bot: Program) -> None:
        clock = self.ask("clock")
        if not self.entered and clock["now_ms"] >= ENTRIES_MS and clock["running"]:
            self._let_enter(bot)
            return
        speed = min(self.speed_max, self._speed_at(clock["now_ms"], self._pace_now()))
        if clock["speed"] == speed:
            return
        if clock["speed"] <= _SLOW < speed and clock["running"]:
            self.pause()
            time.sleep(_LOOK_S)
            self.set_speed(speed)
            self.resume()
            self.paced_s = time.monotonic()
        else:
            self.set_speed(speed)

    def _speed_at(self, now_ms: int, pace: Pace) -> float:
        ups_ms = [up_ms for _, up_ms in self.downtimes]
        # What has stood too long already needs no further patience.
        too_long_ms = now_ms - WRONG_MAX_MS
        if any(
            stood.to_ms == now_ms and max([stood.from_ms, *ups_ms]) >= too_long_ms
            for _, stood in self._wrong(now_ms)
        ):
            return pace.wrong
        if any(from_ms <= now_ms < to_ms for from_ms, to_ms in self.busy):
            return pace.busy
        if any(from_ms - _NEAR_MS <= now_ms < from_ms for from_ms, _ in self.busy):
            return pace.near
        return pace.quiet

    def _pace_now(self) -> Pace:
        before_s, self.paced_s = self.paced_s, time.monotonic()
        # A long wait is remembered for some seconds.
        self.lag_s = max(self.paced_s - before_s, 0.98 * self.lag_s) if before_s else 0.0
        return LOADED if self.lag_s > _LOADED_LAG_S else CALM

    def _let_enter(self, bot: Program) -> None:
        """Give the bot the time that it needs on this machine to have its first entries resting."""
        self.entered = True
        self.pause()
        deadline = time.monotonic() + _ENTRIES_S
        while bot.running and len(self.resting("SELL")) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.resume()
        self.paced_s = time.monotonic()

    def wait_until_enabled(self, bot: Program, since_s: float) -> float | None:
        """Real seconds from an instant until the bot may trade, or until it has compared the books when
        the day's trade is over; None when it ended before.
        """
        if self.run_until(bot, self._enabled, "enabled"):
            return time.monotonic() - since_s
        return None

    def _enabled(self) -> bool:
        try:
            status = ControlClient(self.state).status()
        except ControlError:
            return False
        return status.state == TradingState.ENABLED or (
            status.reconciled and status.day_exit_reason is not None
        )

    # ------------------------------------------------------------ what is wrong

    def audit(self) -> list[dict[str, Any]]:
        """The exchange's history without the questions, oldest first."""
        more = True
        while more:
            page = self.ask(f"audit?since={self.read_to}")
            self.history += [row for row in page["rows"] if row["kind"] != "call"]
            self.read_to, more = page["next"], page["more"]
        return self.history

    def _wrong(self, now_ms: int) -> list[tuple[str, Interval]]:
        """What has stood as it may for a moment only, and when."""
        rows = self.audit()
        return [(what, stood) for what, found in _WRONG.items() for stood in found(rows, now_ms)]

    def violations(self, *, books_only: bool = False) -> list[str]:
        """Everything that must not be after a whole day, as far as the exchange and the journal say."""
        rows = self.audit()
        found = [f"entries live together: {twice}" for twice in duplicate_entries(rows)]
        found += [f"sold although short: {again}" for again in sold_again(rows)]
        found += self._wrong_too_long()
        found += [f"held at the end: {self.held()}"] if self.held() else []
        found += [f"works at the end: {row['symbol']} {row['orderid']}" for row in self.working()]
        fills = [row for row in rows if row["kind"] == "fill"]
        found += [
            f"filled after the hard cut: {row}" for row in fills if row["at_ms"] > HARD_CUT_MS
        ]
        return found + ([] if books_only else self._differences(rows))

    def _wrong_too_long(self) -> list[str]:
        """Each run of a bot has the whole time for it, from where it can reach the gateway."""
        found = []
        for what, stood in self._wrong(self.now_ms()):
            from_ms = stood.from_ms
            for down_ms, up_ms in [*self.downtimes, (stood.to_ms, stood.to_ms)]:
                if min(down_ms, stood.to_ms) - from_ms > WRONG_MAX_MS:
                    found.append(f"{what} too long: {stood}")
                    break
                from_ms = max(from_ms, up_ms)
        return found

    def _differences(self, rows: list[dict[str, Any]]) -> list[str]:
        """Where the journal's tables and the exchange's own history are not the same."""
        ours = {row["broker_order_id"]: row for row in self.rows("SELECT * FROM orders")}
        theirs = {row["orderid"]: row for row in rows if row["kind"] == "order"}
        found = [f"never sent, not over: {row}" for row in self._unsent_and_live()]
        found += [f"only at the broker: {theirs[name]}" for name in theirs.keys() - ours.keys()]
        found += [f"only here: {ours[name]}" for name in ours.keys() - theirs.keys() - {None}]
        for name in ours.keys() & theirs.keys():
            found += _differences(ours[name], theirs[name])
        traded = {"SELL": 0, "BUY": 0}
        for row in rows:
            if row["kind"] == "fill":
                traded[row["side"]] += row["value_paise"]
        totals = self.rows(
            "SELECT ifnull(sum(sold_value_paise), 0) AS SELL, ifnull(sum(bought_value_paise), 0) AS BUY "
            "FROM positions"
        )[0]
        if totals != traded:
            found.append(f"the positions have other sums: {totals}, the exchange's fills {traded}")
        open_ours = self.rows("SELECT * FROM positions WHERE quantity OR closed_at_ms IS NULL")
        return found + [f"open here: {row}" for row in open_ours]

    def _unsent_and_live(self) -> list[dict[str, Any]]:
        return self.rows(
            "SELECT order_id, state FROM orders WHERE broker_order_id IS NULL AND closed_at_ms IS NULL"
        )


def _differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    pairs = {
        "symbol": (ours["symbol"], theirs["symbol"]),
        "side": (ours["side"], theirs["side"]),
        "quantity": (ours["quantity"], theirs["quantity"]),
        "status": (_STATUS.get(ours["state"], ours["state"]), theirs["status"]),
        "filled": (ours["filled_quantity"], theirs["filled_quantity"]),
        "value": (ours["filled_value_paise"], theirs["filled_value_paise"]),
    }
    name = ours["order_id"]
    return [f"{name} {what}: {a} here, {b} there" for what, (a, b) in pairs.items() if a != b]


@contextmanager
def short_day(folder: Path) -> Iterator[ShortDesk]:
    """The short day behind the gateway's contract."""
    folder.mkdir(parents=True, exist_ok=True)
    day = folder / "day.parquet"
    write_short_day(day)
    arguments = [
        *("openalgo-sim", "--day", str(day), *EXPIRY_AND_ATM, "--speed", str(CALM.quiet)),
        *("--port", "0", "--ws-port", "0", "--wait-for-client"),
    ]
    environ = {"PYTHONUNBUFFERED": "1", "STRIKES_EACH_SIDE": "1"}
    server = Program(folder, "server", ["-m", "baseline_v1_live", *arguments], environ)
    desk: ShortDesk | None = None
    try:
        server.wait_until_said("WebSocket")
        found = re.search(r"REST (\S+)  WebSocket (\S+)", server.said)
        assert found, server.words()
        desk = ShortDesk(folder, found[1], found[2], settings=dict(SETTINGS))
        desk.advance(STARTS_MS)
        yield desk
    finally:
        if desk is not None:
            desk.close()
        server.kill()
