"""A kill is in time: no entry leaves after it, and what takes back and closes finds room at once."""

from __future__ import annotations

import asyncio

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.limiter import Limits, OrderLimiter, Urgency
from baseline_v1_live.adapters.openalgo.wire.outcomes import NotSent
from baseline_v1_live.core.messages import OperatorSaid, OrderRefused, Purpose, Started
from baseline_v1_live.core.rules import Rules
from baseline_v1_live.simulate.loop import run_simulated
from tests.adapters.openalgo.client_desk import OK
from tests.adapters.openalgo.gateway import KEY, gateway
from tests.harness import Desk
from tests.harness_market import C260
from tests.runtime.live_desk import STARTED, LiveDesk, cancel, ids, place, settle

SENT_WITHIN_MS = 3_000


async def waiting_for_the_disk() -> None:
    desk = LiveDesk()
    desk.disk.busy = True
    desk.engine.on(Started, place("entry"), place("stop", Purpose.STOP))
    desk.engine.on(OperatorSaid, cancel("old"))
    desk.driver.hear(STARTED)
    await settle()
    desk.engine.taken_back.add("entry")
    desk.driver.say("kill")
    desk.disk.busy = False
    desk.disk.write()
    await settle()

    assert sorted(ids(desk.broker.sent)) == ["old", "stop"]
    refused = desk.engine.of(OrderRefused)
    assert [(event.order_id, event.sent) for event in refused] == [("entry", False)]


def test_an_entry_that_waits_for_the_disk_stays_when_a_kill_comes() -> None:
    """It was decided before the kill and has not left: it never does, and the core is told."""
    asyncio.run(waiting_for_the_disk())


def test_a_kill_takes_back_the_entry_that_is_on_its_way() -> None:
    """From the kill's own step on an unanswered entry is one that need not leave."""
    desk = Desk()
    desk.swing_low(C260, 130.00, 139.00)
    entry = desk.full("entry-0001")
    assert not desk.engine.orders.taken_back(entry)
    desk.say("kill")
    assert desk.engine.orders.taken_back(entry)
    desk.refuse("entry-0001", "not wanted any more", sent=False)

    assert list(desk.engine.orders.live()) == []
    desk.advance(300)
    assert desk.placed(Purpose.ENTRY) == ["entry-0001"]


def test_a_stop_or_an_exit_is_never_kept_back() -> None:
    """What protects leaves although it is to be cancelled: only its answer says what it covers."""
    desk = Desk()
    with desk.answered():
        desk.swing_low(C260, 130.00, 139.00)
    desk.fill("entry-0001", 650, 129.95)
    desk.say("kill")

    assert desk.order("stop-0002").cancel_wanted
    assert not desk.engine.orders.taken_back(desk.full("stop-0002"))


async def waiting_for_its_turn() -> None:
    async with gateway() as server, OpenAlgoClient(server.url, KEY) as client:
        server.say("placeorder", (200, {**OK, "orderid": "7"}))
        outcome = await client.place(place("entry"), lambda: False)

        assert isinstance(outcome, NotSent)
        assert server.asked == []


def test_an_entry_that_waits_for_its_turn_stays_when_a_kill_comes() -> None:
    """When its turn comes at the limiter, it is asked once more whether it is wanted."""
    asyncio.run(waiting_for_its_turn())


async def a_full_minute(limits: Limits) -> list[int]:
    """How long each message of a kill takes, after all that entries and chases may use was used."""
    loop = asyncio.get_running_loop()

    def now_ms() -> int:
        return round(loop.time() * 1000)

    limiter = OrderLimiter(limits, now_ms=now_ms)
    for urgency in (Urgency.ENTRY, Urgency.CHASE):
        while await limiter.acquire(urgency, patience_ms=1_500):
            pass
    waiting = [
        asyncio.create_task(limiter.acquire(urgency, patience_ms=60_000))
        for urgency in (Urgency.ENTRY, Urgency.CHASE) * 5
    ]
    since_ms = now_ms()
    took: list[int] = []

    async def leave(urgency: Urgency) -> None:
        await limiter.acquire(urgency)
        took.append(now_ms() - since_ms)

    rules = Rules()
    stops = [leave(Urgency.CANCEL) for _ in range(rules.positions_max)]
    entries = [leave(Urgency.CANCEL) for _ in range(2)]
    await asyncio.gather(*stops, *entries)
    await asyncio.gather(*(leave(Urgency.PROTECT) for _ in range(rules.positions_max)))
    for task in waiting:
        task.cancel()
    return took


def test_a_kill_leaves_within_three_seconds_although_the_limiter_is_full() -> None:
    """All cancels and exits of a full book have room when entries and chases have used up theirs."""
    took = run_simulated(a_full_minute(Limits()))

    assert len(took) == 12
    assert max(took) <= SENT_WITHIN_MS


def test_entries_are_closed_in_the_step_of_the_kill() -> None:
    """The gate is closed when the kill has been heard, and the kill file is looked for four times a
    second: no entry is decided half a second after it.
    """
    desk = Desk()
    desk.say("kill")
    assert desk.engine.gate() is not None
    desk.swing_low(C260, 130.00, 139.00)

    assert desk.placed(Purpose.ENTRY) == []
