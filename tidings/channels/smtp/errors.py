"""How sending a mail may fail, and what may be done about it.

SmtpError
├── PermanentError           the server refuses it for good (5xx), or may not be connected to
└── TransientError           another attempt may succeed
    ├── ConnectionLostError  closed or broken; the command was not done
    └── OutcomeUnknownError  the whole mail went out and no reply came: the server may have taken it
"""

import re
from enum import StrEnum
from typing import Final

CLOSING: Final = 421
"""The server closes this connection, whatever was asked (RFC 5321, section 3.8)."""

_ENHANCED_CODE: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}\b")
"""RFC 3463, at the start of a reply's text."""


class Phase(StrEnum):
    """How far a mail came."""

    CONNECT = "connect"
    GREETING = "greeting"
    TLS = "TLS"
    EHLO = "EHLO"
    AUTH = "AUTH"
    RSET = "RSET"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    END_OF_DATA = "end of DATA"
    """From the content on: when the final dot is out, the mail may be taken."""


class SmtpError(Exception):
    """Names the phase, and the code of the reply if one came; its text repeats nothing that the server sent."""

    def __init__(self, phase: Phase, reason: str, *, code: int | None = None, answer: bytes = b"") -> None:
        super().__init__(f"{phase}: {reason}")
        self.phase = phase
        self.reason = reason
        self.code = code
        self.answer = answer
        """The whole reply, but nothing of one to AUTH: some servers repeat the password."""


class PermanentError(SmtpError):
    """Another attempt would end the same."""


class TransientError(SmtpError):
    """Another attempt may succeed."""


class ConnectionLostError(TransientError):
    """The connection is lost, or what came over it is not SMTP."""


class OutcomeUnknownError(TransientError):
    """The server may or may not have taken the mail."""


def refusal(phase: Phase, code: int, text: str) -> SmtpError:
    """From a reply that refuses a command."""
    enhanced = _ENHANCED_CODE.match(text)
    reason = f"refused with {code} {enhanced[0]}" if enhanced else f"refused with {code}"
    answer = b"" if phase is Phase.AUTH else reply_bytes(code, text)
    kind = PermanentError if code // 100 == 5 else TransientError  # noqa: PLR2004  (5xx)
    return kind(phase, reason, code=code, answer=answer)


def interrupted(phase: Phase, how: str) -> TransientError:
    """From a connection that broke, or timed out, while a reply was awaited."""
    if phase is Phase.END_OF_DATA:
        return OutcomeUnknownError(phase, f"{how} before the server answered; it may have taken the message")
    return ConnectionLostError(phase, how)


def reply_bytes(code: int, text: str) -> bytes:
    """A reply as the server wrote it, its lines joined."""
    return f"{code} {text}".encode("utf-8", "surrogateescape")
