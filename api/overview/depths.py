"""What the queues hold, counted rarely: at most every 2 s, and at most a twentieth of the time.

Millions of waiting rows are not counted either: a lane (a queue at a priority) is counted up to 100,000, from an index
that holds waiting messages only. So the longest count costs as many index entries as there are lanes with so many.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from sql.queues import QueueStore
from tidings.observability.reports import Depth

COUNTED_UP_TO: Final = 100_000
EVERY_SECONDS: Final = 2.0
REST: Final = 20
"""How many times as long as a count takes passes before the next one."""


class QueueDepths:
    """Counts for one API process."""

    def __init__(self, store: QueueStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._known: Mapping[str, Depth] = {}
        self._good_until = float("-inf")

    async def get(self) -> Mapping[str, Depth]:
        """By queue. Raises one of AWAY where Postgres is."""
        began = self._clock()
        if began >= self._good_until:
            self._known = await self._store.depths(limit=COUNTED_UP_TO + 1)
            ended = self._clock()
            self._good_until = ended + max(EVERY_SECONDS, REST * (ended - began))
        return self._known
