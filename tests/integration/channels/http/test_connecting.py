"""tidings/channels/http/connecting.py: how connections come to be, and that none is left behind"""

import asyncio
import os
import socket
import ssl
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from structlog.testing import capture_logs

from tests.eventually import eventually
from tests.integration.channels.names import Names
from tests.integration.channels.receivers import Behaviour, Receiver, read_request, strict_receiver, tls_receiver
from tidings.channels.base import About
from tidings.channels.http import pool, resolving
from tidings.channels.http.client import HttpClient
from tidings.channels.http.judgement import about
from tidings.channels.http.resolving import REFUSED
from tidings.channels.http.tls import CONTEXTS_KEPT, Contexts
from tidings.channels.http.transport import ForbiddenError, ShortageError, TransportError
from tidings.domain.addresses import networks
from tidings.security.client_certificate import ClientCertificate
from tidings.security.egress import Egress, webhook_egress
from tidings.settings import Settings

SETTINGS = Settings(connect_timeout=1.0, delivery_timeout=2.0)
LOOPBACK = Egress(networks(["127.0.0.0/8", "::1/128"]))
YES = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

MakeClient = Callable[..., HttpClient]


@pytest.fixture
async def make_client() -> AsyncIterator[MakeClient]:
    made: list[HttpClient] = []

    def make(settings: Settings = SETTINGS, **more: Any) -> HttpClient:
        made.append(HttpClient(settings, **more))
        return made[-1]

    yield make
    for client in made:
        await client.close()


async def say_yes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await read_request(reader)
        writer.write(YES)
        await writer.drain()


async def post(client: HttpClient, url: str, **more: Any) -> int:
    return (await client.post(url, body=b"{}", headers={}, **more)).status


async def failure(client: HttpClient, url: str, **more: Any) -> TransportError:
    with pytest.raises(TransportError) as raised:
        await post(client, url, **more)
    assert "secret" not in str(raised.value)
    return raised.value


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


# Client certificates


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trust(authority: trustme.CA) -> Callable[[], ssl.SSLContext]:
    def make() -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        return context

    return make


def certificate(authority: trustme.CA, name: str = "client.example") -> ClientCertificate:
    issued = authority.issue_cert(name)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    return ClientCertificate(chain.decode(), issued.private_key_pem.bytes().decode())


@contextmanager
def asking(authority: trustme.CA, version: ssl.TLSVersion) -> Iterator[str]:
    """A receiver that lets nobody in who shows no certificate of this authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    with strict_receiver(context) as port:
        yield f"https://127.0.0.1:{port}/"


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class TestClientCertificates:
    @pytest.mark.parametrize("version", VERSIONS)
    async def test_one_that_is_wanted(
        self, make_client: MakeClient, authority: trustme.CA, trust: Any, version: ssl.TLSVersion
    ) -> None:
        client = make_client(trust=trust)
        with asking(authority, version) as url:
            assert await post(client, url, certificate=certificate(authority)) == 200
            # It is of that request alone.
            error = await failure(client, url)
        assert "client certificate" in str(error)
        # The receiver did not read the request.
        assert about(error) is About.HOST

    @pytest.mark.parametrize("version", VERSIONS)
    async def test_one_of_an_authority_that_is_not_known(
        self, make_client: MakeClient, authority: trustme.CA, trust: Any, version: ssl.TLSVersion
    ) -> None:
        with asking(authority, version) as url:
            error = await failure(make_client(trust=trust), url, certificate=certificate(trustme.CA()))
        assert "the receiver does not accept the client certificate" in str(error)
        assert about(error) is About.HOST

    async def test_one_that_is_none(self, make_client: MakeClient, authority: trustme.CA, trust: Any) -> None:
        good, other = certificate(authority), certificate(authority)
        for wrong in (ClientCertificate("secret", "secret"), ClientCertificate(good.chain, other.key)):
            with asking(authority, VERSIONS[1]) as url:
                error = await failure(make_client(trust=trust), url, certificate=wrong)
            assert str(error).startswith("no connection: TLS failed: ")
            assert not error.unanswered

    async def test_an_encrypted_key_asks_nobody_for_a_password(
        self, make_client: MakeClient, authority: trustme.CA, trust: Any
    ) -> None:
        from cryptography.hazmat.primitives import serialization

        good = certificate(authority)
        key = serialization.load_pem_private_key(good.key.encode(), None)
        sealed = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
        wrong = ClientCertificate(good.chain, sealed.decode())
        with asking(authority, VERSIONS[1]) as url:
            assert str(await failure(make_client(trust=trust), url, certificate=wrong)).startswith("no connection: TLS")

    async def test_connections_are_kept_apart(self, make_client: MakeClient, authority: trustme.CA, trust: Any) -> None:
        client, mine = make_client(trust=trust), certificate(authority)
        async with tls_receiver(authority, "127.0.0.1") as port:
            for given in (None, mine, None, mine):
                assert await post(client, f"https://127.0.0.1:{port}/", certificate=given) == 200
            assert len(client._pool) == 2

    async def test_contexts_are_kept_and_bounded(self, authority: trustme.CA) -> None:
        contexts = Contexts(lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        good = certificate(authority)
        first = await contexts.get(good)
        assert await contexts.get(good) is first
        for number in range(CONTEXTS_KEPT):
            await contexts.get(ClientCertificate(good.chain, f"{good.key}\n{'#' * number}"))
        assert len(contexts._kept) == CONTEXTS_KEPT
        assert await contexts.get(good) is not first

    def test_it_is_in_no_representation(self) -> None:
        assert "hunter2" not in repr(ClientCertificate("hunter2", "hunter2"))


# The egress proxy


class ProxyServer:
    """Does what CONNECT asks for, or says `answer`."""

    def __init__(
        self, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n", leads_to: int | None = None
    ) -> None:
        self.heads: list[bytes] = []
        self._answer = answer
        self._leads_to = leads_to

    async def behave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if b" 200 " not in self._answer:
            writer.write(self._answer)
            return
        port = self._leads_to or int(head.split()[1].rpartition(b":")[2])
        back, there = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(self._answer)
            await asyncio.gather(self._pass(reader, there), self._pass(back, writer))
        finally:
            there.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Settings]:
        async with Receiver(self.behave) as receiver:
            proxy = f"http://ann:secret%21@127.0.0.1:{port_of(receiver.url)}"
            yield Settings(connect_timeout=1.0, delivery_timeout=2.0, host="0.0.0.0", egress_proxy=proxy)


class TestProxy:
    async def test_it_is_asked_for_names_that_are_looked_up_there(self, make_client: MakeClient) -> None:
        names = Names("127.0.0.1")
        async with Receiver(say_yes) as receiver:
            proxy = ProxyServer(leads_to=port_of(receiver.url))
            async with proxy.running() as settings:
                client = make_client(settings, egress=webhook_egress(settings), lookup=names)
                for _ in range(2):
                    assert await post(client, "http://receiver.example:8080/hook") == 200
            assert receiver.connections == 1
        [head] = proxy.heads
        credentials = b64encode(b"ann:secret!").decode()
        assert head.decode().split("\r\n") == [
            "CONNECT receiver.example:8080 HTTP/1.1",
            "Host: receiver.example:8080",
            f"Proxy-Authorization: Basic {credentials}",
            "",
            "",
        ]
        assert not names.asked

    async def test_tls_goes_through_it_to_the_receiver(
        self, make_client: MakeClient, authority: trustme.CA, trust: Any
    ) -> None:
        async with (
            tls_receiver(authority, "receiver.example") as port,
            ProxyServer(leads_to=port).running() as settings,
        ):
            client = make_client(settings, egress=webhook_egress(settings), trust=trust)
            assert await post(client, "https://receiver.example/") == 200
            assert "TLS failed" in str(await failure(client, "https://other.example/"))

    async def test_operators_addresses_do_not(self, make_client: MakeClient) -> None:
        proxy = ProxyServer()
        async with Receiver(say_yes) as receiver, proxy.running() as settings:
            assert await post(make_client(settings), receiver.url) == 200
        assert not proxy.heads

    @pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254"])
    async def test_a_closed_address_in_a_url_is_refused_before(self, make_client: MakeClient, host: str) -> None:
        proxy = ProxyServer()
        async with proxy.running() as settings:
            client = make_client(settings, egress=webhook_egress(settings))
            error = await failure(client, f"http://{host}:8080/")
        assert isinstance(error, ForbiddenError)
        assert str(error) == REFUSED
        assert not proxy.heads

    async def test_so_is_a_closed_port(self, make_client: MakeClient) -> None:
        proxy = ProxyServer()
        async with proxy.running() as settings:
            error = await failure(make_client(settings, egress=webhook_egress(settings)), "http://receiver.example:22/")
        assert isinstance(error, ForbiddenError)
        assert not proxy.heads

    @pytest.mark.parametrize(
        ("answer", "text"),
        [
            (b"HTTP/1.1 403 Forbidden\r\n\r\n", "the egress proxy refused: HTTP 403 Forbidden"),
            (
                b"HTTP/1.1 407 Denied by rule secret\r\n\r\n",
                "the egress proxy refused: HTTP 407 Proxy Authentication Required",
            ),
            (b"HTTP/1.1 502 Bad\r\n\r\n", "the egress proxy could not reach it: HTTP 502 Bad Gateway"),
            (b"", "the egress proxy closed without an answer"),
            (b"SSH-2.0-x\r\n\r\n", "the egress proxy closed without an answer"),
        ],
    )
    async def test_what_it_says_is_told(self, make_client: MakeClient, answer: bytes, text: str) -> None:
        async with ProxyServer(answer).running() as settings:
            client = make_client(settings, egress=webhook_egress(settings))
            error = await failure(client, "https://receiver.example/")
        assert str(error) == f"no connection: {text}"
        assert not error.unanswered

    async def test_what_comes_after_its_yes_answers_nothing(self, make_client: MakeClient) -> None:
        async with Receiver(say_yes) as receiver:
            proxy = ProxyServer(b"HTTP/1.1 200 OK\r\n\r\n" + YES, leads_to=port_of(receiver.url))
            async with proxy.running() as settings:
                client = make_client(settings, egress=webhook_egress(settings))
                error = await failure(client, "http://receiver.example/")
        assert str(error) == "no connection: the egress proxy's answer is not valid"

    async def test_one_that_hangs_is_timed_out(self, make_client: MakeClient) -> None:
        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with Receiver(hang) as receiver:
            settings = Settings(
                connect_timeout=0.2, delivery_timeout=2.0, egress_proxy=f"http://127.0.0.1:{port_of(receiver.url)}"
            )
            client = make_client(settings, egress=webhook_egress(settings))
            error = await failure(client, "http://receiver.example/")
        assert str(error) == "no connection: timed out after 0.2 s"


# Names


async def test_a_name_that_moves_is_followed_though_traffic_is_steady(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "AGE_SECONDS", 0.2)
    names = Names("127.0.0.1")
    client = make_client(lookup=names, name_seconds=0.1)
    served: dict[str, int] = {}

    def answering(name: str) -> Behaviour:
        async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await read_request(reader)
                served[name] = served.get(name, 0) + 1
                writer.write(YES)

        return behave

    async with (
        Receiver(answering("blue")) as blue,
        Receiver(answering("green"), host="127.0.0.2", port=port_of(blue.url)),
    ):
        url = blue.url.replace("127.0.0.1", "receiver.example")
        assert await post(client, url) == 200
        names.answers = [["127.0.0.2"]]

        async def moved() -> bool:
            assert await post(client, url) == 200
            return "green" in served

        await eventually(moved)
        before = served["blue"]
        for _ in range(20):
            await post(client, url)
        assert served["blue"] == before


async def test_a_connection_serves_so_many_requests(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "REQUESTS_LIMIT", 3)
    client = make_client()
    async with Receiver(say_yes) as receiver:
        for _ in range(7):
            await post(client, receiver.url)
        assert receiver.connections == 3


async def test_a_name_whose_servers_hang_holds_up_no_other(make_client: MakeClient) -> None:
    never = asyncio.Event()

    async def look_up(host: str, port: int) -> Any:
        if host == "hangs.example":
            await never.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    client = make_client(Settings(connect_timeout=0.3, delivery_timeout=2.0), lookup=look_up)
    async with Receiver(say_yes) as receiver:
        hanging = [
            asyncio.create_task(failure(client, receiver.url.replace("127.0.0.1", "hangs.example"))) for _ in range(20)
        ]
        await asyncio.sleep(0)
        assert await post(client, receiver.url.replace("127.0.0.1", "works.example")) == 200
        assert {str(await task) for task in hanging} == {"no connection: timed out after 0.3 s"}
    never.set()


async def test_ipv6(make_client: MakeClient) -> None:
    heads: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(YES)

    async with Receiver(behave, host="::1") as receiver:
        client = make_client(lookup=Names(["192.0.2.1", "::1"]))
        assert await post(client, receiver.url) == 200
        # The first of the two does not answer.
        assert await post(client, receiver.url.replace("[::1]", "both.example")) == 200
        assert b"\r\nHost: [::1]:%d\r\n" % port_of(receiver.url) in heads[0]


# Shortages of our own


WITHOUT_FILES = """
import asyncio, os, resource, socket, sys
from tidings.channels.http.client import HttpClient
from tidings.channels.http.transport import ShortageError
from tidings.settings import Settings

async def look_up(host, port):
    if host == "unknown.example":
        raise socket.gaierror(socket.EAI_AGAIN, "as the C library says where it gets no socket")
    return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port)) for address in ("127.0.0.1", "127.0.0.2")]

async def main():
    client = HttpClient(Settings(), lookup=look_up)
    spare = os.dup(0)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, spare))
    try:
        await client.post(f"http://{sys.argv[1]}:1/", body=b"", headers={})
    except ShortageError as error:
        print(error, error.unanswered)

asyncio.run(main())
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "two.example", "unknown.example"])
async def test_no_file_left_is_a_shortage_and_says_so(host: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WITHOUT_FILES, host, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert said.decode() == "no connection: Too many open files on our side False\n"


@pytest.mark.parametrize("number", sorted(resolving.SHORTAGES))
async def test_so_is_each_other_lack(make_client: MakeClient, number: int) -> None:
    async def look_up(name: str, port: int) -> Any:
        raise OSError(number, os.strerror(number))

    assert isinstance(await failure(make_client(lookup=look_up), "http://receiver.example/"), ShortageError)


async def test_a_name_that_is_not_found_is_none(make_client: MakeClient) -> None:
    async def look_up(name: str, port: int) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    error = await failure(make_client(lookup=look_up), "http://receiver.example/")
    assert str(error) == "no connection: the host name was not found"
    assert not isinstance(error, ShortageError)


async def test_idle_connections_make_room(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make_client()
    calls = 0
    original = client._connector.open

    async def scarce(*given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if len(client._pool):
            raise ShortageError("no connection: Too many open files on our side")
        return await original(*given, **more)

    async with Receiver(say_yes) as first, Receiver(say_yes) as second:
        await post(client, first.url)
        monkeypatch.setattr(client._connector, "open", scarce)
        with capture_logs() as logs:
            assert await post(client, second.url) == 200
        assert [entry["event"] for entry in logs] == ["idle connections closed"]
        assert calls == 2


async def test_idle_connections_are_bounded(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidings.channels.http.client.IDLE_LIMIT", 5)
    client = make_client(lookup=Names("127.0.0.1"))
    async with Receiver(say_yes) as receiver:
        for number in range(20):
            assert await post(client, receiver.url.replace("127.0.0.1", f"receiver-{number}.example")) == 200
        assert len(client._pool) == 5
        assert receiver.connections == 20


# What is left behind


def sockets() -> int:
    found = 0
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the folder's own
            found += str(path.readlink()).startswith("socket:")
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
@pytest.mark.parametrize("moment", [0.0, 0.001, 0.02, 0.1])
@pytest.mark.parametrize("where", ["connect", "race", "handshake", "proxy", "answer"])
async def test_a_caller_that_gives_up_leaves_no_socket(
    make_client: MakeClient, trust: Any, where: str, moment: float
) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    addresses = ["192.0.2.1", "192.0.2.2", "127.0.0.1"] if where == "race" else ["127.0.0.1"]
    async with Receiver(hang) as receiver:
        settings = SETTINGS
        if where == "proxy":
            settings = Settings(egress_proxy=f"http://127.0.0.1:{port_of(receiver.url)}")
        client = make_client(
            settings, egress=LOOPBACK if where == "proxy" else None, lookup=Names(addresses), trust=trust
        )
        scheme = "https" if where == "handshake" else "http"
        url = f"{scheme}://{'192.0.2.1' if where == 'connect' else 'receiver.example'}:{port_of(receiver.url)}/"
        before = sockets()
        tasks = [asyncio.create_task(post(client, url)) for _ in range(5)]
        await asyncio.sleep(moment)
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            # An address that nobody has may be refused at once.
            assert isinstance(ended, asyncio.CancelledError) or where == "connect"

        async def gone() -> bool:
            # The receiver's side goes as it sees the end of ours.
            return sockets() <= before

        await eventually(gone)
        assert not client._limits._running
