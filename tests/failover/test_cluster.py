"""A Redis Cluster of three: `redis+cluster://`, its slot moved to another node, and that node killed, under load."""

from http import HTTPStatus
from pathlib import Path

from msgspec.structs import replace

from api.app import create_app
from sql.store import Store
from tests.eventually import eventually
from tests.failover.load import Load
from tests.failover.system import delivered, delivering, ready
from tests.failover.test_acl import FILE, rules
from tests.failover.valkey import Valkey, agreed, cluster, cluster_node
from tests.integration.api.client import Api
from tidings.cli.doctor.finding import Level
from tidings.cli.doctor.redis import examine
from tidings.redis.connections import connect_redis
from tidings.redis.uri import PREFIX_ON_A_CLUSTER
from tidings.settings import Settings

WITHIN = 15.0


async def test_a_cluster_serves_while_the_slot_moves_and_its_node_dies(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    async with cluster(tmp_path) as nodes, cluster_node(tmp_path / "replica") as replica:
        for node in (*nodes, replica):
            await node.ask("ACL", "SETUSER", *rules(FILE.read_text()))
        slot = await nodes[0].ask("CLUSTER", "KEYSLOT", PREFIX_ON_A_CLUSTER)
        old = nodes[slot * 3 // 16384]
        new, third = (node for node in nodes if node is not old)
        await replica.ask("CLUSTER", "MEET", *old.address)
        await eventually(lambda: agreed([*nodes, replica]))
        await replica.ask("CLUSTER", "REPLICATE", await new.ask("CLUSTER", "MYID"))

        seeds = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        ours = replace(settings, redis_uri=f"redis+cluster://tidings:change-me@{seeds}", logins_per_email=1)
        async with delivering(ours), Api.serving(create_app(ours)) as api:
            await delivered(store, 20, within=10)
            # What reaches several keys at once: a script and MGET.
            for _ in range(3):
                answer = await api.send(
                    "POST", "/api/v1/tokens", body={"email": "nobody@example.com", "password": "wrong horse"}
                )
            assert answer.status == HTTPStatus.TOO_MANY_REQUESTS
            redis = connect_redis(ours)
            [sent, *_] = await old.client.keys(f"{PREFIX_ON_A_CLUSTER}sent:*")
            assert await redis.exists(sent.decode().removeprefix(PREFIX_ON_A_CLUSTER))
            await redis.aclose()
            # In one slot: the other nodes hold nothing.
            assert await new.client.dbsize() == await third.client.dbsize() == 0
            assert not await _failures(ours)

            async with Load(store).running() as load:
                await _move(slot, old, new)
                await delivered(store, 20, within=WITHIN)
                assert not await _failures(ours)
                assert await old.ask("CLUSTER", "COUNTKEYSINSLOT", slot) == 0

                async def replicates() -> bool:
                    return bool((await replica.client.info())["master_link_status"] == "up")

                await eventually(replicates)
                new.process.kill()
                await delivered(store, 20, within=WITHIN)
            await load.delivered(within=WITHIN)
            await eventually(lambda: ready(api))
            assert not await _failures(ours)
            assert (await replica.client.info())["role"] == "master"


async def _move(slot: int, source: Valkey, target: Valkey) -> None:
    """As redis-cli does it."""
    names = {node: await node.ask("CLUSTER", "MYID") for node in (source, target)}
    await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", names[source])
    await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", names[target])
    while keys := await source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):
        await source.ask("MIGRATE", *target.address, "", 0, 5000, "KEYS", *keys)
    await target.ask("CLUSTER", "SETSLOT", slot, "NODE", names[target])
    await source.ask("CLUSTER", "SETSLOT", slot, "NODE", names[target])


async def _failures(settings: Settings) -> list[str]:
    findings, _ = await examine(settings)
    return [finding.says for finding in findings if finding.level is Level.FAILURE]
