"""Postgres: reachable, recent enough, safe for what is committed, and with the schema and partitions it should have."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import asyncpg

from sql.diagnosis import ConnectionState, Diagnosis, Outlived, ServerState
from sql.migrate import expected_version
from tidings.cli.doctor import clocks
from tidings.cli.doctor.finding import Finding, failure, ok, warning
from tidings.cli.store import plain_errors
from tidings.domain.errors import StoreUnavailableError
from tidings.domain.timestamps import machine_now
from tidings.settings import Settings

PATIENCE_SECONDS: Final = 5.0
OLDEST_MAJOR: Final = 15
BUSY_SHARE: Final = 0.8
ONE_MORE_PROCESS: Final = 8
"""Connections of an API process, which has the most."""
LONG_TRANSACTION_SECONDS: Final = 300.0
OVERDUE_SECONDS: Final = 30.0
UNDROPPED_FOR: Final = timedelta(hours=6)
"""Retention has its turn every hour; a backup may hold up a DETACH for a while."""


async def examine(settings: Settings) -> list[Finding]:
    """Checks the database of the resolved settings."""
    try:
        with plain_errors():
            async with Diagnosis.of(settings.postgres_uri, timeout=PATIENCE_SECONDS) as diagnosis:
                found = await _examine(diagnosis, retention=timedelta(days=settings.retention_days))
                return [*found, await _listening(diagnosis, settings.postgres_listen_uri)]
    except (StoreUnavailableError, TimeoutError, asyncpg.PostgresError) as error:
        reason = str(error) or f"no answer within {PATIENCE_SECONDS:g} s"
        mend = "start it, or set POSTGRES_URI right; without one, `tidings up` brings its own"
        return [failure("postgres", reason, mend)]


async def _examine(diagnosis: Diagnosis, *, retention: timedelta) -> list[Finding]:
    asked = machine_now()
    server = await diagnosis.server()
    answered = machine_now()
    found = [
        _version(server),
        clocks.compare("postgres clock", server.clock, asked=asked, answered=answered),
        *_safety(server),
        _connections(await diagnosis.connections()),
    ]
    schema = await _schema(diagnosis)
    found.append(schema)
    if schema.mend is None:
        found.append(_partitions(await diagnosis.missing_partitions()))
        found.append(_retention(await diagnosis.outlived_partitions(server.clock - retention - UNDROPPED_FOR)))
        found.append(_claims(await diagnosis.paused()))
        found.append(_overdue(await diagnosis.longest_overdue()))
        found.append(_gateway_answers(await diagnosis.gateway_statuses()))
    return found


async def _listening(diagnosis: Diagnosis, listen_uri: str) -> Finding:
    """Whether a producer hears of a new message at once."""
    mend = "POSTGRES_LISTEN_URI: the address of the same Postgres past the pooler in transaction mode"
    try:
        hears = await diagnosis.hears(listen_uri, timeout=PATIENCE_SECONDS)
    except (StoreUnavailableError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return failure(
            "listen", f"cannot be tried: {error or 'no answer'}", "POSTGRES_LISTEN_URI must lead to Postgres"
        )
    if not hears:
        return warning("listen", "no NOTIFY arrives: messages may be 1 s late, and `tidings migrate` is refused", mend)
    return ok("listen", "a NOTIFY arrives at once")


def _version(server: ServerState) -> Finding:
    if server.version < OLDEST_MAJOR * 10_000:
        return failure("postgres", f"version {server.version_text}", f"PostgreSQL {OLDEST_MAJOR} or later")
    return ok("postgres", f"version {server.version_text}, {server.size / 1024**2:,.0f} MiB in this database")


def _safety(server: ServerState) -> Iterator[Finding]:
    """What must hold for a message that was accepted to be there after a power cut."""
    if server.is_replica or server.is_read_only:
        yield failure("postgres role", "it is a replica, or read-only", "the address of the primary in POSTGRES_URI")
    if not (server.fsync and server.full_page_writes):
        yield failure("durability", "a power cut can destroy the database", "fsync = on and full_page_writes = on")
    elif server.synchronous_commit == "off":
        yield failure(
            "durability", "a crash can lose messages that were accepted", "synchronous_commit = on (or local, remote_…)"
        )
    else:
        yield ok("durability", "a commit is on disk before it is confirmed")
    if not server.autovacuum:
        yield warning("autovacuum", "it is off: claims get slower day by day", "autovacuum = on")
    if server.isolation != "read committed":
        yield failure(
            "isolation",
            f"{server.isolation}: claims refuse one another",
            "default_transaction_isolation = 'read committed'",
        )
    if server.encoding != "UTF8":
        yield failure("encoding", f"{server.encoding} cannot hold every message", "a database with ENCODING 'UTF8'")
    if not server.may_make_partitions:
        yield failure(
            "rights", "this role may make no tables, so no partitions", "GRANT CREATE ON SCHEMA public TO the role"
        )


def _connections(state: ConnectionState) -> Finding:
    says = f"{state.used} of {state.room} in use, {state.ours} by tidings"
    if state.oldest_transaction > LONG_TRANSACTION_SECONDS:
        return warning(
            "connections",
            f"{says}; a transaction has been open for {state.oldest_transaction / 60:,.0f} min, and holds back vacuum",
            "find it in pg_stat_activity (xact_start) and end it; set idle_in_transaction_session_timeout",
        )
    if state.used + ONE_MORE_PROCESS > state.room or state.used > BUSY_SHARE * state.room:
        return warning(
            "connections",
            f"{says}: one more process may find none (an API has up to 8, a producer 7, a consumer 4)",
            "a larger max_connections, or fewer clients",
        )
    return ok("connections", says)


async def _schema(diagnosis: Diagnosis) -> Finding:
    version, expected = await diagnosis.schema_version(), expected_version()
    if version < expected:
        return failure("schema", f"version {version}, this program needs {expected}", "`tidings migrate`")
    if version == expected:
        return ok("schema", f"version {version}")
    if (oldest := await diagnosis.oldest_program()) > expected:
        return failure(
            "schema",
            f"version {version}, for programs of {oldest} and later; this one knows {expected}",
            "a newer tidings",
        )
    return ok("schema", f"version {version}, newer than this program, which knows {expected} and may run")


def _partitions(missing: list[str]) -> Finding:
    if missing:
        return warning(
            "partitions",
            f"{', '.join(missing)}: not there; made when the first message comes, which then waits for it",
            "`tidings producer` makes them ahead: keep one running",
        )
    return ok("partitions", "there for today and tomorrow, this week and the next")


def _retention(outlived: Sequence[Outlived]) -> Finding:
    if pending := [each.name for each in outlived if each.pending]:
        return warning(
            "retention",
            f"{', '.join(pending)}: cannot be dropped while an older transaction is open",
            "end that transaction (pg_stat_activity, xact_start); the producer that leads then goes on",
        )
    if left := [each.name for each in outlived if not each.needed]:
        return warning(
            "retention",
            f"{len(left)} partitions outlived RETENTION_DAYS and are still there, such as {left[0]}",
            "`tidings producer` drops them once an hour: keep one running, and see its log",
        )
    kept = len(outlived)
    return ok("retention", f"{kept} older partitions hold unfinished messages" if kept else "nothing older is there")


def _claims(paused_why: str | None) -> Finding:
    if paused_why is not None:
        return failure("claims", f"paused: {paused_why}", "`tidings resume` shows what waits, and lets it go")
    return ok("claims", "not paused")


def _overdue(seconds: float) -> Finding:
    if seconds > OVERDUE_SECONDS:
        return warning(
            "waiting",
            f"a message of a queue that is on has been due for {seconds:,.0f} s",
            "see below whether producer and consumers are alive; if so, they are too few: `tidings top` shows the load",
        )
    return ok("waiting", "no message of a queue that is on waits longer than it should")


def _gateway_answers(statuses: list[int]) -> Finding:
    if not statuses:
        return ok("sms answers", "no text message has been sent yet")
    others = [status for status in statuses if status != HTTPStatus.ACCEPTED]
    if others:
        return warning(
            "sms answers",
            f"the SMS gateway takes messages with {', '.join(map(str, others))}: that counts as accepted",
            "the contract is 202 with a `messageId`: see that WEBHOOK_URL is the gateway's address for sending",
        )
    return ok("sms answers", "the gateway takes messages with 202")
