"""A mail as it goes over the wire: one part of plain text, built so that no text of a message becomes a header.

Headers are encoded here (RFC 2047) and handed to `EmailMessage` raw. Left to itself it reads what it is given as a
header first: before Python 3.11.10 and 3.12.5 (CVE-2024-6923) the subject `=?utf-8?q?a=0ABcc:_b@example.com?=` goes
out as a header `Bcc`.

Everything but an address is ASCII, so no server needs 8BITMIME; SMTPUTF8 is needed only for an address whose local part
is not ASCII, since a domain has an ASCII form.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, getaddresses
from functools import lru_cache
from typing import Final

import msgspec

from tidings.headers import HeaderError, check_headers
from tidings.model import Delivery
from tidings.recipients import RecipientError, check_recipient

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
    }
)
"""Headers of a message that stay behind, in lower case: they are ours, or the mail servers'."""

NOT_PASSED_ON_PREFIXES: Final = ("content-", "mime-", "received", "resent-", "dkim-", "arc-", "authentication-results")
"""And those that begin so."""

LINE: Final = 76
LONGEST_LINE: Final = 998
"""Characters of a line, without its end (RFC 5322, section 2.1.1)."""

_POLICY: Final = SMTP.clone(cte_type="7bit", refold_source="none")
_POLICY_UTF8: Final = _POLICY.clone(utf8=True)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LEADING_DOT: Final = re.compile(rb"^\.", re.MULTILINE)


class MailError(ValueError):
    """No mail can be made of a message; the text says why in one line."""


class Mail(msgspec.Struct, frozen=True):
    """An envelope and what goes in it."""

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
    """The mail of one delivery, from a `mailbox`; `Message-ID` is the same in each try.

    Raises MailError.
    """
    message = EmailMessage(policy=_POLICY)
    message.set_content(delivery.content)
    try:
        recipient = mailbox(delivery.recipient)
        for name, value in _headers(delivery, sender, recipient, now):
            message.set_raw(name, value)
    except RecipientError as error:
        raise MailError(f"the recipient {error}") from None
    except HeaderError as error:
        raise MailError(f"headers: {error}") from None
    utf8 = not (sender.isascii() and recipient.isascii())
    content = message.as_bytes(policy=_POLICY_UTF8 if utf8 else _POLICY)
    return Mail(sender, recipient, len(content), _LEADING_DOT.sub(b"..", content) + b".\r\n")


@lru_cache(maxsize=4096)
def mailbox(address: str) -> str:
    """The address with its domain in ASCII. Raises RecipientError."""
    address = check_recipient("email", address)
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


def _addresses(value: str) -> str:
    """Encodes the names of addresses and not the addresses, which a reader could not answer then."""
    if value.isascii():
        return value
    try:
        return ", ".join(formataddr(pair) for pair in getaddresses([value]))
    except UnicodeError:
        raise HeaderError("the address in 'Reply-To' is not ASCII") from None


def _encoded(name: str, value: str) -> str:
    """A header's value in folded lines of ASCII, from which a reader gets exactly what was given."""
    if value.isascii() and (name.lower() == "reply-to" or "=?" not in value):
        folded = Header(value, "us-ascii", maxlinelen=LINE, header_name=name).encode(linesep="\r\n")
        if all(line.strip() and len(line) <= LONGEST_LINE - len(name) - 2 for line in folded.split("\r\n")):
            return folded
    return Header(value, "utf-8", maxlinelen=LINE, header_name=name).encode(linesep="\r\n")
