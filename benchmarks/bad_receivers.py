"""Figure 10: messages a second to good receivers while 30 % of the traffic goes to a bad one.

Its second half, many bad ones, is in `hanging_hosts.py`.

Channel `webhook`; every port is a destination. Seven good ports have the same number of messages in all three runs:
alone; with as many more as make 30 % for a port that takes requests and never answers; with as many for a port that
nobody listens on. The messages lie mixed in the table, all due now, and the rate is that of the good ones from the
start to the arrival of their last. Two consumers. `DELIVERY_TIMEOUT` is 3 s instead of 15, which only shortens the
run: a hanging request holds its place in flight for a fifth of the time, but five times as often.

What would make it lie: everything is due at once and the machine is saturated, so the work on bad messages (claim,
take, try or send back, record) is paid for by the good ones. With processor to spare the ratio would be better.
"""

import asyncio
import socket
from collections.abc import Sequence

from benchmarks import hanging_hosts
from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.machine import Machine
from benchmarks.rig.system import system

GOOD = 7
SHARE = 10
"""Of so many messages, three go to the bad receiver."""
HANGS = GOOD
"""Index of the port that hangs."""


async def rate(machine: Machine, *, good: int, bad: str | None, consumers: int, timeout: float) -> float:
    """Messages a second to the good receivers, for which `good` messages are there; `timeout` is that of a delivery."""
    recipients = _mixed(machine.gateway.urls[:GOOD], bad)
    messages = good if bad is None else good * SHARE // GOOD
    environ = {"DELIVERY_TIMEOUT": str(timeout), "CONNECT_TIMEOUT": "1", "GRACE_SECONDS": str(timeout)}
    async with system(machine) as running:
        await asyncio.gather(running.start_consumers(consumers, **environ), running.start_producer())
        await running.warm_up()
        if bad == machine.gateway.urls[HANGS]:
            await machine.gateway.hang(HANGS)
        await running.hold()
        await running.database.put_waiting(messages, channel="webhook", recipients=recipients)
        await running.database.run("checkpoint")
        began = await running.release()
        ended = await machine.gateway.received(good, within=120, ports=slice(GOOD))
    return good / (ended - began)


def _mixed(good: Sequence[str], bad: str | None) -> list[str]:
    """Recipients in turn: three of ten are the bad one."""
    if bad is None:
        return list(good)
    left = iter(good)
    return [bad if position in {1, 4, 7} else next(left) for position in range(SHARE)]


def refusing_port() -> socket.socket:
    """A port that is taken and refuses every connection, until it is closed."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken


async def measure(current: Round) -> Numbers:
    machine = current.machine
    good = current.pick(56_000, 1_400)
    consumers, timeout = current.pick((2, 3.0), (1, 1.0))
    with refusing_port() as closed:
        bad = {
            "no bad receiver (messages/s)": None,
            "30 % to one that hangs (messages/s)": machine.gateway.urls[HANGS],
            "30 % to one that refuses (messages/s)": f"http://127.0.0.1:{closed.getsockname()[1]}/messages",
        }
        numbers = {
            name: await rate(machine, good=good, bad=url, consumers=consumers, timeout=timeout)
            for name, url in bad.items()
            if url is not None or not current.quick
        }
    return numbers | dict(await hanging_hosts.measure(current))
