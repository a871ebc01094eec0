"""Everything that goes into the core and comes out of it, as frozen values.

Events are facts in the past tense; commands are orders to the shell in the imperative.
Prices are integer paise, quantities integer units, instants integer epoch milliseconds.
``None`` always means "not known", never zero and never "no".
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Side(StrEnum):
    """Direction of an order."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """Order types the product sends. SL-M is banned on NSE options and has no name here."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    SL = "SL"


class Purpose(StrEnum):
    """Why an order of ours exists; part of its id and of its in-flight key."""

    ENTRY = "entry"
    STOP = "stop"
    EXIT = "exit"
    CORRECTION = "correction"


class Request(StrEnum):
    """What was asked of the gateway, so that an answer can say which question it answers."""

    PLACE = "place"
    MODIFY = "modify"
    CANCEL = "cancel"
    QUERY = "query"


class BrokerStatus(StrEnum):
    """A broker's word on one order, after the wire module has translated its dialect.

    UNCLEAR is any word not in the vocabulary: the order is alive and its state unknown.
    """

    TRIGGER_PENDING = "trigger pending"
    OPEN = "open"
    COMPLETE = "complete"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    UNCLEAR = "unclear"


class Level(StrEnum):
    """How loudly the shell should say a Notify: LOG only writes, the others also message."""

    LOG = "log"
    INFO = "info"
    ALERT = "alert"
    CRITICAL = "critical"


# ---------------------------------------------------------------- plain values


class Bar(msgspec.Struct, frozen=True):
    """One closed one-minute bar. ``minute_ms`` is the start of its minute."""

    minute_ms: int
    open_paise: int
    high_paise: int
    low_paise: int
    close_paise: int
    volume: int


class BrokerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the broker's order book."""

    broker_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: int
    trigger_price_paise: int
    limit_price_paise: int
    status: BrokerStatus
    placed_at_ms: int | None = None
    message: str = ""


class BrokerTrade(msgspec.Struct, frozen=True, kw_only=True):
    """All fills of one order in the broker's trade book, added up: quantity and Σ price x quantity."""

    broker_order_id: str
    symbol: str
    side: Side
    filled_quantity: int
    filled_value_paise: int


class BrokerPosition(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's signed net quantity in one symbol: negative is short."""

    symbol: str
    net_quantity: int


# ---------------------------------------------------------------- events


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What happened. ``seq`` and ``at_ms`` are stamped by the driver, never by the source."""

    seq: int = 0
    at_ms: int = 0
    exchange_at_ms: int | None = None


class Tick(Event, frozen=True, kw_only=True, tag=True):
    """A price of one symbol. ``volume`` is cumulative for the day, None where it is not known.

    ``quoted``: an answer to FetchQuote. It values a held position and makes no bar.
    """

    symbol: str
    ltp_paise: int
    bid_paise: int | None = None
    ask_paise: int | None = None
    bid_quantity: int | None = None
    ask_quantity: int | None = None
    volume: int | None = None
    quoted: bool = False


class BarsLoaded(Event, frozen=True, kw_only=True, tag=True):
    """Closed bars of one symbol from the gateway's history, oldest first."""

    symbol: str
    bars: tuple[Bar, ...]


class HistoryFailed(Event, frozen=True, kw_only=True, tag=True):
    """A symbol's bars could not be had from the gateway's history now."""

    symbol: str
    message: str


class OrderAccepted(Event, frozen=True, kw_only=True, tag=True):
    """The gateway took a request and named the broker's order."""

    order_id: str
    request: Request
    broker_order_id: str


class OrderRefused(Event, frozen=True, kw_only=True, tag=True):
    """A definite no. ``sent`` is False when nothing left this machine (connection refused)."""

    order_id: str
    request: Request
    message: str
    sent: bool = True


class OutcomeUnknown(Event, frozen=True, kw_only=True, tag=True):
    """The request may or may not have reached the broker: timeout, reset, 5xx, unreadable body."""

    order_id: str
    request: Request
    message: str = ""


class OrderUpdated(Event, frozen=True, kw_only=True, tag=True):
    """The broker's word on an order: pushed, polled or asked for.

    ``proven`` is True only when the answer joins the order's status with its fills of the trade
    book; a bare status row never is. Quantities and prices are None where the source has none.
    """

    broker_order_id: str
    symbol: str
    status: BrokerStatus
    order_id: str | None = None
    filled_quantity: int | None = None
    filled_value_paise: int | None = None
    quantity: int | None = None
    trigger_price_paise: int | None = None
    limit_price_paise: int | None = None
    proven: bool = False
    message: str = ""


class Filled(Event, frozen=True, kw_only=True, tag=True):
    """The trade book's fills of an order so far, cumulative: hearing it twice changes nothing."""

    broker_order_id: str
    symbol: str
    side: Side
    filled_quantity: int
    filled_value_paise: int
    order_id: str | None = None


class SnapshotTaken(Event, frozen=True, kw_only=True, tag=True):
    """Orders, trades and positions of the broker, all three or no snapshot at all."""

    asked_at_ms: int
    orders: tuple[BrokerOrder, ...]
    trades: tuple[BrokerTrade, ...]
    positions: tuple[BrokerPosition, ...]


class SnapshotFailed(Event, frozen=True, kw_only=True, tag=True):
    """The broker's books could not be read whole. It says nothing about positions."""

    message: str


class FeedSilent(Event, frozen=True, kw_only=True, tag=True):
    """A market data source gives no ticks although the market is open."""

    source: str


class FeedBack(Event, frozen=True, kw_only=True, tag=True):
    """A silent source gives ticks again."""

    source: str


class EntriesBlocked(Event, frozen=True, kw_only=True, tag=True):
    """The shell knows a reason why nothing may be sold now; ``cause`` names it, ``message`` explains.

    Stops, exits and cancellations go on. Several causes may stand at the same time.
    """

    cause: str
    message: str


class OrderSent(Event, frozen=True, kw_only=True, tag=True):
    """An order's placement has left this machine, and is not answered a second later."""

    order_id: str


class EntriesAllowed(Event, frozen=True, kw_only=True, tag=True):
    """A cause of EntriesBlocked is gone."""

    cause: str


class MarginChecked(Event, frozen=True, kw_only=True, tag=True):
    """What an entry would block and what is free, in paise; None where the gateway did not say."""

    symbol: str
    quantity: int
    required_paise: int | None = None
    available_paise: int | None = None
    message: str = ""


class TimerDue(Event, frozen=True, kw_only=True, tag=True):
    """Time passed. It carries no meaning of its own: deadlines are state of the core."""


class OperatorSaid(Event, frozen=True, kw_only=True, tag=True):
    """A person's order: pause, resume, stopday, flatten or kill.

    ``stop`` is the process's own word: it is about to end, so entries are cancelled and nothing new
    is sold; protective stops keep resting. A restart does not remember it.
    """

    verb: str
    by: str = "operator"


class Started(Event, frozen=True, kw_only=True, tag=True):
    """The shell is up and wants the core to reconcile and then trade."""

    mode: str


class DataEnded(Event, frozen=True, kw_only=True, tag=True):
    """A replayed day has no more data: the last bars close now."""


# ---------------------------------------------------------------- commands


class Command(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the shell must do. Committed to the journal before it leaves."""


class PlaceOrder(Command, frozen=True, kw_only=True, tag=True):
    """Send a new order. Prices are 0 where the order type has none."""

    order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    purpose: Purpose
    quantity: int
    trigger_price_paise: int = 0
    limit_price_paise: int = 0
    reason: str = ""


class ModifyOrder(Command, frozen=True, kw_only=True, tag=True):
    """Set an order's type, whole quantity and prices; absolute values, so repeating is harmless.

    ``purpose`` is that of the order, ``resizes`` says that its quantity is to change: what is sent
    first where not all may leave at once.
    """

    order_id: str
    broker_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: int
    trigger_price_paise: int
    limit_price_paise: int
    purpose: Purpose | None = None
    resizes: bool = False


class CancelOrder(Command, frozen=True, kw_only=True, tag=True):
    """Cancel an order; repeating is harmless."""

    order_id: str
    broker_order_id: str


class QueryOrder(Command, frozen=True, kw_only=True, tag=True):
    """Ask for one order's status together with its fills."""

    order_id: str
    broker_order_id: str


class TakeSnapshot(Command, frozen=True, kw_only=True, tag=True):
    """Read orders, trades and positions of the broker, whole."""

    reason: str


class LoadHistory(Command, frozen=True, kw_only=True, tag=True):
    """Read a symbol's closed bars of the day; answered by BarsLoaded or HistoryFailed."""

    symbol: str


class FetchQuote(Command, frozen=True, kw_only=True, tag=True):
    """Ask for a symbol's price now; answered by a Tick that is ``quoted``, or by nothing."""

    symbol: str


class CheckMargin(Command, frozen=True, kw_only=True, tag=True):
    """Ask what a SL SELL with these values would block; answered by MarginChecked."""

    symbol: str
    quantity: int
    trigger_price_paise: int
    limit_price_paise: int


class SetTimer(Command, frozen=True, kw_only=True, tag=True):
    """Send a TimerDue no later than this instant."""

    due_at_ms: int


class Notify(Command, frozen=True, kw_only=True, tag=True):
    """Say something: ``[tag] text``. ``key`` names the condition for throttling."""

    level: Level
    tag: str
    text: str
    key: str = ""


class SaveSummary(Command, frozen=True, kw_only=True, tag=True):
    """Store the day's result, in the place of one stored before. Sent when the broker shows zero after
    the day's exit, and again when a fill that was heard of later has changed it.
    """

    date: str
    exit_reason: str
    r_milli: int
    pnl_paise: int
    charges_paise: int
    trades: int


class Stop(Command, frozen=True, kw_only=True, tag=True):
    """The core cannot go on; the shell stops entries, keeps exits and shouts."""

    reason: str


AnyEvent = (
    Tick
    | BarsLoaded
    | HistoryFailed
    | OrderAccepted
    | OrderRefused
    | OutcomeUnknown
    | OrderUpdated
    | Filled
    | SnapshotTaken
    | SnapshotFailed
    | FeedSilent
    | FeedBack
    | EntriesBlocked
    | EntriesAllowed
    | OrderSent
    | MarginChecked
    | TimerDue
    | OperatorSaid
    | Started
    | DataEnded
)
AnyCommand = (
    PlaceOrder
    | ModifyOrder
    | CancelOrder
    | QueryOrder
    | TakeSnapshot
    | LoadHistory
    | FetchQuote
    | CheckMargin
    | SetTimer
    | Notify
    | SaveSummary
    | Stop
)


class InvariantError(RuntimeError):
    """Our own bug: a state the core must never be in. The shell stops entries and keeps exits."""
