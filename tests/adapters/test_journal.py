"""The journal: steps are stored whole, for good, and only in files that are journals."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from baseline_v1_live.adapters.journal import (
    MIGRATIONS,
    Journal,
    JournalError,
    OrderRecord,
    PositionRecord,
    TradeRecord,
)
from baseline_v1_live.core.instruments import OptionType
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
    PlaceOrder,
    Purpose,
    QueryOrder,
    Request,
    SaveSummary,
    SetTimer,
    Side,
    SnapshotTaken,
    Started,
    Stop,
    TakeSnapshot,
    Tick,
    TimerDue,
)
from baseline_v1_live.core.session import at_ist

ROOT = Path(__file__).resolve().parents[2]
DAY = "2026-12-29"
AT = at_ist(dt.date(2026, 12, 29), dt.time(9, 30))
CALL = "NIFTY29DEC2626000CE"

ENTRY = OrderRecord(
    order_id=f"{DAY}-entry-1",
    session=DAY,
    symbol=CALL,
    side=Side.SELL,
    order_type=OrderType.SL,
    purpose=Purpose.ENTRY,
    quantity=650,
    trigger_price_paise=12_995,
    limit_price_paise=12_695,
    state="working",
)
SHORT = PositionRecord(
    position_id=f"{DAY}-position-1",
    session=DAY,
    symbol=CALL,
    option_type=OptionType.CE,
    lot_size=65,
    quantity=-650,
    sold_quantity=650,
    sold_value_paise=8_446_750,
    bought_quantity=0,
    bought_value_paise=0,
    stop_trigger_paise=14_000,
    swing_low_paise=13_000,
    risk_per_unit_paise=1_000,
    opened_at_ms=AT,
)
TRADE = TradeRecord(
    position_id=SHORT.position_id,
    session=DAY,
    symbol=CALL,
    quantity=650,
    entry_value_paise=8_446_750,
    exit_value_paise=7_800_000,
    entry_at_ms=AT,
    exit_at_ms=AT + 60_000,
    stop_trigger_paise=14_000,
    exit_reason="EOD_EXIT",
    pnl_paise=646_750,
    r_milli=995,
)
SUMMARY = SaveSummary(
    date=DAY, exit_reason="EOD_EXIT", r_milli=995, pnl_paise=646_750, charges_paise=9_900, trades=1
)
PLACE = PlaceOrder(
    order_id=ENTRY.order_id,
    symbol=CALL,
    side=Side.SELL,
    order_type=OrderType.SL,
    purpose=Purpose.ENTRY,
    quantity=650,
    trigger_price_paise=12_995,
    limit_price_paise=12_695,
)


def due(seq: int) -> TimerDue:
    return TimerDue(seq=seq, at_ms=AT + seq)


def tick(seq: int) -> Tick:
    return Tick(seq=seq, at_ms=AT + seq, symbol=CALL, ltp_paise=13_000)


@pytest.fixture
def journal() -> Iterator[Journal]:
    with Journal.in_memory() as opened:
        yield opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """What another program sees in the file."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


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


def test_a_summary_is_saved_once(path: Path) -> None:
    """The first summary of a day stays, whatever is said later."""
    with Journal.open(path) as journal:
        assert journal.summary(DAY) is None
        journal.commit(due(1), [SUMMARY])
        journal.commit(due(2), [msgspec.structs.replace(SUMMARY, pnl_paise=0, trades=0)])

        assert journal.summary(DAY) == SUMMARY
        assert len(list(journal.commands())) == 2
    assert rows(path, "SELECT session, saved_at_ms FROM daily_summary") == [(DAY, AT + 1)]


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


# Failures while storing


def test_a_locked_journal_is_one_line(path: Path) -> None:
    """A step that another writer keeps out fails with one line, and succeeds when he is gone."""
    with Journal.open(path, busy_timeout_ms=1) as journal:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError) as caught:
            journal.commit(due(1), [PLACE])
        other.close()

        assert str(caught.value) == f"{path}: step 1 was not stored: database is locked"
        journal.commit(due(1), [PLACE])
        assert list(journal.events()) == [due(1)]


def test_a_full_disk_loses_only_the_step(path: Path) -> None:
    """A step that does not fit is stored not at all, and the journal goes on when there is room."""
    big = Notify(level=Level.LOG, tag="X", text="x" * 100_000)
    with Journal.open(path) as journal:
        journal.commit(due(1), [PLACE], [ENTRY])
        # The limit belongs to the connection, so it has to be set on the journal's own one.
        pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
        journal._db.execute(f"PRAGMA max_page_count = {pages + 2}")
        changed = msgspec.structs.replace(ENTRY, state="cancelled")
        with pytest.raises(JournalError, match="step 2 was not stored: database or disk is full"):
            journal.commit(due(2), [PLACE, big], [changed])

        assert [event.seq for event in journal.events()] == [1]
        assert list(journal.commands()) == [PLACE]
        assert journal.orders() == [ENTRY]

        journal._db.execute("PRAGMA max_page_count = 100000")
        journal.commit(due(2), [big], [changed])
        assert journal.orders() == [changed]


def test_a_number_too_large_loses_only_the_step(journal: Journal) -> None:
    """A record that no column can hold fails its step whole and leaves no open transaction."""
    with pytest.raises(JournalError, match="step 1 was not stored"):
        journal.commit(due(1), [PLACE], [msgspec.structs.replace(ENTRY, quantity=2**70)])

    journal.commit(due(1))
    assert (list(journal.events()), list(journal.commands())) == ([due(1)], [])


def test_a_closed_journal_says_so() -> None:
    """After closing, writing and reading fail with the journal's own error."""
    with Journal.in_memory() as journal:
        pass
    journal.close()

    with pytest.raises(JournalError):
        journal.commit(due(1))
    with pytest.raises(JournalError):
        journal.orders()


def test_an_unreadable_message_is_named(path: Path) -> None:
    """A message that this program does not know is an error that names its step."""
    with Journal.open(path) as journal:
        rows_added = sqlite3.connect(path)
        rows_added.execute(
            "INSERT INTO events VALUES (4, '', '', 1, 'Moved', '{\"type\":\"Moved\"}')"
        )
        rows_added.commit()
        rows_added.close()

        with pytest.raises(JournalError, match="step 4 cannot be read"):
            list(journal.events())


# A killed process


def write_until_killed(path: Path) -> None:
    """What the child does: store a step, say so, and again."""
    with Journal.open(path) as journal:
        for seq in itertools.count(1):
            order = msgspec.structs.replace(
                ENTRY, order_id=f"entry-{seq}", filled_quantity=seq, filled_value_paise=seq
            )
            position = msgspec.structs.replace(SHORT, quantity=-seq)
            journal.commit(due(seq), [PLACE, PLACE], [order], [position])
            sys.stdout.write(f"{seq}\n")
            sys.stdout.flush()


def test_a_kill_loses_nothing_that_was_stored(path: Path) -> None:
    """After a kill at any moment the journal holds whole steps only, and each that returned."""
    child = subprocess.Popen(
        [sys.executable, __file__, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    said = [int(child.stdout.readline()) for _ in range(60)]
    child.kill()
    # What was in the pipe at the kill counts too; a line cut short does not.
    rest, _ = child.communicate()
    said += [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]

    with Journal.open(path) as journal:
        stored = [event.seq for event in journal.events()]
        assert stored == list(range(1, len(stored) + 1))
        # The last commit may have finished without a word of it.
        assert len(stored) - len(said) in (0, 1)
        assert len(list(journal.commands())) == 2 * len(stored)
        assert [order.filled_quantity for order in journal.orders()] == stored
        assert [position.quantity for position in journal.positions()] == [-stored[-1]]
        assert journal.last_seq() == stored[-1]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(path, "SELECT count(*) FROM fills") == [(len(stored),)]


# Opening


def test_pragmas_are_really_set(path: Path) -> None:
    """The connection that writes waits for the disk, keeps a log, and checks references."""
    with Journal.open(path) as journal:
        assert journal.pragmas() == {
            "journal_mode": "wal",
            "synchronous": 2,
            "busy_timeout": 5_000,
            "foreign_keys": 1,
            "user_version": len(MIGRATIONS),
        }


def test_references_are_checked(journal: Journal) -> None:
    """A fill without its order cannot be stored."""
    with pytest.raises(sqlite3.IntegrityError):
        journal._db.execute("INSERT INTO fills VALUES ('nobody', 1, 1, 1)")


def test_an_empty_file_becomes_a_journal(path: Path) -> None:
    """A file of no bytes is a journal in which nothing happened, and needs no copy."""
    path.touch()

    with Journal.open(path) as journal:
        assert journal.pragmas()["user_version"] == len(MIGRATIONS)
        assert list(journal.events()) == []
    assert [file.name for file in path.parent.iterdir()] == ["journal.db"]


LATER = (*MIGRATIONS, "ALTER TABLE orders ADD COLUMN colour TEXT; CREATE TABLE more (x INTEGER)")


def test_an_older_journal_is_copied_and_migrated(path: Path) -> None:
    """An older file keeps what it holds, gets the newer tables, and its copy stays as it was."""
    with Journal.open(path) as journal:
        journal.commit(due(1), [PLACE], [ENTRY])

    with Journal.open(path, migrations=LATER) as journal:
        assert journal.pragmas()["user_version"] == len(LATER)
        assert list(journal.events()) == [due(1)]
        assert journal.orders() == [ENTRY]
    assert rows(path, "SELECT colour FROM orders") == [(None,)]

    copy = path.with_name(f"journal.db.v{len(MIGRATIONS)}.bak")
    with Journal.open(copy) as journal:
        assert list(journal.events()) == [due(1)]
    assert {file.name for file in path.parent.iterdir()} == {path.name, copy.name}


def test_a_failed_migration_changes_nothing(path: Path) -> None:
    """A migration that breaks half way leaves the older journal as it was, ready for use."""
    with Journal.open(path) as journal:
        journal.commit(due(1))
    broken = (*MIGRATIONS, "CREATE TABLE more (x INTEGER); INSERT INTO nowhere VALUES (1)")

    with pytest.raises(JournalError, match="no such table: nowhere"):
        Journal.open(path, migrations=broken)

    with Journal.open(path) as journal:
        assert list(journal.events()) == [due(1)]
    assert rows(path, "SELECT name FROM sqlite_master WHERE name = 'more'") == []


def test_a_newer_journal_is_refused(path: Path) -> None:
    """A file of a newer program is refused in one line and stays as it is."""
    Journal.open(path, migrations=LATER).close()
    before = path.read_bytes()

    assert refusal(path) == (
        f"{path} is of a newer program (schema {len(LATER)}, this one knows {len(MIGRATIONS)}): "
        "use that program, or another file"
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database\n", b"x" * 5_000], ids=["short", "long"])
def test_a_file_that_is_no_database_is_refused(path: Path, content: bytes) -> None:
    """A file of something else is refused in one line and stays as it is."""
    path.write_bytes(content)

    assert refusal(path) == f"{path} cannot be opened as a journal: file is not a database"
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(path: Path) -> None:
    """Tables of somebody else are not mixed with ours."""
    rows(path, "CREATE TABLE theirs (x INTEGER)")

    assert refusal(path) == f"{path} is a database of another program"


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """A folder that does not exist, or is none, is named in one line and not created."""
    missing = tmp_path / "state" / "journal.db"
    assert refusal(missing) == f"{missing}: the folder {missing.parent} does not exist"
    assert not missing.parent.exists()

    missing.parent.write_text("a file", "utf-8")
    assert refusal(missing) == f"{missing}: the folder {missing.parent} does not exist"


def test_a_folder_in_the_files_place_is_refused(path: Path) -> None:
    """A folder where the file should be is one line."""
    path.mkdir()

    assert refusal(path) == f"{path} cannot be opened as a journal: unable to open database file"


def test_what_cannot_be_written_is_refused(path: Path) -> None:
    """A folder without permission to write, and a file that can only be read, are one line each."""
    Journal.open(path).close()
    path.chmod(0o400)
    with suppress(PermissionError), path.open("ab"):
        pytest.skip("this user may write everywhere")
    assert refusal(path).startswith(f"{path} cannot be opened as a journal: ")

    folder = path.parent / "state"
    folder.mkdir(mode=0o500)
    assert refusal(folder / "journal.db").startswith(f"{folder}/journal.db cannot be opened")


def refusal(path: Path) -> str:
    with pytest.raises(JournalError) as caught:
        Journal.open(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The document


def test_document_explains_every_column(path: Path) -> None:
    """The page on the journal has each table as a heading with each of its columns below."""
    Journal.open(path).close()
    text = (ROOT / "docs" / "journal.md").read_text("utf-8")
    explained = {
        heading: set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\|([^|]*)\|", body, re.M))))
        for heading, body in re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", text, re.M | re.S)
    }

    tables = rows(
        path,
        "SELECT tables.name, columns.name FROM sqlite_master AS tables "
        "JOIN pragma_table_info(tables.name) AS columns "
        "WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'",
    )
    existing: dict[str, set[str]] = {}
    for table, column in tables:
        existing.setdefault(table, set()).add(column)
    assert explained == existing


def test_documents_questions_can_be_asked(path: Path) -> None:
    """The page's example queries run on a journal."""
    with Journal.open(path) as journal:
        journal.commit(due(1), [PLACE], [ENTRY], [SHORT], [TRADE])
    text = (ROOT / "docs" / "journal.md").read_text("utf-8")
    found = re.search(r"```sql\n(.*?)```", text, re.S)
    assert found is not None

    questions = [question for question in found[1].split(";\n") if question.strip()]
    assert [len(rows(path, question)) for question in questions] == [1, 1, 0]


if __name__ == "__main__":
    write_until_killed(Path(sys.argv[1]))
