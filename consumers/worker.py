"""The arq worker: polls this consumer's own queue when it is notified, and hands each batch to the consumer.

In play: the queue in Redis and arq's marks beside it; a crash loses no batch, since its lease in Postgres runs out.
Retries, leases and recovery belong to Postgres, never to arq: jobs are not retried, no results kept. arq is pinned for
what is relied on here: `poll` raises when Redis drops (arq's worker ends there, with whatever it was doing), a job
stays in the queue's sorted set while it runs (every poll would probe it again), `tasks` and `main_task` hold what runs,
`_poll_iteration` polls the queue once, `start_jobs` starts what was found, `log_redis_info` is called at its start.

Under arq's own command line (`arq consumers.WorkerSettings`) the commands of arq's worker wait for a lost Redis, since
nobody would build it again there.
"""

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

import arq.worker
import structlog
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, retry_key_prefix
from arq.utils import timestamp_ms
from arq.worker import Worker, func
from redis.exceptions import RedisError

from consumers.consumer import Consumer
from consumers.listener import QUICK_POLL_SECONDS, Listener
from tidings.domain.cancellation import cancel_and_wait
from tidings.domain.errors import SchemaError, TooOldError, describe
from tidings.observability import logs, tracing
from tidings.redis import jobs, keys
from tidings.redis.connections import arq_redis, arq_redis_settings
from tidings.runtime import stores
from tidings.runtime.process import one_line, run_until
from tidings.settings import Settings, load

if TYPE_CHECKING:
    from arq.typing import WorkerCoroutine

log = structlog.get_logger(__name__)

HEALTH_SECONDS: Final = 5
STILL_SECONDS: Final = 10.0
"""A worker that has not polled its queue for so long is built again. Each command has a shorter limit of its own."""
TRIES: Final = 1000
"""A job whose beginning was noted twice, since the answer to the first time was lost, is begun all the same."""
SHORTEST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 2.0
"""Seconds before a worker is built again."""
WELL_AFTER_SECONDS: Final = 10.0
"""After a worker that ran this long the next pause is short again."""


async def deliver(context: dict[str, Any], batch_id: str, slot: str, quarantined: bool) -> None:
    """The arq job, with positional arguments. Ends when the batch's messages have started or wait in line."""
    consumer: Consumer = context["consumer"]
    redis: ArqRedis = context["redis"]
    await redis.zrem(keys.consumer_queue(consumer.name), batch_id)
    try:
        await consumer.deliver(UUID(batch_id), slot, quarantined=quarantined)
    except asyncio.CancelledError:
        # The worker ends (a stop, or Redis is gone); the batch is the consumer's, which goes on.
        log.info("the worker ended while a batch was starting", batch=batch_id)


async def _ask_nothing(*_: object) -> None:
    """arq logs the version, memory and size of Redis at its start: INFO and DBSIZE, which are for administrators."""


arq.worker.log_redis_info = _ask_nothing  # type: ignore[attr-defined,assignment]


def worker_settings(settings: Settings, *, waits: bool = False) -> dict[str, Any]:
    """The arguments of arq's Worker, without what ties it to one consumer. Does it wait for a lost Redis, or end?"""
    queue = keys.consumer_queue(settings.consumer_name)
    return {
        "functions": [func(cast("WorkerCoroutine", deliver), name=jobs.DELIVER, keep_result=0, max_tries=TRIES)],
        "queue_name": queue,
        "redis_pool": arq_redis(settings, queue=queue, waits=waits),
        # Twice the slots: a slot that is offered again before its batch arrived can bring a second one.
        "max_jobs": 2 * settings.consumer_slots,
        "max_tries": TRIES,
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


def make_worker_settings() -> type:
    """The class `WorkerSettings` for arq's command line: its attributes are the arguments of arq's Worker."""
    settings = stores.resolve(load())

    async def on_startup(context: dict[str, Any]) -> None:
        logs.configure_logging("consumer", settings.log_level, consumer=settings.consumer_name)
        tracing.start("consumer", settings)
        try:
            context["consumer"] = consumer = await Consumer.start(settings)
        except SchemaError as error:
            sys.exit(one_line("consumer", error))
        context["schema"] = asyncio.create_task(_until_too_old(consumer))

    async def on_shutdown(context: dict[str, Any]) -> None:
        if "consumer" in context:
            consumer: Consumer = context["consumer"]
            await cancel_and_wait(context["schema"])
            await consumer.stop()
        tracing.stop()

    ours = {
        "on_startup": staticmethod(on_startup),
        "on_shutdown": staticmethod(on_shutdown),
        # For `arq --check`, which connects by itself.
        "redis_settings": arq_redis_settings(settings),
    }
    return type("WorkerSettings", (), {**worker_settings(settings, waits=True), **ours})


async def _until_too_old(consumer: Consumer) -> None:
    """Ends arq's own command line as a signal does, with the reason in the log: its exit code is not ours to choose."""
    too_old = asyncio.Event()
    try:
        async with consumer.serving(too_old):
            await too_old.wait()
    except TooOldError:
        signal.raise_signal(signal.SIGTERM)


class PromptWorker(Worker):
    """Polls its queue when notified, where arq's own worker polls a hundred times a second.

    Nobody else reads this queue, so it does not ask Redis who has a job: saves three of a batch's seven round trips.
    """

    def __init__(self, listener: Listener, **settings: Any) -> None:
        super().__init__(**{**settings, "poll_delay": 0})
        self._listener = listener
        self._polled = self.loop.time()

    @property
    def still(self) -> bool:
        """Whether it should have polled its queue again by now."""
        return self.loop.time() - self._polled > STILL_SECONDS

    async def _poll_iteration(self) -> None:
        self._polled = self.loop.time()
        await super()._poll_iteration()
        await self._listener.wait(quickly=self.job_counter >= self.max_jobs)

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """Starts those that are not running yet, up to `max_jobs`."""
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
    """Runs a consumer until `stop` is set, with a new worker each time that Redis drops the old one."""
    consumer = await run_until(stop, Consumer.start(settings))
    if consumer is None:
        return
    async with consumer.serving(stop):
        await _work(consumer, settings, stop)


async def _work(consumer: Consumer, settings: Settings, stop: asyncio.Event) -> None:
    stopped = asyncio.ensure_future(stop.wait())
    broken = asyncio.ensure_future(consumer.failed_loop())
    listener = Listener(consumer.redis, consumer=consumer.name)
    listening = asyncio.create_task(listener.run())
    loop = asyncio.get_running_loop()
    failures = 0
    try:
        while not stop.is_set():
            worker = PromptWorker(
                listener, **worker_settings(settings), handle_signals=False, ctx={"consumer": consumer}
            )
            began = loop.time()
            running = asyncio.create_task(worker.async_run())
            try:
                await _ended_or_still(worker, running, stopped, broken)
            finally:
                worker.allow_pick_jobs = False
                error = await _end(worker, running)
            if broken.done():
                broken.result()
            if stop.is_set():
                break
            failures = 1 if loop.time() - began > WELL_AFTER_SECONDS else failures + 1
            log.warning("the worker is built again", error=describe(error) if error else "it did nothing")
            await asyncio.wait((stopped,), timeout=min(SHORTEST_PAUSE * 2**failures, LONGEST_PAUSE))
            await clear_up(consumer)
    finally:
        stopped.cancel()
        broken.cancel()
        await cancel_and_wait(listening)
        await consumer.stop()


async def _ended_or_still(worker: PromptWorker, *tasks: "asyncio.Future[Any]") -> None:
    """Returns when one of the tasks has ended, or the worker shows no life."""
    done: set[asyncio.Future[Any]] = set()
    while not done and not worker.still:
        done, _ = await asyncio.wait(tasks, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)


async def clear_up(consumer: Consumer) -> None:
    """Makes the consumer's queue fit for a new worker.

    Deletes arq's marks, so that jobs which the last worker had begun can start again (Postgres lets a batch be taken
    once), a value of another type, and ids that arq cannot read: no batches of ours, they would end every worker.
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
        log.info("the queue could not be read", error=describe(error))


def _is_uuid(member: bytes) -> bool:
    try:
        UUID(member.decode())
    except ValueError:
        return False
    return True


async def _end(worker: Worker, running: asyncio.Task[None]) -> BaseException | None:
    """Ends a worker without arq's `close`, which raises what its jobs raised. Returns the error that ended it."""
    tasks = [running, *worker.tasks.values()]
    if worker.main_task is not None:
        tasks.append(worker.main_task)
    await cancel_and_wait(*tasks)
    # Every exception is retrieved, so that none is reported as never retrieved.
    ended, *_ = [None if task.cancelled() else task.exception() for task in tasks]
    try:
        await worker.pool.delete(worker.health_check_key)
    except (RedisError, OSError) as error:
        log.info("the worker's connection was gone already", error=str(error))
    finally:
        await worker.pool.aclose(close_connection_pool=True)
    return ended
