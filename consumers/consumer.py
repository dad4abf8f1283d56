"""One consumer: takes batches, has their messages delivered, and gives back what it cannot deliver.

The way of a batch here: its job arrives (nothing has happened yet: a crash costs one lease) → `take` commits (from now
on outcomes are unknown after a crash) → its messages begin or stand in line, and once there is room for more its slot
is free again → outcomes are recorded → with the last one the batch is deleted. The lease is renewed from `take` to the
end.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Self
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from consumers import outcomes
from consumers.dedup import DedupRecords
from consumers.dispatcher import Dispatcher
from consumers.leases import Leases, OpenBatch
from consumers.metrics import ConsumerMetrics
from consumers.recorder import OutcomeRecorder
from consumers.report import Reporter
from consumers.senders import SenderCache
from consumers.slots import SlotOffers
from sql.database import AWAY
from sql.store import Store
from tidings.channels.base import ChannelContext
from tidings.channels.http.client import HttpClient
from tidings.channels.registry import ChannelRegistry
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import describe
from tidings.domain.message import Delivery, Outcome
from tidings.domain.retry import RetryPolicy
from tidings.domain.timestamps import utc_now
from tidings.observability.metrics import MetricsServer
from tidings.redis import keys
from tidings.redis.connections import connect_redis
from tidings.security.egress import webhook_egress
from tidings.settings import Settings

log = structlog.get_logger(__name__)

LAST_WRITES_SECONDS = 10.0
"""How long a stopping consumer waits for Postgres and Redis to take its last outcomes."""


class Consumer:
    """All of one consumer but the arq worker, which may come and go with Redis."""

    def __init__(self, settings: Settings, store: Store, redis: Redis) -> None:
        self.settings = settings
        self.name = settings.consumer_name
        self._store = store
        self.redis = redis
        # Two, since a connection that nobody checked must not serve who may only go to checked ones.
        self._transport = HttpClient(settings, egress=webhook_egress(settings))
        self._operators_transport = HttpClient(settings)
        self._senders = SenderCache(store.users.senders, clock=time.monotonic)
        self._channels = ChannelRegistry.load(
            ChannelContext(
                settings=settings,
                transport=self._transport,
                operators_transport=self._operators_transport,
                senders=self._senders,
            )
        )
        self._leases = Leases(
            store,
            lease_seconds=settings.lease_seconds,
            renewal_seconds=settings.lease_renewal_seconds,
            clock=time.monotonic,
        )
        self._records = DedupRecords(redis, life_seconds=settings.redis_ttl, by_provider=settings.provider_records)
        self._recorder = OutcomeRecorder(
            store,
            consumer=self.name,
            backlog=settings.outcome_backlog,
            on_closed=self._leases.close,
            on_recorded=self._recorded,
        )
        self.observers: list[Callable[[Sequence[Outcome]], None]] = []
        """Who is told of each group of outcomes that was recorded."""
        self._dispatcher = Dispatcher(
            self._channels,
            self._recorder,
            self._records,
            self._leases,
            settings=settings,
            policy=RetryPolicy(delays=settings.retry_delays, jitter=settings.retry_jitter),
            now=utc_now,
            clock=time.monotonic,
        )
        self._slots = SlotOffers(
            redis, consumer=self.name, count=settings.consumer_slots, accepting=lambda: self.accepting
        )
        self._reporter = Reporter(
            redis,
            settings,
            dispatcher=self._dispatcher,
            leases=self._leases,
            recorder=self._recorder,
            accepting=lambda: self.accepting,
            stopping=lambda: self._stopping,
        )
        self.observers.append(self._reporter.observe)
        metrics = ConsumerMetrics(
            settings,
            channels=self._channels.names(),
            dispatcher=self._dispatcher,
            leases=self._leases,
            recorder=self._recorder,
            accepting=lambda: self.accepting,
        )
        metrics.registry.watch_stores({"postgres": store.ping, "redis": redis.ping})
        self.observers.append(metrics.recorded)
        self._metrics_server = MetricsServer(metrics.registry, settings)
        self._alone = asyncio.Lock()
        self._stopping = False
        self._loops: list[asyncio.Task[None]] = []
        self._batches: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, settings: Settings) -> Self:
        """A consumer at work, waiting for Postgres first. Raises SchemaError where that is at another version."""
        store = await Store.connect(
            settings.postgres_uri, process=f"consumer {settings.consumer_name}", lease_seconds=settings.lease_seconds
        )
        consumer = cls(settings, store, connect_redis(settings))
        consumer._loops = [
            asyncio.create_task(loop(), name=name)
            for name, loop in {
                "leases": consumer._leases.run,
                "recorder": consumer._recorder.run,
                "delivery records": consumer._records.run,
                "slots": consumer._slots.run,
                "reports": consumer._reporter.run,
            }.items()
        ]
        try:
            await consumer._metrics_server.start()
        except BaseException:
            await consumer.stop()
            raise
        log.info("consumer is ready", consumer=consumer.name, channels=sorted(consumer._channels.names()))
        return consumer

    @property
    def accepting(self) -> bool:
        """Whether batches are welcome."""
        return not self._stopping and self._recorder.accepting and not self._leases.away and self._dispatcher.has_room

    async def deliver(self, batch_id: UUID, slot: str, *, alone: bool) -> None:
        """Takes a batch that arrived through a slot; returns when its messages have begun or wait, and there is room.

        The work goes on by itself where the caller is cancelled.
        """
        task = asyncio.create_task(self._through_slot(batch_id, slot, alone=alone))
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)
        await asyncio.shield(task)

    async def stop(self) -> None:
        """Stops in order: takes nothing more in, finishes what is in flight, records it, gives back the rest."""
        self._stopping = True
        await self._slots.withdraw()
        self._dispatcher.stop_starting()
        await self._release_unstarted()
        await self._dispatcher.drain(self.settings.grace_seconds)
        if self._batches:
            await asyncio.wait(set(self._batches), timeout=LAST_WRITES_SECONDS)
        try:
            async with asyncio.timeout(LAST_WRITES_SECONDS):
                await self._records.written()
                await self._recorder.written()
                # What a producer pushed while we were stopping.
                await self._release_unstarted()
        except TimeoutError:
            log.exception("stops with outcomes that were not written; their messages will be recovered")
        await cancel_and_wait(*self._loops)
        await self._reporter.finish()
        await self._metrics_server.stop()
        await self._channels.close()
        await self._transport.close()
        await self._operators_transport.close()
        await self.redis.aclose()
        await self._store.close()
        log.info("consumer has stopped", consumer=self.name)

    async def failed_loop(self) -> None:
        """Raises what ended one of the consumer's loops, which only a defect does."""
        done, _ = await asyncio.wait(self._loops, return_when=asyncio.FIRST_COMPLETED)
        for loop in done:
            loop.result()

    def _recorded(self, outcomes: Sequence[Outcome]) -> None:
        for observer in self.observers:
            observer(outcomes)

    async def _through_slot(self, batch_id: UUID, slot: str, *, alone: bool) -> None:
        self._slots.occupy(slot)
        try:
            if alone:
                # One at a time, taken only when its turn has come, and let go only when its outcome is on disk: whoever
                # kills this process is then found, and nobody is blamed who went just before.
                async with self._alone:
                    batch = await self._begin(batch_id)
                    if batch is not None:
                        await batch.through.wait()
            else:
                await self._begin(batch_id)
                await self._dispatcher.room()
        except AWAY as error:
            log.warning("a batch was not taken", batch=str(batch_id), error=describe(error))
        finally:
            self._slots.free(slot)

    async def _begin(self, batch_id: UUID) -> OpenBatch | None:
        """Takes a batch and starts all its messages."""
        if self._stopping:
            return None
        since = time.monotonic()
        deliveries = await self._store.batches.take(batch_id, consumer=self.name)
        if not deliveries:
            log.info("a batch that is no longer ours", batch=str(batch_id))
            return None
        batch = self._leases.open(batch_id, size=len(deliveries), since=since)
        try:
            await self._start_all(deliveries, batch)
        except BaseException:
            # A message without an outcome must not stay in a batch that is renewed for ever.
            self._leases.abandon(batch)
            raise
        return batch

    async def _start_all(self, deliveries: Sequence[Delivery], batch: OpenBatch) -> None:
        await self._read_senders(deliveries)
        for delivery in await self._without_delivered(deliveries, batch):
            self._dispatcher.start(delivery, batch)

    async def _read_senders(self, deliveries: Sequence[Delivery]) -> None:
        """All users of a batch at once, before its deliveries ask for them one by one."""
        try:
            await self._senders.read(d.user_id for d in deliveries if d.user_id is not None)
        except AWAY as error:
            log.warning("users were not read; their deliveries will ask again", error=describe(error))

    async def _without_delivered(self, deliveries: Sequence[Delivery], batch: OpenBatch) -> list[Delivery]:
        """Leaves out what an earlier consumer delivered before it died."""
        recovered = [delivery.id for delivery in deliveries if delivery.recoveries]
        records = await self._records.find(recovered) if recovered else {}
        rest = []
        for delivery in deliveries:
            record = records.get(delivery.id)
            if record is None:
                rest.append(delivery)
            else:
                self._dispatcher.conclude(outcomes.already_sent(delivery, record), batch)
        return rest

    async def _release_unstarted(self) -> None:
        try:
            batches = await self._store.batches.unstarted(self.name)
            if batches:
                released = await self._store.batches.release(batches)
                log.info("batches given back", batches=len(batches), messages=released)
            await self.redis.delete(keys.consumer_queue(self.name))
        except (RedisError, *AWAY) as error:
            log.warning("batches were not given back; their leases run out", error=describe(error))
