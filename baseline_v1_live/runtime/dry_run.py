"""A broker that sends nothing: it takes every order, lets it rest for ever, and keeps books of that."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from baseline_v1_live.core.messages import (
    BrokerOrder,
    BrokerStatus,
    CancelOrder,
    Event,
    ModifyOrder,
    OrderAccepted,
    OrderRefused,
    OrderType,
    OrderUpdated,
    PlaceOrder,
    QueryOrder,
    Request,
    SnapshotTaken,
    TakeSnapshot,
)
from baseline_v1_live.runtime.ports import ToBroker

_PREFIX = "DRY-"


class DryRunBroker:
    """Names orders ``DRY-000001`` and so on, and never fills one.

    ``now_ms`` is the clock in epoch milliseconds. ``known`` are the orders that an earlier run of the
    day still had in these books; numbers go on after theirs.
    """

    def __init__(self, now_ms: Callable[[], int], known: Iterable[BrokerOrder] = ()) -> None:
        self._now_ms = now_ms
        self._orders = {order.broker_order_id: order for order in known}
        self._count = max((_number(name) for name in self._orders), default=0)

    async def send(self, command: ToBroker) -> Event:
        """The answer of a broker with whom everything is well and at whom nothing ever trades."""
        match command:
            case PlaceOrder():
                return self._place(command)
            case ModifyOrder():
                return self._modify(command)
            case CancelOrder():
                return self._cancel(command)
            case QueryOrder():
                return self._query(command)
            case TakeSnapshot():
                orders = tuple(self._orders.values())
                return SnapshotTaken(
                    asked_at_ms=self._now_ms(), orders=orders, trades=(), positions=()
                )

    def _place(self, command: PlaceOrder) -> Event:
        self._count += 1
        name = f"{_PREFIX}{self._count:06d}"
        self._orders[name] = BrokerOrder(
            broker_order_id=name,
            symbol=command.symbol,
            side=command.side,
            order_type=command.order_type,
            quantity=command.quantity,
            trigger_price_paise=command.trigger_price_paise,
            limit_price_paise=command.limit_price_paise,
            status=_resting(command.order_type),
            placed_at_ms=self._now_ms(),
        )
        return _accepted(command, Request.PLACE, name)

    def _modify(self, command: ModifyOrder) -> Event:
        order = self._orders.get(command.broker_order_id)
        if order is None or order.status is BrokerStatus.CANCELLED:
            return _refused(command, Request.MODIFY, order)
        self._orders[order.broker_order_id] = msgspec.structs.replace(
            order,
            order_type=command.order_type,
            quantity=command.quantity,
            trigger_price_paise=command.trigger_price_paise,
            limit_price_paise=command.limit_price_paise,
            status=_resting(command.order_type),
        )
        return _accepted(command, Request.MODIFY, order.broker_order_id)

    def _cancel(self, command: CancelOrder) -> Event:
        order = self._orders.get(command.broker_order_id)
        if order is None or order.status is BrokerStatus.CANCELLED:
            return _refused(command, Request.CANCEL, order)
        cancelled = msgspec.structs.replace(order, status=BrokerStatus.CANCELLED)
        self._orders[order.broker_order_id] = cancelled
        return _accepted(command, Request.CANCEL, order.broker_order_id)

    def _query(self, command: QueryOrder) -> Event:
        order = self._orders.get(command.broker_order_id)
        if order is None:
            return _refused(command, Request.QUERY, None)
        return OrderUpdated(
            broker_order_id=order.broker_order_id,
            symbol=order.symbol,
            status=order.status,
            order_id=command.order_id,
            filled_quantity=0,
            filled_value_paise=0,
            quantity=order.quantity,
            trigger_price_paise=order.trigger_price_paise,
            limit_price_paise=order.limit_price_paise,
            proven=True,
        )


def _resting(order_type: OrderType) -> BrokerStatus:
    return BrokerStatus.TRIGGER_PENDING if order_type is OrderType.SL else BrokerStatus.OPEN


def _accepted(
    command: PlaceOrder | ModifyOrder | CancelOrder, request: Request, name: str
) -> Event:
    return OrderAccepted(order_id=command.order_id, request=request, broker_order_id=name)


def _refused(
    command: ModifyOrder | CancelOrder | QueryOrder, request: Request, order: BrokerOrder | None
) -> Event:
    state = "not known to the dry run" if order is None else f"already {order.status}"
    message = f"order {command.broker_order_id} is {state}"
    return OrderRefused(order_id=command.order_id, request=request, message=message)


def _number(name: str) -> int:
    digits = name.removeprefix(_PREFIX)
    return int(digits) if digits.isdecimal() else 0
