"""Redis Sentinel: `redis+sentinel://`, with the primary killed under load."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from api.app import create_app
from sql.store import Store
from tests.eventually import eventually
from tests.failover.load import Load
from tests.failover.system import delivered, delivering, ready
from tests.failover.test_acl import FILE, rules
from tests.failover.valkey import SERVICE, Valkey, sentinels, valkey
from tests.integration.api.client import Api
from tidings.cli.doctor.finding import Level
from tidings.cli.doctor.redis import examine
from tidings.settings import Settings

WITHIN = 15.0
PASSWORD = "of-the-sentinels"


class Watched(NamedTuple):
    """A primary with a replica, and who watches them."""

    settings: Settings
    primary: Valkey
    replica: Valkey
    sentinels: list[Valkey]


@asynccontextmanager
async def watched(settings: Settings, folder: Path) -> AsyncIterator[Watched]:
    """Under users with few permissions."""
    async with valkey(folder) as primary, valkey(folder) as replica:
        for server in (primary, replica):
            await server.ask("ACL", "SETUSER", *rules(FILE.read_text()))
        await replica.client.replicaof("127.0.0.1", primary.port)
        async with sentinels(folder, primary, PASSWORD) as those:
            hosts = ",".join(f"127.0.0.1:{each.port}" for each in those)
            uri = f"redis+sentinel://tidings:change-me@{hosts}/{SERVICE}/0"
            asked = f"?sentinel_username=asker&sentinel_password={PASSWORD}"
            yield Watched(replace(settings, redis_uri=uri + asked), primary, replica, those)


async def test_a_primary_that_is_killed_under_load_costs_no_message(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    async with watched(settings, tmp_path) as system:
        ours = system.settings
        async with delivering(ours), Api.serving(create_app(ours)) as api:
            await delivered(store, 20, within=10)
            findings, seen = await examine(ours)
            assert seen is not None
            assert seen.producer
            [said] = [finding for finding in findings if finding.check == "redis sentinels"]
            assert said.level is Level.OK
            assert f"127.0.0.1:{system.primary.port}" in said.says

            async with Load(store).running() as load:
                system.primary.process.kill()
                # One of those that are asked is gone too: the other two decide.
                system.sentinels[0].process.kill()
                await delivered(store, 20, within=WITHIN)
            await load.delivered(within=WITHIN)

            await eventually(lambda: ready(api))
            findings, _ = await examine(ours)
            assert not [finding for finding in findings if finding.level is Level.FAILURE]
            [said] = [finding for finding in findings if finding.check == "redis sentinels"]
            assert said.level is Level.WARNING
            assert f"127.0.0.1:{system.sentinels[0].port}" in said.says
            assert (await system.replica.client.info())["role"] == "master"
