"""Counts: what users have used of what is counted in Postgres, per day and waiting.

In memory: for each user that is active the last count, and what was accepted here since. A count is made when that
comes to this process's part of what was left, so that no request asks Postgres, and what all processes accept between
two counts stays within the quota; each may be over it by one request. One statement is under way at a time, for all
users that wait for one, and is followed by a pause of its own duration.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Final
from uuid import UUID

import msgspec

from api.quotas.leases import Leases
from sql.quotas import QuotaStore
from tidings.domain.quota import DAY_SECONDS, Quota, Use
from tidings.domain.timestamps import utc_now

PAUSES: Final = 1.0
"""Times the duration of a count."""
AT_ONCE: Final = 50
"""Users in one statement."""
LIFE_SECONDS: Final = 60.0
"""Then a count is made again."""
PATIENCE_SECONDS: Final = 2.0
"""How long a request waits for its count."""
OVER_SECONDS: Final = 1.0
"""A user who is over the quota is counted again at most so often; where a count takes longer, twenty times as long."""
OVER_DAY_SECONDS: Final = 30.0


class Usage(msgspec.Struct):
    """What one user has used when it was counted, and what was accepted here since."""

    user_id: UUID
    use: Use = Use()
    at: float = float("-inf")
    """When it was counted."""
    seconds: float = 0.0
    """How long that took."""
    processes: int = 1
    accepted: int = 0
    """Messages accepted here, of those that are being kept now too."""
    accepted_bytes: int = 0
    in_flight: int = 0
    """Messages that are being kept now: a count may see them or not."""
    in_flight_bytes: int = 0
    mark: int = 0
    """Of `accepted`, what the count has seen."""
    mark_bytes: int = 0
    unsure: int = 0
    """Messages that were being kept when it was counted: they may be in `use` too."""
    unsure_bytes: int = 0

    def left(self, quota: Quota) -> tuple[float, float, float]:
        """How many messages are left of the day and of what may wait, and how many bytes."""
        since, since_bytes = self.accepted - self.mark, self.accepted_bytes - self.mark_bytes
        return (
            quota.per_day - self.use.per_day - since if quota.per_day else float("inf"),
            quota.waiting - self.use.waiting - since if quota.waiting else float("inf"),
            quota.waiting_bytes - self.use.waiting_bytes - since_bytes if quota.waiting_bytes else float("inf"),
        )

    def fits(self, quota: Quota, messages: int, size: int) -> bool:
        """Whether so much more is within the quota, as far as is known here."""
        day, waiting, free = self.left(quota)
        return messages <= day and messages <= waiting and size <= free

    def may_fit(self, quota: Quota, messages: int, size: int) -> bool:
        """Whether it would fit if what was being kept had been counted twice."""
        return bool(self.unsure) and self.fits(quota, messages - self.unsure, size - self.unsure_bytes)

    def is_own(self, quota: Quota, messages: int, size: int) -> bool:
        """Whether it is also within this process's part; what comes first after a count always is."""
        since, since_bytes = self.accepted - self.mark, self.accepted_bytes - self.mark_bytes
        day, waiting, free = self.left(quota)
        return not since or (
            (since + messages) * self.processes <= min(day, waiting) + since
            and (since_bytes + size) * self.processes <= free + since_bytes
        )

    def reserve(self, messages: int, size: int) -> None:
        self.accepted += messages
        self.accepted_bytes += size
        self.in_flight += messages
        self.in_flight_bytes += size

    def settle(self, messages: int, size: int, *, kept: int, kept_size: int) -> None:
        """Ends a reservation; what was not kept is free again."""
        self.accepted -= messages - kept
        self.accepted_bytes -= size - kept_size
        self.in_flight -= messages
        self.in_flight_bytes -= size


_Wanted = tuple[Usage, Quota, "asyncio.Future[None]"]


class Counts:
    """Counts for all users of this process."""

    def __init__(self, store: QuotaStore, leases: Leases, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._leases = leases
        self._clock = clock
        self._waiting: dict[UUID, _Wanted] = {}
        self._counting: asyncio.Task[None] | None = None
        self._next_at = float("-inf")

    async def room(self, usage: Usage, quota: Quota, messages: int, size: int) -> bool:
        """Whether so much more fits; counts where that is not known.

        Raises as the store does while Postgres is away.
        """
        if not (quota.per_day or quota.waiting or quota.waiting_bytes):
            return True
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not self._is_good(usage) or self._is_open(usage, quota, messages, size):
                    await self.count(usage, quota)
        except TimeoutError:
            # Postgres is slow, and so is keeping anything. What was known last will do, but not for others' parts.
            mine = usage.is_own(quota, messages, size) or not self._is_good(usage)
            return mine and usage.fits(quota, messages, size)
        return usage.fits(quota, messages, size)

    def _is_open(self, usage: Usage, quota: Quota, messages: int, size: int) -> bool:
        """Whether another count may tell more."""
        if usage.fits(quota, messages, size):
            return not usage.is_own(quota, messages, size)
        return usage.may_fit(quota, messages, size) or self._may_change(usage, quota)

    async def count(self, usage: Usage, quota: Quota) -> None:
        """Counts one user, together with all that wait. Raises as the store does while Postgres is away."""
        if usage.user_id not in self._waiting:
            self._waiting[usage.user_id] = usage, quota, asyncio.get_running_loop().create_future()
        _, _, done = self._waiting[usage.user_id]
        if self._counting is None:
            self._counting = asyncio.create_task(self._count_while_some_wait(), context=Context())
        await asyncio.shield(done)

    async def close(self) -> None:
        """Ends the counting."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait([self._counting])

    def is_recent(self, usage: Usage) -> bool:
        """Whether it was counted a moment ago."""
        return self._clock() - usage.at < OVER_SECONDS

    def _is_good(self, usage: Usage) -> bool:
        return self._clock() - usage.at < LIFE_SECONDS and self._leases.processes <= usage.processes

    def _may_change(self, usage: Usage, quota: Quota) -> bool:
        """Whether a user who is over the quota is worth counting again."""
        day, _, _ = usage.left(quota)
        pause = OVER_DAY_SECONDS if day <= 0 and usage.accepted == usage.mark else OVER_SECONDS
        return self._clock() - usage.at >= max(pause, 20 * usage.seconds)

    async def _count_while_some_wait(self) -> None:
        try:
            while self._waiting:
                # What comes in the same turn of the loop, or in the pause, is counted together.
                await asyncio.sleep(max(0.0, self._next_at - self._clock()))
                taken = [self._waiting.pop(user_id) for user_id in list(self._waiting)[:AT_ONCE]]
                began = self._clock()
                await self._count(taken)
                ended = self._clock()
                self._next_at = ended + min(PAUSES * (ended - began), PATIENCE_SECONDS / 2)
        finally:
            self._counting = None
            for _, _, done in self._waiting.values():
                done.cancel()

    async def _count(self, taken: Sequence[_Wanted]) -> None:
        try:
            processes = await self._leases.census()
            before = [msgspec.structs.replace(usage) for usage, _, _ in taken]
            began = self._clock()
            uses = await self._store.count({usage.user_id: quota for usage, quota, _ in taken})
        except Exception as error:  # noqa: BLE001  handed to those who wait for it
            for _, _, done in taken:
                done.set_exception(error)
                done.exception()  # they may have gone meanwhile
            return
        except BaseException:
            for _, _, done in taken:
                done.cancel()
            raise
        for (usage, _, done), then in zip(taken, before, strict=True):
            usage.use, usage.at, usage.seconds = uses[usage.user_id], began, self._clock() - began
            usage.processes, usage.unsure, usage.unsure_bytes = processes, then.in_flight, then.in_flight_bytes
            usage.mark = then.accepted - then.in_flight
            usage.mark_bytes = then.accepted_bytes - then.in_flight_bytes
            done.set_result(None)


def day_seconds(use: Use) -> int:
    """Seconds until the first message of the last 24 hours is older than that."""
    if use.day_began is None:
        return DAY_SECONDS
    return max(1, int(DAY_SECONDS - (utc_now() - use.day_began).total_seconds()))
