"""Every ending of an order request has one of four outcomes, and only a definite one is definite."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from baseline_v1_live.adapters.openalgo.wire.outcomes import (
    Accepted,
    NotSent,
    Refused,
    Unknown,
    as_event,
    outcome,
)
from baseline_v1_live.adapters.openalgo.wire.values import Failure, Mode, Reply, parse_reply
from baseline_v1_live.core.messages import OrderAccepted, OrderRefused, OutcomeUnknown, Request

OK = {"status": "success"}
ERROR = {"status": "error"}
QUEUED = {
    **OK, "message": "Order queued for approval in Action Center",
    "mode": "semi_auto", "pending_order_id": 4,
}  # fmt: skip


def _reply(status: int, body: Any) -> Reply:
    return parse_reply(status, body if isinstance(body, str) else msgspec.json.encode(body))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({**OK, "orderid": "26112375565833"}, Accepted("26112375565833", Mode.LIVE)),
        ({**OK, "orderid": 26112375565833}, Accepted("26112375565833", Mode.LIVE)),
        ({**OK, "orderid": "7", "mode": "live"}, Accepted("7", Mode.LIVE)),
        ({**OK, "orderid": "7", "mode": "analyze"}, Accepted("7", Mode.ANALYZE)),
    ],
)
def test_a_success_with_an_id_is_accepted(body: Any, expected: Accepted) -> None:
    """It names the order and the mode it was taken in; a live answer does not mention a mode."""
    assert outcome(_reply(200, body)) == expected


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, OK),
        (200, {**OK, "orderid": None}),
        (200, {**OK, "orderid": ""}),
        (200, {**OK, "orderid": "None"}),
        (200, {**OK, "orderid": False}),
        (200, {**OK, "orderid": {"a": 1}}),
        (200, QUEUED),
        (200, {**QUEUED, "orderid": "7"}),
        (200, {**OK, "orderid": "7", "mode": "semi_auto"}),
        (200, {**OK, "orderid": "7", "mode": "dreaming"}),
        (200, {**ERROR, "message": "no"}),
        (200, {"orderid": "7"}),
        (200, []),
        (200, "null"),
        (200, '{"status":"success","orderid":"26'),
        (200, "<html>it works</html>"),
        (200, ""),
        (201, {**OK, "orderid": "7"}),
        (302, ""),
        (400, "<html>Bad Request</html>"),
        (400, {**OK, "orderid": "7"}),
        (404, {}),
        (408, {**ERROR, "message": "timeout"}),
        (409, {**ERROR, "message": "conflict"}),
        (429, "<html>slow down</html>"),
        (429, {"message": "come back later"}),
        (500, {**ERROR, "message": "Failed to place order due to internal error"}),
        (502, "<html>Bad Gateway</html>"),
        (503, ""),
        (504, {**ERROR, "message": "x"}),
    ],
)
def test_what_may_have_reached_the_broker_is_unknown(status: int, body: Any) -> None:
    """Success without an id, approval queues, server errors, HTML and broken JSON prove nothing."""
    assert isinstance(outcome(_reply(status, body)), Unknown)


def test_an_approval_queue_is_recognised() -> None:
    """The shell must see that orders wait for a person."""
    result = outcome(_reply(200, QUEUED))

    assert isinstance(result, Unknown)
    assert result.mode is Mode.SEMI_AUTO


@pytest.mark.parametrize(
    ("status", "body", "mode"),
    [
        (400, {**ERROR, "message": "{'quantity': ['Not a valid number.']}"}, Mode.UNSAID),
        (400, {**ERROR, "message": {"exchange": ["Must be one of.."]}}, Mode.UNSAID),
        (400, {**ERROR, "mode": "analyze", "message": "MIS orders cannot"}, Mode.ANALYZE),
        (400, {**ERROR, "message": "Cannot cancel order in cancelled status"}, Mode.UNSAID),
        (400, {"message": "The browser (or proxy) sent a request..."}, Mode.UNSAID),
        (403, {**ERROR, "message": "Invalid openalgo apikey"}, Mode.UNSAID),
        (404, {**ERROR, "message": "Order 7 not found"}, Mode.UNSAID),
        (429, {**ERROR, "message": "Too many requests"}, Mode.UNSAID),
        (429, {**ERROR, "message": "10 per 1 second"}, Mode.UNSAID),
    ],
)
def test_a_written_no_is_a_refusal(status: int, body: Any, mode: Mode) -> None:
    """Validation, a bad key, an order that is over, a broker's own rejection: nothing was placed."""
    result = outcome(_reply(status, body), "7")

    assert isinstance(result, Refused)
    assert (result.status, result.mode) == (status, mode)
    assert result.message


def test_the_gateways_own_limiter_sent_nothing() -> None:
    """It stands before the routes, and its answer has no status word."""
    assert isinstance(outcome(_reply(429, {"message": "10 per 1 second"})), NotSent)


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Failure.NOT_SENT, NotSent),
        (Failure.TIMEOUT, Unknown),
        (Failure.RESET, Unknown),
        (Failure.OTHER, Unknown),
    ],
)
def test_only_a_refused_connection_sent_nothing(failure: Failure, kind: type) -> None:
    """A timeout or a reset comes after something may have gone out."""
    assert isinstance(outcome(Reply(failure=failure)), kind)


def test_an_answer_about_another_order_is_unknown() -> None:
    """A change or cancellation is accepted only under the id it was asked for."""
    reply = _reply(200, {**OK, "orderid": "8"})

    assert isinstance(outcome(reply, "7"), Unknown)
    assert outcome(reply, "8") == Accepted("8", Mode.LIVE)


def test_outcomes_as_events() -> None:
    """Each outcome is one event of the core, with our own order's id and the question asked."""
    ask = Request.PLACE
    assert as_event(Accepted("7"), "a", ask) == OrderAccepted(
        order_id="a", request=ask, broker_order_id="7"
    )
    assert as_event(Refused("no", 400), "a", ask) == OrderRefused(
        order_id="a", request=ask, message="no"
    )
    assert as_event(NotSent("no"), "a", ask) == OrderRefused(
        order_id="a", request=ask, message="no", sent=False
    )
    assert as_event(Unknown("?"), "a", ask) == OutcomeUnknown(
        order_id="a", request=ask, message="?"
    )
