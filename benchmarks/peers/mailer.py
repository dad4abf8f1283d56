"""Sends mails one way or the other, for figure 11.

    python -m benchmarks.peers.mailer --way kept --port 2525 --authority ca.pem --count 2000

`kept` is the channel as it is. `new` is the same channel, with a connection that ends after one mail. `plain` is what a
program without a pool does: `aiosmtplib.send` for each mail, whose text is composed beforehand. All have ten
connections at once, and the same mails, login and server.

Prints one line of JSON: the seconds, the connections that the server saw, and its own CPU seconds.
"""

import argparse
import asyncio
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final
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
from tidings.domain.mail_parts import Mailbox
from tidings.domain.message import Delivery
from tidings.domain.timestamps import utc_now
from tidings.security.secretbox import Purpose, SecretBox, new_key
from tidings.settings import Settings

CONNECTIONS: Final = 10
USERNAME: Final = "sender@example.com"
PASSWORD: Final = "a password of the account"
WARM_UP: Final = 20

Send = Callable[[Delivery], Awaitable[str | None]]
"""Sends one mail; returns the server's id of it."""


class OneSender:
    """Everybody is this user."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def known(self, user_id: UUID) -> Sender | None:  # noqa: ARG002
        return self._sender

    async def get(self, user_id: UUID) -> Sender | None:  # noqa: ARG002
        return self._sender


def mail() -> Delivery:
    return Delivery(
        id=new_id(),
        batch_id=new_id(),
        user_id=UUID(int=7),
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


async def send_all(send: Send, count: int) -> list[int]:
    """Returns how many mails and connections the server had seen by the last of them."""
    numbers = iter(range(count))
    seen = [0, 0]

    async def client() -> None:
        for _ in numbers:
            queue_id = await send(mail())
            assert queue_id is not None
            seen[:] = max(seen, [int(part) for part in queue_id.split("-")])

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return seen


async def by_channel(port: int, authority: Path, count: int, *, mails_per_connection: int) -> dict[str, float]:
    key = new_key()
    password = SecretBox([key]).seal(PASSWORD, Purpose.SMTP_PASSWORD, UUID(int=7))
    account = SmtpAccount(host=HOST, port=port, username=USERNAME, password=password)
    settings = Settings(
        secret_keys=(key,),
        smtp_ca_file=str(authority),
        smtp_allow_cidrs=("127.0.0.0/8",),
        smtp_connections_per_account=CONNECTIONS,
        smtp_mails_per_connection=mails_per_connection,
    )
    transport = HttpClient(settings)
    senders = OneSender(Sender(id=UUID(int=7), email=USERNAME, smtp=account))
    channel = EmailChannel(
        ChannelContext(settings=settings, transport=transport, operators_transport=transport, senders=senders)
    )

    async def send(message: Delivery) -> str | None:
        result = await channel.deliver(message)
        assert isinstance(result, Accepted), result
        return result.provider_message_id

    try:
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


async def timed(send: Send, count: int) -> dict[str, float]:
    _, connections_before = await send_all(send, WARM_UP)
    began, cpu = time.perf_counter(), time.process_time()
    mails, connections = await send_all(send, count)
    assert mails == WARM_UP + count
    return {
        "seconds": time.perf_counter() - began,
        "connections": connections - connections_before,
        "cpu_seconds": time.process_time() - cpu,
    }


async def main(way: str, port: int, authority: Path, count: int) -> dict[str, float]:
    if way == "plain":
        return await plainly(port, authority, count)
    return await by_channel(port, authority, count, mails_per_connection=1 if way == "new" else 100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--way", choices=("kept", "new", "plain"), required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--authority", type=Path, required=True)
    parser.add_argument("--count", type=int, default=2_000)
    asked = parser.parse_args()
    result = uvloop.run(main(asked.way, asked.port, asked.authority, asked.count))
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
