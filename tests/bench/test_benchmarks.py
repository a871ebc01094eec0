"""The benchmarks run on tiny input and say what they are there to say; no speed is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def figures(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", *arguments, "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_closing_everything_is_measured_and_takes_three_round_trips() -> None:
    """Cancel, proof and exit follow each other once each, and the limiter has room for all of them."""
    found = figures("bench.close_all", "--repetitions", "1", "--scenarios", "flatten")["flatten"]

    assert found["repetitions"] == 1
    assert found["total ms"]["p50"] > 0
    assert found["round trips in a row"]["worst"] <= 3
    assert found["limiter wait ms"]["worst"] < 1_000


def test_placing_is_measured_beside_a_bare_socket() -> None:
    """Each path has its figures, and the parts are those that the page names."""
    found = figures("bench.place_ack", "--samples", "5")

    assert {"raw socket", "our client alone", "place to acknowledged"} <= found["ms"].keys()
    assert all(row["p50"] > 0 for row in found["ms"].values())
    assert {"decide", "commit", "request"} <= found["parts ms"].keys()
