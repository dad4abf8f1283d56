"""How sending a mail may fail, and what may be done about it.

SmtpError
├── PermanentError           this mail is refused for good
└── TransientError           another attempt may succeed
    ├── ConnectionLostError  closed or broken; the command was not done
    └── OutcomeUnknownError  the whole mail went out and no reply came: the server may have taken it
"""

from tidings.channels.base import About
from tidings.channels.smtp.replies import ENHANCED_CODE, OPENING, Phase, asked_delay, meaning, says_no_mailbox

CONNECTION_LOST = "the connection was lost"


class SmtpError(Exception):
    """Names the phase, and the code of the reply if one came; its text repeats nothing that the server sent."""

    def __init__(
        self, phase: Phase, reason: str, *, about: About, code: int | None = None, answer: bytes = b""
    ) -> None:
        super().__init__(f"{phase}: {reason}")
        self.phase = phase
        self.reason = reason
        self.about = about
        self.code = code
        self.answer = answer
        """The whole reply, but nothing of one to AUTH: some servers repeat the password."""
        self.of_session = False
        """The reply speaks of the connection, which has carried enough, and not of the mail."""
        self.delay: float | None = None
        """Seconds that the server asks to wait."""
        self.no_mailbox = False
        """The recipient has none, for sure and for good."""
        self.crowded = False
        """The server takes fewer connections at a time than there are."""


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
    enhanced = ENHANCED_CODE.match(text)
    reason = f"refused with {code} {enhanced[0]}" if enhanced else f"refused with {code}"
    means = meaning(phase, code, text)
    if means.used_up:
        reason += ": the account's quota is used up"
    error = (PermanentError if means.final else TransientError)(
        phase, reason, about=means.about, code=code, answer=b"" if phase is Phase.AUTH else reply_bytes(code, text)
    )
    error.of_session, error.crowded = means.of_session, means.crowded
    error.delay = None if means.final else asked_delay(code, text)
    error.no_mailbox = means.final and says_no_mailbox(phase, code, text)
    return error


def interrupted(phase: Phase, how: str) -> TransientError:
    """From a connection that broke, or timed out, while a reply was awaited."""
    if phase is Phase.END_OF_DATA:
        reason = f"{how} before the server answered; it may have taken the message"
        return OutcomeUnknownError(phase, reason, about=About.ENDPOINT)
    return ConnectionLostError(phase, how, about=About.HOST if phase in OPENING else About.ENDPOINT)


def reply_bytes(code: int, text: str) -> bytes:
    """A reply, its lines joined by line feeds."""
    return f"{code} {text}".encode("utf-8", "surrogateescape")
