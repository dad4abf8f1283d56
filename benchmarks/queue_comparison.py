"""Figure 2: delivered messages a second, beside other queues that do the same with one job per message.

Ours is figure 1's best. arq (the same library that carries our batches, as its documentation shows it) and PgQueuer
deliver 20,000 messages from the same Postgres to the same receiver over aiohttp; how each is tuned stands in `peers/`.
Both write one record for a message where ours writes the outcome, the attempt and the dedup record. graphile-worker
does it on node, over undici, and keeps no record of what is done; where node or npm is missing it is left out. The
number of arq's workers, the size of PgQueuer's batches and the workers and concurrency of graphile-worker are chosen by
short runs before the long one; those are given too. For context: a loop on node that POSTs over undici and does nothing
else, as figure 1's bare client does over aiohttp.

What would make it lie: a peer that is not tuned, and short runs that choose wrongly.
"""

from collections.abc import Awaitable, Callable, Sequence
from itertools import product
from typing import TypeVar

from benchmarks.rig import node
from benchmarks.rig.delivery import MESSAGES, QUICK, best
from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.rivals import arq, graphile, pgqueuer

T = TypeVar("T")

MICRO = 1e6
WORKERS = 2
"""Of PgQueuer."""


async def measure(current: Round) -> Numbers:
    machine, messages = current.machine, current.pick(MESSAGES, QUICK)
    trial = messages // 4
    numbers: dict[str, float] = {}

    async def tuned(name: str, run: Callable[[int, T], Awaitable[float]], choices: Sequence[T]) -> None:
        trials = {choice: await run(trial, choice) for choice in choices if len(choices) > 1}
        chosen = max(trials, key=lambda choice: trials[choice]) if trials else choices[0]
        numbers.update({f"{name} {choice}, short run (messages/s)": rate for choice, rate in trials.items()})
        numbers[f"{name.partition(',')[0]}, best (messages/s)"] = await run(messages, chosen)

    await tuned(
        "arq, workers:",
        lambda count, workers: arq(machine, messages=count, workers=workers),
        current.pick((1, 2, 4), (1,)),
    )
    await tuned(
        f"PgQueuer, {WORKERS} workers, batches of",
        lambda count, size: pgqueuer(machine, messages=count, workers=WORKERS, batch_size=size),
        current.pick((10, 50, 100, 200), (50,)),
    )
    if await current.once(node.missing) is None:
        choices = current.pick(tuple(product((1, 2), (32, 128))), ((1, 32),))
        await tuned(
            "graphile-worker, workers and concurrency:",
            lambda count, choice: graphile(machine, messages=count, workers=choice[0], concurrency=choice[1]),
            choices,
        )
        loop = await node.bare_loop(machine, messages)
        numbers["bare undici loop (messages/s)"] = loop.rate
        numbers["bare undici loop (µs)"] = loop.cpu * MICRO
    numbers["tidings, best (messages/s)"] = (await best(current)).rate
    return numbers
