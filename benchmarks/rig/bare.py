"""The bare client's rate and cost, which figures 1 and 3 refer to."""

import msgspec

from benchmarks.rig.child import Child
from benchmarks.rig.delivery import MESSAGES, QUICK
from benchmarks.rig.figure import Round


class Bare(msgspec.Struct, frozen=True):
    """A loop of POSTs over aiohttp in one process."""

    rate: float
    """Requests a second."""
    cpu: float
    """CPU seconds a request."""


async def bare(current: Round) -> Bare:
    """The bare client against the receiver."""
    machine = current.machine
    count = current.pick(MESSAGES, QUICK)
    child = await Child.start(
        "benchmarks.peers.bare_client", f"--url={machine.gateway.url}", f"--count={count}", folder=machine.folder
    )
    try:
        said = await child.said(within=120)
    finally:
        await child.stop()
    return Bare(count / said["seconds"], said["cpu_seconds"] / count)
