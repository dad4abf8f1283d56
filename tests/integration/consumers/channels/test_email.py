"""consumers/channels/email.py and smtp_pool.py, against a mail server over real SMTP and TLS"""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import msgspec
import pytest
import trustme
from structlog.testing import capture_logs

from consumers.channels import smtp_connection, smtp_pool
from consumers.channels.aiohttp_transport import AiohttpTransport
from consumers.channels.base import Accepted, ChannelContext, Rejected, Result, Retry
from consumers.channels.email import EmailChannel
from consumers.channels.guard import SAID
from tests.integration.consumers.channels.smtp_server import (
    HOST,
    PASSWORD,
    USERNAME,
    Fault,
    Security,
    SmtpServer,
    drop,
    smtp_server,
)
from tests.unit.consumers.channels.doubles import NOW
from tests.unit.consumers.channels.doubles import delivery as any_delivery
from tidings.accounts import Sender, SmtpAccount
from tidings.errors import SettingsError, StoreUnavailableError
from tidings.model import Delivery
from tidings.secretbox import Purpose, SecretBox, new_key
from tidings.settings import Settings

USER = UUID(int=7)
KEY = new_key()
BOX = SecretBox([KEY])
RECIPIENT = "reader@example.org"


class Senders:
    """Knows one user."""

    def __init__(self, smtp: SmtpAccount | None) -> None:
        self.away = False
        self.sender = Sender(id=USER, email="owner@example.net", smtp=smtp)

    def known(self, user_id: UUID) -> Sender | None:
        return self.sender if user_id == USER else None

    async def get(self, user_id: UUID) -> Sender | None:
        if self.away:
            raise StoreUnavailableError("the user of the message could not be read")
        return self.known(user_id)


class MakeChannel(Protocol):
    def __call__(self, account: SmtpAccount | Senders | None, **settings: Any) -> EmailChannel: ...


def delivery(
    *,
    recipient: str = RECIPIENT,
    subject: str | None = "News",
    content: str = "Hello",
    headers: dict[str, str] | None = None,
    user_id: UUID | None = USER,
) -> Delivery:
    plain = any_delivery(channel="email", recipient=recipient, content=content, headers=headers)
    return msgspec.structs.replace(plain, id=uuid4(), user_id=user_id, subject=subject)


def account(server: SmtpServer, *, host: str = HOST, password: str = PASSWORD, plaintext: bool = False) -> SmtpAccount:
    sealed = BOX.seal(password, Purpose.SMTP_PASSWORD, USER)
    return SmtpAccount(host=host, port=server.port, username=USERNAME, password=sealed, plaintext=plaintext)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def server(authority: trustme.CA) -> AsyncIterator[SmtpServer]:
    """Asks for STARTTLS."""
    async with smtp_server(Security.STARTTLS, authority) as server:
        yield server


@pytest.fixture
async def make_channel(
    server: SmtpServer, authority: trustme.CA, transport: AiohttpTransport, tmp_path: Path
) -> AsyncIterator[MakeChannel]:
    """Channels of a deployment on loopback that trusts `authority`; they end before the server does."""
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    async with AsyncExitStack() as channels:

        def make(account: SmtpAccount | Senders | None, **settings: Any) -> EmailChannel:
            given = Settings(**{"smtp_ca_file": str(ca_file), "secret_keys": (KEY,), **settings})
            channel = EmailChannel(
                ChannelContext(
                    settings=given,
                    transport=transport,
                    operators_transport=transport,
                    senders=account if isinstance(account, Senders) else Senders(account),
                    now=lambda: NOW,
                )
            )
            channels.push_async_callback(channel.close)
            return channel

        yield make


@pytest.fixture
def channel(make_channel: MakeChannel, server: SmtpServer) -> EmailChannel:
    return make_channel(account(server))


@pytest.mark.parametrize("security", Security)
async def test_a_mail_arrives(
    security: Security, make_channel: MakeChannel, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with smtp_server(security, authority) as server:
        if security is Security.IMPLICIT:
            monkeypatch.setattr(smtp_connection, "IMPLICIT_TLS_PORT", server.port)
        channel = make_channel(account(server))
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
        ("greeting", "421 4.3.2 Busy", Retry(error="greeting: refused with 421 4.3.2", status_code=421)),
        ("greeting", "554 No", Rejected(error="greeting: refused with 554", status_code=554)),
        ("EHLO", "550 5.7.1 No", Rejected(error="EHLO: refused with 550 5.7.1", status_code=550)),
        ("STARTTLS", "454 Later", Retry(error="TLS: refused with 454", status_code=454)),
        ("AUTH", "454 4.7.0 Later", Retry(error="AUTH: refused with 454 4.7.0", status_code=454)),
        ("AUTH", "535 5.7.8 No", Rejected(error="AUTH: refused with 535 5.7.8", status_code=535)),
        ("MAIL", "451 4.3.0 Later", Retry(error="MAIL: refused with 451 4.3.0", status_code=451)),
        ("MAIL", "553 5.1.8 No", Rejected(error="MAIL: refused with 553 5.1.8", status_code=553)),
        ("RCPT", "450 4.2.0 Later", Retry(error="RCPT: refused with 450 4.2.0", status_code=450)),
        ("RCPT", "421 Bye", Retry(error="RCPT: refused with 421", status_code=421)),
        ("RCPT", "550 5.1.1 No", Rejected(error="RCPT: refused with 550 5.1.1", status_code=550)),
        ("DATA", "451 4.3.1 Later", Retry(error="DATA: refused with 451 4.3.1", status_code=451)),
        ("DATA", "554 5.5.1 No", Rejected(error="DATA: refused with 554 5.5.1", status_code=554)),
        ("end of data", "452 4.3.1 Full", Retry(error="end of DATA: refused with 452 4.3.1", status_code=452)),
        ("end of data", "554 5.6.0 No", Rejected(error="end of DATA: refused with 554 5.6.0", status_code=554)),
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
    channel = make_channel(account(server), connect_timeout=1, delivery_timeout=1)
    server.fail(phase, lambda _: None)
    result = await channel.deliver(delivery())
    name = {"STARTTLS": "TLS"}.get(phase, phase)
    assert result == Retry(error=f"{name}: timed out")
    assert isinstance(await channel.deliver(delivery()), Accepted)


async def test_the_answer_to_a_whole_mail_may_take_longer(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(account(server), connect_timeout=1, delivery_timeout=1, smtp_connections_per_account=1)
    server.hold = asyncio.Event()
    asyncio.get_running_loop().call_later(1.5, server.hold.set)
    # The second one waits for its place longer than a try may take, and is not to blame.
    results = await asyncio.gather(channel.deliver(delivery()), channel.deliver(delivery()))
    assert [type(result) for result in results] == [Accepted, Accepted]
    assert server.connections == 1


async def test_and_is_given_up_at_last(
    make_channel: MakeChannel, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_connection, "ANSWER_SECONDS", 0.1)
    channel = make_channel(account(server), connect_timeout=1, delivery_timeout=1)
    server.hold = asyncio.Event()
    result = await channel.deliver(delivery())
    assert result == Retry(
        error="end of DATA: timed out before the server answered; it may have taken the message", unanswered=True
    )
    server.hold.set()


async def test_a_server_that_is_away(make_channel: MakeChannel, server: SmtpServer) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    channel = make_channel(SmtpAccount(host=HOST, port=port))
    assert await channel.deliver(delivery()) == Retry(error="connect: Connection refused")
    channel = make_channel(SmtpAccount(host="mail.invalid", port=port))
    assert await channel.deliver(delivery()) == Retry(error="connect: the host name was not found")


# Connections


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
    assert server.connections == 1
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


async def test_a_connection_is_replaced_after_its_share(
    channel: EmailChannel, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_pool, "MAILS_PER_CONNECTION", 3)
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


# TLS


async def test_a_certificate_of_an_unknown_authority(make_channel: MakeChannel) -> None:
    async with smtp_server(Security.STARTTLS, trustme.CA()) as server:
        result = await make_channel(account(server)).deliver(delivery())
        assert "AUTH" not in server.commands
    assert isinstance(result, Retry)
    assert result.error == "TLS: failed: unable to get local issuer certificate"


async def test_a_certificate_of_another_host(
    make_channel: MakeChannel, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    for security in (Security.STARTTLS, Security.IMPLICIT):
        async with smtp_server(security, authority, "mail.example.com") as server:
            if security is Security.IMPLICIT:
                monkeypatch.setattr(smtp_connection, "IMPLICIT_TLS_PORT", server.port)
            result = await make_channel(account(server)).deliver(delivery())
            assert "AUTH" not in server.commands
        assert isinstance(result, Retry)
        assert result.error.startswith("TLS: failed: IP address mismatch")


@pytest.mark.parametrize(
    ("plaintext", "allowed", "error"),
    [
        (False, False, "TLS: the server does not offer STARTTLS"),
        (False, True, "TLS: the server does not offer STARTTLS"),
        (True, False, "TLS: the server does not offer STARTTLS; SMTP_ALLOW_PLAINTEXT is not set"),
        (True, True, None),
    ],
)
async def test_no_password_goes_out_in_clear(
    *,
    plaintext: bool,
    allowed: bool,
    error: str | None,
    make_channel: MakeChannel,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smtp_connection, "_is_loopback", lambda _: False)
    async with smtp_server(Security.NONE, authority) as server:
        channel = make_channel(account(server, plaintext=plaintext), smtp_allow_plaintext=allowed)
        result = await channel.deliver(delivery())
        await channel.close()
        if error is None:
            assert isinstance(result, Accepted)
        else:
            assert result == Retry(error=error)
            assert server.passwords == []


async def test_on_loopback_an_account_may_say_that_there_is_no_tls(
    make_channel: MakeChannel, server: SmtpServer
) -> None:
    result = await make_channel(account(server, plaintext=True)).deliver(delivery())
    # This server insists.
    assert isinstance(result, Rejected)
    assert "STARTTLS" not in server.commands


# Logging in


async def test_a_wrong_password_is_tried_once(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(account(server, password="wrong"))
    results = await asyncio.gather(*(channel.deliver(delivery()) for _ in range(20)))
    assert {type(result) for result in results} == {Rejected}
    assert {result.error.removesuffix(" a moment ago") for result in results if isinstance(result, Rejected)} == {
        "AUTH: refused with 535 5.7.8"
    }
    assert server.passwords == ["wrong"]
    assert isinstance(await make_channel(account(server)).deliver(delivery()), Accepted)


async def test_a_new_password_counts_at_once(make_channel: MakeChannel, server: SmtpServer) -> None:
    senders = Senders(account(server, password="wrong"))
    channel = make_channel(senders)
    assert isinstance(await channel.deliver(delivery()), Rejected)
    senders.sender = msgspec.structs.replace(senders.sender, smtp=account(server))
    assert isinstance(await channel.deliver(delivery()), Accepted)


async def test_a_mechanism_that_the_server_does_not_mean(channel: EmailChannel, server: SmtpServer) -> None:
    server.fail("AUTH", "504 5.5.4 Not that one")
    assert isinstance(await channel.deliver(delivery()), Accepted)
    assert server.commands.count("AUTH") == 2


async def test_no_way_of_logging_in(make_channel: MakeChannel, authority: trustme.CA) -> None:
    async with smtp_server(Security.STARTTLS, authority) as server:
        server.mechanisms = set()
        result = await make_channel(account(server)).deliver(delivery())
    assert result == Rejected(error="AUTH: the server offers no way of logging in that is known here")


@pytest.mark.parametrize(
    "echo", [PASSWORD, base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()).decode()], ids=["clear", "base64"]
)
async def test_what_the_server_repeats_of_a_login_is_not_kept(
    echo: str, channel: EmailChannel, server: SmtpServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail("AUTH", f"501 5.5.2 Cannot read {echo}", f"535 5.7.8 No: {echo}")
    result = await channel.deliver(delivery())
    assert result == Rejected(error="AUTH: refused with 535 5.7.8", status_code=535)
    assert not [record for record in caplog.records if record.name != "mail.log" and echo in record.getMessage()]


async def test_a_password_that_no_key_opens(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(account(server), secret_keys=(new_key(),))
    assert await channel.deliver(delivery()) == Retry(error="none of SECRET_KEYS opens a secret that is kept")
    assert server.connections == 0


async def test_without_a_password_there_is_no_login(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(SmtpAccount(host=HOST, port=server.port))
    assert isinstance(await channel.deliver(delivery()), Accepted)
    assert "AUTH" not in server.commands
    assert server.mails[0].sender == "owner@example.net", "the user's own address, without a user name that is one"


# Where mail may go


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has names lead somewhere: a list of addresses for each time that one is looked up."""

    def lead(*answers: list[str]) -> None:
        left = list(answers)

        async def look_up(_host: str, port: int, **_: Any) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in left.pop(0)]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)

    return lead


async def test_a_name_that_leads_inside_is_refused(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(account(server, host="localhost"), host="0.0.0.0")
    with capture_logs() as logs:
        result = await channel.deliver(delivery())
    assert result == Rejected(error=f"connect: {SAID}")
    assert [(entry["host"], entry["reason"]) for entry in logs] == [("localhost", "loopback address")]
    assert server.connections == 0


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "127.0.0.1", "100.64.0.1", "224.0.0.1"])
async def test_so_are_addresses(address: str, make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(account(server, host=address), host="0.0.0.0")
    assert await channel.deliver(delivery()) == Rejected(error=f"connect: {SAID}")


async def test_a_name_that_leads_elsewhere_the_next_time(
    make_channel: MakeChannel, names: Callable[..., None], authority: trustme.CA
) -> None:
    async with smtp_server(Security.STARTTLS, authority, "mail.example.com") as server:
        opened = {"host": "0.0.0.0", "smtp_allow_cidrs": ("127.0.0.1/32",)}
        channel = make_channel(account(server, host="mail.example.com"), **opened)
        names([HOST], ["10.0.0.1"])
        assert isinstance(await channel.deliver(delivery()), Accepted)
        server.drop_all()
        await server.until(lambda: server.open == 0)
        assert await channel.deliver(delivery()) == Rejected(error=f"connect: {SAID}")
        assert server.connections == 1


async def test_of_several_addresses_those_that_are_open_are_used(
    make_channel: MakeChannel, names: Callable[..., None], authority: trustme.CA
) -> None:
    async with smtp_server(Security.STARTTLS, authority, "mail.example.com") as server:
        channel = make_channel(account(server, host="mail.example.com"))
        names(["10.0.0.1", HOST])
        assert isinstance(await channel.deliver(delivery()), Accepted)
        await channel.close()


async def test_ports_by_list(make_channel: MakeChannel) -> None:
    result = await make_channel(SmtpAccount(host=HOST, port=22)).deliver(delivery())
    assert result == Rejected(error=f"connect: {SAID}")


# What is sent


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
            error="MAIL: the server takes no address with letters outside ASCII (SMTPUTF8)"
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
        (delivery(user_id=None), "the message has no user"),
        (delivery(user_id=UUID(int=8)), "the message has no user"),
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
    assert await make_channel(None).deliver(delivery()) == Rejected(error="the user has no SMTP account")


async def test_a_large_mail(channel: EmailChannel, server: SmtpServer) -> None:
    message = delivery(content="Wörter über Wörter.\n" * 50_000)
    assert isinstance(await channel.deliver(message), Accepted)
    assert server.mails[0].content == message.content


async def test_the_account_is_the_destination(channel: EmailChannel, server: SmtpServer) -> None:
    assert channel.destination(delivery()) == f"{USERNAME}@{HOST}:{server.port}"


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
    assert await make_channel(senders).deliver(delivery()) == Retry(error="the user of the message could not be read")
