"""The life of an order: every state, every input (core/order_states.py, core/order.py)."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline_v1_live.core.messages import InvariantError, OrderType, Purpose, Side
from baseline_v1_live.core.order import Order
from baseline_v1_live.core.order_states import (
    RESTING,
    TERMINAL,
    TRANSITIONS,
    UNANSWERED,
    OrderInput,
    OrderState,
    mermaid,
    next_state,
)

S, I = OrderState, OrderInput  # noqa: E741
DOC = Path(__file__).resolve().parents[2] / "docs" / "order-states.md"

# What a broker or its gateway can say at any time and in any order.
FROM_BROKER = frozenset(I) - {I.NOT_SENT, I.PROVEN_NOT_PLACED}
PROOFS = frozenset({I.PROVEN_ALIVE, I.PROVEN_CANCELLED, I.PROVEN_REJECTED, I.PROVEN_NOT_PLACED})
FILLS = frozenset({I.FILLED_PART, I.FILLED_ALL})
PAIRS = list(itertools.product(OrderState, OrderInput))
LISTED = [(state, happened) for state, happened in PAIRS if happened in TRANSITIONS[state]]


def order_in(
    state: OrderState = S.IN_FLIGHT,
    order_type: OrderType = OrderType.SL,
    purpose: Purpose = Purpose.STOP,
) -> Order:
    return Order(
        order_id="2026-12-28-stop-0001",
        symbol="NIFTY29DEC2626000CE",
        side=Side.BUY,
        order_type=order_type,
        purpose=purpose,
        quantity=650,
        trigger_price_paise=14_000,
        limit_price_paise=14_300,
        reason="",
        position_id="2026-12-28-entry-0001",
        placed_at_ms=0,
        state=state,
    )


# ---------------------------------------------------------------- the table


def test_every_state_has_its_row() -> None:
    """The table has a row for each state and none besides."""
    assert set(TRANSITIONS) == set(OrderState)


@pytest.mark.parametrize(("state", "happened"), PAIRS)
def test_every_pair_is_listed_or_raises(state: OrderState, happened: OrderInput) -> None:
    """A pair leads to a state of the table, or it is a bug of ours and raises InvariantError."""
    if happened in TRANSITIONS[state]:
        assert next_state(state, happened) is TRANSITIONS[state][happened]
        assert TRANSITIONS[state][happened] in OrderState
    else:
        with pytest.raises(InvariantError, match=f"{state}.*{happened}"):
            next_state(state, happened)


def test_a_state_is_unanswered_resting_claimed_or_terminal() -> None:
    """Each state belongs to exactly one of the groups that the code asks for."""
    groups = [TERMINAL, UNANSWERED, RESTING, frozenset({S.CLAIMED})]

    assert sum(len(group) for group in groups) == len(OrderState)
    assert frozenset().union(*groups) == frozenset(OrderState)


@pytest.mark.parametrize("happened", sorted(FROM_BROKER))
def test_what_a_broker_says_is_legal_in_every_state(happened: OrderInput) -> None:
    """No word of a broker or gateway, however late or often, is an error in any state."""
    assert [state for state in OrderState if happened not in TRANSITIONS[state]] == []


def test_only_our_own_words_are_illegal_somewhere() -> None:
    """What raises is only that nothing was sent, or that an order was never placed."""
    illegal = {happened for state, happened in PAIRS if happened not in TRANSITIONS[state]}

    assert illegal == {I.NOT_SENT, I.PROVEN_NOT_PLACED}


def test_only_an_unknown_order_can_be_declared_not_placed() -> None:
    """An order is declared not placed from the unknown state and from no other."""
    sources = [state for state in OrderState if I.PROVEN_NOT_PLACED in TRANSITIONS[state]]

    assert sources == [S.UNKNOWN]


def test_every_state_can_be_reached() -> None:
    """Each state can be reached from the intent."""
    reached, frontier = {S.IN_FLIGHT}, [S.IN_FLIGHT]
    while frontier:
        for target in TRANSITIONS[frontier.pop()].values():
            if target not in reached:
                reached.add(target)
                frontier.append(target)

    assert reached == set(OrderState)


# ---------------------------------------------------------------- claims and proofs


def test_a_cancelled_order_can_turn_out_filled() -> None:
    """Cancelled to filled is legal: brokers have done it."""
    assert next_state(S.CANCELLED, I.FILLED_ALL) is S.FILLED


@pytest.mark.parametrize("state", list(OrderState))
def test_a_whole_fill_ends_an_order_from_every_state(state: OrderState) -> None:
    """Once all of an order is filled it is filled, whatever was believed before."""
    assert next_state(state, I.FILLED_ALL) is S.FILLED


@pytest.mark.parametrize("happened", sorted(set(I) - FILLS - {I.UNNAMED}))
def test_a_filled_order_stays_filled(happened: OrderInput) -> None:
    """Nothing that can be said of a filled order changes that it is filled, unless it was another."""
    if happened in TRANSITIONS[S.FILLED]:
        assert next_state(S.FILLED, happened) is S.FILLED


@pytest.mark.parametrize("state", sorted(RESTING | UNANSWERED))
def test_said_to_be_over_is_a_claim(state: OrderState) -> None:
    """A status row that says complete, cancelled or rejected proves nothing."""
    assert next_state(state, I.SEEN_OVER) is S.CLAIMED


@pytest.mark.parametrize(
    "happened", sorted(set(I) - PROOFS - {I.FILLED_ALL, I.NOT_SENT, I.UNNAMED, I.GONE})
)
def test_only_proof_ends_a_claim(happened: OrderInput) -> None:
    """A claim stays one until a proof or the whole fill; what status rows say is one more claim."""
    assert next_state(S.CLAIMED, happened) is S.CLAIMED


@pytest.mark.parametrize("state", sorted(RESTING | {S.CLAIMED}))
def test_a_proof_of_the_end_ends_an_order(state: OrderState) -> None:
    """A status joined with its fills ends an order that the broker had."""
    assert next_state(state, I.PROVEN_CANCELLED) is S.CANCELLED
    assert next_state(state, I.PROVEN_REJECTED) is S.REJECTED


@pytest.mark.parametrize("state", sorted(RESTING | {S.CLAIMED, S.CANCELLED, S.REJECTED}))
def test_an_order_proven_alive_is_alive(state: OrderState) -> None:
    """A status joined with its fills that says alive makes the order live, from a claim too."""
    assert next_state(state, I.PROVEN_ALIVE) in RESTING


@pytest.mark.parametrize(
    ("state", "happened"), [p for p in LISTED if p[0] in (S.FILLED, S.CANCELLED, S.REJECTED)]
)
def test_an_order_that_was_over_lives_again_only_by_proof(
    state: OrderState, happened: OrderInput
) -> None:
    """An order whose end was proven is live again only by a proof that it lives, or that the end was
    that of another order.
    """
    if next_state(state, happened) not in TERMINAL:
        assert happened in (I.PROVEN_ALIVE, I.UNNAMED)


@pytest.mark.parametrize(
    ("state", "happened"), [p for p in LISTED if p[0] in (S.REFUSED, S.NOT_PLACED)]
)
def test_an_order_the_broker_never_had_lives_only_when_the_broker_has_it(
    state: OrderState, happened: OrderInput
) -> None:
    """Refused or declared not placed is undone only by a word that the broker has the order."""
    has_it = {I.ACCEPTED, I.SEEN_TRIGGER_PENDING, I.SEEN_OPEN, I.PROVEN_ALIVE} | FILLS
    if next_state(state, happened) not in TERMINAL:
        assert happened in has_it


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_a_claim_of_the_end_moves_no_order_that_is_over(state: OrderState) -> None:
    """A status row that says over, once more, changes nothing about a terminal order."""
    assert next_state(state, I.SEEN_OVER) is state


@pytest.mark.parametrize(("state", "happened"), LISTED)
def test_an_answered_order_is_never_unanswered_again(
    state: OrderState, happened: OrderInput
) -> None:
    """Once the broker's word on the placement is known it is not forgotten, unless that word turns
    out to be about another order, or the broker does not stand by it.
    """
    if state not in UNANSWERED and happened not in (I.UNNAMED, I.GONE):
        assert next_state(state, happened) not in UNANSWERED


def test_a_lost_answer_makes_only_an_unanswered_order_unknown() -> None:
    """A timeout leaves what is known of an order alone; without an answer it is unknown."""
    assert next_state(S.IN_FLIGHT, I.LOST) is S.UNKNOWN
    assert [s for s in OrderState if next_state(s, I.LOST) is not s] == [S.IN_FLIGHT]


def test_a_triggered_order_does_not_wait_again() -> None:
    """Old news that an order waits for its trigger does not undo that it is open."""
    assert next_state(S.OPEN, I.SEEN_TRIGGER_PENDING) is S.OPEN


# ---------------------------------------------------------------- the order itself


@given(st.lists(st.sampled_from(sorted(FROM_BROKER)), max_size=30))
def test_no_story_of_a_broker_breaks_an_order(story: list[OrderInput]) -> None:
    """Any sequence of a broker's words is met, and an order has an end exactly while it is over."""
    order = order_in()
    for at_ms, happened in enumerate(story, 1):
        order.meet(happened, at_ms)

        assert order.live == (order.state not in TERMINAL)
        assert (order.closed_at_ms is None) == order.live
        assert order.changed_at_ms == at_ms


def test_a_waiting_order_seen_open_has_triggered() -> None:
    """A stop-limit order that was waiting for its trigger and is open has triggered."""
    order = order_in(S.TRIGGER_PENDING)
    order.meet(I.SEEN_OPEN, 5_000)

    assert order.state is S.OPEN
    assert order.triggered_at_ms == 5_000


@pytest.mark.parametrize("before", [S.ACCEPTED, S.TRIGGER_PENDING])
def test_a_stop_limit_order_that_fills_in_part_has_triggered(before: OrderState) -> None:
    """A stop-limit order cannot fill before its trigger, so a partial fill shows that it has."""
    order = order_in(before)
    order.meet(I.FILLED_PART, 5_000)

    assert order.triggered_at_ms == 5_000


def test_the_first_moment_of_the_trigger_is_kept() -> None:
    """News of an open order does not move the moment at which it was seen to trigger."""
    order = order_in(S.TRIGGER_PENDING)
    for at_ms in (5_000, 6_000):
        order.meet(I.SEEN_OPEN, at_ms)

    assert order.triggered_at_ms == 5_000


def test_what_may_still_fill() -> None:
    """A live order may still fill what remains of it, an order that is over nothing."""
    order = order_in(S.OPEN)
    order.filled_quantity = 260
    alive = order.open_quantity
    order.meet(I.PROVEN_CANCELLED, 1)

    assert alive == 390
    assert (order.remaining, order.open_quantity) == (390, 0)


# ---------------------------------------------------------------- the picture


def test_the_picture_shows_every_change_of_state() -> None:
    """The diagram names each transition that changes a state, and nothing else."""
    drawn = set()
    for line in mermaid().splitlines()[2:]:
        match = re.fullmatch(r" +(\w+) --> (\w+): (.+)", line)
        assert match is not None, line
        drawn |= {(match[1], happened, match[2]) for happened in match[3].split(", ")}
    table = {
        (state.value, happened.value, TRANSITIONS[state][happened].value)
        for state, happened in LISTED
        if TRANSITIONS[state][happened] is not state
    }

    assert mermaid().startswith("stateDiagram-v2\n    [*] --> in_flight\n")
    assert drawn == table


def test_the_page_shows_the_table() -> None:
    """The diagram in docs/order-states.md is that of the table, line by line."""
    if not DOC.is_file():
        pytest.skip("docs/order-states.md is not written yet")
    lines = {line.strip() for line in DOC.read_text("utf-8").splitlines()}
    arrows = {line for line in lines if re.match(r"[\w\[*\]]+ --> ", line)}

    assert [line for line in mermaid().splitlines() if line.strip() not in lines] == []
    assert arrows <= {line.strip() for line in mermaid().splitlines()}
