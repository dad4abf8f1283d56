"""The backstop: cuts off a delivery that its channel has not ended after twice its time limit.

In memory only. Channels keep time limits of their own; this is for one that does not, since a delivery that never ends
holds its place, and the lease of its batch, for ever. First the delivery is cancelled. If the channel goes on all the
same, it is settled without it.

May deliver a message twice: what the channel did is unknown.
"""

import asyncio
from typing import Final

from tidings.channels.base import Channel
from tidings.channels.http.time_limits import TimeLimits

FACTOR: Final = 2
GRACE_SECONDS: Final = 5.0
"""What a channel is given to clean up after it was cancelled."""


class Backstop:
    """One timer for all deliveries of a channel. Create it inside the running event loop."""

    def __init__(self, *, grace: float = GRACE_SECONDS) -> None:
        self.grace = grace
        self._limits: dict[str, TimeLimits] = {}
        """By channel."""
        self._going_on: set[asyncio.Task[None]] = set()
        self.overdue = 0
        """Deliveries that were cut off."""

    def of(self, name: str, channel: Channel) -> TimeLimits:
        """The limits of a channel's deliveries."""
        limits = self._limits.get(name)
        if limits is None:
            limits = self._limits[name] = TimeLimits(FACTOR * float(channel.time_limit))
        return limits

    def keep(self, task: asyncio.Task[None]) -> None:
        """Keeps a task that goes on although its delivery is settled: what nobody refers to is collected."""
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)
