"""Compares what we believe with a complete snapshot of the broker, and names every difference.

It only finds; the resolution of each finding has its own name in core/reconciler.py. Nothing is
concluded from a row that is missing (core/net_positions.py), and what was touched a moment ago is left
alone for a round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerStatus,
    BrokerTrade,
    OrderType,
    Purpose,
    Side,
    SnapshotTaken,
)
from baseline_v1_live.core.nameless import Nameless
from baseline_v1_live.core.net_positions import NetRead
from baseline_v1_live.core.order import Order, Terms
from baseline_v1_live.core.order_states import OrderState

_PATIENCE = 3
# How long after it left, or was decided on, an order without an answer should be in the books.
_UNKNOWN_SHOWS_AFTER_MS = 1_000
SENT_SHOWS_AFTER_MS = 1_000
_NEWS_SETTLES_MS = 500
_UNFILLED_END = frozenset({BrokerStatus.CANCELLED, BrokerStatus.REJECTED})
_WORKING = frozenset({BrokerStatus.TRIGGER_PENDING, BrokerStatus.OPEN})
_OVER = frozenset({BrokerStatus.COMPLETE, BrokerStatus.CANCELLED, BrokerStatus.REJECTED})
# A row that is further on than we are is news; one that is behind us is old news.
_BEFORE = {
    BrokerStatus.TRIGGER_PENDING: (OrderState.ACCEPTED,),
    BrokerStatus.OPEN: (OrderState.ACCEPTED, OrderState.TRIGGER_PENDING),
}


class FillMissed(msgspec.Struct, frozen=True):
    """The trade book has more fills of our order than we know, or other prices of those we know."""

    order: Order
    filled_quantity: int
    filled_value_paise: int


class StatusDiffers(msgspec.Struct, frozen=True):
    """The order book says something else of our live order than we believe: a claim to be proven."""

    order: Order
    status: BrokerStatus
    message: str


class ValuesDiffer(msgspec.Struct, frozen=True):
    """Our resting order has another quantity or price at the broker; the order is asked for."""

    order: Order


class OrderMissing(msgspec.Struct, frozen=True):
    """Our live order is not in the order book. It proves nothing; the order is asked for."""

    order: Order


class OrderFound(msgspec.Struct, frozen=True):
    """An order of unknown outcome is at the broker under this id. ``filled`` is what the trade book has
    of it, None for nothing.
    """

    order: Order
    broker_order_id: str
    filled: BrokerTrade | None = None


class OrderAbsent(msgspec.Struct, frozen=True):
    """An order of unknown outcome is in no book although the gateway's horizon has passed."""

    order: Order


class StopUnseen(msgspec.Struct, frozen=True):
    """A stop or exit without an answer should be in the books by now, and nothing in them looks like
    it.
    """

    order: Order


class OrderNotOurs(msgspec.Struct, frozen=True):
    """A working order in one of our contracts that no order of ours is behind.

    ``filled`` is what it has filled so far, None for nothing.
    """

    row: BrokerOrder
    filled: BrokerTrade | None


class ShortOfOurs(msgspec.Struct, frozen=True):
    """The broker's net short in a symbol is smaller than ours: somebody closed a part.

    ``agreed``: the trade book shows the same.
    """

    symbol: str
    quantity: int
    agreed: bool = False


class MoreThanOurs(msgspec.Struct, frozen=True):
    """The broker's net position in a symbol is not explained by us; it is not ours to touch.

    ``agreed``: the trade book shows the same.
    """

    symbol: str
    net_quantity: int
    ours: int
    agreed: bool = False


class RowMissing(msgspec.Struct, frozen=True):
    """The position book has no row of a symbol, and the trade book does not show that it is closed.

    ``ours`` is our open short of it, in units, negative for a long of ours. It proves nothing; the
    books are read again.
    """

    symbol: str
    ours: int


Finding = (
    FillMissed
    | StatusDiffers
    | ValuesDiffer
    | OrderMissing
    | OrderFound
    | OrderAbsent
    | StopUnseen
    | OrderNotOurs
    | ShortOfOurs
    | MoreThanOurs
    | RowMissing
)


def compare(
    orders: Iterable[Order],
    open_short: Mapping[str, int],
    snapshot: SnapshotTaken,
    read: NetRead,
    *,
    grace_ms: int,
    horizon_ms: int,
    is_open: Callable[[Order], bool],
    is_traded: Callable[[str], bool],
    heard: Mapping[str, int],
    first_terms: Mapping[str, Terms],
) -> tuple[Finding, ...]:
    """All differences between our beliefs and a snapshot.

    ``orders`` are all orders of the session, ``open_short`` our open short quantity by symbol (units,
    positive; negative for a long of ours), ``read`` what the snapshot says of net positions. Rows of
    orders changed within ``grace_ms`` before the snapshot was asked for, and positions of symbols with
    an order on its way or at work, or with a fill in that time, are skipped: news of them may be on its
    way too.
    Where both books agree no fill hides them, nor does an order on its way that cannot be any of the
    trades; and a purchase of ours that is over never hides a long.
    ``is_open`` says whether a row that calls an order open is believed, ``is_traded`` whether a symbol
    is one of our contracts, ``heard`` how many orders there were when an id of the broker was first
    heard, ``first_terms`` what it was told with then.
    """
    all_orders = list(orders)
    untouched_ms = snapshot.asked_at_ms - grace_ms
    nameless = Nameless(all_orders, snapshot, heard, first_terms, horizon_ms)
    filled = {o.symbol for o in all_orders if (o.filled_at_ms or 0) > untouched_ms}
    on_their_way = {
        order.symbol
        for order in all_orders
        if order.state is OrderState.CLAIMED
        # Past the horizon an unknown order must not hide what the books show.
        or (order.unanswered and snapshot.asked_at_ms < order.placed_at_ms + horizon_ms)
    }
    on_their_way |= _at_work(all_orders, snapshot, is_open)
    explained = {symbol for symbol in on_their_way & read.agreed if nameless.explained(symbol)}
    busy = (filled - read.agreed) | (on_their_way - explained)
    missed = _fills(all_orders, snapshot)
    unexplained = _unexplained(open_short, read)
    unanswered = _unanswered(all_orders, snapshot, horizon_ms, unexplained, nameless)
    # Fills that are booked now are judged with the positions when all of them are.
    booked = {finding.order.symbol for finding in missed}
    booked |= {f.order.symbol for f in unanswered if isinstance(f, OrderFound) and f.filled}
    busy |= booked
    findings: list[Finding] = [*missed, *_rows(all_orders, snapshot, untouched_ms, is_open)]
    lagging = {o.symbol for o in all_orders if o.live or _sold_since(o, untouched_ms)}
    lagging |= booked
    findings += [
        finding
        for finding in _positions(open_short, read)
        if finding.symbol not in busy or (_is_long(finding) and finding.symbol not in lagging)
    ]
    findings += unanswered
    findings += [stray for stray in _not_ours(snapshot, nameless) if is_traded(stray.row.symbol)]
    return tuple(findings)


def _at_work(
    orders: list[Order], snapshot: SnapshotTaken, is_open: Callable[[Order], bool]
) -> set[str]:
    """Symbols with an order of ours that fills by its row: the trade book may lag behind it."""
    rows = {row.broker_order_id: row for row in snapshot.orders}
    shown = (
        (o, rows[o.broker_order_id]) for o in orders if o.resting and o.broker_order_id in rows
    )
    return {
        order.symbol
        for order, row in shown
        if row.status is BrokerStatus.COMPLETE
        or (row.status is BrokerStatus.OPEN and is_open(order))
    }


def _sold_since(order: Order, since_ms: int) -> bool:
    return order.side is Side.SELL and (order.filled_at_ms or 0) > since_ms


def _is_long(finding: ShortOfOurs | MoreThanOurs | RowMissing) -> bool:
    """Whether the broker is long where we hold nothing: no purchase that it has not booked looks so."""
    return isinstance(finding, MoreThanOurs) and finding.net_quantity > 0 and not finding.ours


def _fills(orders: list[Order], snapshot: SnapshotTaken) -> list[FillMissed]:
    trades = {trade.broker_order_id: trade for trade in snapshot.trades}
    found = []
    for order in orders:
        trade = trades.get(order.broker_order_id or "")
        if trade is None or trade.filled_quantity < order.filled_quantity:
            continue
        ours = (order.filled_quantity, order.filled_value_paise)
        if ours != (trade.filled_quantity, trade.filled_value_paise):
            found.append(FillMissed(order, trade.filled_quantity, trade.filled_value_paise))
    return found


def _rows(
    orders: list[Order],
    snapshot: SnapshotTaken,
    untouched_ms: int,
    is_open: Callable[[Order], bool],
) -> list[StatusDiffers | ValuesDiffer | OrderMissing]:
    rows = {row.broker_order_id: row for row in snapshot.orders}
    traded = {trade.broker_order_id for trade in snapshot.trades}
    found: list[StatusDiffers | ValuesDiffer | OrderMissing] = []
    for order in orders:
        if order.broker_order_id is None:
            continue
        row = rows.get(order.broker_order_id)
        if (
            order.state is OrderState.CLAIMED
            and row is None
            and order.broker_order_id not in traded
        ):
            found.append(OrderMissing(order))
        elif order.state is OrderState.NOT_PLACED and row is not None and row.status in _WORKING:
            found.append(StatusDiffers(order, row.status, row.message))
        if not order.resting:
            continue
        if order.changed_at_ms > untouched_ms:
            # An end is a claim that is asked for. It cannot wait for as long as a late repetition of what
            # was known before goes on touching the order.
            settled = order.changed_at_ms <= snapshot.asked_at_ms - _NEWS_SETTLES_MS
            if settled and row is not None and row.status in _UNFILLED_END:
                found.append(StatusDiffers(order, row.status, row.message))
            continue
        if row is None:
            found.append(OrderMissing(order))
        elif row.status in _OVER or (
            order.state in _BEFORE.get(row.status, ())
            and (row.status is not BrokerStatus.OPEN or is_open(order))
        ):
            found.append(StatusDiffers(order, row.status, row.message))
        elif order.change is None and not _same_values(order, row):
            found.append(ValuesDiffer(order))
    return found


def _unexplained(open_short: Mapping[str, int], read: NetRead) -> dict[str, int]:
    """By symbol: the broker's signed net quantity less ours, where it is clear."""
    symbols = (read.net.keys() | open_short.keys()) - read.unclear
    return {symbol: read.net.get(symbol, 0) + open_short.get(symbol, 0) for symbol in symbols}


def _unanswered(
    orders: list[Order],
    snapshot: SnapshotTaken,
    horizon_ms: int,
    unexplained: Mapping[str, int],
    nameless: Nameless,
) -> list[OrderFound | OrderAbsent | StopUnseen]:
    """Match orders of unknown outcome with rows that are nobody's, and look for stops and exits that
    have left and got no answer yet.

    Orders that are alike are matched together, and only when there is a row for each, or the horizon
    of all has passed: before that nobody can say whose a single row is. Of stops alike, which replace
    one another, each is as good as the other, and one that works unnamed could not be cancelled: it is
    one that is still to cover, where there is any.
    """
    asked_ms = snapshot.asked_at_ms
    found: list[OrderFound | OrderAbsent | StopUnseen] = []
    trades = {trade.broker_order_id: trade for trade in snapshot.trades}
    for order in sorted(orders, key=lambda o: o.cancel_wanted):
        if not order.unanswered:
            continue
        rows = nameless.rows(order)
        if rows and order.broker_order_id is not None:
            found.append(
                OrderFound(order, order.broker_order_id, trades.get(order.broker_order_id))
            )
            continue
        if not rows:
            # A trade like it whose row is not like it may be there all day: some time it is not it.
            patient = asked_ms < order.placed_at_ms + _PATIENCE * horizon_ms
            traded = nameless.traded(order, shown=patient)
            if not traded and _stop_unseen(order, asked_ms, unexplained):
                found.append(StopUnseen(order))
            if (
                order.state is OrderState.UNKNOWN
                and not traded
                and _surely_absent(order, asked_ms, horizon_ms, unexplained)
            ):
                found.append(OrderAbsent(order))
            continue
        if not _answer_late(order, asked_ms):
            continue  # The answer that names it is on its way.
        settled = {id_of.order.order_id for id_of in found}
        twins = [
            twin
            for twin in orders
            if _unanswered_twin(order, twin) and twin.order_id not in settled
        ]
        decided = all(asked_ms >= twin.placed_at_ms + horizon_ms for twin in twins)
        if all(_answer_late(t, asked_ms) for t in twins) and (
            decided or len(rows) >= len(twins) or order.purpose is Purpose.STOP
        ):
            name = rows[0].broker_order_id
            nameless.known.add(name)
            found.append(OrderFound(order, name, trades.get(name)))
    return found


def _not_ours(snapshot: SnapshotTaken, nameless: Nameless) -> list[OrderNotOurs]:
    """Working rows that are no order of ours, and cannot be one whose answer is still to come."""
    trades = {trade.broker_order_id: trade for trade in snapshot.trades}
    return [
        OrderNotOurs(row, trades.get(row.broker_order_id))
        for row in snapshot.orders
        if row.status in _WORKING
        and row.broker_order_id not in nameless.known
        and not nameless.is_sought(row)
    ]


def _answer_late(order: Order, asked_ms: int) -> bool:
    """Whether what names an order is rather looked for in the books than waited for."""
    if order.state is OrderState.UNKNOWN:
        return True
    return order.sent_at_ms is not None and asked_ms >= order.sent_at_ms + SENT_SHOWS_AFTER_MS


def _unanswered_twin(order: Order, twin: Order) -> bool:
    return twin.unanswered and twin.broker_order_id is None and twin.is_like(order)


def _surely_absent(
    order: Order, asked_ms: int, horizon_ms: int, unexplained: Mapping[str, int]
) -> bool:
    """Whether the gateway's horizon has passed, and no position looks as if it had filled."""
    age_ms = asked_ms - max(order.placed_at_ms, order.missing_since_ms or 0)
    if age_ms < horizon_ms:
        return False
    # Where one does, the books get more time.
    return not _looks_filled(order, unexplained) or age_ms >= _PATIENCE * horizon_ms


def _stop_unseen(order: Order, asked_ms: int, unexplained: Mapping[str, int]) -> bool:
    """Whether what was to cover or close a short should be in the books by now, and has not changed
    the position. What waits on this machine, for the limiter or the disk, is not looked for.
    """
    if order.state is OrderState.UNKNOWN:
        shows_ms = (order.sent_at_ms or order.placed_at_ms) + _UNKNOWN_SHOWS_AFTER_MS
    elif order.sent_at_ms is not None:
        shows_ms = order.sent_at_ms + SENT_SHOWS_AFTER_MS
    else:
        return False
    return (
        order.purpose in (Purpose.STOP, Purpose.EXIT)
        and asked_ms >= shows_ms
        and not _looks_filled(order, unexplained)
    )


def _looks_filled(order: Order, unexplained: Mapping[str, int]) -> bool:
    """Whether the broker's position differs from ours by just this order's quantity."""
    signed = order.quantity if order.side is Side.BUY else -order.quantity
    return unexplained.get(order.symbol) == signed


def _same_values(order: Order, row: BrokerOrder) -> bool:
    if order.order_type is OrderType.MARKET:
        return row.quantity == order.quantity  # Brokers give it a protective price of their own.
    return (row.quantity, row.trigger_price_paise, row.limit_price_paise) == (
        order.quantity,
        order.trigger_price_paise,
        order.limit_price_paise,
    )


def _positions(
    open_short: Mapping[str, int], read: NetRead
) -> list[ShortOfOurs | MoreThanOurs | RowMissing]:
    found: list[ShortOfOurs | MoreThanOurs | RowMissing] = []
    for symbol in sorted(read.net.keys() | open_short.keys() | read.unclear):
        ours, theirs = open_short.get(symbol, 0), -read.net.get(symbol, 0)
        agreed = symbol in read.agreed
        if symbol in read.unclear:
            if ours:
                found.append(RowMissing(symbol, ours))
        elif ours > 0 and theirs < ours:
            found.append(ShortOfOurs(symbol, ours - max(theirs, 0), agreed))
        elif theirs != ours:
            found.append(MoreThanOurs(symbol, -theirs, ours, agreed))
    return found
