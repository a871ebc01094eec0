"""Which adapters a mode has, and how they are joined to one day's engine."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from baseline_v1_live.adapters.journal.files import set_aside
from baseline_v1_live.adapters.openalgo.broker import OpenAlgoBroker, OpenAlgoPrices
from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.feed import Feed, FeedState
from baseline_v1_live.adapters.openalgo.transport import Exchanged
from baseline_v1_live.adapters.openalgo.wire.stream import OrderPush
from baseline_v1_live.adapters.openalgo.wire.values import Mode, Unreadable
from baseline_v1_live.adapters.recorder import TickRecorder
from baseline_v1_live.config import Settings
from baseline_v1_live.core.engine import Engine
from baseline_v1_live.core.instruments import Contract
from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerStatus,
    CancelOrder,
    EntriesAllowed,
    EntriesBlocked,
    Event,
    Level,
    ModifyOrder,
    Notify,
    OrderRefused,
    OrderSent,
    OutcomeUnknown,
    PlaceOrder,
    QueryOrder,
    Request,
    SnapshotFailed,
    SnapshotTaken,
    TakeSnapshot,
    Tick,
)
from baseline_v1_live.core.order_states import OrderState
from baseline_v1_live.core.session import Session, at_ist
from baseline_v1_live.live_machine import Machine, Queue
from baseline_v1_live.runtime.checks import Check
from baseline_v1_live.runtime.checks_time import Dated, check_clock, slept_ms
from baseline_v1_live.runtime.clock import Clock
from baseline_v1_live.runtime.console import ConsoleNotifier
from baseline_v1_live.runtime.day import LiveDay
from baseline_v1_live.runtime.dry_run import DryRunBroker
from baseline_v1_live.runtime.feeds import Feeds
from baseline_v1_live.runtime.instance import KillFile
from baseline_v1_live.runtime.live import LiveDriver
from baseline_v1_live.runtime.modes import RunMode
from baseline_v1_live.runtime.ports import Broker, ToBroker
from baseline_v1_live.runtime.records import RequestRecord, StateRecord
from baseline_v1_live.runtime.recovery import SessionKeeper
from baseline_v1_live.sim.exchange import ExchangeModel
from baseline_v1_live.sim.paper_broker import PaperBooksError, PaperBroker

_log = logging.getLogger(__name__)

MAIN_FEED, BACKUP_FEED = "gateway", "backup"
SESSION_BLOCK = "session"
PAPER_BOOKS_NAME = "paper-exchange.json"
ANSWERS_COMPARED = 20
_LATE_MS = 1_000
_KEPT_ENDPOINTS = frozenset({"placeorder", "modifyorder", "cancelorder"})


class Notices:
    """Says what the core and the shell have to say: to a listener, or as lines."""

    def __init__(
        self, write: Callable[[str], object], listener: Callable[[Notify, int], None] | None
    ) -> None:
        self._listener = listener
        self._console = ConsoleNotifier(write)

    def notify(self, notice: Notify, at_ms: int) -> None:
        """Say it; a listener that fails changes nothing else."""
        try:
            if self._listener is not None:
                self._listener(notice, at_ms)
            else:
                self._console.notify(notice, at_ms)
        except Exception:
            _log.exception("a notice could not be said")


class OwnModeOnly:
    """Lets orders through unless the gateway is known to trade in another mode than ours: there they
    would go to another account, real money instead of paper or the other way round.

    ``wrong`` says why nothing goes through, "" when all does. Books are read in any case: their
    answers tell the mode.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.wrong = ""

    async def send(self, command: ToBroker) -> Event:
        """Send a command, or answer that it was not sent."""
        if not self.wrong or isinstance(command, TakeSnapshot):
            return await self._broker.send(command)
        if isinstance(command, QueryOrder):
            return OutcomeUnknown(
                order_id=command.order_id, request=Request.QUERY, message=self.wrong
            )
        requests = {
            PlaceOrder: Request.PLACE,
            ModifyOrder: Request.MODIFY,
            CancelOrder: Request.CANCEL,
        }
        return OrderRefused(
            order_id=command.order_id,
            request=requests[type(command)],
            message=self.wrong,
            sent=False,
        )


class Wiring:
    """Builds the parts of one day for a mode, and lives as long as that; ``say`` takes a phase's name
    and its line.
    """

    def __init__(
        self,
        settings: Settings,
        mode: RunMode,
        client: OpenAlgoClient,
        clock: Clock,
        folder: Path,
        say: Callable[[str, str], None],
        machine: Machine,
    ) -> None:
        self._machine = machine
        self._settings, self._mode, self._client = settings, mode, client
        self._clock, self._folder, self._say = clock, folder, say
        self._gateway: OpenAlgoBroker | None = None
        self._orders: OwnModeOnly | None = None
        self._paper: PaperBroker | None = None
        self._recorder: TickRecorder | None = None
        self._day: LiveDay | None = None
        self._blocked_at_ms: int | None = None
        self._dated: deque[Dated] = deque(maxlen=ANSWERS_COMPARED)

    @property
    def expected(self) -> Mode | None:
        """The gateway's mode that ours needs; None where no order goes there."""
        return {RunMode.LIVE: Mode.LIVE, RunMode.PAPER: Mode.ANALYZE}.get(self._mode)

    # ------------------------------------------------------------ building

    def day(
        self,
        engine: Engine,
        queue: Queue,
        keeper: SessionKeeper,
        *,
        first_seq: int,
        first_state: Sequence[StateRecord],
        write: Callable[[str], object],
        listener: Callable[[Notify, int], None] | None,
        atm_paise: int,
        pre_open: Callable[[], Awaitable[str | None]],
    ) -> LiveDay:
        """The day of an engine, ready to be opened."""
        notices = Notices(write, listener)
        if self._machine.records_ticks:
            self._recorder = TickRecorder(
                self._folder, lambda text: self._alert("TICKS", text, "recorder")
            )
        flat = engine.positions.flat
        driver = LiveDriver(
            engine,
            self._broker(engine.session, engine.orders.contracts, _known(engine), flat=flat),
            OpenAlgoPrices(self._client, engine.session, self._hear_blocked),
            self._clock,
            journal=queue,
            keeper=keeper,
            notifier=notices,
            first_seq=first_seq,
            first_state=first_state,
            on_tick=None if self._recorder is None else self._recorder.record,
            on_step=self._after_step,
        )
        feeds = Feeds(engine, self._feeds(), self._clock, driver.hear, driver.notice)
        self._day = LiveDay(
            mode=self._mode,
            engine=engine,
            driver=driver,
            feeds=feeds,
            clock=self._clock,
            hooks=self,
            kill_file=KillFile(self._folder),
            atm_paise=atm_paise,
            pre_open=pre_open,
        )
        return self._day

    async def look(self, session: Session) -> SnapshotTaken | SnapshotFailed:
        """The broker's books before there is an engine."""
        broker = self._broker(session, {}, (), flat=True)
        answer = await broker.send(TakeSnapshot(reason="start"))
        assert isinstance(answer, SnapshotTaken | SnapshotFailed)
        return answer

    def _broker(
        self,
        session: Session,
        contracts: Mapping[str, Contract],
        known: Sequence[BrokerOrder],
        *,
        flat: bool,
    ) -> Broker:
        """The mode's broker. ``known`` are our orders that still live, ``flat`` says that we have
        neither those nor positions.
        """
        if self._mode.sends_orders:
            self._client.know(self._settings.underlying, contracts)
            self._gateway = OpenAlgoBroker(
                self._client,
                self._hear_mode,
                self._hear_blocked,
                self.expected,
                lambda order_id: self._hear(OrderSent(order_id=order_id)),
                self._clock.real_s(_LATE_MS),
                self._taken_back,
            )
            self._orders = OwnModeOnly(self._gateway)
            return self._orders
        if self._mode is RunMode.BUILTIN:
            try:
                self._paper = self._paper_broker(session, contracts)
            except PaperBooksError as error:
                # With something of ours in them, empty books would make up how that ended.
                if not flat:
                    raise
                aside = set_aside(self._folder / PAPER_BOOKS_NAME, self._clock.now_ms())
                self._say(
                    "paper", f"ALERT {error.seen}. It is kept as {aside.name}, empty books begin"
                )
                self._paper = self._paper_broker(session, contracts)
            return self._paper
        return DryRunBroker(self._clock.now_ms, known)

    def _paper_broker(self, session: Session, contracts: Mapping[str, Contract]) -> PaperBroker:
        cutoff = self._settings.broker_mis_cutoff
        return PaperBroker(
            contracts,
            ExchangeModel(
                open_ms=session.open_ms,
                close_ms=session.close_ms,
                mis_cutoff_ms=None if cutoff is None else at_ist(session.date, cutoff),
            ),
            path=self._folder / PAPER_BOOKS_NAME,
            date=session.date,
            now_ms=self._clock.now_ms,
            on_event=self._hear,
        )

    def _feeds(self) -> dict[str, Feed]:
        settings = self._settings
        key = settings.openalgo_api_key
        assert key is not None
        feeds = {MAIN_FEED: self._feed(MAIN_FEED, settings.openalgo_ws_url, key.get_secret_value())}
        backup = settings.backup_openalgo_api_key
        if settings.backup_openalgo_ws_url is not None and backup is not None:
            feeds[BACKUP_FEED] = self._feed(
                BACKUP_FEED, settings.backup_openalgo_ws_url, backup.get_secret_value()
            )
        return feeds

    def _feed(self, name: str, url: str, key: str) -> Feed:
        return Feed(
            url,
            key,
            on_tick=lambda tick: self._hear_tick(name, tick),
            on_order=self._hear_order if name == MAIN_FEED else lambda _: None,
            on_state=lambda state, reason: self._hear_state(name, state, reason),
            open_session=self._machine.open_session,
        )

    @asynccontextmanager
    async def early_feed(self) -> AsyncIterator[None]:
        """A stream of the index only, as long as the day's symbols are not known."""
        key = self._settings.openalgo_api_key
        assert key is not None
        feed = Feed(
            self._settings.openalgo_ws_url,
            key.get_secret_value(),
            on_tick=lambda _: None,
            on_order=lambda _: None,
            on_state=lambda _state, _reason: None,
            open_session=self._machine.open_session,
        )
        await feed.watch([self._settings.underlying])
        task = asyncio.get_running_loop().create_task(feed.run())
        try:
            yield
        finally:
            await feed.close()
            await asyncio.gather(task, return_exceptions=True)

    # ------------------------------------------------------------ what the day asks for

    async def check_mode(self) -> str | None:
        """Why the gateway's mode does not fit ours; None when it does, or cannot be told now."""
        if self.expected is None:
            return None
        mode = await self._client.analyzer()
        return None if isinstance(mode, Unreadable) else self._judge_mode(mode)

    def check_clock(self) -> Check:
        """Our clock against the gateway's, by its newest answers."""
        return check_clock(self._dated)

    def catch_up(self) -> int:
        """Put our clock on where the machine has slept; by how many milliseconds, 0 where it has not."""
        clock = self._clock
        by_ms = slept_ms(self._dated, clock.now_ms(), clock.off_by_ms())
        if by_ms:
            clock.go_by(by_ms)
            self._dated.clear()  # What was answered before is dated by the clock of before.
        return by_ms

    def observe(self, exchanged: Exchanged) -> None:
        """Remember when the gateway said that it answered."""
        answer = dated(exchanged)
        if answer is not None:
            self._dated.append(answer)

    def flush(self) -> None:
        """Give the recorded ticks to the operating system."""
        if self._recorder is not None:
            self._recorder.flush()

    def close(self) -> None:
        """Close the recorder's file."""
        if self._recorder is not None:
            self._recorder.close()

    # ------------------------------------------------------------ what comes in

    def _taken_back(self, order_id: str) -> bool:
        return self._day is not None and self._day.engine.orders.taken_back(order_id)

    def _hear(self, event: Event) -> None:
        if self._day is not None:
            self._day.driver.hear(event)

    def _hear_tick(self, name: str, tick: Tick) -> None:
        if self._day is None:
            return
        used = self._day.feeds.on_tick(name, tick)
        if used and self._paper is not None:
            self._paper.on_tick(tick)

    def _hear_order(self, push: OrderPush) -> None:
        if self._gateway is None:
            return
        event = self._gateway.push_event(push)
        if event is not None:
            self._hear(event)

    def _hear_state(self, name: str, state: FeedState, reason: str) -> None:
        if self._day is None:
            return
        if state is FeedState.LIVE:
            self._day.feeds.on_live(name)
        elif state is FeedState.DOWN:
            self._day.feeds.on_down(name, reason)

    def _hear_mode(self, mode: Mode) -> None:
        problem = self._judge_mode(mode)
        if problem is not None and self._day is not None:
            self._day.block_mode(problem)

    def _judge_mode(self, mode: Mode) -> str | None:
        """Why a mode does not fit ours; while it does not, no order of ours leaves."""
        if self._orders is None or mode is Mode.UNSAID:
            return None
        if mode is self.expected:
            self._orders.wrong = ""
            return None
        self._orders.wrong = f"not sent: the gateway is in {mode} mode, we in {self._mode} mode"
        return (
            f"the gateway answers in {mode} mode and we run in {self._mode} mode: nothing is sold "
            "any more today, and while that lasts no stop, exit or cancel leaves either. Look at "
            "what is open at the broker, put the mode right at the gateway, then restart the bot"
        )

    def _hear_blocked(self, message: str) -> None:
        """The gateway takes no request of ours: the key is wrong, or the broker session is over."""
        if self._blocked_at_ms is None:
            self._hear(
                EntriesBlocked(
                    cause=SESSION_BLOCK,
                    message=f"the gateway refuses us ({message}): log in to the broker at the "
                    "gateway, or check OPENALGO_API_KEY; stops rest at the broker",
                )
            )
        self._blocked_at_ms = self._clock.now_ms()

    def _after_step(self) -> None:
        assert self._day is not None
        self._day.feeds.follow_depth()
        read_ms = self._day.driver.reconciled_at_ms
        if self._blocked_at_ms is not None and (read_ms or 0) > self._blocked_at_ms:
            self._blocked_at_ms = None
            self._hear(EntriesAllowed(cause=SESSION_BLOCK))

    def _alert(self, tag: str, text: str, key: str) -> None:
        if self._day is not None:
            self._day.driver.notice(Level.ALERT, tag, text, key)


def dated(exchanged: Exchanged) -> Dated | None:
    """When the gateway said that it answered; None when it said nothing."""
    if exchanged.date_ms is None:
        return None
    received_ms = exchanged.started_at_ms + exchanged.took_ms
    return Dated(exchanged.date_ms, received_ms, exchanged.took_ms)


def request_record(exchanged: Exchanged) -> RequestRecord | None:
    """What the journal keeps of an exchange: order messages, and whatever did not go well."""
    kept = exchanged.path in _KEPT_ENDPOINTS or exchanged.failure or exchanged.status != 200
    if not kept:
        return None
    return RequestRecord(
        request_id=exchanged.request_id,
        at_ms=exchanged.started_at_ms,
        path=exchanged.path,
        status=exchanged.status,
        took_ms=exchanged.took_ms,
        failure=exchanged.failure,
        sent=exchanged.sent,
        received=exchanged.received,
    )


def _known(engine: Engine) -> list[BrokerOrder]:
    """Our orders that a book of nobody's would still show after a restart."""
    statuses = {
        OrderState.TRIGGER_PENDING: BrokerStatus.TRIGGER_PENDING,
        OrderState.OPEN: BrokerStatus.OPEN,
    }
    return [
        BrokerOrder(
            broker_order_id=order.broker_order_id,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            quantity=order.quantity,
            trigger_price_paise=order.trigger_price_paise,
            limit_price_paise=order.limit_price_paise,
            status=statuses.get(order.state, BrokerStatus.TRIGGER_PENDING),
            placed_at_ms=order.placed_at_ms,
        )
        for order in engine.orders.live()
        if order.broker_order_id is not None
    ]
