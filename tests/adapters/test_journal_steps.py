"""Steps are stored whole and for good, and read back as they were."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest

from baseline_v1_live.adapters.journal import Journal, JournalError
from baseline_v1_live.core.messages import (
    Bar,
    BarsLoaded,
    BrokerOrder,
    BrokerPosition,
    BrokerStatus,
    BrokerTrade,
    CancelOrder,
    Command,
    Event,
    Filled,
    Level,
    ModifyOrder,
    Notify,
    OperatorSaid,
    OrderAccepted,
    OrderType,
    OrderUpdated,
    QueryOrder,
    Request,
    SetTimer,
    Side,
    SnapshotTaken,
    Started,
    Stop,
    TakeSnapshot,
)
from tests.adapters.journal_desk import (
    AT,
    CALL,
    DAY,
    ENTRY,
    PLACE,
    SHORT,
    SUMMARY,
    TRADE,
    due,
    rows,
    tick,
)

# Storing and reading back


def test_messages_come_back_as_they_were(journal: Journal) -> None:
    """Every kind of event and command is read back equal, in its order."""
    events: list[Event] = [
        Started(seq=1, at_ms=AT, mode="paper"),
        OrderAccepted(
            seq=2, at_ms=AT, order_id="a", request=Request.PLACE, broker_order_id="26122900001"
        ),
        OrderUpdated(
            seq=4, at_ms=AT, broker_order_id="b", symbol=CALL, status=BrokerStatus.OPEN, proven=True
        ),
        Filled(
            seq=5, at_ms=AT, exchange_at_ms=AT - 20, broker_order_id="b", symbol=CALL,
            side=Side.SELL, filled_quantity=65, filled_value_paise=844_675,
        ),
        SnapshotTaken(
            seq=9, at_ms=AT, asked_at_ms=AT - 5,
            orders=(
                BrokerOrder(
                    broker_order_id="b", symbol=CALL, side=Side.SELL, order_type=OrderType.SL,
                    quantity=650, trigger_price_paise=1, limit_price_paise=1,
                    status=BrokerStatus.TRIGGER_PENDING, message="₹",
                ),
            ),
            trades=(
                BrokerTrade(
                    broker_order_id="b", symbol=CALL, side=Side.SELL,
                    filled_quantity=65, filled_value_paise=844_675,
                ),
            ),
            positions=(BrokerPosition(symbol=CALL, net_quantity=-65),),
        ),
        OperatorSaid(seq=10, at_ms=AT, verb="pause"),
    ]  # fmt: skip
    commands: list[Command] = [
        PLACE,
        ModifyOrder(
            order_id="a", broker_order_id="b", symbol=CALL, side=Side.SELL,
            order_type=OrderType.SL, quantity=65, trigger_price_paise=2, limit_price_paise=1,
        ),
        CancelOrder(order_id="a", broker_order_id="b"),
        QueryOrder(order_id="a", broker_order_id="b"),
        TakeSnapshot(reason="start"),
        Notify(level=Level.LOG, tag="ENTRY", text="sold"),
        Stop(reason="bug"),
    ]  # fmt: skip

    for event in events:
        journal.commit(event, commands if event.seq == 5 else ())

    assert list(journal.events()) == events
    assert list(journal.events(after_seq=5)) == events[-2:]
    assert list(journal.commands()) == commands
    assert list(journal.commands(after_seq=5)) == []


def test_records_come_back_as_they_were(journal: Journal) -> None:
    """Orders, positions and trades are read back equal, by session or all."""
    older = msgspec.structs.replace(ENTRY, order_id="2026-12-28-entry-1", session="2026-12-28")
    full = msgspec.structs.replace(
        ENTRY, broker_order_id="b", position_id=SHORT.position_id, filled_quantity=650,
        filled_value_paise=8_446_750, placed_at_ms=AT, closed_at_ms=AT, reason="points nearest",
        message="complete",
    )  # fmt: skip
    closed = msgspec.structs.replace(SHORT, quantity=0, closed_at_ms=AT, exit_reason="EOD_EXIT")

    journal.commit(due(1), orders=[older, full], positions=[closed], trades=[TRADE])

    assert journal.orders() == [older, full]
    assert journal.orders(DAY) == [full]
    assert journal.positions(DAY) == [closed]
    assert journal.trades(DAY) == [TRADE]
    assert journal.trades("2026-12-28") == []


def test_an_event_row_can_be_read_by_a_person(path: Path) -> None:
    """An event's row says the day, the time in IST and the kind beside the whole event."""
    with Journal.open(path) as journal:
        journal.commit(OperatorSaid(seq=3, at_ms=AT, verb="pause"), [PLACE])

    assert rows(path, "SELECT seq, session, at, at_ms, kind FROM events") == [
        (3, DAY, "2026-12-29T09:30:00+05:30", AT, "OperatorSaid")
    ]
    assert rows(path, "SELECT id, seq, at_ms, kind FROM commands") == [(1, 3, AT, "PlaceOrder")]
    assert rows(path, "SELECT json_extract(body, '$.verb') FROM events") == [("pause",)]


def test_a_reopened_journal_goes_on(path: Path) -> None:
    """What was stored is there after closing, and the sequence goes on behind it."""
    with Journal.open(path) as journal:
        assert journal.last_seq() == 0
        journal.commit(due(1))
        journal.commit(tick(7), [PLACE])

    with Journal.open(path) as journal:
        assert journal.last_seq() == 7
        journal.commit(due(8))
        assert [event.seq for event in journal.events()] == [1, 8]


# What is stored and what is not


def test_ticks_are_not_stored_but_their_commands_are(journal: Journal) -> None:
    """A tick leaves no event, yet what it caused is stored under its number."""
    journal.commit(tick(1), [PLACE, SetTimer(due_at_ms=AT)], [ENTRY])
    journal.commit(BarsLoaded(seq=2, at_ms=AT, symbol=CALL, bars=()), [TakeSnapshot(reason="x")])

    assert list(journal.events()) == []
    assert list(journal.commands()) == [PLACE, TakeSnapshot(reason="x")]
    assert journal.orders() == [ENTRY]


def test_nothing_to_store_writes_nothing(path: Path) -> None:
    """A tick that changes nothing needs no transaction, even while another writer holds the file."""
    with Journal.open(path, busy_timeout_ms=0) as journal:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        journal.commit(tick(1), [SetTimer(due_at_ms=AT)])

        with pytest.raises(JournalError):
            journal.commit(due(2))
        other.close()


@pytest.mark.parametrize(
    "event",
    [tick(1), BarsLoaded(seq=1, at_ms=AT, symbol=CALL, bars=(Bar(AT, 1, 1, 1, 1, 1),))],
    ids=lambda event: type(event).__name__,
)
def test_market_data_belongs_to_the_recorder(journal: Journal, event: Event) -> None:
    """Storing a tick or bars as an event is refused, by the code and by the table."""
    with pytest.raises(ValueError, match="recorder"):
        journal.append(event)

    journal.append(due(1))
    assert list(journal.events()) == [due(1)]


def test_table_refuses_market_data(path: Path) -> None:
    """Another program cannot put ticks among the events either."""
    Journal.open(path).close()

    with pytest.raises(sqlite3.IntegrityError):
        rows(path, "INSERT INTO events VALUES (1, '', '', 1, 'Tick', '{}')")


def test_fills_follow_from_the_orders(path: Path) -> None:
    """Each further filled quantity of an order is one row, when it was first known."""
    with Journal.open(path) as journal:
        for seq, quantity in ((1, 0), (2, 65), (3, 65), (4, 650)):
            value = quantity * 12_995
            order = msgspec.structs.replace(
                ENTRY, filled_quantity=quantity, filled_value_paise=value
            )
            journal.commit(due(seq), orders=[order])

    assert rows(path, "SELECT * FROM fills ORDER BY at_ms") == [
        (ENTRY.order_id, 65, 65 * 12_995, AT + 2),
        (ENTRY.order_id, 650, 650 * 12_995, AT + 4),
    ]


def test_a_plain_position_has_one_leg(path: Path) -> None:
    """A position's leg is the sale that it is, however often the position is stored."""
    with Journal.open(path) as journal:
        journal.commit(due(1), positions=[SHORT])
        journal.commit(due(2), positions=[msgspec.structs.replace(SHORT, quantity=0)])

    assert rows(path, "SELECT * FROM position_legs") == [(SHORT.position_id, 1, CALL, "SELL", 1)]


def test_a_later_summary_takes_the_place_of_the_one_before(path: Path) -> None:
    """A day has one summary, the newest: a late fill has corrected the one before."""
    corrected = msgspec.structs.replace(SUMMARY, pnl_paise=0, trades=0)
    with Journal.open(path) as journal:
        assert journal.summary(DAY) is None
        journal.commit(due(1), [SUMMARY])
        assert journal.summary(DAY) == SUMMARY
        journal.commit(due(2), [corrected])

        assert journal.summary(DAY) == corrected
        assert len(list(journal.commands())) == 2
    assert rows(path, "SELECT session, saved_at_ms FROM daily_summary") == [(DAY, AT + 2)]


# Idempotent where it may be, append-only where it must be


def test_records_may_be_stored_again(journal: Journal) -> None:
    """Storing a record again changes nothing, and storing it changed replaces it in its place."""
    second = msgspec.structs.replace(ENTRY, order_id=f"{DAY}-entry-2")
    filled = msgspec.structs.replace(ENTRY, filled_quantity=650, filled_value_paise=8_446_750)
    for seq in (1, 2):
        journal.commit(due(seq), (), [ENTRY, second], [SHORT], [TRADE])
    journal.commit(due(3), orders=[filled])

    assert journal.orders() == [filled, second]
    assert journal.positions() == [SHORT]
    assert journal.trades() == [TRADE]


def test_an_event_is_stored_once(journal: Journal) -> None:
    """A number that is used again is refused, and nothing else of that step is stored."""
    journal.commit(due(1))

    with pytest.raises(JournalError, match="step 1 was not stored"):
        journal.commit(OperatorSaid(seq=1, at_ms=AT, verb="kill"), [PLACE], [ENTRY])

    assert list(journal.events()) == [due(1)]
    assert list(journal.commands()) == []
    assert journal.orders() == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET body = '{}'",
        "UPDATE commands SET body = '{}'",
        "DELETE FROM events",
        "DELETE FROM commands",
        "INSERT OR REPLACE INTO events SELECT seq, session, at, at_ms, kind, '{}' FROM events",
        "INSERT OR REPLACE INTO commands SELECT id, seq, at_ms, kind, '{}' FROM commands",
    ],
)
def test_events_and_commands_are_append_only(path: Path, statement: str) -> None:
    """No program can change or remove an event or a command."""
    with Journal.open(path) as journal:
        journal.commit(OperatorSaid(seq=1, at_ms=AT, verb="kill"), [PLACE])

        with pytest.raises(sqlite3.IntegrityError):
            rows(path, statement)

        assert list(journal.events()) == [OperatorSaid(seq=1, at_ms=AT, verb="kill")]
        assert list(journal.commands()) == [PLACE]
