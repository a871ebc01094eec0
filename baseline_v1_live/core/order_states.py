"""The life of an order: every state, every input, every transition, in this one table.

Rule: whatever moves an order from one state to another stands here and nowhere else. A pair that is
missing is a bug of ours and raises; everything a broker can say in any order is listed. "Cancelled"
and "complete" are claims until an answer proves them with a filled quantity; a late fill after a
proven cancellation is legal, because brokers have done it.
"""

from __future__ import annotations

from enum import StrEnum

from baseline_v1_live.core.messages import InvariantError


class OrderState(StrEnum):
    """Where an order is."""

    IN_FLIGHT = "in_flight"  # sent, not answered
    UNKNOWN = "unknown"  # sent, and whether the broker has it is not known
    ACCEPTED = "accepted"  # the broker has it; its book state was not seen yet
    TRIGGER_PENDING = "trigger_pending"  # a stop-limit order waits for its trigger
    OPEN = "open"  # rests in the book, or a stop-limit order has triggered
    CLAIMED = "claimed"  # said to be over; its filled quantity is not proven
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"  # refused by the broker after it was accepted
    REFUSED = "refused"  # refused at once, or never left this machine
    NOT_PLACED = "not_placed"  # was unknown; complete snapshots past the horizon never showed it


class OrderInput(StrEnum):
    """What can happen to an order."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    LOST = "lost"
    SEEN_TRIGGER_PENDING = "seen_trigger_pending"
    SEEN_OPEN = "seen_open"
    SEEN_UNCLEAR = "seen_unclear"
    SEEN_OVER = "seen_over"
    FILLED_PART = "filled_part"
    FILLED_ALL = "filled_all"
    PROVEN_ALIVE = "proven_alive"
    PROVEN_CANCELLED = "proven_cancelled"
    PROVEN_REJECTED = "proven_rejected"
    PROVEN_NOT_PLACED = "proven_not_placed"
    UNNAMED = "unnamed"  # the broker's id that was taken for its own turned out to be another's
    GONE = "gone"  # neither the books nor the gateway know of it any more


_S = OrderState
_I = OrderInput

TERMINAL = frozenset({_S.FILLED, _S.CANCELLED, _S.REJECTED, _S.REFUSED, _S.NOT_PLACED})
UNANSWERED = frozenset({_S.IN_FLIGHT, _S.UNKNOWN})
RESTING = frozenset({_S.ACCEPTED, _S.TRIGGER_PENDING, _S.OPEN})

# What any order can meet once the broker is known to have it, and where it leads from most states.
_AT_BROKER = {
    _I.ACCEPTED: _S.ACCEPTED,
    _I.SEEN_TRIGGER_PENDING: _S.TRIGGER_PENDING,
    _I.SEEN_OPEN: _S.OPEN,
    _I.SEEN_UNCLEAR: _S.ACCEPTED,
    _I.SEEN_OVER: _S.CLAIMED,
    _I.FILLED_PART: _S.OPEN,
    _I.FILLED_ALL: _S.FILLED,
    _I.PROVEN_ALIVE: _S.ACCEPTED,
    _I.PROVEN_CANCELLED: _S.CANCELLED,
    _I.PROVEN_REJECTED: _S.REJECTED,
    _I.UNNAMED: _S.UNKNOWN,
    _I.GONE: _S.UNKNOWN,
}


def _over(state: OrderState, *, alive_again: bool) -> dict[OrderInput, OrderState]:
    """A terminal state: late news leaves it alone, except a fill, a proof that it lives, or that it was
    another's end.
    """
    row = dict.fromkeys(_AT_BROKER, state)
    row |= {_I.REFUSED: state, _I.NOT_SENT: state, _I.LOST: state}
    row |= {_I.FILLED_ALL: _S.FILLED, _I.PROVEN_ALIVE: _S.ACCEPTED, _I.UNNAMED: _S.UNKNOWN}
    if alive_again:
        # The broker said no, or nothing, and yet it has the order: then the broker is right.
        row |= {
            _I.ACCEPTED: _S.ACCEPTED,
            _I.SEEN_TRIGGER_PENDING: _S.TRIGGER_PENDING,
            _I.SEEN_OPEN: _S.OPEN,
            _I.FILLED_PART: _S.OPEN,
            _I.PROVEN_CANCELLED: _S.CANCELLED,
            _I.UNNAMED: state,
        }
    return row


TRANSITIONS: dict[OrderState, dict[OrderInput, OrderState]] = {
    _S.IN_FLIGHT: _AT_BROKER
    | {_I.REFUSED: _S.REFUSED, _I.NOT_SENT: _S.REFUSED, _I.LOST: _S.UNKNOWN},
    _S.UNKNOWN: _AT_BROKER
    | {
        _I.REFUSED: _S.REFUSED,
        _I.NOT_SENT: _S.REFUSED,
        _I.LOST: _S.UNKNOWN,
        _I.PROVEN_NOT_PLACED: _S.NOT_PLACED,
    },
    _S.ACCEPTED: _AT_BROKER | {_I.REFUSED: _S.CLAIMED, _I.LOST: _S.ACCEPTED},
    _S.TRIGGER_PENDING: _AT_BROKER
    | {
        _I.ACCEPTED: _S.TRIGGER_PENDING,
        _I.SEEN_UNCLEAR: _S.TRIGGER_PENDING,
        _I.PROVEN_ALIVE: _S.TRIGGER_PENDING,
        _I.REFUSED: _S.CLAIMED,
        _I.LOST: _S.TRIGGER_PENDING,
    },
    # A triggered order does not go back to waiting: that would be old news.
    _S.OPEN: _AT_BROKER
    | {
        _I.ACCEPTED: _S.OPEN,
        _I.SEEN_TRIGGER_PENDING: _S.OPEN,
        _I.SEEN_UNCLEAR: _S.OPEN,
        _I.PROVEN_ALIVE: _S.OPEN,
        _I.REFUSED: _S.CLAIMED,
        _I.LOST: _S.OPEN,
    },
    # Only proof ends a claim; a status row that says otherwise is one more claim.
    _S.CLAIMED: _AT_BROKER
    | {
        _I.ACCEPTED: _S.CLAIMED,
        _I.SEEN_TRIGGER_PENDING: _S.CLAIMED,
        _I.SEEN_OPEN: _S.CLAIMED,
        _I.SEEN_UNCLEAR: _S.CLAIMED,
        _I.FILLED_PART: _S.CLAIMED,
        _I.REFUSED: _S.CLAIMED,
        _I.LOST: _S.CLAIMED,
    },
    _S.FILLED: _over(_S.FILLED, alive_again=False) | {_I.PROVEN_ALIVE: _S.FILLED},
    _S.CANCELLED: _over(_S.CANCELLED, alive_again=False),
    _S.REJECTED: _over(_S.REJECTED, alive_again=False),
    _S.REFUSED: _over(_S.REFUSED, alive_again=True),
    _S.NOT_PLACED: _over(_S.NOT_PLACED, alive_again=True),
}


def next_state(state: OrderState, happened: OrderInput) -> OrderState:
    """The state after an input.

    Raises InvariantError for a pair that only a bug of ours can bring about.
    """
    try:
        return TRANSITIONS[state][happened]
    except KeyError:
        raise InvariantError(f"order state {state} cannot meet {happened}") from None


def mermaid() -> str:
    """The table as a Mermaid state diagram, transitions that change nothing left out."""
    lines = ["stateDiagram-v2", "    [*] --> in_flight"]
    for state, row in TRANSITIONS.items():
        by_target: dict[OrderState, list[str]] = {}
        for happened, target in row.items():
            if target is not state:
                by_target.setdefault(target, []).append(happened.value)
        for target, inputs in by_target.items():
            lines.append(f"    {state} --> {target}: {', '.join(inputs)}")
    return "\n".join(lines) + "\n"
