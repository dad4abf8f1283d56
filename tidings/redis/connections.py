"""How a process connects to Redis. The settings are those that `tidings.runtime.stores.resolve` returns."""

import socket
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from arq.connections import ArqRedis, RedisSettings
from redis.asyncio import Redis
from redis.asyncio.connection import parse_url

from tidings.domain.errors import SettingsError
from tidings.redis import jobs, keys
from tidings.redis.pool import Pool
from tidings.redis.waiting import WaitingRedis
from tidings.settings import Settings

CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 5.0
"""The longest wait for an answer; longer than any blocking command waits."""
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}


def connect_redis(settings: Settings, *, socket_timeout: float = ANSWER_SECONDS, **options: Any) -> Redis:
    """A client with a pool of its own; it connects at its first command, and the caller closes it (`aclose`).

    `socket_timeout` (seconds) must be longer than any blocking command waits. Other options are those of
    `redis.asyncio.Redis`; what the URI says wins. With `rediss://` the name in the certificate is checked, which
    redis-py does not do by default.
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
    uri = settings.redis_uri
    defaults: dict[str, Any] = {"socket_connect_timeout": CONNECT_SECONDS}
    if urlsplit(uri).scheme == "rediss":
        defaults["ssl_check_hostname"] = True
    if urlsplit(uri).scheme != "unix":
        defaults["socket_keepalive"] = True
        # macOS does not have all of them.
        defaults["socket_keepalive_options"] = {
            getattr(socket, name): value for name, value in _KEEPALIVE.items() if hasattr(socket, name)
        }
    return Pool(**{**defaults, **options, **parse_redis_uri(uri)})


def arq_redis_settings(settings: Settings) -> RedisSettings:
    """The same Redis in the form that `arq --check` takes.

    Not `RedisSettings.from_dsn`: it takes percent-encoded user names and passwords literally, knows no password in the
    query of a `unix://` address, drops the TLS options, and does not check the name in the certificate.
    """
    uri = settings.redis_uri
    parsed = parse_redis_uri(uri)
    tls = {
        name: parsed[name]
        for name in ("ssl_keyfile", "ssl_certfile", "ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_data")
        if name in parsed
    }
    return _RedisSettings(
        host=parsed.get("host", "localhost"),
        port=parsed.get("port", 6379),
        unix_socket_path=parsed.get("path"),
        database=parsed.get("db", 0),
        username=parsed.get("username"),
        password=parsed.get("password"),
        ssl=urlsplit(uri).scheme == "rediss",
        ssl_check_hostname=parsed.get("ssl_check_hostname", True),
        conn_timeout=5,
        **tls,
    )


class _RedisSettings(RedisSettings):
    """arq's own representation shows the password."""

    def __repr__(self) -> str:
        return f"RedisSettings(host={self.host!r}, port={self.port}, unix_socket_path={self.unix_socket_path!r})"


def parse_redis_uri(uri: str) -> dict[str, Any]:
    """The options in a Redis URI, decoded, as redis-py reads them."""
    try:
        address = urlsplit(uri)
        options = dict(parse_url(uri))
        # redis-py takes a database that is not a number for database 0.
        database = dict(parse_qsl(address.query)).get("db") or ("" if address.scheme == "unix" else address.path[1:])
        options["db"] = int(database or 0)
    except ValueError:
        # Its text may quote the address, which may hold a password.
        raise SettingsError("REDIS_URI: is not a well-formed redis://, rediss:// or unix:// address") from None
    return options
