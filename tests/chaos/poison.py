"""A channel whose deliveries kill the process: what a message does that runs into a defect of its channel."""

import os
import signal
from pathlib import Path

from tidings.channels import Channel, Result
from tidings.domain.message import Delivery

NAME = "poison"


class PoisonChannel(Channel):
    """Never answers."""

    def destination(self, delivery: Delivery) -> str:
        return NAME

    async def deliver(self, delivery: Delivery) -> Result:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("still alive")


def install(folder: Path) -> str:
    """Makes the channel known to processes that have the answer in their PYTHONPATH."""
    info = folder / "chaos_poison-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: chaos-poison\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[tidings.channels]\n{NAME} = {__name__}:PoisonChannel\n")
    return str(folder)
