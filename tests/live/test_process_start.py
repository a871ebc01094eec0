"""Starts that cannot be: one line that names the cause and what to do, a code, and nothing sent."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from baseline_v1_live import __version__
from baseline_v1_live.adapters.journal import MIGRATIONS, Journal
from tests.live.process_desk import (
    EXPIRY_AND_ATM,
    Desk,
    Program,
    alone,
    scripted,
    served,
)

PONG = (200, {"status": "success", "data": {"broker": "zerodha", "message": "pong"}})
QUOTE = (200, {"status": "success", "data": {"ltp": 26_000.0, "volume": 0}})
ANALYZER = (200, {"status": "success", "data": {"mode": "analyze", "analyze_mode": True}})
DEAD = (500, {"status": "error", "message": "Invalid session, please log in again"})
PAGE = (200, "<!doctype html>\n<html>a login page</html>")
LIVE = {"PAPER_TRADING": "false", "BROKER_MIS_CUTOFF": "15:20"}


def _fails(bot: Program, code: int, *words: str) -> None:
    """It ends with a code and, besides warnings, one line on stderr that has all of the words."""
    assert bot.code() == code, bot.words()
    lines = [line for line in bot.errors if not line.startswith("warning: ")]
    assert len(lines) == 1, bot.words()
    assert lines[0].startswith("error: ")
    assert [word for word in words if word not in lines[0]] == [], lines[0]


def test_the_version_is_printed(tmp_path: Path) -> None:
    """The live loop's own module is the same program."""
    module = ["-m", "baseline_v1_live.baseline_v1_live", "--version"]
    program = Program(tmp_path, "version", module, {})

    assert (program.code(), program.said, program.errors) == (0, f"{__version__}\n", [])


def test_a_start_says_its_version_first(tmp_path: Path) -> None:
    """Also one that comes to nothing: whoever reads it sees which program ran."""
    with served(tmp_path, OPENALGO_API_KEY="another-key") as desk:
        bot = desk.start()
        assert bot.code() == 1

    assert f"version {__version__}," in bot.said.splitlines()[0]


def _nothing(_: Desk) -> None:
    return


def _newer_journal(desk: Desk) -> None:
    desk.state.mkdir(parents=True)
    later = (*MIGRATIONS, "CREATE TABLE more (x INTEGER)")
    Journal.open(desk.state / "journal.db", migrations=later).close()


def _other_file_as_state(desk: Desk) -> None:
    desk.state.parent.write_text("a file, where a folder is wanted")


@pytest.mark.parametrize(
    ("settings", "arguments", "before", "code", "words"),
    [
        ({"OPENALGO_API_KEY": ""}, (), _nothing, 2, ["OPENALGO_API_KEY", ".env"]),
        ({"PAPER_TRADING": "false"}, (), _nothing, 2, ["BROKER_MIS_CUTOFF"]),
        (LIVE, (), _nothing, 2, ["--live-confirmed"]),
        (LIVE, ("--live-confirmed", "--sim-clock", "http://127.0.0.1:9"), _nothing, 2, ["--sim-clock"]),
        ({}, ("--sim-clock", "http://127.0.0.1:9"), _nothing, 1, ["127.0.0.1:9", "openalgo-sim"]),
        ({}, (), _newer_journal, 1, ["journal.db", "newer program"]),
        ({}, (), _other_file_as_state, 1, ["state"]),
    ],
    ids=["no key", "no cut-off", "not confirmed", "clock in live", "no clock", "newer", "no folder"],
)  # fmt: skip
def test_what_is_wrong_on_this_machine_is_said(
    tmp_path: Path,
    settings: dict[str, str],
    arguments: tuple[str, ...],
    before: Callable[[Desk], None],
    code: int,
    words: list[str],
) -> None:
    """Settings, options and state that cannot be are refused before anything is asked or sent."""
    with alone(tmp_path, **settings) as desk:
        before(desk)
        files = _files(tmp_path)

        bot = desk.run(*EXPIRY_AND_ATM, *arguments)

        _fails(bot, code, *words)
        for path, content in files.items():
            assert path.read_bytes() == content, f"{path} was changed"


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """The folder is named."""
    with alone(tmp_path) as desk:
        desk.state.parent.mkdir()
        desk.state.parent.chmod(0o500)

        _fails(desk.run(*EXPIRY_AND_ATM), 1, str(desk.state))


NO_KEY = (403, {"status": "error", "message": "Invalid openalgo apikey"})
NO_SESSION = (400, {"status": "error", "message": "Invalid session"})


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ({"ping": NO_KEY}, ["OPENALGO_API_KEY"]),
        ({"ping": PAGE}, ["OPENALGO_HOST", "JSON"]),
        ({"ping": PONG, "quotes": NO_SESSION}, ["log in"]),
    ],
    ids=["key", "page", "session"],
)
def test_a_gateway_that_does_not_take_us_is_said(
    tmp_path: Path, script: dict[str, Any], words: list[str]
) -> None:
    """What does not pass by itself ends the start with code 1."""
    with scripted(**script) as url, alone(tmp_path, url) as desk:
        _fails(desk.run(*EXPIRY_AND_ATM), 1, *words)


@pytest.mark.parametrize(
    "script", [{}, {"ping": PONG, "quotes": DEAD}], ids=["down", "dead broker"]
)
def test_what_may_pass_is_waited_for(tmp_path: Path, script: dict[str, Any]) -> None:
    """A gateway that is down, or whose broker does not answer, is waited for and the wait is said; a
    signal ends it with code 0.
    """
    with (
        scripted(**script) as url,
        alone(tmp_path, url if script else "http://127.0.0.1:9") as desk,
    ):
        bot = desk.run(*EXPIRY_AND_ATM)
        bot.wait_until_said("Trying again")

        code, took_s = bot.stop()

        assert (code, bot.errors) == (0, []), bot.words()
        assert took_s < 2


def test_a_gateway_that_trades_live_is_not_for_paper(tmp_path: Path) -> None:
    """With the analyzer off the paper bot does not start, and says which of the two to change."""
    with served(tmp_path, profile="zerodha") as desk:
        _fails(desk.start(), 1, "PAPER_TRADING", "analyzer")
        assert desk.requests("placeorder") == []


def test_an_expiry_that_is_not_listed_is_said(tmp_path: Path) -> None:
    """The line names the nearest one that is."""
    with served(tmp_path) as desk:
        bot = desk.run("--expiry", "02DEC26", "--atm", "26000", "--sim-clock", desk.url)

        _fails(bot, 1, "02DEC26", "01DEC26")


def test_a_key_that_the_gateway_refuses_is_said(tmp_path: Path) -> None:
    """A wrong key at a real server."""
    with served(tmp_path, OPENALGO_API_KEY="another-key") as desk:
        _fails(desk.start(), 1, "OPENALGO_API_KEY")
