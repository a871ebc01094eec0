"""What operators are told of their words: what each did and what it left working, in real numbers."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import FeedSilent
from baseline_v1_live.runtime.answers import VERBS, answer, taken
from tests.harness import Desk, desk_of_five
from tests.harness_market import C260, P259
from tests.operator_bot import DeskBot


@pytest.fixture
def bot() -> DeskBot:
    """Three positions with their stops, two stopped out, and entry 11 resting in P259."""
    return DeskBot(desk_of_five())


def test_pause_says_what_keeps_working(bot: DeskBot) -> None:
    """Pause names the entry that goes and the positions whose stops keep resting."""
    assert bot.answer("pause") == (
        "no new entry until resume; 1 entry is being cancelled; what fills meanwhile is protected; "
        "3 positions stay open, their stops keep resting at the broker"
    )


def test_pause_names_a_position_without_a_resting_stop(bot: DeskBot) -> None:
    """A position whose stop does not rest at the broker is named, and the others are not lumped in."""
    bot.desk.tick(C260, 140.00)

    assert bot.answer("pause").endswith(
        f"3 positions open: 2 with a stop resting at the broker; "
        f"{C260} stop triggered, not filled yet"
    )


def test_pause_tells_of_an_entry_that_cannot_be_cancelled_yet() -> None:
    """An entry of unknown outcome may fill after pause, and pause says so."""
    desk = Desk()
    desk.swing_low(P259, 130.00, 139.00)
    desk.lose("entry-0001")

    assert (
        "1 entry is being cancelled, 1 of unknown outcome: it may fill until the broker's books "
        "show it; what fills meanwhile is protected; no position is open"
    ) in DeskBot(desk).answer("pause")


def test_flatten_says_what_it_closes_and_that_the_day_goes_on(bot: DeskBot) -> None:
    """Flatten counts what it closes, and says that it stays paused until resume."""
    assert bot.answer("flatten") == (
        "closing 3 positions: each stop is cancelled and proven gone, then what is left is bought "
        "at market; 1 entry is being cancelled; what fills meanwhile is closed; "
        "then it stays paused until resume; the day is not over"
    )


def test_kill_says_that_it_outlives_a_restart(bot: DeskBot) -> None:
    """Kill counts what it closes and says that nothing is sold today, also after a restart."""
    assert bot.answer("kill") == (
        "closing 3 positions: each stop is cancelled and proven gone, then what is left is bought "
        "at market; 1 entry is being cancelled; what fills meanwhile is closed; "
        "no new entry today, also after a restart"
    )
    assert "had been ended" not in bot.answer("kill")


def test_kill_with_nothing_open_says_so() -> None:
    """Kill on an empty book closes nothing and says nothing else."""
    assert DeskBot(Desk()).answer("kill") == (
        "no position is open; no entry rests at the broker; "
        "no new entry today, also after a restart"
    )


def test_resume_says_what_it_lifts_with_real_numbers(bot: DeskBot) -> None:
    """Resume lifts a pause; entries are allowed, and positions and R stand beside."""
    bot.desk.say("pause")
    bot.desk.prove("entry-0011")
    bot.desk.cancelled("entry-0011")

    assert bot.answer("resume") == (
        "the pause is lifted; entries are allowed, with 3 of 5 positions open and R at -2.01"
    )
    assert bot.answer("resume").startswith("nothing was paused; entries are allowed")


def test_resume_lets_a_cancel_go_on(bot: DeskBot) -> None:
    """A cancel that pause asked for is not taken back by resume."""
    bot.desk.say("pause")

    assert "1 cancel that was asked for goes on" in bot.answer("resume")


@pytest.mark.parametrize(
    ("word", "stays"),
    [
        ("kill", "the day was ended by KILL_SWITCH: no new entry today"),
        ("stopday", "entries stay stopped for the day: stopday by operator"),
        ("flatten", "flatten is still closing 3 positions, and entries wait until all is flat"),
    ],
)
def test_resume_says_what_it_does_not_lift(bot: DeskBot, word: str, stays: str) -> None:
    """A kill, a stopped day and a flatten under way stay after resume, and resume says so."""
    bot.desk.say(word)

    text = bot.answer("resume")

    assert stays in text
    assert "allowed" not in text


def test_resume_before_the_first_entry_time_says_that_entries_wait() -> None:
    """Outside the entry times resume lifts the pause and names what still closes the gate."""
    desk = Desk()
    desk.say("pause")

    assert DeskBot(desk).answer("resume") == (
        "the pause is lifted; entries still wait: it is before the first entry time"
    )


def test_resume_lifts_the_churn_breaker(bot: DeskBot) -> None:
    """The stop after too many re-placements is lifted by resume, and named."""
    bot.desk.engine.desk.churn_tripped = True

    assert bot.answer("resume").startswith("the stop after too many re-placements is lifted; ")


def test_a_word_before_the_books_are_read_says_that_nothing_is_sent_yet() -> None:
    """Until the broker's books have been read a kill sends nothing, and the answer says so."""
    bot = DeskBot(Desk(snapshots=False))

    assert bot.answer("kill").endswith(
        "the broker's books have not been read yet, and nothing is sent before that"
    )


def test_stopday_outlives_resume_and_leaves_positions(bot: DeskBot) -> None:
    """Stopday ends entries for the day and leaves positions with their stops."""
    text = bot.answer("stopday")

    assert text.startswith("no new entry today, also after resume or a restart; 1 entry is")
    assert text.endswith("3 positions stay open, their stops keep resting at the broker")


def test_pause_of_an_ended_day_promises_no_resume(bot: DeskBot) -> None:
    """After the day's exit pause does not speak as if resume could bring entries back."""
    bot.desk.say("kill")

    assert bot.answer("pause").startswith("no new entry today; ")


def test_a_word_s_effect_is_seen_in_the_status(bot: DeskBot) -> None:
    """Each word shows in the status once it was taken, and not before; ``resume`` undoes pause."""
    bot.desk.say("pause")
    assert not taken("resume", bot.status())
    bot.desk.say("resume")
    for verb in ("pause", "flatten", "kill", "stopday"):
        assert not taken(verb, bot.status())
    assert taken("resume", bot.status())
    for verb in VERBS:
        bot.desk.say(verb)
        assert taken(verb, bot.status())


def test_another_word_has_no_answer(bot: DeskBot) -> None:
    """A verb that is none of the known ones is a bug of the caller."""
    with pytest.raises(ValueError, match="dance"):
        answer("dance", bot.status(), bot.status(), [], [])


def test_resume_while_the_feed_is_silent_names_the_feed(bot: DeskBot) -> None:
    """A gate that no word lifts is named by resume."""
    bot.desk.feed(FeedSilent(source="gateway"))

    assert bot.answer("resume").endswith("; entries still wait: the price feed is silent")
