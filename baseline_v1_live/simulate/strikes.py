"""In what states of orders and positions each trouble struck: what a run of seeds has really tried."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.messages import Purpose
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.position import Position

NO_PROCESS, STARTING, NONE = "no process", "starting", "none"


class Strikes:
    """Counts, by trouble, the states in which it struck. A state is that of the orders that live, then
    that of the open positions: ``stop:trigger_pending | short covered``.
    """

    def __init__(self, engine: Callable[[], Engine | None]) -> None:
        self.by_state: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._engine = engine

    def note(self, name: str) -> None:
        """A trouble strikes now."""
        self.by_state[name][state_of(self._engine())] += 1

    def counts(self) -> dict[str, dict[str, int]]:
        """By trouble and state, in order of their names."""
        return {name: dict(sorted(self.by_state[name].items())) for name in sorted(self.by_state)}


def state_of(engine: Engine | None) -> str:
    """The state of a bot's orders and positions, as one line."""
    if engine is None:
        return NO_PROCESS
    orders = sorted({_order_state(order) for order in engine.orders.live()})
    positions = sorted({_position_state(engine, p) for p in engine.positions.open.values()})
    if not positions:
        positions = [NONE if engine.reconciled else STARTING]
    return f"{' '.join(orders) or NONE} | {', '.join(positions)}"


def parts_of(state: str) -> tuple[list[str], list[str]]:
    """The orders' and the positions' states that a line names."""
    orders, _, positions = state.partition(" | ")
    return orders.split() if positions else [], positions.split(", ") if positions else [state]


def _order_state(order: Order) -> str:
    """Its purpose and state; what is asked of it and not answered comes behind a plus."""
    asked = f"+{order.change.request}" if order.change is not None else ""
    part = "(part)" if order.filled_quantity else ""
    return f"{order.purpose}:{order.state}{part}{asked}"


def _position_state(engine: Engine, position: Position) -> str:
    of, name = engine.orders.live_of, position.position_id
    quantity = position.open_quantity
    if quantity < 0:
        return "long"
    if quantity == 0:
        return "closing"
    if position.exit_wanted or of(name, Purpose.EXIT):
        word = "exiting"
    elif sum(stop.remaining for stop in of(name, Purpose.STOP) if stop.resting) >= quantity:
        word = "covered"
    else:
        word = "bare"
    entering = " in part" if of(name, Purpose.ENTRY) else ""
    return f"{'adopted' if position.adopted else 'short'}{entering} {word}"
