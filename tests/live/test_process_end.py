"""How the process ends: by a signal, with what rests at the broker, and what a restart makes of it."""

from __future__ import annotations

import datetime as dt
import signal
from pathlib import Path

import pytest

from baseline_v1_live.core.messages import Purpose
from baseline_v1_live.core.session import at_ist
from baseline_v1_live.sim.openalgo_server.cover import duplicate_entries
from tests.live.process_desk import ServedDesk, served, wait_for
from tests.live.small_day import DATE, NEXT_CALL, PUT, SOLD

ENDS_WITHIN_S = 2.0


def _covered(desk: ServedDesk) -> bool:
    return desk.held() == {SOLD: -650} and desk.resting("BUY") == {SOLD}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_takes_entries_out_and_leaves_stops(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A signal ends the process in 2 s with code 0: entries are gone, the stop rests, and a restart
    takes everything up again without a duplicate.
    """
    with served(tmp_path) as desk:
        bot = desk.trade()

        code, took_s = bot.stop(number)

        assert (code, bot.errors) == (0, []), bot.words()
        assert took_s < ENDS_WITHIN_S
        assert not desk.resting("SELL")
        assert _covered(desk)
        stored = desk.session()
        assert [position.symbol for position in stored.positions] == [SOLD]
        assert [order.purpose for order in stored.orders if order.live] == [Purpose.STOP]

        desk.set_speed(60)
        again = desk.start()

        wait_for(lambda: desk.resting("SELL") == {NEXT_CALL, PUT}, "entries", why=again.words)
        assert _covered(desk)
        assert len(desk.requests("placeorder")) == 6
        assert duplicate_entries(desk.ask("audit")["rows"]) == []


@pytest.mark.parametrize("cancelled", [False, True])
def test_cancels_that_cannot_be_proven_are_named(tmp_path: Path, cancelled: bool) -> None:
    """Without proof the code is 4, the entries are named and stay live in the journal; a restart finds
    out what they are, whether the broker has cancelled them meanwhile or not.
    """
    with served(tmp_path) as desk:
        bot = desk.trade()
        desk.fault("drop_before_accept", endpoint="cancelorder", count=1_000)

        code, took_s = bot.stop()

        assert (code, bot.errors) == (4, []), bot.words()
        assert took_s < ENDS_WITHIN_S
        left = {o.order_id for o in desk.session().orders if o.live and o.purpose is Purpose.ENTRY}
        assert len(left) == 2
        assert all(name in bot.said.splitlines()[-1] for name in left)

        desk.fault("none")
        assert desk.resting("SELL") == {NEXT_CALL, PUT}
        for row in desk.working():
            if cancelled and row["side"] == "SELL":
                desk.rest("cancelorder", strategy="test", orderid=row["orderid"])
        desk.set_speed(60)
        again = desk.start()

        def replaced() -> bool:
            entries = {o.order_id for o in desk.session().orders if o.live} - {name_of_stop}
            return len(entries) == 2 and not entries & left

        (name_of_stop,) = (o.order_id for o in desk.session().orders if o.purpose is Purpose.STOP)
        wait_for(replaced, "the old entries known to be over, and new ones", why=again.words)
        wait_for(lambda: desk.resting("SELL") == {NEXT_CALL, PUT}, "entries", why=again.words)
        assert _covered(desk)
        assert len(desk.requests("placeorder")) == 6
        assert duplicate_entries(desk.ask("audit")["rows"]) == []


def test_flatten_on_exit_leaves_nothing(tmp_path: Path) -> None:
    """With --flatten-on-exit the process ends with code 0 once the broker shows zero."""
    with served(tmp_path) as desk:
        bot = desk.trade("--flatten-on-exit", "--shutdown-timeout", "20", speed=10)

        code, took_s = bot.stop()

        assert (code, bot.errors) == (0, []), bot.words()
        assert took_s < 20
        assert (desk.held(), desk.working()) == ({}, [])
        assert all(position.closed for position in desk.session().positions)


def test_flatten_on_exit_names_what_it_could_not_close(tmp_path: Path) -> None:
    """At a gateway that does not answer the code is 5 after the time-out, and the position is named."""
    with served(tmp_path) as desk:
        bot = desk.trade("--flatten-on-exit", "--shutdown-timeout", "2")
        desk.fault("drop_before_accept", endpoint="*", count=100_000)

        code, took_s = bot.stop()

        assert (code, bot.errors) == (5, []), bot.words()
        assert 2 <= took_s < 2 + ENDS_WITHIN_S
        assert SOLD in bot.said.splitlines()[-1]
        assert _covered(desk)


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """Who sends a second signal does not wait for anything."""
    with served(tmp_path) as desk:
        bot = desk.trade("--flatten-on-exit", "--shutdown-timeout", "60")
        desk.fault("delay_reply_s", endpoint="*", count=1_000, seconds=50)
        bot.send(signal.SIGTERM)
        bot.wait_until_said("SIGTERM")

        code, took_s = bot.stop()

        assert (code, bot.errors) == (130, []), bot.words()
        assert took_s < 1


def test_one_bot_a_state_folder(tmp_path: Path) -> None:
    """A second bot on the same state ends with code 3 and one line; after a kill of the first one the
    next starts.
    """
    with served(tmp_path) as desk:
        first = desk.start()
        first.wait_until_said("subscribing")

        second = desk.start()

        assert second.code() == 3, second.words()
        assert len(second.errors) == 1
        assert str(first.process.pid) in second.errors[0]
        assert first.running

        first.stop(signal.SIGKILL)
        third = desk.start()

        third.wait_until_said("subscribing")
        assert third.stop()[0] == 0, third.words()


def test_what_an_earlier_run_left_is_named(tmp_path: Path) -> None:
    """Told to stop before the books could be read, a bot names what was open and working when it was
    last seen, with code 4; after the close with code 5.
    """
    with served(tmp_path) as desk:
        desk.trade().stop(signal.SIGKILL)
        desk.fault("drop_before_accept", endpoint="*", count=100_000)
        again = desk.start()
        again.wait_until_said("Trying again")

        code, took_s = again.stop()

        entries = [o for o in desk.session().orders if o.live and o.purpose is Purpose.ENTRY]
        assert (code, bool(took_s < ENDS_WITHIN_S), again.errors) == (4, True, []), again.words()
        assert all(name in again.said for name in [SOLD, *(order.order_id for order in entries)])

        desk.fault("none")
        desk.pause()
        desk.advance(at_ist(DATE, dt.time(15, 41)))
        late = desk.start("--exit-when-closed")

        assert (late.code(), late.errors) == (5, []), late.words()
        assert SOLD in late.said
