"""What Distributed Mail Queue Service did wrong, each with a test that fails where it comes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import trustme
from redis.asyncio import Redis

from tests.e2e.compat.client import Client
from tests.e2e.compat.mail_queue.user import PASSWORD, User, error, subjects
from tests.e2e.system import System
from tests.eventually import eventually
from tests.integration.channels.smtp_server import PASSWORD as SMTP_PASSWORD
from tests.integration.channels.smtp_server import Security, SmtpServer, smtp_server

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def environ() -> dict[str, str]:
    """Leases that a test can wait for."""
    return {"LEASE_SECONDS": "1.5", "LEASE_RENEWAL_SECONDS": "0.5", "RECONCILE_SECONDS": "0.3"}


@asynccontextmanager
async def held(user: User, mail_server: SmtpServer, subject: str) -> AsyncIterator[str]:
    """A mail that its server has, and does not answer before the context is left; its task's id."""
    hold = mail_server.hold = asyncio.Event()
    task_id = await user.enqueue(subject)
    await mail_server.until(lambda: subject in subjects(mail_server))
    try:
        yield task_id
    finally:
        mail_server.hold = None
        hold.set()


async def test_mail_queue_a_task_taken_by_a_consumer_that_crashed_was_lost_and_never_reconciled(
    system: System, user: User, mail_server: SmtpServer
) -> None:
    async with held(user, mail_server, "After a crash") as task_id:
        assert (await user.tasks())[task_id]["status"] == 1
        [consumer] = system.processes("consumers")
        await consumer.kill()
    await system.start_consumer("c2")
    await user.until_status(task_id, 2)
    # The server had it when the consumer died, which nobody knows: it is the one that may come twice.
    assert 1 <= subjects(mail_server).count("After a crash") <= 2


async def test_mail_queue_what_was_in_redis_only_was_lost_with_it(
    system: System, user: User, mail_server: SmtpServer
) -> None:
    [consumer] = [process for process in system.processes("consumers") if process.running]
    await consumer.stop()
    ids = [await user.enqueue(f"Kept {number}") for number in range(5)]
    async with Redis.from_url(system.settings.redis_uri) as redis:
        await redis.flushall()
    await system.start_consumer("c3")
    for task_id in ids:
        await user.until_status(task_id, 2)
    assert sorted(subject for subject in subjects(mail_server) if subject.startswith("Kept")) == [
        f"Kept {number}" for number in range(5)
    ]


async def test_mail_queue_smtp_passwords_were_in_clear_in_postgres_and_in_redis(
    system: System, user: User, mail_server: SmtpServer
) -> None:
    # One that is on its way, so that Redis holds whatever it ever holds.
    async with held(user, mail_server, "On its way") as task_id:
        dump = await everything_in_postgres(system) + await everything_in_redis(system)
    assert b"user@example.com" in dump
    for secret in (SMTP_PASSWORD, PASSWORD):
        assert secret.encode() not in dump
        assert secret.encode().hex().encode() not in dump
    assert not any(SMTP_PASSWORD in process.log() for process in system.processes("consumers"))
    await user.until_status(task_id, 2)


async def everything_in_postgres(system: System) -> bytes:
    """All rows of all tables, as text."""
    connection = await asyncpg.connect(system.settings.postgres_uri)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [
            str(row[0])
            for table in tables
            for row in await connection.fetch(f'SELECT whole::text FROM "{table["tablename"]}" AS whole')
        ]
    finally:
        await connection.close()
    return "\n".join(rows).encode()


async def everything_in_redis(system: System) -> bytes:
    """All keys, and what they hold."""
    async with Redis.from_url(system.settings.redis_uri) as redis:
        keys = [key async for key in redis.scan_iter()]
        return b"\n".join([part for key in keys for part in (key, await redis.dump(key) or b"")])


async def test_mail_queue_the_certificate_of_the_server_was_not_verified(client: Client) -> None:
    # Signed by an authority that nobody here knows, as whoever stands in between would.
    async with smtp_server(Security.STARTTLS, trustme.CA()) as impostor:
        victim = await User.joins(client, "victim@example.com", impostor.port)
        task_id = await victim.enqueue("For nobody else")

        async def tried() -> bool:
            return (await victim.tasks())[task_id]["status"] in {3, 4}

        await eventually(tried)
        assert impostor.connections > 0
        assert impostor.passwords == []
        assert impostor.mails == []


async def test_mail_queue_scheduled_at_was_thrown_away(user: User, mail_server: SmtpServer) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=1.5)
    task_id = await user.enqueue("At its time", scheduled_at=moment.isoformat())
    await asyncio.sleep(0.7)
    assert "At its time" not in subjects(mail_server)
    await user.until_status(task_id, 2)
    assert datetime.now(UTC) >= moment


async def test_mail_queue_another_users_id_was_not_checked(client: Client, user: User, mail_server: SmtpServer) -> None:
    other = await User.joins(client, "other@example.com", mail_server.port)
    error(await other.client.get(f"/api/v1/user/{user.id}"), 403)
    task_id = await user.enqueue("Mine")
    assert task_id not in await other.tasks()
    assert (await other.client.get(f"/api/v1/messages/{task_id}")).status == 404
