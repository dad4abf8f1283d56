"""How a consumer is, and when a queue ticks."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from api.overview.overview import health, next_tick
from tests.reporting import new_report
from tidings.domain.message import Queue
from tidings.domain.timestamps import utc_now

NOW = utc_now()


@pytest.mark.parametrize(
    ("changes", "age", "expected"),
    [
        ({}, 0, "well"),
        ({}, 4.9, "well"),
        ({}, -3, "well"),
        ({"accepting": False}, 0, "full"),
        ({"accepting": False, "postgres_away": True}, 0, "postgres away"),
        ({"accepting": False, "stopping": True, "postgres_away": True}, 0, "stopping"),
        ({"accepting": False, "stopping": True}, 6, "silent"),
    ],
)
def test_health(changes: dict[str, Any], age: float, expected: str) -> None:
    assert health(new_report(**changes, reported_at=NOW - timedelta(seconds=age)), NOW) == expected


def queue(interval: float, claimed_at: datetime | None) -> Queue:
    return Queue(name="q", active=True, interval_seconds=interval, batch_size=2, last_claimed_at=claimed_at)


def test_the_next_tick() -> None:
    assert next_tick(queue(60, NOW - timedelta(seconds=20)), NOW) == NOW + timedelta(seconds=40)
    assert next_tick(queue(60, NOW - timedelta(seconds=61)), NOW) is None
    assert next_tick(queue(60, None), NOW) is None
    assert next_tick(queue(0, NOW), NOW) is None
