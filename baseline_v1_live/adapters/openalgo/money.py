"""Whether there is money for one lot: asked of the gateway before the start, without any order."""

from __future__ import annotations

from baseline_v1_live.adapters.openalgo.client import OpenAlgoClient
from baseline_v1_live.adapters.openalgo.problems import Cause, Problem, trouble
from baseline_v1_live.adapters.openalgo.wire.data import Funds
from baseline_v1_live.adapters.openalgo.wire.values import Mode, Unreadable
from baseline_v1_live.core.instruments import Contract, rupee_text
from baseline_v1_live.core.messages import OrderType, PlaceOrder, Purpose, Side


async def check_funds(client: OpenAlgoClient, host: str) -> Funds | Problem:
    """The account's money; a problem when there is none, or when a person has to approve orders.

    Not every gateway shows the second before an order is sent.
    """
    funds = await client.funds()
    if isinstance(funds, Unreadable):
        return trouble(funds, host)
    if funds.mode is Mode.SEMI_AUTO:
        return Problem(
            cause=Cause.MODE,
            seen="the gateway holds orders back until a person approves them",
            todo="set its order mode to auto in the gateway's web page",
            permanent=True,
        )
    if funds.available_paise <= 0:
        return Problem(
            cause=Cause.MONEY,
            seen=f"{rupee_text(funds.available_paise)} free",
            todo="add money; without it no entry is taken",
            permanent=True,
        )
    return funds


async def check_margin(
    client: OpenAlgoClient,
    host: str,
    contract: Contract,
    free_paise: int,
    *,
    trigger_paise: int,
    limit_paise: int,
    headroom_bp: int,
) -> int | Problem:
    """The margin in paise that one lot sold by a stop-limit order of these prices would block.

    A problem when it cannot be learned, or when ``headroom_bp`` (11,500 = 1.15 times) of it is more
    than ``free_paise``.
    """
    lot = PlaceOrder(
        order_id="question",  # the margin endpoint does not get it
        symbol=contract.symbol,
        side=Side.SELL,
        order_type=OrderType.SL,
        purpose=Purpose.ENTRY,
        quantity=contract.lot_size,
        trigger_price_paise=trigger_paise,
        limit_price_paise=limit_paise,
    )
    needed = await client.margin([lot])
    if isinstance(needed, Unreadable):
        if needed.status == 404 and not needed.page:
            return Problem(
                cause=Cause.MONEY,
                seen=f"the gateway knows no margins of this broker ({needed.reason})",
                todo="live entries are refused without them; MARGIN_CHECK=never trades unchecked",
                permanent=True,
            )
        return trouble(needed, host)
    asked_paise = -(-needed * headroom_bp // 10_000)
    if asked_paise > free_paise:
        return Problem(
            cause=Cause.MONEY,
            seen=f"one lot of {contract.symbol} needs {rupee_text(needed)}, with headroom "
            f"{rupee_text(asked_paise)}; free are {rupee_text(free_paise)}",
            todo="add money; no entry would be taken",
            permanent=True,
        )
    return needed
