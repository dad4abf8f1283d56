"""tidings/channels/smtp/connection.py: TLS, logging in, and where mail may go"""

import asyncio
import base64
import socket
import ssl
import warnings
from collections.abc import Callable

import pytest
import trustme
from aiohappyeyeballs import AddrInfoType
from structlog.testing import capture_logs

from tests.integration.channels.receivers import strict_receiver
from tests.integration.channels.smtp.mailing import TLS, MakeChannel, account, delivery
from tests.integration.channels.smtp.zoo.animal import Animal
from tests.integration.channels.smtp.zoo.cage import Cage
from tests.integration.channels.smtp_server import HOST, PASSWORD, USERNAME, Security, SmtpServer, smtp_server
from tidings.channels.base import About, Accepted, Retry
from tidings.channels.email.channel import EmailChannel
from tidings.channels.http.resolving import REFUSED
from tidings.channels.smtp import connection as smtp_connection
from tidings.domain.account import SmtpAccount, Tls
from tidings.security.secretbox import new_key

# TLS


async def test_a_certificate_of_an_unknown_authority(make_channel: MakeChannel) -> None:
    async with smtp_server(Security.STARTTLS, trustme.CA()) as server:
        result = await make_channel(account(server)).deliver(delivery())
        assert "AUTH" not in server.commands
    assert isinstance(result, Retry)
    assert result.error == "TLS: failed: unable to get local issuer certificate"


async def test_a_certificate_of_another_host(make_channel: MakeChannel, authority: trustme.CA) -> None:
    for security in (Security.STARTTLS, Security.IMPLICIT):
        async with smtp_server(security, authority, "mail.example.com") as server:
            result = await make_channel(account(server, tls=TLS[security])).deliver(delivery())
            assert "AUTH" not in server.commands
        assert isinstance(result, Retry)
        assert result.error.startswith("TLS: failed: IP address mismatch")


@pytest.mark.parametrize(
    ("tls", "allowed", "error"),
    [
        (None, False, "TLS: the server does not offer STARTTLS"),
        (Tls.STARTTLS, True, "TLS: the server does not offer STARTTLS"),
        (Tls.NONE, False, "TLS: the server does not offer STARTTLS; SMTP_ALLOW_PLAINTEXT is not set"),
        (Tls.NONE, True, None),
    ],
)
async def test_no_password_goes_out_in_clear(
    *,
    tls: Tls | None,
    allowed: bool,
    error: str | None,
    make_channel: MakeChannel,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(smtp_connection, "_is_loopback", lambda _: False)
    async with smtp_server(Security.NONE, authority) as server:
        channel = make_channel(account(server, tls=tls), smtp_allow_plaintext=allowed)
        result = await channel.deliver(delivery())
        await channel.close()
        if error is None:
            assert isinstance(result, Accepted)
        else:
            assert result == Retry(error=error, about=About.HOST)
            assert server.passwords == []


async def test_on_loopback_an_account_may_say_that_there_is_no_tls(
    make_channel: MakeChannel, server: SmtpServer
) -> None:
    result = await make_channel(account(server, tls=Tls.NONE)).deliver(delivery())
    # This server insists.
    assert isinstance(result, Retry)
    assert result.about is About.ACCOUNT
    assert "STARTTLS" not in server.commands


@pytest.fixture
def old_tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's that knows TLS 1.0 alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    return context


async def test_a_server_that_speaks_an_old_tls_only(make_channel: MakeChannel, old_tls: ssl.SSLContext) -> None:
    with strict_receiver(old_tls) as port:
        result = await make_channel(SmtpAccount(host=HOST, port=port, tls=Tls.IMPLICIT)).deliver(delivery())
    assert isinstance(result, Retry)
    assert result.error.startswith("TLS: failed: the server takes no version of TLS that is spoken here (1.2 or newer)")


async def test_one_that_ends_without_saying_so(
    make_channel: MakeChannel, authority: trustme.CA, old_tls: ssl.SSLContext
) -> None:
    async with smtp_server(Security.STARTTLS, authority) as server:
        server.tls = old_tls
        result = await make_channel(account(server)).deliver(delivery())
    assert isinstance(result, Retry)
    assert result.error == "TLS: the connection was lost; the server may speak no TLS of 1.2 or newer"


async def test_the_name_in_ehlo_is_a_setting(make_channel: MakeChannel, authority: trustme.CA) -> None:
    heard = []
    for name in ("", "mta.example.com"):
        cage = Cage(Animal(name="", says={"EHLO": (b"504 5.5.2 Not known\r\n",)}), authority)
        server = await asyncio.start_server(cage.serve, HOST, 0)
        channel = make_channel(SmtpAccount(host=HOST, port=server.sockets[0].getsockname()[1]), smtp_helo_name=name)
        assert isinstance(await channel.deliver(delivery()), Accepted)
        await channel.close()
        server.close()
        await cage.close()
        heard += cage.lines[:2]
    assert heard == [b"EHLO [127.0.0.1]", b"HELO [127.0.0.1]", b"EHLO mta.example.com", b"HELO mta.example.com"]


# Logging in


async def test_a_mechanism_that_the_server_does_not_mean(channel: EmailChannel, server: SmtpServer) -> None:
    server.fail("AUTH", "504 5.5.4 Not that one")
    assert isinstance(await channel.deliver(delivery()), Accepted)
    assert server.commands.count("AUTH") == 2


async def test_no_way_of_logging_in(make_channel: MakeChannel, authority: trustme.CA) -> None:
    async with smtp_server(Security.STARTTLS, authority) as server:
        server.mechanisms = set()
        result = await make_channel(account(server)).deliver(delivery())
    assert result == Retry(error="AUTH: the server offers no way of logging in that is known here", about=About.ACCOUNT)


@pytest.mark.parametrize(
    "echo", [PASSWORD, base64.b64encode(f"\0{USERNAME}\0{PASSWORD}".encode()).decode()], ids=["clear", "base64"]
)
async def test_what_the_server_repeats_of_a_login_is_not_kept(
    echo: str, channel: EmailChannel, server: SmtpServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.fail("AUTH", f"501 5.5.2 Cannot read {echo}", f"535 5.7.8 No: {echo}")
    result = await channel.deliver(delivery())
    assert result == Retry(error="AUTH: refused with 535 5.7.8", status_code=535, about=About.ACCOUNT)
    assert not [record for record in caplog.records if record.name != "mail.log" and echo in record.getMessage()]


async def test_a_password_that_no_key_opens(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(account(server), secret_keys=(new_key(),))
    assert await channel.deliver(delivery()) == Retry(
        error="none of SECRET_KEYS opens a secret that is kept", about=About.OURSELVES
    )
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

        async def look_up(_host: str, port: int) -> list[AddrInfoType]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in left.pop(0)]

        monkeypatch.setattr("tidings.channels.smtp.dial.system_lookup", look_up)

    return lead


async def test_a_name_that_leads_inside_is_refused(make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(account(server, host="localhost"), host="0.0.0.0")
    with capture_logs() as logs:
        result = await channel.deliver(delivery())
    assert result == Retry(error=f"connect: {REFUSED}", about=About.ACCOUNT)
    assert [(entry["host"], entry["reason"]) for entry in logs] == [("localhost", "loopback address")]
    assert server.connections == 0


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "127.0.0.1", "100.64.0.1", "224.0.0.1"])
async def test_so_are_addresses(address: str, make_channel: MakeChannel, server: SmtpServer) -> None:
    channel = make_channel(account(server, host=address), host="0.0.0.0")
    assert await channel.deliver(delivery()) == Retry(error=f"connect: {REFUSED}", about=About.ACCOUNT)


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
        assert await channel.deliver(delivery()) == Retry(error=f"connect: {REFUSED}", about=About.ACCOUNT)
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
    assert result == Retry(error=f"connect: {REFUSED}", about=About.ACCOUNT)
