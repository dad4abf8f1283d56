"""consumers/mails.py, sql/batches.py: what is kept beside a mail, from Postgres to the mail server, and how it goes"""

import msgspec
import pytest
import trustme

from sql.store import Store
from tests.factories import new_message
from tests.integration.channels.smtp_server import HOST, Security, smtp_server
from tests.integration.consumers.test_consumer import Gateway, consuming, hand_over, until
from tests.integration.consumers.test_mail import for_mail
from tests.integration.producer.test_maintenance import DAY, drop_outlived, partitions, uuid_at
from tidings.domain.account import SmtpAccount
from tidings.domain.ids import new_id
from tidings.domain.mail_parts import Attachment, KeptMail, Mailbox, MailParts
from tidings.domain.message import NewMessage
from tidings.domain.states import Status
from tidings.domain.timestamps import utc_now
from tidings.settings import Settings

__all__ = ["for_mail"]

CC = "cc@example.org"


def mail(content: bytes = b"", **changes: object) -> NewMessage:
    """To two recipients, with a file."""
    attachments = (Attachment(content_type="application/pdf", size=len(content), filename="a.pdf"),)
    kept = KeptMail(parts=MailParts(html="<p>Hi", cc=(Mailbox(email=CC),), attachments=attachments), files=content)
    values = {"channel": "email", "recipient": "to@example.org", "mail": kept, "mail_bytes": 200 + len(content)}
    return new_message(**{**values, **changes})


@pytest.mark.parametrize("size", [100, 200_000], ids=["read with its batch", "read when it is sent"])
async def test_a_mail_goes_out_with_all_that_belongs_to_it(
    size: int, store: Store, for_mail: tuple[Settings, trustme.CA]
) -> None:
    settings, authority = for_mail
    content = bytes(range(200)) * (size // 100)
    async with smtp_server(Security.STARTTLS, authority) as server:
        user_id = new_id()
        smtp = SmtpAccount(host=HOST, port=server.port)
        await store.users.create(user_id=user_id, email="ada@example.com", password_hash="argon2", smtp=smtp)
        message = mail(content, user_id=user_id)
        await store.messages.insert([message])
        async with consuming(settings, Gateway()) as consumer:
            await hand_over(store, consumer)
            await until(store, message.id, Status.SENT)
        [received] = server.mails
    assert received.recipients == ["to@example.org", CC]
    [file] = received.message.iter_attachments()
    assert file.get_content() == content


async def test_who_is_put_off_gets_it_later_and_nobody_gets_it_twice(
    store: Store, for_mail: tuple[Settings, trustme.CA]
) -> None:
    settings, authority = for_mail
    async with smtp_server(Security.STARTTLS, authority) as server:
        user_id = new_id()
        smtp = SmtpAccount(host=HOST, port=server.port)
        await store.users.create(user_id=user_id, email="ada@example.com", password_hash="argon2", smtp=smtp)
        message = mail(user_id=user_id)
        await store.messages.insert([message])
        server.fail("RCPT", None, "450 4.2.0 Later")
        async with consuming(settings, Gateway()) as consumer:
            await hand_over(store, consumer)
            failed = await until(store, message.id, Status.FAILED)
            assert failed.last_error == f"not to {CC}: RCPT: refused with 450 4.2.0"
            kept = await store.messages.mail(failed)
            assert kept is not None
            assert kept.remaining == (CC,)
            assert await store.messages.retry(message.id)
            await hand_over(store, consumer)
            await until(store, message.id, Status.SENT)
        assert [each.recipients for each in server.mails] == [["to@example.org"], [CC]]


async def test_it_is_dropped_with_its_message_and_not_before(store: Store) -> None:
    now = utc_now()
    old, older = now - 100 * DAY, now - 120 * DAY
    waiting = mail(id=uuid_at(old.timestamp()), created_at=old)
    finished = mail(id=uuid_at(older.timestamp()), created_at=older)
    await store.messages.insert([waiting])
    await store.messages.insert([finished])
    assert await store.messages.cancel(finished.id)
    await drop_outlived(store)
    assert set(await store.batches.mails([waiting.id, finished.id])) == {waiting.id}
    names = [name.removeprefix("mail_parts_") for name in await partitions(store, "mail_parts")]
    assert names == [name.removeprefix("messages_") for name in await partitions(store, "messages")]


async def test_a_mail_whose_parts_are_gone_is_rejected(store: Store, for_mail: tuple[Settings, trustme.CA]) -> None:
    settings, authority = for_mail
    async with smtp_server(Security.STARTTLS, authority) as server:
        user_id = new_id()
        smtp = SmtpAccount(host=HOST, port=server.port)
        await store.users.create(user_id=user_id, email="ada@example.com", password_hash="argon2", smtp=smtp)
        message = msgspec.structs.replace(mail(user_id=user_id), mail=None)
        await store.messages.insert([message])
        async with consuming(settings, Gateway()) as consumer:
            await hand_over(store, consumer)
            rejected = await until(store, message.id, Status.CANCELLED)
        assert rejected.last_error == "what belongs to the mail besides its text is gone"
        assert server.mails == []
