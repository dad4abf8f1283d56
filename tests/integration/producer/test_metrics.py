"""What a producer shows of what it pushed and took back."""

from datetime import timedelta

from prometheus_client import CollectorRegistry

from producer.leader import Leader
from producer.maintenance import Maintenance
from producer.metrics import ProducerMetrics
from producer.publisher import Publisher
from producer.receipts import ReceiptMaintenance
from producer.reconciler import Reconciler
from producer.slots import Slot
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tests.integration.producer.conftest import SteeredStore
from tidings.domain.timestamps import utc_now
from tidings.redis.connections import connect_redis
from tidings.settings import Settings


async def test_what_is_pushed_lost_and_expired(steered: SteeredStore, settings: Settings) -> None:
    store = steered
    redis = connect_redis(settings)
    publisher, reconciler = Publisher(redis, lease_seconds=10), Reconciler(store, settings)
    maintenance = Maintenance(
        store, retention=timedelta(days=90), audit_retention=timedelta(days=365), expire_every=1.0
    )
    leader = Leader(store.database, redis, [*reconciler.duties, *maintenance.duties])
    receipts = ReceiptMaintenance(store.receipts)
    metrics = ProducerMetrics(
        "here",
        publisher=publisher,
        reconciler=reconciler,
        maintenance=maintenance,
        receipts=receipts,
        leader=leader,
    )
    registry: CollectorRegistry = metrics.registry

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("tidings_batches_pushed_total") == 0
    assert value("tidings_messages_cancelled_total", reason="poison") == 0

    await keep(store, 3)
    await keep(store, 2, due_at=utc_now() + timedelta(days=1), expires_at=utc_now() - timedelta(seconds=1))
    batches = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(2, "c1"), batch_size=2)
    await publisher.push([(batch, Slot(consumer="c1", name="c1/0", offered_at=0.0)) for batch in batches])
    assert value("tidings_batches_pushed_total") == 2
    assert value("tidings_messages_pushed_total") == 3

    # One of them was started: its messages have outcomes that nobody knows.
    taken = await store.batches.take(batches[0].id, consumer="c1")
    await reconciler.reconcile()
    async with store.database.pool.acquire() as connection:
        await connection.execute("UPDATE batches SET lease_until = now() - interval '1 second'")
    await reconciler.reconcile()
    await maintenance.expire()
    assert value("tidings_batches_reclaimed_total") == 2
    assert value("tidings_messages_reconciled_total", how="recovered") == len(taken)
    assert value("tidings_messages_reconciled_total", how="released") == 3 - len(taken)
    assert value("tidings_messages_cancelled_total", reason="expired") == 2
    assert value("tidings_producer_leads") == 0
    assert value("tidings_producer_duty_failures_total", duty="retention") == 0
    assert value("tidings_producer_duty_last_success_timestamp_seconds", duty="retention") is None
    leader.failures["retention"] += 1
    leader.succeeded_at["retention"] = 5.0
    assert value("tidings_producer_duty_failures_total", duty="retention") == 1
    assert value("tidings_producer_duty_last_success_timestamp_seconds", duty="retention") == 5.0
    await redis.aclose()
