"""The receiver zoo: awkward answers and servers, and what must come of each. `docs/receivers.md` is made from it:

    python -m tests.integration.channels.http.zoo

A visit is two messages, one after the other, so that it shows whether the connection was used again and whose answer
is whose.
"""

import gzip
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import trustme

from tidings.channels.http.transport import BODY_LIMIT

FILE: Final = Path("docs/receivers.md")
LIMIT_SECONDS: Final = 1.0
"""Of each message; to connect too."""

CLOSE, RESET, HANG = "close", "reset", "hang"
Step = bytes | float | str
"""Bytes to send, seconds to wait, or a way to end."""

LIMIT: Final = "timed out after 1 s"
NO_HTTP: Final = "connection lost: the answer is not valid HTTP"
WITHOUT: Final = "connection lost: closed without an answer"
WITHIN: Final = "connection lost: closed within an answer"
OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OTHER: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
HEAD: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Animal(msgspec.Struct, frozen=True):
    """One row."""

    name: str
    """What the receiver does, in words."""
    steps: tuple[Step, ...]
    """To each request, or to the first one only if there is `second`."""
    outcome: int | str
    """Of the first message: the status, or what the sender reads."""
    kept: bool = False
    """Whether the second message goes over the same connection."""
    second: tuple[Step, ...] | None = None
    """To the second request that comes, over whichever connection."""
    second_outcome: int | str | None = None
    """Of the second message, if it is another one."""
    sent: int = 1
    """How often the second message goes out; the first goes out once."""
    size: int = 2
    """Bytes of the request's body; more than the sockets' buffers hold are not read."""
    before: tuple[Step, ...] = ()
    """What it does before it reads a request."""
    tls: str = ""
    """What is odd about its TLS; then only https makes sense."""
    only: str = ""
    """`http` or `https`."""


def _header(line: bytes) -> tuple[Step, ...]:
    return (HEAD + line + b"\r\nContent-Length: 2\r\n\r\nok",)


def _drops(piece: bytes, pause: float, times: int) -> tuple[Step, ...]:
    drop: tuple[Step, ...] = (piece, pause)
    return drop * times


def _said(status: bytes, *lines: bytes) -> tuple[Step, ...]:
    return (
        b"HTTP/1.1 " + status + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"Content-Length: 0\r\n\r\n",
    )


def _singly(text: bytes) -> tuple[Step, ...]:
    steps: list[Step] = []
    for index in range(len(text)):
        steps += [text[index : index + 1], 0.001]
    return tuple(steps)


ANIMALS: Final[dict[str, list[Animal]]] = {
    "Ordinary ones": [
        Animal("200 with a length", (OK,), 200, kept=True),
        Animal("202 with an empty body", _said(b"202 Accepted"), 202, kept=True),
        Animal("204 without a length", (b"HTTP/1.1 204 No Content\r\n\r\n",), 204, kept=True),
        Animal("200 in chunks", (CHUNKED + b"2\r\nok\r\n0\r\n\r\n",), 200, kept=True),
        Animal(
            "200 in chunks, with extensions and trailers",
            (CHUNKED + b"2;a=b\r\nok\r\n0\r\nX: y\r\n\r\n",),
            200,
            kept=True,
        ),
        Animal(
            "200 with `Connection: close`", (HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", CLOSE), 200
        ),
        Animal("HTTP/1.0, which closes", (b"HTTP/1.0 200 OK\r\n\r\nok", CLOSE), 200),
        Animal(
            "HTTP/1.0 that keeps",
            (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",),
            200,
            kept=True,
        ),
        Animal("404", _said(b"404 Not Found"), 404, kept=True),
        Animal("429 with `Retry-After`", _said(b"429 Slow Down", b"Retry-After: 7"), 429, kept=True),
        Animal("500", _said(b"500 Oops"), 500, kept=True),
        Animal(
            "a redirect, which is not followed",
            _said(b"307 Moved", b"Location: https://elsewhere.example/"),
            307,
            kept=True,
        ),
        Animal("each byte by itself", _singly(OK), 200, kept=True),
        Animal("a pause within the head", (OK[:20], 0.05, OK[20:]), 200, kept=True),
        Animal("a pause within the body", (OK[:-1], 0.05, OK[-1:]), 200, kept=True),
    ],
    "Odd status lines": [
        Animal("no reason", _said(b"200 "), 200, kept=True),
        Animal("no reason and no space", _said(b"200"), 200, kept=True),
        Animal("a reason that is not ASCII", _said("200 Schön".encode()), 200, kept=True),
        Animal("status 999", _said(b"999 Who Knows"), 999, kept=True),
        Animal("status 600", _said(b"600 Who Knows"), 600, kept=True),
        Animal("status 099", _said(b"099 Early"), 99, kept=True),
        Animal("a status of four digits", _said(b"2000 OK"), NO_HTTP),
        Animal("a status of two digits", _said(b"20 OK"), NO_HTTP),
        Animal("an empty line first", (b"\r\n" + OK,), 200, kept=True),
        Animal("two spaces before the status", (OK.replace(b" 200", b"  200"),), 200),
        Animal("HTTP/9.9", (OK.replace(b"1.1", b"9.9"),), 200),
        Animal("`http/1.1` in lower case", (OK.replace(b"HTTP", b"http"),), NO_HTTP),
        Animal("`ICY 200 OK`", (b"ICY 200 OK\r\n\r\n",), NO_HTTP),
    ],
    "Interim answers": [
        Animal("100 first", (b"HTTP/1.1 100 Continue\r\n\r\n", 0.02, OK), 200, kept=True),
        Animal("100 first, in the same packet", (b"HTTP/1.1 100 Continue\r\n\r\n" + OK,), 200, kept=True),
        Animal("three times 103", (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3, OK), 200, kept=True),
        Animal("17 times 103", (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17, HANG), NO_HTTP),
        Animal("100 and nothing more", (b"HTTP/1.1 100 Continue\r\n\r\n", HANG), LIMIT),
        Animal("100 and the end", (b"HTTP/1.1 100 Continue\r\n\r\n", CLOSE), WITHIN),
        Animal(
            "101, a change of protocol",
            (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", HANG),
            101,
        ),
        Animal("101 without one", (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", HANG), 101),
    ],
    "Odd headers": [
        Animal("a header of 8,190 bytes", _header(b"Content-Security-Policy: " + b"a" * 8190), 200, kept=True),
        Animal("a header of 60 KiB", _header(b"Set-Cookie: " + b"a" * 61_440), 200, kept=True),
        Animal("a head of 200 KiB", (HEAD, b"X: " + b"a" * 200_000, HANG), 200),
        Animal("a header without end", (HEAD, b"X: ", *_drops(b"a" * 500, 0.02, 200), HANG), 200),
        Animal("129 headers", _header(b"\r\n".join(b"X-%d: 1" % n for n in range(129))), 200, kept=True),
        Animal("2,000 headers", _header(b"\r\n".join(b"X-%d: 1" % n for n in range(2000))), 200, kept=True),
        Animal("a line without a colon", _header(b"nonsense"), 200),
        Animal("a space before the colon", _header(b"X : 1"), 200),
        Animal("a space before the first header", _header(b" X: 1"), 200),
        Animal("a folded header", _header(b"X: a\r\n b"), 200),
        Animal("an empty name", _header(b": 1"), 200),
        Animal("a NUL", _header(b"X: a\0b"), 200),
        Animal("a value that is not ASCII", _header("X: ü".encode()), 200, kept=True),
        Animal("lines that end in LF alone", (OK.replace(b"\r\n", b"\n"),), 200),
        Animal("lines that end in CR alone", (OK.replace(b"\r\n", b"\r"), HANG), 200),
    ],
    "Odd lengths": [
        Animal("`Content-Length` twice", _header(b"Content-Length: 2"), 200),
        Animal("`Content-Length` twice, and different", _header(b"Content-Length: 3"), 200),
        Animal("`Content-Length` empty", _header(b"Content-Length:"), 200),
        Animal("`Content-Length: -1`", (HEAD + b"Content-Length: -1\r\n\r\n",), 200),
        Animal("`Content-Length: 2, 2`", (HEAD + b"Content-Length: 2, 2\r\n\r\nok",), 200),
        Animal("`Content-Length` of 30 digits", (HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nok",), 200),
        Animal(
            "length and chunks",
            (HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",),
            200,
        ),
        Animal("a transfer coding that is no chunks", (HEAD + b"Transfer-Encoding: gzip\r\n\r\nok", HANG), 200),
        Animal("no length, and the connection stays", (HEAD + b"\r\nok", HANG), 200),
        Animal("no length, and drops of a body", (HEAD + b"\r\n", *_drops(b".", 0.02, 100)), 200),
        Animal("204 with a body", (b"HTTP/1.1 204 No Content\r\n\r\nnothing", HANG), 204),
        Animal("304 with a body", (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\nnothing", HANG), 304),
        Animal("a body longer than its length", (OK + b"ay", HANG), 200),
        Animal("a body shorter than its length, and the end", (HEAD + b"Content-Length: 9\r\n\r\nok", CLOSE), 200),
        Animal("a body shorter than its length, and silence", (HEAD + b"Content-Length: 9\r\n\r\nok", HANG), 200),
    ],
    "Odd bodies": [
        Animal("a wrong chunk in the packet of the head", (CHUNKED + b"zz\r\nok\r\n0\r\n\r\n", HANG), 200),
        Animal("a wrong chunk, later", (CHUNKED, 0.1, b"zz\r\nok\r\n0\r\n\r\n", HANG), 200),
        Animal("a chunk of 2^64 bytes", (CHUNKED + b"10000000000000000\r\nok", HANG), 200),
        Animal("chunks without end", (CHUNKED + b"2\r\nok\r\n", HANG), 200),
        Animal("chunks that break off", (CHUNKED + b"9\r\nok", CLOSE), 200),
        Animal("trailers without end", (CHUNKED + b"0\r\n", *([b"X: y\r\n" * 30_000] * 8), HANG), 200),
        Animal("drops of a body", (HEAD + b"Content-Length: 1000\r\n\r\n", *_drops(b".", 0.02, 100)), 200),
        Animal(
            "a body of 64 KiB", (HEAD + b"Content-Length: %d\r\n\r\n" % BODY_LIMIT + bytes(BODY_LIMIT),), 200, kept=True
        ),
        Animal(
            "a body of 10 MB, of which 64 KiB are read",
            (HEAD + b"Content-Length: 10000000\r\n\r\n", *([bytes(100_000)] * 100)),
            200,
        ),
        Animal(
            "a zip bomb, which stays packed",
            (
                HEAD
                + b"Content-Encoding: gzip\r\nContent-Length: 48610\r\n\r\n"
                + gzip.compress(bytes(50_000_000))[:48610],
            ),
            200,
            kept=True,
        ),
    ],
    "No HTTP": [
        Animal("a mail server's greeting", (b"220 mail.example ESMTP\r\n", HANG), NO_HTTP),
        Animal("HTML", (b"<html><body>200</body></html>\r\n", HANG), NO_HTTP),
        Animal("HTTP/2 frames", (b"\0\0\x12\x04\0\0\0\0\0" + bytes(18), HANG), NO_HTTP),
        Animal("a TLS alert", (b"\x15\x03\x01\0\x02\x02\x46", HANG), NO_HTTP),
        Animal("empty lines", (b"\r\n\r\n\r\n", HANG), LIMIT),
        Animal("the request itself", (b"POST /hook HTTP/1.1\r\n\r\n", HANG), NO_HTTP),
    ],
    "Silence and ends": [
        Animal("silence", (HANG,), LIMIT),
        Animal("the end, without a word", (CLOSE,), WITHOUT),
        Animal("a reset", (RESET,), "connection lost: Connection reset by peer", only="http"),
        Animal("the end within the status", (b"HTTP/1.1 20", CLOSE), WITHIN),
        Animal("the end within the head", (HEAD + b"Content-Le", CLOSE), 200),
        Animal("drops of a head", (HEAD + b"X: ", *_drops(b".", 0.02, 100)), 200),
        Animal(
            "an answer while most of the request is not read",
            (b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", HANG),
            413,
            size=20_000_000,
        ),
        Animal("a request that is not read", (HANG,), LIMIT, size=20_000_000),
    ],
    "The connection after an answer": [
        Animal("closed without notice", (OK, CLOSE), 200),
        Animal("closed later", (OK, 0.05, CLOSE), 200),
        Animal("a second answer in the same packet", (OK + OK, HANG), 200, second=(OTHER,), second_outcome=503),
        Animal("a second answer right after", (OK, 0.02, OK, HANG), 200, second=(OTHER,), second_outcome=503),
        Animal(
            "a late 408",
            (OK, 0.05, b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", CLOSE),
            200,
            second=(OTHER,),
            second_outcome=503,
        ),
        Animal("half an answer more", (OK, 0.02, b"HTTP/1.1 2", HANG), 200, second=(OTHER,), second_outcome=503),
        Animal("closed as the next request comes", (OK,), 200, second=(CLOSE,), second_outcome=200, sent=2),
        Animal("reset as the next request comes", (OK,), 200, second=(RESET,), second_outcome=200, sent=2),
        Animal("closed within the next answer", (OK,), 200, kept=True, second=(b"H", CLOSE), second_outcome=WITHIN),
        Animal("silence to the next request", (OK,), 200, kept=True, second=(HANG,), second_outcome=LIMIT),
    ],
    "Servers": [
        Animal("takes the connection and closes it", (), "connection lost: ", before=(CLOSE,), only="http"),
        Animal("never shakes hands", (), "no connection: timed out after 1 s", tls="silent"),
        Animal("closes within the handshake", (), "no connection: ", tls="closes"),
        Animal("speaks plain HTTP", (), "no connection: TLS failed: ", tls="plain"),
        Animal("a certificate of nobody known", (OK,), "no connection: TLS failed: ", tls="unknown"),
        Animal("a certificate for another name", (OK,), "no connection: TLS failed: ", tls="other"),
        Animal(
            "a certificate that has expired", (OK,), "no connection: TLS failed: certificate has expired", tls="expired"
        ),
        Animal(
            "asks for a client certificate (TLS 1.3)",
            (OK,),
            "connection lost: TLS failed: the receiver asks for a client certificate",
            tls="asks 1.3",
        ),
        Animal(
            "asks for a client certificate (TLS 1.2)",
            (OK,),
            "no connection: TLS failed: the receiver refused the handshake; it may ask for a client certificate",
            tls="asks 1.2",
        ),
        Animal("speaks TLS 1.2 only", (OK,), 200, kept=True, tls="1.2"),
    ],
}


def context(oddity: str, authority: trustme.CA) -> ssl.SSLContext:
    """A server's, for 127.0.0.1."""
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issuer = trustme.CA() if oddity == "unknown" else authority
    past = datetime.now(UTC) - timedelta(days=1) if oddity == "expired" else None
    issuer.issue_cert("192.0.2.1" if oddity == "other" else "127.0.0.1", not_after=past).configure_cert(made)
    if oddity.endswith("1.2"):
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    if oddity.startswith("asks"):
        made.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(made)
    return made


PREFACE: Final = """\
<!-- Made from tests/integration/channels/http/zoo.py: python -m tests.integration.channels.http.zoo -->

# Awkward receivers

{count} answers and servers, and what comes of each. A test meets every one of them with two messages, one after the
other, over http and https (but for those that are about one of the two). Four rules are behind all of it:

- A status of three digits that came is the outcome, whatever follows it.
- What comes without a request answers none: the connection is closed.
- A kept connection that ends before one byte of an answer has the message sent once more, on a new one, in the same
  attempt, with `tidings-possible-duplicate: true`. Nothing else is sent again within an attempt.
- Each wait ends: `CONNECT_TIMEOUT` for a connection, `DELIVERY_TIMEOUT` for the attempt, 1 s for a body whose end
  nothing tells. Of an answer, 64 KiB of head and 64 KiB of body are read.

What a status means for a message is in [States](states.md). In the tables the time limits are 1 s; *kept* says whether
the connection carries the next message, *sent* how often that one goes out.
"""


def render() -> str:
    count = sum(len(animals) for animals in ANIMALS.values())
    lines = [PREFACE.format(count=count).rstrip()]
    for group, animals in ANIMALS.items():
        lines += [
            "",
            f"## {group}",
            "",
            "| the receiver | outcome | kept | next message | sent |",
            "|---|---|---|---|---|",
        ]
        for animal in animals:
            following = animal.outcome if animal.second_outcome is None else animal.second_outcome
            cells = (
                animal.name,
                _shown(animal.outcome),
                "yes" if animal.kept else "no",
                _shown(following),
                str(animal.sent),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _shown(outcome: int | str) -> str:
    return str(outcome) if isinstance(outcome, int) else f"*{outcome.removesuffix(': ')}*"


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
