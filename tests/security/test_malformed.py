"""api/http/faults.py: what is no HTTP request gets our words, and the log one line a minute without a byte of it."""

import asyncio
import io
import random
import re

import msgspec
import pytest

from api.http import faults
from api.http.tally import Tally
from tests.security.conftest import Listen
from tidings.observability.logs import configure_logging

SECRET = "tdg_swordfish_4711"
HOST = b"Host: localhost\r\n"
BEARER = f"Authorization: Bearer {SECRET}".encode()
POST = b"POST / HTTP/1.1\r\n" + HOST

MALFORMED: dict[str, tuple[bytes, int]] = {
    "a control character in a key": (b"GET / HTTP/1.1\r\n" + HOST + BEARER + b"\x01\r\n\r\n", 400),
    "a zero in a key": (b"GET / HTTP/1.1\r\n" + HOST + BEARER + b"\x00\r\n\r\n", 400),
    "a bare return in a key": (b"GET / HTTP/1.1\r\n" + HOST + BEARER + b"\rX: 1\r\n\r\n", 400),
    "a space before the colon": (b"GET / HTTP/1.1\r\n" + HOST + BEARER.replace(b":", b" :") + b"\r\n\r\n", 400),
    "a folded key": (
        b"GET / HTTP/1.1\r\n" + HOST + b"Authorization: Bearer\r\n " + SECRET.encode() + b"\x02\r\n\r\n",
        400,
    ),
    "another version": (f"GET /?key={SECRET} HTTP/9.9\r\n\r\n".encode(), 400),
    "no method": (f"{SECRET} / HTTP/1.1\r\n".encode() + HOST + b"\r\n", 400),
    "a method in brackets": (f"<{SECRET}> / HTTP/1.1\r\n".encode() + HOST + b"\r\n", 400),
    "a line that is too long": (f"GET /{SECRET * 1000} HTTP/1.1\r\n".encode() + HOST + b"\r\n", 414),
    "a header that is too long": (b"GET / HTTP/1.1\r\n" + HOST + BEARER * 400 + b"\r\n\r\n", 431),
    "two lengths": (
        b"POST / HTTP/1.1\r\n" + HOST + BEARER + b"\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        400,
    ),
    "a length that is a word": (b"POST / HTTP/1.1\r\n" + HOST + BEARER + b"\r\nContent-Length: one\r\n\r\n", 400),
    "a negative length": (b"POST / HTTP/1.1\r\n" + HOST + BEARER + b"\r\nContent-Length: -1\r\n\r\n", 400),
    "a length and chunks": (
        b"POST / HTTP/1.1\r\n"
        + HOST
        + BEARER
        + b"\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "an expectation": (b"GET /nowhere HTTP/1.1\r\n" + HOST + b"Expect: " + SECRET.encode() + b"\r\n\r\n", 417),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SECRET.encode() + b"\r\n\r\n", 400),
    "another protocol": (f"EHLO {SECRET}\r\n".encode(), 400),
}


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    configure_logging("api", "DEBUG", stream=stream)
    monkeypatch.setattr(faults, "_malformed", Tally("malformed requests"))
    return stream


async def exchange(address: tuple[str, int], data: bytes, *, whole: bool = False) -> bytes:
    """All that is answered until the connection ends; `whole`: nothing more will come of the client."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(data)
        if whole:
            writer.write_eof()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_the_answer_is_a_problem_that_repeats_nothing(listen: Listen, said: io.StringIO) -> None:
    async with listen() as address:
        answers = {name: await exchange(address, data) for name, (data, _) in MALFORMED.items()}
    for name, answer in answers.items():
        status = MALFORMED[name][1]
        head, _, body = answer.partition(b"\r\n\r\n")
        assert re.match(rb"HTTP/1\.[01] %d " % status, head), (name, answer)
        problem = msgspec.json.decode(body)
        assert (problem["status"], problem["instance"]) == (status, ""), name
        assert b"content-type: application/problem+json" in head.lower()
        assert b"x-content-type-options: nosniff" in head.lower()
        assert b"aiohttp" not in head.lower()
        assert b"swordfish" not in answer, name
    assert "swordfish" not in said.getvalue()
    assert "Traceback" not in said.getvalue()


async def test_however_many_come_the_log_has_one_bounded_line_a_minute(listen: Listen, said: io.StringIO) -> None:
    chance = random.Random(13)
    requests = [data for data, status in MALFORMED.values() if status != 417]
    for _ in range(60):
        data = bytearray(chance.choice(requests))
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        requests.append(bytes(data))
    async with listen() as address:
        for request in requests:
            await exchange(address, request, whole=True)
        # As they are, in the middle of a body too.
        chunked = b"POST /api/v1/messages HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
        chunked += b"Transfer-Encoding: chunked\r\n\r\n" + f"zz{SECRET}\r\n".encode()
        assert b" 400 " in (await exchange(address, chunked)).partition(b"\r\n")[0]
    lines = [msgspec.json.decode(line) for line in said.getvalue().splitlines()]
    told = [line for line in lines if line["event"] == "malformed requests"]
    assert len(told) == 1
    assert all(len(line) < 1000 for line in said.getvalue().splitlines())
    assert "swordfish" not in said.getvalue()
    assert not [line for line in lines if line["level"] == "error"], lines


async def test_the_next_line_counts_what_came_meanwhile(said: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    def written() -> list[dict[str, int]]:
        lines = [msgspec.json.decode(line) for line in said.getvalue().splitlines()]
        return [{name: line[name] for name in ("bad", "worse", "total") if name in line} for line in lines]

    tally = Tally("odd")
    now = 1000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    for _ in range(5):
        tally.count("bad")
    now += 59
    tally.write()
    assert written() == [{"bad": 1, "total": 1}]
    now += 2
    tally.count("worse")
    assert written()[1:] == [{"bad": 4, "worse": 1, "total": 5}]
    now += 100
    tally.write()
    assert len(written()) == 2
