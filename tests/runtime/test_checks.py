"""Checks of this machine and of Telegram: all is well, or the line says why not."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from baseline_v1_live.runtime.checks import (
    Check,
    Patience,
    Step,
    Verdict,
    all_well,
    as_json,
    as_text,
    check_env_file,
    check_journal,
    check_state_folder,
    check_telegram,
    run_steps,
)

PASS, WARN, FAIL, SKIP = Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.SKIP
GB = 1_000_000_000


# ---------------------------------------------------------------- results


def test_results_are_one_aligned_line_each() -> None:
    """Verdict, name, what was seen and what to do stand in one line, whatever the text holds."""
    lines = as_text(
        [Check("key", PASS, "fine"), Check("funds", FAIL, "none\nsecret", "add money")],
        lambda text: text.replace("secret", "***"),
    )

    assert lines == ["PASS  key    fine", "FAIL  funds  none ***; do: add money"]


def test_json_has_every_check_and_whether_all_is_well() -> None:
    """A warning is well, a failure is not, and secrets are taken out of each text."""
    checks = [Check("a", WARN, "secret", "secret"), Check("b", SKIP, "x")]

    told = json.loads(as_json(checks, lambda text: text.replace("secret", "***")))

    assert told == {
        "checks": [
            {"name": "a", "verdict": "WARN", "seen": "***", "todo": "***"},
            {"name": "b", "verdict": "SKIP", "seen": "x", "todo": ""},
        ],
        "ok": True,
    }
    assert not all_well([*checks, Check("c", FAIL, "x")])


def test_what_needs_a_failed_check_is_skipped_and_names_it() -> None:
    """The first cause is named along a chain, and what needs nothing of it is asked."""

    def step(name: str, verdict: Verdict, *needs: str) -> Step:
        async def ask() -> Check:
            return Check(name, verdict, "asked")

        return name, needs, ask

    made = asyncio.run(
        run_steps(
            [
                step("gateway", FAIL),
                step("key", PASS, "gateway"),
                step("mode", PASS, "key"),
                step("disk", WARN),
                step("journal", PASS, "disk"),
            ]
        )
    )

    assert [(c.name, c.verdict, c.seen) for c in made] == [
        ("gateway", FAIL, "asked"),
        ("key", SKIP, "needs gateway"),
        ("mode", SKIP, "needs gateway"),
        ("disk", WARN, "asked"),
        ("journal", PASS, "asked"),
    ]


class Bell:
    """Sleeps that take no time, and a question that is answered with ``tries`` so far."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.tries = 0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def question(self) -> int:
        self.tries += 1
        return self.tries


def test_what_may_pass_is_asked_again_with_longer_pauses() -> None:
    """1, 2 and 4 s later; the first answer that does not pass by itself ends it."""
    bell = Bell()
    patience = Patience(bell.sleep)

    assert asyncio.run(patience.ask(bell.question, lambda tries: tries < 3)) == 3
    assert bell.slept == [1, 2]
    assert asyncio.run(patience.ask(bell.question, lambda _: True)) == 7
    assert bell.slept == [1, 2, 1, 2, 4]


def test_patience_comes_to_an_end() -> None:
    """All questions together wait 21 s; after that each is asked once."""
    bell = Bell()
    patience = Patience(bell.sleep)

    for _ in range(5):
        asyncio.run(patience.ask(bell.question, lambda _: True))

    assert sum(bell.slept) == 21
    assert bell.tries == 4 + 4 + 4 + 1 + 1


# ---------------------------------------------------------------- this machine


@pytest.mark.skipif(os.name != "posix", reason="file modes are of posix systems")
@pytest.mark.parametrize(
    ("mode", "verdict"), [(0o600, PASS), (0o400, PASS), (0o644, WARN), (0o640, WARN), (0o602, WARN)]
)
def test_keys_are_for_their_owner_only(tmp_path: Path, mode: int, verdict: Verdict) -> None:
    """A file with keys that others may open warns with the command that closes it."""
    path = tmp_path / ".env"
    path.write_text("OPENALGO_API_KEY=x\n", "utf-8")
    path.chmod(mode)

    check = check_env_file(path)

    assert check.verdict is verdict
    assert check.todo == ("" if verdict is PASS else f"chmod 600 {path}")


def test_no_env_file_is_no_mistake(tmp_path: Path) -> None:
    """Settings may come from the environment alone."""
    assert check_env_file(tmp_path / ".env").verdict is SKIP
    assert check_env_file(None).verdict is SKIP


@pytest.mark.parametrize(
    ("free", "verdict"),
    [(GB, PASS), (GB - 1, WARN), (GB // 10, WARN), (GB // 10 - 1, FAIL), (0, FAIL)],
)
def test_the_disk_has_room(tmp_path: Path, free: int, verdict: Verdict) -> None:
    """Below 1 GB warns, below 100 MB fails."""
    check = check_state_folder(tmp_path, lambda _: free)

    assert (check.verdict, bool(check.todo)) == (verdict, verdict is not PASS)


def test_a_state_folder_that_is_not_there_is_looked_at_and_not_made(tmp_path: Path) -> None:
    """Its nearest parent tells whether it can be made; the check leaves nothing behind."""
    check = check_state_folder(tmp_path / "a" / "b", lambda _: GB)

    assert (check.verdict, "will be made" in check.seen) == (PASS, True)
    assert list(tmp_path.iterdir()) == []


def test_a_state_folder_that_cannot_be_written_fails(tmp_path: Path) -> None:
    """A file in its place fails, and so does a folder where no file can be made."""
    (tmp_path / "file").write_text("x", "utf-8")

    assert check_state_folder(tmp_path / "file").verdict is FAIL
    assert check_state_folder(tmp_path / "file" / "state").verdict is FAIL
    if Path("/proc/self").is_dir():
        assert "cannot be written" in check_state_folder(Path("/proc/self/state")).seen


def _database(path: Path, schema: int) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, body TEXT)")
        db.executemany("INSERT INTO events (body) VALUES (?)", [("x" * 500,)] * 200)
        db.execute(f"PRAGMA user_version = {schema}")
    db.close()


@pytest.mark.parametrize(
    ("schema", "verdict", "words"),
    [
        (2, PASS, "whole, schema 2"),
        (1, PASS, "schema 1, will become 2"),
        (3, FAIL, "newer program"),
        (0, FAIL, "another program"),
    ],
)
def test_the_journal_has_a_schema_that_is_known(
    tmp_path: Path, schema: int, verdict: Verdict, words: str
) -> None:
    """This one's or an older one's passes, a newer one's and a foreign database fail; none is changed."""
    path = tmp_path / "journal.db"
    _database(path, schema)
    before = path.read_bytes()

    check = check_journal(path, 2)

    assert (check.verdict, words in check.seen) == (verdict, True)
    assert bool(check.todo) is (verdict is FAIL)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["journal.db"]


def test_a_damaged_journal_fails(tmp_path: Path) -> None:
    """Overwritten pages, and a file that is no database, are damage."""
    path = tmp_path / "journal.db"
    _database(path, 2)
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    path.write_bytes(content)
    other = tmp_path / "other.db"
    other.write_bytes(b"no database at all " * 100)

    for damaged in (path, other):
        check = check_journal(damaged, 2)
        assert (check.verdict, "damaged" in check.seen) == (FAIL, True)


def test_a_journal_in_use_can_be_read(tmp_path: Path) -> None:
    """A writer with its write-ahead log open does not keep the check from reading."""
    path = tmp_path / "journal.db"
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE events (seq INTEGER)")
    writer.execute("PRAGMA user_version = 2")
    writer.commit()
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO events VALUES (1)")

    check = check_journal(path, 2)
    writer.close()

    assert check.verdict is PASS


def test_what_a_killed_writer_left_is_not_touched(tmp_path: Path) -> None:
    """The write-ahead log is read with the journal and left for the next start to take in."""
    writer = sqlite3.connect(tmp_path / "live.db")
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE events (seq INTEGER)")
    writer.execute("PRAGMA user_version = 2")
    writer.commit()
    left = {name: (tmp_path / f"live.db{name}").read_bytes() for name in ("", "-wal")}
    writer.close()
    for name, content in left.items():
        (tmp_path / f"journal.db{name}").write_bytes(content)

    check = check_journal(tmp_path / "journal.db", 2)

    assert check.seen.endswith("is whole, schema 2")
    assert {name: (tmp_path / f"journal.db{name}").read_bytes() for name in left} == left


def test_no_journal_is_a_first_start(tmp_path: Path) -> None:
    """A journal that is not there yet passes."""
    assert check_journal(tmp_path / "journal.db", 2).verdict is PASS


# ---------------------------------------------------------------- messages

TOKEN = "123456:canary-token-of-enough-signs"
OK_BOT = (200, {"ok": True, "result": {"username": "baseline_bot"}})
OK_CHAT = (200, {"ok": True, "result": {"id": 7, "type": "private"}})
Told = tuple[int, Any]


def _telegram(bot: Told, chat: Told) -> tuple[Check, list[tuple[str, Any]]]:
    """The check against a server that answers so, and what it was asked."""
    asked: list[tuple[str, Any]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        asked.append((method, await request.json()))
        assert request.match_info["token"] == TOKEN
        status, body = bot if method == "getMe" else chat
        if body is None:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status, text=json.dumps(body))

    async def main() -> Check:
        app = web.Application()
        app.router.add_post("/bot{token}/{method}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.05)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            return await check_telegram(TOKEN, "7", f"http://{host}:{port}")
        finally:
            await runner.cleanup()

    return asyncio.run(main()), asked


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch) -> Callable[[Told, Told], tuple[Check, list[Any]]]:
    """Loopback is reached without the proxy that the machine may have."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return _telegram


@pytest.mark.parametrize(
    ("bot", "chat", "verdict", "words"),
    [
        (OK_BOT, OK_CHAT, PASS, "baseline_bot reaches chat 7"),
        ((401, {"ok": False, "description": "Unauthorized"}), OK_CHAT, FAIL, "token"),
        ((404, {"ok": False, "description": "Not Found"}), OK_CHAT, FAIL, "token"),
        (
            OK_BOT,
            (400, {"ok": False, "description": "Bad Request: chat not found"}),
            FAIL,
            "chat not found",
        ),
        ((502, {}), OK_CHAT, WARN, "status 502"),
        ((200, None), OK_CHAT, WARN, "does not answer"),
        ((200, []), (500, {}), WARN, "status 500"),
    ],
)
def test_the_bot_and_its_chat_are_asked_for(
    direct: Callable[[Told, Told], tuple[Check, list[Any]]],
    bot: Told,
    chat: Told,
    verdict: Verdict,
    words: str,
) -> None:
    """A wrong token and a wrong chat fail, a silent Telegram warns; no message is sent."""
    check, asked = direct(bot, chat)

    assert (check.verdict, words in check.seen) == (verdict, True)
    assert bool(check.todo) is (verdict is not PASS)
    assert {method for method, _ in asked} <= {"getMe", "getChat"}
    assert all(body == {"chat_id": "7"} for method, body in asked if method == "getChat")
    assert TOKEN not in f"{check}"
