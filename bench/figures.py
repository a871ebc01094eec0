"""Percentiles and plain tables."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed."""
    return sorted(values)[max(math.ceil(len(values) * share) - 1, 0)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Best, median, 95th percentile and worst."""
    return {
        "best": round(min(values), 3),
        "p50": round(percentile(values, 0.5), 3),
        "p95": round(percentile(values, 0.95), 3),
        "worst": round(max(values), 3),
    }


def table(title: str, rows: dict[str, dict[str, float]], columns: Sequence[str]) -> str:
    """Rows of numbers under their names."""
    width = max(len(name) for name in (*rows, title))
    lines = [f"{title:<{width}}" + "".join(f"{column:>10}" for column in columns)]
    for name, row in rows.items():
        cells = (f"{row[c]:>10.2f}" if c in row else f"{'':>10}" for c in columns)
        lines.append(f"{name:<{width}}" + "".join(cells))
    return "\n".join(lines)


def machine() -> dict[str, object]:
    """What the figures were measured on, and how busy it was."""
    return {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_1_min": round(os.getloadavg()[0], 2),
    }
