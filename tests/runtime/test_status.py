"""What operators are shown of a bot: its state, its orders, its positions and what covers them."""

from __future__ import annotations

import msgspec
import pytest

from baseline_v1_live.core.messages import Purpose
from baseline_v1_live.core.session_state import capture
from baseline_v1_live.runtime.status import (
    Cover,
    OrderView,
    PositionView,
    age_text,
    gate_text,
    heartbeat,
    order_views,
    position_views,
    stored_status,
)
from baseline_v1_live.runtime.tables import order_rows, position_rows, status_rows
from tests.harness import Desk, desk_of_five
from tests.harness_market import C260, C261, C2605, at
from tests.operator_bot import DeskBot


@pytest.fixture
def bot() -> DeskBot:
    """Three positions with their stops, two stopped out, and entry 11 resting in P259."""
    return DeskBot(desk_of_five())


def only(bot: DeskBot, symbol: str) -> PositionView:
    (view,) = [view for view in bot.positions() if view.symbol == symbol]
    return view


# ---------------------------------------------------------------- the bot as it is


def test_status_has_the_engine_s_own_numbers(bot: DeskBot) -> None:
    """The status repeats what the engine knows; ages and uptime are counted from the instants given."""
    now = bot.status()

    assert (now.mode, now.date, now.expiry, now.atm_paise) == (
        "paper", "2026-12-28", "29DEC26", 26_000_00,
    )  # fmt: skip
    assert (now.state, now.gate, now.reconciled, now.day_over) == ("enabled", None, True, False)
    assert (now.positions, now.positions_max, now.working_orders, now.unknown_orders) == (
        3,
        5,
        4,
        0,
    )
    assert (now.r_milli, now.pnl_paise) == (-2_010, -1_306_500)
    assert now.charges_paise == bot.desk.engine.charges_paise > 0
    assert now.feed_age_ms == 400
    assert now.uptime_ms == bot.desk.now_ms - at("09:14:00")


def test_the_age_of_the_books_counts_from_when_they_were_asked_for(bot: DeskBot) -> None:
    """Books read now are new; unanswered questions let them age; without any there is no age."""
    bot.desk.snapshots = False
    bot.desk.snapshot()
    bot.desk.advance(7)

    assert bot.status().reconcile_age_ms == 7_000
    assert DeskBot(Desk(snapshots=False)).status().reconcile_age_ms is None


def test_a_view_survives_json(bot: DeskBot) -> None:
    """Status, orders and positions come back from JSON as they were."""
    for value, kind in (
        (bot.status(), type(bot.status())),
        (bot.orders(), list[OrderView]),
        (bot.positions(), list[PositionView]),
    ):
        assert msgspec.json.decode(msgspec.json.encode(value), type=kind) == value


def test_an_order_of_unknown_outcome_is_counted(bot: DeskBot) -> None:
    """An order whose outcome is unknown is a working order, and counted once more as unknown."""
    bot.desk.swing_low(C2605, 130.00, 139.00)
    entry = next(o for o in bot.orders() if o.live and o.state == "in_flight")
    bot.desk.lose(entry.order_id)

    assert (bot.status().working_orders, bot.status().unknown_orders) == (5, 1)


def test_orders_that_may_still_fill_come_first(bot: DeskBot) -> None:
    """Live orders stand first, oldest first; those that are over follow, newest first."""
    views = bot.orders()
    live = [view.order_id[-4:] for view in views if view.live]
    over = [view.order_id[-4:] for view in views if not view.live]

    assert live == sorted(live) == ["0002", "0004", "0008", "0011"]
    assert over == sorted(over, reverse=True)
    assert [view.live for view in views] == [True] * 4 + [False] * 7


def test_an_order_is_shown_with_its_fills(bot: DeskBot) -> None:
    """A filled order shows quantity and average price of its fills, and may fill no more."""
    entry = next(o for o in bot.orders() if o.purpose is Purpose.ENTRY and o.symbol == C260)

    assert (entry.filled_quantity, entry.average_price_paise, entry.remaining) == (650, 129_95, 0)


def test_a_position_is_shown_with_its_cover(bot: DeskBot) -> None:
    """A short shows its negative quantity, entry, mark, stop, and that the stop rests at the broker."""
    bot.desk.tick(C261, 119.95)

    view = only(bot, C261)

    assert (view.quantity, view.entry_average_paise, view.mark_paise) == (-650, 129_95, 119_95)
    assert (view.stop_trigger_paise, view.cover) == (140_00, Cover.RESTING)
    assert (view.stop_quantity, view.exit_quantity) == (650, 0)
    assert (view.pnl_paise, view.r_milli) == (650_000, 1_000)


# ---------------------------------------------------------------- cover


def test_a_stop_without_an_answer_is_not_called_resting() -> None:
    """Between the fill and the broker's answer the stop is sent, and proven by nothing."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 650, 129.95)
    bot = DeskBot(desk)

    assert only(bot, C260).cover is Cover.SENT
    desk.lose("stop-0002")
    assert only(bot, C260).cover is Cover.SENT
    assert only(bot, C260).stop_quantity == 0


def test_a_position_whose_stop_the_gateway_did_not_take_is_naked() -> None:
    """While a stop that was not sent waits for its next try, nothing covers the position."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 650, 129.95)
    desk.refuse("stop-0002", "no connection", sent=False)

    assert only(DeskBot(desk), C260).cover is Cover.NAKED


def test_a_stop_for_too_little_covers_partly() -> None:
    """A fill that the stop's quantity does not include yet is not covered."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 325, 129.95)
    desk.accept("stop-0002")
    desk.fill("entry-0001", 325, 129.95)
    view = only(DeskBot(desk), C260)

    assert (view.cover, view.quantity, view.stop_quantity) == (Cover.PARTLY, -650, 325)


def test_a_triggered_stop_is_said(bot: DeskBot) -> None:
    """A stop whose trigger has traded and that is not filled protects no more than its limit does."""
    bot.desk.tick(C260, 140.00)

    assert only(bot, C260).cover is Cover.TRIGGERED


def test_a_position_being_closed_is_said_until_nothing_works_for_it(bot: DeskBot) -> None:
    """With a stop to cancel or an exit alive it is being closed; with a refused exit it is naked."""
    bot.desk.say("kill")
    assert only(bot, C260).cover is Cover.EXITING
    bot.desk.cancelled("stop-0002")
    assert only(bot, C260).exit_quantity == 650
    assert only(bot, C260).cover is Cover.EXITING
    bot.desk.refuse(bot.desk.placed(Purpose.EXIT)[0])

    assert only(bot, C260).cover is Cover.NAKED


def test_what_a_trim_buys_back_counts_as_covered() -> None:
    """After a bad fill the stop of the rest and the exit of the excess cover the position together."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 650, 126.95)
    desk.accept("stop-0002")
    view = only(DeskBot(desk), C260)

    assert (view.stop_quantity, view.exit_quantity, view.cover) == (520, 130, Cover.RESTING)


def test_a_long_of_our_own_is_said(bot: DeskBot) -> None:
    """More bought than sold is a long, whatever orders there are."""
    bot.desk.fill("stop-0002", 650, 140.00)
    position = bot.desk.position(C260)
    assert position is not None
    bot.desk.fill("stop-0002", 65, 140.00)

    assert only(bot, C260).cover is Cover.LONG
    assert only(bot, C260).quantity == 65


# ---------------------------------------------------------------- what was stored


def test_a_stored_session_shows_the_same_orders_and_positions(bot: DeskBot) -> None:
    """From what was stored come the same views, but for prices, which are not of now."""
    session = capture(bot.desk.engine)

    assert order_views(session.orders) == bot.orders()
    stored = position_views(session.positions, session.orders, running=False)
    assert [(p.symbol, p.quantity, p.cover, p.pnl_paise) for p in stored] == [
        (p.symbol, p.quantity, p.cover, None) for p in bot.positions()
    ]


def test_nobody_closes_what_a_bot_left_behind(bot: DeskBot) -> None:
    """A position that was to be closed when the bot ended rests on its stop alone."""
    bot.desk.say("kill")
    session = capture(bot.desk.engine)

    stored = position_views(session.positions, session.orders, running=False)
    assert [view.cover for view in stored] == [Cover.RESTING] * 3
    assert [view.cover for view in bot.positions()] == [Cover.EXITING] * 3


def test_a_stored_session_counts_what_it_left_open(bot: DeskBot) -> None:
    """Trades, their P&L, positions and orders of a stored session are counted; a lost word stays."""
    bot.desk.say("stopday")
    left = stored_status(capture(bot.desk.engine))

    assert (left.trades, left.realised_pnl_paise, left.positions) == (2, -1_306_500, 3)
    assert (left.working_orders, left.unknown_orders) == (4, 0)
    assert left.entries_stopped_by == "stopday by operator"


# ---------------------------------------------------------------- lines


def test_the_heartbeat_is_one_line_of_numbers(bot: DeskBot) -> None:
    """R, positions, working orders and both ages; unknown orders and a closed gate only if there."""
    now = msgspec.structs.replace(bot.status(), reconcile_age_ms=3_000)
    assert heartbeat(now) == ("R -2.01  positions 3  working orders 4  feed 0.4 s  books 3.0 s")
    bot.desk.say("pause")
    bare = msgspec.structs.replace(
        bot.status(), unknown_orders=1, feed_age_ms=None, reconcile_age_ms=None
    )
    assert heartbeat(bare) == (
        "R -2.01  positions 3  working orders 4  feed no tick yet  books not read yet  "
        "of unknown outcome 1  no entries: paused"
    )


@pytest.mark.parametrize(
    ("age_ms", "text"),
    [(None, "none"), (-5, "0.0 s"), (9_900, "9.9 s"), (61_000, "61 s"), (7_260_000, "121 min")],
)
def test_ages_are_short(age_ms: int | None, text: str) -> None:
    """Tenths below ten seconds, seconds below two minutes, then minutes; never negative."""
    assert age_text(age_ms, "none") == text


def test_a_gate_without_words_of_its_own_is_readable() -> None:
    """A reason that has no sentence is shown as its own name in words."""
    assert gate_text("feed_silent") == "the price feed is silent"
    assert gate_text("something_new") == "something new"


def test_tables_have_one_row_each(bot: DeskBot) -> None:
    """Tables have a head and one row an order or position, all of the same width."""
    for rows, count in ((order_rows(bot.orders()), 11), (position_rows(bot.positions()), 3)):
        assert len(rows) == count + 1
        assert len({len(row) for row in rows}) == 1
    assert dict(status_rows(bot.status()))["R"] == "-2.01"
    assert dict(status_rows(stored_status(capture(bot.desk.engine))))["trades"] == (
        "2, P&L -13065.00 before charges"
    )
