"""`REDIS_URI`: one server, the sentinels of one, or the nodes of a cluster."""

import re
import ssl
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec
from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.exceptions import RedisError

from tidings.domain.errors import SettingsError
from tidings.redis.primary import Address

MALFORMED: Final = "is not a well-formed redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// address"
PREFIX_ON_A_CLUSTER: Final = "{tidings}:"
REDIS_PORT: Final = 6379
SENTINEL_PORT: Final = 26379

_SEVERAL: Final = re.compile(
    r"(?P<scheme>rediss?)\+(?P<kind>sentinel|cluster)://(?:(?P<user>[^@/?#]*)@)?(?P<hosts>[^@/?#]+)"
    r"(?:/(?P<path>[^?#]*))?(?:\?(?P<query>[^#]*))?"
)
_PREFIX: Final = re.compile(r"[!-~]{1,64}")
_HASH_TAG: Final = re.compile(r"[^{]*\{[^}]+\}")
_SENTINELS_OWN: Final = {"sentinel_username": "username", "sentinel_password": "password"}


class RedisUri(msgspec.Struct, frozen=True, kw_only=True):
    """What the address says, decoded."""

    options: dict[str, Any]
    """Of redis-py's connections, without an address where that has to be found."""
    prefix: str = ""
    """Before every key and channel."""
    service: str = ""
    """What the sentinels call it."""
    sentinels: tuple[Address, ...] = ()
    sentinel_options: dict[str, Any] = {}
    nodes: tuple[Address, ...] = ()
    """Of a cluster."""

    @property
    def tls(self) -> bool:
        """Whether its connections are encrypted."""
        return self.options.get("connection_class") is SSLConnection


def parse_redis_uri(uri: str) -> RedisUri:
    """Raises SettingsError, which does not show the address: it may hold a password."""
    try:
        several = _SEVERAL.fullmatch(uri)
        parsed = _parse_several(several) if several else _parse_one(uri)
    except ValueError:
        raise SettingsError(f"REDIS_URI: {MALFORMED}") from None
    return parsed


def check_redis_uri(uri: str) -> None:
    """Raises SettingsError for what no connection could be tried with: an option or a file that there is not."""
    parsed = parse_redis_uri(uri)
    for options in (parsed.options, parsed.sentinel_options):
        _check_options(options)


def _parse_one(uri: str) -> RedisUri:
    options: dict[str, Any] = dict(parse_url(uri))
    # redis-py takes a database that is not a number for database 0.
    address = urlsplit(uri)
    database = dict(parse_qsl(address.query)).get("db") or ("" if address.scheme == "unix" else address.path[1:])
    options["db"] = int(database or 0)
    if address.scheme == "rediss":
        # redis-py does not check the name by default.
        options.setdefault("ssl_check_hostname", True)
    return RedisUri(prefix=_prefix(options), options=options)


def _parse_several(uri: re.Match[str]) -> RedisUri:
    query = dict(parse_qsl(uri["query"] or ""))
    sentinels_own = {name: query.pop(name) for name in _SENTINELS_OWN if name in query}
    user = f"{uri['user']}@" if uri["user"] else ""
    path = [unquote(part) for part in (uri["path"] or "").split("/")]
    is_cluster = uri["kind"] == "cluster"
    service, database = ("", path) if is_cluster else (path[0], path[1:])
    if len(database) > 1:
        raise ValueError("what comes after the database?")
    query.setdefault("db", database[0] if database and database[0] else "0")
    alike = _parse_one(f"{uri['scheme']}://{user}any?{urlencode(query, quote_via=quote)}")
    options = {name: value for name, value in alike.options.items() if name != "host"}
    if is_cluster:
        if options["db"] or sentinels_own:
            raise SettingsError("REDIS_URI: a cluster has database 0 only, and no sentinels")
        prefix = alike.prefix or PREFIX_ON_A_CLUSTER
        if not _HASH_TAG.match(prefix):
            raise SettingsError("REDIS_URI: key_prefix has to hold a hash tag on a cluster, as in {shop}:")
        return RedisUri(options=options, prefix=prefix, nodes=_addresses(uri["hosts"], REDIS_PORT))
    if not service:
        raise SettingsError("REDIS_URI: names no primary; redis+sentinel://host,host/NAME/0 does")
    encryption = {name: value for name, value in options.items() if name.startswith(("ssl_", "connection_class"))}
    return RedisUri(
        options=options,
        prefix=alike.prefix,
        service=service,
        sentinels=_addresses(uri["hosts"], SENTINEL_PORT),
        sentinel_options={**encryption, **{_SENTINELS_OWN[name]: value for name, value in sentinels_own.items()}},
    )


def _addresses(hosts: str, port: int) -> tuple[Address, ...]:
    found = []
    for host in hosts.split(","):
        options = parse_url(f"redis://{host}")
        if "host" not in options:
            raise ValueError("an empty name")
        found.append(Address(options["host"], options.get("port", port)))
    return tuple(found)


def _prefix(options: dict[str, Any]) -> str:
    prefix = str(options.pop("key_prefix", ""))
    if prefix and not _PREFIX.fullmatch(prefix):
        raise SettingsError("REDIS_URI: key_prefix has to be up to 64 visible ASCII characters")
    return prefix


def _check_options(options: dict[str, Any]) -> None:
    settable = {name: value for name, value in options.items() if name not in {"connection_class", "max_connections"}}
    try:
        connection = options.get("connection_class", Connection)(**settable)
        if isinstance(connection, SSLConnection):
            connection.ssl_context.get()
    except TypeError:
        raise SettingsError("REDIS_URI: has an option that there is not") from None
    except ssl.SSLError:
        raise SettingsError("REDIS_URI: a certificate or key that it names is none") from None
    except OSError as error:
        raise SettingsError(f"REDIS_URI: a file that it names: {error.strerror}") from None
    except RedisError as error:
        raise SettingsError(f"REDIS_URI: {error}") from None
