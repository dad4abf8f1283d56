"""Where the stores are, and how their addresses are read."""

from pathlib import Path

import pytest
from arq.connections import RedisSettings

from tidings import embedded
from tidings.domain.errors import SettingsError
from tidings.redis.connections import arq_redis_settings, connect_redis
from tidings.runtime.stores import resolve
from tidings.settings import Settings

POSTGRES = "postgres://u:p@db/tidings"


def settings(redis_uri: str, postgres_uri: str = POSTGRES) -> Settings:
    return Settings(redis_uri=redis_uri, postgres_uri=postgres_uri)


def test_empty_addresses_are_those_of_the_embedded_stores(tmp_path: Path) -> None:
    resolved = resolve(Settings(data_dir=tmp_path))
    assert (resolved.postgres_uri, resolved.redis_uri) == embedded.addresses(tmp_path)


def test_configured_addresses_stay(tmp_path: Path) -> None:
    given = Settings(postgres_uri=POSTGRES, redis_uri="redis://cache", data_dir=tmp_path)
    assert resolve(given) == given


def test_resolving_twice_is_resolving_once(tmp_path: Path) -> None:
    once = resolve(Settings(data_dir=tmp_path))
    assert resolve(once) == once


def test_each_address_is_resolved_on_its_own(tmp_path: Path) -> None:
    resolved = resolve(Settings(postgres_uri=POSTGRES, data_dir=tmp_path))
    assert (resolved.postgres_uri, resolved.redis_uri) == (POSTGRES, embedded.addresses(tmp_path).redis_uri)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("redis://cache", {"host": "cache", "port": 6379, "database": 0, "password": None, "ssl": False}),
        ("redis://cache:7000/3", {"host": "cache", "port": 7000, "database": 3}),
        ("redis://cache?db=2", {"database": 2}),
        ("redis://:p%40ss%2Fw%25rd@cache", {"username": None, "password": "p@ss/w%rd"}),
        ("redis://us%3Aer:Pa%23ss@cache", {"username": "us:er", "password": "Pa#ss"}),
        ("rediss://cache", {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True}),
        ("rediss://cache?ssl_ca_certs=/etc/ca.pem", {"ssl": True, "ssl_ca_certs": "/etc/ca.pem"}),
        ("rediss://cache?ssl_check_hostname=no", {"ssl_check_hostname": False}),
        ("unix:///run/redis.sock", {"unix_socket_path": "/run/redis.sock", "database": 0}),
        ("unix:///run/my%20redis.sock?db=4", {"unix_socket_path": "/run/my redis.sock", "database": 4}),
        ("unix://user:Pa%40ss@/run/redis.sock", {"username": "user", "password": "Pa@ss"}),
        ("redis://[::1]:6380", {"host": "::1", "port": 6380}),
    ],
)
async def test_arq_and_our_client_read_an_address_alike(uri: str, expected: dict[str, object]) -> None:
    for_arq = arq_redis_settings(settings(uri))
    assert {name: getattr(for_arq, name) for name in expected} == expected

    client = connect_redis(settings(uri))
    ours = client.connection_pool.connection_kwargs
    assert ours.get("db", 0) == for_arq.database
    assert (ours.get("username"), ours.get("password")) == (for_arq.username, for_arq.password)
    assert ours.get("path") == for_arq.unix_socket_path
    if for_arq.ssl:
        assert ours["ssl_check_hostname"] == for_arq.ssl_check_hostname
    await client.aclose()


def test_arqs_settings_do_not_show_the_password() -> None:
    shown = repr(arq_redis_settings(settings("redis://u:hunter2@cache")))
    assert "hunter2" not in shown
    assert "cache" in shown
    assert isinstance(arq_redis_settings(settings("redis://cache")), RedisSettings)


@pytest.mark.parametrize(
    "uri",
    ["http://:hunter2@cache", "redis://:hunter2@cache:port", "redis://:hunter2@cache/first", "cache:6379",
     "redis://:hunter2@cache?db=first", "rediss://:hunter2@[cache"],
)  # fmt: skip
def test_a_malformed_redis_uri_is_named_and_not_shown(uri: str) -> None:
    with pytest.raises(SettingsError, match=r"^REDIS_URI: ") as refused:
        resolve(settings(uri))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("uri", ["mysql://u:hunter2@db/d", "host=db password=hunter2"])
def test_a_malformed_postgres_uri_is_named_and_not_shown(uri: str) -> None:
    with pytest.raises(SettingsError, match=r"^POSTGRES_URI: ") as refused:
        resolve(settings("redis://cache", postgres_uri=uri))
    assert "hunter2" not in str(refused.value)


async def test_options_reach_the_client() -> None:
    client = connect_redis(settings("redis://cache"), socket_timeout=7.0, decode_responses=True)
    options = client.connection_pool.connection_kwargs
    assert (options["socket_timeout"], options["decode_responses"]) == (7.0, True)
    await client.aclose()
