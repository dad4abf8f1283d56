"""What a mail server of the zoo does, and what must come of it."""

from typing import Final

import msgspec

from tidings.domain.account import Tls

CLOSE, RESET, HANG, STARTTLS = "close", "reset", "hang", "starttls"
Step = bytes | float | str
"""Bytes to send, seconds to wait, or a way to go on or to end."""
Steps = tuple[Step, ...]

SENT: Final = "sent"
REJECTED: Final = "rejected"
RETRY: Final = "retry"
UNANSWERED: Final = "retry, unanswered"


class Outcome(msgspec.Struct, frozen=True):
    """Of one attempt."""

    kind: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.kind} ({self.about})" if self.about else self.kind


TAKEN: Final = Outcome(SENT)

WAYS: Final[dict[str, Steps]] = {
    "greeting": (b"220 zoo.test ESMTP\r\n",),
    "EHLO": (b"250-zoo.test\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n",),
    "HELO": (b"250 zoo.test\r\n",),
    "AUTH": (b"235 2.7.0 Welcome\r\n",),
    "challenge": (b"235 2.7.0 Welcome\r\n",),
    "RSET": (b"250 2.0.0 Ok\r\n",),
    "MAIL": (b"250 2.1.0 Ok\r\n",),
    "RCPT": (b"250 2.1.5 Ok\r\n",),
    "DATA": (b"354 Go ahead\r\n",),
    "mail": (b"250 2.0.0 Ok: queued as Z1\r\n",),
    "QUIT": (b"221 Bye\r\n", CLOSE),
    "STARTTLS": (b"502 Not here\r\n",),
    "other": (b"500 What?\r\n",),
}
"""What a server says when it is connected, to each command, to an answer to its challenge, and to a whole mail."""


class Animal(msgspec.Struct, frozen=True, kw_only=True):
    """One row."""

    name: str
    """What the server does, in words."""
    says: dict[str, Steps] = {}
    """Where it is unlike WAYS, in each connection."""
    at_first: dict[str, Steps] = {}
    """The same, in its first connection alone."""
    by_turn: dict[str, tuple[Steps | None, ...]] = {}
    """The same, for the first, second, … time on one connection; the last holds for all that follow; None: as ever."""
    at_once: int | None = None
    """More connections, or mails on their way, at a time get what `surplus` says."""
    surplus: dict[str, Steps] = {}
    outcome: Outcome = TAKEN
    """Of the first mail."""
    then: Outcome = TAKEN
    """Of all others."""
    error: str = ""
    """How the error of the first mail begins."""
    copies: int | None = None
    """How many of the first mail arrived; None: one if it was sent. Of the others it is always so."""
    mails: int = 2
    """One after the other; with `at_once`, all at the same time."""
    connections: int | None = 1
    """In all; None where that is not certain."""
    password: bool = True
    tls: Tls | None = None
    """Of the account."""
    serves: str = ""
    """The TLS of the server: `starttls`, `implicit`, or what is odd about it."""


MESSAGE, ENDPOINT, HOST, ACCOUNT, PACE = (
    Outcome(RETRY, about) for about in ("message", "endpoint", "host", "account", "pace")
)
NOT_THIS: Final = Outcome(REJECTED, "message")
NOT_SO: Final = Outcome(REJECTED, "endpoint")
UNKNOWN: Final = Outcome(UNANSWERED, "endpoint")


def singly(text: bytes) -> Steps:
    return tuple(step for index in range(len(text)) for step in (text[index : index + 1], 0.002))


def ehlo(*extensions: bytes) -> dict[str, Steps]:
    lines = [b"zoo.test", *extensions]
    return {"EHLO": (b"".join(b"250-%b\r\n" % line for line in lines[:-1]) + b"250 %b\r\n" % lines[-1],)}
