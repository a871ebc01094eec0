"""What of a session may still be open or working at the broker, for those who must look after it."""

from __future__ import annotations

from baseline_v1_live.core.messages import Purpose
from baseline_v1_live.core.session_state import SessionState


def holds(state: SessionState) -> bool:
    """Whether something of the session may be open or working."""
    return bool(open_symbols(state)) or any(order.live for order in state.orders)


def open_symbols(state: SessionState) -> list[str]:
    """Symbols of the positions that are not proven closed, oldest first."""
    return [position.symbol for position in state.positions if not position.closed]


def entries_left(state: SessionState) -> list[str]:
    """Ids of the entries whose end is not proven, oldest first."""
    return [o.order_id for o in state.orders if o.live and o.purpose is Purpose.ENTRY]


def remains_text(state: SessionState) -> str:
    """All of it by name, e.g. ``1 position open (NIFTY01DEC2626000CE), no entry working``."""
    symbols, entries = open_symbols(state), entries_left(state)
    held = f"{_count(len(symbols), 'position', 'positions')} open{_names(symbols)}"
    return f"{held}, {_count(len(entries), 'entry', 'entries')} working{_names(entries)}"


def _count(number: int, one: str, many: str) -> str:
    return f"no {one}" if not number else f"{number} {one if number == 1 else many}"


def _names(names: list[str]) -> str:
    return f" ({', '.join(names)})" if names else ""
