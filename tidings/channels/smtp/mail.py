"""A mail as it goes over the wire: one part of plain text, built so that no text of a message becomes a header.

Written out here and not by `EmailMessage`, which reads what it is given as a header before it writes it: up to Python
3.11.9 and 3.12.4 (CVE-2024-6923) the subject `=?utf-8?q?a=0ABcc:_b@example.com?=` goes out as a header `Bcc`. It also
takes 270 µs for a mail of twenty lines, more than half of what a whole delivery costs over a kept connection; this, 15.

Everything but an address is ASCII, so no server needs 8BITMIME; SMTPUTF8 is needed only for an address whose local part
is not ASCII, since a domain has an ASCII form.
"""

import binascii
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr, getaddresses
from functools import lru_cache
from typing import Final

import msgspec

from tidings.channels.email.recipient import EmailRecipients
from tidings.channels.recipient import RecipientError
from tidings.domain.headers import HeaderError, check_headers
from tidings.domain.message import Delivery

NOT_PASSED_ON: Final = frozenset(
    {
        "from",
        "sender",
        "to",
        "cc",
        "bcc",
        "subject",
        "date",
        "message-id",
        "return-path",
        "delivered-to",
        "apparently-to",
        "domainkey-signature",
        # A trace's context, which is for programs.
        "traceparent",
        "tracestate",
    }
)
"""Headers of a message that are not sent, in lower case: they are ours, or the mail servers'."""

NOT_PASSED_ON_PREFIXES: Final = ("content-", "mime-", "received", "resent-", "dkim-", "arc-", "authentication-results")
"""And those that begin so."""

LINE: Final = 76
BASE64_LINE: Final = LINE // 4 * 3
LONGEST_LINE: Final = 998
"""Characters of a line, without its end (RFC 5322, section 2.1.1)."""

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LEADING_DOT: Final = re.compile(rb"^\.", re.MULTILINE)


class MailError(ValueError):
    """No mail can be made of a message; the text is one line."""


class Mail(msgspec.Struct, frozen=True):
    """An envelope and its content."""

    sender: str
    recipient: str
    size: int
    """Bytes of the content, by which a server may refuse it beforehand (RFC 1870)."""
    data: bytes
    """The content as DATA sends it: leading dots doubled, the final dot there."""

    @property
    def smtputf8(self) -> bool:
        """Whether the server must take addresses that are not ASCII (RFC 6531)."""
        return not (self.sender.isascii() and self.recipient.isascii())


def compose(delivery: Delivery, *, sender: str, now: datetime) -> Mail:
    """The mail of one delivery, from a `mailbox`; `Message-ID` is the same in each attempt.

    Raises MailError.
    """
    encoding, body = _body(delivery.content)
    try:
        recipient = mailbox(delivery.recipient)
        headers = [
            *_headers(delivery, sender, recipient, now),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", encoding),
        ]
    except RecipientError as error:
        raise MailError(f"the recipient {error}") from None
    except HeaderError as error:
        raise MailError(f"headers: {error}") from None
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    content = head.encode() + b"\r\n" + body
    return Mail(sender, recipient, len(content), _LEADING_DOT.sub(b"..", content) + b".\r\n")


@lru_cache(maxsize=4096)
def mailbox(address: str) -> str:
    """The address with its domain in ASCII. Raises RecipientError."""
    address = EmailRecipients().check(address)
    if address.isascii():
        return address
    from email_validator import validate_email  # noqa: PLC0415  (takes 40 ms)

    parts = validate_email(address, check_deliverability=False, globally_deliverable=False)
    return f"{parts.ascii_local_part or parts.local_part}@{parts.ascii_domain}"


def _headers(delivery: Delivery, sender: str, recipient: str, now: datetime) -> Iterator[tuple[str, str]]:
    yield "From", sender
    yield "To", recipient
    if delivery.subject is not None:
        if _CONTROL.search(delivery.subject):
            raise MailError("the subject contains control characters")
        yield "Subject", _encoded("Subject", delivery.subject)
    yield "Date", format_datetime(now)
    yield "Message-ID", f"<{delivery.id}@{sender.rpartition('@')[2]}>"
    yield from _passed_on(delivery.headers or {})


def _passed_on(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    check_headers(headers)
    for lower, (name, value) in {name.lower(): (name, value) for name, value in headers.items()}.items():
        if lower in NOT_PASSED_ON or lower.startswith(NOT_PASSED_ON_PREFIXES):
            continue
        yield name, _encoded(name, _addresses(value) if lower == "reply-to" else value)


def _body(text: str) -> tuple[str, bytes]:
    """A text as lines of ASCII of a length that every server takes, and the name of the way back (RFC 2045)."""
    lines = _LINE_END.split(text)
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    raw = "".join(f"{line}\r\n" for line in lines).encode()
    if text.isascii() and max(map(len, lines)) <= LONGEST_LINE:
        return "7bit", raw
    quoted = binascii.b2a_qp(raw)
    if len(quoted) <= len(raw) * 4 // 3:
        return "quoted-printable", quoted
    pieces = (raw[start : start + BASE64_LINE] for start in range(0, len(raw), BASE64_LINE))
    return "base64", b"".join(binascii.b2a_base64(piece, newline=False) + b"\r\n" for piece in pieces)


def _addresses(value: str) -> str:
    """Encodes the names of addresses and not the addresses, which a reader could not answer then."""
    if value.isascii():
        return value
    try:
        return ", ".join(formataddr(pair) for pair in getaddresses([value]))
    except UnicodeError:
        raise HeaderError("the address in 'Reply-To' is not ASCII") from None


def _encoded(name: str, value: str) -> str:
    """A header's value in folded lines of ASCII, from which a reader gets what was given."""
    # Unicode knows more ends of lines than ASCII does, and `Header` would lose them.
    value = " ".join(value.splitlines())
    if value.isascii() and (name.lower() == "reply-to" or "=?" not in value):
        folded = Header(value, "us-ascii", maxlinelen=LINE, header_name=name).encode(linesep="\r\n")
        if all(line.strip() and len(line) <= LONGEST_LINE - len(name) - 2 for line in folded.split("\r\n")):
            return folded
    return Header(value, "utf-8", maxlinelen=LINE, header_name=name).encode(linesep="\r\n")
