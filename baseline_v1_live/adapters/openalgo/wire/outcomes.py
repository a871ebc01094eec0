"""What became of a request that changes something: accepted, refused, not sent, or unknown.

Only two things are definite: a success that names the order, and a refusal that the gateway itself
wrote. Everything else may have reached the broker and is unknown, because the gateway has no client
order id with which a second attempt could be told from the first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from baseline_v1_live.adapters.openalgo.wire.values import (
    Failure,
    Mode,
    Reply,
    explain,
    mode_of,
    text_of,
)
from baseline_v1_live.core.messages import OrderAccepted, OrderRefused, OutcomeUnknown, Request

# Answers given before, or instead of, acting. 408, 409, 425 and 499 are not among them: they can
# come from something on the way that does not know what happened behind it.
_DEFINITE = frozenset({400, 401, 403, 404, 405, 413, 415, 422})
_LIMITER_TEXT = re.compile(r"\d+ per \d+ (second|minute|hour|day)s?", re.IGNORECASE)


class Accepted(msgspec.Struct, frozen=True):
    """The gateway took the request and named the order. It is not yet an order at the exchange."""

    broker_order_id: str
    mode: Mode = Mode.LIVE


class Refused(msgspec.Struct, frozen=True):
    """A definite no of the gateway or the broker. ``status`` 401 or 403: trading is blocked."""

    message: str
    status: int
    mode: Mode = Mode.UNSAID


class NotSent(msgspec.Struct, frozen=True):
    """It provably reached no broker, so the same request may be tried again."""

    message: str


class Unknown(msgspec.Struct, frozen=True):
    """It may or may not have reached the broker. It must not be sent again."""

    message: str
    mode: Mode = Mode.UNSAID


Outcome = Accepted | Refused | NotSent | Unknown


def outcome(reply: Reply, asked_id: str | None = None) -> Outcome:
    """What became of a placement, or of a change or cancellation of the order ``asked_id``."""
    if reply.failure is Failure.NOT_SENT:
        return NotSent(explain(reply))
    if reply.failure is not None or reply.status is None:
        return Unknown(explain(reply))
    json = reply.json
    if not isinstance(json, Mapping):
        return Unknown(f"not a JSON object, {explain(reply)}")
    mode = mode_of(json)
    if reply.status == 200:
        return _success(reply, json, mode, asked_id)
    if reply.status == 429:
        return _rate_limited(reply, json, mode)
    said_no = json.get("status") == "error" or ("status" not in json and "message" in json)
    if reply.status in _DEFINITE and said_no:
        return Refused(explain(reply), reply.status, mode)
    return Unknown(explain(reply), mode)


def _success(
    reply: Reply, json: Mapping[str, object], mode: Mode, asked_id: str | None
) -> Accepted | Unknown:
    if json.get("status") != "success":
        # A 200 that says "error" contradicts itself: the broker was reached.
        return Unknown(f"200 without success, {explain(reply)}", mode)
    if mode is Mode.SEMI_AUTO or "pending_order_id" in json:
        return Unknown(f"queued for a person's approval, {explain(reply)}", Mode.SEMI_AUTO)
    if mode is Mode.UNSAID:
        return Unknown(f"success in an unknown mode, {explain(reply)}", mode)
    named = text_of(json.get("orderid"))
    if named is None:
        return Unknown(f"success without an order id, {explain(reply)}", mode)
    if asked_id is not None and named != asked_id:
        return Unknown(f"the answer names order {named} instead of {asked_id}", mode)
    return Accepted(named, mode)


def _rate_limited(reply: Reply, json: Mapping[str, object], mode: Mode) -> Outcome:
    """The gateway's own limiter stands before its routes and writes no ``status``; a broker's 429 is
    passed on with one and is that broker's no.
    """
    message = json.get("message")
    if "status" not in json and isinstance(message, str) and _LIMITER_TEXT.fullmatch(message):
        return NotSent(explain(reply))
    if json.get("status") == "error":
        return Refused(explain(reply), 429, mode)
    return Unknown(explain(reply), mode)


def as_event(
    result: Outcome, order_id: str, request: Request
) -> OrderAccepted | OrderRefused | OutcomeUnknown:
    """The outcome as the core's event for our order ``order_id``."""
    match result:
        case Accepted():
            return OrderAccepted(
                order_id=order_id, request=request, broker_order_id=result.broker_order_id
            )
        case Refused():
            return OrderRefused(order_id=order_id, request=request, message=result.message)
        case NotSent():
            return OrderRefused(
                order_id=order_id, request=request, message=result.message, sent=False
            )
        case Unknown():
            return OutcomeUnknown(order_id=order_id, request=request, message=result.message)
