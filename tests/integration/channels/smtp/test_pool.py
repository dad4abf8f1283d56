"""tidings/channels/smtp/pool.py: connections that are kept, and logins that are refused"""

import asyncio

import msgspec
import pytest

from tests.integration.channels.smtp.mailing import RECIPIENT, MakeChannel, Senders, account, delivery
from tests.integration.channels.smtp_server import Fault, SmtpServer, drop
from tidings.channels.base import About, Accepted, Rejected, Retry
from tidings.channels.email.channel import EmailChannel


async def test_one_connection_carries_mail_after_mail(channel: EmailChannel, server: SmtpServer) -> None:
    for _ in range(30):
        assert isinstance(await channel.deliver(delivery()), Accepted)
    assert server.connections == 1
    assert len(server.mails) == 30
    assert server.commands.count("AUTH") == 1
    assert "RSET" not in server.commands


async def test_a_refused_mail_leaves_nothing_to_the_next(channel: EmailChannel, server: SmtpServer) -> None:
    server.fail("RCPT", "550 5.1.1 No such user")
    assert isinstance(await channel.deliver(delivery(recipient="nobody@example.org")), Rejected)
    server.fail("end of data", "554 5.6.0 No")
    assert isinstance(await channel.deliver(delivery()), Rejected)
    assert isinstance(await channel.deliver(delivery()), Accepted)
    assert server.commands.count("RSET") == 1
    assert server.connections == 2, "what refused more than a recipient is not used again"
    assert server.mails[0].recipients == [RECIPIENT]


async def test_connections_that_were_closed_while_idle_cost_no_try(channel: EmailChannel, server: SmtpServer) -> None:
    await asyncio.gather(*(channel.deliver(delivery()) for _ in range(5)))
    server.drop_all()
    await server.until(lambda: server.open == 0)
    results = await asyncio.gather(*(channel.deliver(delivery()) for _ in range(5)))
    assert {type(result) for result in results} == {Accepted}
    assert len(server.mails) == 10


@pytest.mark.parametrize("fault", [drop, "421 4.4.2 Timed out", "421"])
@pytest.mark.parametrize("phase", ["MAIL", "RSET"])
async def test_a_connection_that_ends_when_it_is_used_again_costs_no_try(
    phase: str, fault: Fault, channel: EmailChannel, server: SmtpServer
) -> None:
    if phase == "RSET":
        server.fail("RCPT", "550 No")
    await channel.deliver(delivery())
    server.fail(phase, fault)
    assert isinstance(await channel.deliver(delivery()), Accepted)
    assert server.connections == 2


async def test_a_thousand_mails_over_ten_connections(channel: EmailChannel, server: SmtpServer) -> None:
    messages = [delivery(subject=f"No. {number}") for number in range(1000)]
    results = await asyncio.gather(*(channel.deliver(message) for message in messages))
    assert {type(result) for result in results} == {Accepted}
    assert server.most_open <= 10
    # Each carries a hundred and is then replaced.
    assert server.connections <= 20
    assert sorted(mail.message["Message-ID"] for mail in server.mails) == sorted(
        f"<{message.id}@example.com>" for message in messages
    )


async def test_a_connection_is_replaced_after_its_share(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(account(server), smtp_mails_per_connection=3)
    for _ in range(7):
        await channel.deliver(delivery())
    assert [mail.connection for mail in server.mails] == [1, 1, 1, 2, 2, 2, 3]


async def test_idle_connections_are_closed(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(account(server), smtp_idle_seconds=0.05)
    await channel.deliver(delivery())
    assert server.open == 1
    await server.until(lambda: server.open == 0)
    assert isinstance(await channel.deliver(delivery()), Accepted)


async def test_all_are_closed_at_the_end(channel: EmailChannel, server: SmtpServer) -> None:
    await asyncio.gather(*(channel.deliver(delivery()) for _ in range(4)))
    assert server.open == 4
    await channel.close()
    await server.until(lambda: server.open == 0)


async def test_a_server_that_wants_fewer_connections(channel: EmailChannel, server: SmtpServer) -> None:
    server.allowed = 3
    results = await asyncio.gather(*(channel.deliver(delivery()) for _ in range(50)))
    assert {type(result) for result in results} == {Accepted}
    assert server.connections <= 10, "who was turned away waits for one of those that are there"


async def test_a_delivery_that_is_cut_off_keeps_no_connection(channel: EmailChannel, server: SmtpServer) -> None:
    server.hold = asyncio.Event()
    cut_off = asyncio.create_task(channel.deliver(delivery()))
    await server.until(lambda: len(server.mails) == 1)
    cut_off.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cut_off
    await server.until(lambda: server.open == 0)
    server.hold.set()
    assert isinstance(await channel.deliver(delivery()), Accepted)


async def test_a_wrong_password_is_tried_once(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(account(server, password="wrong"))
    results = await asyncio.gather(*(channel.deliver(delivery()) for _ in range(20)))
    assert {type(result) for result in results} == {Retry}
    assert {result.about for result in results if isinstance(result, Retry)} == {About.ACCOUNT}
    assert {result.error.removesuffix(" a moment ago") for result in results if isinstance(result, Retry)} == {
        "AUTH: refused with 535 5.7.8"
    }
    assert server.passwords == ["wrong"]
    assert isinstance(await make_channel(account(server)).deliver(delivery()), Accepted)


async def test_a_new_password_counts_at_once(make_channel: MakeChannel, server: SmtpServer) -> None:
    senders = Senders(account(server, password="wrong"))
    channel = make_channel(senders)
    assert isinstance(await channel.deliver(delivery()), Retry)
    senders.sender = msgspec.structs.replace(senders.sender, smtp=account(server))
    assert isinstance(await channel.deliver(delivery()), Accepted)
