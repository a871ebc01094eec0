"""The trailing exit policy: armed at +4R of the day, all is closed 1R below the peak of R.

One position of 650 sold at 129.95 moves R by 0.1 a rupee: +4R is 89.95, +6R is 69.95.
"""

from __future__ import annotations

import msgspec
import pytest

from baseline_v1_live.core.messages import FetchQuote, SaveSummary
from baseline_v1_live.core.rules import ExitPolicy, Rules
from baseline_v1_live.core.session_state import SessionState, capture
from tests.harness import Desk
from tests.harness_market import C260, P260
from tests.policy_desk import TRAILING, desk_with_short, placed, reach, shrink


@pytest.fixture
def desk() -> Desk:
    """650 of C260 sold at 129.95, stop 2 working; the price has come down to 109.95."""
    desk = desk_with_short(TRAILING)
    desk.tick(C260, 109.95)
    return desk


def ended(desk: Desk) -> str | None:
    return desk.engine.positions.day_exit_reason


# ------------------------------------------------------------ the worked numbers


def test_all_is_closed_one_r_below_the_peak(desk: Desk) -> None:
    """R that was at +6R closes everything at +5R, at market, and the day is over."""
    reach(desk, 89.95)
    reach(desk, 69.95)
    reach(desk, 79.90)
    assert (ended(desk), desk.take()) == (None, [])
    reach(desk, 79.95)
    desk.cancelled("stop-0002")
    assert desk.take() == [
        "cancel stop-0002",
        "ask stop-0002",
        "place exit-0003 BUY 650 C260 MARKET",
    ]
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 79.95)

    assert [(s.exit_reason, s.r_milli) for s in desk.of(SaveSummary)] == [("TRAILING_EXIT", 5_000)]


def test_five_r_does_not_apply(desk: Desk) -> None:
    """A day far above +5R goes on as long as it does not fall by 1R."""
    for price in (89.95, 79.95, 65.00, 50.00, 59.90):
        reach(desk, price)

    assert (ended(desk), desk.take()) == (None, [])


def test_below_four_r_nothing_trails(desk: Desk) -> None:
    """A day that was at +3.99R and gives it all back is not ended by that."""
    reach(desk, 90.05)
    assert desk.engine.r_milli == 3_990
    reach(desk, 110.00)
    reach(desk, 129.95)

    assert ended(desk) is None


def test_the_peak_is_the_highest_of_the_day(desk: Desk) -> None:
    """A fall of less than 1R and a new rise leave the old peak or make a higher one, never a lower."""
    for price in (89.95, 79.95, 88.00, 81.00, 75.95):
        reach(desk, price)
    assert desk.engine.exits.limits.peak_r_milli == 5_400
    reach(desk, 85.90)
    assert ended(desk) is None
    reach(desk, 85.95)

    assert ended(desk) == "TRAILING_EXIT"


def test_arming_is_said_once(desk: Desk) -> None:
    """Users see from where on the day trails."""
    for price in (89.95, 79.95, 75.00):
        reach(desk, price)

    said = [text for text in desk.said("R-CHECK") if "trailing" in text]
    assert said == ["trailing from +4.00R on: all is closed 1R below the peak"]


def test_the_limits_are_those_that_are_set() -> None:
    """Armed at +2R with a gap of 0.5R, a day that was at +2.5R is closed at +2R."""
    rules = Rules(
        exit_policy=ExitPolicy.TRAILING, trailing_arm_r_milli=2_000, trailing_gap_r_milli=500
    )
    desk = desk_with_short(rules)
    reach(desk, 104.95)
    reach(desk, 109.90)
    assert ended(desk) is None
    reach(desk, 109.95)

    assert ended(desk) == "TRAILING_EXIT"


# ------------------------------------------------------------ what is believed


def test_one_print_makes_no_peak(desk: Desk) -> None:
    """A tick at +8R between others at +4.5R is no peak to fall from."""
    reach(desk, 89.95)
    reach(desk, 84.95)
    desk.tick(C260, 60.00)
    desk.advance(1)
    reach(desk, 84.95)
    desk.advance(1)
    desk.tick(C260, 84.95)

    assert ended(desk) is None
    assert desk.engine.exits.limits.peak_r_milli == 4_500


def test_one_print_at_four_r_arms_nothing(desk: Desk) -> None:
    """Trailing is armed when +4R has held for a second."""
    desk.tick(C260, 89.95)
    desk.advance(1)
    desk.tick(C260, 95.00)
    desk.advance(1)
    desk.tick(C260, 89.95)
    reach(desk, 110.00)

    assert ended(desk) is None


def test_one_print_below_closes_nothing(desk: Desk) -> None:
    """A fall of 1R that the next tick takes back closes nothing."""
    reach(desk, 79.95)
    desk.tick(C260, 95.00)
    desk.advance(1)
    desk.tick(C260, 80.00)
    desk.advance(1)
    desk.tick(C260, 95.00)

    assert ended(desk) is None


def test_quotes_confirm_arming_and_the_fall(desk: Desk) -> None:
    """Both are limits: quotes of all open positions are asked for, and are enough."""
    desk.tick(C260, 89.95)
    desk.quote(C260, 89.95)
    assert desk.engine.exits.limits.peak_r_milli == 4_000
    desk.tick(C260, 99.95)
    desk.quote(C260, 99.95)

    assert ended(desk) == "TRAILING_EXIT"


def test_a_rising_peak_asks_for_no_quotes(desk: Desk) -> None:
    """Only arming and the fall ask the gateway; a peak that rises each second does not."""
    reach(desk, 89.95)
    before = len(desk.of(FetchQuote))
    for price in (88.00, 86.00, 84.00, 82.00):
        reach(desk, price)

    assert desk.engine.exits.limits.peak_r_milli == 4_795
    assert len(desk.of(FetchQuote)) == before


# ------------------------------------------------------------ the other exits


def test_minus_five_r_and_the_square_off_hold(desk: Desk) -> None:
    """The day's stop and the square-off close all as under any policy."""
    for price in (140.00, 170.00):
        desk.tick(C260, price)
    reach(desk, 180.00)
    assert ended(desk) == "-5R_STOP"

    other = desk_with_short(TRAILING)
    other.clock("15:15:00")
    assert ended(other) == "EOD_EXIT"


def test_no_entry_after_a_trailing_exit(desk: Desk) -> None:
    """The day is over: no swing low is sold any more, not even after resume."""
    reach(desk, 79.95)
    reach(desk, 95.00)
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 95.00)
    desk.take()
    desk.say("resume")
    desk.swing_low(P260, 130.00, 139.00)

    assert desk.take() == []


# ------------------------------------------------------------ restarts


def test_a_restart_keeps_the_peak(desk: Desk) -> None:
    """A day that was at +6R before the restart is closed at +5R after it."""
    reach(desk, 89.95)
    reach(desk, 69.95)
    desk.restart()
    desk.prove("stop-0002")
    desk.take()
    reach(desk, 79.90)
    assert ended(desk) is None
    reach(desk, 79.95)
    desk.cancelled("stop-0002")

    assert ended(desk) == "TRAILING_EXIT"
    assert placed(desk) == ["place exit-0003 BUY 650 C260 MARKET"]


def test_a_restart_before_arming_arms_later(desk: Desk) -> None:
    """A half-confirmed +4R is not remembered, and the next two prices arm."""
    desk.tick(C260, 89.95)
    desk.restart()
    desk.prove("stop-0002")
    assert desk.engine.exits.limits.peak_r_milli is None
    reach(desk, 89.95)

    assert desk.engine.exits.limits.peak_r_milli == 4_000


def test_a_trailing_exit_goes_on_after_a_restart(desk: Desk) -> None:
    """The day's exit is remembered with its reason, and what is open is closed."""
    reach(desk, 79.95)
    reach(desk, 95.00)
    desk.restart()
    desk.cancelled("stop-0002")
    desk.advance(1)

    assert ended(desk) == "TRAILING_EXIT"
    assert placed(desk) == ["place exit-0003 BUY 650 C260 MARKET"]


def test_a_state_of_before_the_policies_is_taken_up(desk: Desk) -> None:
    """A stored state that has none of the policies' fields is read with their defaults."""
    written = msgspec.json.decode(msgspec.json.encode(capture(desk.engine)))
    for field in ("stages_reached", "peak_r_milli"):
        del written[field]
    for position in written["positions"]:
        for field in ("surplus_quantity", "stages", "stage_reason", "staged_quantity"):
            del position[field]
    for order in written["orders"]:
        del order["shrunk_to"]
    state = msgspec.json.decode(msgspec.json.encode(written), type=SessionState)

    assert (state.stages_reached, state.peak_r_milli) == (0, None)
    assert [p.stages for p in state.positions] == [0]


def test_stages_and_trailing_share_a_day() -> None:
    """Under staged the peak is kept over a restart too, and the rest is closed 1R below it."""
    desk = desk_with_short(Rules(exit_policy=ExitPolicy.STAGED, staged_r_milli=(4_000,)))
    reach(desk, 89.95)
    shrink(desk)
    desk.accept("exit-0003")
    desk.fill("exit-0003", 260, 89.95)
    desk.restart()
    desk.prove("stop-0002")
    desk.take()
    reach(desk, 106.60)
    assert desk.engine.r_milli == 3_001
    assert ended(desk) is None
    reach(desk, 106.65)
    desk.cancelled("stop-0002")

    assert ended(desk) == "TRAILING_EXIT"
    assert placed(desk) == ["place exit-0004 BUY 390 C260 MARKET"]
