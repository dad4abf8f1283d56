"""Hands receipts to the group commit, and counts what becomes of them; of all sources the one way to store them."""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from api.http.resources import METRICS, RECEIPTS
from sql.receipts import NewReceipt
from tidings.domain.errors import StoreUnavailableError

PATIENCE_SECONDS: Final = 5.0
"""For the commit; then whoever reports is to try again. Providers wait for 5 to 15 s."""


async def keep(request: web.Request, source: str, receipts: Sequence[NewReceipt]) -> None:
    """Returns once all are committed. Raises StoreUnavailableError, with which they are sent again."""
    counters = request.app[METRICS].receipts
    if not receipts:
        return
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            kept = await request.app[RECEIPTS].put_all(receipts)
    except TimeoutError:
        counters[source, "put off"].inc(len(receipts))
        raise StoreUnavailableError("the report could not be stored in time") from None
    except StoreUnavailableError:
        counters[source, "put off"].inc(len(receipts))
        raise
    for each in kept:
        counters[source, each].inc()
