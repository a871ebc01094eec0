"""The command line as a user meets it: real processes, exit codes, one clear line for each mistake."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from baseline_v1_live.sim.day_file import write_day
from baseline_v1_live.sim.generator import generate_day

ROOT = Path(__file__).parent.parent


def run(*arguments: str | Path, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "baseline_v1_live", *map(str, arguments)],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="session")
def small_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated day of few strikes and few ticks, as a file."""
    path = tmp_path_factory.mktemp("days") / "day.parquet"
    write_day(generate_day(9, strikes_each_side=4, ticks_per_second=0.2), path)
    return path


DAY = ("--expiry", "01DEC26", "--atm", "26000")


def assert_one_line_mistake(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert list(folder.iterdir()) == []


def test_replay_writes_the_same_bytes_each_time(small_day: Path, tmp_path: Path) -> None:
    """Two replays of one file give byte-identical JSON with the documented keys."""
    for name in ("a.json", "b.json"):
        done = run("replay", small_day, *DAY, "--json", tmp_path / name, cwd=tmp_path)
        assert done.returncode == 0, done.stderr

    first = (tmp_path / "a.json").read_bytes()

    assert first == (tmp_path / "b.json").read_bytes()
    result = json.loads(first)
    assert set(result) == {"swings", "orders", "trades", "day", "rejections"}
    assert set(result["day"]) == {"r", "pnl", "exit_reason", "flat", "halted"}
    assert result["day"]["flat"] is True


def test_replay_writes_report_and_journal(small_day: Path, tmp_path: Path) -> None:
    """The report and the journal are written where they were asked for."""
    done = run(
        "replay", small_day, *DAY, "--report", "day.html", "--journal", "day.db", cwd=tmp_path
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "day.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert (tmp_path / "day.db").stat().st_size > 0


@pytest.fixture(scope="session")
def demo(
    small_day: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One demonstration of the small day, as fast as it goes, and the folder of its runs."""
    folder = tmp_path_factory.mktemp("demo")
    done = run(
        *("demo", "--file", small_day, *DAY, "--speed", "1000", "--out", folder / "runs"),
        cwd=folder,
    )
    return done, folder / "runs"


@pytest.mark.slow
def test_demo_plays_a_file_and_leaves_one_folder(
    demo: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    """The demo of a recorded day ends with its result and leaves journal, result and report."""
    done, runs = demo

    assert done.returncode == 0, done.stderr
    assert "Final R:" in done.stdout
    (folder,) = runs.iterdir()
    assert {path.name for path in folder.iterdir()} == {"journal.db", "report.html", "result.json"}


@pytest.mark.slow
def test_progress_is_plain_lines_without_a_terminal(
    demo: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    """Piped output has a plain progress line each half hour until the exit, no control characters."""
    done, _ = demo
    lines = [line for line in done.stdout.splitlines() if re.match(r"\d\d:\d\d:\d\d  R ", line)]

    assert [line[:4] for line in lines[:2]] == ["09:1", "09:3"]
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--expiry", "02DEC26", "--atm", "26000"),
        ("--expiry", "01DEC26", "--atm", "26010"),
        ("--expiry", "1DEC26", "--atm", "26000"),
        ("--expiry", "31FEB26", "--atm", "26000"),
        ("--expiry", "01DEC26"),
        ("--expiry", "01DEC26", "--atm", "nan"),
    ],
)
def test_unknown_expiry_or_atm_is_one_line(
    small_day: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """An expiry or an ATM that the file does not have is one line, exit 2, and nothing written."""
    done = run("replay", small_day, *arguments, "--json", tmp_path / "x.json", cwd=tmp_path)

    assert_one_line_mistake(done, tmp_path)


def test_bad_files_are_one_line(small_day: Path, tmp_path: Path) -> None:
    """A missing, unreadable, empty, unsorted or foreign file is one line, exit 2, nothing written."""
    days, out = tmp_path / "days", tmp_path / "out"
    days.mkdir()
    out.mkdir()
    table = pq.read_table(small_day)
    (days / "text.parquet").write_text("not parquet")
    pq.write_table(table.slice(0, 0), days / "empty.parquet")
    pq.write_table(table.take(pa.array([5, 4_000, 3, 2])), days / "unsorted.parquet")
    pq.write_table(table.drop_columns(["ltp"]), days / "schema.parquet")

    for name in ("missing", "text", "empty", "unsorted", "schema"):
        file = days / f"{name}.parquet"
        done = run("replay", file, *DAY, "--json", out / "x.json", "--report", "x.html", cwd=out)
        assert_one_line_mistake(done, out)
        assert str(file) in done.stderr


def test_a_file_without_index_runs(small_day: Path, tmp_path: Path) -> None:
    """Without the index the day is played, and the checks that are off are named."""
    table = pq.read_table(small_day)
    keep = [symbol != "NIFTY" for symbol in table.column("symbol").to_pylist()]
    pq.write_table(table.filter(pa.array(keep)), tmp_path / "day.parquet")

    done = run("replay", tmp_path / "day.parquet", *DAY, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "no index" in done.stdout


def test_an_output_that_cannot_be_written_is_one_line(small_day: Path, tmp_path: Path) -> None:
    """An output in a folder that does not exist is refused before anything is played."""
    done = run("replay", small_day, *DAY, "--json", tmp_path / "no" / "x.json", cwd=tmp_path)

    assert_one_line_mistake(done, tmp_path)


def test_outputs_never_destroy_the_input_or_each_other(small_day: Path, tmp_path: Path) -> None:
    """An output that is the recorded day, or another output, is refused before anything is played."""
    day = tmp_path / "day.parquet"
    day.write_bytes(small_day.read_bytes())
    for outputs in (("--json", day), ("--json", "x", "--report", "x"), ("--json", "/dev/null")):
        done = run("replay", day, *DAY, *outputs, cwd=tmp_path)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1

    assert day.read_bytes() == small_day.read_bytes()
    assert list(tmp_path.iterdir()) == [day]


def test_a_terminal_without_unicode_gets_the_day_too(small_day: Path, tmp_path: Path) -> None:
    """Signs that a terminal cannot show become question marks, not tracebacks."""
    done = run("replay", small_day, *DAY, cwd=tmp_path, PYTHONIOENCODING="ascii")

    assert done.returncode == 0, done.stderr
    assert "Final R:" in done.stdout


def test_the_demo_refuses_a_file_in_its_place(small_day: Path, tmp_path: Path) -> None:
    """Something else where the run's folder would stand is one line, and stays."""
    (tmp_path / "demo-day").write_text("mine")
    done = run("demo", "--file", small_day, *DAY, "--out", ".", cwd=tmp_path)

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "demo-day").read_text() == "mine"


def test_bad_settings_are_one_line_each(tmp_path: Path) -> None:
    """Two bad settings are two lines with name, value and what is allowed; exit 2."""
    done = run("--show-config", cwd=tmp_path, R_VALUE="-5", MAX_LOTS="many")

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2
    assert 'R_VALUE: got "-5"' in done.stderr
    assert 'MAX_LOTS: got "many"' in done.stderr
    assert "Traceback" not in done.stderr


def test_show_config_ends_with_a_hash(tmp_path: Path) -> None:
    """The effective settings are printed with a hash that changes with them."""
    plain = run("--show-config", cwd=tmp_path)
    other = run("--show-config", cwd=tmp_path, R_VALUE="7000")

    assert plain.returncode == 0
    assert "R_VALUE=6500" in plain.stdout.splitlines()
    assert plain.stdout.splitlines()[-1].startswith("config hash: ")
    assert plain.stdout.splitlines()[-1] != other.stdout.splitlines()[-1]


def test_openalgo_sim_serves_a_day(tmp_path: Path) -> None:
    """The server says where it listens, answers there, and refuses a profile it does not have."""
    command = [sys.executable, "-m", "baseline_v1_live", "openalgo-sim", "--port", "0"]
    with subprocess.Popen(
        [*command, "--ws-port", "0", "--wait-for-client"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "STRIKES_EACH_SIDE": "2"},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        server.stdout.readline()
        address = server.stdout.readline().split()[1]
        with urllib.request.urlopen(f"{address}/sim/clock", timeout=20) as answer:
            clock = json.load(answer)
        server.terminate()
    refused = run("openalgo-sim", "--profile", "x", cwd=tmp_path)

    assert clock["running"] is False
    assert clock["session"]["date"] == "2026-11-26"
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
