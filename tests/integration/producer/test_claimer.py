"""From due rows to jobs on consumers' queues, on real stores."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
from arq.connections import ArqRedis
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from producer.claimer import Claimer, Linger
from producer.guard import Guard
from producer.publisher import Publisher
from producer.slots import Slot, SlotMarket
from producer.wakeup import Listener, Wakeup
from sql.batches import ClaimedBatch
from sql.lists import MessageFilter
from sql.low_water import LowWater
from sql.store import Store
from tests.eventually import eventually
from tests.factories import keep
from tidings.domain.states import Status
from tidings.redis import jobs, keys
from tidings.settings import Settings


async def offer(redis: Redis, count: int, *, age: float = 0.0) -> None:
    seconds, _ = await redis.time()
    await redis.zadd(keys.SLOTS, {f"c1/{n}": seconds - age for n in range(count)})


@asynccontextmanager
async def claiming(
    store: Store, redis: Redis, settings: Settings, publisher: Publisher | None = None
) -> AsyncIterator[None]:
    """A claimer at work."""
    wakeup = Wakeup(poll_interval=0.2, clock=asyncio.get_running_loop().time)
    publisher = publisher or Publisher(redis, lease_seconds=10)
    guard = Guard(store.marker, redis)
    claimer = Claimer(store, SlotMarket(redis), publisher, wakeup, settings, guard=guard)
    listener = Listener(store.database, on_due=claimer.notified, on_queues=claimer.forget_queues)
    stop = asyncio.Event()
    listening = asyncio.create_task(listener.listen())
    running = asyncio.create_task(claimer.run(stop))
    try:
        yield
    finally:
        stop.set()
        listening.cancel()
        await asyncio.wait_for(running, timeout=5)


async def until_queued(redis: Redis, count: int) -> list[bytes]:
    async def queued() -> bool:
        return bool(await redis.zcard(keys.consumer_queue("c1")) >= count)

    await eventually(queued)
    found: list[bytes] = await redis.zrange(keys.consumer_queue("c1"), 0, -1)
    return found


async def until_offered(redis: Redis, most: int) -> None:
    async def few() -> bool:
        return bool(await redis.zcard(keys.SLOTS) <= most)

    await eventually(few)


async def count(store: Store, status: Status) -> int:
    return len(await store.messages.list(MessageFilter(status=status), before=None, limit=500))


async def test_due_messages_reach_a_consumer_that_has_room(store: Store, redis: Redis, settings: Settings) -> None:
    await keep(store, 250)
    await offer(redis, 8)
    async with claiming(store, redis, settings):
        ids = await until_queued(redis, 3)
    assert await count(store, Status.PROCESSING) == 250
    arq = ArqRedis(redis.connection_pool, job_deserializer=jobs.deserialize)
    queued = await arq.queued_jobs(queue_name=keys.consumer_queue("c1"))
    assert [job.function for job in queued] == ["deliver"] * 3
    assert [job.args[0] for job in queued] == [batch_id.decode() for batch_id in ids]
    # What was not needed is on offer again.
    assert await redis.zcard(keys.SLOTS) == 5


async def test_nothing_is_claimed_where_no_consumer_is_alive(store: Store, redis: Redis, settings: Settings) -> None:
    await keep(store, 10)
    await offer(redis, 8, age=60)
    async with claiming(store, redis, settings):
        # Dead offers are taken off the market, and not used.
        await until_offered(redis, 0)
        assert await count(store, Status.PENDING) == 10
        await offer(redis, 1)
        await until_queued(redis, 1)


async def test_a_notify_wakes_it(store: Store, redis: Redis, settings: Settings) -> None:
    await offer(redis, 8)
    async with claiming(store, redis, settings):
        for expected in range(1, 4):
            await keep(store)
            await until_queued(redis, expected)


class BrokenPublisher(Publisher):
    async def push(self, batches: Sequence[tuple[ClaimedBatch, Slot]]) -> None:
        raise RedisConnectionError("gone")


async def test_a_claim_that_cannot_be_pushed_is_undone_at_once(store: Store, redis: Redis, settings: Settings) -> None:
    await keep(store, 10)
    await offer(redis, 8)
    async with claiming(store, redis, settings, BrokenPublisher(redis, lease_seconds=10)):
        await until_offered(redis, 7)
    assert await count(store, Status.PENDING) == 10
    assert await store.batches.unstarted("c1") == []


async def test_queues_take_turns(store: Store, redis: Redis, settings: Settings) -> None:
    await store.queues.put("long", active=True, interval_seconds=0, batch_size=None)
    await store.queues.put("short", active=True, interval_seconds=0, batch_size=None)
    await keep(store, 1000, queue="long")
    [waiting] = await keep(store, 1, queue="short")
    async with claiming(store, redis, settings):
        for _ in range(3):
            await offer(redis, 1)
            await until_offered(redis, 0)
    message = await store.messages.get(waiting)
    assert message is not None
    assert message.status is Status.PROCESSING


class Endless(Publisher):
    """For each batch that is pushed there is another message, and another slot."""

    def __init__(self, store: Store, redis: Redis) -> None:
        super().__init__(redis, lease_seconds=10)
        self._store = store
        self._slots = redis
        self.pushes = 0

    async def push(self, batches: Sequence[tuple[ClaimedBatch, Slot]]) -> None:
        await super().push(batches)
        self.pushes += 1
        await keep(self._store, 16)
        await offer(self._slots, 16)


async def test_it_stops_though_there_is_more_to_claim(store: Store, redis: Redis, settings: Settings) -> None:
    endless = Endless(store, redis)
    await keep(store, 16)
    await offer(redis, 16)
    async with claiming(store, redis, msgspec.structs.replace(settings, batch_size=1), endless):

        async def at_work() -> bool:
            return endless.pushes > 3

        await eventually(at_work)
    # It has ended within the time limit of `claiming`, and left something.
    assert await count(store, Status.PENDING) > 0


class More(LowWater):
    """Something that is due is always left."""

    @property
    def more(self) -> bool:
        return True

    @more.setter
    def more(self, value: bool) -> None: ...


async def test_a_claim_that_leaves_something_and_fills_no_batch_lingers_before_the_next(
    store: Store, redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    lingered: list[Linger] = []

    def pause(self: Linger) -> float:
        lingered.append(self)
        return 0.0

    monkeypatch.setattr("producer.claimer.LowWater", More)
    monkeypatch.setattr(Linger, "pause", pause)
    endless = Endless(store, redis)
    await keep(store, 16)
    await offer(redis, 16)
    async with claiming(store, redis, settings, endless):

        async def at_work() -> bool:
            return endless.pushes > 3

        await eventually(at_work)
        assert len(lingered) >= endless.pushes - 1
