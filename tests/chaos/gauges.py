"""What a soak watches: memory, connections, open files, table size and lateness, and whether they stay flat."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Final

import msgspec
from redis.asyncio import Redis

from tests.chaos.books import Books
from tests.chaos.counting_receiver import Arrivals
from tests.chaos.flow import Accepted

PAGE_KIB: Final = 4
WARM_UP_SHARE: Final = 1 / 3
"""The first part of a soak, in which caches and pools fill, is not judged."""

_POSTGRES: Final = """
SELECT
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'tidings%')
        AS "Postgres connections",
    pg_total_relation_size('batches') / 1024 AS "table batches, KiB",
    (SELECT sum(pg_relation_size(indexrelid)) / 1024 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE relname ~ '^messages_.*(queue_priority|batch_id|due)') AS "indexes of waiting messages, KiB"
"""


class Reading(msgspec.Struct, frozen=True):
    """All gauges at one moment."""

    at: float
    values: dict[str, float]


class Trend(msgspec.Struct, frozen=True):
    """How a gauge moved, its warm-up left out."""

    name: str
    mean: float
    growth: float
    """By how much it grew from the first reading to the last, as the straight line through all of them has it."""
    allowed: float


async def read(pids: Mapping[str, int], books: Books, redis: Redis) -> Reading:
    """Reads every gauge that belongs to a process or a store."""
    values: dict[str, float] = {}
    for name, pid in pids.items():
        values[f"{name}: memory, MiB"] = await asyncio.to_thread(_memory_mib, pid)
        values[f"{name}: open files"] = await asyncio.to_thread(_open_files, pid)
    [row] = await books.fetch(_POSTGRES)
    values |= {name: float(value or 0) for name, value in row.items()}
    values["Redis connections"] = (await redis.info("clients"))["connected_clients"]
    return Reading(time.time(), values)


def lateness(accepted: Sequence[Accepted], arrivals: Arrivals, every: float) -> list[Reading]:
    """The median lateness of each span of `every` seconds: from the API's yes to the receiver."""
    spans: dict[int, list[float]] = {}
    for message in accepted:
        late = max(arrivals[message.id][0].at - message.at, 0.0)
        spans.setdefault(int(message.at / every), []).append(1000 * late)
    return [Reading(span * every, {"lateness, ms": median(late)}) for span, late in sorted(spans.items())]


def trends(readings: Sequence[Reading], allowed: Mapping[str, float]) -> list[Trend]:
    """A trend for each gauge; `allowed` growth is looked up by how its name ends."""
    judged = readings[int(len(readings) * WARM_UP_SHARE) :]
    return [
        Trend(name, fmean(values), _slope([r.at for r in judged], values) * (judged[-1].at - judged[0].at), growth)
        for name in judged[0].values
        for values in [[reading.values[name] for reading in judged]]
        for ending, growth in allowed.items()
        if name.endswith(ending)
    ]


def table(found: Sequence[Trend]) -> str:
    """Markdown."""
    lines = [f"| {t.name} | {t.mean:.1f} | {t.growth:+.2f} | {t.allowed:g} |" for t in found]
    return "\n".join(["| gauge | mean | growth | allowed |", "|---|---|---|---|", *lines, ""])


def _slope(times: Sequence[float], values: Sequence[float]) -> float:
    """By least squares."""
    middle, mean = fmean(times), fmean(values)
    spread = sum((at - middle) ** 2 for at in times)
    return sum((at - middle) * (value - mean) for at, value in zip(times, values, strict=True)) / spread


def _memory_mib(pid: int) -> float:
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return resident * PAGE_KIB / 1024


def _open_files(pid: int) -> float:
    return float(sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()))
