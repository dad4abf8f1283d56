"""The envelope sender that names its message, and the link to unsubscribe, as a mail server gets them"""

from uuid import UUID

import msgspec

from api.suppressions.door import with_link
from tests.factories import new_message
from tests.integration.channels.smtp.mailing import KEY, MakeChannel, account, delivery
from tests.integration.channels.smtp_server import USERNAME, SmtpServer
from tests.unit.api.bounces.samples import POSTFIX
from tidings.channels.base import Accepted
from tidings.channels.email.bounce_address import envelope_sender
from tidings.settings import Settings

BOUNCES = "bounces@sender.example"


async def test_reports_come_for_the_message(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel, message = make_channel(account(server), bounce_address=BOUNCES), delivery()
    assert isinstance(await channel.deliver(message), Accepted)
    [mail] = server.mails
    assert mail.sender == envelope_sender(BOUNCES, message.id)
    assert mail.message["From"] == USERNAME
    assert "Return-Path" not in mail.message


async def test_what_the_server_returns_names_it_too(make_channel: MakeChannel, server: SmtpServer) -> None:
    from api.bounces.report import parse

    message = delivery()
    assert isinstance(await make_channel(account(server)).deliver(message), Accepted)
    [mail] = server.mails
    start = POSTFIX.index(b"Message-ID:")
    returned = POSTFIX[:start] + f"Message-ID: {mail.message['Message-ID']}\r\n\r\n--B_1--".encode()
    assert parse(returned).message_ids == (message.id,)


async def test_a_link_arrives_in_one_piece(make_channel: MakeChannel, server: SmtpServer) -> None:
    settings = Settings(public_url="https://mail.sender.example/a/long/beginning", secret_keys=(KEY,))
    address = f"{'i' * 60}@{'d' * 60}.example"
    kept = new_message(channel="email", recipient=address, user_id=UUID(int=7), headers={"X-Shop": "4"})
    asked = with_link(kept, True, settings)
    assert asked.headers is not None
    message = msgspec.structs.replace(delivery(), id=kept.id, recipient=address, headers=asked.headers)
    assert isinstance(await make_channel(account(server)).deliver(message), Accepted)
    [mail] = server.mails
    link = asked.headers["List-Unsubscribe"]
    assert len(link) > 250
    assert mail.message["List-Unsubscribe"] == link
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.message["X-Shop"] == "4"
