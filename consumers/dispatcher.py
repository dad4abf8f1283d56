"""Delivers messages through their channels, many at a time, and hands the outcomes on.

In play: deliveries in line and in flight, in memory only. A crash loses them: their batches' leases run out, and each
message comes back with a recovery counted. What cannot be started after all (a stop, a destination that is slow or has
failed too often) goes back to Postgres without using up a try.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import cast

import msgspec
import structlog

from consumers import outcomes
from consumers.breaker import Breaker, BreakerState
from consumers.dedup import DedupRecords, Record
from consumers.leases import Leases, OpenBatch
from consumers.limiter import Destination, DestinationLimiter
from consumers.recorder import OutcomeRecorder
from tidings.channels.base import Accepted, Channel, Rejected, Result, Retry
from tidings.channels.registry import ChannelRegistry
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.message import Delivery, Outcome
from tidings.domain.retry import RetryPolicy
from tidings.observability.logs import delivering
from tidings.settings import Settings

log = structlog.get_logger(__name__)


class Waiting(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A delivery that stands in line."""

    channel: Channel | None
    delivery: Delivery
    batch: OpenBatch


class Dispatcher:
    """Starts deliveries as there is room, and concludes them."""

    def __init__(
        self,
        channels: ChannelRegistry,
        recorder: OutcomeRecorder,
        records: DedupRecords,
        leases: Leases,
        *,
        settings: Settings,
        policy: RetryPolicy,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._channels = channels
        self._recorder = recorder
        self._records = records
        self._leases = leases
        self._policy = policy
        self._consumer = settings.consumer_name
        self._now = now
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._lanes: DestinationLimiter[Waiting] = DestinationLimiter(
            self._begin,
            self._send_back,
            places=settings.in_flight,
            places_per_lane=settings.in_flight_per_destination,
            breaker=lambda: Breaker(failures=settings.breaker_failures, open_seconds=settings.breaker_seconds),
            clock=clock,
        )
        self._running: dict[Waiting, asyncio.Task[None]] = {}
        """The deliveries that have begun; each takes itself out when it is through."""
        self._stopping = False

    @property
    def has_room(self) -> bool:
        """Whether more messages are welcome."""
        return self._lanes.room.is_set()

    async def room(self) -> None:
        """Waits until more messages are welcome."""
        await self._lanes.room.wait()

    @property
    def in_flight(self) -> int:
        """Deliveries that have begun and not ended."""
        return self._lanes.in_flight

    @property
    def waiting(self) -> int:
        """Messages that stand in line for a place in flight."""
        return self._lanes.waiting

    def breakers(self) -> dict[str, BreakerState]:
        """The destinations whose breaker is not closed."""
        return self._lanes.breakers()

    def open_breakers(self) -> list[tuple[str, BreakerState, float]]:
        """The same, each with its state and the seconds until it is worth asking again."""
        return self._lanes.open_breakers()

    def destination(self, delivery: Delivery) -> str:
        """The key of the far side that a delivery goes to."""
        channel = self._channels.get(delivery.channel)
        if channel is None:
            return delivery.channel
        try:
            return f"{delivery.channel} {channel.destination(delivery)}"
        except Exception as error:  # noqa: BLE001  (anybody's code; deliver() will say what is wrong with the message)
            log.info("a message without a destination", message=str(delivery.id), error=str(error))
            return delivery.channel

    def start(self, delivery: Delivery, batch: OpenBatch) -> None:
        """Begins a delivery or puts it in line, and has its outcome recorded when that comes.

        Gives the message back where it cannot go now, or its batch may be lost.
        """
        if self._stopping:
            self.conclude(outcomes.returned(delivery), batch)
            return
        channel = self._channels.get(delivery.channel)
        places = None if channel is None else channel.places_per_destination
        waiting = Waiting(channel, delivery, batch)
        stay = self._lanes.enter(self.destination(delivery), waiting, places=places)
        if stay is not None:
            self._send_back(waiting, stay)

    def conclude(self, outcome: Outcome, batch: OpenBatch) -> None:
        """Has an outcome recorded."""
        batch.left -= 1
        self._recorder.put(outcome, closes_batch=batch.left == 0)

    def stop_starting(self) -> None:
        """Gives back what stands in line, and from now on what comes."""
        self._stopping = True
        for waiting in self._lanes.clear():
            self.conclude(outcomes.returned(waiting.delivery), waiting.batch)

    async def drain(self, grace: float) -> None:
        """Waits up to `grace` seconds for what is in flight, then cuts it off; those outcomes stay unknown."""
        if not self._running:
            return
        _, late = await asyncio.wait(self._running.values(), timeout=grace)
        if late:
            log.error("deliveries cut off in flight; their outcomes are unknown", deliveries=len(late))
            await cancel_and_wait(*late)

    def _begin(self, lane: Destination[Waiting], waiting: Waiting) -> None:
        self._running[waiting] = self._loop.create_task(self._deliver(lane, waiting))

    async def _deliver(self, lane: Destination[Waiting], waiting: Waiting) -> None:
        delivering.set((waiting.delivery.id, waiting.batch.id))
        result: Result | None = None
        try:
            began = self._clock()
            result = await self._through(lane, waiting)
            if result is None:
                lane.breaker.abandon()
            else:
                self._judge(lane, result, began)
        except BaseException as error:
            # A message without an outcome must not stay in a batch that is renewed for ever.
            self._leases.abandon(waiting.batch)
            if not isinstance(error, Exception):
                raise
            log.exception("a defect: the batch comes back when its lease runs out")
        finally:
            del self._running[waiting]
            if not isinstance(result, Accepted):
                self._lanes.leave(lane)

    async def _through(self, lane: Destination[Waiting], waiting: Waiting) -> Result | None:
        """Makes one try and concludes it; None where there was no try."""
        delivery, batch = waiting.delivery, waiting.batch
        if self._stopping or not self._leases.holds(batch):
            # Where the batch is another's by now, this changes nothing. Where it is ours yet, because Postgres stood
            # still and nobody could take it away, its messages must not stay behind in it.
            self.conclude(outcomes.returned(delivery), batch)
            return None
        started_at = self._now()
        if delivery.expires_at is not None and delivery.expires_at <= started_at:
            self.conclude(outcomes.expired(delivery), batch)
            return None
        began = self._clock()
        result = await self._try(waiting.channel, delivery)
        outcome = outcomes.conclude(
            delivery,
            result,
            policy=self._policy,
            consumer=self._consumer,
            started_at=started_at,
            duration=self._clock() - began,
        )
        self.conclude(outcome, batch)
        if isinstance(result, Accepted):
            # Its place is held until the record is in Redis: what a crash can repeat is bounded by the places.
            record = Record(cast("datetime", outcome.sent_at), outcome.provider_message_id)
            self._records.put(delivery.id, record, then=partial(self._lanes.leave, lane))
        return result

    async def _try(self, channel: Channel | None, delivery: Delivery) -> Result:
        if channel is None:
            return Retry(error=f"channel {delivery.channel!r} is not there in this consumer")
        try:
            result = cast("object", await channel.deliver(delivery))
        except Exception as error:  # a channel may be anybody's code
            log.exception("channel failed", channel=delivery.channel)
            return Retry(error=f"{type(error).__name__} in the channel")
        if isinstance(result, Result):
            return result
        log.error("channel returned no result", channel=delivery.channel)
        return Retry(error="the channel returned no result")

    def _judge(self, lane: Destination[Waiting], result: Result, began: float) -> None:
        """Tells the lane and its breaker; what stands in the line of a destination that fails goes back at once."""
        now = self._clock()
        match result:
            case Accepted() | Rejected():
                lane.strengthen()
                if lane.breaker.succeed():
                    log.info("breaker closed", destination=lane.destination)
            case Retry():
                if result.status_code == HTTPStatus.TOO_MANY_REQUESTS and lane.ease(now, began):
                    log.info("destination asks for less", destination=lane.destination, places=lane.places)
                if lane.breaker.fail(now):
                    stay = lane.breaker.wait(now)
                    log.warning("breaker opened", destination=lane.destination, seconds=stay, error=result.error)
                    for waiting in self._lanes.clear_line(lane):
                        self._send_back(waiting, stay)

    def _send_back(self, waiting: Waiting, stay: float) -> None:
        # Spread a little, so that what is sent back together does not come again together.
        seconds = stay * (1 + 0.2 * self._policy.random())
        due_at = self._now() + timedelta(seconds=seconds)
        self.conclude(outcomes.returned(waiting.delivery, due_at=due_at), waiting.batch)
