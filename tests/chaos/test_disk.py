"""The disk under Postgres runs full, and is freed."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.chaos.round import Play, Round, row
from tests.chaos.stores import ChaosStores, folder_for_stores

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a small file system: Linux, root"),
]

SIZE: Final = "400m"
CHUNK: Final = 64 * 1024


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own, of a few hundred megabytes."""
    with folder_for_stores() as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=711", "tmpfs", folder], check=False, capture_output=True
        )
        if mounted.returncode:
            pytest.skip(f"may not mount: {mounted.stderr.decode().strip()}")
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)


@pytest_asyncio.fixture(loop_scope="session")
async def cramped(small_disk: Path, play: Play) -> AsyncIterator[Round]:
    """A round whose stores are on a small disk."""
    stores = ChaosStores(small_disk / "data")
    try:
        await stores.start()
        async with play(stores) as played:
            yield played
    finally:
        await stores.stop()


def fill(path: Path) -> None:
    """Leaves no room on the disk."""
    with path.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(CHUNK))
            except OSError:
                return


@row("13", "disk full for Postgres, then freed", recovered_within=20)
async def test_disk_full(cramped: Round, small_disk: Path) -> None:
    await cramped.start()
    # Rows that soon need new pages.
    cramped.flow.changes = {"content": "x" * 4000}
    ballast = small_disk / "ballast"
    async with cramped.under_load() as fault:
        fill(ballast)
        refused = cramped.flow.refused
        await cramped.moment(4.0, 8.0)
        assert cramped.flow.refused > refused
        ballast.unlink()
        await cramped.stores.as_found()
        fault.over()
