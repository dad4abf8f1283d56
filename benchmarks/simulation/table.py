"""One cell's waiting messages, claimed in the order of the statement `claim` of sql/queries/batches.sql.

That order is: by priority, within it by due time, within that by id; nothing that is not due. A test claims the same
messages from a real Postgres and compares.
"""

from heapq import heappop, heappush
from uuid import UUID

from benchmarks.simulation.traffic import Message
from tidings.domain.message import Priority


class WaitingTable:
    """What is pending or failed. Times are seconds of the day."""

    def __init__(self) -> None:
        self._later: list[tuple[float, UUID, Message]] = []
        self._due: dict[Priority, list[tuple[float, UUID, Message]]] = {priority: [] for priority in Priority}

    def put(self, message: Message, due_at: float) -> None:
        heappush(self._later, (due_at, message.delivery.id, message))

    def claim(self, now: float, room: int) -> list[Message]:
        """Takes up to `room` messages that are due."""
        self._ripen(now)
        claimed: list[Message] = []
        for waiting in self._due.values():
            while waiting and len(claimed) < room:
                claimed.append(heappop(waiting)[2])
        return claimed

    def next_due(self, now: float) -> float | None:
        """Seconds until a message can be claimed; None where none is waiting."""
        if any(self._due.values()):
            return 0.0
        return max(self._later[0][0] - now, 0.0) if self._later else None

    def overdue(self, now: float) -> int:
        """How many are due."""
        self._ripen(now)
        return sum(len(waiting) for waiting in self._due.values())

    def behind(self, now: float) -> float:
        """For how many seconds the one that is due for the longest has been waiting."""
        self._ripen(now)
        return max((now - waiting[0][0] for waiting in self._due.values() if waiting), default=0.0)

    def everything(self) -> list[Message]:
        """All that wait, due or not."""
        return [each[2] for waiting in (self._later, *self._due.values()) for each in waiting]

    def _ripen(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            entry = heappop(self._later)
            heappush(self._due[entry[2].kind.priority], entry)
