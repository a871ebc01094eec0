"""What a run says of itself: how often each fault struck, where, and what was found."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from rich.console import Console

from baseline_v1_live.cli_simulate import _tell
from baseline_v1_live.sim.fault_catalogue import TROUBLES
from baseline_v1_live.simulate.check_base import Violation
from baseline_v1_live.simulate.plan import draw
from baseline_v1_live.simulate.seed import SeedResult, play
from baseline_v1_live.simulate.strikes import NO_PROCESS, parts_of
from baseline_v1_live.simulate.summary import summed, thin

WORKING, STOPPED = "entry:trigger_pending | none", "entry:open stop:unknown | short bare, long"


def day(seed: int, **changes: object) -> SeedResult:
    """A day of hand-written results."""
    given: dict[str, object] = {
        "seed": seed,
        "full_size": False,
        "exit_policy": "market",
        "troubles": ("html", "killed"),
        "fired": {"html": 3},
        "states": {"html": {WORKING: 2, STOPPED: 1}},
        "checks": {"limits hold": 10},
        "excused": {"limits hold": 3},
        "trades": 2,
        "starts": 1,
        "digest": f"digest {seed}",
        "violations": (),
        "last": (),
    }
    return SeedResult(**(given | changes))  # type: ignore[arg-type]


def test_days_are_summed_by_fault_state_and_invariant() -> None:
    """Times, days and states of each fault; a state of two orders counts for each of them."""
    wrong = (Violation("limits hold", "09:20:00", "CE"), Violation("limits hold", "09:21:00", "PE"))
    fired, states = {"html": 1, "killed": 1}, {"html": {WORKING: 1}, "killed": {NO_PROCESS: 1}}
    summary = summed(
        [
            day(4),
            day(5, trades=0, fired=fired, states=states, violations=wrong, exit_policy="fixed"),
        ],
        "abc",
    )

    assert (summary.first_seed, summary.seeds, summary.days_with_trades) == (4, 2, 1)
    html = summary.faults["html"]
    assert (html.times, html.days, html.drawn_days) == (4, 2, 2)
    assert list(html.states.items()) == [(WORKING, 3), (STOPPED, 1)]
    assert summary.faults["killed"].days == 1
    assert summary.faults["answer_lost"].times == 0
    assert summary.faults_struck == 5
    assert summary.order_states == {"entry:trigger_pending": 3, "entry:open": 1, "stop:unknown": 1}
    assert summary.position_states == {"none": 3, "long": 1, NO_PROCESS: 1, "short bare": 1}
    assert (summary.checks_made, summary.checks) == (20, {"limits hold": 20})
    assert summary.excused == {"limits hold": 6}
    assert (summary.days_with_violations, summary.violations) == (1, {"limits hold": 1})
    assert summary.exit_policies == {"fixed": 1, "market": 1}


def test_the_digest_of_a_run_is_that_of_its_days() -> None:
    """Other days, or another order, make another digest."""
    first, second = day(1), day(2)

    assert summed([first, second], "").digest == summed([first, second], "").digest
    assert (
        len({summed(days, "").digest for days in ([first], [first, second], [second, first])}) == 3
    )


def test_a_line_of_states_has_its_parts() -> None:
    """Orders before the bar, positions behind it; without a process there is neither."""
    assert parts_of(STOPPED) == (["entry:open", "stop:unknown"], ["short bare", "long"])
    assert parts_of(NO_PROCESS) == ([], [NO_PROCESS])


def test_every_strike_is_counted_with_its_state() -> None:
    """On a played day the states of each fault add up to how often it struck."""
    result = play(draw(12, {"answer_lost", "stream_cut", "old_ticks", "killed"}))

    assert result.fired
    assert {name: sum(seen.values()) for name, seen in result.states.items()} == result.fired
    assert any("trigger_pending" in state for seen in result.states.values() for state in seen)


def test_the_command_writes_its_summary_beside_its_days(tmp_path: Path) -> None:
    """One day with the exit policy that was asked for: its results, its log, and a table that fits."""
    written, log = tmp_path / "run.json", tmp_path / "day.log"
    command = [
        sys.executable,
        "-m",
        "baseline_v1_live",
        "simulate",
        "--seeds",
        "1",
        "--start",
        "12",
    ]
    options = ["--faults", "stream_cut,old_ticks", "--exit-policy", "trailing"]
    files = ["--json", str(written), "--log", str(log)]
    ran = subprocess.run([*command, *options, *files], capture_output=True, text=True, check=False)
    run = json.loads(written.read_text())
    summary, days = run["summary"], run["days"]

    assert ran.returncode == (1 if days[0]["violations"] else 0)
    assert summary["seeds"] == len(days) == 1
    assert summary["exit_policies"] == {"trailing": 1}
    assert summary["faults_struck"] == sum(days[0]["fired"].values()) > 0
    assert f"digest {days[0]['digest']}" in ran.stdout
    assert sha256(log.read_bytes()).hexdigest().startswith(days[0]["digest"])
    assert "trouble stream_cut" in log.read_text()
    rows = [row for row in ran.stdout.splitlines() if row.startswith(("stream_cut", "old_ticks"))]
    assert len(rows) == 2
    assert max(map(len, rows)) <= 100


def test_a_finding_is_told_with_its_whole_lines_and_its_own_digest() -> None:
    """However long a line of the log is: who has no terminal must be able to read its JSON."""
    event = json.dumps({"type": "SnapshotTaken", "orders": [":smile: [b]"] * 500})
    wrong = (Violation("limits hold", "09:20:00", "CE"),)
    days = [day(4, violations=wrong, last=(f"09:20:00 {event} -> 0",)), day(5)]
    told = io.StringIO()

    _tell(summed(days, ""), days, Console(file=told, width=100), "--faults all")

    assert f"09:20:00 {event} -> 0\n" in told.getvalue()
    assert "digest of the event log: digest 4\n" in told.getvalue()
    assert summed(days, "").digest in told.getvalue()


def test_a_run_is_thin_where_it_has_tried_too_little() -> None:
    """Each fault is to strike on one day of four at least, and four days of five are to trade."""
    often = {trouble.name: 1 for trouble in TROUBLES}
    enough = [day(1, fired=often), *(day(seed, fired={}) for seed in (2, 3)), day(4, fired={})]
    seldom = {name: times for name, times in often.items() if name != "halt"}
    idle = [day(1, fired=seldom), *(day(seed, fired={}, trades=0) for seed in (2, 3))]

    assert thin(summed(enough, "abc")) == []
    assert thin(summed(idle, "abc")) == [
        "halt struck 0 times in 3 days, fewer than one in four",
        "1 of 3 days had trades, fewer than four of five",
    ]
