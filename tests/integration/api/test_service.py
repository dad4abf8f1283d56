"""api/service.py and api/__main__.py: the process, from its start to its end."""

import asyncio
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process

import aiohttp

from sql.store import Store
from tests.integration.api.client import MESSAGE
from tidings.settings import Settings


async def start(settings: Settings, **environ: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api",
        env={
            **os.environ,
            "POSTGRES_URI": settings.postgres_uri,
            "REDIS_URI": settings.redis_uri,
            "DATA_DIR": str(settings.data_dir),
            "HOST": "127.0.0.1",
            "PORT": "0",
            "API_KEY": "",
            "TRUST_THIS_MACHINE": "true",
            **environ,
        },
        stderr=PIPE,
    )


async def line_with(process: Process, pattern: str) -> re.Match[str]:
    """Reads its log until a line says that."""
    assert process.stderr is not None
    async for line in process.stderr:
        if found := re.search(pattern, line.decode()):
            return found
    raise AssertionError(f"it ended without saying {pattern!r}")


async def test_what_was_answered_before_and_while_it_stops_is_kept(settings: Settings, store: Store) -> None:
    process = await start(settings)
    url = (await line_with(process, r"api is ready.*?(http://[\d.:]+)"))[1]
    told_yes = 0
    first_yes = asyncio.Event()

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal told_yes
        try:
            while True:
                async with session.post(f"{url}/api/v1/messages", json=MESSAGE) as response:
                    assert response.status == 201
                    told_yes += 1
                    first_yes.set()
        except aiohttp.ClientConnectionError:
            return

    async with aiohttp.ClientSession() as session:
        clients = [asyncio.create_task(client(session)) for _ in range(20)]
        await first_yes.wait()
        process.send_signal(signal.SIGTERM)
        await asyncio.gather(*clients)
    _, rest = await process.communicate()
    assert process.returncode == 0, rest
    assert b"Traceback" not in rest
    kept = await store.database.pool.fetchval("SELECT count(*) FROM messages")
    # A connection that closes just as a request comes in loses the answer, never the message.
    assert told_yes <= kept <= told_yes + 20


async def test_an_interrupt_stops_it_too(settings: Settings) -> None:
    process = await start(settings)
    await line_with(process, "api is ready")
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert process.returncode == 0


async def test_it_stops_while_it_waits_for_postgres(settings: Settings) -> None:
    process = await start(settings, POSTGRES_URI="postgresql://postgres@/nobody?host=/nowhere")
    await line_with(process, "waiting for Postgres")
    process.send_signal(signal.SIGTERM)
    _, rest = await process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in rest


async def test_an_open_address_without_a_secret_key_ends_it_in_one_line(settings: Settings) -> None:
    process = await start(settings, HOST="0.0.0.0")
    _, said = await process.communicate()
    assert process.returncode == 2
    assert said.decode() == "tidings api: SECRET_KEY: must be set, as HOST 0.0.0.0 is open to other machines\n"


async def test_a_port_in_use_ends_it_in_one_line(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = await start(settings, PORT=str(taken.getsockname()[1]))
        _, said = await process.communicate()
    assert process.returncode == 2
    assert len(said.splitlines()) == 1
    assert b"address already in use" in said
