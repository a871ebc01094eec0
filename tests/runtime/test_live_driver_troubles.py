"""The live driver in trouble: a disk that is slow or says no, adapters and an engine that break."""

from __future__ import annotations

import asyncio

import pytest

from baseline_v1_live.core.messages import (
    Command,
    DataEnded,
    EntriesAllowed,
    EntriesBlocked,
    Event,
    FeedBack,
    FeedSilent,
    FetchQuote,
    HistoryFailed,
    InvariantError,
    Level,
    LoadHistory,
    OperatorSaid,
    OrderRefused,
    OutcomeUnknown,
    Purpose,
    QueryOrder,
    Request,
    Side,
    SnapshotFailed,
    Started,
    TakeSnapshot,
    Tick,
)
from tests.harness_market import C260
from tests.runtime.live_desk import (
    SHORT_PATIENCE_S,
    START_MS,
    STARTED,
    TICK,
    DiskError,
    LiveDesk,
    cancel,
    ids,
    modify,
    place,
    settle,
    until,
)

# ---------------------------------------------------------------- a disk that is slow, or says no

ENTRIES = [place("sell"), modify("more", Side.SELL)]
OTHERS = [
    place("stop", Purpose.STOP),
    place("exit", Purpose.EXIT),
    place("back", Purpose.CORRECTION),
    modify("chase", Side.BUY),
    cancel("gone"),
]


def _refused(desk: LiveDesk) -> list[tuple[str, Request, bool]]:
    return [(e.order_id, e.request, e.sent) for e in desk.engine.of(OrderRefused)]


REFUSED = [("sell", Request.PLACE, False), ("more", Request.MODIFY, False)]


async def slow_disk() -> None:
    desk = LiveDesk(patience_s=SHORT_PATIENCE_S)
    desk.disk.busy = True
    desk.engine.on(Started, *ENTRIES, *OTHERS)
    desk.engine.on(DataEnded, place("sell too"), cancel("gone too"))
    desk.driver.hear(STARTED)
    desk.driver.hear(DataEnded())
    await until(lambda: len(desk.broker.sent) == len(OTHERS) + 1, "sending without the disk")
    await settle()

    assert ids(desk.broker.sent) == [*ids(OTHERS), "gone too"]
    assert _refused(desk) == [*REFUSED, ("sell too", Request.PLACE, False)]
    assert [event.cause for event in desk.engine.of(EntriesBlocked)] == ["journal"]
    assert not desk.engine.of(EntriesAllowed)
    assert desk.keeper.forgot == 0

    desk.disk.busy = False
    desk.disk.write()
    await settle()
    assert [event.cause for event in desk.engine.of(EntriesAllowed)] == ["journal"]
    assert len(desk.engine.of(EntriesBlocked)) == 1
    assert len(desk.broker.sent) == len(OTHERS) + 1


def test_a_slow_disk_stops_entries_and_nothing_else() -> None:
    """An entry whose step is not stored in time never reaches the broker and is answered as not sent;
    stops, exits, corrections and cancels go out. It is said once, and taken back when it is over.
    """
    asyncio.run(slow_disk())


async def bad_disk() -> None:
    desk = LiveDesk()
    desk.disk.bad = DiskError("disk full")
    desk.engine.on(Started, *ENTRIES, *OTHERS)
    desk.driver.hear(STARTED)
    await settle()

    assert ids(desk.broker.sent) == ids(OTHERS)
    assert _refused(desk) == REFUSED
    blocked = desk.engine.of(EntriesBlocked)
    assert [event.cause for event in blocked] == ["journal"]
    assert "disk full" in blocked[0].message
    assert not desk.engine.of(EntriesAllowed)
    failed = len(desk.disk.steps)
    assert desk.keeper.forgot == failed

    desk.disk.bad = None
    desk.driver.hear(STARTED)
    await settle()
    assert desk.keeper.forgot == failed
    assert [event.cause for event in desk.engine.of(EntriesAllowed)] == ["journal"]


def test_a_disk_that_says_no_stops_entries_and_nothing_else() -> None:
    """As a slow one, and everything is to be stored again with the next step."""
    asyncio.run(bad_disk())


async def late_no() -> None:
    desk = LiveDesk(patience_s=SHORT_PATIENCE_S)
    desk.disk.busy = True
    desk.engine.on(Started, place("sell"))
    desk.driver.hear(STARTED)
    await until(lambda: desk.engine.of(OrderRefused), "the refusal")
    desk.disk.write(DiskError("after all not"), count=1)
    await settle()

    assert desk.keeper.forgot == 1
    assert len(desk.engine.of(EntriesBlocked)) == 1
    assert not desk.engine.of(EntriesAllowed)
    assert _refused(desk) == [("sell", Request.PLACE, False)]


def test_a_step_that_fails_late_is_stored_again_too() -> None:
    """Who has stopped waiting for a step still hears that it is not on the disk."""
    asyncio.run(late_no())


async def one_lost() -> None:
    desk = LiveDesk(patience_s=SHORT_PATIENCE_S, calm_s=3_600.0)
    assert await desk.driver.kept()
    desk.disk.bad = DiskError("locked")
    desk.driver.hear(STARTED)
    desk.disk.bad = None
    await settle()
    assert await desk.driver.kept()

    desk.disk.busy = True
    desk.driver.hear(STARTED)
    desk.driver.hear(STARTED)
    assert not await desk.driver.kept()
    desk.disk.write(DiskError("locked"), count=1)
    desk.disk.write()
    await settle()
    assert not await desk.driver.kept()

    desk.disk.busy = False
    desk.driver.hear(STARTED)
    assert await desk.driver.kept()


def test_what_a_step_lost_is_kept_when_a_later_one_has_stored_it() -> None:
    """One that was given before the loss was known does not have it, though it is on the disk."""
    asyncio.run(one_lost())


async def quiet_no() -> None:
    desk = LiveDesk()
    desk.disk.busy = True
    desk.driver.hear(STARTED)
    desk.disk.write(DiskError("no"))
    await settle()

    assert desk.keeper.forgot == 1
    assert len(desk.engine.of(EntriesBlocked)) == 1


def test_a_step_without_orders_that_fails_stops_entries() -> None:
    """Nobody waits for it, and it counts all the same."""
    asyncio.run(quiet_no())


async def back_again() -> None:
    desk = LiveDesk()
    for _ in range(2):
        desk.disk.bad = DiskError("no")
        desk.driver.hear(STARTED)
        await settle()
        desk.disk.bad = None
        desk.driver.hear(STARTED)
        await settle()

    kinds = [type(e) for e in desk.engine.heard if isinstance(e, EntriesBlocked | EntriesAllowed)]
    assert kinds == [EntriesBlocked, EntriesAllowed] * 2


def test_a_second_trouble_of_the_disk_is_said_again() -> None:
    """Once it was well, a new trouble is a new one."""
    asyncio.run(back_again())


async def in_time() -> None:
    desk = LiveDesk()
    desk.engine.on(Started, *ENTRIES)
    desk.driver.hear(STARTED)
    await settle()

    assert ids(desk.broker.sent) == ids(ENTRIES)
    assert not desk.engine.of(OrderRefused)
    assert not desk.engine.of(EntriesBlocked)
    assert not desk.engine.of(EntriesAllowed)


def test_while_the_disk_is_well_entries_go_out() -> None:
    """And nobody hears of it."""
    asyncio.run(in_time())


# ---------------------------------------------------------------- adapters that break


@pytest.mark.parametrize(
    ("command", "request_kind"),
    [
        (place("x"), Request.PLACE),
        (modify("x"), Request.MODIFY),
        (cancel("x"), Request.CANCEL),
        (QueryOrder(order_id="x", broker_order_id="7"), Request.QUERY),
    ],
)
def test_an_order_whose_adapter_breaks_has_an_unknown_outcome(
    command: Command, request_kind: Request
) -> None:
    """It may have been sent before, so it is neither refused nor forgotten."""

    async def story() -> None:
        desk = LiveDesk()
        desk.broker.breaks = RuntimeError("a bug")
        desk.engine.on(Started, command)
        desk.driver.hear(STARTED)
        await settle()
        (heard,) = desk.engine.of(OutcomeUnknown)
        assert (heard.order_id, heard.request) == ("x", request_kind)
        assert "a bug" in heard.message

    asyncio.run(story())


async def broken_books() -> None:
    desk = LiveDesk()
    desk.broker.breaks = RuntimeError("a bug")
    desk.engine.on(Started, TakeSnapshot(reason="test"))
    desk.driver.hear(STARTED)
    await settle()

    assert len(desk.engine.of(SnapshotFailed)) == 1
    assert desk.driver.reconciled_at_ms is None
    assert "a bug" in desk.driver.books_error
    desk.broker.breaks = None
    desk.engine.on(Started, TakeSnapshot(reason="test"))
    desk.driver.hear(STARTED)
    await settle()
    assert (desk.driver.reconciled_at_ms, desk.driver.books_error) == (START_MS, "")


def test_books_whose_adapter_breaks_were_not_read() -> None:
    """That is a failed snapshot, never an empty one."""
    asyncio.run(broken_books())


@pytest.mark.parametrize(
    ("command", "heard"),
    [(LoadHistory(symbol=C260), [HistoryFailed]), (FetchQuote(symbol=C260), [])],
)
def test_prices_whose_source_breaks_are_missing(command: Command, heard: list[type[Event]]) -> None:
    """History failed, so that it is asked for again; of a quote nothing is heard."""

    async def story() -> None:
        desk = LiveDesk()
        desk.prices.answer = RuntimeError("a bug")
        desk.engine.on(Started, command)
        desk.driver.hear(STARTED)
        await settle()
        assert [type(event) for event in desk.engine.heard[1:]] == heard
        assert all(event.symbol == C260 for event in desk.engine.heard[1:])

    asyncio.run(story())


# ---------------------------------------------------------------- a bug of ours


async def broken_engine() -> None:
    desk = LiveDesk()
    desk.engine.break_on(Started, InvariantError("out of step"))
    desk.engine.break_on(Tick, KeyError("again"))
    desk.driver.hear(STARTED)
    (word,) = desk.engine.of(OperatorSaid)
    assert word.verb == "halt"
    (notice,) = desk.notices.said
    assert notice.level is Level.CRITICAL
    assert "out of step" in notice.text

    desk.driver.hear(TICK)
    assert desk.driver.broken == 2
    assert len(desk.notices.said) == 2
    assert len(desk.engine.of(OperatorSaid)) == 1

    desk.engine.on(FeedBack, place("stop", Purpose.STOP))
    desk.driver.hear(FeedBack(source="a"))
    await settle()
    assert ids(desk.broker.sent) == ["stop"]
    assert [event.seq for event in desk.engine.heard] == [1, 2, 3, 4, 5]
    # What broke is no step, so a restart does not take it for one.
    assert desk.disk.events == ["OperatorSaid", "FeedBack", "OrderAccepted"]


def test_a_broken_step_halts_entries_and_the_rest_goes_on() -> None:
    """People are told each time, the core gets one word to halt, and later events lead to orders."""
    asyncio.run(broken_engine())


async def broken_halt() -> None:
    desk = LiveDesk()
    desk.engine.break_on(Started, InvariantError("out of step"))
    desk.engine.break_on(OperatorSaid, InvariantError("still"))
    desk.driver.hear(STARTED)

    assert desk.driver.broken == 2
    assert len(desk.engine.of(OperatorSaid)) == 1
    assert len(desk.notices.said) == 2
    desk.driver.hear(FeedSilent(source="a"))
    assert len(desk.engine.of(FeedSilent)) == 1


def test_a_halt_that_breaks_too_is_not_repeated() -> None:
    """The next event is heard as any other."""
    asyncio.run(broken_halt())
