"""Sends mails one way or the other, for figure 11.

    python -m benchmarks.peers.mailer --way kept --port 2525 --authority ca.pem --count 2000

`kept` is the channel as it is. `new` is the same channel, with a connection that ends after one mail. `plain` is what a
program without a pool does: `aiosmtplib.send` for each mail, whose text is composed beforehand. All have ten
connections at once, and the same mails, login and server. `accounts` is the channel with a hundred accounts in turn,
two connections of each; `large` is the channel with mails that have 10 MB attached.

Prints one line of JSON: the seconds, the connections that the server saw, its own CPU seconds, and the most memory that
it ever had, in MB.
"""

import argparse
import asyncio
import os
import resource
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import aiosmtplib
import msgspec
import uvloop

from benchmarks.peers.mail_server import HOST
from tidings.channels.base import Accepted, ChannelContext
from tidings.channels.email.channel import EmailChannel
from tidings.channels.http.client import HttpClient
from tidings.channels.smtp.mail import compose
from tidings.domain.account import Sender, SmtpAccount
from tidings.domain.ids import new_id
from tidings.domain.mail_parts import Attachment, KeptMail, Mailbox, MailParts
from tidings.domain.message import Delivery
from tidings.domain.timestamps import utc_now
from tidings.security.secretbox import Purpose, SecretBox, new_key
from tidings.settings import Settings

CONNECTIONS: Final = 10
USERNAME: Final = "sender@example.com"
PASSWORD: Final = "a password of the account"
WARM_UP: Final = 20
ACCOUNTS: Final = 100
ATTACHED_BYTES: Final = 10 * 1024**2

Send = Callable[[Delivery], Awaitable[str | None]]
"""Sends one mail; returns the server's id of it."""


class Users:
    """Users with an account each."""

    def __init__(self, users: dict[UUID, Sender]) -> None:
        self._users = users

    def known(self, user_id: UUID) -> Sender | None:
        return self._users[user_id]

    async def get(self, user_id: UUID) -> Sender | None:
        return self._users[user_id]


class Attached:
    """Each mail has a file of its own, as it comes out of Postgres."""

    async def get(self, message_id: UUID) -> KeptMail | None:  # noqa: ARG002
        files = os.urandom(ATTACHED_BYTES)
        attachment = Attachment(content_type="application/pdf", size=len(files), filename="report.pdf")
        return KeptMail(parts=MailParts(attachments=(attachment,)), files=files)


def mail(number: int, *, users: int, attached: int | None) -> Delivery:
    return Delivery(
        id=new_id(),
        batch_id=new_id(),
        user_id=UUID(int=number % users),
        mail_bytes=attached,
        queue="default",
        channel="email",
        recipient="reader@example.org",
        subject="Your parcel",
        content="Your parcel arrives today between 14:00 and 16:00.\nTrack it at https://parcels.example/4711\n" * 10,
        headers=None,
        tries=0,
        max_tries=5,
        recoveries=0,
        due_at=utc_now(),
        expires_at=None,
        created_at=utc_now(),
    )


async def send_all(
    send: Send, count: int, *, users: int = 1, clients: int = CONNECTIONS, attached: int | None = None
) -> list[int]:
    """Returns how many mails and connections the server had seen by the last of them."""
    numbers = iter(range(count))
    seen = [0, 0]

    async def client() -> None:
        for number in numbers:
            queue_id = await send(mail(number, users=users, attached=attached))
            assert queue_id is not None
            seen[:] = max(seen, [int(part) for part in queue_id.split("-")])

    await asyncio.gather(*(client() for _ in range(clients)))
    return seen


async def by_channel(port: int, authority: Path, count: int, *, way: str) -> dict[str, float]:
    key = new_key()
    users = {UUID(int=number): USERNAME for number in range(ACCOUNTS if way == "accounts" else 1)}
    accounts = {
        user_id: SmtpAccount(
            host=HOST,
            port=port,
            username=username,
            password=SecretBox([key]).seal(PASSWORD, Purpose.SMTP_PASSWORD, user_id),
        )
        for user_id, username in users.items()
    }
    settings = Settings(
        secret_keys=(key,),
        smtp_ca_file=str(authority),
        smtp_allow_cidrs=("127.0.0.0/8",),
        smtp_connections_per_account=CONNECTIONS,
        smtp_mails_per_connection=1 if way == "new" else 100,
    )
    transport = HttpClient(settings)
    senders = Users({user_id: Sender(id=user_id, email=USERNAME, smtp=smtp) for user_id, smtp in accounts.items()})
    channel = EmailChannel(
        ChannelContext(
            settings=settings,
            transport=transport,
            operators_transport=transport,
            senders=senders,
            mails=Attached(),
        )
    )

    async def send(message: Delivery) -> str | None:
        result = await channel.deliver(message)
        assert isinstance(result, Accepted), result
        return result.provider_message_id

    try:
        if way == "accounts":
            return await timed(send, count, warm_up=2 * ACCOUNTS, users=ACCOUNTS, clients=2 * ACCOUNTS)
        if way == "large":
            return await timed(send, count, warm_up=1, attached=ATTACHED_BYTES)
        return await timed(send, count)
    finally:
        await channel.close()
        await transport.close()


async def plainly(port: int, authority: Path, count: int) -> dict[str, float]:
    tls = ssl.create_default_context(cafile=authority)

    async def send(message: Delivery) -> str | None:
        content = compose(message, sender=Mailbox(email=USERNAME), now=utc_now()).data
        _, reply = await aiosmtplib.send(
            content,
            sender=USERNAME,
            recipients=[message.recipient],
            hostname=HOST,
            port=port,
            username=USERNAME,
            password=PASSWORD,
            start_tls=True,
            tls_context=tls,
        )
        return reply.rpartition(" ")[2]

    return await timed(send, count)


async def timed(send: Send, count: int, *, warm_up: int = WARM_UP, **more: Any) -> dict[str, float]:
    _, connections_before = await send_all(send, warm_up, **more)
    began, cpu = time.perf_counter(), time.process_time()
    mails, connections = await send_all(send, count, **more)
    assert mails == warm_up + count
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "most_mb": kilobytes / 1024,
        "seconds": time.perf_counter() - began,
        "connections": connections - connections_before,
        "cpu_seconds": time.process_time() - cpu,
    }


async def main(way: str, port: int, authority: Path, count: int) -> dict[str, float]:
    if way == "plain":
        return await plainly(port, authority, count)
    return await by_channel(port, authority, count, way=way)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--way", choices=("kept", "new", "plain", "accounts", "large"), required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--authority", type=Path, required=True)
    parser.add_argument("--count", type=int, default=2_000)
    asked = parser.parse_args()
    result = uvloop.run(main(asked.way, asked.port, asked.authority, asked.count))
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
