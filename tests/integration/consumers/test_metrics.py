"""What a consumer shows of real deliveries, a breaker that opens and a lease that is lost."""

import asyncio

from aiohttp import ClientSession, web
from prometheus_client.parser import text_string_to_metric_families

from consumers.consumer import Consumer
from sql.batches import Offer
from sql.store import Store
from tests.eventually import eventually
from tests.factories import new_message
from tests.integration.consumers.test_consumer import Gateway, consuming, hand_over, keep_sms, until, until_held
from tests.unit.observability.test_metrics import free_port
from tidings.domain.ids import new_id
from tidings.domain.message import Priority
from tidings.domain.states import HeldReason, Status
from tidings.domain.timestamps import utc_now
from tidings.observability.instruments import OTHERS, QUEUES_NAMED
from tidings.settings import Settings

Seen = dict[tuple[str, frozenset[str]], float]


async def scrape(port: int) -> Seen:
    """Each sample by its name and the values of its labels."""
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
        text = await response.text()
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(seen: Seen, name: str, *labels: str) -> float | None:
    return seen.get((name, frozenset(labels)))


async def test_deliveries_are_counted_when_they_are_on_disk(store: Store, settings: Settings) -> None:
    port = free_port()
    ids = await keep_sms(store, 3)
    [refused] = await keep_sms(store, 1, queue="default", due_at=utc_now())
    gateway = Gateway(web.Response(status=400))
    async with consuming(settings, gateway, metrics_port=port) as consumer:
        before = await scrape(port)
        assert value(before, "tidings_messages_cancelled_total", "rejected") == 0
        assert value(before, "tidings_deliveries_total", "sms", "default", "accepted") is None
        await hand_over(store, consumer)

        async def finished() -> bool:
            messages = [await store.messages.get(message_id) for message_id in (*ids, refused)]
            return all(message is not None and message.batch_id is None for message in messages)

        await eventually(finished)

        async def counted() -> Seen | None:
            seen = await scrape(port)
            return seen if value(seen, "tidings_batches_open") == 0 else None

        seen = await eventually(counted)
        assert seen is not None
    assert value(seen, "tidings_deliveries_total", "sms", "default", "accepted") == 3
    assert value(seen, "tidings_deliveries_total", "sms", "default", "rejected") == 1
    assert value(seen, "tidings_messages_cancelled_total", "rejected") == 1
    assert value(seen, "tidings_delivery_seconds_count", "sms") == 4
    assert value(seen, "tidings_lateness_seconds_count", "default") == 4
    assert value(seen, "tidings_batches_taken_total") == 1
    assert value(seen, "tidings_in_flight") == 0
    assert value(seen, "tidings_accepting") == 1
    assert value(seen, "tidings_store_up", "redis") == 1


async def test_ten_thousand_queues_have_a_bounded_number_of_series(store: Store, settings: Settings) -> None:
    count = QUEUES_NAMED + 50
    port = free_port()
    await store.messages.insert(
        [new_message(channel="sms", recipient="+4915112345678", queue=f"queue-{number}") for number in range(count)]
    )
    async with store.database.pool.acquire() as connection:
        await connection.execute("INSERT INTO queues (name) SELECT DISTINCT queue FROM messages ON CONFLICT DO NOTHING")
    claimed = [(Priority.NORMAL.value, f"queue-{number}") for number in range(count)]
    async with consuming(settings, Gateway(), metrics_port=port) as consumer:
        offered = [Offer(new_id(), consumer.name) for _ in range(count)]
        batches = await store.batches.claim(claimed, offered, batch_size=100)
        await asyncio.gather(
            *(consumer.deliver(batch.id, f"{consumer.name}/0", quarantined=False) for batch in batches)
        )

        async def counted() -> Seen | None:
            seen = await scrape(port)
            return seen if sum(_by_queue(seen, "tidings_deliveries_total").values()) == count else None

        seen = await eventually(counted)
        assert seen is not None
    for name in ("tidings_deliveries_total", "tidings_lateness_seconds_count"):
        by_queue = _by_queue(seen, name)
        assert len(by_queue) == QUEUES_NAMED + 1
        assert by_queue[OTHERS] == count - QUEUES_NAMED


def _by_queue(seen: Seen, name: str) -> dict[str, float]:
    """What is counted of a metric, by the name of the queue."""
    return {
        next(label for label in labels if label == OTHERS or label.startswith("queue-")): value
        for (shown, labels), value in seen.items()
        if shown == name
    }


async def test_a_breaker_that_opens_and_what_it_sends_back(store: Store, settings: Settings) -> None:
    port = free_port()
    [first] = await keep_sms(store)
    gateway = Gateway(web.Response(status=500))
    async with consuming(settings, gateway, metrics_port=port, breaker_failures=1) as consumer:
        assert value(await scrape(port), "tidings_breakers", "sms", "open") == 0
        await hand_over(store, consumer)
        await until(store, first, Status.FAILED)
        [second] = await keep_sms(store)
        await hand_over(store, consumer)
        await until_held(store, second, HeldReason.BREAKER)

        async def counted() -> bool:
            return value(await scrape(port), "tidings_messages_untried_total", "returned") == 1

        await eventually(counted)
        seen = await scrape(port)
    assert value(seen, "tidings_breakers", "sms", "open") == 1
    assert value(seen, "tidings_breakers", "webhook", "open") == 0
    assert value(seen, "tidings_deliveries_total", "sms", "default", "retry") == 1


async def test_a_lease_that_is_lost(store: Store, settings: Settings) -> None:
    port = free_port()
    await keep_sms(store)
    gateway = Gateway()
    gateway.hold.clear()
    async with consuming(settings, gateway, metrics_port=port, lease_renewal_seconds=0.05) as consumer:
        await _hold_one(store, consumer, gateway)
        assert value(await scrape(port), "tidings_batches_open") == 1
        assert value(await scrape(port), "tidings_in_flight") == 1
        async with store.database.pool.acquire() as connection:
            await connection.execute("DELETE FROM batches")

        async def lost() -> bool:
            return value(await scrape(port), "tidings_leases_lost_total") == 1

        await eventually(lost)
        gateway.hold.set()


async def _hold_one(store: Store, consumer: Consumer, gateway: Gateway) -> None:
    await hand_over(store, consumer)

    async def arrived() -> bool:
        return bool(gateway.received)

    await eventually(arrived)
