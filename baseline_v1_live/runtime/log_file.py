"""Lines for people: on the terminal and in a file that is kept for a week."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from logging.handlers import TimedRotatingFileHandler
from pathlib import Path

LOG_NAME = "bot.log"
_DAYS_KEPT = 7
_ROOT = "baseline_v1_live"


class _QuietFile(TimedRotatingFileHandler):
    """A file whose disk is full loses lines; the default would print a traceback for each."""

    def handleError(self, _: logging.LogRecord) -> None:  # noqa: N802
        return


def _give_up_terminal() -> None:
    """Write into nothing from now on: what waits to be written would spoil the process's exit code."""
    with contextlib.suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)


@contextlib.contextmanager
def log_to(path: Path) -> Iterator[Callable[[str], None]]:
    """A writer of lines to standard output and to a file, one file a day.

    Warnings and errors of the program's own modules go into the file too. A terminal that is gone, or
    a disk that is full, loses lines and nothing else.
    """
    file = _QuietFile(path, when="midnight", backupCount=_DAYS_KEPT, delay=True)
    file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    root = logging.getLogger(_ROOT)
    lines = logging.getLogger(f"{_ROOT}.lines")
    before = root.level, root.propagate
    root.addHandler(file)
    root.setLevel(logging.INFO)
    root.propagate = False

    def write(line: str) -> None:
        lines.info("%s", line)
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except ValueError:
            return  # closed already
        except OSError:
            _give_up_terminal()

    try:
        yield write
    finally:
        root.removeHandler(file)
        root.setLevel(before[0])
        root.propagate = before[1]
        file.close()
