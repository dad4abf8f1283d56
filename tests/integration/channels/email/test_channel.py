"""tidings/channels/email/channel.py: how a mail ends, phase by phase, and what is in it"""

import asyncio
import socket
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
import trustme

from tests.integration.channels.smtp.mailing import RECIPIENT, TLS, MakeChannel, Senders, account, delivery
from tests.integration.channels.smtp_server import HOST, USERNAME, Security, SmtpServer, drop, smtp_server
from tidings.channels.base import About, Accepted, Rejected, Result, Retry
from tidings.channels.email.channel import EmailChannel
from tidings.domain.account import SmtpAccount
from tidings.domain.errors import SettingsError
from tidings.domain.message import Delivery


@pytest.mark.parametrize("security", Security)
async def test_a_mail_arrives(security: Security, make_channel: MakeChannel, authority: trustme.CA) -> None:
    async with smtp_server(security, authority) as server:
        channel = make_channel(account(server, tls=TLS[security]))
        message = delivery(subject="Grüße 👋🏽", content="Zeile eins\n.\n..zwei\nλόγος\n", headers={"X-Tenant": "7"})
        result = await channel.deliver(message)
        await channel.close()
        assert result == Accepted(provider_message_id="Q1", status_code=250, answer=b"250 2.0.0 Ok: queued as Q1")
        [mail] = server.mails
    assert (mail.sender, mail.recipients, mail.login) == (USERNAME, [RECIPIENT], USERNAME)
    assert mail.content == message.content
    assert dict(mail.message.items()) == {
        "From": USERNAME,
        "To": RECIPIENT,
        "Subject": "Grüße 👋🏽",
        "Date": "Sun, 01 Mar 2026 12:00:00 +0000",
        "Message-ID": f"<{message.id}@example.com>",
        "X-Tenant": "7",
        "MIME-Version": "1.0",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "base64",
    }
    assert mail.raw.isascii()


@pytest.mark.parametrize(
    ("phase", "reply", "expected"),
    [
        (
            "greeting",
            "421 4.3.2 Busy",
            Retry(error="greeting: refused with 421 4.3.2", status_code=421, about=About.HOST),
        ),
        ("greeting", "554 No", Retry(error="greeting: refused with 554", status_code=554, about=About.HOST)),
        ("EHLO", "550 5.7.1 No", Retry(error="EHLO: refused with 550 5.7.1", status_code=550, about=About.HOST)),
        ("STARTTLS", "454 Later", Retry(error="TLS: refused with 454", status_code=454, about=About.HOST)),
        ("AUTH", "454 4.7.0 Later", Retry(error="AUTH: refused with 454 4.7.0", status_code=454, about=About.ACCOUNT)),
        ("AUTH", "535 5.7.8 No", Retry(error="AUTH: refused with 535 5.7.8", status_code=535, about=About.ACCOUNT)),
        ("MAIL", "451 4.3.0 Later", Retry(error="MAIL: refused with 451 4.3.0", status_code=451)),
        ("MAIL", "553 5.1.8 No", Retry(error="MAIL: refused with 553 5.1.8", status_code=553, about=About.ENDPOINT)),
        ("RCPT", "450 4.2.0 Later", Retry(error="RCPT: refused with 450 4.2.0", status_code=450, about=About.MESSAGE)),
        ("RCPT", "421 Bye", Retry(error="RCPT: refused with 421", status_code=421, about=About.HOST)),
        (
            "RCPT",
            "550 5.1.1 No",
            Rejected(error="RCPT: refused with 550 5.1.1", status_code=550, about=About.MESSAGE, unknown=(RECIPIENT,)),
        ),
        ("RCPT", "550 5.2.1 No", Rejected(error="RCPT: refused with 550 5.2.1", status_code=550, about=About.MESSAGE)),
        (
            "RCPT",
            "451 4.7.1 Try again in 10 minutes",
            Retry(error="RCPT: refused with 451 4.7.1", status_code=451, about=About.MESSAGE, delay=600),
        ),
        ("DATA", "451 4.3.1 Later", Retry(error="DATA: refused with 451 4.3.1", status_code=451)),
        ("DATA", "554 5.5.1 No", Rejected(error="DATA: refused with 554 5.5.1", status_code=554)),
        ("end of data", "452 4.3.1 Full", Retry(error="end of DATA: refused with 452 4.3.1", status_code=452)),
        (
            "end of data",
            "554 5.6.0 No",
            Rejected(error="end of DATA: refused with 554 5.6.0", status_code=554, about=About.MESSAGE),
        ),
    ],
)
async def test_a_refusal_is_retried_or_final(
    phase: str, reply: str, expected: Result, channel: EmailChannel, server: SmtpServer
) -> None:
    server.fail(phase, reply)
    kept = b"" if phase == "AUTH" else reply.encode()
    assert await channel.deliver(delivery()) == msgspec.structs.replace(expected, answer=kept)
    assert server.mails == []


@pytest.mark.parametrize("phase", ["greeting", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA"])
async def test_a_connection_lost_before_the_final_dot(phase: str, channel: EmailChannel, server: SmtpServer) -> None:
    server.fail(phase, drop, drop)
    result = await channel.deliver(delivery())
    assert isinstance(result, Retry)
    assert result.error.partition(":")[0] == {"STARTTLS": "TLS"}.get(phase, phase)
    assert "connection was lost" in result.error
    assert not result.unanswered
    server.fail(phase)
    assert isinstance(await channel.deliver(delivery()), Accepted)


async def test_a_connection_lost_after_the_final_dot(channel: EmailChannel, server: SmtpServer) -> None:
    server.fail("end of data", drop)
    result = await channel.deliver(delivery())
    assert isinstance(result, Retry)
    assert result.unanswered
    assert result.error.endswith("before the server answered; it may have taken the message")
    assert len(server.mails) == 1


@pytest.mark.parametrize("reply", ["hello", "2x0 OK", "999"])
async def test_an_answer_that_is_not_smtp(reply: str, channel: EmailChannel, server: SmtpServer) -> None:
    server.fail("RCPT", reply)
    result = await channel.deliver(delivery())
    assert isinstance(result, Retry)
    assert isinstance(await channel.deliver(delivery()), Accepted)


@pytest.mark.parametrize("phase", ["greeting", "STARTTLS", "AUTH", "RCPT", "DATA"])
async def test_a_server_that_falls_silent(phase: str, make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(account(server), smtp_command_timeout=0.5)
    server.fail(phase, lambda _: None)
    result = await channel.deliver(delivery())
    name = {"STARTTLS": "TLS"}.get(phase, phase)
    about = About.ENDPOINT if phase in {"RCPT", "DATA"} else About.HOST
    assert result == Retry(error=f"{name}: timed out", about=about)
    assert isinstance(await channel.deliver(delivery()), Accepted)


async def test_the_answer_to_a_whole_mail_may_take_longer(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(
        account(server), smtp_command_timeout=1, smtp_delivery_timeout=1, smtp_connections_per_account=1
    )
    server.hold = asyncio.Event()
    asyncio.get_running_loop().call_later(1.5, server.hold.set)
    # The second one waits for its place longer than an attempt may take, and is not to blame.
    results = await asyncio.gather(channel.deliver(delivery()), channel.deliver(delivery()))
    assert [type(result) for result in results] == [Accepted, Accepted]
    assert server.connections == 1


async def test_and_times_out_at_last(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(account(server), smtp_answer_timeout=0.1)
    server.hold = asyncio.Event()
    result = await channel.deliver(delivery())
    assert result == Retry(
        error="end of DATA: timed out before the server answered; it may have taken the message",
        unanswered=True,
        about=About.ENDPOINT,
    )
    server.hold.set()


async def test_a_server_that_is_away(make_channel: MakeChannel, server: SmtpServer) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    channel = make_channel(SmtpAccount(host=HOST, port=port))
    assert await channel.deliver(delivery()) == Retry(error="connect: Connection refused", about=About.HOST)
    channel = make_channel(SmtpAccount(host="mail.invalid", port=port))
    assert await channel.deliver(delivery()) == Retry(error="connect: the host name was not found", about=About.HOST)


async def test_an_address_that_needs_smtputf8(make_channel: MakeChannel, authority: trustme.CA) -> None:
    message = delivery(recipient="jörg@bücher.example")
    async with smtp_server(Security.STARTTLS, authority) as server:
        channel = make_channel(account(server))
        assert isinstance(await channel.deliver(message), Accepted)
        assert isinstance(await channel.deliver(delivery(recipient="joerg@bücher.example")), Accepted)
        await server_closes(channel, server)
        first, second = server.mails
        assert first.recipients == ["jörg@xn--bcher-kva.example"]
        assert first.message["To"] == "jörg@xn--bcher-kva.example"
        assert second.recipients == ["joerg@xn--bcher-kva.example"]
        server.smtputf8 = False
        channel = make_channel(account(server))
        assert await channel.deliver(message) == Rejected(
            error="MAIL: the server takes no address with letters outside ASCII (SMTPUTF8)", about=About.MESSAGE
        )
        assert isinstance(await channel.deliver(delivery(recipient="joerg@bücher.example")), Accepted)
        await channel.close()


async def server_closes(channel: EmailChannel, server: SmtpServer) -> None:
    await channel.close()
    await server.until(lambda: server.open == 0)


@pytest.mark.parametrize(
    "message",
    [
        delivery(subject="=?utf-8?q?a=0ABcc:_evil@example.com?="),
        delivery(subject="=?utf-8?b?YQ0KQmNjOiBldmlsQGV4YW1wbGUuY29t?="),
        delivery(subject="a" * 2000 + " Bcc: evil@example.com"),
        delivery(subject="a\N{NEXT LINE}Bcc: evil@example.com\N{LINE SEPARATOR}Cc: evil@example.com"),
        delivery(headers={"X-A": "=?utf-8?q?a=0D=0ABcc:_evil@example.com?="}),
        delivery(headers={"Bcc": "evil@example.com", "CC": "evil@example.com", "To": "evil@example.com"}),
        delivery(headers={"Resent-Bcc": "evil@example.com", "Sender": "evil@example.com"}),
        delivery(content="a\n.\nMAIL FROM:<evil@example.com>\nRCPT TO:<evil@example.com>\nDATA\nx\n.\n"),
        delivery(content="a\r.\rMAIL FROM:<evil@example.com>\r\n.\n"),
    ],
)
async def test_no_text_becomes_a_header_or_a_command(
    message: Delivery, channel: EmailChannel, server: SmtpServer
) -> None:
    assert isinstance(await channel.deliver(message), Accepted)
    [mail] = server.mails
    assert mail.recipients == [RECIPIENT]
    assert server.commands.count("MAIL") == 1
    seen = mail.message
    assert (seen["From"], seen["To"], seen["Cc"], seen["Bcc"], seen["Sender"]) == (USERNAME, RECIPIENT, *[None] * 3)
    assert set(seen.keys()) <= {
        *("From", "To", "Subject", "Date", "Message-ID", "X-A"),
        *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
    }


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (delivery(headers={"X-A": "a\r\nBcc: evil@example.com"}), "headers: the value of 'X-A'"),
        (delivery(headers={"X-A\r\nBcc": "evil@example.com"}), "headers: 'X-A\\r\\nBcc'"),
        (delivery(subject="a\nBcc: evil@example.com"), "the subject contains control characters"),
        (delivery(recipient="a@example.com>\r\nRCPT TO:<evil@example.com"), "the recipient must not"),
        (delivery(recipient="a@example.com> NOTIFY=NEVER"), "the recipient is not an e-mail address"),
        (delivery(recipient="nobody"), "the recipient is not an e-mail address"),
        (delivery(user_id=UUID(int=8)), "the user of the message is gone"),
    ],
)
async def test_what_cannot_be_a_mail_is_rejected(
    message: Delivery, error: str, channel: EmailChannel, server: SmtpServer
) -> None:
    result = await channel.deliver(message)
    assert isinstance(result, Rejected)
    assert result.error.startswith(error)
    assert server.connections == 0


async def test_a_user_without_an_account(make_channel: MakeChannel) -> None:
    assert await make_channel(None).deliver(delivery()) == Retry(
        error="the user has no SMTP account", about=About.ACCOUNT
    )


async def test_a_large_mail(channel: EmailChannel, server: SmtpServer) -> None:
    message = delivery(content="Wörter über Wörter.\n" * 50_000)
    assert isinstance(await channel.deliver(message), Accepted)
    assert server.mails[0].content == message.content


async def test_the_account_is_the_destination(channel: EmailChannel, server: SmtpServer) -> None:
    assert channel.destination(delivery()) == f"{USERNAME}@{HOST}:{server.port} of {delivery().user_id}"


async def test_its_concurrency_is_its_connections(make_channel: MakeChannel, server: SmtpServer) -> None:
    assert make_channel(account(server), smtp_connections_per_account=4).places_per_destination == 4


async def test_an_authority_that_cannot_be_read(make_channel: MakeChannel, tmp_path: Path) -> None:
    file = tmp_path / "other.pem"
    with pytest.raises(SettingsError, match="SMTP_CA_FILE"):
        make_channel(None, smtp_ca_file=str(file))
    file.write_text("no certificate")
    with pytest.raises(SettingsError, match="SMTP_CA_FILE"):
        make_channel(None, smtp_ca_file=str(file))


async def test_a_user_that_cannot_be_read_now(make_channel: MakeChannel) -> None:
    senders = Senders(None)
    senders.away = True
    result = await make_channel(senders).deliver(delivery())
    assert result == Retry(error="the user of the message could not be read", about=About.OURSELVES)
