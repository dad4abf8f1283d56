"""Reports as consumers leave them."""

from typing import Any

import msgspec
from redis.asyncio import Redis

from tidings.domain.timestamps import utc_now
from tidings.observability.reports import ConsumerReport
from tidings.redis import keys


def new_report(**changes: Any) -> ConsumerReport:
    """That of an idle consumer that is well."""
    values: dict[str, Any] = {
        "name": "c1",
        "host": "h",
        "version": "1",
        "started_at": utc_now(),
        "reported_at": utc_now(),
        "in_flight": 0,
        "waiting": 0,
        "in_flight_limit": 10,
        "open_batches": 0,
        "outcomes_waiting": 0,
        "accepting": True,
        "stopping": False,
        "postgres_away": False,
    }
    return ConsumerReport(**{**values, **changes})


async def report(redis: Redis, **changes: Any) -> None:
    """Leaves one in Redis."""
    made = new_report(**changes)
    async with redis.pipeline() as pipe:
        pipe.hset(keys.CONSUMERS, mapping={made.name: msgspec.json.encode(made)})
        await pipe.execute()
