"""tidings/channels/email/channel.py: what large mails take in memory"""

import asyncio
import tracemalloc
from uuid import UUID

import msgspec
import pytest

from tests.integration.channels.smtp.mailing import delivery
from tests.integration.channels.smtp_server import SmtpServer
from tests.unit.channels.doubles import NOW
from tidings.channels.base import About, Accepted, Retry
from tidings.channels.email.channel import IN_MEMORY, EmailChannel
from tidings.channels.smtp.mail import compose
from tidings.domain.budget import ByteBudget
from tidings.domain.errors import StoreUnavailableError
from tidings.domain.mail_parts import Attachment, KeptMail, Mailbox, MailParts

SIZE = 1024**2
LARGE = KeptMail(
    parts=MailParts(html="<p>Hi", attachments=(Attachment(content_type="application/pdf", size=SIZE),)),
    files=bytes(range(256)) * (SIZE // 256),
)


class Mails:
    """Has the same for every message."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    async def get(self, message_id: UUID) -> KeptMail | None:
        if self.away:
            raise StoreUnavailableError("the parts of the mail could not be read")
        self.asked += 1
        return LARGE


@pytest.fixture
def mails(channel: EmailChannel) -> Mails:
    mails = Mails()
    channel.context = msgspec.structs.replace(channel.context, mails=mails)
    return mails


async def test_only_so_many_are_in_memory_at_once(
    channel: EmailChannel, mails: Mails, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "_budget", ByteBudget(2 * IN_MEMORY * SIZE))
    server.hold = asyncio.Event()
    sent = [
        asyncio.create_task(channel.deliver(msgspec.structs.replace(delivery(), mail_bytes=SIZE))) for _ in range(5)
    ]
    await server.until(lambda: len(server.mails) == 2)
    assert mails.asked == 2
    # A small one waits for the server, and not for the large ones.
    sent.append(asyncio.create_task(channel.deliver(delivery())))
    await server.until(lambda: len(server.mails) == 3)
    assert mails.asked == 2
    server.hold.set()
    assert [type(result) for result in await asyncio.gather(*sent)] == [Accepted] * 6
    assert mails.asked == 5


def test_a_large_mail_takes_what_is_counted_for_it() -> None:
    message = msgspec.structs.replace(delivery(), mail_bytes=SIZE)
    tracemalloc.start()
    try:
        mail = compose(message, sender=Mailbox(email="a@example.com"), now=NOW, mail=LARGE)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(mail.data) > SIZE
    assert peak + SIZE <= IN_MEMORY * SIZE * 1.1


async def test_a_mail_that_cannot_be_read_now_uses_up_no_attempt(channel: EmailChannel, mails: Mails) -> None:
    mails.away = True
    result = await channel.deliver(msgspec.structs.replace(delivery(), mail_bytes=SIZE))
    assert result == Retry(error="the parts of the mail could not be read", about=About.OURSELVES)
