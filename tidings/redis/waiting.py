"""arq's client for those who run the worker under arq's own command line: a lost Redis is waited for.

arq's worker ends with the first error of a command. Here a command that finds Redis away waits and is sent again, so
that arq's loop never sees the loss. What may be done twice by that is harmless: a queue is read by one worker, and a
batch can be taken once. A transaction that was watching keys ends with WatchError, for which arq looks again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import structlog
from arq.connections import ArqRedis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError, ResponseError, WatchError

from tidings.domain.errors import describe

log = structlog.get_logger(__name__)

T = TypeVar("T")

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0


class WaitingRedis(ArqRedis):
    """Commands and pipelines that wait as long as Redis is away; the end of a worker cancels them."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        ask = super().execute_command
        return await _patiently(lambda: ask(*args, **options))  # type: ignore[no-untyped-call]

    async def delete(self, *names: Any) -> int:
        """With this arq's worker clears its mark as it ends, when there is nothing to wait for any more."""
        try:
            return int(await super().execute_command("DEL", *names))  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            log.info("nothing was deleted", error=describe(error))
            return 0

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "WaitingPipeline":
        return WaitingPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class WaitingPipeline(Pipeline):
    """The same for a pipeline."""

    async def immediate_execute_command(self, *args: Any, **options: Any) -> Any:
        ask = super().immediate_execute_command
        if args[0] == "WATCH":
            self._watched = args
        return await _patiently(lambda: self._watching_again(ask, args, options))

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        stack, execute = list(self.command_stack), super().execute

        async def once() -> list[Any]:
            self.command_stack = list(stack)
            return await execute(raise_on_error)

        return await _patiently(once)

    async def _watching_again(
        self, ask: Callable[..., Awaitable[Any]], args: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        try:
            return await ask(*args, **options)
        except WatchError:
            # The connection was lost between WATCH and this command, which nothing has been decided upon yet.
            await _patiently(lambda: ask(*self._watched))
            return await self._watching_again(ask, args, options)


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    pause, waits = FIRST_PAUSE, False
    while True:
        try:
            answer = await ask()
        except (RedisError, OSError) as error:
            if isinstance(error, (ResponseError, WatchError)):
                raise
            if not waits:
                log.warning("the worker waits for Redis", error=describe(error))
                waits = True
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            if waits:
                log.info("Redis is there: the worker goes on")
            return answer
