"""Figure 17: rate and memory when messages go to 2,000 hosts over https, each with a certificate of its own.

Channel `webhook`, five messages for each host, all due when the queue is started; the default settings, one consumer,
so that its memory is that of all connections. Every certificate is verified. The reference is the same over http.
Resident memory is read when all have arrived, with the connections that are kept.

What would make it lie: the receiver is one process on the same machine and does its half of every handshake there; and
both sides use the keys that cost least (P-256).
"""

import asyncio
from pathlib import Path
from typing import Final

import trustme

from benchmarks.rig.figure import Numbers, Round
from benchmarks.rig.gateway import Hosts, address
from benchmarks.rig.meters import resident_mb
from benchmarks.rig.system import system

EACH: Final = 5
"""Messages for a host."""
WITHIN_SECONDS: Final = 150.0


async def measure(current: Round) -> Numbers:
    count = current.pick(2_000, 20)
    folder = current.machine.folder / "certificates"
    authority = _certificates(folder, count)
    return {
        f"{scheme}: {name}": value
        for scheme, certificates in (("http", None), ("https", folder))
        for name, value in (await _run(current, count, certificates, authority)).items()
    }


async def _run(current: Round, count: int, certificates: Path | None, authority: Path) -> Numbers:
    machine = current.machine
    async with Hosts.running(machine.folder, certificates=certificates) as hosts, system(machine) as running:
        await asyncio.gather(running.start_consumers(1, SSL_CERT_FILE=str(authority)), running.start_producer())
        await running.warm_up()
        [consumer] = running.consumers
        idle = resident_mb(consumer.ps)
        before = running.cpu().consumers
        await running.hold()
        await running.database.put_waiting(
            EACH * count,
            channel="webhook",
            recipients=[hosts.host_url(host, "answers/orders") for host in range(count)],
        )
        await running.database.run("checkpoint")
        began = await running.release()
        ended = await hosts.received(EACH * count, within=WITHIN_SECONDS, ports=slice(1))
        full = resident_mb(consumer.ps)
        await running.settled()
        cpu = running.cpu().consumers - before
    return {
        "messages a second (messages/s)": EACH * count / (ended - began),
        "consumer, idle (MB)": idle,
        "consumer, afterwards (MB)": full,
        "consumer (µs/message)": cpu / (EACH * count) * 1e6,
    }


def _certificates(folder: Path, count: int) -> Path:
    """A certificate for each host; returns the file of their authority."""
    authority = trustme.CA()
    file = folder.with_name("hosts-authority.crt")
    authority.cert_pem.write_to_path(str(file))
    if folder.exists():  # of an earlier round, by another authority
        for old in folder.iterdir():
            old.unlink()
    folder.mkdir(exist_ok=True)
    for host in range(count):
        issued = authority.issue_cert(address(host))
        issued.private_key_and_cert_chain_pem.write_to_path(str(folder / f"{address(host)}.pem"))
    return file
