"""One consumer: takes batches, has their messages delivered, and gives back what it cannot deliver.

The way of a batch: its job arrives (a crash costs one lease) → `take` commits (after a crash the outcomes are unknown)
→ its messages start or wait in line → once there is room for more its slot is free again → outcomes are recorded →
with the last one the batch is deleted. The lease is renewed from `take` to the end.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial
from typing import Self
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from consumers.bounces import suppress_bounced
from consumers.cache import listen
from consumers.dedup import DedupRecords
from consumers.dispatcher import Dispatcher
from consumers.endpoints import EndpointCache, EndpointHealth
from consumers.holds import Holds
from consumers.leases import Leases, OpenBatch
from consumers.mails import StoredMails
from consumers.metrics import ConsumerMetrics
from consumers.recorder import OutcomeRecorder
from consumers.report import Reporter
from consumers.senders import SenderCache
from consumers.slots import SlotOffers
from consumers.verdict import gateway_mended, mended
from sql.database import AWAY
from sql.gateways import KnownGateways
from sql.smtp_tokens import StoredTokens
from sql.store import Store
from tidings.channels.base import ChannelContext
from tidings.channels.email.accounts import opened
from tidings.channels.http.client import HttpClient
from tidings.channels.installed import recipients
from tidings.channels.registry import ChannelRegistry
from tidings.channels.sms.configured import configured_gateways
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import describe
from tidings.domain.message import Delivery, Outcome
from tidings.domain.retry import RetryPolicy
from tidings.domain.timestamps import utc_now
from tidings.observability.metrics import MetricsServer
from tidings.redis import keys
from tidings.redis.connections import connect_redis, probe
from tidings.redis.refusals import check
from tidings.security.egress import loopback_egress, plain_webhook_egress, webhook_egress
from tidings.settings import Settings

log = structlog.get_logger(__name__)

LAST_WRITES_SECONDS = 10.0
"""How long a stopping consumer waits for Postgres and Redis to take its last outcomes."""


class Consumer:
    """All of one consumer except the arq worker, which is built again whenever Redis drops."""

    def __init__(self, settings: Settings, store: Store, redis: Redis) -> None:
        self.settings = settings
        self.name = settings.consumer_name
        self._store = store
        self.redis = redis
        # Four, since the operator's connections are unchecked, and those for plain http and for this machine checked
        # otherwise: none of any may serve another kind of address.
        self._transport = HttpClient(settings, egress=webhook_egress(settings))
        self._plain_transport = HttpClient(settings, egress=plain_webhook_egress(settings))
        self._loopback_transport = HttpClient(settings, egress=loopback_egress(settings))
        self._operators_transport = HttpClient(settings)
        self._senders = SenderCache(opened(store.users.senders, settings), clock=time.monotonic)
        self._endpoints = EndpointCache(store.endpoints.among, clock=time.monotonic)
        self._health = EndpointHealth(
            store.endpoints,
            self._endpoints,
            disable_after=timedelta(seconds=settings.endpoint_failing_seconds),
            now=utc_now,
        )
        self._mails = StoredMails(store.batches.mails)
        self._gateways = KnownGateways(store.gateways, configured_gateways(settings.sms_gateways))
        self._channels = ChannelRegistry.load(
            ChannelContext(
                settings=settings,
                transport=self._transport,
                plain_transport=self._plain_transport,
                loopback_transport=self._loopback_transport,
                operators_transport=self._operators_transport,
                senders=self._senders,
                endpoints=self._endpoints,
                mails=self._mails,
                gateways=self._gateways.directory,
                refresh_tokens=StoredTokens(store.smtp_accounts),
            )
        )
        self._leases = Leases(
            store,
            lease_seconds=settings.lease_seconds,
            renewal_seconds=settings.lease_renewal_seconds,
            clock=time.monotonic,
        )
        self._dedup = DedupRecords(redis, life_seconds=settings.redis_ttl, by_provider=settings.provider_records)
        self._holds = Holds(store.holds)
        self._recorder = OutcomeRecorder(
            store,
            consumer=self.name,
            backlog=settings.outcome_backlog,
            on_closing=self._leases.closing,
            on_closed=self._leases.close,
            before=self._write_first,
        )
        self._dispatcher = Dispatcher(
            self._channels,
            self._recorder,
            self._dedup,
            self._leases,
            self._holds,
            senders=self._senders,
            endpoints=self._endpoints,
            health=self._health,
            settings=settings,
            policy=RetryPolicy(
                delays=settings.retry_delays,
                jitter=settings.retry_jitter,
                of_channel=lambda name: recipients(name).retry_delays,
            ),
            now=utc_now,
            clock=time.monotonic,
        )
        self._senders.observers.append(partial(mended, self._dispatcher.limiter))
        self._gateways.observers.append(partial(gateway_mended, self._dispatcher.limiter))
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
        metrics = ConsumerMetrics(
            settings,
            channels=self._channels.names(),
            dispatcher=self._dispatcher,
            leases=self._leases,
            recorder=self._recorder,
            accepting=lambda: self.accepting,
        )
        metrics.registry.watch_stores({"postgres": store.ping, "redis": partial(probe, redis)})
        self._recorder.observers.append(metrics.recorded)
        self._metrics_server = MetricsServer(metrics.registry, settings)
        self._quarantine = asyncio.Lock()
        self._stopping = False
        self._loops: list[asyncio.Task[None]] = []
        self._batches: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, settings: Settings) -> Self:
        """Waits for Postgres, then starts a consumer.

        Raises SchemaError where the schema does not fit, StoreRefusedError where a store refuses this process.
        """
        store = await Store.connect(
            settings.postgres_uri,
            process=f"consumer {settings.consumer_name}",
            lease_seconds=settings.lease_seconds,
            listen_uri=settings.postgres_listen_uri,
        )
        redis = connect_redis(settings)
        try:
            await check(redis)
        except BaseException:
            await redis.aclose()
            await store.close()
            raise
        consumer = cls(settings, store, redis)
        await consumer._holds.read()
        await consumer._gateways.start()
        consumer._loops = [
            asyncio.create_task(consumer._leases.run(), name="leases"),
            asyncio.create_task(consumer._recorder.run(), name="recorder"),
            asyncio.create_task(consumer._dedup.run(), name="dedup records"),
            asyncio.create_task(consumer._holds.run(), name="holds"),
            asyncio.create_task(consumer._gateways.run(), name="gateways"),
            asyncio.create_task(consumer._slots.run(), name="slots"),
            asyncio.create_task(consumer._reporter.run(), name="reports"),
            asyncio.create_task(consumer._health.run(), name="how endpoints fare"),
            asyncio.create_task(
                listen(store.database, {"tidings_users": consumer._senders, "tidings_endpoints": consumer._endpoints}),
                name="changed rows",
            ),
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
        return (
            not self._stopping
            and self._recorder.accepting
            and not self._leases.away
            and self._dispatcher.limiter.room.is_set()
        )

    def serving(self, stop: asyncio.Event) -> AbstractAsyncContextManager[None]:
        """A block in which it serves; see `Store.serving`."""
        return self._store.serving(stop)

    async def deliver(self, batch_id: UUID, slot: str, *, quarantined: bool) -> None:
        """Takes a batch that arrived through a slot; returns when its messages have started or wait, and there is room.

        Cancelling the caller does not stop the work. A quarantined batch may kill the process: it goes by itself.
        """
        task = asyncio.create_task(self._through_slot(batch_id, slot, quarantined=quarantined))
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)
        await asyncio.shield(task)

    async def stop(self) -> None:
        """Takes nothing more, gives back what has not started, then finishes and records what is in flight."""
        self._stopping = True
        await self._slots.withdraw()
        self._dispatcher.stop_starting()
        await self._release_unstarted()
        await self._dispatcher.drain(self.settings.grace_seconds)
        if self._batches:
            await asyncio.wait(set(self._batches), timeout=LAST_WRITES_SECONDS)
        try:
            async with asyncio.timeout(LAST_WRITES_SECONDS):
                await self._dedup.written()
                await self._recorder.written()
                # What a producer pushed during the stop.
                await self._release_unstarted()
        except TimeoutError:
            log.exception("stops with outcomes that were not written; their messages will be recovered")
        await cancel_and_wait(*self._loops)
        await self._reporter.finish()
        await self._metrics_server.stop()
        await self._channels.close()
        await self._transport.close()
        await self._plain_transport.close()
        await self._loopback_transport.close()
        await self._operators_transport.close()
        await self.redis.aclose()
        await self._store.close()
        log.info("consumer has stopped", consumer=self.name)

    async def failed_loop(self) -> None:
        """Waits for the end of one of the consumer's loops, which only a defect brings about, and raises it."""
        done, _ = await asyncio.wait(self._loops, return_when=asyncio.FIRST_COMPLETED)
        for loop in done:
            loop.result()

    async def _through_slot(self, batch_id: UUID, slot: str, *, quarantined: bool) -> None:
        self._slots.occupy(slot)
        if quarantined:
            # It waits for its turn without room that others could use: there is one of its kind here at most.
            self._slots.free(slot)
        try:
            if quarantined:
                # One at a time, taken only when its turn has come, and the next one only when its outcome is on disk:
                # a message that kills this process is then the only suspect.
                async with self._quarantine:
                    batch = await self._begin(batch_id)
                    if batch is not None:
                        await batch.through.wait()
            else:
                # What is not taken yet holds no memory. If that lasts, its lease runs out and it goes back as it was.
                await self._dispatcher.limiter.room.wait()
                await self._begin(batch_id)
                await self._dispatcher.limiter.room.wait()
        except AWAY as error:
            log.warning("a batch was not taken", batch=str(batch_id), error=describe(error))
        finally:
            if not quarantined:
                self._slots.free(slot)

    async def _begin(self, batch_id: UUID) -> OpenBatch | None:
        """Takes a batch and starts all its messages."""
        if self._stopping:
            return None
        since = time.monotonic()
        deliveries: Sequence[Delivery] = await self._store.batches.take(batch_id, consumer=self.name)
        if not deliveries:
            log.info("a batch that is no longer ours", batch=str(batch_id))
            return None
        batch = self._leases.open(batch_id, size=len(deliveries), since=since)
        try:
            await self._read_rows(deliveries)
            deliveries = await self._mails.read_small(deliveries)
            doubtful = [delivery.id for delivery in deliveries if delivery.possible_duplicate]
            records = await self._dedup.find(doubtful) if doubtful else {}
            for delivery in deliveries:
                if delivery.id in records:
                    self._dispatcher.skip_sent(delivery, records[delivery.id], batch)
                else:
                    self._dispatcher.start(delivery, batch)
        except BaseException:
            # A message without an outcome must not stay in a batch that is renewed for ever.
            self._leases.abandon(batch)
            raise
        return batch

    async def _read_rows(self, deliveries: Sequence[Delivery]) -> None:
        """Reads all users and endpoints of a batch at once, before its deliveries ask for them one by one."""
        try:
            await self._senders.read(d.user_id for d in deliveries if d.user_id is not None)
            await self._endpoints.read(d.endpoint_id for d in deliveries if d.endpoint_id is not None)
        except AWAY as error:
            log.warning("users and endpoints were not read; deliveries will ask again", error=describe(error))

    async def _write_first(self, outcomes: Sequence[Outcome]) -> None:
        """What must not be missing once these outcomes are written."""
        await self._holds.write(outcomes)
        await self._health.write_gone()
        await suppress_bounced(self._store.suppressions, outcomes)

    async def _release_unstarted(self) -> None:
        try:
            batches = await self._store.batches.unstarted(self.name)
            if batches:
                released = await self._store.batches.release(batches)
                log.info("batches given back", batches=len(batches), messages=released)
            await self.redis.delete(keys.consumer_queue(self.name))
        except (RedisError, *AWAY) as error:
            log.warning("batches were not given back; their leases run out", error=describe(error))
