"""A producer and a consumer on some stores, in this process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from uuid import UUID

from consumers.worker import serve as serve_consumer
from producer.service import serve as serve_producer
from sql.store import Store
from tests.eventually import eventually
from tests.factories import keep
from tests.integration.api.client import Api
from tidings.domain.states import Status
from tidings.settings import Settings


@asynccontextmanager
async def producing(settings: Settings) -> AsyncIterator[None]:
    """A producer runs inside the block."""
    async with _running(settings, serve_producer):
        yield


@asynccontextmanager
async def delivering(settings: Settings) -> AsyncIterator[None]:
    """Messages are delivered inside the block."""
    async with _running(settings, serve_producer, serve_consumer):
        yield


@asynccontextmanager
async def _running(
    settings: Settings, *processes: Callable[[Settings, asyncio.Event], Awaitable[None]]
) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = [asyncio.ensure_future(process(settings, stop)) for process in processes]
    try:
        yield
    finally:
        stop.set()
        ended = await asyncio.gather(*running, return_exceptions=True)
    assert ended == [None] * len(running)


async def delivered(store: Store, count: int, *, within: float) -> list[UUID]:
    """Keeps so many messages, each as soon as Postgres takes it, and waits until all of them are sent."""
    async with asyncio.timeout(within):
        ids = await keep(store, count)

        async def all_sent() -> bool:
            found = [await store.messages.get(message_id) for message_id in ids]
            return all(message is not None and message.status is Status.SENT for message in found)

        await eventually(all_sent, within=within)
        return ids


async def ready(api: Api) -> bool:
    """Whether the API says that all serves."""
    return (await api.send("GET", "/health/ready")).status == HTTPStatus.OK
