"""consumers/channels/aiohttp_transport.py, against real sockets"""

import asyncio
import gzip
import socket
import time
from contextlib import suppress

import pytest

from consumers.channels.aiohttp_transport import BODY_LIMIT, AiohttpTransport
from consumers.channels.transport import TransportError
from tests.integration.consumers.channels.receivers import Behaviour, Receiver, read_request
from tidings import __version__

# More than the buffers of two sockets hold, so that it gets stuck; aiohttp warns of bodies over 1 MiB.
STUCK = bytes(20_000_000)
large_body = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


def says(answer: bytes, *, then_close: bool = False) -> Behaviour:
    """Gives `answer` to every request on a connection."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()
            if then_close:
                return

    return behave


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes whatever comes and says nothing."""
    await reader.read(-1)


async def failure(transport: AiohttpTransport, url: str, body: bytes = b"{}") -> str:
    with pytest.raises(TransportError) as raised:
        await transport.post(url, body=body, headers={})
    text = str(raised.value)
    assert "secret" not in text
    assert raised.value.__suppress_context__
    return text


async def test_an_answer_and_what_was_asked(transport: AiohttpTransport) -> None:
    requests: list[tuple[bytes, bytes]] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(b"HTTP/1.1 202 Accepted\r\nRetry-After: 5\r\nContent-Length: 5\r\n\r\nhello")

    async with Receiver(behave) as receiver:
        url = f"{receiver.url}&path=%2Fa%7E"
        answer = await transport.post(url, body="Grüße".encode(), headers={"X-One": "1"})
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (202, b"hello", "5")
    [(head, body)] = requests
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?token=secret&path=%2Fa%7E HTTP/1.1"
    assert {f"User-Agent: tidings/{__version__}", "X-One: 1", "Accept-Encoding: identity"} <= set(lines)
    assert body == "Grüße".encode()


async def test_a_connection_is_used_again_and_cookies_are_not(transport: AiohttpTransport) -> None:
    heads: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            heads.append((await read_request(reader))[0])
            writer.write(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 2\r\n\r\nok")

    async with Receiver(behave) as receiver:
        for _ in range(3):
            assert (await transport.post(receiver.url, body=b"", headers={})).body == b"ok"
        assert receiver.connections == 1
    assert not any(b"cookie" in head.lower() for head in heads)


async def test_a_receiver_that_refuses(transport: AiohttpTransport) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/?token=secret"
    assert await failure(transport, url) == "no connection: Connection refused"


async def test_a_host_that_does_not_exist(transport: AiohttpTransport) -> None:
    assert (await failure(transport, "http://no-such-host.invalid/?token=secret")).startswith("no connection: ")


@pytest.mark.parametrize("url", ["http://a..b/?secret", "http://[::1/?secret", "/hook?secret", "ftp://127.0.0.1/"])
async def test_a_url_that_is_none(transport: AiohttpTransport, url: str) -> None:
    assert await failure(transport, url) == "no connection: the URL or a header is not valid"


async def test_a_header_that_http_cannot_carry(transport: AiohttpTransport) -> None:
    async with Receiver(hang) as receiver:
        with pytest.raises(TransportError, match="header is not valid"):
            await transport.post(receiver.url, body=b"", headers={"x": "a\r\nb: c"})


async def test_a_receiver_that_hangs(transport: AiohttpTransport) -> None:
    async with Receiver(hang) as receiver:
        started = time.monotonic()
        assert await failure(transport, receiver.url) == "timed out after 0.4 s"
        assert 0.3 < time.monotonic() - started < 2


async def test_a_receiver_that_never_shakes_hands(transport: AiohttpTransport) -> None:
    async with Receiver(hang) as receiver:
        url = receiver.url.replace("http:", "https:")
        assert await failure(transport, url) == "no connection: timed out after 0.2 s"


async def test_a_receiver_that_speaks_no_tls(transport: AiohttpTransport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with Receiver(behave) as receiver:
        url = receiver.url.replace("http:", "https:")
        assert (await failure(transport, url)).startswith("no connection: TLS failed: ")


@large_body
async def test_a_receiver_that_does_not_take_the_body(transport: AiohttpTransport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.Event().wait()

    async with Receiver(behave) as receiver:
        assert await failure(transport, receiver.url, STUCK) == "timed out after 0.4 s"


@large_body
async def test_an_answer_before_the_body_is_taken(transport: AiohttpTransport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.Event().wait()

    async with Receiver(behave) as receiver:
        for _ in range(2):
            answer = await transport.post(receiver.url, body=STUCK, headers={})
            assert answer.status == 413
        assert receiver.connections == 2  # the first one is not used again: the rest of a body is stuck in it


async def test_a_connection_closed_without_a_word(transport: AiohttpTransport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)

    async with Receiver(behave) as receiver:
        assert await failure(transport, receiver.url) == "connection lost: closed without an answer"
        assert receiver.connections == 1  # a request is never sent twice by itself


async def test_a_connection_that_is_reset(transport: AiohttpTransport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.transport.abort()

    async with Receiver(behave) as receiver:
        assert (await failure(transport, receiver.url)).startswith("connection lost: ")


async def test_a_connection_cut_within_the_head(transport: AiohttpTransport) -> None:
    async with Receiver(says(b"HTTP/1.1 200 OK\r\nContent-Le", then_close=True)) as receiver:
        assert (await failure(transport, receiver.url)).startswith("connection lost: ")


async def test_an_answer_that_is_not_http(transport: AiohttpTransport) -> None:
    async with Receiver(says(b"220 mail.example ESMTP secret\r\n\r\n")) as receiver:
        assert await failure(transport, receiver.url) == "connection lost: the answer is not valid HTTP"


async def test_a_head_without_end(transport: AiohttpTransport) -> None:
    async with Receiver(says(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000)) as receiver:
        assert await failure(transport, receiver.url) == "connection lost: the answer is not valid HTTP"


async def test_the_status_decides_when_the_body_is_cut(transport: AiohttpTransport) -> None:
    async with Receiver(says(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf", then_close=True)) as receiver:
        answer = await transport.post(receiver.url, body=b"", headers={})
    assert answer.status == 202
    assert b"half".startswith(answer.body)


async def test_the_status_decides_when_the_body_drips(transport: AiohttpTransport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await reader.read()

    async with Receiver(behave) as receiver:
        started = time.monotonic()
        answer = await transport.post(receiver.url, body=b"", headers={})
        assert 0.3 < time.monotonic() - started < 2
    assert answer.status == 202
    assert answer.body
    assert not answer.body.strip(b".")


async def test_a_head_that_drips_is_timed_out(transport: AiohttpTransport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            writer.write(b".")
            await writer.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await reader.read()

    async with Receiver(behave) as receiver:
        assert await failure(transport, receiver.url) == "timed out after 0.4 s"


async def test_a_large_body_is_cut_and_its_connection_closed(transport: AiohttpTransport) -> None:
    written = 0
    closed = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await read_request(reader)
        writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 10000000\r\n\r\n")
        try:
            while written < 10_000_000:
                writer.write(b"x" * 10_000)
                await writer.drain()
                written += 10_000
        finally:
            closed.set()

    async with Receiver(behave) as receiver:
        answer = await transport.post(receiver.url, body=b"", headers={})
        assert (answer.status, answer.body) == (500, b"x" * BODY_LIMIT)
        await closed.wait()
    assert written < 10_000_000


async def test_a_body_of_exactly_the_limit_keeps_its_connection(transport: AiohttpTransport) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY_LIMIT
    async with Receiver(says(head + b"x" * BODY_LIMIT)) as receiver:
        for _ in range(2):
            assert (await transport.post(receiver.url, body=b"", headers={})).body == b"x" * BODY_LIMIT
        assert receiver.connections == 1


async def test_a_zip_bomb_stays_packed(transport: AiohttpTransport) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with Receiver(says(head + bomb)) as receiver:
        answer = await transport.post(receiver.url, body=b"", headers={})
    assert answer.body == bomb[:BODY_LIMIT]


async def test_a_redirect_is_not_followed(transport: AiohttpTransport) -> None:
    async with Receiver(hang) as elsewhere:
        head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n"
        async with Receiver(says(head.encode())) as receiver:
            answer = await transport.post(receiver.url, body=b"", headers={})
        assert answer.status == 307
        assert elsewhere.connections == 0
