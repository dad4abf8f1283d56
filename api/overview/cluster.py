"""Who is there to claim and deliver, as Redis knows it at this moment."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import structlog
from redis.asyncio import Redis

from tidings.observability.reports import REPORT_LIFE_SECONDS, SILENT_SECONDS, ConsumerReport
from tidings.redis import keys

log = structlog.get_logger(__name__)

_report: Final = msgspec.json.Decoder(ConsumerReport)


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """The producer's heartbeat and the consumers' reports."""

    now: datetime
    """By Redis's clock, as are the times of the reports."""
    producer: bool
    """Whether one is alive."""
    reports: Sequence[ConsumerReport]
    """The consumers that reported within the last minute, by name."""

    @property
    def alive(self) -> list[ConsumerReport]:
        """Those that reported within the last seconds."""
        return [report for report in self.reports if not silent(report, self.now)]


def silent(report: ConsumerReport, now: datetime) -> bool:
    """Whether the consumer should have reported again."""
    return now - report.reported_at > timedelta(seconds=SILENT_SECONDS)


async def look_around(redis: Redis) -> Surroundings:
    """One round trip. Raises redis.RedisError where Redis is away."""
    async with redis.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.exists(keys.PRODUCER_HEARTBEAT)
        pipe.hgetall(keys.CONSUMERS)
        (seconds, microseconds), producer, entries = await pipe.execute()
    now = datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)
    return Surroundings(now=now, producer=bool(producer), reports=_recent(entries.values(), now))


def _recent(entries: Iterable[Any], now: datetime) -> list[ConsumerReport]:
    oldest = now - timedelta(seconds=REPORT_LIFE_SECONDS)
    reports = []
    for entry in entries:
        try:
            report = _report.decode(entry)
        except msgspec.MsgspecError as error:
            # Of another version, or not ours.
            log.info("a report that cannot be read", error=str(error))
            continue
        if report.reported_at >= oldest:
            reports.append(report)
    return sorted(reports, key=lambda report: report.name)
