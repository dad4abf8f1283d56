"""Debian's Redis 7, which speaks TLS and does not know MSETEX."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme
from msgspec.structs import replace
from redis.exceptions import ConnectionError as RedisConnectionError

from consumers.dedup import DedupRecords
from sql.store import Store
from tests.failover.system import delivered, delivering
from tests.failover.valkey import REDIS_7, SERVICE, sentinel, valkey
from tidings.cli.doctor.finding import Level
from tidings.cli.doctor.redis import examine
from tidings.redis.connections import connect_redis, probe
from tidings.settings import Settings

pytestmark = pytest.mark.skipif(REDIS_7 is None, reason="there is no redis-server (Debian's package of this name)")


def certificates(folder: Path, *names: str) -> tuple[Path, tuple[str | Path, ...]]:
    """A private CA, and a server's options with a certificate of it."""
    authority = trustme.CA()
    issued = authority.issue_cert(*names)
    ca, certificate, key = (folder / f"{names[0]}-{name}.pem" for name in ("ca", "certificate", "key"))
    authority.cert_pem.write_to_path(ca)
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(certificate)
    options = (
        "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no",
        "--tls-replication", "yes",
    )  # fmt: skip
    return ca, options


async def test_with_a_private_authority_all_goes_over_tls(settings: Settings, store: Store, tmp_path: Path) -> None:
    ca, options = certificates(tmp_path, "127.0.0.1")
    other_ca, _ = certificates(tmp_path, "other.example.com")
    trusting: dict[str, Any] = {"ssl": True, "ssl_ca_certs": str(ca)}
    async with (
        valkey(tmp_path, *options, program=REDIS_7, **trusting) as server,
        sentinel(tmp_path, server, *options, program=REDIS_7, **trusting) as watcher,
    ):
        trust = f"?ssl_ca_certs={quote(str(ca))}"
        address = f"127.0.0.1:{server.port}"
        for uri in (f"rediss://{address}{trust}", f"rediss+sentinel://127.0.0.1:{watcher.port}/{SERVICE}{trust}"):
            ours = replace(settings, redis_uri=uri)
            async with delivering(ours):
                await delivered(store, 20, within=15)
                findings, _ = await examine(ours)
            assert not [finding for finding in findings if finding.level is Level.FAILURE]
        for uri in (f"rediss://{address}", f"rediss://{address}?ssl_ca_certs={quote(str(other_ca))}"):
            async with connect_redis(replace(settings, redis_uri=uri)) as redis:
                with pytest.raises(RedisConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
                    await probe(redis)


async def test_the_name_in_the_certificate_counts(settings: Settings, tmp_path: Path) -> None:
    ca, options = certificates(tmp_path, "elsewhere.example.com")
    client: dict[str, Any] = {"ssl": True, "ssl_ca_certs": str(ca)}
    async with valkey(tmp_path, *options, program=REDIS_7, **client) as server:
        uri = f"rediss://127.0.0.1:{server.port}?ssl_ca_certs={quote(str(ca))}"
        async with connect_redis(replace(settings, redis_uri=uri)) as redis:
            with pytest.raises(RedisConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
                await probe(redis)
        async with connect_redis(replace(settings, redis_uri=f"{uri}&ssl_check_hostname=no")) as redis:
            await probe(redis)


@pytest.mark.parametrize("provider_records", [False, True])
async def test_without_msetex_each_record_is_set_by_itself(
    settings: Settings, store: Store, tmp_path: Path, provider_records: bool
) -> None:
    async with valkey(tmp_path, program=REDIS_7) as server:
        uri = f"redis://127.0.0.1:{server.port}"
        ours = replace(settings, redis_uri=uri, provider_records=provider_records)
        async with delivering(ours):
            ids = await delivered(store, 20, within=15)
            async with connect_redis(ours) as redis:
                assert set(await DedupRecords(redis, life_seconds=300).find(ids)) == set(ids)
        stats = await server.client.info("commandstats")
        assert stats["cmdstat_set"]["calls"] >= 20
        assert "cmdstat_msetex" not in stats
        for key in await server.client.keys("sent:*"):
            assert 0 < await server.client.ttl(key) <= ours.redis_ttl
