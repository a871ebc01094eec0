"""The protective stop in trouble: chased when it does not fill, replaced when it fails, undone when too
much was bought.
"""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerStatus, Level, Purpose, Request
from baseline_v1_live.core.order_states import OrderState
from tests.harness import Desk
from tests.harness_market import C260, C261, P260, P261


@pytest.fixture
def desk() -> Desk:
    """650 sold at 129.95, its stop 140.00/143.00 working, and the last price is half a minute old."""
    desk = Desk()
    desk.short(C260)
    desk.advance(31)
    desk.take()
    return desk


def prices(desk: Desk) -> list[str]:
    return [line.split("/")[1] for line in desk.take() if line.startswith("modify")]


# ------------------------------------------------------------ the chase


def test_a_triggered_stop_is_left_alone_for_one_second(desk: Desk) -> None:
    """Within the first second after its trigger traded a stop is not touched."""
    desk.tick(C260, 150.00)
    desk.advance(0.9)

    assert desk.take() == []


def test_a_stop_left_behind_is_chased_step_by_step(desk: Desk) -> None:
    """Once a second the limit goes 3, 8 and 20 % and then 38 % beyond the reference of 150."""
    desk.tick(C260, 150.00)
    wanted = []
    for _ in range(4):
        desk.advance(1)
        wanted += desk.take()
        desk.modified("stop-0002")

    assert wanted == [
        "modify stop-0002 650 SL 140.00/154.50",
        "modify stop-0002 650 SL 140.00/162.00",
        "modify stop-0002 650 SL 140.00/180.00",
        "modify stop-0002 650 SL 140.00/207.00",
    ]


def test_the_reference_is_the_mean_of_thirty_seconds(desk: Desk) -> None:
    """The chase starts from our own 30 s mean price, not from the last print."""
    desk.tick(C260, 150.00)
    desk.tick(C260, 160.00)
    desk.advance(1)

    assert prices(desk) == ["159.65"]


def test_a_step_that_improves_nothing_is_skipped(desk: Desk) -> None:
    """From a mean of 135 a limit 3 % away lies below the present one of 143, so it goes on to 8 %."""
    desk.tick(C260, 130.00)
    desk.tick(C260, 140.00)
    desk.advance(1)

    assert prices(desk) == ["145.80"]


def test_no_second_request_while_one_is_unanswered(desk: Desk) -> None:
    """While a modification is unanswered no other is sent for the order."""
    desk.tick(C260, 150.00)
    desk.advance(4)

    assert desk.take() == ["modify stop-0002 650 SL 140.00/154.50"]


@pytest.mark.parametrize("arrived", [True, False])
def test_a_modification_of_unknown_outcome_is_settled_by_asking(desk: Desk, arrived: bool) -> None:
    """A lost modification is asked about; whether it arrived or not, the chase goes on from there."""
    desk.tick(C260, 150.00)
    desk.advance(1)
    desk.take()
    desk.lose("stop-0002", Request.MODIFY)
    assert desk.take() == ["ask stop-0002"]
    if arrived:
        desk.book[desk.full("stop-0002")].limit_paise = 15_450
    desk.prove("stop-0002")
    assert desk.order("stop-0002").limit_price_paise == (15_450 if arrived else 14_300)
    desk.advance(2)

    assert desk.take() == ["modify stop-0002 650 SL 140.00/162.00"]


def test_the_broker_word_that_it_triggered_starts_the_chase_too(desk: Desk) -> None:
    """A stop that the broker calls open is chased after a second, where a price shows why."""
    desk.quote(C260, 144.00)
    desk.update("stop-0002", BrokerStatus.OPEN)
    desk.advance(1)

    assert len(prices(desk)) == 1


def test_a_stop_that_still_waits_is_not_chased_for_a_price_that_was_none(desk: Desk) -> None:
    """One print at its trigger, which nobody at the exchange traded, must not close the position."""
    desk.tick(C260, 140.00)
    for _ in range(60):
        desk.advance(0.5)
        desk.tick(C260, 131.00)

    assert desk.take() == []
    desk.tick(C260, 150.00)
    desk.advance(0.9)
    assert desk.take() == []
    desk.advance(0.2)
    assert len(prices(desk)) == 1


def test_a_print_from_before_the_stop_was_there_is_no_trigger() -> None:
    """It traded while the stop was on its way; the broker then has it waiting, below its trigger."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
        desk.tick(C260, 129.95)
    desk.fill("entry-0001", 650, 129.95)
    desk.tick(C260, 141.00)
    desk.accept("stop-0002")
    desk.take()
    desk.tick(C260, 136.00)
    desk.advance(30)

    assert desk.take() == []


def test_a_stop_that_the_broker_calls_open_is_chased_whatever_the_price(desk: Desk) -> None:
    """It has triggered by its own word: our price may be the one that is wrong."""
    desk.tick(C260, 140.00)
    desk.update("stop-0002", BrokerStatus.OPEN)
    desk.tick(C260, 139.00)
    desk.advance(1.1)

    assert len(prices(desk)) == 1


def test_after_eighteen_modifies_the_stop_is_cancelled_proven_and_replaced(desk: Desk) -> None:
    """A stop that 18 modifications did not fill is cancelled, proven, and bought back at the market."""
    price = 150.00
    for _ in range(18):
        desk.tick(C260, price)
        desk.advance(1)
        assert len(desk.take()) == 1
        desk.modified("stop-0002")
        price += 0.50
    assert len(desk.modifies("stop-0002")) == 18
    desk.tick(C260, price)
    desk.advance(1)
    assert desk.take() == ["cancel stop-0002"]
    desk.accept("stop-0002", Request.CANCEL)
    assert desk.take() == ["ask stop-0002"]
    desk.prove("stop-0002")

    assert desk.take() == ["place exit-0003 BUY 650 C260 MARKET"]


def test_a_stop_at_the_edge_is_replaced_in_time_although_nothing_was_left_to_modify(
    desk: Desk,
) -> None:
    """With the price standing still the chase ends at the edge and is replaced after 18 rounds."""
    with desk.answered():
        desk.tick(C260, 150.00)
        desk.advance(18)
    assert desk.take()[-1].endswith("/207.00")
    desk.advance(2)

    assert desk.take() == ["cancel stop-0002"]


def test_a_partly_filled_chase_keeps_the_whole_quantity_of_the_order(desk: Desk) -> None:
    """A modification names the order's whole quantity; what filled of it stays filled."""
    desk.tick(C260, 150.00)
    desk.fill("stop-0002", 260, 143.00)
    desk.take()
    desk.advance(1)
    assert desk.take() == ["modify stop-0002 650 SL 140.00/154.50"]
    desk.modified("stop-0002")
    desk.fill("stop-0002", 390, 154.00)
    desk.advance(60)

    assert desk.take() == []
    position = desk.position(C260)
    assert position is not None
    assert position.closed


# ------------------------------------------------------------ partial fills of the entry


def test_partial_fills_resize_the_stop_by_modify() -> None:
    """Each further fill of the entry resizes the one stop; no second stop is placed."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.take()
    desk.fill("entry-0001", 130, 129.95)
    assert desk.take() == ["place stop-0002 BUY 130 C260 SL 140.00/143.00"]
    desk.accept("stop-0002")
    desk.fill("entry-0001", 390, 129.95)
    assert desk.take() == ["modify stop-0002 520 SL 140.00/143.00"]
    desk.modified("stop-0002")
    desk.fill("entry-0001", 130, 129.95)

    assert desk.take() == ["modify stop-0002 650 SL 140.00/143.00"]


def test_a_fill_while_the_stop_is_unanswered_resizes_it_when_it_is_answered() -> None:
    """A second fill before the stop's answer resizes the stop right after that answer."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 130, 129.95)
    desk.fill("entry-0001", 520, 129.95)
    desk.take()
    desk.accept("stop-0002")

    assert desk.take() == ["modify stop-0002 650 SL 140.00/143.00"]


# ------------------------------------------------------------ a stop that fails


def fail(desk: Desk, order_id: str) -> None:
    """The broker ends a working stop on its own."""
    desk.prove(order_id, BrokerStatus.CANCELLED)


def test_a_refused_stop_is_placed_once_more_at_once(desk: Desk) -> None:
    """The first failure of a stop is answered with the same stop in the same step."""
    fail(desk, "stop-0002")

    assert desk.take() == ["place stop-0003 BUY 650 C260 SL 140.00/143.00"]


@pytest.mark.parametrize("ending", ["refused", "rejected", "cancelled"])
def test_the_second_failure_is_a_market_exit_with_an_alarm(desk: Desk, ending: str) -> None:
    """Refused, rejected or cancelled once more, the position is bought back at the market at once."""
    fail(desk, "stop-0002")
    alarms = len(desk.said("ORDER", Level.CRITICAL))
    desk.take()
    if ending == "refused":
        desk.refuse("stop-0003", "trigger price is below the last price")
    else:
        desk.accept("stop-0003")
        desk.prove("stop-0003", BrokerStatus(ending))

    assert desk.take() == ["place exit-0004 BUY 650 C260 MARKET"]
    assert len(desk.said("ORDER", Level.CRITICAL)) == alarms + 1
    position = desk.position(C260)
    assert position is not None
    assert position.open_quantity == 650


def test_a_bare_word_of_cancellation_is_asked_about_before_a_second_stop(desk: Desk) -> None:
    """A stop said to be cancelled is asked about; a new one follows the proof, not the word."""
    desk.update("stop-0002", BrokerStatus.CANCELLED)
    assert desk.take() == ["ask stop-0002"]
    desk.prove("stop-0002", BrokerStatus.CANCELLED)

    assert desk.take() == ["place stop-0003 BUY 650 C260 SL 140.00/143.00"]


def test_a_stop_cancelled_after_a_partial_fill_is_replaced_for_the_rest(desk: Desk) -> None:
    """What the failed stop bought is not protected again."""
    desk.fill("stop-0002", 260, 140.00, heard=False)
    fail(desk, "stop-0002")

    assert desk.take() == ["place stop-0003 BUY 390 C260 SL 140.00/143.00"]


def test_a_stop_that_never_left_this_machine_is_tried_again_and_is_no_failure(desk: Desk) -> None:
    """With the gateway unreachable the stop is tried again each second and does not end the day."""
    fail(desk, "stop-0002")
    desk.take()
    for number in range(3, 8):
        desk.refuse(f"stop-000{number}", "connection refused", sent=False)
        assert desk.take() == []
        desk.advance(1)
        assert desk.take() == [f"place stop-000{number + 1} BUY 650 C260 SL 140.00/143.00"]

    assert desk.engine.positions.stop_failures == 1
    assert desk.engine.positions.entries_stopped_by is None


def test_three_stop_failures_in_a_day_stop_entries() -> None:
    """The third failure of the day, in whatever symbols, stops entries and cancels what rests."""
    desk = Desk()
    for symbol in (C260, C261, P261):
        desk.short(symbol)
    with desk.answered():
        desk.swing_low(P260, 130.00, 139.00)
        fail(desk, "stop-0002")
        fail(desk, "stop-0004")
    assert desk.entries() == ["P260"]
    desk.take()
    fail(desk, "stop-0006")

    assert desk.take() == ["place stop-0010 BUY 650 P261 SL 140.00/143.00", "ask entry-0007"]
    desk.prove("entry-0007")
    assert desk.take() == ["cancel entry-0007"]
    assert desk.engine.entries_halted


def test_a_rejected_trigger_is_not_a_naked_position(desk: Desk) -> None:
    """A stop that the exchange rejects when it triggers is replaced, and that failing too, bought."""
    desk.tick(C260, 190.00)
    desk.prove("stop-0002", BrokerStatus.REJECTED)
    assert desk.take() == ["place stop-0003 BUY 650 C260 SL 140.00/143.00"]
    desk.refuse("stop-0003", "trigger price is below the last price")

    assert desk.take() == ["place exit-0004 BUY 650 C260 MARKET"]


# ------------------------------------------------------------ bought too much


def test_what_our_own_orders_over_bought_is_sold_at_once_exactly(desk: Desk) -> None:
    """A stop that fills after its exit did makes us long 650: 650 are sold, entries stop, an alarm."""
    desk.say("flatten")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 130.00)
    desk.take()
    alarms = len(desk.said("EXIT", Level.CRITICAL))
    desk.fill("stop-0002", 650, 140.00)

    assert desk.take() == ["place correction-0004 SELL 650 C260 MARKET"]
    assert desk.engine.entries_halted
    assert len(desk.said("EXIT", Level.CRITICAL)) == alarms + 1


def test_an_over_bought_part_is_sold_and_nothing_beyond_it(desk: Desk) -> None:
    """Too much by 130 is corrected by 130, once, while the correction is on its way and after it."""
    desk.say("flatten")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 130.00)
    desk.take()
    desk.fill("stop-0002", 130, 140.00)
    assert desk.take() == ["place correction-0004 SELL 130 C260 MARKET"]
    desk.advance(0.5)
    desk.accept("correction-0004")
    desk.fill("correction-0004", 130, 141.00)
    desk.advance(60)

    assert desk.take() == []
    assert desk.net()[C260] == 0


@pytest.mark.parametrize(("filled", "pause_s"), [(520, 2), (0, 5)])
def test_a_correction_that_traded_in_part_begins_the_tries_anew(
    desk: Desk, filled: int, pause_s: int
) -> None:
    """Refused three times, then taken and cancelled: two seconds later the rest is sold, which is well
    within the five in which a long is gone. One that never traded is the fourth in a row.
    """
    desk.say("flatten")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 130.00)
    desk.fill("stop-0002", 650, 140.00)
    for name, wait_s in (("0004", 3), ("0005", 3), ("0006", 6)):
        desk.refuse(f"correction-{name}", "RMS: margin exceeds")
        desk.advance(wait_s)
    desk.accept("correction-0007")
    if filled:
        desk.fill("correction-0007", filled, 141.00)
    desk.take()
    desk.cancelled("correction-0007")
    desk.advance(pause_s - 0.1)
    assert not desk.placed(Purpose.CORRECTION)[4:]
    desk.advance(0.2)

    assert f"place correction-0008 SELL {650 - filled} C260 MARKET" in desk.take()


@pytest.mark.parametrize(("sold", "corrected"), [(-650, 0), (-520, 130)])
def test_beside_a_short_of_somebody_else_only_the_long_is_sold(
    desk: Desk, sold: int, corrected: int
) -> None:
    """What we bought too much has closed his short, as far as it reaches: a sale would open one that
    nobody covers. It is booked as closed outside when the books show it.
    """
    desk.bought_elsewhere[C260] = sold
    desk.advance(10)
    desk.say("flatten")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 130.00)
    desk.advance(10)
    desk.take()
    desk.fill("stop-0002", 650, 140.00)

    sale = f"place correction-0004 SELL {corrected} C260 MARKET"
    assert desk.take() == ([sale] if corrected else [])
    if corrected:
        desk.accept("correction-0004")
        desk.fill("correction-0004", corrected, 141.00)
    desk.advance(20)

    assert desk.placed(Purpose.CORRECTION) == (["correction-0004"] if corrected else [])
    assert desk.engine.positions.open_short(C260) == 0
    assert desk.engine.entries_halted


def test_a_correction_of_unknown_outcome_is_not_sent_twice(desk: Desk) -> None:
    """While a correction's outcome is unknown nothing more is sold."""
    desk.say("flatten")
    desk.cancelled("stop-0002")
    desk.accept("exit-0003")
    desk.fill("exit-0003", 650, 130.00)
    desk.fill("stop-0002", 650, 140.00)
    desk.lose("correction-0004", reached=True)
    desk.snapshots = False
    desk.take()
    desk.advance(100)

    assert desk.placed(Purpose.CORRECTION) == ["correction-0004"]
    assert desk.state("correction-0004") is OrderState.UNKNOWN


def test_the_entry_filling_on_after_its_stop_triggered_is_stopped() -> None:
    """When the stop of a partly filled entry triggers, the entry's rest is cancelled."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 130, 129.95)
    desk.accept("stop-0002")
    desk.take()
    desk.tick(C260, 140.00)

    assert desk.take() == ["cancel entry-0001"]


def test_the_entry_filling_on_after_its_stop_filled_is_stopped() -> None:
    """When the stop of a partly filled entry fills without any tick, the entry's rest is cancelled."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    desk.accept("entry-0001")
    desk.fill("entry-0001", 130, 129.95)
    desk.accept("stop-0002")
    desk.take()
    desk.fill("stop-0002", 130, 140.00)

    assert desk.take() == ["cancel entry-0001"]
