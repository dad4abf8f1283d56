"""Where users' webhooks may not go, whatever their names and addresses look like: tidings/channels/http/resolving.py,
against real sockets. The receiver is on loopback, which stands for all that is internal."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from structlog.testing import capture_logs

from tests.integration.channels.names import Names
from tests.integration.channels.receivers import Behaviour, Receiver, read_request, tls_receiver
from tests.unit.channels.doubles import delivery
from tidings.channels.base import ChannelContext, Rejected
from tidings.channels.http.client import HttpClient
from tidings.channels.http.resolving import REFUSED, Lookup, system_lookup
from tidings.channels.http.tls import Trust, system_trust
from tidings.channels.http.transport import ForbiddenError, Transport, TransportError
from tidings.channels.webhook.channel import WebhookChannel
from tidings.domain.addresses import networks
from tidings.security.egress import Egress, loopback_egress, webhook_egress
from tidings.settings import Settings

SETTINGS = Settings(connect_timeout=0.5, delivery_timeout=1.0, host="0.0.0.0", webhook_unsigned=True)
PUBLIC = "192.0.2.1"
"""Reserved for documentation, so that nobody answers there; a test opens it to have a public address."""

Guarded = Callable[..., HttpClient]


@pytest.fixture
async def guarded() -> AsyncIterator[Guarded]:
    """Transports that go where an egress allows; by default the one of a deployment that other machines can reach."""
    made: list[HttpClient] = []

    def make(egress: Egress | None = None, lookup: Lookup = system_lookup, **more: Any) -> HttpClient:
        made.append(HttpClient(SETTINGS, egress=egress or webhook_egress(SETTINGS), lookup=lookup, **more))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()


@asynccontextmanager
async def internal_receiver() -> AsyncIterator[Receiver]:
    """Says yes to whatever reaches it."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

    async with Receiver(behave) as receiver:
        yield receiver


def at(receiver: Receiver, host: str) -> str:
    return receiver.url.replace("127.0.0.1", host)


async def refused(transport: Transport, url: str) -> None:
    with pytest.raises(TransportError) as raised:
        await transport.post(url, body=b"", headers={})
    assert isinstance(raised.value, ForbiddenError), raised.value
    assert str(raised.value) == REFUSED
    assert not raised.value.unanswered


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "0.0.0.0"]
)
async def test_an_address_in_the_url(guarded: Guarded, host: str) -> None:
    async with internal_receiver() as receiver:
        await refused(guarded(), at(receiver, host))
        assert receiver.connections == 0


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1", "0"])
async def test_an_address_in_a_form_that_only_the_c_library_reads(guarded: Guarded, host: str) -> None:
    assert socket.getaddrinfo(host, 80)[0][4][0] in {"127.0.0.1", "0.0.0.0"}
    async with internal_receiver() as receiver:
        # aiohttp itself takes some of these for no valid host; whoever refuses, nothing is reached.
        with pytest.raises(TransportError) as raised:
            await guarded().post(at(receiver, host), body=b"", headers={})
        assert "127.0.0.1" not in str(raised.value)
        assert receiver.connections == 0


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST"])
async def test_a_name_of_the_system(guarded: Guarded, host: str) -> None:
    async with internal_receiver() as receiver:
        await refused(guarded(), at(receiver, host))
        assert receiver.connections == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "10.0.0.1", "fd00::1"])
async def test_a_name_that_leads_inside(guarded: Guarded, address: str) -> None:
    async with internal_receiver() as receiver:
        names = Names(address)
        with capture_logs() as logs:
            await refused(guarded(lookup=names), at(receiver, "innocent.example"))
        assert receiver.connections == 0
    # The operator sees what it was about.
    line = logs[0]
    assert (line["event"], line["host"], line["address"]) == ("address refused", "innocent.example", address)


async def test_a_name_that_leads_elsewhere_the_second_time(guarded: Guarded) -> None:
    """DNS rebinding: public when somebody looks, internal when the socket connects."""
    names = Names(PUBLIC, "127.0.0.1")
    # Its answers are good for no time, as they are when their short life is over.
    transport = guarded(Egress(networks([f"{PUBLIC}/32"])), names, name_seconds=0)
    async with internal_receiver() as receiver:
        url = at(receiver, "rebind.example")
        with pytest.raises(TransportError):
            await transport.post(url, body=b"", headers={})
        for _ in range(3):
            await refused(transport, url)
        assert names.asked >= 4
        assert receiver.connections == 0


async def test_a_name_that_leads_inside_once_it_is_trusted(guarded: Guarded) -> None:
    """It served a while, its connections are closed, and now its address is an internal one."""
    names = Names("127.0.0.1", "127.0.0.1", "127.0.0.2")
    transport = guarded(Egress(networks(["127.0.0.1/32"])), names, name_seconds=0)

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    async with Receiver(behave) as receiver:
        url = at(receiver, "turncoat.example")
        for _ in range(2):
            assert (await transport.post(url, body=b"", headers={})).status == 200
        await refused(transport, url)
        assert receiver.connections == 2


async def test_what_is_kept_of_a_name_is_checked_each_time(guarded: Guarded) -> None:
    names = Names("127.0.0.1")
    transport = guarded(lookup=names)
    async with internal_receiver() as receiver:
        for _ in range(2):
            await refused(transport, at(receiver, "innocent.example"))
        assert receiver.connections == 0
    assert names.asked == 1


@pytest.mark.parametrize("answer", [["10.0.0.1", "127.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["::1", "127.0.0.1"]])
async def test_a_name_with_both_kinds_of_addresses_is_reached_at_the_others(
    guarded: Guarded, answer: list[str]
) -> None:
    transport = guarded(Egress(networks(["127.0.0.0/8"])), Names(answer))
    async with internal_receiver() as receiver:
        assert (await transport.post(at(receiver, "both.example"), body=b"", headers={})).status == 200


async def test_an_address_that_takes_no_connection_leaves_the_others_their_turn(guarded: Guarded) -> None:
    transport = guarded(Egress(networks(["127.0.0.0/8"])), Names(["127.0.0.2", "127.0.0.1"]))
    async with internal_receiver() as receiver:
        for _ in range(2):
            assert (await transport.post(at(receiver, "both.example"), body=b"", headers={})).status == 200


async def test_a_port_that_is_not_open(guarded: Guarded) -> None:
    async with internal_receiver() as receiver:
        port = int(receiver.url.rpartition(":")[2].partition("/")[0])
        everywhere_else = Egress(networks(["127.0.0.0/8"]), (range(1, port), range(port + 1, 65536)))
        for host in ("127.0.0.1", "localhost"):
            await refused(guarded(everywhere_else), at(receiver, host))
        assert receiver.connections == 0


async def test_a_redirect_to_the_inside_is_not_followed(guarded: Guarded) -> None:
    async with internal_receiver() as inside:

        def redirects() -> Behaviour:
            async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await read_request(reader)
                head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {inside.url}\r\nContent-Length: 0\r\n\r\n"
                writer.write(head.encode())

            return behave

        async with Receiver(redirects()) as outside:
            transport = guarded(Egress(networks(["127.0.0.0/8"])))
            assert (await transport.post(outside.url, body=b"", headers={})).status == 307
        assert inside.connections == 0


async def test_a_connection_of_the_operators_serves_no_user(guarded: Guarded) -> None:
    operators = HttpClient(SETTINGS)
    async with internal_receiver() as receiver:
        assert (await operators.post(receiver.url, body=b"", headers={})).status == 200
        await refused(guarded(), receiver.url)
        assert (await operators.post(receiver.url, body=b"", headers={})).status == 200
        assert receiver.connections == 1
    await operators.close()


async def test_networks_of_the_settings_are_open(guarded: Guarded) -> None:
    settings = Settings(host="0.0.0.0", webhook_allow_cidrs=("127.0.0.0/8",))
    async with internal_receiver() as receiver:
        assert (await guarded(webhook_egress(settings)).post(receiver.url, body=b"", headers={})).status == 200


async def test_loopback_is_open_to_the_operator_on_a_machine_of_its_own(guarded: Guarded) -> None:
    async with internal_receiver() as receiver:
        assert (await guarded(loopback_egress(Settings())).post(receiver.url, body=b"", headers={})).status == 200
        with pytest.raises(ForbiddenError):
            await guarded(webhook_egress(Settings())).post(receiver.url, body=b"", headers={})


async def test_the_message_is_rejected(guarded: Guarded) -> None:
    transport = guarded()
    channel = WebhookChannel(ChannelContext(settings=SETTINGS, transport=transport, operators_transport=transport))
    async with internal_receiver() as receiver:
        result = await channel.deliver(delivery(channel="webhook", recipient=receiver.url))
    assert result == Rejected(error=REFUSED)


class TestCertificates:
    """With a guard as without: checked against the name in the URL, not the address that was checked."""

    @pytest.fixture
    def authority(self) -> trustme.CA:
        return trustme.CA()

    @pytest.fixture
    def trust(self, authority: trustme.CA) -> Trust:
        """The authority, known as if it were one of the system's."""

        def make() -> ssl.SSLContext:
            context = ssl.create_default_context()
            authority.configure_trust(context)
            return context

        return make

    @staticmethod
    async def post(guarded: Guarded, port: int, trust: Trust = system_trust) -> int:
        transport = guarded(Egress(networks(["127.0.0.0/8"])), Names("127.0.0.1"), trust=trust)
        return (await transport.post(f"https://receiver.example:{port}/", body=b"", headers={})).status

    async def test_of_nobody_known_is_refused(self, guarded: Guarded, authority: trustme.CA) -> None:
        async with tls_receiver(authority, "receiver.example") as port:
            with pytest.raises(TransportError, match="TLS failed"):
                await self.post(guarded, port)

    async def test_is_for_the_name_in_the_url(self, guarded: Guarded, authority: trustme.CA, trust: Trust) -> None:
        async with tls_receiver(authority, "receiver.example") as port:
            assert await self.post(guarded, port, trust) == 200
        async with tls_receiver(authority, "other.example") as port:
            with pytest.raises(TransportError, match="TLS failed"):
                await self.post(guarded, port, trust)
