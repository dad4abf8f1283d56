"""api/accounts/devices.py"""

import pytest

from api.accounts.devices import LIFE, Devices

KEY = b"signs cookies of browsers"


def test_what_was_issued_is_read() -> None:
    now = 1_900_000_000.0
    devices = Devices(KEY, clock=lambda: now)
    cookie = devices.issue("digest of ada")
    assert devices.read(cookie) == "digest of ada"
    assert Devices(KEY, clock=lambda: now + LIFE.total_seconds() + 1).read(cookie) is None
    assert Devices(b"another key", clock=lambda: now).read(cookie) is None
    assert devices.read(cookie.replace("ada", "bob")) is None


@pytest.mark.parametrize("value", [None, "", ".", "..", "a.b.c", "ä.1.2", "x" * 10_000])
def test_what_was_not_issued_is_nobody(value: str | None) -> None:
    assert Devices(KEY).read(value) is None
