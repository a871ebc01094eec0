"""Lines for people reach the terminal and the file; whichever of them is lost costs nothing but lines."""

from __future__ import annotations

import io
import logging
import os
import sys
import time
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path

import pytest

from baseline_v1_live.runtime.log_file import log_to

MODULE = logging.getLogger("baseline_v1_live.runtime.some_module")


def _handler() -> TimedRotatingFileHandler:
    (handler,) = logging.getLogger("baseline_v1_live").handlers[-1:]
    assert isinstance(handler, TimedRotatingFileHandler)
    return handler


def _lines(path: Path) -> list[str]:
    """The file's lines without their times."""
    return [line.split(" ", 2)[2] for line in path.read_text().splitlines()]


def test_a_line_reaches_terminal_and_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In their order, as they are; in the file with the time."""
    path = tmp_path / "bot.log"
    with log_to(path) as write:
        write("first")
        write("100 % of %s")

    assert capsys.readouterr().out == "first\n100 % of %s\n"
    assert _lines(path) == ["first", "100 % of %s"]
    assert path.read_text()[:2] == "20"


def test_a_second_run_goes_on_in_the_same_file(tmp_path: Path) -> None:
    """A restart deletes nothing."""
    path = tmp_path / "bot.log"
    for number in range(2):
        with log_to(path) as write:
            write(f"run {number}")

    assert _lines(path) == ["run 0", "run 1"]


def test_what_a_module_warns_of_is_in_the_file_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The terminal is for what people are told, and no other logging hears of it."""
    path = tmp_path / "bot.log"
    with log_to(path):
        MODULE.warning("of a module")
        MODULE.debug("too small")

    assert _lines(path) == ["of a module"]
    assert caplog.records == []
    assert capsys.readouterr() == ("", "")


def test_afterwards_the_file_gets_nothing(tmp_path: Path) -> None:
    """And logging is as it was before."""
    path = tmp_path / "bot.log"
    root = logging.getLogger("baseline_v1_live")
    before = (root.level, root.propagate, list(root.handlers))

    def broken_run() -> None:
        with log_to(path) as write:
            write("in it")
            raise KeyError

    with pytest.raises(KeyError):
        broken_run()
    MODULE.error("after it")

    assert (root.level, root.propagate, list(root.handlers)) == before
    assert _lines(path) == ["in it"]


def test_a_closed_terminal_loses_its_lines_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file has them all."""
    closed = io.StringIO()
    closed.close()
    path = tmp_path / "bot.log"
    monkeypatch.setattr(sys, "stdout", closed)
    with log_to(path) as write:
        write("one")
        write("two")

    assert _lines(path) == ["one", "two"]


def test_a_terminal_that_goes_away_loses_its_lines_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe whose reader has ended: later lines go nowhere, and nothing is left that fails at exit."""
    reading, writing = os.pipe()
    path = tmp_path / "bot.log"
    with os.fdopen(writing, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        with log_to(path) as write:
            write("heard")
            assert os.read(reading, 100) == b"heard\n"
            os.close(reading)
            write("not heard")
            write("nor this")
            gone.flush()
        monkeypatch.undo()

    assert _lines(path) == ["heard", "not heard", "nor this"]


def test_a_file_that_cannot_be_written_costs_its_lines_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The terminal has them, and no traceback for each."""
    with log_to(tmp_path / "no folder" / "bot.log") as write:
        write("one")
        MODULE.error("of a module")
        write("two")

    assert capsys.readouterr() == ("one\ntwo\n", "")


def test_a_change_of_days_that_fails_is_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The old file cannot be moved away: the terminal goes on, and so does the file once it can be."""
    path = tmp_path / "bot.log"

    def immovable(source: str, target: str) -> None:
        raise PermissionError(source, target)

    with log_to(path) as write:
        write("yesterday")
        handler = _handler()
        handler.rotator = immovable
        handler.rolloverAt = int(time.time())
        write("midnight")
        handler.rotator = None
        write("today")

    assert capsys.readouterr() == ("yesterday\nmidnight\ntoday\n", "")
    assert _lines(path) == ["today"]


def test_a_new_day_has_a_new_file_and_a_week_is_kept(tmp_path: Path) -> None:
    """Yesterday's lines are in a file with its date, and what is older than a week is deleted."""
    path = tmp_path / "bot.log"
    old = [tmp_path / f"bot.log.2020-01-{day:02d}" for day in range(1, 10)]
    for file in old:
        file.write_text("old\n")
    with log_to(path) as write:
        write("yesterday")
        _handler().rolloverAt = int(time.time())
        write("today")

    assert _lines(path) == ["today"]
    kept = sorted(file.name for file in tmp_path.iterdir() if file != path)
    assert len(kept) == 7
    assert kept[:-1] == [file.name for file in old[-6:]]
    assert _lines(tmp_path / kept[-1]) == ["yesterday"]
