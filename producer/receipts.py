"""Joins early receipts with their messages: done by the producer that leads.

A receipt is early where its gateway reported before the outcome was recorded, or of a message that was made long
before it was sent. What belongs to no message is looked at less and less often, and dropped after a day. Everything
here may be repeated; a crash leaves work for the next round.
"""

from datetime import timedelta
from typing import Final

import structlog

from producer.leader import Duty
from sql.receipts import ReceiptStore
from tidings.domain.timestamps import utc_now

log = structlog.get_logger(__name__)

JOIN_SECONDS: Final = 2.0
JOIN_AT_ONCE: Final = 500
FORGET_SECONDS: Final = 300.0
KEPT: Final = timedelta(days=1)
"""An outcome that is not recorded by then never is: its message was sent again, under another id."""
MOST_OF_A_GATEWAY: Final = 100_000
"""A gateway whose reports are all of something else fills no more than that."""


class ReceiptMaintenance:
    """The receipts whose messages are not known yet."""

    def __init__(self, receipts: ReceiptStore) -> None:
        self._receipts = receipts
        self.joined = 0
        """That have found their messages, so far."""
        self.dropped = 0
        """That have not, so far."""
        self.duties = (
            Duty(name="early receipts", every=JOIN_SECONDS, work=self.join, rest=1.0),
            Duty(name="lost receipts", every=FORGET_SECONDS, work=self.forget),
        )

    async def join(self) -> None:
        """Looks at all that are due once."""
        looked_at = JOIN_AT_ONCE
        while looked_at == JOIN_AT_ONCE:
            found = await self._receipts.join(limit=JOIN_AT_ONCE)
            looked_at = found.looked_at
            self.joined += found.joined

    async def forget(self) -> None:
        """Drops those that nobody asks for any more, and what a gateway has too many of."""
        if dropped := await self._receipts.forget(utc_now() - KEPT, most=MOST_OF_A_GATEWAY):
            self.dropped += dropped
            log.info("receipts without a message dropped", receipts=dropped)
