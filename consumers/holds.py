"""The endpoints that wait for somebody: read every 2 s in one query, and written before the outcome that found them.

In play: a copy of the table `holds` in memory, bounded. A crash loses the copy, which is read again before anything is
delivered. A crash between hold and outcome leaves the hold: the message comes back as recovered, and is held like all
others there instead of going out again. Postgres away: the copy stays as it is, and what is found meanwhile is added.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from sql.database import AWAY, AWAY_SECONDS
from sql.holds import HoldStore
from tidings.channels.recipient import EndpointKey
from tidings.domain.errors import describe
from tidings.domain.message import Hold, Outcome
from tidings.domain.states import HeldReason

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 2.0
HELD_SECONDS: Final = 600.0
"""How often a message that is held asks again whether it may go; a release makes most of them due sooner."""


class Holds:
    """The holds that one consumer knows."""

    def __init__(self, store: HoldStore) -> None:
        self._store = store
        self._known: dict[EndpointKey, HeldReason] = {}
        self._found: dict[EndpointKey, HeldReason] = {}
        """By this consumer, not yet in Postgres."""
        self._turn = asyncio.Lock()
        """A copy that was read before a hold was written must not replace one that has it."""

    def reason(self, endpoint: EndpointKey) -> HeldReason | None:
        """Why nothing may go to an endpoint; None where it may."""
        if not (self._known or self._found):
            return None
        return self._known.get(endpoint) or self._found.get(endpoint)

    def add(self, hold: Hold) -> None:
        """Holds an endpoint at once; `write` follows with the outcome."""
        if self.reason(endpoint_of(hold)) is None:
            log.error("held until it is released", channel=hold.channel, endpoint=hold.endpoint, error=hold.last_error)
        self._found[endpoint_of(hold)] = hold.reason

    async def write(self, outcomes: Sequence[Outcome]) -> None:
        """Writes the holds of these outcomes. Raises one of AWAY where Postgres is away."""
        holds = [outcome.hold for outcome in outcomes if outcome.hold is not None]
        if not holds:
            return
        async with self._turn:
            await self._store.put(holds)
            for hold in holds:
                self._known[endpoint_of(hold)] = hold.reason
                self._found.pop(endpoint_of(hold), None)

    async def read(self) -> None:
        """Reads all, waiting while Postgres is away."""
        while not await self._read():  # noqa: ASYNC110  (it is Postgres that we wait for)
            await asyncio.sleep(AWAY_SECONDS)

    async def run(self) -> None:
        """Reads again and again, until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self._read()

    async def _read(self) -> bool:
        async with self._turn:
            try:
                self._known = {endpoint_of(hold): hold.reason for hold in await self._store.list()}
            except AWAY as error:
                log.warning("holds were not read", error=describe(error))
                return False
        return True


def endpoint_of(hold: Hold) -> EndpointKey:
    """Its key, as the destination limiter has it."""
    return EndpointKey(f"{hold.channel} {hold.endpoint}", hold.user_id)
