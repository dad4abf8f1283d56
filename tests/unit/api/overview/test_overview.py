"""How a consumer is."""

from datetime import timedelta
from typing import Any

import pytest

from api.overview.overview import health
from tests.reporting import new_report
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
