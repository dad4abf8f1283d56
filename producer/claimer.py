"""Claims due messages into batches, and pushes each batch to a consumer that has room.

In play: slots in Redis, messages and batches in Postgres, the consumers' queues in Redis, in this order. Where it
stops in the middle:

- after taking slots: the consumers offer them again within a second;
- after the claim has committed: the batches were never started, so the reconciler gives them back after one lease;
- when the push fails (or Redis's answer is lost): the claim is undone at once, except for a batch that was started.
"""

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

import structlog
from redis.exceptions import RedisError

from producer.guard import Guard
from producer.publisher import Publisher
from producer.slots import Slot, SlotMarket
from producer.wakeup import Wakeup
from sql.batches import ClaimedBatch, Offer, UnvouchedError
from sql.database import AWAY, AWAY_SECONDS
from sql.low_water import LowWater, Turn
from sql.store import Store
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import describe
from tidings.domain.ids import new_id
from tidings.domain.message import Priority
from tidings.settings import Settings

log = structlog.get_logger(__name__)

SLOTS_AT_ONCE: Final = 16
"""Batches in one claim at the most: what a claim costs beyond its rows is spread thin, and it stays short."""

SLOT_LINGER_SECONDS: Final = 0.005
"""Between claims that took all the slots there were. A consumer has work in line for longer than that."""

LOW_FIRST: Final = 10
"""One claim in so many begins with low priority, which otherwise waits for all others."""

PAUSED_SECONDS: Final = 1.0
"""How often a paused producer asks whether somebody has resumed, beside the notification of it."""

SLOT_WAIT_SECONDS: Final = 1.0
"""How long one wait for a free slot takes; longer would only delay a stop."""


LONGEST_SECONDS: Final = 0.015
LONGEST_AT: Final = 2000.0
"""Messages a second from which on claims are as far apart as they may be."""
MEMORY_SECONDS: Final = 1.0
"""How much of the past counts for the rate."""


class Linger:
    """How long a claim lingers, so that messages gather for it.

    A batch costs its round trips whether it holds one message or a hundred. A single message is claimed at once; the
    more of them come, the longer a claim waits after the one before, up to 15 ms, so that batches fill before the work
    grows. Where a claim fills all its batches there is no wait at all: what is there is gathered already.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._claimed = 0.0
        self._since = clock()
        self._last = self._since

    def record(self, messages: int) -> None:
        """So many messages were claimed just now."""
        self._last = self._clock()
        self._claimed += messages
        if self._last - self._since > MEMORY_SECONDS:
            # The older half is forgotten.
            self._claimed /= 2
            self._since = (self._since + self._last) / 2

    def pause(self) -> float:
        """Seconds to wait before the next claim."""
        now = self._clock()
        rate = self._claimed / max(now - self._since, MEMORY_SECONDS / 2)
        return max(self._last + LONGEST_SECONDS * min(rate / LONGEST_AT, 1.0) - now, 0.0)


class Claimer:
    """The claiming loop of one producer. Any number of them may run."""

    def __init__(
        self,
        store: Store,
        market: SlotMarket,
        publisher: Publisher,
        wakeup: Wakeup,
        settings: Settings,
        *,
        guard: Guard,
    ) -> None:
        self._store = store
        self._market = market
        self._publisher = publisher
        self._wakeup = wakeup
        self._settings = settings
        self._guard = guard
        self._vouched = False
        self._low_water = LowWater()
        self._linger = Linger(time.monotonic)
        self._unpaced: frozenset[str] = frozenset()
        self._paced: frozenset[str] = frozenset()
        self._first = ""
        """The queue with which the last claim began."""
        self._numbers = count(1)
        self._queues_known = False

    def forget_queues(self) -> None:
        """The queues have changed, or may have: they are read again before the next claim, and so is all that waits."""
        self._queues_known = False
        self._low_water.forget()
        self._wakeup.within(0)

    def notified(self, seconds: float, due: float, turns: Sequence[Turn] | None) -> None:
        """Messages wait in these turns (or in many), the first due in `seconds`, at the Unix time `due` of Postgres."""
        self._low_water.notified(seconds, due, turns)
        self._wakeup.within(seconds)

    async def run(self, stop: asyncio.Event) -> None:
        """Claims until `stop` is set; a claim that has begun is pushed first."""
        while not stop.is_set():
            try:
                if await self._work_is_due(stop) and await self._may_claim():
                    await asyncio.sleep(self._linger.pause())
                    await self._claim_and_push(stop)
            except UnvouchedError:
                self._vouched = False
                self._wakeup.within(0)
            except (RedisError, *AWAY) as error:
                log.warning("cannot claim at present", error=describe(error))
                self._wakeup.within(AWAY_SECONDS)
                await asyncio.sleep(AWAY_SECONDS)

    async def _work_is_due(self, stop: asyncio.Event) -> bool:
        sleep = asyncio.create_task(self._wakeup.sleep())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((sleep, stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(sleep, stopped)
        if stop.is_set():
            return False
        seconds = await self._store.batches.next_due(self._low_water)
        if seconds is None or seconds > 0:
            if seconds is not None:
                self._wakeup.within(seconds)
            return False
        return True

    async def _may_claim(self) -> bool:
        if not self._vouched:
            self._vouched = await self._guard.check()
            if not self._vouched:
                self._wakeup.within(PAUSED_SECONDS)
        return self._vouched

    async def _claim_and_push(self, stop: asyncio.Event) -> None:
        """Claims into free slots as long as each claim fills them, until `stop` is set."""
        while not stop.is_set() and (slots := await self._market.take(SLOTS_AT_ONCE, wait=SLOT_WAIT_SECONDS)):
            offers = [Offer(new_id(), slot.consumer) for slot in slots]
            try:
                batches = await self._claim(offers)
            except UnvouchedError:
                await self._market.give_back(slots)
                raise
            self._linger.record(sum(batch.size for batch in batches))
            by_offer = {offer.batch_id: slot for offer, slot in zip(offers, slots, strict=True)}
            used = [(batch, by_offer.pop(batch.id)) for batch in batches]
            if used:
                await self._push(used)
            await self._market.give_back(list(by_offer.values()))
            if by_offer:
                if not self._low_water.more:
                    break
                # What came meanwhile gathers, as it does before any claim that need not fill its batches.
                await asyncio.sleep(self._linger.pause())
            elif len(slots) < SLOTS_AT_ONCE:
                # There is more to claim than there are slots: those that become free in a moment go together.
                await asyncio.sleep(SLOT_LINGER_SECONDS)
        if paced := self._low_water.queues() & self._paced:
            # Their next interval decides when they can be claimed again.
            await self._store.batches.poll(self._low_water, list(paced))
        # Whatever is left (in other claim lanes, due soon, or waiting for a slot) sets the alarm.
        seconds = await self._store.batches.next_due(self._low_water)
        if seconds is not None:
            self._wakeup.within(seconds)

    async def _claim(self, offers: Sequence[Offer]) -> list[ClaimedBatch]:
        self._low_water.more = False
        await self._read_queues()
        batch_size = self._settings.batch_size
        claimed: list[ClaimedBatch] = []
        if not self._low_water.is_trusted():
            await self._store.batches.poll(self._low_water)
        # However many queues there are, only those in which something can be claimed cost anything.
        queues = self._low_water.queues()
        if paced := queues & self._paced:
            claimed = await self._store.batches.claim_paced(offers, batch_size=batch_size, queues=list(paced))
        used = {batch.id for batch in claimed}
        free = [offer for offer in offers if offer.batch_id not in used]
        if free and (unpaced := sorted(queues & self._unpaced)):
            # Each claim begins with another queue, so that a long one does not keep the others waiting.
            first = bisect_right(unpaced, self._first) % len(unpaced)
            self._first = unpaced[first]
            unpaced = unpaced[first:] + unpaced[:first]
            order = list(Priority)
            if next(self._numbers) % LOW_FIRST == 0:
                order.insert(0, order.pop())
            claim_lanes = [(priority.value, queue) for priority in order for queue in unpaced]
            try:
                claimed += await self._store.batches.claim(
                    claim_lanes, free, batch_size=batch_size, low_water=self._low_water
                )
            except AWAY:
                # What the paced queues gave is committed, and must go.
                if not claimed:
                    raise
        return claimed

    async def _push(self, batches: Sequence[tuple[ClaimedBatch, Slot]]) -> None:
        try:
            await self._publisher.push(batches)
        except (RedisError, OSError):
            released = await self._store.batches.release([batch.id for batch, _ in batches])
            log.warning("claim undone: the batches could not be pushed", batches=len(batches), messages=released)
            raise

    async def _read_queues(self) -> None:
        if self._queues_known:
            return
        self._queues_known = True
        try:
            queues = [queue for queue in await self._store.queues.list() if queue.active]
        except BaseException:
            self._queues_known = False
            raise
        self._unpaced = frozenset(queue.name for queue in queues if not queue.interval_seconds)
        self._paced = frozenset(queue.name for queue in queues if queue.interval_seconds)
        if self._queues_known:
            # Unless they changed meanwhile: they are read again then.
            self._low_water.serve(frozenset(queue.name for queue in queues))
