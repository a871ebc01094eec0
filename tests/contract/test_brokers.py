"""Every broker adapter against the same numbered cases (cases.py), on its own desk (desks.py)."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.cases import CASES, Case
from tests.contract.desks import DESKS


def short_name(case: Case) -> str:
    return case.__name__.removeprefix("case_")  # type: ignore[attr-defined]


@pytest.mark.parametrize("desk", DESKS)
@pytest.mark.parametrize(
    ("case", "needs"), [pytest.param(*row, id=short_name(row[0])) for row in CASES]
)
def test_a_broker_keeps_the_contract(desk: str, case: Case, needs: str) -> None:
    """Every case that can exist for a broker holds for it."""
    kind, make = DESKS[desk]
    if needs in kind.lacks:
        pytest.skip(kind.lacks[needs])

    async def play() -> None:
        async with make() as broker:
            await case(broker)

    asyncio.run(play())


def test_the_cases_are_numbered_without_gaps() -> None:
    """A case's number is its place in the list."""
    assert [short_name(case)[:2] for case, _ in CASES] == [
        f"{number:02}" for number in range(1, len(CASES) + 1)
    ]
