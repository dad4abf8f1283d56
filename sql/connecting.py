"""Connections to Postgres: opened within a limit for each host of the address, noticed when nothing answers any more.

A host whose machine is gone answers nothing at all, not even a refusal. So each host of POSTGRES_URI has a limit of its
own, the one that served last is tried first, and of several hosts only one that takes writes is used, unless
`target_session_attrs` says otherwise. TCP keepalive and `TCP_USER_TIMEOUT` end a connection whose other end is gone, on
both sides.

A pooler (pgbouncer) refuses settings that it does not know, and hands the same session of Postgres to one client after
another. There a connection brings no settings and keeps no prepared statements: `tidings migrate` gives the settings to
the role instead.
"""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode

import asyncpg
import structlog

from sql.refusals import refusal
from tidings.domain.errors import StoreRefusedError, StoreUnavailableError, describe
from tidings.domain.store_uris import split_store_uri

log = structlog.get_logger(__name__)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
PoolConnection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

AWAY: Final = (
    OSError,
    asyncio.TimeoutError,
    StoreUnavailableError,
    asyncpg.InterfaceError,
    # A connection that is used in the moment between the server's farewell and its end.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.QueryCanceledError,
    asyncpg.TransactionRollbackError,
)
"""What says that Postgres does not serve at present, or wants it done again. Anything else is our mistake."""

AWAY_SECONDS: Final = 0.5
"""Pause after a store did not answer."""
HOST_SECONDS: Final = 2.0
"""Time for one of several hosts to take a connection."""
NOTIFY_SECONDS: Final = 2.0
"""How long one's own NOTIFY may take."""
SINGLE_SECONDS: Final = 5.0
"""The same for one host without an alternative."""
KEEPALIVE: Final = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "4",
    "tcp_user_timeout": "13000",
    # A statement ends when its client is gone.
    "client_connection_check_interval": "5s",
    # So do the locks of one that is gone between two statements.
    "idle_in_transaction_session_timeout": "15s",
}
SESSION: Final = {
    # Every statement here is a handful of index probes. Left to its statistics, which lag behind a table that fills
    # in seconds, the planner at times reads the whole table to join a hundred ids; so the ways to do that are closed.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
    # Planning over all partitions costs more than running; plan once per connection.
    "plan_cache_mode": "force_generic_plan",
}

_SOCKET: Final = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 13_000}

_POOLER_SAYS: Final = "unsupported startup parameter"

_pooled: set[str] = set()
"""Addresses at which a pooler takes no settings with a connection."""
_served: dict[str, str] = {}
"""By address, the host of it that took the last connection."""


async def connect(
    uri: str,
    *,
    timeout: float = SINGLE_SECONDS,
    server_settings: dict[str, str] | None = None,
    setting: str = "POSTGRES_URI",
    **options: Any,
) -> Connection:
    """A connection to the first host of the address that takes it. `timeout` is for an address with one host.

    Other options are those of `asyncpg.connect`, and so are the errors; of several hosts, ConnectionError where none of
    them serves, saying why. StoreRefusedError, which names the setting, where waiting would not help.
    """
    try:
        return await _past_pooler(uri, timeout=timeout, wanted=server_settings or {}, **options)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        if (why := refusal(error)) is None:
            raise
        raise StoreRefusedError(f"{setting}: {why}") from error


async def _past_pooler(uri: str, *, timeout: float, wanted: dict[str, str], **options: Any) -> Connection:
    if uri not in _pooled:
        try:
            return await _connect(uri, timeout=timeout, server_settings={**KEEPALIVE, **wanted}, **options)
        except asyncpg.PostgresError as error:
            if _POOLER_SAYS not in str(error):
                raise
        log.info("a pooler is between here and Postgres: it takes no settings, and no statement is prepared")
        _pooled.add(uri)
    named = {name: value for name, value in wanted.items() if name == "application_name"}
    return await _connect(uri, timeout=timeout, server_settings=named, **options, statement_cache_size=0)


def is_pooled(uri: str) -> bool:
    """Whether a pooler was found at this address, which takes no settings."""
    return uri in _pooled


async def keeps_session(connection: Connection, notify: Callable[[str], Awaitable[object]]) -> bool:
    """Whether a connection has a session of its own: it hears what another one notifies of. Raises one of AWAY."""
    channel = f"tidings_probe_{secrets.token_hex(8)}"
    heard = asyncio.Event()

    def hear_probe(*_: object) -> None:
        heard.set()

    await connection.add_listener(channel, hear_probe)
    await notify(channel)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(heard.wait(), timeout=NOTIFY_SECONDS)
    await connection.remove_listener(channel, hear_probe)
    return heard.is_set()


async def _connect(uri: str, *, timeout: float, **options: Any) -> Connection:
    hosts = list(single_hosts(uri))
    if len(hosts) == 1:
        connection: Connection = await asyncpg.connect(uri, timeout=timeout, **options)
        return _kept_alive(connection)
    refusals: dict[str, str] = {}
    for wanted in _wanted(uri):
        options["target_session_attrs"] = wanted
        for host in sorted(hosts, key=lambda host: host != _served.get(uri)):
            try:
                connection = await asyncpg.connect(host, timeout=HOST_SECONDS, **options)
            except AWAY as error:
                if isinstance(error, asyncpg.PostgresError) and refusal(error) is not None:
                    raise
                refusals[_name(host)] = _refusal(error)
            else:
                _served[uri] = host
                return _kept_alive(connection)
    raise ConnectionError("no host serves: " + "; ".join(f"{host}: {why}" for host, why in refusals.items()))


def single_hosts(uri: str) -> Iterator[str]:
    """The address of each host that an address names (`host1:5432,host2:5433`, or `?host=host1,host2&port=…`)."""
    address = split_store_uri(uri)
    credentials, at, hosts = address.netloc.rpartition("@")
    query = parse_qsl(address.query, keep_blank_values=True)
    named = dict(query)
    ports = named.get("port", "").split(",")
    names = (hosts or named.get("host", "")).split(",")
    for number, name in enumerate(names):
        rest = [(key, value) for key, value in query if key not in {"host", "port"}]
        if not hosts and name:
            rest.append(("host", name))
        if ports != [""]:
            rest.append(("port", ports[number] if len(ports) == len(names) else ports[0]))
        yield address._replace(
            netloc=f"{credentials}{at}{name if hosts else ''}", query=urlencode(rest, quote_via=quote)
        ).geturl()


def _wanted(uri: str) -> list[str]:
    """What a host must be, in the order in which that is tried."""
    said = dict(parse_qsl(split_store_uri(uri).query)).get("target_session_attrs") or os.environ.get(
        "PGTARGETSESSIONATTRS"
    )
    if said == "prefer-standby":
        return ["standby", "any"]
    return [said or "read-write"]


def _refusal(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"does not answer within {HOST_SECONDS:.0f} s"
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "is not the kind of server that is asked for (a standby takes no writes)"
    return describe(error)


def _name(host: str) -> str:
    address = split_store_uri(host)
    return address.netloc.rpartition("@")[2] or dict(parse_qsl(address.query)).get("host", "")


def _kept_alive(connection: Connection) -> Connection:
    """asyncpg has no setting for it: without it, nobody notices a server that is no longer there."""
    transport: asyncio.Transport = connection._transport  # type: ignore[attr-defined]  # noqa: SLF001
    # A socket of our own for the same connection: uvloop's lets nobody set options.
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as own:
        if own.family != socket.AF_UNIX:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _SOCKET.items():
                # macOS does not have all of them.
                if (option := getattr(socket, name, None)) is not None:
                    own.setsockopt(socket.IPPROTO_TCP, option, value)
    return connection
