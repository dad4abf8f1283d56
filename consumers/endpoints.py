"""The webhook endpoints that messages go to, and how they fare.

In play, in memory only: endpoints, cached as users are; and for each one at which something failed, what was seen since
it was last written, which is every 2 s. A crash loses that: an endpoint that fails for days is disabled a moment later.
That an endpoint is gone is in use here at once, and written before the outcome that says so. A healthy one costs no
write.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
import structlog

from consumers.cache import LIFE_SECONDS, RowCache
from sql.database import AWAY
from sql.endpoints import EndpointStore, Seen
from tidings.channels.base import About, Accepted, Rejected, Result
from tidings.domain.endpoint import DisabledReason, Endpoint
from tidings.domain.errors import describe

log = structlog.get_logger(__name__)

WRITE_SECONDS: Final = 2.0
ERROR_LENGTH: Final = 1000
"""Characters of the last error that are kept."""
_NEUTRAL: Final = frozenset({About.PACE, About.OURSELVES})
"""Of a failure: a receiver that says "too many" is there, and ours is none of its own."""


class EndpointCache(RowCache[Endpoint]):
    """Caches endpoints, read through `read` many at a time."""

    def __init__(
        self,
        read: Callable[[Sequence[UUID]], Awaitable[dict[UUID, Endpoint]]],
        *,
        clock: Callable[[], float],
        life_seconds: float = LIFE_SECONDS,
    ) -> None:
        super().__init__(read, noun="endpoint", clock=clock, life_seconds=life_seconds)

    def is_disabled(self, endpoint_id: UUID) -> bool:
        """Whether nothing may be sent there, as far as is known here."""
        endpoint = self.known(endpoint_id)
        return endpoint is not None and endpoint.disabled_at is not None


class EndpointHealth:
    """What deliveries say of their endpoints; one that only fails for `disable_after` is disabled (0: never)."""

    def __init__(
        self,
        store: EndpointStore,
        cache: EndpointCache,
        *,
        disable_after: timedelta,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._cache = cache
        self._disable_after = disable_after
        self._now = now
        self._seen: dict[UUID, Seen] = {}
        self._turn = asyncio.Lock()

    def count(self, endpoint_id: UUID, result: Result) -> None:
        """Counts the end of a delivery."""
        if isinstance(result, Accepted):
            known = self._cache.known(endpoint_id)
            if endpoint_id in self._seen or (known is not None and known.failing_since is not None):
                self._seen[endpoint_id] = Seen(endpoint_id, succeeded=True)
            return
        if result.about in _NEUTRAL:
            return
        now, seen = self._now(), self._seen.get(endpoint_id) or Seen(endpoint_id)
        gone = isinstance(result, Rejected) and result.holds
        self._seen[endpoint_id] = Seen(
            endpoint_id,
            succeeded=seen.succeeded,
            failed_from=seen.failed_from or now,
            failed_until=now,
            error=result.error[:ERROR_LENGTH].replace("\0", ""),
            gone=seen.gone or gone,
        )
        if gone and (known := self._cache.known(endpoint_id)) is not None:
            disabled = msgspec.structs.replace(known, disabled_at=now, disabled_reason=DisabledReason.GONE)
            self._cache.replace(endpoint_id, disabled)

    async def write_gone(self) -> None:
        """Writes which endpoints are gone, where one is. Raises one of AWAY."""
        if any(seen.gone for seen in self._seen.values()):
            await self.write()

    async def write(self) -> None:
        """Writes what was seen. Raises one of AWAY, and keeps it then."""
        async with self._turn:
            if not (seen := list(self._seen.values())):
                return
            disabled = await self._store.record_health(seen, disable_after=self._disable_after)
            for each in seen:
                if self._seen.get(each.id) is each:
                    del self._seen[each.id]
        for endpoint_id, reason in disabled.items():
            log.warning("endpoint disabled", endpoint=str(endpoint_id), reason=reason)

    async def run(self) -> None:
        """Writes again and again, until cancelled."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            try:
                await self.write()
            except AWAY as error:
                log.warning("how endpoints fare was not written", error=describe(error))
