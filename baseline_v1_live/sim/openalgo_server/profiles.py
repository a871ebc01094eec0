"""Named oddities of OpenAlgo deployments, as data: which server a client believes to talk to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One deployment's manners. The comment on each field names the fact it stands for."""

    name: str
    # Analyzer mode: answers carry "mode", rows have all columns. Off: the live broker's shapes.
    analyze: bool = True
    # What `ping` and the stream's auth answer call the broker.
    broker: str = "simbroker"
    # Sandbox rule: a MARKET, marketable LIMIT or already triggered SL order fills before the reply.
    fills_at_placement: bool = True
    # Sandbox rule: MIS orders are refused, cancelled and squared off from 15:15 IST.
    squares_off: bool = True
    # gunicorn + eventlet: the first fill or resting order on a new symbol, and the fill that
    # flattens it, block that request for 12 s; the books are up to date long before.
    stall_s: float = 0.0
    # zerodha rows: a status that its mapper does not know (OPEN PENDING, MODIFY PENDING) shows the
    # previous row's order_status, and the first row so fails the whole book with a 500.
    transit_ms: int = 0
    # zerodha positions: average_price is text; other brokers send quantity as text, too.
    text_in_positions: bool = False
    # Live order books give MARKET orders price 0.0; the analyzer gives the reference price.
    market_price_zero: bool = False
    # history is serialised to about three calls a second, whoever asks.
    history_gap_s: float = 0.35


PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(name="threaded"),
        Profile(name="docker", stall_s=12.0),
        Profile(
            name="zerodha",
            analyze=False,
            broker="zerodha",
            fills_at_placement=False,
            squares_off=False,
            transit_ms=300,
            text_in_positions=True,
            market_price_zero=True,
        ),
    )
}


def named_profile(profile: str | Profile) -> Profile:
    """A profile by its name, or the profile itself.

    Raises ValueError for a name that is not in ``PROFILES``.
    """
    if isinstance(profile, Profile):
        return profile
    if profile not in PROFILES:
        raise ValueError(f"profile {profile!r} is not one of {', '.join(sorted(PROFILES))}")
    return PROFILES[profile]
