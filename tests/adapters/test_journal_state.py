"""What a restart needs, requests to the gateway, and several steps in one transaction."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from baseline_v1_live.adapters.journal import (
    Journal,
    JournalError,
    RequestRecord,
    StateRecord,
    Step,
)
from baseline_v1_live.core.messages import BrokerPosition, SetTimer, SnapshotTaken
from tests.adapters.journal_desk import (
    AT,
    CALL,
    DAY,
    ENTRY,
    PLACE,
    SHORT,
    TRADE,
    due,
    rows,
    tick,
)

ASKED = RequestRecord(
    request_id=1,
    at_ms=AT,
    path="placeorder",
    status=200,
    took_ms=41,
    failure=None,
    sent='{"symbol": "₹"}',
    received='{"status": "success"}',
)
LOST = msgspec.structs.replace(
    ASKED, request_id=2, at_ms=AT + 10, status=None, failure="timeout", received=""
)


def state(key: str, body: bytes, session: str = DAY, kind: str = "order") -> StateRecord:
    return StateRecord(session=session, kind=kind, key=key, body=body)


# State


def test_the_newest_state_of_each_key_counts(journal: Journal) -> None:
    """State is read back by session, each key once with its newest body, in the order of the keys'
    first appearance.
    """
    journal.commit(
        due(1), state=[state("a", b"1"), state("b", b"1"), state("", b"1", kind="flags")]
    )
    journal.commit(due(2), state=[state("a", '"₹"'.encode()), state("c", b"1", "2026-12-28")])
    journal.save_state([state("b", b"2"), state("a", b"3", kind="position")])

    assert journal.state(DAY) == [
        state("a", '"₹"'.encode()),
        state("b", b"2"),
        state("", b"1", kind="flags"),
        state("a", b"3", kind="position"),
    ]
    assert journal.state("2026-12-28") == [state("c", b"1", "2026-12-28")]
    assert journal.state("2026-12-27") == []


def test_a_ticks_state_is_stored(journal: Journal) -> None:
    """A step of a tick without commands leaves its state, and nothing else."""
    journal.commit(tick(1), state=[state("a", b"1")])

    assert journal.state(DAY) == [state("a", b"1")]
    assert list(journal.events()) == []


def test_state_belongs_to_its_step(journal: Journal) -> None:
    """A step that is not stored leaves the state as it was before."""
    journal.commit(due(1), state=[state("a", b"1")])
    with pytest.raises(JournalError, match="step 1 was not stored"):
        journal.commit(due(1), state=[state("a", b"2"), state("b", b"2")])

    assert journal.state(DAY) == [state("a", b"1")]


def test_a_person_can_read_the_state(path: Path) -> None:
    """SQLite's own JSON functions read the bodies."""
    with Journal.open(path) as journal:
        journal.save_state([state("a", b'{"quantity":650}')])

    query = "SELECT key, json_extract(body, '$.quantity') FROM restart_state"
    assert rows(path, query) == [("a", 650)]


# Requests


def test_the_number_of_the_last_request_is_that_of_all_runs(journal: Journal) -> None:
    """A restart numbers its questions on from here; a new journal has none."""
    assert journal.last_request_id() == 0
    journal.save_requests([ASKED, LOST])
    assert journal.last_request_id() == max(ASKED.request_id, LOST.request_id)


def test_requests_come_back_as_they_were(journal: Journal) -> None:
    """Requests are read back equal from an instant on; numbers may come again after a restart."""
    again = msgspec.structs.replace(ASKED, at_ms=AT + 20)
    journal.save_requests([ASKED, LOST])
    journal.save_requests([again])
    journal.save_requests([])

    assert journal.requests() == [ASKED, LOST, again]
    assert journal.requests(since_ms=AT + 10) == [LOST, again]


def test_requests_are_stored_all_or_none(journal: Journal) -> None:
    """One request that no column can hold keeps the others out as well."""
    with pytest.raises(JournalError, match="requests to the gateway were not stored"):
        journal.save_requests([ASKED, msgspec.structs.replace(LOST, took_ms=2**70)])

    assert journal.requests() == []


# Groups


def test_a_group_is_what_its_steps_are(path: Path) -> None:
    """Several steps stored together leave the same rows as the steps stored one by one."""
    filled = msgspec.structs.replace(ENTRY, filled_quantity=65, filled_value_paise=844_675)
    steps = [
        Step(due(1), [PLACE, SetTimer(due_at_ms=AT)], [ENTRY], state=[state("a", b"1")]),
        Step(tick(2), [PLACE]),
        Step(due(3), [], [filled], [SHORT], state=[state("a", b"2")]),
        Step(due(4), (), (), [SHORT], [TRADE]),
    ]
    single = path.with_name("single.db")
    with Journal.open(path) as together, Journal.open(single) as alone:
        together.commit_steps(steps)
        together.commit_steps([])
        for step in steps:
            alone.commit_steps([step])

    tables = ("events", "commands", "orders", "fills", "positions", "trades", "restart_state")
    for table in tables:
        query = f"SELECT * FROM {table}"
        assert rows(path, query) == rows(single, query) != []


def test_a_group_is_stored_whole_or_not_at_all(journal: Journal) -> None:
    """One bad step keeps its group out; the others can be stored without it."""
    bad = msgspec.structs.replace(ENTRY, quantity=2**70)
    with pytest.raises(JournalError, match="steps 1 to 3 were not stored"):
        journal.commit_steps([Step(due(1)), Step(due(2), orders=[bad]), Step(due(3))])
    assert list(journal.events()) == []

    journal.commit_steps([Step(due(1)), Step(due(3))])
    assert [event.seq for event in journal.events()] == [1, 3]


def test_equal_books_are_stored_once_within_a_group(journal: Journal) -> None:
    """A snapshot equal to the one before it is left out, in a group, over groups, and never because
    of one that was not stored.
    """

    def books(seq: int, quantity: int) -> Step:
        positions = (BrokerPosition(symbol=CALL, net_quantity=quantity),)
        event = SnapshotTaken(
            seq=seq, at_ms=AT, asked_at_ms=AT, orders=(), trades=(), positions=positions
        )
        return Step(event)

    journal.commit_steps([books(1, -65), books(2, -65), Step(due(3)), books(4, 0)])
    journal.commit_steps([books(5, 0), books(6, -65)])
    with pytest.raises(JournalError):
        journal.commit_steps([books(7, 0), Step(due(6))])
    journal.commit_steps([books(8, -65), books(9, 0)])

    assert [event.seq for event in journal.events()] == [1, 3, 4, 6, 9]
