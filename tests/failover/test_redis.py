"""A Redis that becomes a replica, or that leads nowhere, while connections to it stay open."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from arq.worker import Worker
from msgspec.structs import replace
from redis.exceptions import ConnectionError as RedisConnectionError

from api.health.readiness import OK, SILENT, Readiness
from consumers import listener as listener_module
from consumers import worker as worker_module
from consumers.listener import Listener
from sql.store import Store
from tests.eventually import eventually
from tests.failover.system import delivered, delivering, producing
from tests.failover.tunnel import Tunnel
from tests.failover.valkey import Valkey, valkey
from tests.processes import ending
from tidings.redis import keys
from tidings.redis.connections import connect_redis
from tidings.settings import Settings

WITHIN = 15.0


@asynccontextmanager
async def tunnelled(settings: Settings, folder: Path) -> AsyncIterator[tuple[Settings, Tunnel, Valkey]]:
    async with valkey(folder) as server, Tunnel(server.address).running() as tunnel:
        yield replace(settings, redis_uri=f"redis://127.0.0.1:{tunnel.port}"), tunnel, server


async def test_a_primary_that_becomes_a_replica_is_left(settings: Settings, store: Store, tmp_path: Path) -> None:
    async with tunnelled(settings, tmp_path) as (ours, tunnel, old), valkey(tmp_path) as new:
        redis = connect_redis(ours)
        readiness = Readiness(store, redis)
        async with delivering(ours):
            await delivered(store, 20, within=10)
            await old.client.replicaof("127.0.0.1", new.port)
            # The address still leads to it: it answers pings, and takes nothing.
            assert await redis.ping()
            assert (await readiness.all())["redis"] == SILENT
            assert (await readiness.stores())["redis"] == SILENT
            tunnel.target = new.address
            await delivered(store, 20, within=WITHIN)

            async def ready() -> bool:
                return set((await readiness.all()).values()) == {OK}

            await eventually(ready)
        await redis.aclose()


async def test_black_holed_connections_are_left(settings: Settings, store: Store, tmp_path: Path) -> None:
    async with tunnelled(settings, tmp_path) as (ours, tunnel, _):
        redis = connect_redis(ours, socket_timeout=2.0)
        readiness = Readiness(store, redis)
        async with delivering(ours):
            await delivered(store, 20, within=10)
            tunnel.swallow()
            async with asyncio.timeout(5):
                assert (await readiness.all())["redis"] == SILENT
            tunnel.reopen()
            await delivered(store, 20, within=WITHIN)
        await redis.aclose()


async def test_a_subscription_that_leads_nowhere_is_made_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "LISTEN_SECONDS", 0.1)
    monkeypatch.setattr(listener_module, "SLOW_POLL_SECONDS", 60.0)
    async with tunnelled(settings, tmp_path) as (ours, tunnel, server):
        redis = connect_redis(ours)
        listener = Listener(redis, consumer="one")
        running = asyncio.create_task(listener.run())

        async def subscribers(count: int) -> bool:
            channel = keys.notification_channel("one")
            return bool(await server.client.publish(channel, b"") >= count)

        await eventually(lambda: subscribers(1))
        tunnel.swallow()
        tunnel.reopen()
        # The server still knows of the old one.
        await eventually(lambda: subscribers(2))
        async with asyncio.timeout(2):
            await listener.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await redis.aclose()


async def test_a_worker_that_does_nothing_is_built_again(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "STILL_SECONDS", 1.0)
    polls, poll = 0, Worker._poll_iteration

    async def hang_once(worker: Worker) -> None:
        nonlocal polls
        polls += 1
        if polls == 3:
            await asyncio.Event().wait()
        await poll(worker)

    monkeypatch.setattr(Worker, "_poll_iteration", hang_once)
    async with delivering(settings):
        await delivered(store, 5, within=10)
    assert polls > 3


@pytest.mark.parametrize("stop_while_away", [False, True])
async def test_under_arqs_own_command_line_a_lost_redis_is_waited_for(
    settings: Settings, store: Store, tmp_path: Path, stop_while_away: bool
) -> None:
    async with tunnelled(settings, tmp_path) as (ours, tunnel, server):
        environment = {
            **os.environ,
            "POSTGRES_URI": ours.postgres_uri,
            "REDIS_URI": ours.redis_uri,
            "CONSUMER_NAME": ours.consumer_name,
        }
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("arq"), "consumers.WorkerSettings", env=environment
        )
        async with ending(process), producing(ours):
            await delivered(store, 20, within=20)
            if stop_while_away:
                await server.client.shutdown(nosave=True)
            else:
                # Lost in both ways at once: some connections are cut, and new ones lead nowhere.
                await server.client.client_kill_filter(_type="normal", skipme=True)
                tunnel.swallow()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(process.wait(), timeout=1)
            if not stop_while_away:
                tunnel.reopen()
                await delivered(store, 20, within=WITHIN)
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), timeout=20)


@pytest.mark.parametrize(
    "answer",
    [
        "-READONLY You can't write against a read only replica.",
        "-LOADING Redis is loading the dataset in memory",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "-CLUSTERDOWN The cluster is down",
        "-MOVED 3999 127.0.0.1:6381",
        "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        "-NOREPLICAS Not enough good replicas to write.",
        "-ERR Error running script (call to f_0): @user_script:1: @user_script: 1: -READONLY You can't write",
    ],
    ids=lambda answer: answer.split()[0][1:],
)
@pytest.mark.parametrize("in_pipeline", [False, True])
async def test_what_says_that_a_server_does_not_serve_ends_its_connections(
    settings: Settings, answer: str, in_pipeline: bool
) -> None:
    connections = 0
    refuses = True
    handlers: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        handlers.add(asyncio.current_task())
        while line := await reader.readline():
            for _ in range(2 * int(line[1:])):
                word = await reader.readline()
            if word.strip() == b"value":
                writer.write(answer.encode() + b"\r\n" if refuses else b"+OK\r\n")
            else:
                writer.write(b"+OK\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    redis = connect_redis(replace(settings, redis_uri=f"redis://127.0.0.1:{port}"))
    pool = redis.connection_pool
    idle = [await pool.get_connection() for _ in range(2)]
    for connection in idle:
        await pool.release(connection)

    async def write() -> None:
        if in_pipeline:
            async with redis.pipeline(transaction=False) as pipe:
                pipe.set("key", "value")
                await pipe.execute()
        else:
            await redis.set("key", "value")

    with pytest.raises(RedisConnectionError):
        await write()
    assert not any(connection.is_connected for connection in idle)
    refuses = False
    await write()
    assert connections == 3
    await redis.aclose()
    server.close()
    await asyncio.gather(*(handler for handler in handlers if handler is not None))
