"""All planted bugs."""

from __future__ import annotations

from tests.mutants import bugs_day, bugs_orders, bugs_positions, bugs_shell

BUGS = (*bugs_orders.BUGS, *bugs_positions.BUGS, *bugs_day.BUGS, *bugs_shell.BUGS)
