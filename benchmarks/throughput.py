"""Figure 1: delivered messages a second, from due rows in Postgres to the receiver's count.

Ours is everything on one machine: Postgres and Redis with their durable settings, a producer, the best number of
consumers, the receiver. The reference is a bare aiohttp client loop in one process, which stores and records nothing.

What would make it lie: a warm-up that one side lacks (both have one), a receiver that limits (`rig/receiver.py`), and a
single core: the reference needs two (itself and the receiver), ours shares the same two among all its processes.
"""

from benchmarks.rig.bare import bare
from benchmarks.rig.delivery import best, deliveries
from benchmarks.rig.figure import Numbers, Round


async def measure(current: Round) -> Numbers:
    numbers = {"bare aiohttp client (messages/s)": (await current.once(bare)).rate}
    for each in await current.once(deliveries):
        numbers[f"tidings, {each.consumers} consumers (messages/s)"] = each.rate
    numbers["tidings, best (messages/s)"] = (await best(current)).rate
    return numbers
