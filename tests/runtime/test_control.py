"""The running bot's door: who may speak, what is answered, and what a client makes of silence."""

from __future__ import annotations

import http.client
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from baseline_v1_live.runtime.control_client import (
    Address,
    ControlClient,
    ControlError,
    NotRunning,
)
from baseline_v1_live.runtime.instance import InstanceLock
from tests.harness import desk_of_five
from tests.operator_bot import DeskBot, serving


@pytest.fixture
def bot() -> DeskBot:
    return DeskBot(desk_of_five())


@pytest.fixture
def folder(tmp_path: Path, bot: DeskBot) -> Iterator[Path]:
    """The state folder of a bot whose door is open."""
    with serving(tmp_path, bot):
        yield tmp_path


def address_in(folder: Path) -> Address:
    return msgspec.json.decode((folder / "control.json").read_bytes(), type=Address)


def ask(
    folder: Path, method: str, path: str, body: bytes | None = None, token: str | None = "its own"
) -> tuple[int, str]:
    """One request with the door's own token, another one, or none."""
    address = address_in(folder)
    headers = {}
    if token is not None:
        headers["Authorization"] = f"Bearer {address.token if token == 'its own' else token}"
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=20)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def gone_process() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def write_address(folder: Path, *, pid: int, port: int) -> None:
    address = Address(pid=pid, port=port, token="t")
    (folder / "control.json").write_bytes(msgspec.json.encode(address))


# ---------------------------------------------------------------- the server


def test_what_is_asked_is_answered_as_the_bot_sees_it(folder: Path, bot: DeskBot) -> None:
    """Status, orders and positions arrive as the bot gives them."""
    client = ControlClient(folder)

    assert client.status() == bot.status()
    assert client.orders() == bot.orders()
    assert client.positions() == bot.positions()


def test_a_word_reaches_the_engine_and_the_answer_says_what_it_did(
    folder: Path, bot: DeskBot
) -> None:
    """Pause is taken by the engine before the answer, which names what keeps working."""
    spoken = ControlClient(folder).say("pause", "tester")

    assert bot.said == [("pause", "tester")]
    assert bot.desk.engine.paused
    assert (spoken.verb, spoken.status.paused) == ("pause", True)
    assert "3 positions stay open, their stops keep resting at the broker" in spoken.text


@pytest.mark.parametrize("verb", ["pause", "resume", "flatten", "kill", "stopday"])
def test_every_word_is_taken(folder: Path, bot: DeskBot, verb: str) -> None:
    """All five words are known to the door."""
    ControlClient(folder).say(verb, "tester")

    assert bot.said == [(verb, "tester")]


def test_a_pause_takes_little_time(folder: Path) -> None:
    """A round trip on a running bot takes less than half a second."""
    before = time.monotonic()
    ControlClient(folder).say("pause", "tester")

    assert time.monotonic() - before < 0.5


@pytest.mark.parametrize(("verb", "said"), [("pause", True), ("kill", False)])
def test_a_word_that_a_restart_may_forget_is_answered_as_such(
    folder: Path, bot: DeskBot, verb: str, said: bool
) -> None:
    """A pause holds over a restart only once it is on the disk; a kill has a file of its own."""
    bot.stored = False

    text = ControlClient(folder).say(verb, "tester").text

    assert ("may forget it" in text) is said


@pytest.mark.parametrize("token", [None, "", "wrong", "\xe9"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/status", None),
        ("GET", "/orders", None),
        ("POST", "/say", b'{"verb": "kill"}'),
        ("GET", "/nowhere", None),
    ],
)
def test_without_the_token_nothing_is_said_or_done(
    folder: Path, bot: DeskBot, method: str, path: str, body: bytes | None, token: str | None
) -> None:
    """A missing or wrong token gets 401 everywhere, and the bot hears nothing."""
    status, text = ask(folder, method, path, body, token)

    assert status == 401
    assert "positions" not in text
    assert bot.said == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"verb": "dance"}', b'{"verb": "halt"}', b"{}", b"", b"[]", b"not json", b'{"verb": 1}',
        b'{"verb": "kill", "by": ""}', b'{"verb": "kill", "by": "two\\nlines"}',
        b'{"verb": "kill", "sure": true}', b'{"verb": "kill", "by": "' + b"x" * 65 + b'"}',
    ],
)  # fmt: skip
def test_what_is_no_known_word_is_refused(folder: Path, bot: DeskBot, body: bytes) -> None:
    """An unknown verb, an odd body or a name that does not fit into a line is 400 and does nothing."""
    status, text = ask(folder, "POST", "/say", body)

    assert status == 400
    assert "error" in text
    assert bot.said == []


def test_a_word_without_a_name_is_the_operator_s(folder: Path, bot: DeskBot) -> None:
    """Who says nothing of himself is the operator."""
    assert ask(folder, "POST", "/say", b'{"verb": "pause"}')[0] == 200
    assert bot.said == [("pause", "operator")]


def test_a_long_body_is_not_read(folder: Path, bot: DeskBot) -> None:
    """A body of more than a few kilobytes is refused."""
    status, _ = ask(folder, "POST", "/say", b"x" * 10_000)

    assert status == 413
    assert bot.said == []


def test_a_word_without_effect_is_not_reported_as_done(folder: Path, bot: DeskBot) -> None:
    """A bot that is ending takes no word any more, and the one who spoke is told."""
    bot.deaf = True

    with pytest.raises(ControlError, match="kill had no effect"):
        ControlClient(folder).say("kill", "tester")


def test_a_fault_of_the_bot_is_one_line_and_the_door_stays_open(folder: Path, bot: DeskBot) -> None:
    """An exception behind the door becomes one line for the client, and the next question works."""

    def break_down() -> None:
        bot.before_answer = lambda: None
        raise RuntimeError("a fault")

    bot.before_answer = break_down
    with pytest.raises(ControlError, match="a fault of its own"):
        ControlClient(folder).status()

    assert ControlClient(folder).status().positions == 3


def test_the_door_is_on_the_loopback_address_only(folder: Path) -> None:
    """The port is open on 127.0.0.1 and on no other address of the machine."""
    port = address_in(folder).port
    with pytest.raises(OSError, match=r".*"), socket.create_connection(("127.0.0.2", port), 2):
        pass
    with socket.create_connection(("127.0.0.1", port), 2):
        pass


def test_the_address_is_for_the_user_alone_and_goes_with_a_clean_end(
    tmp_path: Path, bot: DeskBot
) -> None:
    """``control.json`` is readable by its owner only, names this process, and is removed on stop."""
    with serving(tmp_path, bot):
        mode = stat.S_IMODE((tmp_path / "control.json").stat().st_mode)
        address = address_in(tmp_path)
        assert mode == 0o600
        assert address.pid == os.getpid()
        assert len(address.token) >= 32
    assert list(tmp_path.iterdir()) == []


def test_each_start_has_another_token(tmp_path: Path, bot: DeskBot) -> None:
    """A token of an earlier run is of no use."""
    with serving(tmp_path, bot):
        first = address_in(tmp_path).token
    with serving(tmp_path, bot):
        assert address_in(tmp_path).token != first


def test_a_door_can_be_closed_twice(tmp_path: Path, bot: DeskBot) -> None:
    """Stopping twice is harmless, and the second stop leaves a newer door's address alone."""
    with serving(tmp_path, bot) as old:
        pass
    with serving(tmp_path, bot):
        closing = old.stop()
        with pytest.raises(StopIteration):
            closing.send(None)
        assert ControlClient(tmp_path).status().positions == 3


# ---------------------------------------------------------------- the client


def test_no_file_and_no_lock_is_not_running(tmp_path: Path) -> None:
    """A folder without an address and without a lock has no bot, and neither has a missing one."""
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(NotRunning, match="no bot is running"):
            ControlClient(folder).status()


def test_a_bot_that_was_killed_is_not_running(tmp_path: Path) -> None:
    """An address that a dead process left behind leads to nobody."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        stranger.setblocking(False)
        write_address(tmp_path, pid=gone_process(), port=stranger.getsockname()[1])
        with pytest.raises(NotRunning):
            ControlClient(tmp_path).status()

        # Whoever has its port by now is not shown the token.
        with pytest.raises(BlockingIOError):
            stranger.accept()


def test_a_process_number_in_use_again_is_not_a_running_bot(tmp_path: Path) -> None:
    """A refused connection and a free lock are no bot, though a process of that number lives."""
    write_address(tmp_path, pid=os.getpid(), port=free_port())
    with pytest.raises(NotRunning):
        ControlClient(tmp_path).status()


@pytest.mark.parametrize("left", ["nothing", "a dead process", "a port of nobody"])
def test_a_held_lock_is_a_bot_that_cannot_be_reached(tmp_path: Path, left: str) -> None:
    """While the lock is held a bot runs, whatever the address says: unreached, not absent."""
    if left != "nothing":
        pid = gone_process() if left == "a dead process" else os.getpid()
        write_address(tmp_path, pid=pid, port=free_port())

    with InstanceLock(tmp_path).acquire(1), pytest.raises(ControlError) as error:
        ControlClient(tmp_path).status()

    assert not isinstance(error.value, NotRunning)
    assert f"process {os.getpid()} on " in str(error.value)
    assert "cannot be reached" in str(error.value)


def test_a_bot_that_hangs_is_not_absent(folder: Path, bot: DeskBot) -> None:
    """A bot that does not answer in time may have heard, and the error says that it is not known."""
    over = threading.Event()
    bot.before_answer = lambda: over.wait(20)
    try:
        with pytest.raises(ControlError, match="whether it heard is not known") as error:
            ControlClient(folder, answer_within_s=0.1).say("pause", "tester")
    finally:
        over.set()

    assert not isinstance(error.value, NotRunning)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"something else\r\n\r\n",
    ],
)
def test_an_odd_answer_is_one_line(tmp_path: Path, answer: bytes) -> None:
    """A broken, foreign or cut answer is an error of one line, never a status."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def reply() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4_096)
                connection.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        write_address(tmp_path, pid=os.getpid(), port=listening.getsockname()[1])
        with pytest.raises(ControlError) as error:
            ControlClient(tmp_path).status()
        thread.join()

    assert len(str(error.value).splitlines()) == 1
    assert not isinstance(error.value, NotRunning)


def test_a_damaged_address_is_not_taken_for_absence(tmp_path: Path) -> None:
    """An address that cannot be read says so; a bot may well run."""
    (tmp_path / "control.json").write_text("{")
    with pytest.raises(ControlError, match="damaged") as error:
        ControlClient(tmp_path).status()

    assert not isinstance(error.value, NotRunning)


def test_no_proxy_of_the_environment_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token never goes to a proxy, whatever the environment names."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")

    assert ControlClient(folder).status().positions == 3
