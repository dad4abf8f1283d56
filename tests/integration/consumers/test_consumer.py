"""One consumer with real stores and real sockets: batches in, outcomes on record."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from aiohttp import web
from redis.asyncio import Redis

from consumers import pace, paced_line, room
from consumers.consumer import Consumer
from consumers.dedup import Record
from sql.batches import Offer
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, keep
from tests.integration.channels.receivers import web_receiver
from tidings.domain.ids import new_id
from tidings.domain.message import Message
from tidings.domain.states import AttemptOutcome, CancelReason, HeldReason, Status
from tidings.domain.timestamps import utc_now
from tidings.redis import keys
from tidings.settings import Settings


class Gateway:
    """An SMS gateway that remembers what it was sent; `answers` is what it says first, then 202."""

    def __init__(self, *answers: web.StreamResponse) -> None:
        self.received: list[str] = []
        self.answers = list(answers)
        self.hold = asyncio.Event()
        self.hold.set()

    async def receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.received.append(body["content"])
        await self.hold.wait()
        if self.answers:
            return self.answers.pop(0)
        return web.json_response({"message": "Accepted", "messageId": f"id-{len(self.received)}"}, status=202)


def know(consumer: Consumer, key: str) -> None:
    """Lets a destination have all of its concurrency, as if it had answered some messages."""
    limiter, now = consumer._dispatcher.limiter, time.monotonic()
    destination = limiter._open(key, None, now)
    for _ in range(50):
        destination.answered(now, began=now)


@asynccontextmanager
async def consuming(settings: Settings, gateway: Gateway, **changes: object) -> AsyncIterator[Consumer]:
    """A consumer at work, with that gateway, which has answered before."""
    async with web_receiver(gateway.receive) as url:
        consumer = await Consumer.start(msgspec.structs.replace(settings, webhook_url=url, **changes))
        know(consumer, "sms sms")
        try:
            yield consumer
        finally:
            await consumer.stop()


async def hand_over(
    store: Store, consumer: Consumer, *, batch_size: int = 100, quarantined: bool = False
) -> list[UUID]:
    """Claims what is due for the consumer and delivers it, as its jobs would; returns the batches' ids."""
    batches = await store.batches.claim(
        DEFAULT_CLAIM_LANES, [Offer(new_id(), consumer.name) for _ in range(8)], batch_size=batch_size
    )
    await asyncio.gather(
        *(consumer.deliver(batch.id, f"{consumer.name}/0", quarantined=quarantined) for batch in batches)
    )
    return [batch.id for batch in batches]


@asynccontextmanager
async def holding(store: Store, settings: Settings, *, in_flight: int) -> AsyncIterator[Consumer]:
    """A consumer that has been handed what is due, and whose gateway says nothing until the end."""
    gateway = Gateway()
    gateway.hold.clear()
    async with consuming(settings, gateway, in_flight=in_flight, in_flight_per_destination=in_flight) as consumer:
        over = asyncio.create_task(hand_over(store, consumer))
        try:
            yield consumer
        finally:
            gateway.hold.set()
            await over


async def keep_sms(store: Store, count: int = 1, **changes: object) -> list[UUID]:
    return await keep(store, count, channel="sms", recipient="+4915112345678", **changes)


async def until(store: Store, message_id: UUID, status: Status) -> Message:
    async def look() -> Message | None:
        message = await store.messages.get(message_id)
        return message if message is not None and message.status is status else None

    found = await eventually(look)
    assert found is not None
    return found


async def until_held(store: Store, message_id: UUID, reason: HeldReason) -> Message:
    """Waits until a message that was never tried is held; it does not count as failed."""

    async def look() -> Message | None:
        message = await store.messages.get(message_id)
        return message if message is not None and message.held_reason is reason else None

    found = await eventually(look)
    assert found is not None
    assert found.status is Status.PENDING
    return found


async def due_now(store: Store, message_id: UUID) -> None:
    assert await store.messages.retry(message_id)


async def batches_left(store: Store) -> int:
    async with store.database.pool.acquire() as connection:
        count: int = await connection.fetchval("SELECT count(*) FROM batches")
    return count


async def test_delivers_records_and_closes(store: Store, settings: Settings, redis: Redis) -> None:
    ids = await keep_sms(store, 150)
    gateway = Gateway()
    async with consuming(settings, gateway) as consumer:
        await hand_over(store, consumer)
        for message_id in ids:
            message = await until(store, message_id, Status.SENT)
            assert message.provider_message_id is not None
            assert message.tries == 1
        assert len(gateway.received) == 150
        assert await batches_left(store) == 0
    assert all([await redis.exists(keys.dedup_record(message_id)) for message_id in ids])
    record = msgspec.json.decode(await redis.get(keys.dedup_record(ids[0])), type=Record)
    assert record.message_id is not None
    assert 0 < await redis.ttl(keys.dedup_record(ids[0])) <= settings.redis_ttl


async def test_500_twice_then_202_makes_three_attempts(store: Store, settings: Settings) -> None:
    [message_id] = await keep_sms(store)
    gateway = Gateway(web.Response(status=500, text="oh no"), web.Response(status=500))
    async with consuming(settings, gateway) as consumer:
        for _ in range(2):
            await hand_over(store, consumer)
            failed = await until(store, message_id, Status.FAILED)
            assert failed.due_at > utc_now()
            await due_now(store, message_id)
        await hand_over(store, consumer)
        message = await until(store, message_id, Status.SENT)
    attempts = await store.messages.attempts(message)
    assert [attempt.try_number for attempt in attempts] == [1, 2, 3]
    assert [attempt.status_code for attempt in attempts] == [500, 500, 202]
    assert [attempt.outcome for attempt in attempts] == [
        AttemptOutcome.RETRY,
        AttemptOutcome.RETRY,
        AttemptOutcome.ACCEPTED,
    ]
    assert attempts[0].answer == "oh no"


async def test_a_gateway_that_asks_for_less_gets_less(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes four at once, where 64 may be in flight to a destination, and answers 429 to the others."""
    # What is learned of a receiver in minutes is learned in seconds here.
    for module, name, hurried in (
        (pace, "FIRST_RATE", 20.0),
        (pace, "FIRST_ROUND", 0.1),
        (pace, "LONGEST_ROUND", 2.0),
        (pace, "SHORTEST_MEASURE", 0.1),
        (paced_line, "SHORTEST_AWAY", 0.1),
    ):
        monkeypatch.setattr(module, name, hurried)
    most, refused = 4, 0
    inside = 0

    class Busy(Gateway):
        async def receive(self, request: web.Request) -> web.StreamResponse:
            nonlocal inside, refused
            if inside >= most:
                refused += 1
                return web.Response(status=429)
            inside += 1
            try:
                await asyncio.sleep(0.01)
                return await super().receive(request)
            finally:
                inside -= 1

    await keep_sms(store, 130)
    gateway = Busy()
    async with consuming(settings, gateway, in_flight_per_destination=64, breaker_failures=1000) as consumer:

        async def all_sent() -> bool:
            await hand_over(store, consumer)
            return len(gateway.received) >= 130

        await eventually(all_sent, within=40)
    # Of the first 64 some 60 are refused, and hardly any after that.
    assert refused < 100


async def test_400_is_rejected_at_once(store: Store, settings: Settings) -> None:
    [message_id] = await keep_sms(store)
    async with consuming(settings, Gateway(web.Response(status=400, text="no such number"))) as consumer:
        await hand_over(store, consumer)
        message = await until(store, message_id, Status.CANCELLED)
    assert (message.cancel_reason, message.tries) == (CancelReason.REJECTED, 1)
    assert message.last_error is not None
    assert "400" in message.last_error


async def test_a_gateway_that_hangs_costs_a_try_and_is_retried(store: Store, settings: Settings) -> None:
    [message_id] = await keep_sms(store)
    gateway = Gateway()
    gateway.hold.clear()
    async with consuming(settings, gateway, delivery_timeout=0.2, connect_timeout=0.2) as consumer:
        await hand_over(store, consumer)
        message = await until(store, message_id, Status.FAILED)
        gateway.hold.set()
    assert message.tries == 1
    assert message.last_error is not None
    assert "timed out" in message.last_error


async def test_what_an_earlier_consumer_delivered_is_not_sent_again(
    store: Store, settings: Settings, redis: Redis
) -> None:
    delivered, unknown = await keep_sms(store, 2)
    [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, [Offer(new_id(), "dead")], batch_size=100)
    await store.batches.take(batch.id, consumer="dead")
    await redis.set(keys.dedup_record(delivered), msgspec.json.encode(Record(utc_now(), "from before")))
    async with store.database.pool.acquire() as connection:
        await connection.execute("UPDATE batches SET lease_until = now() - interval '1 s'")
    seen = await store.batches.expired(limit=10)
    await store.batches.reclaim(seen, max_age=timedelta(minutes=1), recoveries_allowed=5)
    gateway = Gateway()
    async with consuming(settings, gateway) as consumer:
        await hand_over(store, consumer)
        message = await until(store, delivered, Status.SENT)
        await until(store, unknown, Status.SENT)
    assert message.provider_message_id == "from before"
    assert len(gateway.received) == 1


async def test_flight_is_bounded_and_a_slow_gateway_holds_no_lease_hostage(store: Store, settings: Settings) -> None:
    ids = await keep_sms(store, 20)
    gateway = Gateway()
    gateway.hold.clear()
    async with consuming(
        settings, gateway, in_flight=10, in_flight_per_destination=10, lease_seconds=0.6, lease_renewal_seconds=0.1
    ) as consumer:
        over = asyncio.create_task(hand_over(store, consumer))

        async def ten() -> bool:
            return len(gateway.received) == 10

        await eventually(ten)
        # Far longer than a lease: renewals keep the batch ours, and no eleventh delivery begins.
        await asyncio.sleep(1.5)
        assert len(gateway.received) == 10
        assert (await store.batches.expired(limit=10)).ids == []
        gateway.hold.set()
        await over
        for message_id in ids:
            await until(store, message_id, Status.SENT)
    assert len(gateway.received) == 20


async def test_who_waits_for_a_gateway_that_hangs_holds_no_slot_and_leaves_room_for_others(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PATIENCE_FACTOR_OF_ONE", 1)
    ids = await keep_sms(store, 10)
    gateway = Gateway()
    gateway.hold.clear()
    async with consuming(settings, gateway, in_flight=10, in_flight_per_destination=4) as consumer:
        # Four hang and six stand in line. There is room for more, so the batch is through its slot.
        async with asyncio.timeout(5):
            await hand_over(store, consumer)
        assert consumer.accepting
        # With these there is no room left, until the line is cut to as many as may hang.
        ids += await keep_sms(store, 7)
        others = await keep(store, 5)
        async with asyncio.timeout(5):
            await hand_over(store, consumer)
        assert consumer.accepting
        for message_id in others:
            await until(store, message_id, Status.SENT)
        for message_id in ids[8:]:
            assert (await until_held(store, message_id, HeldReason.ROOM)).tries == 0
        assert len(gateway.received) == 4
        gateway.hold.set()
        for message_id in ids[:8]:
            await until(store, message_id, Status.SENT)
    assert len(gateway.received) == 8


async def test_a_batch_that_was_taken_away_is_not_started_further(store: Store, settings: Settings) -> None:
    await keep_sms(store, 30)
    gateway = Gateway()
    gateway.hold.clear()
    async with consuming(
        settings, gateway, in_flight=10, in_flight_per_destination=10, lease_renewal_seconds=0.05
    ) as consumer:
        over = asyncio.create_task(hand_over(store, consumer))

        async def ten() -> bool:
            return len(gateway.received) == 10

        await eventually(ten)
        async with store.database.pool.acquire() as connection:
            await connection.execute("DELETE FROM batches")

        async def lost() -> bool:
            return len(consumer._leases) == 0

        await eventually(lost)
        gateway.hold.set()
        await over
    assert len(gateway.received) == 10


async def test_a_stop_finishes_what_is_in_flight_and_gives_back_the_rest(
    store: Store, settings: Settings, redis: Redis
) -> None:
    ids = await keep_sms(store, 30)
    gateway = Gateway()
    gateway.hold.clear()
    async with web_receiver(gateway.receive) as url:
        consumer = await Consumer.start(
            msgspec.structs.replace(settings, webhook_url=url, in_flight=10, in_flight_per_destination=10)
        )
        know(consumer, "sms sms")
        over = asyncio.create_task(hand_over(store, consumer, batch_size=20))

        async def ten() -> bool:
            return len(gateway.received) == 10

        await eventually(ten)
        stopping = asyncio.create_task(consumer.stop())

        async def withdrawn() -> bool:
            return bool(await redis.zcard(keys.SLOTS) == 0)

        await eventually(withdrawn)
        gateway.hold.set()
        await asyncio.gather(stopping, over)
    messages = [await store.messages.get(message_id) for message_id in ids]
    statuses = [message.status for message in messages if message is not None]
    assert statuses.count(Status.SENT) == len(gateway.received) == 10
    assert statuses.count(Status.PENDING) == 20
    assert await batches_left(store) == 0


async def test_expired_messages_are_not_sent(store: Store, settings: Settings) -> None:
    [message_id] = await keep_sms(store, expires_at=utc_now() - timedelta(seconds=1))
    gateway = Gateway()
    async with consuming(settings, gateway) as consumer:
        await hand_over(store, consumer)
        message = await until(store, message_id, Status.CANCELLED)
    assert (message.cancel_reason, message.tries) == (CancelReason.EXPIRED, 0)
    assert gateway.received == []


async def test_a_channel_that_is_not_there_uses_up_no_attempt(store: Store, settings: Settings) -> None:
    [message_id] = await keep(store, channel="pigeon")
    async with consuming(settings, Gateway()) as consumer:
        await hand_over(store, consumer)

        async def returned() -> Message | None:
            message = await store.messages.get(message_id)
            return message if message is not None and message.last_error is not None else None

        message = await eventually(returned)
    assert message is not None
    assert message.last_error == "channel 'pigeon' is not there in this consumer"
    assert (message.status, message.tries) == (Status.PENDING, 0)


async def test_suspects_are_delivered_one_at_a_time(store: Store, settings: Settings) -> None:
    await keep_sms(store, 3)
    gateway = Gateway()
    gateway.hold.clear()
    async with consuming(settings, gateway) as consumer:
        over = asyncio.create_task(hand_over(store, consumer, batch_size=1, quarantined=True))

        async def one() -> bool:
            return len(gateway.received) == 1

        await eventually(one)
        async with store.database.pool.acquire() as connection:
            started = await connection.fetchval("SELECT count(*) FROM batches WHERE started_at IS NOT NULL")
        assert started == 1
        gateway.hold.set()
        await over
    assert len(gateway.received) == 3


async def test_slots_are_offered_again_after_a_flush(settings: Settings, redis: Redis) -> None:
    async def offered() -> bool:
        return bool(await redis.zcard(keys.SLOTS) == settings.consumer_slots)

    async with consuming(settings, Gateway()):
        await eventually(offered)
        await redis.flushall()
        await eventually(offered)
    assert await redis.zcard(keys.SLOTS) == 0
