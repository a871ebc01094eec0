"""Talks to a running bot through its ``control.json``, and tells "not running" from "not reached".

A bot that holds its lock runs, whether or not it answers; only a free lock is taken for its absence.
"""

from __future__ import annotations

import http.client
import os
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from baseline_v1_live.runtime.instance import is_locked, lock_holder
from baseline_v1_live.runtime.status import OrderView, PositionView, Status

CONTROL_NAME = "control.json"
ANSWER_WITHIN_S = 5.0

Answer = TypeVar("Answer")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """What ``control.json`` says: the bot's process, its port on the loopback address, the token."""

    pid: int
    port: int
    token: str


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """The bot's answer to a word: what it did and what stays working, and its state after it."""

    verb: str
    text: str
    status: Status


class ControlError(Exception):
    """A bot could not be reached, or refused; its text is one line. What it does is not known."""


class NotRunning(ControlError):  # noqa: N818 - it says what is so
    """No bot runs on the state folder."""


class ControlClient:
    """Asks and tells the bot of one state folder; each call connects anew.

    Every call raises NotRunning when there is no bot, and ControlError when there is one that cannot
    be reached or does not do what it is asked.
    """

    def __init__(self, folder: Path, *, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self._folder = folder
        self._answer_within_s = answer_within_s

    def status(self) -> Status:
        """The bot now."""
        return self._call("GET", "/status", Status)

    def orders(self) -> list[OrderView]:
        """All orders of the day, those that may still fill first."""
        return self._call("GET", "/orders", list[OrderView])

    def positions(self) -> list[PositionView]:
        """The positions that are open or not proven closed."""
        return self._call("GET", "/positions", list[PositionView])

    def say(self, verb: str, by: str) -> Spoken:
        """Give the bot a word, such as ``pause``, and return its answer."""
        return self._call("POST", "/say", Spoken, {"verb": verb, "by": by})

    def _call(
        self, method: str, path: str, kind: type[Answer], body: dict[str, Any] | None = None
    ) -> Answer:
        address = self._address()
        if address is None or not _exists(address.pid):
            raise self._absent()
        # No library that asks the environment for a proxy: this never leaves the machine.
        connection = http.client.HTTPConnection(
            "127.0.0.1", address.port, timeout=self._answer_within_s
        )
        try:
            connection.request(
                method,
                path,
                body=None if body is None else msgspec.json.encode(body),
                headers={"Authorization": f"Bearer {address.token}"},
            )
            response = connection.getresponse()
            content = response.read()
        except ConnectionRefusedError:
            raise self._absent() from None
        except TimeoutError:
            raise ControlError(
                f"{self._folder}: the bot (process {address.pid}) does not answer within "
                f"{self._answer_within_s:g} s; whether it heard is not known"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise ControlError(
                f"{self._folder}: the connection to the bot (process {address.pid}) broke "
                f"({type(error).__name__}); whether it heard is not known"
            ) from None
        finally:
            connection.close()
        try:
            if response.status != http.HTTPStatus.OK:
                raise ControlError(f"{self._folder}: the bot refused: {_why(content)}")
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            raise ControlError(
                f"{self._folder}: the bot's answer cannot be read, it may be of another version: "
                f"{error}"
            ) from None

    def _address(self) -> Address | None:
        path = self._folder / CONTROL_NAME
        try:
            return msgspec.json.decode(path.read_bytes(), type=Address)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ControlError(f"{path}: cannot be read ({error.strerror})") from None
        except msgspec.DecodeError:
            raise ControlError(f"{path}: is damaged; restart the bot") from None

    def _absent(self) -> ControlError:
        try:
            if not is_locked(self._folder):
                return NotRunning(f"{self._folder}: no bot is running here")
            who = lock_holder(self._folder)
        except OSError as error:
            return ControlError(f"{self._folder}: the lock cannot be read ({error.strerror})")
        return ControlError(
            f"{self._folder}: a bot is running ({who or 'not known which'}) but cannot be reached "
            "from here; if it is starting, try again, else run this where it runs, "
            "e.g. in its container"
        )


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _why(content: bytes) -> str:
    try:
        return str(msgspec.json.decode(content, type=dict[str, str])["error"])
    except (msgspec.DecodeError, KeyError):
        return "it has a fault of its own, see its log"
