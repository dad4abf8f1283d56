"""Redis: reachable, writable, keeping what is written; and the producers and consumers that report there."""

import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, RedisError

from tidings import __version__
from tidings.cli.doctor import clocks
from tidings.cli.doctor.finding import Finding, failure, ok, warning
from tidings.domain.errors import SettingsError
from tidings.domain.states import HeldReason
from tidings.domain.timestamps import machine_now
from tidings.observability.reports import SILENT_SECONDS, ConsumerReport, HeldReport, held_report
from tidings.redis import keys
from tidings.redis.connections import connect_redis, sentinels
from tidings.redis.primary import Address
from tidings.redis.uri import parse_redis_uri
from tidings.settings import Settings

PATIENCE_SECONDS: Final = 5.0
OLDEST: Final = (6, 2)
FULL_SHARE: Final = 0.8


_MENDS: Final = {
    HeldReason.GATEWAY: "see WEBHOOK_URL, WEBHOOK_AUTH_KEY and the account there; it is probed now and then",
    HeldReason.ACCOUNT: "whose SMTP account it is must correct it: `tidings list --held account`",
    HeldReason.OURS: "more of what this machine is short of; the log names it",
}
"""What to do about what does not end by itself."""


class Seen(NamedTuple):
    """The processes that report in Redis."""

    producer: bool
    offering: frozenset[str]
    """Names of the consumers that offer room."""
    reports: tuple[ConsumerReport, ...]
    """Of the consumers that are not silent."""
    failing: tuple[tuple[str, str], ...] = ()
    """The duties at which the producer that leads fails, each with its error."""
    held: HeldReport = HeldReport()


async def examine(settings: Settings) -> tuple[list[Finding], Seen | None]:
    """Checks the Redis of the resolved settings. None where it does not answer."""
    client = connect_redis(settings, socket_timeout=PATIENCE_SECONDS)
    try:
        found, seen = await _examine(client, cluster=bool(parse_redis_uri(settings.redis_uri).nodes))
        return [*found, *await _sentinels(settings)], seen
    except (RedisError, OSError, SettingsError) as error:
        mend = "start it, or set REDIS_URI right; without one, `tidings up` brings its own"
        return [failure("redis", f"it does not answer: {error}", mend)], None
    finally:
        await client.aclose()


async def _examine(client: Redis, *, cluster: bool) -> tuple[list[Finding], Seen]:
    asked = machine_now()
    now = _clock(await client.time())
    answered = machine_now()
    found = [
        *await _state(client, cluster=cluster),
        clocks.compare("redis clock", now, asked=asked, answered=answered),
        await _writes(client),
    ]
    return found, await _seen(client, now.timestamp())


async def _state(client: Redis, *, cluster: bool) -> list[Finding]:
    try:
        info: Mapping[str, Any] = await client.info()
    except NoPermissionError:
        mend = "nothing, if that is meant so: only this command asks INFO"
        return [warning("redis", "its version, role and memory may not be asked by this user", mend)]
    return [_version(info), *_role(info, cluster=cluster), _eviction(info), _persistence(info)]


async def _seen(client: Redis, now: float) -> Seen:
    async with client.pipeline(transaction=False) as pipe:
        pipe.exists(keys.PRODUCER_HEARTBEAT)
        pipe.zrangebyscore(keys.SLOTS, now - keys.OFFER_LIFE_SECONDS, "+inf")
        pipe.hvals(keys.CONSUMERS)
        pipe.hgetall(keys.FAILING_DUTIES)
        pipe.get(keys.HELD)
        producer, slots, reports, failing, held = await pipe.execute()
    decoded = (msgspec.json.decode(report, type=ConsumerReport) for report in reports)
    return Seen(
        producer=bool(producer),
        offering=frozenset(slot.decode().rpartition("/")[0] for slot in slots),
        reports=tuple(report for report in decoded if now - report.reported_at.timestamp() <= SILENT_SECONDS),
        failing=tuple((duty.decode(), error.decode()) for duty, error in sorted(failing.items())),
        held=held_report(held) or HeldReport(),
    )


def _version(info: Mapping[str, Any]) -> Finding:
    text = str(info["redis_version"])
    name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"version {text}"
    if tuple(int(part) for part in text.split(".")[:2]) < OLDEST:
        return failure("redis", name, f"Redis {'.'.join(map(str, OLDEST))} or later")
    return ok("redis", f"{name}, {info['used_memory'] / 1024**2:,.0f} MiB in use")


def _role(info: Mapping[str, Any], *, cluster: bool) -> Iterator[Finding]:
    if info.get("role") != "master":
        yield failure("redis role", "it is a replica, which takes no writes", "the address of the primary in REDIS_URI")
    if info.get("cluster_enabled") and not cluster:
        yield failure(
            "redis role",
            "it is a cluster, over which one command may not reach two keys",
            "redis+cluster:// (or rediss+cluster://) in REDIS_URI, by which all keys are in one slot",
        )


async def _sentinels(settings: Settings) -> list[Finding]:
    """Whether all that `REDIS_URI` names answer, and name the same primary."""
    those = sentinels(settings)
    if those is None:
        return []
    answers = await those.ask_each()
    named = {str(answer) for _, answer in answers if isinstance(answer, Address)}
    says = f"{len(answers)} say that {those.service} is {' or '.join(sorted(named))}"
    silent = [f"{address} does not answer: {answer}" for address, answer in answers if isinstance(answer, str)]
    if silent:
        says = "; ".join([f"{len(answers) - len(silent)} of {says}", *silent])
    if silent or len(named) != 1:
        return [warning("redis sentinels", says, "all of them as sentinels of the same primary, or other addresses")]
    return [ok("redis sentinels", says)]


def _eviction(info: Mapping[str, Any]) -> Finding:
    limit, used, policy = info.get("maxmemory", 0), info["used_memory"], info.get("maxmemory_policy", "noeviction")
    if not limit:
        return ok("redis memory", f"no limit of its own, so nothing is evicted ({policy} does not matter)")
    says = f"{used / limit:.0%} of {limit / 1024**2:,.0f} MiB, {policy}"
    if policy != "noeviction":
        return warning(
            "redis memory",
            f"{says}: when it is full, records of deliveries vanish (a crash may then send twice) and batches (which "
            "come again when their lease is over)",
            "maxmemory-policy noeviction",
        )
    if used > FULL_SHARE * limit:
        return warning("redis memory", f"{says}: when it is full it takes nothing more", "a larger maxmemory")
    return ok("redis memory", says)


def _persistence(info: Mapping[str, Any]) -> Finding:
    if info.get("rdb_last_bgsave_status") == "err" or info.get("aof_last_write_status") == "err":
        return warning(
            "redis persistence",
            "its last save failed, after which Redis may refuse writes",
            'mend the disk, or save nothing (save "" and appendonly no): nothing in Redis needs to survive',
        )
    if info.get("aof_enabled"):
        return warning(
            "redis persistence",
            "it writes every command to disk, which nothing here needs: Postgres is the truth",
            "appendonly no, unless others use this Redis too",
        )
    return ok("redis persistence", "not needed: all it holds can be lost without losing a message")


async def _writes(client: Redis) -> Finding:
    """Whether a write is taken: a full disk or memory, a replica or an ACL shows only there."""
    word = secrets.token_hex(8)
    try:
        await client.set(keys.PROBE, word, ex=keys.PROBE_LIFE_SECONDS)
        kept = await client.get(keys.PROBE)
    except RedisError as error:
        return failure("redis writes", f"refused: {error}", "what Redis says; its role, memory, disk and ACL decide")
    if kept != word.encode():
        return failure(
            "redis writes", "what was written is not read again", "one Redis, not several behind one address"
        )
    return ok("redis writes", "taken and read again")


def processes(seen: Seen | None, *, busy: bool | None, leads: bool | None) -> Iterator[Finding]:
    """Producer and consumers, as they report; `busy`: leases are being renewed in Postgres; `leads`: one leads."""
    if seen is None:
        yield failure("producer", "cannot be looked for while Redis is away", "mend Redis first")
        return
    if seen.producer:
        yield ok("producer", "alive")
    else:
        yield failure("producer", "none is alive: nothing is claimed", "`tidings producer`, or `tidings up`")
    if seen.producer and leads is False:
        yield warning(
            "leader",
            "no producer leads: batches of lost consumers do not come back, nothing expires, no partition is made",
            "look again in 15 s: one that has just started, or takes over, needs so long; then read the producer's log",
        )
    for duty, error in seen.failing:
        yield warning(f"duty {duty}", f"the producer fails at it: {error}", "mend what it says; it is tried again soon")
    yield _consumers(seen, busy=bool(busy))
    yield from _unwell(seen.reports)
    yield from _held(seen.held)


def _consumers(seen: Seen, *, busy: bool) -> Finding:
    names = sorted(seen.offering | {report.name for report in seen.reports})
    if not names and not busy:
        return failure("consumers", "none is alive: nothing is delivered", "`tidings consumer`, or `tidings up`")
    says = f"{len(names)} alive: {', '.join(names)}" if names else "alive, and at work on all they can take"
    return ok("consumers", says)


def _unwell(reports: tuple[ConsumerReport, ...]) -> Iterator[Finding]:
    for report in reports:
        check = f"consumer {report.name}"
        if report.postgres_away:
            yield warning(check, "it does not reach Postgres", "read its log, and check its POSTGRES_URI")
        if abs(report.clock_ahead) > clocks.WORTH_A_WARNING.total_seconds():
            apart = clocks.apart_from(report.clock_ahead, "Postgres's")
            yield warning(check, f"its machine's clock is {apart}, which counts", clocks.MEND)
        if report.version != __version__:
            yield warning(
                check, f"it is of version {report.version}, this is {__version__}", "bring them to the same one"
            )
        for breaker in report.breakers:
            yield warning(
                check,
                f"it sends nothing to {breaker.destination} for {breaker.seconds:.0f} s more, after failures in a row",
                "see what the receiver returned: `tidings list --status failed`, then `tidings show ID`",
            )


def _held(report: HeldReport) -> Iterator[Finding]:
    """What waits for something that somebody may have to mend."""
    for hold in report.holds:
        yield warning(
            f"hold {hold.channel}",
            f"nothing goes to {hold.endpoint} since {hold.since:%Y-%m-%d %H:%M} UTC: {hold.last_error}",
            f"see to it, then `tidings holds release {hold.id}`",
        )
    for held in report.messages:
        if held.reason in _MENDS:
            says = f"{held.messages:,} messages wait, the first for {held.seconds:,.0f} s"
            yield warning(f"held: {held.reason}", says, _MENDS[held.reason])


def _clock(read: tuple[int, int]) -> datetime:
    seconds, microseconds = read
    return datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)
