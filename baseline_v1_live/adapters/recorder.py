"""Writes every tick to a file that survives a kill: what the day's market looked like to the bot.

One file a session, ``ticks-YYYY-MM-DD.jsonl``: a header with the columns, then a line a tick (see
runtime/records.py). What was flushed is with the operating system and outlives the process.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from baseline_v1_live.core.messages import Tick
from baseline_v1_live.core.session import at_ist, ist_date
from baseline_v1_live.runtime.records import TICK_HEADER, tick_line, ticks_of

BUFFER_BYTES = 64 * 1024
_DAY_MS = 24 * 60 * 60 * 1000
_LOOK_BACK_BYTES = 4_096


class TickRecorder:
    """Appends the ticks of each session to its file in a folder, which is made when it is missing.

    Nothing here raises: the first failure is said once through ``on_error``, in one line, and
    recording stops for good. Trading does not depend on it.
    """

    def __init__(self, folder: Path, on_error: Callable[[str], object]) -> None:
        self._folder = folder
        self._on_error = on_error
        self._path = folder
        self._file: FileIO | None = None
        self._lines: list[bytes] = []
        self._bytes = 0
        self._stopped = False
        self._day_start_ms = self._day_end_ms = 0

    def record(self, tick: Tick) -> None:
        """Keep a tick; it is written at the next ``flush``, or when many wait."""
        if self._stopped:
            return
        in_session = self._day_start_ms <= tick.at_ms < self._day_end_ms
        if not in_session and not self._begin_session(tick.at_ms):
            return
        line = tick_line(tick)
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes >= BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Give what waits to the operating system; the shell calls it once a second."""
        if self._file is None or not self._lines:
            return
        content = b"".join(self._lines)
        self._lines.clear()
        self._bytes = 0
        try:
            _write(self._file, content)
        except OSError as error:
            self._stop(error)

    def close(self) -> None:
        """Flush, and close the file. A later tick opens it again."""
        self.flush()
        self._day_start_ms = self._day_end_ms = 0
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except OSError as error:
            self._stop(error)

    def _begin_session(self, at_ms: int) -> bool:
        self.close()
        if self._stopped:
            return False
        self._path = tick_file(self._folder, at_ms)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = _open(self._path)
        except (OSError, ValueError) as error:
            self._stop(error)
            return False
        self._day_start_ms = at_ist(ist_date(at_ms), dt.time())
        self._day_end_ms = self._day_start_ms + _DAY_MS
        return True

    def _stop(self, error: OSError | ValueError) -> None:
        if self._stopped:
            return
        self._stopped = True
        self._lines.clear()
        self.close()
        reason = getattr(error, "strerror", None) or error
        self._on_error(f"{self._path}: ticks are not recorded any more: {reason}")


def tick_file(folder: Path, at_ms: int) -> Path:
    """The file of the session that holds an instant."""
    return folder / f"ticks-{ist_date(at_ms).isoformat()}.jsonl"


def read_ticks(path: Path) -> Iterator[Tick]:
    """The ticks of a file in their order; a last line that a kill cut short is left out.

    Raises OSError when it cannot be read, ValueError naming the line when it is no file of ticks.
    """
    with path.open("rb") as lines:
        yield from ticks_of(lines)


def _open(path: Path) -> FileIO:
    """A session's file, ready to be appended to: with a header, and without half a last line.

    Raises OSError, and ValueError when it is another kind of file.
    """
    file = FileIO(path, "a+")
    try:
        file.seek(0)
        start = file.read(len(TICK_HEADER))
        if start == TICK_HEADER:
            file.truncate(_end_of_lines(file))
        elif TICK_HEADER.startswith(start):
            file.truncate(0)
            _write(file, TICK_HEADER)
        else:
            raise ValueError("it is not a file of ticks of this version; move it away")
    except BaseException:
        file.close()
        raise
    return file


def _end_of_lines(file: FileIO) -> int:
    """Where the last whole line of a file that has one ends."""
    place = file.seek(0, 2)
    while True:
        start = max(place - _LOOK_BACK_BYTES, 0)
        file.seek(start)
        found = file.read(place - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        place = start


def _write(file: FileIO, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]
