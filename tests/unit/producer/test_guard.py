"""producer/guard.py: what comes of each case"""

from typing import Any

import pytest

from producer.guard import FRESH_SECONDS, LAG_WRITES, LOST_WRITES, changed, restored
from sql.marker import Marker
from tidings.domain.ids import new_id

SERVER, OTHER = "7/5/16400", "9/5/16400"


def marker(**found: Any) -> Marker:
    values: dict[str, Any] = {
        "installation": new_id(),
        "number": 100,
        "identity": SERVER,
        "timeline": "00000001",
        "paused_why": None,
        "age": 5.0,
        "present_identity": SERVER,
        "present_timeline": "00000001",
    }
    return Marker(**{**values, **found})


PROMOTED: dict[str, object] = {"present_timeline": "00000002"}
MOVED: dict[str, object] = {"present_identity": OTHER}
OLD: dict[str, object] = {"age": FRESH_SECONDS + 1}

CASES: dict[str, tuple[dict[str, object], int | None, str]] = {
    "first start": ({"identity": None, "timeline": None, "age": None}, None, "same"),
    "first start beside a Redis that knows more": ({"identity": None, "age": None}, 5000, "same"),
    "restart": ({}, 100, "same"),
    "restart after a night": ({"age": 40_000.0}, 100, "same"),
    "killed between the two writes": ({}, 99, "same"),
    "Redis lost": ({}, None, "same"),
    "Redis lost, and a restart after a night": ({"age": 40_000.0}, None, "same"),
    "Redis restored from an older copy of its own": ({}, 20, "same"),
    "synchronous failover": (PROMOTED, 100, "changed"),
    "asynchronous failover": (PROMOTED, 100 + LAG_WRITES, "changed"),
    "asynchronous failover, an hour later": ({**PROMOTED, "age": 3600.0}, 101, "changed"),
    "failover, Redis lost with it": (PROMOTED, None, "changed"),
    "last writes lost in a crash": ({}, 101, "changed"),
    "moved while stopped": (MOVED, 100, "changed"),
    "pg_upgrade": ({**MOVED, **PROMOTED}, 100, "changed"),
    "no timeline to be had": ({"timeline": None, "present_timeline": None}, 100, "same"),
    "a timeline that is refused from now on": ({"present_timeline": None}, 100, "same"),
    "standby that was too far behind": (PROMOTED, 101 + LAG_WRITES, "restored"),
    "restored to a point in time": ({**PROMOTED, **OLD}, 10_000, "restored"),
    "restored to a point in time, Redis lost": ({**PROMOTED, **OLD}, None, "restored"),
    "older snapshot of the disk": (OLD, 101 + LAG_WRITES, "restored"),
    "dump into the same cluster": ({**OLD, "present_identity": "7/9/20000"}, 10_000, "restored"),
    "dump into a new cluster": ({**OLD, **MOVED}, 10_000, "restored"),
    "dump of a moment ago": (MOVED, 101, "restored"),
    "dump, both lost": (MOVED, None, "restored"),
    "dump, and a Redis that is older still": (MOVED, 99 - LOST_WRITES, "restored"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_comes_of_a_marker(case: str) -> None:
    found, copied, expected = CASES[case]
    seen = marker(**found)
    if expected == "restored":
        assert restored(seen, copied)
    else:
        assert restored(seen, copied) is None
        assert bool(changed(seen, copied)) == (expected == "changed")
