"""The names of the queues, as this process knows them.

Queues are never removed, so a known name stays good; only an unknown one is worth a look.
"""

from collections.abc import Iterable

from sql.queues import QueueStore


class QueueNames:
    """What to hold a message's queue against, at no round trip for the names in use."""

    def __init__(self, store: QueueStore) -> None:
        self._store = store
        self._names: frozenset[str] = frozenset()

    async def among(self, wanted: Iterable[str]) -> frozenset[str]:
        """All names; looked up anew where one of the wanted is not among them."""
        if not self._names.issuperset(wanted):
            self._names = frozenset(queue.name for queue in await self._store.list())
        return self._names
