"""The bell: a producer rings it when it has pushed a batch, so that this consumer need not poll for it.

In Redis: nothing is kept, PUBLISH on `tidings:notify:{consumer}`. A ring that nobody heard costs one slow poll of
lateness; while the bell is not there (Redis away, or its user may not subscribe) the queue is polled quickly.
"""

import asyncio
import contextlib
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from tidings.domain.errors import describe
from tidings.redis import keys

log = structlog.get_logger(__name__)

QUICK_POLL_SECONDS: Final = 0.01
SLOW_POLL_SECONDS: Final = 0.5
LISTEN_SECONDS: Final = 4.0
"""How long one wait for a message takes; less than the socket's time-out."""
AWAY_SECONDS: Final = 1.0


class Listener:
    """Hears the producers of one consumer's batches."""

    def __init__(self, redis: Redis, *, consumer: str) -> None:
        self._redis = redis
        self._channel = keys.notification_channel(consumer)
        self._rung = asyncio.Event()
        self._there = False
        self._away = False

    async def wait(self, *, quickly: bool = False) -> None:
        """Returns when it is time to look into the queue: at a ring, or after a while.

        `quickly` is for what no ring will tell of.
        """
        quick = quickly or not self._there
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), QUICK_POLL_SECONDS if quick else SLOW_POLL_SECONDS)
        self._rung.clear()

    async def run(self) -> None:
        """Listens until cancelled."""
        while True:
            channel = self._redis.pubsub()
            try:
                await channel.subscribe(self._channel)
                await self._hear(channel)
            except (RedisError, OSError) as error:
                if not self._away:
                    log.info("no bell: the queue is polled", error=describe(error))
                    self._away = True
            finally:
                self._there = False
                with contextlib.suppress(RedisError, OSError):
                    await channel.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(AWAY_SECONDS)

    async def _hear(self, channel: PubSub) -> None:
        while True:
            message = await channel.get_message(timeout=LISTEN_SECONDS)
            if message is not None:
                # A ring; or the subscription begins (again), and what was rung before is found by looking once.
                self._there, self._away = True, False
                self._rung.set()
