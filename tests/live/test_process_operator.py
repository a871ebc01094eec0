"""An operator's commands, each a process of its own, on a bot that runs and on one that does not."""

from __future__ import annotations

import datetime as dt
import signal
from pathlib import Path

from tests.live.process_desk import served, wait_for
from tests.live.small_day import NEXT_CALL, PUT, SOLD


def test_looking_and_speaking_at_a_running_bot(tmp_path: Path) -> None:
    """Status, orders and positions show the bot; pause takes entries out at the server, resume lets
    them come back, flatten closes everything and stays paused.
    """
    with served(tmp_path) as desk:
        bot = desk.trade(speed=5)

        code, told = desk.tell("status")
        assert (code, told["running"]) == (0, True)
        assert (told["status"]["positions"], told["status"]["working_orders"]) == (1, 3)
        _, told = desk.tell("orders")
        assert [order["state"] for order in told["orders"]].count("trigger_pending") == 3
        _, told = desk.tell("positions")
        assert [(row["symbol"], row["cover"]) for row in told["positions"]] == [(SOLD, "resting")]

        code, told = desk.tell("pause")
        assert (code, told["done"]) == (0, True)
        wait_for(lambda: not desk.resting("SELL"), "no entry", why=bot.words)
        assert (desk.held(), desk.resting("BUY")) == ({SOLD: -650}, {SOLD})

        assert desk.tell("resume")[0] == 0
        wait_for(lambda: desk.resting("SELL") == {NEXT_CALL, PUT}, "entries", why=bot.words)

        assert desk.tell("flatten", "--yes")[0] == 0
        wait_for(lambda: not desk.held() and not desk.working(), "all flat", why=bot.words)
        assert desk.control.status().paused
        assert bot.stop()[0] == 0, bot.words()


def test_a_kill_ends_the_day_also_after_a_restart(tmp_path: Path) -> None:
    """Kill closes everything, and a bot that is started again that day sells nothing."""
    with served(tmp_path) as desk:
        bot = desk.trade(speed=5)

        assert desk.tell("kill")[0] == 0
        wait_for(lambda: not desk.held() and not desk.working(), "all flat", why=bot.words)
        bot.stop(signal.SIGKILL)
        placed = len(desk.requests("placeorder"))
        desk.set_speed(300)
        again = desk.start()
        again.wait_until_said("subscribing")
        until_ms = desk.now_ms() + 300_000
        wait_for(lambda: desk.now_ms() >= until_ms, "five minutes", why=again.words)

        assert again.running
        assert desk.control.status().day_exit_reason == "KILL_SWITCH"
        assert len(desk.requests("placeorder")) == placed


def test_a_kill_holds_for_a_bot_that_is_down(tmp_path: Path) -> None:
    """A kill without a running bot closes, once the bot runs again, what the last one left open; on a
    simulator's clock too, whose date is not the machine's.
    """
    with served(tmp_path) as desk:
        bot = desk.trade()
        bot.stop(signal.SIGKILL)
        placed = len(desk.requests("placeorder"))

        code, told = desk.tell("kill")

        assert (code, told["running"], told["kill_set"]) == (1, False, True)
        assert desk.held() == {SOLD: -650}
        assert dt.date.fromisoformat((desk.state / "KILL").read_text().split()[0]) != (
            desk.session().date
        )
        again = desk.start()
        wait_for(lambda: not desk.held() and not desk.working(), "all flat", why=again.words)
        assert desk.control.status().day_exit_reason == "KILL_SWITCH"
        assert [row["action"] for row in desk.requests("placeorder")[placed:]] == ["BUY"]
