"""The commands that look at a running system, and a message from `send` to its attempts."""

import asyncio
import contextlib
import json
import os
import pty
import signal
import subprocess
from typing import NamedTuple

import pytest

from tests.e2e.gateway import CountingGateway
from tests.e2e.system import System
from tests.e2e.test_up import TIDINGS
from tests.eventually import eventually


class Ran(NamedTuple):
    """What a command printed, and how it ended."""

    code: int | None
    out: str
    err: str


async def run(system: System, *arguments: str) -> Ran:
    process = await asyncio.create_subprocess_exec(
        *(*TIDINGS, *arguments), env=environ(system), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate()
    return Ran(process.returncode, out.decode(), err.decode())


def environ(system: System) -> dict[str, str]:
    return {**system._environ, "TIDINGS_URL": system.url, "COLUMNS": "160"}


@pytest.mark.usefixtures("durable")
async def test_a_running_system_is_looked_at(system: System, gateway: CountingGateway) -> None:
    await system.start_all(consumers=2)
    sent = await run(system, "send", "+905551111111", "Hello", "--json")
    message = json.loads(sent.out)
    await system.until_status(message["id"], "sent")
    shown = (await run(system, "show", message["id"])).out
    assert "202" in shown
    assert "accepted" in shown

    async def well() -> Ran | None:
        ran = await run(system, "doctor", "--json")
        return ran if ran.code == 0 else None

    examined = await eventually(well, within=30)
    assert examined is not None
    found = json.loads(examined.out)["findings"]
    levels = {finding["check"]: finding["level"] for finding in found}
    for check in (
        "postgres",
        "schema",
        "partitions",
        "durability",
        "redis",
        "redis writes",
        "producer",
        "consumers",
        "api",
    ):
        assert levels[check] == "ok", found
    [consumers] = [finding["says"] for finding in found if finding["check"] == "consumers"]
    assert consumers == "2 alive: c1, c2"

    top = await run(system, "top", "--once")
    assert top.code == 0
    for part in ("all is well", "default", "c1", "c2"):
        assert part in top.out, top.out
    assert json.loads((await run(system, "top", "--once", "--json")).out)["totals"]["waiting"] == 0

    await watch_live(system)


async def watch_live(system: System) -> None:
    """`tidings top` at a terminal, until Ctrl-C."""
    ours, theirs = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *(*TIDINGS, "top"),
            env={**environ(system), "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            # A terminal's programs hear Ctrl-C, whatever the tests were started by.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(theirs)
        os.set_blocking(ours, False)
        seen = bytearray()

        async def drawn() -> bool:
            with contextlib.suppress(BlockingIOError):
                seen.extend(os.read(ours, 65_536))
            # Twice, so that it was drawn again.
            return seen.count(b"all is well") >= 2

        try:
            await eventually(drawn, within=30)
        finally:
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0, seen.decode()
    finally:
        os.close(ours)
