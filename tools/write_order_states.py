"""Writes docs/order-states.md from the table in core/order_states.py.

Run from the root of the repository: .venv/bin/python -m tools.write_order_states
"""

from __future__ import annotations

from pathlib import Path

from baseline_v1_live.core.order_states import (
    RESTING,
    TERMINAL,
    UNANSWERED,
    OrderInput,
    OrderState,
    mermaid,
)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "order-states.md"

STATES = {
    OrderState.IN_FLIGHT: "sent, not answered yet",
    OrderState.UNKNOWN: "sent, and whether the broker has it is not known",
    OrderState.ACCEPTED: "the broker has it; where it stands in the book was not seen yet",
    OrderState.TRIGGER_PENDING: "a stop-limit order waits for its trigger",
    OrderState.OPEN: "rests in the book, or a stop-limit order has triggered",
    OrderState.CLAIMED: "said to be over, but its filled quantity is not proven",
    OrderState.FILLED: "all of its quantity is filled",
    OrderState.CANCELLED: "proven cancelled; what filled before is kept",
    OrderState.REJECTED: "refused by the broker after it was accepted",
    OrderState.REFUSED: "refused at once, or it never left this machine",
    OrderState.NOT_PLACED: "was unknown, and complete snapshots past the horizon never showed it",
}

INPUTS = {
    OrderInput.ACCEPTED: "the gateway took the order and named it, or it was found at the broker",
    OrderInput.REFUSED: "a definite no to placing it",
    OrderInput.NOT_SENT: "nothing left this machine",
    OrderInput.LOST: "the request to place it has no clear answer",
    OrderInput.SEEN_TRIGGER_PENDING: "a status says that it waits for its trigger",
    OrderInput.SEEN_OPEN: "a status says that it is open",
    OrderInput.SEEN_UNCLEAR: "a status in words that are not known; taken as alive",
    OrderInput.SEEN_OVER: "a bare status says complete, cancelled or rejected: a claim",
    OrderInput.FILLED_PART: "more of it has filled, not all",
    OrderInput.FILLED_ALL: "all of it has filled",
    OrderInput.PROVEN_ALIVE: "status and fills, joined in one answer, show that it lives",
    OrderInput.PROVEN_CANCELLED: "status and fills, joined, show that it was cancelled",
    OrderInput.PROVEN_REJECTED: "status and fills, joined, show that it was rejected",
    OrderInput.UNNAMED: "the broker's id that was taken for its own belongs to another order",
    OrderInput.GONE: "for half a minute neither the order book nor the gateway, when asked, knew of it",
    OrderInput.PROVEN_NOT_PLACED: "complete snapshots past the horizon never showed it",
}

INTRO = """\
# The states of an order

<!-- Written by tools/write_order_states.py; change core/order_states.py or the tool, not this page. -->

An order of ours moves only by the table in
[order_states.py](../baseline_v1_live/core/order_states.py). This page is made from it. A pair of
state and input that the table does not have is a bug of ours and raises an error.

- **Unknown is a state.** A request without a clear answer is never sent again. Its quantity stays
  reserved until the broker's books show what became of it. Only a protective stop that two complete
  snapshots do not show is followed by another one.
- **Over is a claim until it is proven.** A status row that says complete, cancelled or rejected is
  not enough; an answer that joins the status with the fills is.
- **Late news is legal.** A cancelled order that turns out to be filled becomes filled, because
  brokers have done that. An order that was refused or never found, and yet lives, lives.
"""


def page() -> str:
    """The whole page; raises KeyError for a state or an input without a description here."""
    states = "".join(f"| `{state}` | {_kind(state)} | {STATES[state]} |\n" for state in OrderState)
    inputs = "".join(f"| `{happened}` | {INPUTS[happened]} |\n" for happened in OrderInput)
    return (
        f"{INTRO}\n## States\n\n| state | kind | meaning |\n|---|---|---|\n{states}"
        f"\n## Inputs\n\n| input | meaning |\n|---|---|\n{inputs}"
        "\n## Transitions\n\nInputs that leave a state as it is are left out of the picture.\n\n"
        f"```mermaid\n{mermaid()}```\n"
    )


def _kind(state: OrderState) -> str:
    if state in UNANSWERED:
        return "not answered"
    if state in RESTING:
        return "at the broker"
    return "over" if state in TERMINAL else "to be proven"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
    print(f"{PAGE.name} is written.")
