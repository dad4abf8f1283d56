"""The siege in short: what does not depend on the speed of the machine. Times are printed; `make siege` judges them."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.siege.house import shipped_limits
from tests.siege.siege import besiege

SECONDS = 8.0


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tidings-siege-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc, and has many loopback addresses")
@pytest.mark.timeout(300)
async def test_honest_clients_are_served_while_strangers_try_everything(folder: Path) -> None:
    report = await besiege(folder, SECONDS)
    print(report)
    honest = report.honest
    assert sum(honest.statuses.values()) >= SECONDS
    assert {status for status in honest.statuses | honest.logins if status >= 500} == set()
    assert honest.statuses.keys() == {201}
    assert honest.logins.keys() == {201}
    assert honest.lost == []
    assert set(report.memory) == set(shipped_limits())
    assert report.too_large == []
    # The strangers did come, and none of them was let through.
    assert all(report.strangers.values())
    assert not [name for name, counts in report.strangers.items() if "500" in counts]
    assert "201" not in report.strangers["gzip"]
    assert not {"201", "200"} & report.strangers["logins"].keys()
    # It has a good key, and is refused for what that may not do.
    restricted = report.strangers["restricted"].keys()
    assert "403" in restricted
    assert not {"200", "201", "204", "401"} & restricted


def test_the_limits_are_those_that_are_shipped() -> None:
    assert shipped_limits() == {"api": 512, "producer": 256, "consumers": 512, "postgres": 1024, "redis": 512}
