"""Whose a row of the broker's books is, by its symbol.

The gateway writes a broker's rows in its own names, and where it does not know a contract, as while its
master contract is being loaded, leaves the broker's own name or none. Such a row may be our short under
another name: it must not pass for somebody else's, and its absence under ours not for flat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum

from baseline_v1_live.core.instruments import Contract, paise

# The gateway's form of an option's name, for any underlying: NIFTYNXT50, M&M and BAJAJ-AUTO as well.
_OPTION = re.compile(
    r"([A-Z0-9&-]+?)\d{2}(?:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)\d{2}"
    r"([1-9]\d{0,7}(?:\.\d{1,2})?)(?:CE|PE)"
)
_FUTURE = "FUT"
_FAR = 4


class Owner(StrEnum):
    """Whether a row can be of one of our contracts."""

    OURS = "ours"
    OTHERS = "others"
    UNCLEAR = "unclear"


OwnerOf = Callable[[str], Owner]


def always_ours(_symbol: str) -> Owner:
    """For who does not know yet what is traded: every row counts."""
    return Owner.OURS


def owner_by(underlying: str, contracts: Mapping[str, Contract]) -> OwnerOf:
    """Tells rows apart by the contracts that are traded, all of one underlying.

    A row is certainly somebody else's when its symbol is the gateway's name of another contract, a
    future's, or does not mention our underlying at all. While no contract is known, every row that
    mentions the underlying counts.
    """
    if not contracts:
        return lambda symbol: Owner.OURS if underlying in symbol.upper() else Owner.OTHERS
    lowest_paise = min(contract.strike_paise for contract in contracts.values())

    def owner_of(symbol: str) -> Owner:
        if symbol in contracts:
            return Owner.OURS
        if symbol.endswith(_FUTURE) or underlying not in symbol.upper():
            return Owner.OTHERS
        option = _OPTION.fullmatch(symbol)
        if option is None:
            return Owner.UNCLEAR
        # Kite's NIFTY26NOV26100CE of a monthly expiry reads here as a strike of 100 on 26 November 2026.
        far = option[1] == underlying and paise(float(option[2])) * _FAR < lowest_paise
        return Owner.UNCLEAR if far else Owner.OTHERS

    return owner_of
