"""Processes whose wall clock is wrong: libfaketime under them. Their monotonic clocks stay right, as real ones do."""

from pathlib import Path

import pytest


def faketime(setting: str) -> dict[str, str]:
    """Environment of a process whose wall clock is off: `+5` or `-2.5` seconds, or `@2030-01-31 23:59:50` at its start.

    Skips the test where libfaketime (Debian: `apt install libfaketime`) is not installed.
    """
    found = sorted(Path("/usr/lib").glob("**/faketime/libfaketime.so.1"))
    if not found:
        pytest.skip("libfaketime is not installed, which moves the clocks of processes")
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": setting, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}


def settable(file: Path) -> dict[str, str]:
    """Environment of a process whose wall clock is off by what the file says, each time that it looks at it."""
    environ = faketime("+0")
    del environ["FAKETIME"]
    return {**environ, "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1"}
