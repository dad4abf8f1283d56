"""`REDIS_URI`: sentinels, clusters, prefixes, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from redis.asyncio.connection import SSLConnection

from tests.failover.valkey import SERVICE
from tidings.domain.errors import SettingsError
from tidings.redis.connections import arq_redis_settings
from tidings.redis.primary import Address
from tidings.redis.uri import check_redis_uri, parse_redis_uri
from tidings.settings import Settings


def test_sentinels_are_named_with_their_own_user() -> None:
    uri = parse_redis_uri(
        f"redis+sentinel://us%3Aer:p%40ss@one,two:26380,[::1]/{SERVICE}/2"
        "?sentinel_username=asker&sentinel_password=w%40rd&socket_timeout=4"
    )
    assert uri.sentinels == (Address("one", 26379), Address("two", 26380), Address("::1", 26379))
    assert uri.service == SERVICE
    expected = {"username": "us:er", "password": "p@ss", "db": 2, "socket_timeout": 4.0}
    assert uri.options == expected
    assert uri.sentinel_options == {"username": "asker", "password": "w@rd"}
    assert not uri.tls
    assert uri.prefix == ""


def test_encryption_is_for_the_sentinels_too() -> None:
    uri = parse_redis_uri("rediss+sentinel://one/main?ssl_ca_certs=/etc/ca.pem")
    encryption: dict[str, Any] = {
        "ssl_ca_certs": "/etc/ca.pem",
        "ssl_check_hostname": True,
        "connection_class": SSLConnection,
    }
    assert uri.options == {**encryption, "db": 0}
    assert uri.sentinel_options == encryption
    assert uri.tls


def test_a_cluster_has_a_hash_tag() -> None:
    uri = parse_redis_uri("rediss+cluster://:p%25@one:7000,two/")
    assert uri.nodes == (Address("one", 7000), Address("two", 6379))
    assert uri.prefix == "{tidings}:"
    assert uri.options["password"] == "p%"
    assert uri.tls
    assert parse_redis_uri("redis+cluster://one?key_prefix={shop}.").prefix == "{shop}."
    assert parse_redis_uri("redis+cluster://one?key_prefix=%7Bshop%7D.").prefix == "{shop}."


def test_a_prefix_is_for_any_address() -> None:
    assert parse_redis_uri("redis://one?key_prefix=shop:").prefix == "shop:"
    assert parse_redis_uri("unix:///run/redis.sock?key_prefix=shop:").prefix == "shop:"
    assert parse_redis_uri("redis://one").prefix == ""


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("redis+sentinel://:hunter2@one", "names no primary"),
        ("redis+sentinel://:hunter2@one/main/first", "well-formed"),
        ("redis+sentinel://:hunter2@one/main/0/1", "well-formed"),
        ("redis+sentinel://:hunter2@one:port/main", "well-formed"),
        ("redis+sentinel://:hunter2@one,,two/main", "well-formed"),
        ("redis+cluster://:hunter2@one/1", "database 0"),
        ("redis+cluster://:hunter2@one?sentinel_username=any", "no sentinels"),
        ("redis+cluster://:hunter2@one?key_prefix=shop:", "hash tag"),
        ("redis+cluster://:hunter2@one?key_prefix={}:", "hash tag"),
        ("redis://:hunter2@one?key_prefix=a%20b", "visible ASCII"),
        (f"redis://:hunter2@one?key_prefix={'a' * 65}", "up to 64"),
        ("redis://:hunter2@one?ssl_ca_cert=/etc/ca.pem", "an option that there is not"),
        ("rediss+sentinel://:hunter2@one/main?ssl_ca_cert=/etc/ca.pem", "an option that there is not"),
        ("redis+sentinel://:hunter2@one/main?ssl_ca_certs=/etc/ca.pem", "an option that there is not"),
        ("rediss://:hunter2@one?ssl_ca_certs=/nowhere/ca.pem", "No such file"),
        ("rediss://:hunter2@one?ssl_ca_certs=pyproject.toml", "certificate or key"),
        ("rediss://:hunter2@one?ssl_cert_reqs=perhaps", "Requirements"),
    ],
)
def test_what_cannot_be_is_said_in_one_line_without_the_password(uri: str, says: str) -> None:
    assert Path("pyproject.toml").exists()
    with pytest.raises(SettingsError, match=rf"^REDIS_URI: .*{says}") as refused:
        check_redis_uri(uri)
    assert "hunter2" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_arq_asks_the_same_sentinels() -> None:
    settings = Settings(
        postgres_uri="postgres://db/tidings", redis_uri=f"redis+sentinel://u:p@one,two:26380/{SERVICE}/2"
    )
    for_arq = arq_redis_settings(settings)
    assert for_arq.sentinel
    assert for_arq.host == [("one", 26379), ("two", 26380)]
    assert (for_arq.sentinel_master, for_arq.database, for_arq.username) == (SERVICE, 2, "u")


@pytest.mark.parametrize(
    ("hosts", "here"), [("127.0.0.1:1,[::1]:2", True), ("127.0.0.1:1,one:2", False), ("[::1]:1,one", False)]
)
def test_one_other_machine_is_another_machine(hosts: str, here: bool) -> None:
    ours = Settings(postgres_uri="postgres:///any?host=/run", redis_uri=f"redis+sentinel://u:p@{hosts}/main")
    assert ours.loopback_only is here
    ours = Settings(postgres_uri=f"postgres://u:p@{hosts}/any", redis_uri="unix:///run/redis.sock")
    assert ours.loopback_only is here
