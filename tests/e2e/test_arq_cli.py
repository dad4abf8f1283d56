"""`arq consumers.WorkerSettings`: the worker under arq's own command line, with its health check."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg

from tests.e2e.gateway import CountingGateway
from tests.e2e.system import System
from tests.e2e.test_delivery import PHONE, all_arrived

ARQ = Path(sys.executable).with_name("arq")


async def arq(system: System, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        ARQ,
        "consumers.WorkerSettings",
        *arguments,
        env={**os.environ, **system._environ, "CONSUMER_NAME": "by-arq"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


async def test_delivers_answers_the_check_and_stops_in_order(system: System, gateway: CountingGateway) -> None:
    await system.start_api()
    await system.start_producer()
    check = await arq(system, "--check")
    assert await check.wait() == 1
    worker = await arq(system)
    try:
        message_id = await system.post(channel="sms", recipient=PHONE, content="by arq")
        await all_arrived(gateway, 1)
        await system.until_status(message_id, "sent")
        check = await arq(system, "--check")
        assert await check.wait() == 0
    finally:
        worker.terminate()
        _, stderr = await asyncio.wait_for(worker.communicate(), timeout=20)
    assert worker.returncode == 0, stderr.decode()
    assert b"consumer has stopped" in stderr
    # Where a newer version has taken something away.
    connection = await asyncpg.connect(system.settings.postgres_uri)
    await connection.execute("INSERT INTO schema_migrations (version, name, oldest) VALUES (9999, 'x', 9999)")
    await connection.close()
    worker = await arq(system)
    _, stderr = await asyncio.wait_for(worker.communicate(), timeout=20)
    assert worker.returncode == 3, stderr.decode()
    assert stderr.splitlines()[-1].startswith(b"tidings consumer: this program ("), stderr.decode()
