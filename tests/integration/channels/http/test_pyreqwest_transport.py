"""tidings/channels/http/pyreqwest_transport.py: which requests are its own, which are aiohttp's, and whom it believes.

What both transports keep to is in test_transports.py and test_guard.py.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.integration.channels.names import Names, SilentNames
from tests.integration.channels.receivers import Receiver, read_request, tls_receiver
from tidings.channels.http.pyreqwest_transport import PyreqwestTransport
from tidings.channels.http.transport import TransportError
from tidings.domain.addresses import networks
from tidings.domain.errors import SettingsError
from tidings.security.egress import Egress
from tidings.settings import Settings

SETTINGS = Settings(connect_timeout=2.0, delivery_timeout=2.0)
LOOPBACK = Egress(networks(["127.0.0.0/8"]))


class Witness(Receiver):
    """Says yes, and who asked: the two write the names of headers in different ways."""

    def __init__(self) -> None:
        super().__init__(self._look)
        self.clients: list[str] = []

    async def _look(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head, _ = await read_request(reader)
            self.clients.append("pyreqwest" if b"\r\nhost: " in head else "aiohttp")
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


New = Callable[..., PyreqwestTransport]


@pytest.fixture
async def new() -> AsyncIterator[New]:
    """Transports that are closed at the end."""
    made = []

    def make(settings: Settings = SETTINGS, **more: Any) -> PyreqwestTransport:
        made.append(PyreqwestTransport(settings, **more))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()


@pytest.fixture
async def witness() -> AsyncIterator[Witness]:
    async with Witness() as witness:
        yield witness


@pytest.mark.parametrize(
    ("old", "instead", "client"),
    [
        ("", "", "pyreqwest"),
        ("/hook?token=secret", "", "pyreqwest"),
        ("127.0.0.1", "localhost", "pyreqwest"),
        ("127.0.0.1", "LOCALHOST", "aiohttp"),
        ("127.0.0.1", "me:secret@127.0.0.1", "aiohttp"),
        ("/hook?", "/a/../hook?", "aiohttp"),
        ("secret", "it's", "aiohttp"),
        ("secret", "secret#part", "aiohttp"),
        ("http:", "HTTP:", "aiohttp"),
    ],
)
async def test_a_url_that_would_be_rewritten_is_aiohttps(
    witness: Witness, new: New, old: str, instead: str, client: str
) -> None:
    url = witness.url.replace(old, instead, 1) if old else witness.url
    assert (await new().post(url, body=b"{}", headers={})).status == 204
    assert witness.clients == [client]


async def test_a_name_under_guard_is_aiohttps_until_it_is_worth_a_client(witness: Witness, new: New) -> None:
    transport = new(egress=LOOPBACK, resolver=Names("127.0.0.1"), worth=3)
    for _ in range(4):
        await transport.post(witness.url.replace("127.0.0.1", "busy.example"), body=b"{}", headers={})
    await transport.post(witness.url, body=b"{}", headers={})
    assert witness.clients == ["aiohttp", "aiohttp", "pyreqwest", "pyreqwest", "pyreqwest"]


async def test_an_address_that_hangs_leaves_the_time_that_is_left(new: New) -> None:
    """Two connections are tried, one by each client, and the second is not given all the time that it could have."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with Receiver(hang) as receiver:
        transport = new(
            Settings(connect_timeout=0.2, delivery_timeout=0.3),
            egress=LOOPBACK,
            resolver=Names("127.0.0.1"),
            worth=1,
        )
        url = receiver.url.replace("http://127.0.0.1", "https://hangs.example")
        with pytest.raises(TransportError, match=r"timed out after 0\.3 s$"):
            await transport.post(url, body=b"{}", headers={})


async def test_names_that_nobody_resolves_take_no_longer_than_a_try(new: New) -> None:
    names = SilentNames()
    transport = new(Settings(connect_timeout=0.2, delivery_timeout=0.2), egress=LOOPBACK, resolver=names, worth=1)
    with pytest.raises(TransportError, match=r"^no connection: timed out after 0\.2 s$") as raised:
        await transport.post("https://silent.example/", body=b"{}", headers={})
    assert not raised.value.unanswered
    assert names.asked == 1


async def test_a_machine_without_certificates_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    monkeypatch.setenv("SSL_CERT_DIR", "/nonexistent")
    with pytest.raises(SettingsError, match=r"^HTTP_TRANSPORT: pyreqwest does not start: .*CA certificates"):
        PyreqwestTransport(SETTINGS)


class TestCertificates:
    """Without a guard there is no aiohttp behind a connection that fails, so what is seen here is pyreqwest's own."""

    @staticmethod
    async def post(transport: PyreqwestTransport, port: int) -> int:
        return (await transport.post(f"https://localhost:{port}/", body=b"{}", headers={})).status

    @pytest.fixture
    def authority(self, tmp_path: Path) -> trustme.CA:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        return authority

    @pytest.fixture
    def trusted(self, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
        """The authority, known to this process as if it were one of the system's."""
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        return authority

    async def test_of_somebody_known(self, trusted: trustme.CA, new: New) -> None:
        async with tls_receiver(trusted, "localhost") as port:
            assert await self.post(new(), port) == 200

    async def test_of_nobody_known(self, authority: trustme.CA, new: New) -> None:
        async with tls_receiver(authority, "localhost") as port:
            with pytest.raises(
                TransportError, match=r"^no connection: TLS failed: invalid peer certificate: "
            ) as raised:
                await self.post(new(), port)
        assert not raised.value.unanswered

    async def test_of_another_name(self, trusted: trustme.CA, new: New) -> None:
        async with tls_receiver(trusted, "other.example") as port:
            with pytest.raises(
                TransportError, match=r"^no connection: TLS failed: invalid peer certificate: "
            ) as raised:
                await self.post(new(), port)
        assert "other.example" not in str(raised.value)
