"""The order endpoints: what each body becomes at the venue and what goes back.

Handlers return (status, body) and raise ``RefusedError``; the server adds "mode" and does the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baseline_v1_live.sim.openalgo_server import rows
from baseline_v1_live.sim.openalgo_server.venue import RefusedError, Venue

Answer = tuple[int, dict[str, Any]]
Handler = Callable[[Venue, dict[str, Any]], Answer]
_SPLIT_MAX = 100


def placeorder(venue: Venue, body: dict[str, Any]) -> Answer:
    """Place one order."""
    order = venue.place(body)
    return 200, {"orderid": order.orderid, "status": "success"}


def placesmartorder(venue: Venue, body: dict[str, Any]) -> Answer:
    """Bring a position to a size; success without an order id when there is nothing to do."""
    held, target = venue.books.held(body["symbol"], body["product"]), int(body["position_size"])
    if target == held:
        message = "Positions Already Matched. No Action needed."
        if not target and not body["quantity"]:
            message = "No OpenPosition Found. Not placing Exit order."
        if target or not body["quantity"]:
            return 200, {"status": "success", "message": message}
        change = body["quantity"] if body["action"].upper() == "BUY" else -body["quantity"]
    else:
        change = target - held
    request = body | {"action": "BUY" if change > 0 else "SELL", "quantity": abs(change)}
    if venue.analyze:
        request["pricetype"] = "MARKET"  # the sandbox reads the wrong key
    return placeorder(venue, request)


def modifyorder(venue: Venue, body: dict[str, Any]) -> Answer:
    """Change an order."""
    order = venue.modify(body)
    return 200, _done(order.orderid, "Order modified successfully")


def cancelorder(venue: Venue, body: dict[str, Any]) -> Answer:
    """Cancel an order."""
    order = venue.cancel(body["orderid"])
    return 200, _done(order.orderid, "Order cancelled successfully")


def _done(orderid: str, message: str) -> dict[str, Any]:
    return {"orderid": orderid, "message": message, "status": "success"}


def orderstatus(venue: Venue, body: dict[str, Any]) -> Answer:
    """One order."""
    data = rows.order_status(venue, body["orderid"])
    if data is None:
        raise RefusedError(404, f"Order {body['orderid']} not found")
    return 200, {"data": data, "status": "success"}


def openposition(venue: Venue, body: dict[str, Any]) -> Answer:
    """Net quantity of one symbol and product; 0 when there is no such row."""
    held = venue.books.held(body["symbol"], body["product"])
    return 200, {"quantity": held if venue.analyze else str(held), "status": "success"}


def cancelallorder(venue: Venue, _: dict[str, Any]) -> Answer:
    """Cancel the whole account's orders; the analyzer misses those that wait for a trigger."""
    alive = [order for order in venue.books.orders.values() if not order.over]
    if venue.analyze:
        alive = [order for order in alive if order.status.value == "open"]
    for order in alive:
        venue.cancel(order.orderid)
    message = f"Canceled {len(alive)} orders. Failed to cancel 0 orders."
    return 200, {
        "status": "success",
        "message": message if alive else "No open orders to cancel",
        "canceled_orders": [order.orderid for order in alive],
        "failed_cancellations": [],
    }


def closeposition(venue: Venue, _: dict[str, Any]) -> Answer:
    """Close the whole account at the market; resting orders stay."""
    exits, failures = venue.square_off(None)
    if not venue.analyze:
        return 200, {"message": "All Open Positions Squared Off", "status": "success"}
    closed = list(dict.fromkeys(order.symbol for order in exits))
    return 200, {
        "status": "success",
        "message": f"Closed {len(closed)} positions",
        "closed_positions": closed,
        "failed_closures": failures,
    }


def basketorder(venue: Venue, body: dict[str, Any]) -> Answer:
    """Several orders, BUYs first whatever their order in the request."""
    wanted = sorted(body["orders"], key=lambda leg: leg["action"].upper() != "BUY")
    results = []
    for leg in wanted:
        try:
            order = venue.place(leg | {"strategy": body["strategy"]})
        except RefusedError as refusal:
            results.append({"symbol": leg["symbol"], "status": "error", "message": refusal.message})
        else:
            results.append({"symbol": leg["symbol"], "status": "success", "orderid": order.orderid})
    return 200, {"results": results, "status": "success"}


def splitorder(venue: Venue, body: dict[str, Any]) -> Answer:
    """One order in pieces; a rest that is no whole lot fails by itself."""
    total, size = body["quantity"], body["splitsize"]
    sizes = [size] * (total // size) + ([total % size] if total % size else [])
    if len(sizes) > _SPLIT_MAX:
        raise RefusedError(
            400, f"Total number of orders would exceed maximum limit of {_SPLIT_MAX}"
        )
    results: list[dict[str, Any]] = []
    for number, quantity in enumerate(sizes, 1):
        row: dict[str, Any] = {"order_num": number, "quantity": quantity}
        try:
            order = venue.place(body | {"quantity": quantity})
        except RefusedError as refusal:
            results.append(row | {"status": "error", "message": refusal.message})
        else:
            results.append(row | {"status": "success", "orderid": order.orderid})
    return 200, {
        "results": results,
        "split_size": size,
        "total_quantity": total,
        "status": "success",
    }


# These put their schema errors into one text, where the data endpoints give a mapping.
ORDER_HANDLERS: dict[str, Handler] = {
    "placeorder": placeorder,
    "placesmartorder": placesmartorder,
    "modifyorder": modifyorder,
    "cancelorder": cancelorder,
    "orderstatus": orderstatus,
    "openposition": openposition,
    "cancelallorder": cancelallorder,
    "closeposition": closeposition,
    "basketorder": basketorder,
    "splitorder": splitorder,
}
