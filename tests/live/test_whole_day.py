"""A whole generated day over real sockets: two processes, the bot's tables against the books."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from baseline_v1_live.sim.openalgo_server.cover import duplicate_entries, naked_intervals
from tests.live.day_desk import Counts, DayDesk, counts, differences, served_day

SPEED = 300.0
# One of the days that docs/openalgo-sim.md names for what they have in them.
SEED = int(os.environ.get("BASELINE_DAY_SEED", "33"))
RICH_DAYS = (36, 3, 5)
KILLS = int(os.environ.get("BASELINE_DAY_KILLS", "6"))
KILL_SPEED = float(os.environ.get("BASELINE_DAY_KILL_SPEED", "20"))
AFTER_KILL_MS = 20_000
BARE_MAX_MS = 5_000


@pytest.mark.slow
def test_a_day_over_sockets_ends_flat_with_equal_books(tmp_path: Path) -> None:
    """Entries, stops, switches and partial fills later, everything is flat and both sides agree.

    What a day has in it hangs on the machine's pace, so a day that had too little of one kind is followed
    by another; each of them must end well.
    """
    had = []
    for seed in (SEED, *(day for day in RICH_DAYS if day != SEED)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        had.append(_counts_of_a_day(folder, seed))
        if had[-1].rich:
            return
    pytest.fail(f"no day had enough in it: {had}")


def _counts_of_a_day(folder: Path, seed: int) -> Counts:
    with served_day(folder, seed, SPEED) as desk:
        desk.start_bot()

        code = desk.wait_for_bot(240)

        assert code == 0, desk.said[-3000:]
        assert differences(desk) == []
        assert duplicate_entries(desk.audit()) == []
        return counts(desk)


@pytest.mark.slow
def test_a_bot_killed_again_and_again_never_loses_its_way(tmp_path: Path) -> None:
    """After each kill: no entry twice, no short bare for 5 s of gateway time; at the end equal books.

    Around each kill the gateway's clock is slowed down, so that seconds of it can be told apart.
    """
    chance = random.Random(SEED * 1000 + KILLS)
    with served_day(tmp_path, SEED, SPEED) as desk:
        session = desk.ask("clock")["session"]
        first_ms, last_ms = session["open_ms"] + 25 * 60_000, session["close_ms"] - 10 * 60_000
        moments = sorted(chance.randrange(first_ms, last_ms) for _ in range(KILLS))
        answers: list[int] = []
        desk.start_bot()
        for moment in moments:
            answers.append(kill_and_restart(desk, max(moment, desk.now_ms() + 1)))
        code = desk.wait_for_bot(240)
        rows = desk.audit()

        assert code == 0, desk.said[-3000:]
        assert desk.starts == KILLS + 1
        assert differences(desk) == []
        assert duplicate_entries(rows) == []
        bare = [
            (naked, min(naked.to_ms, answer + AFTER_KILL_MS) - max(naked.from_ms, answer))
            for naked in naked_intervals(rows)
            for answer in answers
        ]
        longest = max((span for _, span in bare), default=0)
        assert longest <= BARE_MAX_MS, [pair for pair in bare if pair[1] > BARE_MAX_MS]


def kill_and_restart(desk: DayDesk, at_ms: int) -> int:
    """Kill the bot at an instant, start it again; the instant of the gateway's first answer to it."""
    desk.wait_until(at_ms - 10_000, 300)
    desk.set_speed(KILL_SPEED)
    desk.wait_until(at_ms, 60)
    before = desk.audit()[-1]["n"]
    desk.kill_bot()
    desk.start_bot()

    def first() -> list[int]:
        return [
            row["at_ms"]
            for row in desk.ask(f"audit?since={before + 1}")["rows"]
            if row["kind"] in ("call", "request")
        ]

    desk.wait_for(lambda: bool(first()), 60, "the first call of a restarted bot")
    answer_ms = first()[0]
    desk.wait_until(answer_ms + AFTER_KILL_MS, 120)
    desk.set_speed(SPEED)
    return answer_ms
