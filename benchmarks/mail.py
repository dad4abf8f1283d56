"""Figure 11: mails a second over SMTP, with connections that are kept and with a new one for each mail.

The server (aiosmtpd, in a process of its own) asks for STARTTLS, with a certificate that is verified, and for a login.
The mails go through the real e-mail channel in a process of its own, ten connections at once; the reference is the same
channel with connections that end after one mail. Beside it stands what a program without a pool reaches, with a call of
`aiosmtplib.send` for each mail. Then the same channel with a hundred accounts in turn, two connections of each; and
with mails that have 10 MB attached, of which ten are in flight at once, for the memory that they take.

What would make it lie: on loopback a connection costs no time on the way. To a server 20 ms away the five round trips
of a new connection and its login take 100 ms, and the ratio is larger. And server and channel share the processor, so
the rate with kept connections is the server's as much as the channel's. The memory is the most that the process ever
had, interpreter and all.
"""

from pathlib import Path

import trustme

from benchmarks.peers.mail_server import HOST
from benchmarks.rig.child import Child
from benchmarks.rig.figure import Numbers, Round

MICRO = 1e6
WITHIN_SECONDS = 120.0

WAYS = {
    "kept": "channel, connections kept",
    "new": "channel, a new connection for each mail",
    "plain": "aiosmtplib, a new connection for each mail",
}
ACCOUNTS = "channel, 100 accounts"
LARGE = "channel, 10 MB attached"


async def measure(current: Round) -> Numbers:
    folder = current.machine.folder
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "mail-authority.pem"))
    authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(folder / "mail-server.pem"))
    numbers: dict[str, float] = {}
    for way, name in WAYS.items():
        numbers |= rates(name, await send(way, folder, count=current.pick(2_000, 100)))
    numbers |= rates(ACCOUNTS, await send("accounts", folder, count=current.pick(4_000, 400)))
    large = await send("large", folder, count=current.pick(24, 8))
    numbers[f"{LARGE} (mails/s)"] = large["count"] / large["seconds"]
    numbers[f"{LARGE}: most memory (MB)"] = large["most_mb"]
    return numbers


def rates(name: str, said: dict[str, float]) -> dict[str, float]:
    count = said["count"]
    return {
        f"{name} (mails/s)": count / said["seconds"],
        f"{name} (connections)": said["connections"],
        f"{name}: CPU of a mail (µs)": said["cpu_seconds"] / count * MICRO,
    }


async def send(way: str, folder: Path, *, count: int) -> dict[str, float]:
    """So many mails to a server that has seen none."""
    server = await Child.start(
        "benchmarks.peers.mail_server", f"--certificate={folder / 'mail-server.pem'}", folder=folder
    )
    try:
        port = (await server.said())["port"]
        mailer = await Child.start(
            "benchmarks.peers.mailer",
            f"--way={way}",
            f"--port={port}",
            f"--authority={folder / 'mail-authority.pem'}",
            f"--count={count}",
            folder=folder,
        )
        try:
            said: dict[str, float] = await mailer.said(within=WITHIN_SECONDS)
        finally:
            await mailer.stop()
    finally:
        await server.stop()
    return {**said, "count": count}
