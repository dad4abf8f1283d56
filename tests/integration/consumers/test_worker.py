"""The arq worker and what it finds in Redis: foreign and damaged jobs are put aside, and deliveries go on."""

import asyncio
import pickle
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from arq.constants import job_key_prefix
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from redis.asyncio import Redis

from consumers import listener
from consumers.worker import make_worker_settings, serve
from producer.publisher import Publisher
from producer.slots import Slot
from sql.batches import Offer
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, keep
from tidings.domain.ids import new_id
from tidings.domain.message import Message
from tidings.domain.states import Status
from tidings.redis import jobs, keys
from tidings.settings import Settings


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[None]:
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(settings, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(serving, timeout=20)


async def deliver_one(store: Store, redis: Redis, settings: Settings) -> None:
    """Pushes a real batch, and waits until it is delivered."""
    [message_id] = await keep(store)
    name = settings.consumer_name
    [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, [Offer(new_id(), name)], batch_size=100)
    await Publisher(redis, lease_seconds=10).push([(batch, Slot(name, f"{name}/0", 0))])

    async def sent() -> Message | None:
        message = await store.messages.get(message_id)
        return message if message is not None and message.status is Status.SENT else None

    await eventually(sent)


async def test_under_arqs_own_command_line_it_stops_once_it_is_too_old(
    settings: Settings, store: Store, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sql.store.SCHEMA_SECONDS", 0.05)
    monkeypatch.setattr("consumers.worker.load", lambda: settings)
    signals = asyncio.Queue[int]()
    monkeypatch.setattr(signal, "raise_signal", signals.put_nowait)
    worker = make_worker_settings()
    context: dict[str, Any] = {}
    await worker.on_startup(context)  # type: ignore[attr-defined]
    try:
        assert signals.empty()
        async with store.database.transaction() as connection:
            await connection.execute("INSERT INTO schema_migrations (version, name, oldest) VALUES (9999, 'x', 9999)")
        assert await asyncio.wait_for(signals.get(), timeout=10) == signal.SIGTERM
    finally:
        await worker.on_shutdown(context)  # type: ignore[attr-defined]


def job(function: str = jobs.DELIVER, *arguments: object) -> bytes:
    return jobs.serialize({"t": None, "f": function, "a": arguments, "k": {}, "et": 0})


class Trap:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xff",
        pickle.dumps(Trap()),
        msgspec.msgpack.encode(["a", "list"]),
        msgspec.msgpack.encode({"f": 1}),
        job("somebody else's"),
        job(),
        job(jobs.DELIVER, "no uuid", "slot", False),
        job(jobs.DELIVER, ["a", "list"], "slot", False),
        job(jobs.DELIVER, 7, 8, 9),
        job(jobs.DELIVER, "01987654-3210-7000-8000-000000000000", "slot", False),
        None,
    ],
)
async def test_a_foreign_job_is_put_aside(store: Store, redis: Redis, settings: Settings, body: bytes | None) -> None:
    queue = keys.consumer_queue(settings.consumer_name)
    if body is not None:
        await redis.set(job_key_prefix + "foreign", body)
    await redis.zadd(queue, {"foreign": 1})
    async with working(settings):
        await deliver_one(store, redis, settings)

        async def gone() -> bool:
            return not await redis.zcard(queue)

        await eventually(gone)


async def test_ids_that_are_no_text_do_not_stop_the_worker(store: Store, redis: Redis, settings: Settings) -> None:
    await redis.zadd(keys.consumer_queue(settings.consumer_name), {b"\xff\xfe": 1})
    async with working(settings):
        await deliver_one(store, redis, settings)


async def test_a_queue_of_another_type_is_removed(store: Store, redis: Redis, settings: Settings) -> None:
    queue = keys.consumer_queue(settings.consumer_name)
    await redis.set(queue, "not a queue")
    async with working(settings):

        async def removed() -> bool:
            return not await redis.exists(queue)

        await eventually(removed)
        await deliver_one(store, redis, settings)


async def test_a_worker_whose_connections_are_cut_is_built_again(
    store: Store, redis: Redis, settings: Settings
) -> None:
    async with working(settings):
        await deliver_one(store, redis, settings)
        await redis.client_kill_filter(_type="normal", skipme=True)
        await deliver_one(store, redis, settings)


async def test_a_batch_is_picked_up_at_a_notification(
    store: Store, redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "SLOW_POLL_SECONDS", 60)
    async with working(settings):
        await deliver_one(store, redis, settings)
        await deliver_one(store, redis, settings)
        # Its subscription starts again, and what was pushed in between is found.
        assert await redis.client_kill_filter(_type="pubsub") == 1
        await deliver_one(store, redis, settings)


async def test_a_consumer_that_may_not_subscribe_polls_quickly(
    store: Store, redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "SLOW_POLL_SECONDS", 60)
    await redis.acl_setuser("deaf", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-subscribe"])
    try:
        async with working(replace(settings, redis_uri=settings.redis_uri.replace("://", "://deaf:any@", 1))):
            await deliver_one(store, redis, settings)
    finally:
        await redis.acl_deluser("deaf")


@given(st.binary())
def test_reading_a_job_raises_nothing_but_what_arq_expects(body: bytes) -> None:
    try:
        read = jobs.deserialize(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    assert isinstance(read, dict)
