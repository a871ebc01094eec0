"""A bot is killed while it holds, and its journal damaged: the next one looks after what is open."""

from __future__ import annotations

import datetime as dt
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from baseline_v1_live.core.session import at_ist
from baseline_v1_live.sim.openalgo_server.cover import naked_intervals
from tests.live.process_desk import ServedDesk, served, wait_for
from tests.live.small_day import DATE, SOLD

PROTECTED_WITHIN_MS = 5_000


def _damage_header(state: Path) -> None:
    for ending in ("", "-wal"):
        path = state / f"journal.db{ending}"
        content = path.read_bytes()
        path.write_bytes(bytes(byte ^ 0xFF for byte in content[:64]) + content[64:])


def _lose_log(state: Path) -> None:
    assert (state / "journal.db-wal").stat().st_size
    for ending in ("-wal", "-shm"):
        (state / f"journal.db{ending}").unlink()


@pytest.mark.parametrize("damage", [_damage_header, _lose_log])
def test_a_killed_bots_position_is_protected_without_its_journal(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """Short and covered all the time, nothing sold any more, flat at the square-off, code 0."""
    with served(tmp_path) as desk:
        desk.trade(speed=20).stop(signal.SIGKILL)
        sent, killed_ms = len(desk.requests("placeorder")), desk.now_ms()
        damage(desk.state)

        again = desk.start("--exit-when-closed")

        again.wait_until_said("running: square-off")
        since_ms = desk.now_ms()
        wait_for(lambda: desk.control.positions(), "a position", why=again.words)
        wait_for(lambda: desk.now_ms() > since_ms + 60_000, "a minute", why=again.words)
        assert desk.held() == {SOLD: -650}
        assert desk.resting("BUY") == {SOLD}
        assert desk.control.status().gate == "entries_stopped"

        _to(desk, dt.time(15, 10))
        wait_for(lambda: not desk.held() and not desk.working(), "flat", why=again.words)
        bare = [n for n in naked_intervals(desk.ask("audit")["rows"]) if n.to_ms > killed_ms]
        _to(desk, dt.time(15, 41))

        assert (again.code(), again.errors) == (0, []), again.words()
        assert [n for n in bare if n.to_ms - n.from_ms > PROTECTED_WITHIN_MS] == []
        sales = [body for body in desk.requests("placeorder")[sent:] if body["action"] == "SELL"]
        assert sales == []


def _to(desk: ServedDesk, time: dt.time) -> None:
    desk.advance(at_ist(DATE, time))
