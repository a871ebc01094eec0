"""Checks before the start: their results, and those of this machine and of Telegram.

A check looks and changes nothing. What it finds is one line: what was seen, and what to do.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec

DISK_WARN_BYTES = 1_000_000_000
DISK_FAIL_BYTES = 100_000_000
RETRY_WAITS_S = (1.0, 2.0, 4.0)
RETRY_TOTAL_S = 21.0
TELEGRAM_URL = "https://api.telegram.org"
_TELEGRAM_WAIT_S = 10.0
_LINE_MAX = 400

AnswerT = TypeVar("AnswerT")


class Verdict(StrEnum):
    """What a check comes to. SKIP: it could not be asked, or there was nothing to ask."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"
    SKIP = "SKIP"


class Check(msgspec.Struct, frozen=True):
    """One check's result; ``todo`` is empty where there is nothing to do."""

    name: str
    verdict: Verdict
    seen: str
    todo: str = ""


# A check's name, the checks whose success it needs, and itself.
Step = tuple[str, tuple[str, ...], Callable[[], Awaitable[Check]]]


def as_text(checks: Iterable[Check], scrub: Callable[[str], str] = str) -> list[str]:
    """One aligned line a check; ``scrub`` takes out what must not be shown."""
    rows = list(checks)
    width = max((len(check.name) for check in rows), default=0)
    return [
        _one_line(
            scrub(f"{c.verdict}  {c.name:<{width}}  {c.seen}{'; do: ' if c.todo else ''}{c.todo}")
        )
        for c in rows
    ]


def as_json(checks: Iterable[Check], scrub: Callable[[str], str] = str) -> bytes:
    """The same as ``{"checks": [...], "ok": ...}``; ok means that nothing failed."""
    rows = list(checks)
    shown = [
        {"name": c.name, "verdict": c.verdict, "seen": scrub(c.seen), "todo": scrub(c.todo)}
        for c in rows
    ]
    return msgspec.json.format(msgspec.json.encode({"checks": shown, "ok": all_well(rows)}))


def all_well(checks: Iterable[Check]) -> bool:
    """Whether nothing failed."""
    return all(check.verdict is not Verdict.FAIL for check in checks)


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")[:_LINE_MAX]


async def run_steps(steps: Iterable[Step]) -> list[Check]:
    """Ask one after the other; a step that needs a failed one is skipped and names it."""
    made: list[Check] = []
    failed: dict[str, str] = {}
    for name, needs, ask in steps:
        lacking = next((failed[need] for need in needs if need in failed), None)
        check = await ask() if lacking is None else Check(name, Verdict.SKIP, f"needs {lacking}")
        if lacking is not None or check.verdict is Verdict.FAIL:
            failed[name] = lacking or name
        made.append(check)
    return made


class Patience:
    """Asks again what may still come right: 1, 2 and 4 s later, and 21 s in all.

    A gateway that is just starting gets its time; one that is broken does not cost a minute for each
    of its questions. ``sleep`` takes seconds.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._left_s = RETRY_TOTAL_S

    async def ask(
        self, question: Callable[[], Awaitable[AnswerT]], passing: Callable[[AnswerT], bool]
    ) -> AnswerT:
        """The first answer that is not ``passing``, or the last one."""
        for wait_s in RETRY_WAITS_S:
            answer = await question()
            if not passing(answer) or self._left_s < wait_s:
                return answer
            self._left_s -= wait_s
            await self._sleep(wait_s)
        return await question()


# ---------------------------------------------------------------- this machine


def check_env_file(path: Path | None) -> Check:
    """Whether only its owner can read the file with the keys."""
    name = "env file"
    if path is None or not path.exists():
        return Check(name, Verdict.SKIP, "there is no .env; settings come from the environment")
    if os.name != "posix":
        return Check(name, Verdict.SKIP, f"{path}: this system has no file modes to look at")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Check(
            name, Verdict.WARN, f"{path} is open to others (mode {mode:04o})", f"chmod 600 {path}"
        )
    return Check(name, Verdict.PASS, f"{path} (mode {mode:04o})")


def free_bytes_at(folder: Path) -> int:
    """Free space of the disk that holds a folder."""
    return shutil.disk_usage(folder).free


def check_state_folder(folder: Path, free_bytes: Callable[[Path], int] = free_bytes_at) -> Check:
    """Whether journal and ticks can be written there, and for how long.

    A folder that does not exist is not made; then its nearest parent is looked at.
    """
    name = "state folder"
    there = folder
    try:
        while not there.exists() and there != there.parent:
            there = there.parent
        if not there.is_dir():
            return Check(
                name, Verdict.FAIL, f"{there} is not a folder", "set STATE_DIR to a folder"
            )
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"x")
        free = free_bytes(there)
    except OSError as error:
        why = error.strerror or str(error)
        return Check(
            name,
            Verdict.FAIL,
            f"{there} cannot be written ({why})",
            "give this user the right to write there, or set STATE_DIR to another folder",
        )
    new = "" if there == folder else ", will be made"
    seen = f"{folder}{new}, {free / 1e9:.1f} GB free"
    if free < DISK_FAIL_BYTES:
        return Check(name, Verdict.FAIL, seen, "make room: a day of ticks needs 100 MB and more")
    if free < DISK_WARN_BYTES:
        return Check(
            name, Verdict.WARN, seen, "make room; the journal stops trading on a full disk"
        )
    return Check(name, Verdict.PASS, seen)


def check_journal(path: Path, newest_schema: int) -> Check:
    """Whether the journal is whole and of a schema that this program knows; it is only read."""
    name = "journal"
    if not path.exists():
        return Check(name, Verdict.PASS, f"{path} is not there yet; the first start makes it")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            (schema,) = db.execute("PRAGMA user_version").fetchone()
            (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            (state,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        return Check(
            name,
            Verdict.FAIL,
            f"{path} cannot be read ({error})",
            "close other programs that hold it, and look at its owner and mode",
        )
    except sqlite3.DatabaseError as error:
        state = str(error)
    if state != "ok":
        return Check(
            name,
            Verdict.FAIL,
            f"{path} is damaged ({state})",
            "before the day begins, move it and its -wal and -shm away together; a start sets it "
            "aside, looks after what the broker shows, and sells nothing that day",
        )
    if schema > newest_schema:
        return Check(
            name,
            Verdict.FAIL,
            f"{path} is of a newer program (schema {schema}, this one knows {newest_schema})",
            "run that program, or set STATE_DIR to another folder",
        )
    if schema == 0 and tables:
        return Check(
            name,
            Verdict.FAIL,
            f"{path} is a database of another program",
            "move it away, or set STATE_DIR to another folder",
        )
    older = f", will become {newest_schema} at the start" if schema < newest_schema else ""
    return Check(name, Verdict.PASS, f"{path} is whole, schema {schema}{older}")


# ---------------------------------------------------------------- messages


async def check_telegram(token: str, chat_id: str, base_url: str = TELEGRAM_URL) -> Check:
    """Whether the bot's token is one, and whether the bot may write to the chat. Nothing is sent."""
    name = "telegram"
    timeout = aiohttp.ClientTimeout(total=_TELEGRAM_WAIT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as http:
            status, bot = await _telegram(http, f"{base_url}/bot{token}/getMe", {})
            if status in (401, 404):
                return Check(
                    name,
                    Verdict.FAIL,
                    "Telegram does not know the bot's token",
                    "copy TELEGRAM_BOT_TOKEN from @BotFather again",
                )
            if status == 200:
                url = f"{base_url}/bot{token}/getChat"
                status, chat = await _telegram(http, url, {"chat_id": chat_id})
                if status in (400, 403):
                    return Check(
                        name,
                        Verdict.FAIL,
                        f"the bot may not write to chat {chat_id} ({chat.get('description')})",
                        "write to the bot once from that chat, or correct TELEGRAM_CHAT_ID",
                    )
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        # Its text may hold the address, and that holds the token.
        return _telegram_silent(type(error).__name__)
    if status != 200:
        return _telegram_silent(f"status {status}")
    who = (bot.get("result") or {}).get("username") or "the bot"
    return Check(name, Verdict.PASS, f"{who} reaches chat {chat_id}")


async def _telegram(
    http: aiohttp.ClientSession, url: str, body: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    async with http.post(url, json=body) as answer:
        told = msgspec.json.decode(await answer.read())
        return answer.status, told if isinstance(told, dict) else {}


def _telegram_silent(why: str) -> Check:
    return Check(
        "telegram",
        Verdict.WARN,
        f"Telegram does not answer ({why})",
        "look at the network; trading does not need Telegram, but there are no messages",
    )
