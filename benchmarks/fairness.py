"""Figure 14: what one user's flood costs another user, and what the others cost the flood.

One user's 200,000 messages are in Postgres when the queue is started; one producer and two consumers deliver them.
Meanwhile other users hand in one message at a time, ten a second, one in five of them with priority `low`; of each the
time from its insert to its arrival is taken. The flood's rate is taken from the start to the arrival of the last of
all, beside that of the same flood alone.

What would make it lie: a flood that is over before the single messages are; so they end with it.
"""

import asyncio
import time

from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.machine import Machine
from benchmarks.rig.system import System, system
from tidings.domain.ids import new_id
from tidings.domain.message import NewMessage, Priority
from tidings.domain.timestamps import utc_now
from tidings.domain.turns import share_of

MILLI = 1e3
EVERY_SECONDS = 0.1
LOW_EACH = 5
"""One single message in so many is a `low` one."""
WITHIN_SECONDS = 300.0


def single(number: int, priority: Priority) -> NewMessage:
    """A message of a user who sends no other, under a number by which its arrival is known."""
    now = utc_now()
    return NewMessage(
        id=new_id(),
        user_id=None,
        queue="default",
        channel="sms",
        recipient="+4915112345678",
        subject=None,
        content=f"#{number} Your code is 4711",
        headers=None,
        priority=priority,
        max_tries=5,
        due_at=now,
        expires_at=None,
        created_at=now,
        share=share_of(new_id()),
    )


async def _singles(running: System, first: int, sent: dict[int, tuple[Priority, float]]) -> None:
    """Hands in one after the other, until cancelled."""
    while True:
        number = first + len(sent)
        priority = Priority.LOW if number % LOW_EACH == 0 else Priority.NORMAL
        sent[number] = priority, time.time()
        await running.store.messages.insert([single(number, priority)])
        await asyncio.sleep(EVERY_SECONDS)


async def flood(machine: Machine, messages: int, *, consumers: int, others: bool) -> tuple[float, Numbers]:
    """The flood's messages a second, and how long those of the others took."""
    sent: dict[int, tuple[Priority, float]] = {}
    gateway = machine.gateway
    async with system(machine) as running:
        await asyncio.gather(running.start_consumers(consumers), running.start_producer())
        await running.warm_up()
        await running.hold()
        await running.database.put_waiting(messages)
        await running.database.run("checkpoint")
        await gateway.remember()
        began = await running.release()
        inserting = asyncio.create_task(_singles(running, messages, sent)) if others else None
        # All of the flood but what is under way at the end.
        most = messages - messages // 50
        ended = await gateway.received(most, within=WITHIN_SECONDS)
        if inserting is not None:
            inserting.cancel()
            await asyncio.wait([inserting])
        await gateway.received(messages + len(sent), within=WITHIN_SECONDS)
        arrivals = await gateway.arrivals()
        await running.settled()
    took: dict[str, float] = {}
    for priority in (Priority.NORMAL, Priority.LOW) if others else ():
        waits = sorted(arrivals[number] - at for number, (each, at) in sent.items() if each is priority)
        name = f"single messages, {priority.name.lower()}"
        took[f"{name}: median (ms)"] = waits[len(waits) // 2] * MILLI
        took[f"{name}: 99th percentile (ms)"] = waits[int(len(waits) * 0.99)] * MILLI
    return most / (ended - began), took


async def measure(current: Round) -> Numbers:
    messages, consumers = current.pick((200_000, 2), (5_000, 1))
    numbers: dict[str, float] = {}
    if not current.quick:
        by_itself, _ = await flood(current.machine, messages, consumers=consumers, others=False)
        numbers["the flood, nobody else (messages/s)"] = by_itself
    beside, took = await flood(current.machine, messages, consumers=consumers, others=True)
    return {**numbers, "the flood, others beside (messages/s)": beside, **took}
