"""Figure 22: accepted messages a second by the client for Python, `send_many` of 10⁵; `--large`: of 10⁶.

The reference is figure 7's: batches of 500 whose bytes are ready, over four connections, against the same API just
before. The client makes each message, writes its JSON and reads the ids on one core, in four threads.

What would make it lie: batches or connections that differ in number, and a client that shares its core with the API.
"""

from benchmarks.bulk_intake import BATCH, CLIENTS
from benchmarks.intake import MESSAGE
from benchmarks.rig import load
from benchmarks.rig.child import Child
from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.system import System, system

SEND_SECONDS = 600


async def measure(current: Round) -> Numbers:
    count = current.pick(1_000_000 if current.large else 100_000, 2_000)
    body = {"messages": [MESSAGE] * BATCH}
    async with system(current.machine) as running:
        await running.start_api()
        url, folder = f"{running.url}/api/v1/messages/batch", current.machine.folder
        await load.post(url, body, connections=CLIENTS, count=CLIENTS, folder=folder)
        await running.database.run("checkpoint")
        requests = await load.post(url, body, connections=CLIENTS, count=current.pick(100, 4), folder=folder)
    async with system(current.machine) as running:
        await running.start_api()
        url = f"{running.url}/api/v1/messages/batch"
        await load.post(url, body, connections=CLIENTS, count=CLIENTS, folder=current.machine.folder)
        await running.database.run("checkpoint")
        rate, cpu = await _send(running, count, current)
    return {
        "ready batches (messages/s)": requests * BATCH,
        "by the client (messages/s)": rate,
        "CPU of the client a message (µs)": cpu,
    }


async def _send(running: System, count: int, current: Round) -> tuple[float, float]:
    child = await Child.start(
        "benchmarks.rig.sender", f"--url={running.url}", f"--count={count}", folder=current.machine.folder
    )
    try:
        said = await child.said(within=SEND_SECONDS)
    finally:
        await child.stop()
    if said["accepted"] != count:
        raise load.LoadError(f"{said['accepted']} of {count} were accepted")
    return count / said["seconds"], said["cpu"] / count * 1e6
