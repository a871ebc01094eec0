"""The day's exits and the clock: the field's scenarios E1 to E12.

Elsewhere: the whole sequences in test_close_all.py, the retries of E4 in test_close_all_troubles.py.
Not for the core alone: E6 (starting after hours), E8 (the exchange's calendar), E10 (which expiry).
"""

from __future__ import annotations

import datetime as dt

import pytest

from baseline_v1_live.core.messages import (
    BrokerStatus,
    DataEnded,
    FeedSilent,
    Notify,
    Purpose,
    SaveSummary,
)
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.core.session import IST
from tests.harness import Desk, desk_of_five
from tests.harness_market import C259, C260, C261, C2605, P259, P260, P261, at, day

FIVE = (C259, C260, C261, P260, P261)


def stopped_out(count: int, price: float) -> Desk:
    """So many shorts, each closed by its stop at this price; nothing is open."""
    desk = Desk()
    for symbol in FIVE[:count]:
        desk.short(symbol)
    for symbol in FIVE[:count]:
        desk.fill(desk.stop(symbol).order_id, 650, price)
    assert desk.engine.positions.open == {}
    desk.take()
    return desk


def test_e1_a_limit_sends_orders_and_the_broker_ends_flat() -> None:
    """At the target the broker's own book, not our memory, becomes flat."""
    desk = desk_of_five()
    with desk.answered():
        for symbol in (C260, C261, P260):
            desk.tick(symbol, 106.25)
        desk.advance(1)
        desk.tick(C260, 106.25)

    assert not any(desk.net().values())
    assert len(desk.of(SaveSummary)) == 1


def test_e1_a_loss_limit_reached_by_stops_alone_stops_the_day() -> None:
    """At -6.5R realised and nothing open, no swing low is sold any more."""
    desk = stopped_out(5, 142.95)
    assert desk.engine.r_milli == -6_500
    desk.advance(60)
    desk.take()
    desk.swing_lows({C2605: (130.00, 139.00), P259: (130.00, 139.00)})

    assert desk.take() == []
    assert desk.engine.positions.day_exit_reason == "-5R_STOP"


def test_e1_a_loss_limit_reached_by_stops_alone_is_summed_up() -> None:
    """The day that its stops alone ended at -6.5R has its summary, once."""
    desk = stopped_out(5, 142.95)
    desk.advance(120)

    assert [(s.exit_reason, s.r_milli) for s in desk.of(SaveSummary)] == [("-5R_STOP", -6_500)]


def test_e2_the_day_exit_fires_once() -> None:
    """Ticks, timers and rounds after the exit never send it again."""
    desk = Desk()
    desk.short(C260)
    desk.clock("15:15:00")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.take()
    desk.fill("exit-0003", 650, 129.95)
    for _ in range(120):
        desk.advance(5)
        desk.tick(C260, 129.00)

    assert desk.take() == []
    assert desk.said("EXIT").count("DAILY EXIT TRIGGERED: EOD_EXIT") == 1
    assert len(desk.of(SaveSummary)) == 1


def test_e2_a_day_exit_that_failed_is_tried_until_it_succeeds() -> None:
    """After 15:15 fills and positions are still looked at, and the exit goes on."""
    desk = Desk()
    desk.short(C260)
    desk.clock("15:15:00")
    desk.cancelled("stop-0002")
    desk.refuse("exit-0003", "rms")
    desk.clock("15:18:00")
    last = desk.placed(Purpose.EXIT)[-1]
    assert last != "exit-0003"
    desk.accept(last)
    desk.fill(last, 650, 129.95)

    assert not any(desk.net().values())
    assert [s.exit_reason for s in desk.of(SaveSummary)] == ["EOD_EXIT"]


def test_e3_the_square_off_itself_closes_everything() -> None:
    """At 15:15:00, not a moment before and without any tick, the stops are cancelled."""
    desk = Desk()
    desk.short(C260)
    desk.short(P260)
    desk.take()
    desk.clock("15:14:59")
    assert desk.take() == []
    desk.clock("15:15:00")

    assert desk.take() == ["cancel stop-0002", "cancel stop-0004"]


def test_e3_a_late_timer_closes_everything_too() -> None:
    """When no timer came in time, the first event after 15:15 closes everything."""
    desk = Desk()
    desk.short(C260)
    desk.take()
    desk.now_ms = at("15:16:40")
    desk.tick(C260, 129.00)

    assert desk.take()[0] == "cancel stop-0002"


def test_e3_no_stop_is_placed_after_the_square_off() -> None:
    """A stop that ends by itself after 15:15 is not replaced: its position is bought back."""
    desk = Desk()
    desk.short(C260)
    desk.take()
    desk.clock("15:15:00")
    desk.prove("stop-0002", BrokerStatus.CANCELLED)

    assert desk.take() == ["cancel stop-0002", "place exit-0003 BUY 650 C260 MARKET"]


def test_e4_the_alarm_comes_before_the_hard_cut() -> None:
    """An exit that keeps failing is alarmed within seconds, minutes before the hard cut."""
    desk = Desk()
    desk.short(C260)
    desk.clock("15:15:00")
    desk.cancelled("stop-0002")
    for _ in range(3):
        desk.refuse(desk.placed(Purpose.EXIT)[-1], "rms")
        desk.advance(2)

    assert any(n.level == "critical" and n.tag == "MARKET-EXIT" for n in desk.of(Notify))
    assert desk.now_ms < at("15:15:10")


def test_e5_no_nomination_remains_after_the_exit() -> None:
    """After the day's exit no entry works and no best strike is shown."""
    desk = desk_of_five()
    with desk.answered():
        desk.say("kill")
    desk.advance(60)

    assert desk.entries() == []
    assert desk.engine.desk.working == {}
    assert desk.engine.desk.best == {}


def test_e7_the_first_bar_is_made_of_the_first_ticks() -> None:
    """Ticks from 09:15:00 on make the bar of 09:15."""
    desk = Desk()
    desk.clock("09:15:00")
    for price in (120.00, 123.00, 119.00, 121.00):
        desk.tick(C260, price)
        desk.advance(10)
    desk.clock("09:16:02")
    (bar,) = desk.engine.market.symbols[C260].series.bars

    assert bar.minute_ms == at("09:15:00")
    assert (bar.open_paise, bar.high_paise, bar.low_paise, bar.close_paise) == (
        12_000,
        12_300,
        11_900,
        12_100,
    )


def test_e9_the_session_is_in_indian_time() -> None:
    """15:15 means 09:45 UTC, whatever the machine's zone."""
    square_off = dt.datetime(2026, 12, 28, 9, 45, tzinfo=dt.UTC)

    assert day().square_off_ms == int(square_off.timestamp() * 1000)
    assert IST.utcoffset(None) == dt.timedelta(hours=5, minutes=30)


@pytest.mark.parametrize(
    ("cutoff", "starts", "hard_cut"),
    [("15:15", "15:10:00", "15:15:00"), ("15:25", "15:15:00", "15:20:00")],
)
def test_e11_the_square_off_comes_before_the_broker_cuts_off(
    cutoff: str, starts: str, hard_cut: str
) -> None:
    """It starts five minutes before the broker's cut-off if that is earlier than our own time."""
    desk = Desk(session=day(broker_cutoff=cutoff))
    desk.short(C260)
    desk.take()
    desk.until(at(starts) - 1)
    assert desk.take() == []
    desk.clock(starts)

    assert desk.take() == ["cancel stop-0002"]
    assert desk.engine.session.hard_cut_ms == at(hard_cut)


def test_e12_r_is_measured_at_the_ask() -> None:
    """An open short is valued at what we would pay to close it, not at the last price."""
    desk = Desk()
    desk.short(C260)
    desk.tick(C260, 125.00, bid=124.00, ask=126.95)

    assert desk.engine.pnl_paise == 650 * (12_995 - 12_695)


def test_e12_without_a_quote_r_is_measured_at_the_last_price() -> None:
    """Without an ask the last price stands in, also when an older tick had one."""
    desk = Desk()
    desk.short(C260)
    desk.tick(C260, 125.00, bid=124.00, ask=126.95)
    desk.tick(C260, 124.95, quoted=False)

    assert desk.engine.pnl_paise == 650 * (12_995 - 12_495)


def test_e12_r_is_measured_at_the_ask_from_the_fill_on() -> None:
    """A position is valued at the ask known when it fills, before any further tick."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.tick(C260, 129.95, bid=129.95, ask=131.00)
    desk.fill("entry-0001", 650, 129.95)

    assert desk.engine.pnl_paise == 650 * (12_995 - 13_100)


def test_e12_r_moves_with_the_tick_and_not_with_the_bar() -> None:
    """A limit reached inside a minute closes inside that minute."""
    desk = desk_of_five()
    for symbol in (C260, C261, P260):
        desk.tick(symbol, 106.25)
    desk.advance(1)
    desk.tick(P260, 106.25)

    assert desk.engine.positions.day_exit_reason == "+5R_TARGET"
    assert desk.now_ms % 60_000 < 10_000


def test_the_limits_count_charges_where_that_is_set() -> None:
    """With R net of charges a gross +5.1R is not +5R yet."""
    desk = Desk(rules=Rules(r_net_of_charges=True))
    for symbol in (C260, C261, P260):
        desk.short(symbol)
    for _ in range(3):
        for symbol in (C260, C261, P260):
            desk.tick(symbol, 112.95)
        desk.advance(1)

    assert desk.engine.positions.pnl_paise == 3 * 650 * 1_700
    assert desk.engine.r_milli < 5_100
    assert desk.engine.r_milli == 5_100 - 1000 * desk.engine.charges_paise // 650_000 - 1


def test_the_square_off_of_a_day_without_trades_is_summed_up_too() -> None:
    """A day on which nothing was sold ends with a summary of no trades."""
    desk = Desk()
    desk.clock("15:16:00")

    assert [(s.exit_reason, s.trades, s.r_milli) for s in desk.of(SaveSummary)] == [
        ("EOD_EXIT", 0, 0)
    ]


def test_the_square_off_works_before_the_books_were_ever_read() -> None:
    """A bot that could never reconcile still ends its day when the books can be read at last."""
    desk = Desk(snapshots=False)
    desk.clock("15:16:00")
    desk.snapshot_failed()
    assert desk.of(SaveSummary) == []
    desk.snapshots = True
    desk.advance(60)

    assert len(desk.of(SaveSummary)) == 1
    assert desk.engine.gate() is not None


def test_a_silent_feed_and_the_end_of_data_do_not_disturb_the_exit() -> None:
    """Neither a silent feed nor the end of a replayed day holds up what is being closed."""
    desk = Desk()
    desk.short(C260)
    desk.clock("15:15:00")
    desk.feed(FeedSilent(source="main"))
    desk.feed(DataEnded())
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 129.95)

    assert len(desk.of(SaveSummary)) == 1
