"""One producer process: the claimer, its listener, the leader with its duties, and a heartbeat, side by side."""

import asyncio
import contextlib
import socket
from datetime import timedelta
from functools import partial
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from producer.accounts import AccountMaintenance
from producer.claimer import Claimer
from producer.depths import DepthRecorder
from producer.endpoints import EndpointMaintenance
from producer.guard import Guard
from producer.leader import Leader
from producer.maintenance import Maintenance
from producer.metrics import ProducerMetrics
from producer.publisher import Publisher
from producer.receipts import ReceiptMaintenance
from producer.reconciler import Reconciler
from producer.slots import SlotMarket
from producer.status_events import StatusEvents
from producer.wakeup import Listener, Wakeup
from sql.store import Store
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.message import DEFAULT_QUEUE
from tidings.observability.metrics import MetricsServer
from tidings.redis import keys
from tidings.redis.connections import connect_redis, probe
from tidings.redis.refusals import check
from tidings.runtime.process import run_until
from tidings.settings import Settings

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS: Final = 1.0
HEARTBEAT_LIFE_SECONDS: Final = 5


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Runs a producer until `stop` is set.

    Raises SchemaError where the database does not fit, StoreRefusedError where a store refuses this process.
    """
    store = await run_until(
        stop,
        Store.connect(
            settings.postgres_uri,
            process="producer",
            lease_seconds=settings.lease_seconds,
            listen_uri=settings.postgres_listen_uri,
        ),
    )
    if store is None:
        return
    redis = connect_redis(settings)
    publisher = Publisher(redis, lease_seconds=settings.lease_seconds)
    reconciler = Reconciler(store, settings)
    maintenance = Maintenance(
        store,
        retention=timedelta(days=settings.retention_days),
        audit_retention=timedelta(days=settings.audit_retention_days),
        expire_every=settings.reconcile_seconds,
    )
    accounts = AccountMaintenance(
        store, every=settings.reconcile_seconds, retention=timedelta(days=settings.retention_days)
    )
    receipts = ReceiptMaintenance(store.receipts)
    guard = Guard(store.marker, redis)
    endpoints = EndpointMaintenance(store, settings)
    status_events = StatusEvents(store, settings)
    duties = [
        guard.duty,
        *reconciler.duties,
        *maintenance.duties,
        *accounts.duties,
        *endpoints.duties,
        *receipts.duties,
        *status_events.duties,
        DepthRecorder(store, redis).duty,
    ]
    leader = Leader(store.database, redis, duties, begin=reconciler.begin)
    metrics = ProducerMetrics(
        socket.gethostname(),
        publisher=publisher,
        reconciler=reconciler,
        maintenance=maintenance,
        receipts=receipts,
        leader=leader,
    )
    metrics.registry.watch_stores({"postgres": store.ping, "redis": partial(probe, redis)})
    metrics_server = MetricsServer(metrics.registry, settings)
    try:
        await check(redis)
        await metrics_server.start()
        await _pace_at_first(store, settings)
        wakeup = Wakeup(poll_interval=settings.poll_interval, clock=asyncio.get_running_loop().time)
        claimer = Claimer(store, SlotMarket(redis), publisher, wakeup, settings, guard=guard)
        listener = Listener(store.database, on_due=claimer.notified, on_queues=claimer.forget_queues)
        log.info("producer is ready")
        async with store.serving(stop), asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(listener.listen())
            beating = tasks.create_task(_beat(redis))
            tasks.create_task(leader.run(stop))
            await claimer.run(stop)
            await cancel_and_wait(listening, beating)
        log.info("producer has stopped")
    finally:
        await metrics_server.stop()
        await redis.aclose()
        await store.close()


async def _pace_at_first(store: Store, settings: Settings) -> None:
    """`SCHEDULER_INTERVAL` is for a queue that nobody has paced yet; later changes are made in Postgres."""
    if settings.scheduler_interval and await store.queues.pace_at_first(
        DEFAULT_QUEUE, interval_seconds=settings.scheduler_interval, per_interval=settings.scheduler_batch_size
    ):
        log.info(
            "queue paced by SCHEDULER_INTERVAL",
            queue=DEFAULT_QUEUE,
            seconds=settings.scheduler_interval,
            messages=settings.scheduler_batch_size,
        )


async def _beat(redis: Redis) -> None:
    while True:
        # Away or not is the claimer's to say; a heartbeat is only missed.
        with contextlib.suppress(RedisError, OSError):
            await redis.set(keys.PRODUCER_HEARTBEAT, 1, ex=HEARTBEAT_LIFE_SECONDS)
        await asyncio.sleep(HEARTBEAT_SECONDS)
