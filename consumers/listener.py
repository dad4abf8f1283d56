"""Notifications from producers: one comes when a batch was pushed, so that the queue need not be polled for it.

In Redis: PUBLISH on `tidings:notify:{consumer}`, nothing is kept. A lost notification delays a batch by one slow poll.
Without a subscription (Redis is away, or its user may not subscribe) the queue is polled quickly.
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
"""The longest wait for a notification; less than the socket's time-out."""
AWAY_SECONDS: Final = 1.0


class Listener:
    """Subscribes to the notifications for one consumer."""

    def __init__(self, redis: Redis, *, consumer: str) -> None:
        self._redis = redis
        self._channel = keys.notification_channel(consumer)
        self._notified = asyncio.Event()
        self._subscribed = False
        self._away = False

    async def wait(self, *, quickly: bool = False) -> None:
        """Returns when the queue should be polled: at a notification, or after a while.

        `quickly` is for what no notification will come for.
        """
        quick = quickly or not self._subscribed
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._notified.wait(), QUICK_POLL_SECONDS if quick else SLOW_POLL_SECONDS)
        self._notified.clear()

    async def run(self) -> None:
        """Subscribes, again and again, until cancelled."""
        while True:
            channel = self._redis.pubsub()
            try:
                await channel.subscribe(self._channel)
                await self._listen(channel)
            except (RedisError, OSError) as error:
                if not self._away:
                    log.info("no notifications: the queue is polled", error=describe(error))
                    self._away = True
            finally:
                self._subscribed = False
                with contextlib.suppress(RedisError, OSError):
                    await channel.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(AWAY_SECONDS)

    async def _listen(self, channel: PubSub) -> None:
        asked = False
        while True:
            message = await channel.get_message(timeout=LISTEN_SECONDS)
            if message is None:
                if asked:
                    raise TimeoutError("no answer on the subscription")
                # A subscription on which nothing comes may be one that leads nowhere.
                await channel.ping()
            elif message["type"] != "pong":
                # A notification; or the subscription starts (again), and one poll finds what was pushed before.
                self._subscribed, self._away = True, False
                self._notified.set()
            asked = message is None
