"""The protective stop in trouble: chased when it does not fill, and resized as its entry fills on."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import BrokerStatus, Request
from tests.harness import Desk
from tests.harness_market import C260
from tests.scenarios.protection_desk import covered_short


@pytest.fixture
def desk() -> Desk:
    return covered_short()


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
