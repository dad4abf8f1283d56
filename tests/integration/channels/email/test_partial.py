"""tidings/channels/email/partial.py: a server that takes a mail for some of its recipients only"""

import msgspec
import pytest

from tests.integration.channels.smtp.mailing import RECIPIENT, delivery
from tests.integration.channels.smtp_server import USERNAME, SmtpServer
from tidings.channels.base import About, Accepted, Rejected, Retry
from tidings.channels.email.channel import EmailChannel
from tidings.domain.mail_parts import KeptMail, Mailbox, MailParts
from tidings.domain.message import Delivery

CC, BCC = "cc@example.org", "bcc@example.org"


def to_three(*, remaining: tuple[str, ...] | None = None, tries: int = 0, max_tries: int = 3) -> Delivery:
    kept = KeptMail(parts=MailParts(cc=(Mailbox(email=CC),), bcc=(Mailbox(email=BCC),)), remaining=remaining)
    return msgspec.structs.replace(delivery(), mail=kept, mail_bytes=100, tries=tries, max_tries=max_tries)


async def test_one_transaction_is_for_all(channel: EmailChannel, server: SmtpServer) -> None:
    result = await channel.deliver(to_three())
    assert isinstance(result, Accepted)
    assert result.error is None
    [mail] = server.mails
    assert (mail.sender, mail.recipients) == (USERNAME, [RECIPIENT, CC, BCC])
    assert (mail.message["Cc"], mail.message["Bcc"]) == (CC, None)


async def test_who_is_refused_is_named_and_the_others_get_it(channel: EmailChannel, server: SmtpServer) -> None:
    server.fail("RCPT", None, "550 5.1.1 Who?", None)
    result = await channel.deliver(to_three())
    assert isinstance(result, Accepted)
    assert result.error == f"not to {CC}: RCPT: refused with 550 5.1.1"
    assert server.mails[0].recipients == [RECIPIENT, BCC]


async def test_who_is_put_off_is_tried_again_alone(channel: EmailChannel, server: SmtpServer) -> None:
    server.fail("RCPT", "450 4.2.0 Later", "550 5.1.1 Who?", None)
    result = await channel.deliver(to_three())
    assert result == Retry(
        error=f"not to {RECIPIENT}: RCPT: refused with 450 4.2.0; not to {CC}: RCPT: refused with 550 5.1.1",
        status_code=450,
        answer=b"450 4.2.0 Later",
        about=About.MESSAGE,
        remaining=(RECIPIENT,),
        unknown=(CC,),
    )
    assert isinstance(await channel.deliver(to_three(remaining=result.remaining, tries=1)), Accepted)
    assert [mail.recipients for mail in server.mails] == [[BCC], [RECIPIENT]]
    assert server.mails[1].message["Cc"] == CC


async def test_after_the_last_attempt_it_is_sent_to_those_who_took_it(
    channel: EmailChannel, server: SmtpServer
) -> None:
    server.fail("RCPT", None, "450 4.2.0 Later", None)
    result = await channel.deliver(to_three(tries=2))
    assert isinstance(result, Accepted)
    assert result.error == f"not to {CC}: RCPT: refused with 450 4.2.0"


@pytest.mark.parametrize(("reply", "tries"), [("550 5.1.1 Who?", 1), ("450 4.2.0 Later", 2)])
async def test_what_ends_without_the_rest_is_sent_all_the_same(
    reply: str, tries: int, channel: EmailChannel, server: SmtpServer
) -> None:
    server.fail("RCPT", reply)
    result = await channel.deliver(to_three(remaining=(CC,), tries=tries))
    assert isinstance(result, Accepted)
    assert result.error is not None
    assert result.error.startswith(f"not to {CC}: RCPT: refused with")
    assert server.mails == []


async def test_a_refused_login_ends_nothing(channel: EmailChannel, server: SmtpServer) -> None:
    server.fail("AUTH", "454 4.7.0 Later")
    result = await channel.deliver(to_three(remaining=(CC,), tries=2))
    assert isinstance(result, Retry)
    assert result.about is About.ACCOUNT


async def test_all_are_refused(channel: EmailChannel, server: SmtpServer) -> None:
    server.fail("RCPT", *["550 5.1.1 Who?"] * 3)
    result = await channel.deliver(to_three())
    assert isinstance(result, Rejected)
    assert result.about is About.MESSAGE
    server.fail("RCPT", "550 5.1.1 Who?", "450 4.2.0 Later", "550 5.1.1 Who?")
    later = await channel.deliver(to_three())
    assert isinstance(later, Retry)
    assert (later.status_code, later.remaining) == (450, None)
    assert server.mails == []


async def test_an_address_that_the_account_may_no_longer_send_from(channel: EmailChannel, server: SmtpServer) -> None:
    kept = KeptMail(parts=MailParts(sender=Mailbox(email="news@shop.example")))
    message = msgspec.structs.replace(delivery(), mail=kept, mail_bytes=10)
    result = await channel.deliver(message)
    assert isinstance(result, Rejected)
    assert result.error == "from news@shop.example: the account may not send from it (any more)"
    own = KeptMail(parts=MailParts(sender=Mailbox(email="owner@example.net", name="Ada")))
    assert isinstance(await channel.deliver(msgspec.structs.replace(message, mail=own)), Accepted)
    assert server.mails[0].sender == "owner@example.net"
    assert server.mails[0].message["From"] == "Ada <owner@example.net>"
