"""What a transport keeps to (tidings/channels/http/transport.py), against real sockets"""

import asyncio
import gzip
import socket
import time
from base64 import b64encode
from contextlib import suppress

import pytest

from tests.integration.channels.receivers import Behaviour, Receiver, read_request
from tidings import __version__
from tidings.channels.http.client import HttpClient
from tidings.channels.http.transport import BODY_LIMIT, Transport, TransportError
from tidings.settings import Settings

# More than the buffers of two sockets hold, so that it gets stuck.
STUCK = bytes(20_000_000)


def keeps(heads: list[bytes]) -> Behaviour:
    """Keeps the head of each request."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    return behave


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


async def failure(transport: Transport, url: str, body: bytes = b"{}") -> str:
    with pytest.raises(TransportError) as raised:
        await transport.post(url, body=body, headers={})
    text = str(raised.value)
    assert "secret" not in text
    assert raised.value.__suppress_context__
    return text


async def test_an_answer_and_what_was_asked(transport: Transport) -> None:
    requests: list[tuple[bytes, bytes]] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(b"HTTP/1.1 202 Accepted\r\nRetry-After: 5\r\nContent-Length: 5\r\n\r\nhello")

    async with Receiver(behave) as receiver:
        url = f"{receiver.url}&path=%2Fa%7E"
        answer = await transport.post(url, body="Grüße".encode(), headers={"X-One": "1"})
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (202, b"hello", "5")
    [(head, body)] = requests
    first, *lines = head.decode().split("\r\n")
    assert first == "POST /hook?token=secret&path=%2Fa%7E HTTP/1.1"
    sent = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert {"user-agent": f"tidings/{__version__}", "x-one": "1", "accept-encoding": "identity"}.items() <= sent.items()
    assert sent["host"] == receiver.url.split("/")[2]
    assert body == "Grüße".encode()


async def test_who_asks_for_a_user_in_the_url_is_told(transport: Transport) -> None:
    heads: list[bytes] = []
    async with Receiver(keeps(heads)) as receiver:
        url = receiver.url.replace("http://", "http://ann:secret@")
        assert (await transport.post(url, body=b"", headers={})).status == 204
    lines = heads[0].decode().split("\r\n")
    assert lines[0] == "POST /hook?token=secret HTTP/1.1"
    assert f"Authorization: Basic {b64encode(b'ann:secret').decode()}" in lines
    assert "ann" not in "".join(line for line in lines if line.lower().startswith("host:"))


async def test_a_connection_is_used_again_and_cookies_are_not(transport: Transport) -> None:
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


async def test_a_receiver_that_refuses(transport: Transport) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/?token=secret"
    assert await failure(transport, url) == "no connection: Connection refused"


async def test_a_host_that_does_not_exist(transport: Transport) -> None:
    assert (await failure(transport, "http://no-such-host.invalid/?token=secret")).startswith("no connection: ")


@pytest.mark.parametrize("url", ["http://a..b/?secret", "http://[::1/?secret", "/hook?secret", "ftp://127.0.0.1/"])
async def test_a_url_that_is_none(transport: Transport, url: str) -> None:
    assert await failure(transport, url) == "no connection: the URL or a header is not valid"


async def test_a_header_that_http_cannot_carry(transport: Transport) -> None:
    async with Receiver(hang) as receiver:
        with pytest.raises(TransportError, match="header is not valid"):
            await transport.post(receiver.url, body=b"", headers={"x": "a\r\nb: c"})


async def test_a_receiver_that_hangs(transport: Transport) -> None:
    async with Receiver(hang) as receiver:
        started = time.monotonic()
        assert await failure(transport, receiver.url) == "timed out after 0.4 s"
        assert 0.3 < time.monotonic() - started < 2


async def test_a_receiver_that_never_shakes_hands(transport: Transport) -> None:
    async with Receiver(hang) as receiver:
        url = receiver.url.replace("http:", "https:")
        assert await failure(transport, url) == "no connection: timed out after 0.2 s"


async def test_a_receiver_that_speaks_no_tls(transport: Transport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with Receiver(behave) as receiver:
        url = receiver.url.replace("http:", "https:")
        assert (await failure(transport, url)).startswith("no connection: TLS failed: ")


async def test_a_receiver_that_does_not_take_the_body(transport: Transport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.Event().wait()

    async with Receiver(behave) as receiver:
        assert await failure(transport, receiver.url, STUCK) == "timed out after 0.4 s"


async def test_an_answer_before_the_body_is_taken(transport: Transport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.Event().wait()

    async with Receiver(behave) as receiver:
        for _ in range(2):
            answer = await transport.post(receiver.url, body=STUCK, headers={})
            assert answer.status == 413
        assert receiver.connections == 2  # the first one is not used again: the rest of a body is stuck in it


async def test_a_connection_closed_without_a_word(transport: Transport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)

    async with Receiver(behave) as receiver:
        assert await failure(transport, receiver.url) == "connection lost: closed without an answer"
        assert receiver.connections == 1  # a request is never sent twice by itself


async def test_a_connection_that_is_reset(transport: Transport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.transport.abort()

    async with Receiver(behave) as receiver:
        assert (await failure(transport, receiver.url)).startswith("connection lost: ")


async def test_the_status_decides_when_the_head_is_cut(transport: Transport) -> None:
    async with Receiver(says(b"HTTP/1.1 200 OK\r\nContent-Le", then_close=True)) as receiver:
        answer = await transport.post(receiver.url, body=b"", headers={})
    assert (answer.status, answer.body) == (200, b"")


async def test_a_connection_cut_within_the_status(transport: Transport) -> None:
    async with Receiver(says(b"HTTP/1.1 20", then_close=True)) as receiver:
        assert (await failure(transport, receiver.url)).startswith("connection lost: ")


async def test_an_answer_that_is_not_http(transport: Transport) -> None:
    async with Receiver(says(b"220 mail.example ESMTP secret\r\n\r\n")) as receiver:
        assert await failure(transport, receiver.url) == "connection lost: the answer is not valid HTTP"


async def test_the_status_decides_when_the_head_has_no_end(transport: Transport) -> None:
    async with Receiver(says(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000)) as receiver:
        assert (await transport.post(receiver.url, body=b"", headers={})).status == 200


async def test_the_status_decides_when_the_body_is_cut(transport: Transport) -> None:
    async with Receiver(says(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100\r\n\r\nhalf", then_close=True)) as receiver:
        answer = await transport.post(receiver.url, body=b"", headers={})
    assert answer.status == 202
    assert b"half".startswith(answer.body)


def drips(beginning: bytes) -> Behaviour:
    """Sends the beginning of an answer at once, and then a byte every 20 ms."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(beginning)
        while True:
            writer.write(b".")
            await writer.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await reader.read()

    return behave


async def test_the_status_decides_when_the_body_drips(transport: Transport) -> None:
    async with Receiver(drips(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n")) as receiver:
        started = time.monotonic()
        answer = await transport.post(receiver.url, body=b"", headers={})
        assert 0.3 < time.monotonic() - started < 2
    assert answer.status == 202
    assert answer.body
    assert not answer.body.strip(b".")


async def test_the_status_decides_when_the_head_drips(transport: Transport) -> None:
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
        started = time.monotonic()
        assert (await transport.post(receiver.url, body=b"", headers={})).status == 200
        assert 0.3 < time.monotonic() - started < 2


async def test_a_large_body_is_cut_and_its_connection_closed(transport: Transport) -> None:
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


async def test_a_body_of_exactly_the_limit_keeps_its_connection(transport: Transport) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY_LIMIT
    async with Receiver(says(head + b"x" * BODY_LIMIT)) as receiver:
        for _ in range(2):
            assert (await transport.post(receiver.url, body=b"", headers={})).body == b"x" * BODY_LIMIT
        assert receiver.connections == 1


async def test_a_zip_bomb_stays_packed(transport: Transport) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    async with Receiver(says(head + bomb)) as receiver:
        answer = await transport.post(receiver.url, body=b"", headers={})
    assert answer.body == bomb[:BODY_LIMIT]


async def test_a_redirect_is_not_followed(transport: Transport) -> None:
    async with Receiver(hang) as elsewhere:
        head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n"
        async with Receiver(says(head.encode())) as receiver:
            answer = await transport.post(receiver.url, body=b"", headers={})
        assert answer.status == 307
        assert elsewhere.connections == 0


ODD_TARGETS = [
    "/",
    "/a//b/./c/../d",
    "/a%2fb%2Fc%7e~;v=1,2:@!$&'()*+",
    "/?sig=%2b%2B+/==&x=a|b^c`d{e}&q=it's",
    "/?a[]=1&a[]=\\&b=?&c=%zz%",
    "/%C3%A4?%e4",
]


@pytest.mark.parametrize("target", ODD_TARGETS)
async def test_a_url_goes_out_letter_for_letter(transport: Transport, target: str) -> None:
    heads: list[bytes] = []
    async with Receiver(keeps(heads)) as receiver:
        url = receiver.url.partition("/hook")[0] + target
        assert (await transport.post(url, body=b"", headers={})).status == 204
    assert heads[0].split(b"\r\n")[0].decode() == f"POST {target} HTTP/1.1"


async def test_an_empty_body_has_a_length(transport: Transport) -> None:
    heads: list[bytes] = []
    async with Receiver(keeps(heads)) as receiver:
        await transport.post(receiver.url, body=b"", headers={})
    assert b"\r\ncontent-length: 0\r\n" in heads[0].lower()


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Receiver(hang) as proxy, Receiver(says(b"HTTP/1.1 204 No Content\r\n\r\n")) as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        transport = HttpClient(Settings())
        assert (await transport.post(receiver.url, body=b"", headers={})).status == 204
        await transport.close()
        assert proxy.connections == 0


@pytest.mark.parametrize("then", ["close", "abort"])
async def test_a_kept_connection_that_ends_under_a_request_costs_no_try(transport: Transport, then: str) -> None:
    """Once more on a new one, marked: the receiver may have taken the request."""
    heads: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        heads.append((await read_request(reader))[0])
        if then == "abort":
            writer.transport.abort()

    async with Receiver(behave) as receiver:
        for _ in range(2):
            answer = await transport.post(receiver.url, body=b"{}", headers={}, when_repeated={"again": "true"})
            assert answer.status == 200
        assert receiver.connections == 2
    assert [b"\r\nagain: true\r\n" in head for head in heads] == [False, False, True]


async def test_a_request_goes_out_twice_at_the_most(transport: Transport) -> None:
    requests = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1
        if requests == 1:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await read_request(reader)
            requests += 1

    async with Receiver(behave) as receiver:
        await transport.post(receiver.url, body=b"{}", headers={})
        assert await failure(transport, receiver.url) == "connection lost: closed without an answer"
        assert (receiver.connections, requests) == (2, 3)


@pytest.mark.parametrize("said", [b"", b"H", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_request_of_which_something_came_back_is_not_repeated(transport: Transport, said: bytes) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await read_request(reader)
        writer.write(said)

    async with Receiver(behave) as receiver:
        await transport.post(receiver.url, body=b"{}", headers={})
        if said:
            assert (await failure(transport, receiver.url)).startswith("connection lost: ")
        else:
            assert (await transport.post(receiver.url, body=b"{}", headers={})).status == 200
        assert receiver.connections == 1 + (not said)


async def test_a_request_that_times_out_on_a_kept_connection_is_not_repeated(transport: Transport) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with Receiver(behave) as receiver:
        await transport.post(receiver.url, body=b"{}", headers={})
        assert await failure(transport, receiver.url) == "timed out after 0.4 s"
        assert receiver.connections == 1


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "a b", "a:", ""])
async def test_a_header_that_is_the_clients_own_or_none(transport: Transport, name: str) -> None:
    async with Receiver(hang) as receiver:
        with pytest.raises(TransportError, match="header is not valid"):
            await transport.post(receiver.url, body=b"", headers={name: "1"})
        assert receiver.connections == 0


async def test_headers_of_the_caller_come_before_those_of_the_url_and_ours(transport: Transport) -> None:
    heads: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await read_request(reader))[0])
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with Receiver(behave) as receiver:
        url = receiver.url.replace("http://", "http://ann:secret@")
        await transport.post(url, body=b"", headers={"USER-AGENT": "mine", "authorization": "Bearer x"})
    lines = heads[0].decode().lower().split("\r\n")
    assert [line for line in lines if line.startswith(("user-agent", "authorization"))] == [
        "user-agent: mine",
        "authorization: bearer x",
    ]


@pytest.mark.parametrize("line", [b"X: a\r\n b", b"X: \xfc", b"Retry-After: \xfc", b"Set-Cookie: a=b"])
async def test_a_crooked_header_changes_nothing(transport: Transport, line: bytes) -> None:
    answer = b"HTTP/1.1 202 Accepted\r\n" + line + b"\r\nContent-Length: 2\r\nX-Last: 1\r\n\r\nok"
    async with Receiver(says(answer)) as receiver:
        answered = await transport.post(receiver.url, body=b"", headers={})
    assert (answered.status, answered.body, answered.headers.get("x-last")) == (202, b"ok", "1")
    assert answered.headers.get("x-none") is None
    assert "content-length" in {name.lower() for name in answered.headers}


async def test_a_request_that_is_abandoned_ends_at_its_time_limit_at_the_latest(transport: Transport) -> None:
    arrived, closed = asyncio.Event(), asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        arrived.set()
        await reader.read()
        closed.set()

    async with Receiver(behave) as receiver:
        request = asyncio.create_task(transport.post(receiver.url, body=b"{}", headers={}))
        await arrived.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await closed.wait()
