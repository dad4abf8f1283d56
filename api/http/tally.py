"""What strangers can cause as often as they like is logged once a minute, with a count."""

import asyncio
from collections import Counter
from typing import Final

import structlog

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 60.0


class Tally:
    """Counts events of one kind by their reason. The first is logged at once, and others with the next line."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._counted: Counter[str] = Counter()
        self._next = 0.0

    def count(self, reason: str) -> None:
        """Counts one, for a reason of ours: nothing that a client wrote."""
        self._counted[reason] += 1
        self.write()

    def write(self) -> None:
        """Logs what is counted, unless the last line is younger than a minute. To be called now and then."""
        if not self._counted:
            return
        now = asyncio.get_running_loop().time()
        if now < self._next:
            return
        self._next = now + EVERY_SECONDS
        log.warning(self._event, **self._counted, total=self._counted.total())
        self._counted.clear()
