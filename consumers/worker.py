"""The arq worker: looks into this consumer's own queue when its bell rings, and hands each batch to the consumer.

arq is pinned for what is leaned on here: `poll` raises when Redis drops (arq's worker ends there, with whatever it was
doing), a job stays in the queue's sorted set while it runs (every poll would probe it again), `tasks` and `main_task`
hold what runs, `_poll_iteration` is one look into the queue, `start_jobs` starts what was found. Retries, leases and
recovery belong to Postgres, never to arq: `max_tries=1`, no results kept.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

import structlog
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, retry_key_prefix
from arq.utils import timestamp_ms
from arq.worker import Function, Worker, func
from redis.exceptions import RedisError

from consumers.consumer import Consumer
from consumers.listener import QUICK_POLL_SECONDS, Listener
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import describe
from tidings.redis import jobs, keys
from tidings.redis.connections import arq_redis_settings
from tidings.runtime.process import run_until
from tidings.settings import Settings

if TYPE_CHECKING:
    from arq.typing import WorkerCoroutine

log = structlog.get_logger(__name__)

HEALTH_SECONDS: Final = 5
SHORTEST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
"""Seconds before a worker is built anew."""
WELL_AFTER_SECONDS: Final = 10.0
"""A worker that ran this long was well: the next pause after a failure is short again."""


async def deliver(context: dict[str, Any], batch_id: str, slot: str, alone: bool) -> None:
    """The arq job. It ends when the batch's messages have been started; the consumer sees to the rest."""
    consumer: Consumer = context["consumer"]
    redis: ArqRedis = context["redis"]
    await redis.zrem(keys.consumer_queue(consumer.name), batch_id)
    try:
        await consumer.deliver(UUID(batch_id), slot, alone=alone)
    except asyncio.CancelledError:
        # The worker ends (a stop, or Redis is gone); the batch is the consumer's, which goes on.
        log.info("the worker ended while a batch was starting", batch=batch_id)


def worker_settings(settings: Settings) -> dict[str, Any]:
    """The arguments of arq's Worker, but for what ties it to one consumer."""
    return {
        "functions": [_deliver_function()],
        "queue_name": keys.consumer_queue(settings.consumer_name),
        "redis_settings": arq_redis_settings(settings),
        # Twice the slots: a slot that is offered again before its batch arrived can bring a second one.
        "max_jobs": 2 * settings.consumer_slots,
        "max_tries": 1,
        "retry_jobs": False,
        "keep_result": 0,
        "log_results": False,
        "poll_delay": QUICK_POLL_SECONDS,
        "health_check_interval": HEALTH_SECONDS,
        "job_serializer": jobs.serialize,
        "job_deserializer": jobs.deserialize,
        # A job waits for room; how long a delivery may take is its channel's to say.
        "job_timeout": None,
    }


def _deliver_function() -> Function:
    return func(cast("WorkerCoroutine", deliver), name=jobs.DELIVER, keep_result=0, max_tries=1)


class PromptWorker(Worker):
    """Looks into its queue when the bell rings, where arq's own worker polls a hundred times a second.

    Nobody else reads this queue, so it does not ask Redis who has a job: three round trips of seven that a batch costs.
    """

    def __init__(self, bell: Listener, **settings: Any) -> None:
        super().__init__(**{**settings, "poll_delay": 0})
        self._bell = bell

    async def _poll_iteration(self) -> None:
        await super()._poll_iteration()
        await self._bell.wait(quickly=self.job_counter >= self.max_jobs)

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Starts those that are not running yet, as far as there is room."""
        for job_id in (job_id.decode() for job_id in job_ids):
            if self.job_counter >= self.max_jobs:
                return
            if job_id in self.tasks:
                continue
            await self.sem.acquire()
            self.job_counter += 1
            task = self.tasks[job_id] = self.loop.create_task(self.run_job(job_id, timestamp_ms()))
            task.add_done_callback(lambda _: self._release_sem_dec_counter_on_complete())


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Runs a consumer until told to stop, with a new worker each time that Redis drops the old one."""
    consumer = await run_until(stop, Consumer.start(settings))
    if consumer is None:
        return
    stopped = asyncio.ensure_future(stop.wait())
    broken = asyncio.ensure_future(consumer.failed_loop())
    bell = Listener(consumer.redis, consumer=consumer.name)
    listening = asyncio.create_task(bell.run())
    loop = asyncio.get_running_loop()
    failures = 0
    try:
        while not stop.is_set():
            worker = PromptWorker(bell, **worker_settings(settings), handle_signals=False, ctx={"consumer": consumer})
            began = loop.time()
            running = asyncio.create_task(worker.async_run())
            try:
                await asyncio.wait((running, stopped, broken), return_when=asyncio.FIRST_COMPLETED)
            finally:
                worker.allow_pick_jobs = False
                error = await _end(worker, running)
            if broken.done():
                broken.result()
            if stop.is_set():
                break
            failures = 1 if loop.time() - began > WELL_AFTER_SECONDS else failures + 1
            log.warning("the worker is built anew", error=describe(error))
            await asyncio.wait((stopped,), timeout=min(SHORTEST_PAUSE * 2**failures, LONGEST_PAUSE))
            await clear_up(consumer)
    finally:
        stopped.cancel()
        broken.cancel()
        await cancel_and_wait(listening)
        await consumer.stop()


async def clear_up(consumer: Consumer) -> None:
    """Makes the consumer's queue fit for a new worker.

    Jobs that the last one had begun may be started anew (that a batch is taken once is Postgres's to
    see to). Ids that arq cannot read, or a value of another type, would end every worker again: no batch of ours, so
    they are put aside.
    """
    redis, queue = consumer.redis, keys.consumer_queue(consumer.name)
    try:
        if await redis.type(queue) not in {b"zset", b"none"}:
            log.error("put aside: the queue was no sorted set", queue=queue)
            await redis.delete(queue)
            return
        members: list[bytes] = await redis.zrange(queue, 0, -1)
        foreign = [member for member in members if not _is_uuid(member)]
        if foreign:
            log.error("put aside: jobs that are not ours", queue=queue, jobs=[repr(member) for member in foreign])
            await redis.zrem(queue, *foreign)
        if members:
            marks = (in_progress_key_prefix.encode(), retry_key_prefix.encode())
            await redis.delete(*(mark + member for mark in marks for member in members))
    except (RedisError, OSError) as error:
        log.info("the queue could not be looked at", error=describe(error))


def _is_uuid(member: bytes) -> bool:
    try:
        UUID(member.decode())
    except ValueError:
        return False
    return True


async def _end(worker: Worker, running: asyncio.Task[None]) -> BaseException | None:
    """Ends a worker without arq's `close`, which raises what its jobs raised; answers what ended it, if it was one."""
    tasks = [running, *worker.tasks.values()]
    if worker.main_task is not None:
        tasks.append(worker.main_task)
    await cancel_and_wait(*tasks)
    # Each is asked for its exception, so that none is reported as never retrieved.
    ended, *_ = [None if task.cancelled() else task.exception() for task in tasks]
    try:
        if worker._pool is not None:  # noqa: SLF001  (`pool` asserts nothing and is None before the first connection)
            await worker.pool.delete(worker.health_check_key)
            await worker.pool.aclose(close_connection_pool=True)
    except (RedisError, OSError) as error:
        log.info("the worker's connection was gone already", error=str(error))
    return ended
