"""How a process connects to Redis. The settings are those that `tidings.runtime.stores.resolve` returns."""

import socket
from typing import Any, Final

from arq.connections import ArqRedis, RedisSettings
from redis.asyncio import Redis

from tidings.redis import jobs, keys
from tidings.redis.pool import Pool
from tidings.redis.primary import Cluster, Primary, Sentinels
from tidings.redis.uri import REDIS_PORT, RedisUri, parse_redis_uri
from tidings.redis.waiting import WaitingRedis
from tidings.settings import Settings

CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 5.0
"""The longest wait for an answer; longer than any blocking command waits."""
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}


def connect_redis(settings: Settings, *, socket_timeout: float = ANSWER_SECONDS, **options: Any) -> Redis:
    """A client with a pool of its own; it connects at its first command, and the caller closes it (`aclose`).

    `socket_timeout` (seconds) must be longer than any blocking command waits. Other options are those of
    `redis.asyncio.Redis`; what the URI says wins. With TLS the name in the certificate is checked, which redis-py
    does not do by default.
    """
    return Redis.from_pool(_pool(settings, socket_timeout=socket_timeout, **options))


def arq_redis(settings: Settings, *, queue: str, waits: bool = False) -> ArqRedis:
    """The same for arq's worker, with our encoding of jobs. Where it `waits`, its commands wait for a lost Redis."""
    kind = WaitingRedis if waits else ArqRedis
    return kind(
        pool_or_conn=_pool(settings, socket_timeout=ANSWER_SECONDS),
        job_serializer=jobs.serialize,
        job_deserializer=jobs.deserialize,
        default_queue_name=queue,
    )


async def probe(redis: Redis) -> None:
    """Raises RedisError or OSError where Redis does not take a write: a replica answers pings too."""
    await redis.set(keys.PROBE, 1, ex=keys.PROBE_LIFE_SECONDS)


def _pool(settings: Settings, **options: Any) -> Pool:
    uri = parse_redis_uri(settings.redis_uri)
    defaults: dict[str, Any] = {"socket_connect_timeout": CONNECT_SECONDS}
    if "path" not in uri.options:
        defaults["socket_keepalive"] = True
        # macOS does not have all of them.
        defaults["socket_keepalive_options"] = {
            getattr(socket, name): value for name, value in _KEEPALIVE.items() if hasattr(socket, name)
        }
    return Pool(primary=_primary(uri), prefix=uri.prefix, **{**defaults, **options, **uri.options})


def sentinels(settings: Settings) -> Sentinels | None:
    """Those that know the primary, where the address names them."""
    uri = parse_redis_uri(settings.redis_uri)
    return Sentinels(uri.service, uri.sentinels, uri.sentinel_options) if uri.sentinels else None


def _primary(uri: RedisUri) -> Primary | None:
    if uri.sentinels:
        return Sentinels(uri.service, uri.sentinels, uri.sentinel_options)
    if uri.nodes:
        return Cluster(uri.prefix, uri.nodes, uri.options)
    return None


def arq_redis_settings(settings: Settings) -> RedisSettings:
    """The same Redis in the form that `arq --check` takes, which knows neither a prefix nor a cluster.

    Not `RedisSettings.from_dsn`: it takes percent-encoded user names and passwords literally, knows no password in the
    query of a `unix://` address, drops the TLS options, and does not check the name in the certificate.
    """
    uri = parse_redis_uri(settings.redis_uri)
    options = uri.options
    tls = {
        name: options[name]
        for name in ("ssl_keyfile", "ssl_certfile", "ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_data")
        if name in options
    }
    return _RedisSettings(
        host=[(each.host, each.port) for each in uri.sentinels]
        or options.get("host", uri.nodes[0].host if uri.nodes else "localhost"),
        port=options.get("port", uri.nodes[0].port if uri.nodes else REDIS_PORT),
        sentinel=bool(uri.sentinels),
        sentinel_master=uri.service,
        unix_socket_path=options.get("path"),
        database=options["db"],
        username=options.get("username"),
        password=options.get("password"),
        ssl=uri.tls,
        ssl_check_hostname=options.get("ssl_check_hostname", True),
        conn_timeout=5,
        **tls,
    )


class _RedisSettings(RedisSettings):
    """arq's own representation shows the password."""

    def __repr__(self) -> str:
        return f"RedisSettings(host={self.host!r}, port={self.port}, unix_socket_path={self.unix_socket_path!r})"
