"""A mail as it goes over the wire: its envelope, its headers (`headers.py`), and its text or its parts.

Parts are put together by Python's `email`. All is ASCII, in lines of at most 998 letters: no server needs 8BITMIME.
A text alone, which most mails are, is written here: `EmailMessage` takes 270 µs for one of twenty lines, more than half
of what a whole delivery costs over a kept connection; this, 15. A test holds the two equal.

SMTPUTF8 is needed only for an address whose local part is not ASCII, since a domain has an ASCII form.
"""

import binascii
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from email.message import MIMEPart
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

import msgspec

from tidings.channels.email.addresses import on_the_wire
from tidings.channels.recipient import RecipientError
from tidings.channels.smtp.errors import SmtpError
from tidings.channels.smtp.headers import LINE, LONGEST_LINE, TRACES, fold, joined, mailbox, parameter, reserved
from tidings.domain.headers import HeaderError, check_headers
from tidings.domain.mail_parts import Attachment, KeptMail, Mailbox
from tidings.domain.message import Delivery

BASE64_LINE: Final = LINE // 4 * 3

_POLICY: Final = SMTP.clone(max_line_length=LINE, refold_source="none", utf8=True)
"""Headers go out as they are set, folded already."""
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LEADING_DOT: Final = re.compile(rb"^\.", re.MULTILINE)


class MailError(ValueError):
    """No mail can be made of a message; the text is one line."""


class Mail(msgspec.Struct, frozen=True):
    """An envelope and its content."""

    sender: str
    recipients: tuple[str, ...]
    """Each once, those that nobody is shown among them."""
    size: int
    """Bytes of the content, by which a server may refuse it beforehand (RFC 1870)."""
    data: bytes
    """The content as DATA sends it: leading dots doubled, the final dot there."""
    refused: dict[str, SmtpError] = msgspec.field(default_factory=dict)
    """Recipients that the server did not take in the last transaction, while it took others or none."""

    @property
    def smtputf8(self) -> bool:
        """Whether the server must take addresses that are not ASCII (RFC 6531)."""
        return not (self.sender.isascii() and all(map(str.isascii, self.recipients)))


def compose(
    delivery: Delivery, *, sender: Mailbox, now: datetime, mail: KeptMail | None = None, reply_to: Mailbox | None = None
) -> Mail:
    """The mail of one delivery, from an account's address or what its parts say; `Message-ID` is the same each time.

    `reply_to` gets the answers where the mail says neither whom it is from nor who does.

    Raises MailError.
    """
    parts = None if mail is None else mail.parts
    try:
        if parts is not None and parts.sender is not None:
            sender, reply_to = parts.sender, None
        from_address = _wire(sender.email, "the sender's address")
        headers = _headers(delivery, Mailbox(from_address, sender.name), now, mail, reply_to)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        recipients = _recipients(delivery, mail)
    except HeaderError as error:
        raise MailError(f"headers: {error}") from None
    if mail is None or (mail.parts.html is None and not mail.parts.attachments):
        content = head.encode() + _text(delivery.content)
    else:
        content = head.encode() + _whole(delivery.content, mail).as_bytes(policy=_POLICY)
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return Mail(from_address, recipients, len(content), _LEADING_DOT.sub(b"..", content) + b".\r\n")


def _wire(address: str, whose: str) -> str:
    try:
        return on_the_wire(address)
    except RecipientError as error:
        raise MailError(f"{whose} {error}") from None


def _recipients(delivery: Delivery, mail: KeptMail | None) -> tuple[str, ...]:
    addresses = [delivery.recipient]
    if mail is not None:
        if mail.remaining is not None:
            return mail.remaining
        addresses += [each.email for each in (*mail.parts.cc, *mail.parts.bcc)]
    return tuple(dict.fromkeys(_wire(address, "the recipient") for address in addresses))


def _headers(
    delivery: Delivery, sender: Mailbox, now: datetime, mail: KeptMail | None, reply_to: Mailbox | None
) -> Iterator[tuple[str, str]]:
    yield "From", mailbox(sender.name, sender.email)
    yield "To", mailbox(mail.parts.recipient_name if mail else "", _wire(delivery.recipient, "the recipient"))
    if mail is not None:
        if mail.parts.cc:
            yield "Cc", _list("Cc", mail.parts.cc)
        if mail.parts.reply_to:
            yield "Reply-To", _list("Reply-To", mail.parts.reply_to)
            reply_to = None
    if delivery.subject is not None:
        if _CONTROL.search(delivery.subject):
            raise MailError("the subject contains control characters")
        yield "Subject", fold("Subject", delivery.subject)
    yield "Date", format_datetime(now)
    yield "Message-ID", f"<{delivery.id}@{sender.email.rpartition('@')[2]}>"
    given = delivery.headers or {}
    check_headers(given)
    if reply_to is not None and not any(each.lower() == "reply-to" for each in given):
        yield "Reply-To", _list("Reply-To", [reply_to])
    for each, value in given.items():
        lower = each.lower()
        # The API refuses those that are reserved; a message that was kept before it did goes out without them.
        if lower not in TRACES and reserved(lower) is None:
            yield each, fold(each, value)


def _list(name: str, mailboxes: Iterable[Mailbox]) -> str:
    return joined(name, (mailbox(each.name, _wire(each.email, f"{name}: an address")) for each in mailboxes))


def _text(text: str) -> bytes:
    """A part that is a text: its headers, an empty line, its lines."""
    lines = _lines(text)
    raw = "".join(f"{line}\r\n" for line in lines).encode()
    encoding = _encoding(text)
    if encoding == "quoted-printable":
        raw = binascii.b2a_qp(raw)
    elif encoding == "base64":
        pieces = (raw[start : start + BASE64_LINE] for start in range(0, len(raw), BASE64_LINE))
        raw = b"".join(binascii.b2a_base64(piece, newline=False) + b"\r\n" for piece in pieces)
    head = f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return head.encode() + b"\r\n" + raw


def _lines(text: str) -> list[str]:
    lines = _LINE_END.split(text)
    if len(lines) > 1 and not lines[-1]:
        lines.pop()
    return lines


def _encoding(text: str) -> str:
    """How a text becomes lines of ASCII of a length that every server takes (RFC 2045)."""
    if text.isascii() and max(map(len, _lines(text))) <= LONGEST_LINE:
        return "7bit"
    raw = text.encode()
    return "quoted-printable" if len(binascii.b2a_qp(raw)) <= len(raw) * 4 // 3 else "base64"


def _whole(text: str, mail: KeptMail) -> MIMEPart:
    """The parts of a mail: text and HTML as alternatives, with the HTML its images, then the files."""
    contents = list(zip(mail.parts.attachments, mail.contents(), strict=True))
    html = mail.parts.html
    body = MIMEPart(_POLICY)
    if text or html is None:
        _set_text(body, text, "plain")
    if html is not None:
        shown = body
        if text:
            body.make_alternative()
            shown = MIMEPart(_POLICY)
            body.attach(shown)
        _set_text(shown, html, "html")
        _attach(shown, "related", [each for each in contents if each[0].content_id is not None])
        contents = [each for each in contents if each[0].content_id is None]
    _attach(body, "mixed", contents)
    body.set_raw("MIME-Version", "1.0")
    return body


def _set_text(part: MIMEPart, text: str, subtype: str) -> None:
    part.set_content(text, subtype=subtype, cte=_encoding(text))


def _attach(part: MIMEPart, kind: str, contents: list[tuple[Attachment, bytes]]) -> None:
    if not contents:
        return
    if kind == "related":
        part.make_related()
        part.set_param("type", "text/html")  # RFC 2387, section 3.1
    else:
        part.make_mixed()
    for attachment, data in contents:
        file = MIMEPart(_POLICY)
        file.set_content(data, "application", "octet-stream", cte="base64")
        del file["Content-Type"], file["Content-Disposition"]
        file.set_raw("Content-Type", attachment.content_type.replace("; ", ";\r\n "))
        disposition = "attachment" if attachment.content_id is None else "inline"
        if attachment.filename:
            disposition += ";\r\n " + parameter("filename", attachment.filename)
        file.set_raw("Content-Disposition", disposition)
        if attachment.content_id is not None:
            file.set_raw("Content-ID", f"<{attachment.content_id}>")
        part.attach(file)
