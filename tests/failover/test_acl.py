"""Everything that uses Redis, as a user who may do nothing else: compose/redis-users.acl."""

import asyncio
import os
import signal
import sys
from http import HTTPStatus
from pathlib import Path

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from api.app import create_app
from consumers.dedup import DedupRecords
from sql.store import Store
from tests.failover.system import delivered, delivering, producing
from tests.failover.valkey import valkey
from tests.integration.api.client import Api
from tests.processes import ending
from tidings.cli.doctor.finding import Level
from tidings.cli.doctor.redis import examine
from tidings.domain.ids import new_id
from tidings.redis.connections import connect_redis
from tidings.settings import Settings

FILE = Path("compose/redis-users.acl")
HARDENED = "user tidings on >change-me ~* &* +@all -@dangerous -@admin"
RARE = {
    # The clean-up of a queue that another worker left, and of one that is damaged.
    "type", "zrange",
    # A subscription on which nothing comes, or that is ended in good order.
    "ping", "unsubscribe",
    # Where an address names a database.
    "select",
}  # fmt: skip


def rules(text: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.startswith("user tidings ")]
    return line.split()[1:]


@pytest.mark.parametrize("text", [FILE.read_text(), HARDENED], ids=["ours", "hardened"])
async def test_all_runs_as_a_user_who_may_do_only_this(
    settings: Settings, store: Store, tmp_path: Path, text: str
) -> None:
    async with valkey(tmp_path) as server:
        await server.client.execute_command("ACL", "SETUSER", *rules(text))  # type: ignore[no-untyped-call]
        await server.client.config_resetstat()
        uri = f"redis://tidings:change-me@127.0.0.1:{server.port}"
        ours = replace(settings, redis_uri=uri, logins_per_email=1)
        async with delivering(ours), Api.serving(create_app(ours)) as api:
            await delivered(store, 20, within=15)
            for _ in range(3):
                await api.send(
                    "POST", "/api/v1/tokens", body={"email": "nobody@example.com", "password": "wrong horse"}
                )
            for path in ("/health", "/health/ready"):
                assert (await api.send("GET", path)).status == HTTPStatus.OK, path
            redis = connect_redis(ours)
            # After a crash: what does Redis know of these messages?
            assert await DedupRecords(redis, life_seconds=60).find([new_id()]) == {}
            await redis.aclose()
        await _under_arqs_command_line(ours, store)
        findings, _ = await examine(ours)
        assert not [finding for finding in findings if finding.level is Level.FAILURE]
        refused = await _refused(server.client)
        if text == HARDENED:
            # That is the doctor, who says so.
            assert refused == ["info"]
        else:
            assert refused == []
            allowed = {rule[1:].replace("|", "_") for rule in rules(text) if rule.startswith("+")}
            assert allowed - await _used(server.client) <= RARE


async def _under_arqs_command_line(settings: Settings, store: Store) -> None:
    environment = {
        **os.environ,
        "POSTGRES_URI": settings.postgres_uri,
        "REDIS_URI": settings.redis_uri,
        "CONSUMER_NAME": "arq",
    }
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("arq"), "consumers.WorkerSettings", env=environment
    )
    async with ending(process), producing(settings):
        await delivered(store, 20, within=20)
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), timeout=20)


async def _used(client: Redis) -> set[str]:
    found = await client.info("commandstats")
    return {name.removeprefix("cmdstat_").replace("|", "_") for name in found}


async def _refused(client: Redis) -> list[str]:
    entries = await client.execute_command("ACL", "LOG")  # type: ignore[no-untyped-call]
    words = [dict(zip(entry[::2], entry[1::2], strict=True)) if isinstance(entry, list) else entry for entry in entries]
    return sorted({entry[b"object"].decode() for entry in words})
