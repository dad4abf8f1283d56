"""Which failures of a request leave it open whether the far side has it."""

import asyncio
import socket

import pytest

from tests.integration.channels.receivers import Receiver, read_request
from tidings.channels.http.transport import Transport, TransportError


async def unanswered(transport: Transport, url: str) -> bool:
    with pytest.raises(TransportError) as raised:
        await transport.post(url, body=b"{}", headers={})
    return raised.value.unanswered


async def test_a_connection_that_is_cut_after_the_request(transport: Transport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)

    async with Receiver(behave) as receiver:
        assert await unanswered(transport, receiver.url)


async def test_an_answer_that_does_not_come_in_time(transport: Transport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await reader.read()

    async with Receiver(behave) as receiver:
        assert await unanswered(transport, receiver.url)


async def test_no_connection(transport: Transport) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    assert not await unanswered(transport, url)


@pytest.mark.parametrize("url", ["http://no-such-host.invalid/", "http://a..b/", "ftp://127.0.0.1/"])
async def test_nobody_to_connect_to(transport: Transport, url: str) -> None:
    assert not await unanswered(transport, url)
