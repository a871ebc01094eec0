"""A short in one of our contracts that is not ours: told, adopted or closed (FOREIGN_POSITION)."""

from __future__ import annotations

import pytest

from baseline_v1_live.core.messages import FetchQuote, Level, Purpose
from baseline_v1_live.core.rules import Rules
from tests.harness import Desk
from tests.harness_market import C260, P260

STRANGER = "NIFTY29DEC2629000CE"


def a_desk(foreign: str, net: int = -650, symbol: str = C260, price: float | None = 120.0) -> Desk:
    """Somebody sold in the symbol; its last price is 120, and snapshots come as the bot asks."""
    desk = Desk(rules=Rules(foreign_position=foreign))
    if price is not None:
        desk.clock("09:15:30")
        desk.tick(C260, price)
    desk.take()
    desk.bought_elsewhere[symbol] = net
    desk.clock("09:16:03")
    return desk


def test_by_default_it_is_told_and_left_alone() -> None:
    """With ``alert`` nothing is sent for it and nothing is counted."""
    desk = a_desk("alert")

    assert desk.take() == []
    assert desk.engine.positions.positions == {}
    assert any("not ours" in text for text in desk.said("RECONCILE", Level.ALERT))


def test_adopted_it_is_protected_as_any_other() -> None:
    """Adopted at the price known now, its stop stands 10 % above it, and R counts from that price."""
    desk = a_desk("adopt")

    assert desk.take() == ["place stop-0001 BUY 650 C260 SL 132.00/135.00"]
    position = desk.position(C260)
    assert position is not None
    assert position.position_id == desk.full(f"adopted-{C260}")
    assert desk.engine.pnl_paise == 0
    desk.tick(C260, 118.0)
    assert desk.engine.pnl_paise == 650 * 200


def test_it_must_be_seen_twice_with_the_same_size() -> None:
    """One snapshot is not enough, nor are two that differ."""
    desk = Desk(rules=Rules(foreign_position="adopt"), snapshots=False)
    desk.clock("09:15:30")
    desk.tick(C260, 120.0)
    for net in (-650, -585, 0, -650):
        desk.snapshot(net={C260: net})
        desk.advance(1)
        assert desk.position(C260) is None
    desk.snapshot(net={C260: -650})

    assert desk.position(C260) is not None


def test_flattened_it_is_bought_back_at_once() -> None:
    """With ``flatten`` exactly its quantity is bought at the market, and entries go on."""
    desk = a_desk("flatten")

    assert desk.take() == ["place exit-0001 BUY 650 C260 MARKET"]
    desk.accept("exit-0001")
    desk.fill("exit-0001", 650, 120.0)
    position = desk.position(C260)
    assert position is not None
    assert (position.closed, position.exit_reason) == (True, "FOREIGN_POSITION")
    assert desk.engine.gate() is None


@pytest.mark.parametrize("foreign", ["adopt", "flatten"])
@pytest.mark.parametrize(("net", "symbol"), [(650, C260), (-650, STRANGER)])
def test_a_long_and_a_symbol_that_is_not_ours_are_left_alone(
    foreign: str, net: int, symbol: str
) -> None:
    """Never a long, never a contract outside the day's."""
    desk = a_desk(foreign, net, symbol)

    assert desk.take() == []
    assert desk.engine.positions.positions == {}


def test_beside_a_position_of_ours_the_excess_is_left_alone() -> None:
    """Where we hold the symbol ourselves, what goes beyond ours stays somebody else's."""
    desk = Desk(rules=Rules(foreign_position="adopt"))
    desk.short(C260)
    desk.take()
    desk.bought_elsewhere[C260] = -65
    desk.advance(30)

    assert [line for line in desk.take() if not line.startswith("ask")] == []
    assert len(desk.engine.positions.positions) == 1


def test_without_a_price_one_is_asked_for_first() -> None:
    """A symbol of which no price is known is quoted, and adopted when the quote has come."""
    desk = a_desk("adopt", price=None)
    assert desk.take() == []
    assert FetchQuote(symbol=C260) in desk.of(FetchQuote)
    desk.quote(C260, 120.0)
    desk.advance(2)

    assert desk.take() == ["place stop-0001 BUY 650 C260 SL 132.00/135.00"]


def test_what_one_stop_cannot_cover_is_not_adopted() -> None:
    """A short above one order's freeze quantity is told, not half protected."""
    desk = a_desk("adopt", net=-1_820)

    assert desk.take() == []
    assert any("not ours" in text for text in desk.said("RECONCILE", Level.ALERT))


def test_after_the_days_exit_nothing_is_adopted() -> None:
    """The day is over: what somebody sells then is told only."""
    desk = Desk(rules=Rules(foreign_position="adopt"))
    desk.clock("09:15:30")
    desk.tick(C260, 120.0)
    desk.say("kill")
    desk.advance(70)
    desk.bought_elsewhere[C260] = -650
    desk.advance(130)

    assert desk.placed(Purpose.STOP) == []


def test_an_adopted_position_survives_a_restart() -> None:
    """A new process finds the adopted position in the state and adopts nothing a second time."""
    desk = a_desk("adopt")
    desk.accept("stop-0001")
    desk.restart()
    desk.advance(30)

    assert list(desk.engine.positions.positions) == [desk.full(f"adopted-{C260}")]
    assert desk.placed(Purpose.STOP) == ["stop-0001"]
    assert desk.stop(C260).quantity == 650


def test_it_counts_as_a_position() -> None:
    """An adopted put leaves no room where one put is the limit."""
    desk = Desk(rules=Rules(foreign_position="adopt", positions_pe_max=1))
    desk.clock("09:15:30")
    desk.tick(P260, 120.0)
    desk.bought_elsewhere[P260] = -65
    desk.clock("09:17:00")

    assert [p.symbol for p in desk.engine.positions.open.values()] == [P260]
