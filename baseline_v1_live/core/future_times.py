"""Instants of a stored session that lie in the future: the clock ran ahead then, and was put right since.

Left as they are, whatever waits for one, such as the next try of an exit, would wait far too long.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


def bring_back(records: Iterable[msgspec.Struct], now_ms: int) -> None:
    """Make each instant of the records (fields in ``_ms``, epoch ms) now at most."""
    for record in records:
        for field in record.__struct_fields__:
            value = getattr(record, field)
            if isinstance(value, msgspec.Struct):
                bring_back([value], now_ms)
            elif field.endswith("_ms") and value is not None and value > now_ms:
                setattr(record, field, now_ms)
