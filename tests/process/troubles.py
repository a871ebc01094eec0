"""What else may befall the process on the short day. Each function gives back what was wrong then."""

from __future__ import annotations

import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from baseline_v1_live.adapters.journal.store import BUSY_TIMEOUT_MS
from baseline_v1_live.runtime.control_client import ControlError
from baseline_v1_live.runtime.live import CALM_S, COMMIT_PATIENCE_S
from tests.live.process_desk import Program, wait_for
from tests.process.damages import DAMAGES
from tests.process.short_day import SOLD_MS, SQUARE_OFF_MS
from tests.process.short_desk import CALM, ShortDesk, short_day

BLOCKED = "blocked_journal"
# Longer than any write of the journal waits for another one.
LOCK_S = BUSY_TIMEOUT_MS / 1000 + 1
ZONES = ("UTC", "America/New_York", "Asia/Kolkata")
_TMPFS_BYTES = 8 << 20
# More than the terminal output of a day, far less than its journal.
_LIMIT_BYTES = 48 << 10


class NotHere(Exception):  # noqa: N818 - it says what is so
    """This machine does not let it be tried; its text says why."""


# ---------------------------------------------------------------- two at once


def starts_at_once(folder: Path, *, count: int) -> list[str]:
    """So many bots are started together in one state folder."""
    wrong: list[str] = []
    with short_day(folder) as desk:
        desk.pause()
        bots = [desk.bot() for _ in range(count)]
        wait_for(
            lambda: sum(bot.running for bot in bots) <= 1,
            "all but one ended",
            timeout_s=60 + 5 * count,
            why=bots[0].words,
        )
        running = [bot for bot in bots if bot.running]
        refused = [bot for bot in bots if not bot.running]
        if len(running) != 1:
            return [f"{len(running)} bots run: {refused[0].words()}"]
        for bot in refused:
            if (
                bot.code() != 3
                or len(bot.errors) != 1
                or "another bot runs here" not in bot.errors[0]
            ):
                wrong.append(f"refused with code {bot.code()} and {bot.errors}")
        desk.resume()
        if not desk.finish(running[0]):
            wrong.append(f"the first one ended with {running[0].code()}: {running[0].words()}")
        return wrong + desk.violations()


# ---------------------------------------------------------------- the disk


def full_disk(folder: Path, *, how: str, resumes: bool = False) -> list[str]:
    """The disk of the state folder takes nothing from just after two sales until the square-off is done.

    ``how``: ``limit``, the system takes no byte from this process; or ``tmpfs``, a disk of its own.
    ``resumes``: it has room again before, and for half a minute the market is slow: entries are allowed
    again.
    """
    with _disk(folder / "state", how) as (fill, free), short_day(folder) as desk:
        bot = desk.bot()
        wrong = [] if desk.wait_until(SOLD_MS + 8_000, bot) else [f"ended: {bot.words()}"]
        before = len(desk.sales())
        fill(bot)
        wait_for(lambda: _gate(desk) == BLOCKED, "no entries on a full disk", why=bot.words)
        wait_for(lambda: not desk.resting("SELL"), "entries taken back", why=bot.words)
        if resumes:
            wrong += _room_again(desk, bot, free)
        else:
            if not desk.wait_until(SQUARE_OFF_MS + 6_000, bot):
                wrong.append(f"ended on a full disk: {bot.words()}")
            if len(desk.sales()) > before:
                wrong.append(f"sold on a full disk: {desk.sales()[before:]}")
            if desk.held():
                wrong.append(f"not bought back on a full disk: {desk.held()}")
            free(bot)
        if not desk.finish(bot):
            wrong.append(f"ended with {bot.code()}: {bot.words()}")
        if "ALERT" not in bot.said and "CRITICAL" not in bot.said:
            wrong.append(f"no alert: {bot.words()}")
        return wrong + bot.errors + desk.violations()


def _room_again(desk: ShortDesk, bot: Program, free: Act) -> list[str]:
    desk.set_speed(1.0)
    free(bot)
    since_s = time.monotonic()
    wait_for(lambda: _gate(desk) is None, "entries allowed", timeout_s=2 * CALM_S, why=bot.words)
    took_s = time.monotonic() - since_s
    wait_for(lambda: desk.resting("SELL"), "an entry", why=bot.words)
    return [f"entries were allowed after {took_s:.0f} s"] if took_s < CALM_S - 5 else []


def _gate(desk: ShortDesk) -> str | None:
    """Why no entry may rest, None when one may."""
    with suppress(ControlError):
        return desk.control.status().gate
    return "not known"


Act = Callable[[Program], None]


@contextmanager
def _disk(state: Path, how: str) -> Iterator[tuple[Act, Act]]:
    """What fills the disk of a state folder, and what gives it room again."""
    state.mkdir(parents=True)
    if how == "limit":
        if not hasattr(resource, "prlimit"):
            raise NotHere("this system does not limit the files of another process")
        yield _limit, _unlimit
        return
    if shutil.which("mount") is None:
        raise NotHere("no tmpfs can be mounted: there is no mount command")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_TMPFS_BYTES}", "none", str(state)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise NotHere(f"no tmpfs can be mounted: {done.stderr.strip()}")
    ballast = state / "ballast"
    try:
        yield lambda _: _fill(ballast), lambda _: ballast.unlink()
    finally:
        subprocess.run(["umount", "--lazy", str(state)], check=False)


def _limit(bot: Program) -> None:
    _set_limit(bot, _LIMIT_BYTES)


def _unlimit(bot: Program) -> None:
    _set_limit(bot, None)


def _set_limit(bot: Program, size: int | None) -> None:
    pid, hard = bot.process.pid, resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


def _fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)


# ---------------------------------------------------------------- the journal


def locked(folder: Path, *, seconds: float) -> list[str]:
    """Another process keeps the journal for itself, for so many real seconds or more from just before the
    sales on, and again from just before the square-off on. Longer than a step may take, that stops
    entries; stops and exits go out while it lasts.
    """
    long = seconds > COMMIT_PATIENCE_S
    with short_day(folder) as desk:
        bot = desk.bot()
        wrong: list[str] = []
        with _kept(desk, bot, SOLD_MS, seconds):
            if long:
                desk.run_until(bot, lambda: _gate(desk) == BLOCKED, "no entries")
                asked_for = len(desk.sales())
                desk.run_until(bot, lambda: not desk.resting("SELL"), "entries taken back")
                desk.run_until(bot, lambda: _stopped(desk) == desk.held(), "stops")
        if not desk.held():
            wrong.append("nothing was sold before")
        if long and len(desk.sales()) > asked_for:
            wrong.append(f"sold without the journal: {desk.sales()[asked_for:]}")
        with _kept(desk, bot, SQUARE_OFF_MS, seconds):
            if long:
                desk.run_until(bot, lambda: not desk.held(), "all bought back")
        if not desk.finish(bot):
            wrong.append(f"ended with {bot.code()}: {bot.words()}")
        return wrong + bot.errors + desk.violations()


def _stopped(desk: ShortDesk) -> dict[str, int]:
    """What waiting stops would buy back, as positions are written."""
    stops: Counter[str] = Counter()
    for row in desk.working():
        if row["side"] == "BUY" and row["status"] == "trigger pending":
            stops[row["symbol"]] -= row["quantity"]
    return dict(stops)


@contextmanager
def _kept(desk: ShortDesk, bot: Program, at_ms: int, seconds: float) -> Iterator[None]:
    """Nobody else can write the journal from just before an instant of the market on, which is slow."""
    desk.wait_until(at_ms - 2_500, bot)
    desk.pause()
    desk.advance(max(at_ms - 100, desk.now_ms()))
    other = sqlite3.connect(desk.journal, isolation_level=None, timeout=20)
    try:
        other.execute("BEGIN EXCLUSIVE")
        until_s = time.monotonic() + seconds
        desk.speed_max = 1.0
        desk.set_speed(desk.speed_max)
        desk.resume()
        yield
        desk.run_until(bot, lambda: time.monotonic() >= until_s, "the lock's time")
        other.execute("ROLLBACK")
    finally:
        other.close()
        desk.speed_max = CALM.quiet


def damaged(folder: Path, *, damage: str) -> list[str]:
    """A bot is killed while it holds, and its journal damaged; another one is started."""
    with short_day(folder) as desk:
        bot = desk.bot()
        wrong = [] if desk.wait_until(SOLD_MS + 8_000, bot) else [f"ended: {bot.words()}"]
        bot.stop(signal.SIGKILL)
        held, sold = desk.held(), len(desk.sales())
        DAMAGES[damage](desk.journal)
        desk.busy.append((desk.now_ms(), desk.now_ms() + 6_000))

        again = desk.bot()

        if not desk.finish(again):
            wrong.append(f"ended with {again.code()}: {again.words()}")
        if len(held) != 2:
            wrong.append(f"held when killed: {held}")
        if len(desk.sales()) > sold:
            wrong.append(f"sold without the journal: {desk.sales()[sold:]}")
        if "CRITICAL" not in again.said:
            wrong.append(f"nothing is said of the damage: {again.words()}")
        if not list(desk.state.glob("journal-damaged-*")):
            wrong.append("the damaged file is not kept")
        return wrong + desk.violations(books_only=True)


# ---------------------------------------------------------------- the zone of the machine


def zones(folder: Path, *, names: tuple[str, ...] = ZONES) -> list[str]:
    """The same day on machines of several time zones."""
    with ThreadPoolExecutor(len(names)) as pool:
        days = list(pool.map(lambda tz: _in_zone(folder / tz.replace("/", "-"), tz), names))
    wrong = [line for _, problems in days for line in problems]
    first = days[0][0]
    for tz, (told, _) in zip(names[1:], days[1:], strict=True):
        for what, rows in told.items():
            if rows != first[what]:
                wrong.append(f"{what} differ, {names[0]}: {first[what]}, {tz}: {rows}")
    return wrong


def _in_zone(folder: Path, tz: str) -> tuple[dict[str, Any], list[str]]:
    with short_day(folder) as desk:
        bot = desk.bot(tz=tz)
        wrong = [] if desk.finish(bot) else [f"{tz}: ended with {bot.code()}: {bot.words()}"]
        told = {
            "orders": desk.rows(
                "SELECT session, symbol, side, purpose, quantity, trigger_price_paise, state, "
                "filled_value_paise, reason FROM orders WHERE filled_quantity ORDER BY symbol, purpose"
            ),
            "trades": desk.rows(
                "SELECT session, symbol, quantity, entry_value_paise, exit_value_paise, exit_reason, "
                "pnl_paise, r_milli FROM trades ORDER BY symbol"
            ),
            "summary": desk.rows(
                "SELECT session, exit_reason, r_milli, pnl_paise FROM daily_summary"
            ),
            "dates": desk.rows("SELECT DISTINCT session, substr(at, 1, 10) AS date FROM events"),
            "zone": desk.rows("SELECT DISTINCT substr(at, -6) AS zone FROM events"),
            "files": sorted(path.name for path in desk.state.iterdir()),
            "begins": bot.said[:4],
        }
        if not told["trades"]:
            wrong.append(f"{tz}: nothing was traded")
        return told, wrong + desk.violations()


# ---------------------------------------------------------------- told to stop

_STOPS_WITHIN_S = 10.0


def told_to_stop(folder: Path, *, hangs: bool) -> list[str]:
    """SIGTERM while it holds and an entry rests, at a gateway that answers or one that hangs: it ends
    within the 10 s that a supervisor gives it, what it holds stays covered, and another one goes on.
    """
    with short_day(folder) as desk:
        bot = desk.bot()
        wrong = [] if desk.wait_until(SOLD_MS + 8_000, bot) else [f"ended: {bot.words()}"]
        desk.pause()
        if hangs:
            desk.fault("gateway_hangs")
        code, took_s = bot.stop(signal.SIGTERM)
        if hangs:
            desk.fault("none")
        if took_s > _STOPS_WITHIN_S:
            wrong.append(f"ended {took_s:.1f} s after SIGTERM")
        # 4 says that the end of an entry could not be proven.
        if code != (4 if hangs else 0):
            wrong.append(f"ended with {code}: {bot.words()}")
        if set(desk.held()) != desk.resting("BUY"):
            wrong.append(f"held {desk.held()}, stops in {desk.resting('BUY')}")
        if not hangs and desk.resting("SELL"):
            wrong.append(f"entries left working: {desk.resting('SELL')}")
        now_ms = desk.now_ms()
        desk.busy.append((now_ms, now_ms + 6_000))
        desk.resume()

        again = desk.bot()

        if not desk.finish(again):
            wrong.append(f"ended with {again.code()}: {again.words()}")
        return wrong + desk.violations()


# What the whole programme tries, by its name.
TROUBLES: dict[str, Callable[[Path], list[str]]] = {
    "20 starts at once": partial(starts_at_once, count=20),
    "full disk, file limit": partial(full_disk, how="limit"),
    "full disk, tmpfs": partial(full_disk, how="tmpfs"),
    "full disk, room again": partial(full_disk, how="limit", resumes=True),
    "journal locked 6 s": partial(locked, seconds=LOCK_S),
    "journal locked 60 s": partial(locked, seconds=60),
    **{f"journal damaged, {name}": partial(damaged, damage=name) for name in DAMAGES},
    "told to stop": partial(told_to_stop, hangs=False),
    "told to stop at a gateway that hangs": partial(told_to_stop, hangs=True),
    "time zones": zones,
}
