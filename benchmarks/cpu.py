"""Figure 3: CPU time of a delivered message.

Ours is the consumers, the producer and both stores, at the number of consumers that was fastest in figure 1. The
reference is the CPU time that the bare aiohttp client takes for a request. Recording the outcomes is in it; the
receiver is on neither side.

What would make it lie: CPU time is counted in ticks of 10 ms for each process, and a core that is shared with other
work (or with its other half) makes every instruction dearer, for both sides alike.
"""

from benchmarks.rig.bare import bare
from benchmarks.rig.delivery import best
from benchmarks.rig.figure import Numbers, Round

MICRO = 1e6


async def measure(current: Round) -> Numbers:
    numbers = {"bare aiohttp client (µs)": (await current.once(bare)).cpu * MICRO}
    fastest = await best(current)
    cpu, each = fastest.cpu, MICRO / fastest.messages
    return numbers | {
        "tidings: all of it (µs)": (cpu.consumers + cpu.producer + cpu.postgres + cpu.redis) * each,
        "tidings: consumers and producer (µs)": (cpu.consumers + cpu.producer) * each,
        "tidings: consumers (µs)": cpu.consumers * each,
        "tidings: producer (µs)": cpu.producer * each,
        "tidings: Postgres (µs)": cpu.postgres * each,
        "tidings: Redis (µs)": cpu.redis * each,
    }
