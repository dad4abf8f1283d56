"""tidings/channels/email/accounts.py through the channel: by which account a mail goes, and whom it is from"""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.integration.channels.smtp.mailing import RECIPIENT, MakeChannel, Senders, account, delivery
from tests.integration.channels.smtp_server import HOST, PASSWORD, USERNAME, SmtpServer
from tidings.channels.base import About, Accepted, Rejected, Retry
from tidings.domain.mail_parts import KeptMail, Mailbox, MailParts
from tidings.domain.message import Delivery

OWNER = "owner@example.net"
FROM = "The shop <shop@example.com>"


def url(server: SmtpServer) -> str:
    return f"smtp://{USERNAME.replace('@', '%40')}:{PASSWORD}@{HOST}:{server.port}"


def by(name: str | None, mail: Delivery | None = None) -> Delivery:
    return msgspec.structs.replace(mail or delivery(), account=name)


def written(sender: str | None = None, reply_to: str | None = None) -> Delivery:
    """A mail that says whom it is from, or who gets the answers."""
    parts = MailParts(
        sender=None if sender is None else Mailbox(email=sender),
        reply_to=() if reply_to is None else (Mailbox(email=reply_to),),
    )
    return msgspec.structs.replace(delivery(), mail_bytes=10, mail=KeptMail(parts=parts))


async def test_each_account_has_its_own_connections_and_its_own_sender(
    make_channel: MakeChannel, server: SmtpServer
) -> None:
    senders = Senders(account(server))
    shop = msgspec.structs.replace(account(server), name="shop", sender=Mailbox(email=OWNER, name="The shop"))
    senders.sender = msgspec.structs.replace(senders.sender, others=(shop,))
    channel = make_channel(senders)
    for name in (None, "shop", "default", "shop"):
        assert isinstance(await channel.deliver(by(name)), Accepted)
    shown = [mail.message["From"] for mail in server.mails]
    assert shown == [USERNAME, f"The shop <{OWNER}>", USERNAME, f"The shop <{OWNER}>"]
    assert [mail.connection for mail in server.mails] == [1, 2, 1, 2]


async def test_a_mail_whose_account_is_gone_is_held(make_channel: MakeChannel, server: SmtpServer) -> None:
    senders = Senders(account(server))
    channel = make_channel(senders)
    missing = await channel.deliver(by("gone"))
    assert missing == Retry(error="the user has no SMTP account 'gone'", about=About.ACCOUNT)
    only = msgspec.structs.replace(account(server), name="shop")
    senders.sender = msgspec.structs.replace(senders.sender, smtp=None, others=(only,))
    nothing = await channel.deliver(delivery())
    assert nothing == Retry(error="none of the user's SMTP accounts is the default one", about=About.ACCOUNT)
    withdrawn = msgspec.structs.replace(only, sender=Mailbox(email="boss@example.com"))
    senders.sender = msgspec.structs.replace(senders.sender, others=(withdrawn,))
    result = await channel.deliver(by("shop"))
    assert isinstance(result, Retry)
    assert (result.about, "boss@example.com" in result.error) == (About.ACCOUNT, True)
    assert server.connections == 0


async def test_the_operators_mail_goes_by_the_operators_account(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(None, smtp_url=url(server), smtp_from=FROM, host="0.0.0.0", secret_key="x" * 32)
    assert isinstance(await channel.deliver(delivery(user_id=None)), Accepted)
    assert isinstance(await channel.deliver(by("operator", delivery(user_id=None))), Accepted)
    written_by = msgspec.structs.replace(written("anybody@example.org"), user_id=None)
    assert isinstance(await channel.deliver(written_by), Accepted)
    assert [mail.message["From"] for mail in server.mails] == [FROM, FROM, "anybody@example.org"]
    assert [mail.message["Reply-To"] for mail in server.mails] == [None] * 3
    assert server.mails[0].recipients == [RECIPIENT]


async def test_without_one_it_is_held_for_the_operator(make_channel: MakeChannel) -> None:
    result = await make_channel(None).deliver(delivery(user_id=None))
    assert result == Retry(error="the operator has no SMTP account: SMTP_URL is not set", about=About.ACCOUNT)


@pytest.mark.parametrize(
    ("mail", "seen"),
    [
        (delivery(), (FROM, OWNER)),
        (by("operator"), (FROM, OWNER)),
        (delivery(headers={"Reply-To": "a@example.org"}), (FROM, "a@example.org")),
        (written(reply_to="b@example.org"), (FROM, "b@example.org")),
        (written("news@example.org"), ("news@example.org", None)),
        (written(OWNER), None),
    ],
)
async def test_users_mail_through_it_is_from_the_operators_address_unless_they_are_allowed_another(
    mail: Delivery, seen: tuple[str, str | None] | None, make_channel: MakeChannel, server: SmtpServer
) -> None:
    senders = Senders(None)
    senders.sender = msgspec.structs.replace(senders.sender, may_use_operators=True, allowed_from=("news@example.org",))
    settings: dict[str, Any] = {"smtp_url": url(server), "smtp_from": FROM, "smtp_open_to": "everyone"}
    result = await make_channel(senders, **settings).deliver(mail)
    assert isinstance(result, Rejected if seen is None else Accepted)
    sent = [(each.message["From"], each.message["Reply-To"]) for each in server.mails]
    assert sent == ([] if seen is None else [seen])


async def test_who_has_an_account_uses_that(make_channel: MakeChannel, server: SmtpServer) -> None:
    senders = Senders(account(server))
    senders.sender = msgspec.structs.replace(senders.sender, may_use_operators=True)
    channel = make_channel(senders, smtp_url=url(server), smtp_from=FROM, smtp_open_to="everyone")
    await channel.deliver(delivery())
    await channel.deliver(by("operator"))
    assert [mail.message["From"] for mail in server.mails] == [USERNAME, FROM]


async def test_an_account_may_have_fewer_connections(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(msgspec.structs.replace(account(server), max_connections=2))
    await asyncio.gather(*(channel.deliver(delivery()) for _ in range(10)))
    assert (len(server.mails), server.most_open) == (10, 2)
