"""A load of POSTs from a process of its own (`rig/poster.py`)."""

from pathlib import Path
from uuid import uuid4

import msgspec

from benchmarks.rig.child import Child


class LoadError(Exception):
    """A request was not answered as it should have been."""


async def post(url: str, body: object, *, connections: int, count: int, folder: Path) -> float:
    """Sends the body as JSON `count` times; returns requests per second. Raises LoadError for anything but 201."""
    file = folder / f"body-{uuid4().hex}.json"
    file.write_bytes(msgspec.json.encode(body))
    child = await Child.start(
        "benchmarks.rig.poster",
        f"--url={url}",
        f"--body={file}",
        f"--connections={connections}",
        f"--count={count}",
        folder=folder,
    )
    try:
        said = await child.said(within=300)
    finally:
        await child.stop()
    if said["statuses"] != {"201": count}:
        raise LoadError(f"{url} answered {said['statuses']}")
    return float(count / said["seconds"])
