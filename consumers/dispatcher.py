"""Starts deliveries as room allows, and hands their outcomes on.

In play: deliveries in flight, in memory only. A crash loses them: their batches' leases run out, and each message comes
back with a recovery counted. Bounded twice: places in flight for the whole process, and for each destination.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from consumers import outcomes
from consumers.channels.base import Accepted, Channel, Result, Retry
from consumers.channels.registry import ChannelRegistry
from consumers.delivery_record import DeliveryRecords, Record
from consumers.leases import Leases, OpenBatch
from consumers.recorder import Recorder
from tidings.model import Delivery, Outcome
from tidings.retry import RetryPolicy

log = structlog.get_logger(__name__)


class Lane:
    """The places in flight of one destination; it exists as long as somebody waits or is in flight."""

    __slots__ = ("places", "users")

    def __init__(self, places: int) -> None:
        self.places = asyncio.Semaphore(places)
        self.users = 0


class Dispatcher:
    """Delivers messages through their channels, many at a time."""

    def __init__(
        self,
        channels: ChannelRegistry,
        recorder: Recorder,
        records: DeliveryRecords,
        leases: Leases,
        *,
        policy: RetryPolicy,
        consumer: str,
        in_flight: int,
        in_flight_per_destination: int,
        now: Callable[[], datetime],
        clock: Callable[[], float],
    ) -> None:
        self._channels = channels
        self._recorder = recorder
        self._records = records
        self._leases = leases
        self._policy = policy
        self._consumer = consumer
        self._places = asyncio.Semaphore(in_flight)
        self._per_destination = in_flight_per_destination
        self._lanes: dict[str, Lane] = {}
        self._now = now
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def in_flight(self) -> int:
        """Deliveries that have begun and not ended."""
        return len(self._running)

    async def start(self, delivery: Delivery, batch: OpenBatch) -> None:
        """Waits for a place and starts the delivery; its outcome is recorded when it comes.

        Does nothing where the lease of its batch is lost, and gives the message back where the consumer stops.
        """
        channel = self._channels.get(delivery.channel)
        destination = self.destination(delivery)
        lane = self._lanes.setdefault(destination, Lane(self._per_destination))
        lane.users += 1
        await lane.places.acquire()
        await self._places.acquire()
        started = False
        try:
            if self._stopping:
                self.conclude(outcomes.returned(delivery), batch)
            elif self._leases.holds(batch):
                if delivery.expires_at is not None and delivery.expires_at <= self._now():
                    self.conclude(outcomes.expired(delivery), batch)
                else:
                    task = asyncio.get_running_loop().create_task(self._deliver(channel, delivery, batch, destination))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
                    started = True
        finally:
            if not started:
                self._leave(destination)

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

    def conclude(self, outcome: Outcome, batch: OpenBatch) -> None:
        """Has an outcome recorded."""
        batch.left -= 1
        self._recorder.put(outcome, closes_batch=batch.left == 0)
        if batch.left == 0:
            batch.through.set()

    def stop_starting(self) -> None:
        """From now on, what has not begun is given back."""
        self._stopping = True

    async def drain(self, grace: float) -> None:
        """Waits up to `grace` seconds for what is in flight, then cuts it off; those outcomes stay unknown."""
        if not self._running:
            return
        _, late = await asyncio.wait(set(self._running), timeout=grace)
        if late:
            log.error("deliveries cut off in flight; their outcomes are unknown", deliveries=len(late))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _deliver(self, channel: Channel | None, delivery: Delivery, batch: OpenBatch, destination: str) -> None:
        try:
            started_at = self._now()
            began = self._clock()
            result = await self._try(channel, delivery)
            outcome = outcomes.conclude(
                delivery,
                result,
                policy=self._policy,
                consumer=self._consumer,
                started_at=started_at,
                duration=self._clock() - began,
            )
            if isinstance(result, Accepted) and outcome.sent_at is not None:
                self._records.put(delivery.id, Record(outcome.sent_at, outcome.provider_message_id))
            self.conclude(outcome, batch)
        finally:
            self._leave(destination)

    async def _try(self, channel: Channel | None, delivery: Delivery) -> Result:
        if channel is None:
            return Retry(error=f"channel {delivery.channel!r} is not there in this consumer")
        try:
            return await channel.deliver(delivery)
        except Exception as error:  # a channel may be anybody's code
            log.exception("channel failed", channel=delivery.channel, message=str(delivery.id))
            return Retry(error=f"{type(error).__name__} in the channel")

    def _leave(self, destination: str) -> None:
        lane = self._lanes[destination]
        lane.places.release()
        lane.users -= 1
        if not lane.users:
            del self._lanes[destination]
        self._places.release()
