"""Figure 6: accepted messages a second, single POSTs by 64 clients, one API process.

Accepted means committed, with Postgres' durable settings. The reference is the same application (same middlewares,
routes and checks) answering 201 with no store behind it; a bare aiohttp handler is given beside it. The load comes from
a process that costs next to nothing (`rig/poster.py`). No producer runs: nothing but intake is measured.

What would make it lie: a disk that confirms what it has not written, and a client that is slower than the server.
"""

from benchmarks.rig import load
from benchmarks.rig.child import Child
from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.machine import Machine
from benchmarks.rig.meters import cpu_seconds
from benchmarks.rig.system import system

PATH = "/api/v1/messages"
CLIENTS = 64
MESSAGE = {
    "channel": "sms",
    "recipient": "+4915112345678",
    "content": "Your parcel arrives today between 14:00 and 16:00. Track it at https://parcels.example/4711",
}


async def without_store(machine: Machine, count: int) -> float:
    """Messages a second of an API that keeps nothing."""
    async with system(machine) as running:
        await running.start_api("benchmarks.peers.storeless_api")
        rate = await _load(running.url, machine, count)
        if await running.database.run("count_by_status", status="pending"):
            raise AssertionError("the API without a store has kept messages")
        return rate


async def bare(machine: Machine, count: int) -> float:
    """Requests a second of an aiohttp application that is a single handler."""
    child = await Child.start("benchmarks.peers.bare_app", folder=machine.folder)
    try:
        return await _load((await child.said())["url"], machine, count)
    finally:
        await child.stop()


async def measure(current: Round) -> Numbers:
    machine, count = current.machine, current.pick(20_000, 1_000)
    async with system(machine) as running:
        api = await running.start_api()
        postgres = machine.store_process("postgres")
        await running.database.run("checkpoint")
        before = cpu_seconds(api.ps), cpu_seconds(postgres)
        rate = await _load(running.url, machine, count)
        after = cpu_seconds(api.ps), cpu_seconds(postgres)
        kept = await running.database.run("count_by_status", status="pending")
        if kept != count + _warm_up(count):
            raise AssertionError(f"{count} accepted, {kept} kept")
    each = 1e6 / (count + _warm_up(count))
    return {
        "with its store (messages/s)": rate,
        "without a store (messages/s)": await without_store(machine, count),
        "a bare aiohttp handler (messages/s)": await bare(machine, count),
        "CPU of the API (µs)": (after[0] - before[0]) * each,
        "CPU of Postgres (µs)": (after[1] - before[1]) * each,
    }


def _warm_up(count: int) -> int:
    return count // 10


async def _load(url: str, machine: Machine, count: int) -> float:
    await load.post(url + PATH, MESSAGE, connections=CLIENTS, count=_warm_up(count), folder=machine.folder)
    return await load.post(url + PATH, MESSAGE, connections=CLIENTS, count=count, folder=machine.folder)
