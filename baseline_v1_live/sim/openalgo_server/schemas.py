"""What each endpoint takes: fields, types and choices, with the gateway's own error texts.

The gateway validates with marshmallow; its wording is part of the contract because clients see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EXCHANGES = (
    "NSE", "BSE", "NFO", "BFO", "CDS", "BCD", "MCX", "NCDEX", "NSE_INDEX", "BSE_INDEX",
)  # fmt: skip
ACTIONS = ("BUY", "SELL", "buy", "sell")
PRICE_TYPES = ("MARKET", "LIMIT", "SL", "SL-M")
PRODUCTS = ("MIS", "NRML", "CNC")
INTERVALS = (
    "1s", "5s", "10s", "15s", "30s", "45s", "1m", "2m", "3m", "5m", "10m", "15m", "20m", "30m",
    "1h", "2h", "3h", "4h", "D", "W", "M", "Q", "Y",
)  # fmt: skip
_WHOLE = "Fractional quantity ({}) is not allowed for non-crypto exchanges."


class SchemaError(Exception):
    """A body that does not fit; ``errors`` is field → list of texts, as marshmallow gives it."""

    def __init__(self, errors: dict[Any, Any]) -> None:
        super().__init__(repr(errors))
        self.errors = errors


@dataclass(frozen=True)
class Field:
    """One field: ``kind`` is text, number, integer, boolean or rows (of ``rows``' schema)."""

    kind: str = "text"
    required: bool = True
    default: Any = None
    choices: tuple[str, ...] = ()
    above: float | None = None
    least: float | None = None
    rows: Mapping[str, Field] = field(default_factory=dict)
    rows_max: int = 0


def optional(kind: str = "text", default: Any = None, **rest: Any) -> Field:
    """A field that may be missing; left out of the result when its default is None."""
    return Field(kind, required=False, default=default, **rest)


_KEY = {"apikey": Field()}
_PRICES = {
    "price": optional("number", 0.0, least=0),
    "trigger_price": optional("number", 0.0, least=0),
    "disclosed_quantity": optional("integer", 0, least=0),
}
_ORDER = {
    "exchange": Field(choices=EXCHANGES),
    "symbol": Field(),
    "action": Field(choices=ACTIONS),
    "quantity": Field("number", above=0),
    "pricetype": optional(default="MARKET", choices=PRICE_TYPES),
    "product": optional(default="MIS", choices=PRODUCTS),
    **_PRICES,
}
_STRATEGY = {**_KEY, "strategy": Field()}
_ONE_SYMBOL = {**_KEY, "symbol": Field(), "exchange": Field(choices=EXCHANGES)}
_MARGIN_ROW = {
    "symbol": Field(),
    "exchange": Field(choices=EXCHANGES),
    "action": Field(choices=ACTIONS),
    "quantity": Field(),
    "product": Field(choices=PRODUCTS),
    "pricetype": Field(choices=PRICE_TYPES),
    "price": optional(default="0"),
    "trigger_price": optional(default="0"),
}

SCHEMAS: dict[str, dict[str, Field]] = {
    **dict.fromkeys(("ping", "analyzer", "funds", "orderbook", "tradebook"), _KEY),
    **dict.fromkeys(("positionbook", "intervals"), _KEY),
    "analyzer/toggle": {**_KEY, "mode": Field("boolean")},
    "margin": {**_KEY, "positions": Field("rows", rows=_MARGIN_ROW, rows_max=50)},
    "placeorder": {**_STRATEGY, **_ORDER},
    "placesmartorder": {
        **_STRATEGY, **_ORDER, "quantity": Field("number", least=0),
        "position_size": Field("number"),
    },
    "modifyorder": {
        **_STRATEGY,
        "exchange": Field(choices=EXCHANGES),
        "symbol": Field(),
        "orderid": Field(),
        "action": Field(choices=ACTIONS),
        "product": Field(choices=PRODUCTS),
        "pricetype": Field(choices=PRICE_TYPES),
        "price": Field("number", least=0),
        "quantity": Field("number", above=0),
        "disclosed_quantity": Field("integer", least=0),
        "trigger_price": Field("number", least=0),
    },
    "cancelorder": {**_STRATEGY, "orderid": Field()},
    "orderstatus": {**_STRATEGY, "orderid": Field()},
    "openposition": {
        **_STRATEGY, "symbol": Field(), "exchange": Field(choices=EXCHANGES),
        "product": Field(choices=PRODUCTS),
    },
    "cancelallorder": _STRATEGY,
    "closeposition": _STRATEGY,
    "basketorder": {**_STRATEGY, "orders": Field("rows", rows=_ORDER)},
    "splitorder": {**_STRATEGY, **_ORDER, "splitsize": Field("integer", least=1)},
    "quotes": _ONE_SYMBOL,
    "depth": _ONE_SYMBOL,
    "symbol": _ONE_SYMBOL,
    "multiquotes": {
        **_KEY,
        "symbols": Field(
            "rows", rows={"symbol": Field(), "exchange": Field(choices=EXCHANGES)}
        ),
    },
    "history": {
        **_ONE_SYMBOL,
        "interval": Field(choices=INTERVALS),
        "start_date": Field("date"),
        "end_date": Field("date"),
        "source": optional(default="api", choices=("api", "db")),
    },
    "expiry": {
        **_ONE_SYMBOL, "instrumenttype": Field(choices=("options", "futures")),
    },
    "search": {**_KEY, "query": Field(), "exchange": optional(choices=EXCHANGES)},
    "market/holidays": {**_KEY, "year": optional("integer")},
    "market/timings": {**_KEY, "date": Field("date")},
}  # fmt: skip


def load(endpoint: str, body: Any) -> dict[str, Any]:
    """The body of a request, checked and converted, defaults filled in.

    Raises SchemaError with the gateway's texts.
    """
    return _load(SCHEMAS[endpoint], body)


def _load(schema: Mapping[str, Field], body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise SchemaError({"_schema": ["Invalid input type."]})
    errors: dict[Any, Any] = {}
    loaded: dict[str, Any] = {}
    for name, spec in schema.items():
        if name not in body:
            if spec.required:
                errors[name] = ["Missing data for required field."]
            elif spec.default is not None:
                loaded[name] = spec.default
            continue
        try:
            loaded[name] = _convert(spec, body[name])
        except SchemaError as error:
            errors[name] = error.errors
        except ValueError as error:
            errors[name] = [str(error)]
    errors |= {name: ["Unknown field."] for name in body if name not in schema}
    if errors:
        raise SchemaError(errors)
    if isinstance(loaded.get("quantity"), float):
        quantity = loaded["quantity"]
        if quantity != int(quantity):
            raise SchemaError({"quantity": [_WHOLE.format(quantity)]})
        loaded["quantity"] = int(quantity)
    return loaded


def _convert(spec: Field, value: Any) -> Any:
    if value is None:
        raise ValueError("Field may not be null.")
    result: Any = _KINDS[spec.kind](spec, value)
    if spec.choices and result not in spec.choices:
        raise ValueError(f"Must be one of: {', '.join(spec.choices)}.")
    if spec.above is not None and result <= spec.above:
        raise ValueError("Quantity must be a positive number.")
    if spec.least is not None and result < spec.least:
        raise ValueError(f"Must be greater than or equal to {spec.least:g}.")
    return result


def _text(_: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Not a valid string.")
    return value


def _number(_: Field, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError("Not a valid number.") from None
    if isinstance(value, bool) or number != number or number in (float("inf"), float("-inf")):
        raise ValueError("Special numeric values (nan or infinity) are not permitted.")
    return number


def _integer(_: Field, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("Not a valid integer.") from None


def _boolean(_: Field, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Not a valid boolean.")
    return value


def _date(_: Field, value: Any) -> str:
    parts = value.split("-") if isinstance(value, str) else []
    if [len(part) for part in parts] != [4, 2, 2] or not all(part.isdigit() for part in parts):
        raise ValueError("Not a valid date.")
    return str(value)


def _rows(spec: Field, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise ValueError("Not a valid list.")
    if not value or (spec.rows_max and len(value) > spec.rows_max):
        bound = f"between 1 and {spec.rows_max}" if spec.rows_max else "at least 1"
        raise ValueError(f"Length must be {bound}.")
    errors: dict[Any, Any] = {}
    loaded = []
    for number, row in enumerate(value):
        try:
            loaded.append(_load(spec.rows, row))
        except SchemaError as error:
            errors[number] = error.errors
    if errors:
        raise SchemaError(errors)
    return loaded


_KINDS = {
    "text": _text, "number": _number, "integer": _integer, "boolean": _boolean, "date": _date,
    "rows": _rows,
}  # fmt: skip
