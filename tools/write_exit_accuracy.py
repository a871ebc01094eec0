"""Writes docs/exit-accuracy.md: the measurements of 20 generated days between words that explain them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "exit-accuracy.md"
START, END = "<!-- measured -->", "<!-- /measured -->"


def main() -> None:
    """Measure, and put the tables between the page's markers."""
    command = [sys.executable, "-m", "baseline_v1_live", "exits", "--seeds", "20"]
    measured = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    text = PAGE.read_text(encoding="utf-8")
    body = f"{START}\n{measured}{END}"
    PAGE.write_text(
        re.sub(f"{START}.*{END}", lambda _: body, text, flags=re.DOTALL),
        encoding="utf-8",
        newline="\n",
    )
    print(f"{PAGE.name} is written.")


if __name__ == "__main__":
    main()
