"""Figure 2: delivered messages a second, beside two Python queues that do the same with one job per message.

Ours is figure 1's best. arq (the same library that carries our batches, as its documentation shows it) and PgQueuer
deliver 20,000 messages from the same Postgres to the same receiver over aiohttp; how each is tuned stands in `peers/`.
Both write one record for a message where ours writes the outcome, the attempt and the dedup record. The number of
arq's workers and the size of PgQueuer's batches are chosen by short runs before the long one; those are given too.

What would make it lie: a peer that is not tuned, and short runs that choose wrongly.
"""

from collections.abc import Awaitable, Callable, Iterable

from benchmarks.rig.delivery import MESSAGES, QUICK, best
from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.rivals import arq, pgqueuer

WORKERS = 2
"""Of PgQueuer."""


async def measure(current: Round) -> Numbers:
    machine, messages = current.machine, current.pick(MESSAGES, QUICK)
    trial = messages // 4
    numbers: dict[str, float] = {}

    async def tuned(name: str, run: Callable[[int, int], Awaitable[float]], choices: Iterable[int]) -> None:
        trials = {choice: await run(trial, choice) for choice in choices}
        chosen = max(trials, key=lambda choice: trials[choice])
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
    numbers["tidings, best (messages/s)"] = (await best(current)).rate
    return numbers
