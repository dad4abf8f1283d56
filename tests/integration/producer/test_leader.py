"""One producer leads at a time; each of its duties goes on whatever happens to the others."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
import pytest
from redis.asyncio import Redis

from producer import leader as leader_module
from producer.leader import Duty, Leader
from producer.maintenance import Maintenance
from sql import database as database_module
from sql.connecting import KEEPALIVE
from sql.database import UNLIMITED
from sql.store import Store
from tests.eventually import eventually
from tests.processes import ending
from tidings.cli.doctor import redis as doctor
from tidings.redis import keys
from tidings.redis.connections import connect_redis
from tidings.settings import Settings


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leader_module, "TRY_SECONDS", 0.02)
    monkeypatch.setattr(leader_module, "AFTER_FAILURE_SECONDS", 0.02)


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    client = connect_redis(settings)
    yield client
    await client.aclose()


@asynccontextmanager
async def leading(store: Store, redis: Redis, *sets: Sequence[Duty]) -> AsyncIterator[list[Leader]]:
    """A leader, or one who waits to be, for each set of duties."""
    stop = asyncio.Event()
    leaders = [Leader(store.database, redis, duties) for duties in sets]
    running = [asyncio.create_task(each.run(stop)) for each in leaders]
    try:
        yield leaders
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*running), timeout=10)


class Rounds:
    """A duty that counts its rounds, and fails as long as it is told to."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.count = 0
        self.error = error
        self.duty = Duty(name=name, every=0.01, work=self.work)

    async def work(self) -> None:
        self.count += 1
        if self.error is not None:
            raise self.error

    async def at_least(self, count: int) -> None:
        async def reached() -> bool:
            return self.count >= count

        await eventually(reached)


async def cut(store: Store) -> None:
    """Ends the connection of whoever leads."""
    async with store.database.pool.acquire() as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )


async def test_one_leads_and_another_follows_when_its_connection_is_cut(store: Store, redis: Redis) -> None:
    first, second = Rounds("work"), Rounds("work")
    async with leading(store, redis, [first.duty], [second.duty]) as leaders:
        await eventually(lambda: _led(leaders))
        led, waits = (first, second) if leaders[0].leads else (second, first)
        await led.at_least(5)
        assert waits.count == 0
        await cut(store)
        rounds = first.count + second.count
        await eventually(lambda: _more(rounds + 5, first, second))
        assert sum(each.leads for each in leaders) == 1


LEADERS = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND datname = current_database() AND application_name = 'tidings producer'
"""


async def test_another_leads_within_15_s_where_the_leader_is_paused(
    settings: Settings, store: Store, redis: Redis
) -> None:
    environment = {**os.environ, "POSTGRES_URI": settings.postgres_uri, "REDIS_URI": settings.redis_uri}
    work, said = Rounds("work"), asyncio.Event()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "producer", env=environment, stderr=asyncio.subprocess.PIPE
    )

    async def leads() -> bool:
        async with store.database.pool.acquire() as connection:
            return bool(await connection.fetchval(LEADERS))

    async def read() -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            if b"leads no longer" in line:
                said.set()

    async with ending(process):
        reading = asyncio.create_task(read())
        await eventually(leads, within=30)
        async with leading(store, redis, [work.duty]) as [leader]:
            process.send_signal(signal.SIGSTOP)
            await eventually(lambda: _led([leader]), within=15)
            await work.at_least(1)
            process.send_signal(signal.SIGCONT)
            await asyncio.wait_for(said.wait(), timeout=10)
            assert leader.leads
            process.terminate()
            await asyncio.wait_for(process.wait(), timeout=20)
            await reading


async def test_a_duty_that_runs_long_does_not_cost_the_lead(
    store: Store, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "LEAD_SECONDS", 1)
    monkeypatch.setattr(leader_module, "PING_SECONDS", 0.1)

    async def sleep() -> None:
        async with store.database.pool.acquire() as connection:
            await connection.execute("SELECT pg_sleep(2.5)")

    work = Rounds("work")
    async with leading(store, redis, [Duty(name="long", every=3600, work=sleep), work.duty]) as [leader]:
        await eventually(lambda: _succeeded(leader, "long"))
        assert leader.leads
        assert work.count > 1


async def test_the_duties_begin_again_and_know_that_the_connection_was_cut(store: Store, redis: Redis) -> None:
    begun: list[bool] = []
    work, stop = Rounds("work"), asyncio.Event()
    running = asyncio.create_task(Leader(store.database, redis, [work.duty], begin=begun.append).run(stop))
    await work.at_least(1)
    await cut(store)

    async def twice() -> bool:
        return len(begun) == 2

    await eventually(twice)
    stop.set()
    await asyncio.wait_for(running, timeout=10)
    assert begun == [False, True]


async def test_a_duty_that_fails_stops_no_other_and_is_known(store: Store, redis: Redis) -> None:
    fails = Rounds("retention", asyncpg.DependentObjectsStillExistError("a view depends on it"))
    mistaken, well = Rounds("depths", TypeError("ours")), Rounds("expiry")
    async with leading(store, redis, [fails.duty, mistaken.duty, well.duty]) as [leader]:
        for each in (fails, mistaken, well):
            await each.at_least(5)
        assert leader.failures["retention"] >= 4
        assert leader.failures["depths"] >= 4
        assert leader.failures["expiry"] == 0
        assert leader.succeeded_at.keys() == {"expiry"}
        assert await redis.hkeys(keys.FAILING_DUTIES) == [b"retention", b"depths"]  # type: ignore[misc]
        assert 0 < await redis.ttl(keys.FAILING_DUTIES) <= keys.FAILING_DUTIES_LIFE_SECONDS
        # Mended, it is forgotten.
        fails.error = mistaken.error = None

        async def nothing_fails() -> bool:
            return not await redis.exists(keys.FAILING_DUTIES)

        await eventually(nothing_fails)
        assert leader.succeeded_at.keys() == {"retention", "depths", "expiry"}


async def test_the_doctor_names_a_duty_that_fails(settings: Settings, store: Store, redis: Redis) -> None:
    fails = Rounds("retention", asyncpg.DependentObjectsStillExistError("a view depends on it"))
    async with leading(store, redis, [fails.duty]):
        await fails.at_least(2)
        _, seen = await doctor.examine(settings)
    found = {finding.check: finding for finding in doctor.processes(seen, busy=False, leads=True)}
    assert "a view depends on it" in found["duty retention"].says


async def test_a_new_leader_knows_of_no_failure(store: Store, redis: Redis) -> None:
    await redis.hset(keys.FAILING_DUTIES, "retention", "of a producer that is gone")  # type: ignore[misc]
    well = Rounds("retention")
    async with leading(store, redis, [well.duty]):
        await well.at_least(1)
        assert not await redis.exists(keys.FAILING_DUTIES)


async def test_two_producers_do_one_round_of_housekeeping(store: Store, redis: Redis) -> None:
    made: list[str] = []
    make = store.maintenance.make_partitions

    async def make_partitions(from_time: datetime, until_time: datetime) -> list[str]:
        made.append("round")
        return await make(from_time, until_time)

    store.maintenance.make_partitions = make_partitions  # type: ignore[method-assign]
    houses = [
        Maintenance(store, retention=timedelta(days=90), audit_retention=timedelta(days=365), expire_every=3600.0)
        for _ in range(2)
    ]
    async with leading(store, redis, *(house.duties for house in houses)) as leaders:

        async def all_done() -> bool:
            return any(len(each.succeeded_at) == len(each.failures) for each in leaders)

        await eventually(all_done)
        assert made == ["round"]
        assert [sum(each.failures.values()) for each in leaders] == [0, 0]


async def test_a_connection_for_ddl_has_no_time_limit_and_notices_a_dead_peer(store: Store) -> None:
    connection = await store.database.unlimited_connection()
    try:
        for setting, value in {**UNLIMITED, **KEEPALIVE}.items():
            # A Unix socket has no TCP options.
            if not setting.startswith("tcp_"):
                assert await connection.fetchval(f"SHOW {setting}") == value
    finally:
        await connection.close()


async def _led(leaders: list[Leader]) -> bool:
    return any(each.leads for each in leaders)


async def _succeeded(leader: Leader, duty: str) -> bool:
    return duty in leader.succeeded_at


async def _more(than: int, *rounds: Rounds) -> bool:
    return sum(each.count for each in rounds) > than
