"""Operator commands as a user meets them: beside a running bot, beside a hung one, and without any."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from baseline_v1_live import cli_operator
from baseline_v1_live.adapters.journal import Journal
from baseline_v1_live.core.messages import Level, Notify, Purpose, Tick
from baseline_v1_live.core.session import ist_date
from baseline_v1_live.runtime.clock import wall_ms
from baseline_v1_live.runtime.instance import InstanceLock, KillFile
from tests.harness import Desk, desk_of_five
from tests.harness_market import C260, C261, P260, at
from tests.operator_bot import DeskBot, serving, store

ROOT = Path(__file__).parent.parent
LOOKING = ("status", "orders", "positions")
SPEAKING = ("pause", "resume", "flatten", "kill")

app = typer.Typer()
cli_operator.register(app)


@pytest.fixture(autouse=True)
def _settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of a folder that nobody else has: paper, with the state in ``state``."""
    monkeypatch.chdir(tmp_path)
    for name in ("PAPER_TRADING", "STATE_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The paper bot's state folder."""
    path = tmp_path / "state" / "paper"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def bot(folder: Path) -> Iterator[DeskBot]:
    """A running paper bot with three positions and a resting entry."""
    bot = DeskBot(desk_of_five())
    with InstanceLock(folder).acquire(at("09:05:12")), serving(folder, bot):
        yield bot


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def as_json(result: Result) -> Any:
    assert result.stderr == ""
    return json.loads(result.stdout)


def today_s_kill(folder: Path) -> bool:
    return KillFile(folder).is_set(ist_date(wall_ms()))


def assert_one_line(result: Result, code: int) -> None:
    assert result.exit_code == code
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("error: ")


# ---------------------------------------------------------------- a running bot


def test_status_of_a_running_bot_is_plain_lines(bot: DeskBot) -> None:
    """Piped status is plain names and values without control characters, and exit 0."""
    result = run("status")
    lines = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    values = {name: value.strip() for name, value in lines.items()}

    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert values["mode"] == "paper  2026-12-28  expiry 29DEC26  ATM 26000"
    assert values["trading"] == "enabled, entries allowed"
    assert values["R"] == "-2.01"
    assert values["positions"] == "3 of 5"
    assert values["working orders"] == "4"
    assert values["books read"].endswith(" s ago")


def test_status_names_what_keeps_entries_from_resting(bot: DeskBot) -> None:
    """A paused bot's status says so, and why no entry may rest."""
    bot.desk.say("pause")

    assert "no entries: paused" in run("status").stdout


def test_orders_and_positions_are_tables(bot: DeskBot) -> None:
    """One row an order with the live ones first, one row a position with its cover."""
    orders = run("orders").stdout.splitlines()
    positions = run("positions").stdout.splitlines()

    assert len(orders) == 12
    assert orders[1].split()[1:4] == ["2026-12-28-stop-0002", C260, "BUY"]
    assert [line.split()[0] for line in positions] == ["symbol", C260, C261, P260]
    assert "stop resting (stops 650, exits 0)" in positions[1]


@pytest.mark.parametrize("name", LOOKING)
def test_json_of_a_running_bot(bot: DeskBot, name: str) -> None:
    """With --json the answer has whether it runs, as of when, and the bot's own fields."""
    result = run(name, "--json")
    answer = as_json(result)

    assert result.exit_code == 0
    assert list(answer) == ["running", "as_of", name]
    assert answer["running"] is True


def test_tables_without_rows_say_none(folder: Path) -> None:
    """A bot without orders and positions shows "none", not an empty head."""
    with serving(folder, DeskBot(Desk())):
        assert run("orders").stdout == "none\n"
        assert run("positions").stdout == "none\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pause",), "no new entry until resume; 1 entry is being cancelled"),
        (("resume",), "nothing was paused; entries are allowed, with 3 of 5 positions open"),
        (("flatten", "--yes"), "closing 3 positions"),
        (("kill",), "no new entry today, also after a restart"),
        (("kill", "--yes"), "closing 3 positions"),
    ],
)
def test_a_word_is_passed_on_and_answered(
    bot: DeskBot, arguments: tuple[str, ...], said: str
) -> None:
    """Each command reaches the engine, prints what it did and what stays, and exits 0."""
    result = run(*arguments)

    assert (result.exit_code, result.stderr) == (0, "")
    assert said in result.stdout
    assert bot.said == [(arguments[0], "command line")]


def test_a_word_s_answer_as_json(bot: DeskBot) -> None:
    """With --json a word's answer says that it was done, and in which words."""
    answer = as_json(run("pause", "--json"))

    assert (answer["running"], answer["verb"], answer["done"]) == (True, "pause", True)
    assert answer["text"].startswith("no new entry until resume")
    assert answer["errors"] == []


def test_kill_leaves_its_file_beside_a_running_bot(bot: DeskBot, folder: Path) -> None:
    """Kill sets the file for today as well, so that a restart does not bring entries back."""
    run("kill")

    assert today_s_kill(folder)
    assert bot.desk.engine.positions.day_exit_reason == "KILL_SWITCH"


def test_pause_sets_no_kill(bot: DeskBot, folder: Path) -> None:
    """No other word sets the kill file."""
    run("pause")
    run("flatten", "--yes")

    assert not today_s_kill(folder)


def test_a_bot_that_takes_no_word_is_an_error(bot: DeskBot) -> None:
    """A bot that is ending does not take a word: exit 1, one line, nothing said of success."""
    bot.deaf = True
    result = run("pause")

    assert_one_line(result, 1)
    assert result.stdout == ""


# ---------------------------------------------------------------- asking first


def test_flatten_without_a_terminal_wants_yes(bot: DeskBot) -> None:
    """Where nobody can be asked flatten does nothing without --yes, and does not hang."""
    result = run("flatten")

    assert_one_line(result, 2)
    assert "--yes" in result.stderr
    assert bot.said == []


@pytest.mark.parametrize(("typed", "code", "said"), [("n\n", 1, []), ("y\n", 0, ["flatten"])])
def test_flatten_asks_on_a_terminal(
    bot: DeskBot, tmp_path: Path, typed: str, code: int, said: list[str]
) -> None:
    """On a terminal flatten asks, and closes nothing unless told yes."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", "from tests.test_cli_operator import app; app()", "flatten"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        os.write(ours, typed.encode())
        process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)

    assert process.returncode == code
    assert [verb for verb, _ in bot.said] == said


# ---------------------------------------------------------------- no bot


@pytest.mark.parametrize("name", LOOKING)
def test_without_a_bot_what_was_stored_is_shown(folder: Path, name: str) -> None:
    """Without a running bot the stored session is shown with its instant, and the exit code is 1."""
    desk = desk_of_five()
    store(folder, desk)
    result = run(name)

    assert result.exit_code == 1
    assert result.stdout.startswith(f"not running; as of {desk.time} on 2026-12-28\n")
    assert {"status": "positions", "orders": "entry-0011", "positions": C260}[name] in result.stdout


def test_commands_of_later_ticks_hide_no_session(folder: Path) -> None:
    """Numbers have gaps where ticks were; the newest event stored is found behind them."""
    desk = desk_of_five()
    store(folder, desk)
    with Journal.open(folder / "journal.db") as journal:
        tick = Tick(seq=50_000, at_ms=desk.now_ms + 5_000, symbol=C260, ltp_paise=1)
        journal.commit(tick, [Notify(level=Level.LOG, tag="FILTER", text="x")])

    assert run("status").stdout.startswith(f"not running; as of {desk.time} on 2026-12-28\n")


def test_the_stored_session_as_json(folder: Path) -> None:
    """Stored positions keep their cover as last known, and show no price of now."""
    store(folder, desk_of_five())
    answer = as_json(run("positions", "--json"))

    assert answer["running"] is False
    assert answer["as_of"].startswith("2026-12-28T")
    assert [(p["symbol"], p["cover"], p["pnl_paise"]) for p in answer["positions"]] == [
        (symbol, "resting", None) for symbol in (C260, C261, P260)
    ]


def test_a_stored_order_that_was_on_its_way_is_of_unknown_outcome(folder: Path) -> None:
    """What had no answer when the bot ended counts as unknown in the status."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    store(folder, desk)

    assert as_json(run("status", "--json"))["status"]["unknown_orders"] == 1


@pytest.mark.parametrize("name", LOOKING)
def test_without_anything_stored(tmp_path: Path, name: str) -> None:
    """Where no bot ever ran that is what is said, and nothing is created."""
    result = run(name)

    assert (result.exit_code, result.stdout) == (
        1, "not running; nothing is stored in state/paper\n",
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_journal_without_a_session_is_no_session(folder: Path) -> None:
    """An empty journal has nothing to show."""
    Journal.open(folder / "journal.db").close()

    assert "nothing is stored" in run("status").stdout


def test_a_damaged_journal_is_one_line(folder: Path) -> None:
    """A journal that cannot be read is one line, exit 1; it is never shown as an empty day."""
    (folder / "journal.db").write_bytes(b"not a database" * 100)

    for name in LOOKING:
        result = run(name)
        assert_one_line(result, 1)
        assert result.stdout == ""


@pytest.mark.parametrize("arguments", [("pause",), ("resume",), ("flatten", "--yes")])
def test_words_without_a_bot_do_nothing_and_say_so(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    """Without a bot a word is one line: nobody heard, and what stays at the broker."""
    store(folder, desk_of_five())
    result = run(*arguments)

    assert_one_line(result, 1)
    assert "no bot is running" in result.stderr
    assert "not touched by this" in result.stderr
    assert "open positions: 3, working orders: 4" in result.stderr
    assert not today_s_kill(folder)


def test_kill_without_a_bot_holds_for_the_day(folder: Path) -> None:
    """Without a bot kill still sets the file, and says that nothing at the broker is touched."""
    store(folder, desk_of_five())
    result = run("kill")

    assert result.exit_code == 1
    assert today_s_kill(folder)
    assert "nothing is sold there today" in result.stdout
    assert "no bot is running" in result.stderr
    assert "orders and positions at the broker are not touched by this" in result.stderr
    assert "open positions: 3, working orders: 4" in result.stderr


def test_kill_works_before_any_bot_ran_and_beside_a_damaged_journal(tmp_path: Path) -> None:
    """Neither a missing folder nor a damaged journal keeps kill from being set."""
    run("kill")
    assert today_s_kill(tmp_path / "state" / "paper")
    run("kill", "--mode", "live", "--state-dir", "other")
    (tmp_path / "other" / "live" / "journal.db").write_bytes(b"?" * 1_000)
    result = run("kill", "--mode", "live", "--state-dir", "other", "--json")

    answer = as_json(result)
    assert (answer["kill_set"], answer["running"], answer["done"]) == (True, False, False)
    assert today_s_kill(tmp_path / "other" / "live")


def test_kill_reaches_the_bot_even_when_the_file_cannot_be_written(
    bot: DeskBot, folder: Path
) -> None:
    """A disk that takes no file keeps kill from nothing but the file, which is said."""
    (folder / "KILL").mkdir()
    (folder / "KILL" / "x").touch()
    result = run("kill")

    assert [verb for verb, _ in bot.said] == ["kill"]
    assert "closing 3 positions" in result.stdout
    assert_one_line(result, 1)
    assert "kill file cannot be written" in result.stderr


# ---------------------------------------------------------------- a bot that hangs, or is elsewhere


@pytest.mark.parametrize("name", [*LOOKING, *SPEAKING])
def test_a_bot_that_cannot_be_reached_is_not_called_absent(folder: Path, name: str) -> None:
    """While its lock is held a bot is never called "not running", and nothing stored is shown."""
    store(folder, desk_of_five())
    with InstanceLock(folder).acquire(at("09:05:12")):
        result = run(name, *(["--yes"] if name == "flatten" else []))

    assert_one_line(result, 1)
    assert "cannot be reached" in result.stderr
    assert "not running" not in result.output
    assert today_s_kill(folder) is (name == "kill")


def test_a_bot_of_another_mode_is_pointed_at(tmp_path: Path) -> None:
    """Who asks for the wrong mode is told which bot does run."""
    with InstanceLock(tmp_path / "state" / "live").acquire(1):
        assert "but a bot is running with --mode live" in run("status").stdout
        assert "but a bot is running with --mode live" in run("kill").stderr


# ---------------------------------------------------------------- which bot


def test_the_settings_say_which_bot(tmp_path: Path) -> None:
    """Folder and mode come from STATE_DIR and PAPER_TRADING unless they are given."""
    (tmp_path / ".env").write_text("STATE_DIR=elsewhere\nPAPER_TRADING=false\n")
    assert "nothing is stored in elsewhere/live" in run("status").stdout
    assert "elsewhere/dry-run" in run("status", "--mode", "dry-run").stdout
    assert "here/live" in run("status", "--state-dir", "here").stdout


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    """An unknown mode and a bad setting are one line each, exit 2."""
    assert_one_line(run("status", "--mode", "real"), 2)
    (tmp_path / ".env").write_text("PAPER_TRADING=perhaps\n")

    assert_one_line(run("kill"), 2)


def test_bad_settings_do_not_stand_in_the_way_of_a_kill(tmp_path: Path) -> None:
    """With folder and mode given no settings are read."""
    (tmp_path / ".env").write_text("PAPER_TRADING=perhaps\n")
    run("kill", "--mode", "live", "--state-dir", "state")

    assert today_s_kill(tmp_path / "state" / "live")


def test_a_closed_position_leaves_the_table(bot: DeskBot) -> None:
    """After kill and its fills no position is left to show."""
    with bot.desk.answered():
        run("kill")
        for order_id in bot.desk.placed(Purpose.EXIT):
            assert not bot.desk.order(order_id).live

    assert run("positions").stdout == "none\n"


def test_the_program_has_the_commands(bot: DeskBot, tmp_path: Path) -> None:
    """The real program passes pause on to a running bot."""
    done = subprocess.run(
        [sys.executable, "-m", "baseline_v1_live", "pause"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("no new entry until resume")
