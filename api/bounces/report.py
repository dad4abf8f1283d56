"""What a report of a mail server or a mailbox provider says: a DSN (RFC 3464, RFC 6533), a complaint (ARF, RFC 5965).

Read by Python's `email`; here is only what the parts mean. Anybody can send a mail that looks like a report, so
nothing here is believed but that it names messages and addresses: `routes.py` looks whether they belong together.
"""

import re
from collections.abc import Iterable, Iterator
from email.message import Message
from email.parser import Parser
from email.policy import compat32
from email.utils import getaddresses
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from tidings.channels.email.bounce_address import reported_on
from tidings.domain.ids import parse_id

MAX_RECIPIENTS: Final = 1000
"""That are read of one report; what it says of further ones is left out."""
MAX_IDS: Final = 20
MAX_DIAGNOSTIC: Final = 500


class Event(StrEnum):
    """What a report says of one recipient."""

    UNDELIVERED = "undelivered"
    """It was not delivered, and is not tried again."""
    DELAYED = "delayed"
    """It is tried again by the server that reports."""
    DELIVERED = "delivered"
    """It is in the mailbox."""
    PASSED_ON = "passed_on"
    """It went to a server, or to a list, of which no reports come."""
    COMPLAINT = "complaint"
    """Whoever reads there called it spam."""
    IGNORED = "ignored"
    """Something that says nothing of the address, such as that the mail is not spam."""


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """What the report says of one recipient."""

    addresses: tuple[str, ...]
    """Who that is: as the sender wrote it, as the last server knew it. Empty: it does not say."""
    event: Event
    status: str | None = None
    """The enhanced status code (RFC 3463), such as 5.1.1."""
    diagnostic: str | None = None
    bad_address: bool = False
    """Whether the address itself is to blame: mail to it will never arrive."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report, and the messages that it may be about, the surest first."""

    recipients: tuple[Reported, ...]
    message_ids: tuple[UUID, ...]


class NoReportError(ValueError):
    """The mail is no report that can be read; the text is one line."""


_DELIVERY: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_FEEDBACK: Final = "message/feedback-report"
_RETURNED: Final = frozenset(
    {
        "message/rfc822",
        "message/global",
        "text/rfc822-headers",
        "message/rfc822-headers",
        "message/global-headers",
    }
)
_ENVELOPE: Final = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
"""Headers in which a server says whom a report came for."""
_ACTIONS: Final = {
    "failed": Event.UNDELIVERED,
    "delayed": Event.DELAYED,
    "delivered": Event.DELIVERED,
    "relayed": Event.PASSED_ON,
    "expanded": Event.PASSED_ON,
}
_COMPLAINTS: Final = frozenset({"abuse", "fraud", "opt-out", "opt-out-list"})
_STATUS: Final = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_REPLY: Final = re.compile(r"\b([45])\d\d\b")
_MESSAGE_ID: Final = re.compile(r"<([0-9A-Fa-f-]{36})@[^<>\s]+>")
_BLANK: Final = re.compile(r"\n(?:[ \t]*\n)+")
_CODED: Final = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_EXPIRED: Final = re.compile(r"retry time(?:out exceeded| not reached)")

_NOT_THE_ADDRESS: Final = re.compile(r"5\.(?:1\.[78]|2\.[234]|[3567]\.\d+)")
"""Codes of 5.x.x that speak of the sender, of a full mailbox, of the mail, of the way, of a policy. A server that takes
one's mail for spam says so for each address."""


def parse(raw: bytes, *, bounce_address: str = "", envelope: Iterable[str] = ()) -> Report:
    """Reads a mail; `envelope` are addresses that it came for, where that is known.

    Raises NoReportError.
    """
    try:
        return _parsed(raw, bounce_address, envelope)
    except RecursionError:  # parts in parts, comments in comments
        raise NoReportError("its parts are nested too deeply") from None


def _parsed(raw: bytes, bounce_address: str, envelope: Iterable[str]) -> Report:
    # As text: of bytes that are no ASCII, `email` would make headers that it cannot always read.
    mail = Parser(policy=compat32).parsestr(raw.decode("utf-8", "replace").replace("\r\n", "\n"))
    parts = list(_parts(mail))
    returned = next((_headers_of(part) for part in parts if part.get_content_type() in _RETURNED), None)
    feedback = next((part for part in parts if part.get_content_type() == _FEEDBACK), None)
    delivery = next((part for part in parts if part.get_content_type() in _DELIVERY), None)
    if delivery is not None:
        expired = any(_EXPIRED.search(_text_of(part)) for part in parts if part.get_content_type() == "text/plain")
        recipients = tuple(_recipients(_blocks(delivery), expired=expired))
    elif feedback is not None:
        recipients = tuple(_complaints(_blocks(feedback)))
    else:
        raise NoReportError("it has neither a part message/delivery-status nor message/feedback-report")
    if not recipients:
        raise NoReportError("it says nothing of a recipient")
    ids = _message_ids(mail, returned, _blocks(feedback) if feedback is not None else [], bounce_address, envelope)
    return Report(recipients=recipients, message_ids=ids)


def _parts(mail: Message) -> Iterator[Message]:
    """The parts of a report, without those of the mail that it returns."""
    if not mail.is_multipart() or mail.get_content_maintype() != "multipart":
        yield mail
        return
    for part in mail.get_payload():
        if isinstance(part, Message):
            yield from _parts(part)


def _value(headers: Message, name: str) -> str:
    """A header on one line; empty where there is none."""
    return _line(str(headers.get(name, "")))


def _line(text: str) -> str:
    return " ".join(text.replace("\0", "").split())


def _text_of(part: Message) -> str:
    """The text of a part whatever it is made of, decoded."""
    payload = part.get_payload()
    if isinstance(payload, list):
        payload = "\n\n".join(_as_text(each) for each in payload if isinstance(each, Message)).strip("\n")
    text = str(payload)
    coding = _value(part, "Content-Transfer-Encoding").lower()
    if coding in {"base64", "quoted-printable"}:
        coded = Message(policy=compat32)
        coded["Content-Transfer-Encoding"] = coding
        coded.set_payload(text)
        decoded = coded.get_payload(decode=True)
        text = decoded.decode("utf-8", "replace") if isinstance(decoded, bytes) else ""
    return text.replace("\r\n", "\n")


def _as_text(message: Message) -> str:
    """The headers and the text as they came. (`as_string` folds them again, and stumbles over some.)"""
    head = "".join(f"{name}: {value}\n" for name, value in message.raw_items())
    payload = message.get_payload()
    return f"{head}\n{payload}" if isinstance(payload, str) and payload.strip() else head


def _blocks(part: Message) -> list[Message]:
    """The groups of fields in a part, which stand between empty lines."""
    texts = _BLANK.split(_text_of(part).strip("\n"), maxsplit=MAX_RECIPIENTS + 1)
    return [Parser(policy=compat32).parsestr(text, headersonly=True) for text in texts]


def _headers_of(part: Message) -> Message:
    """The headers of the returned mail."""
    payload = part.get_payload()
    if isinstance(payload, list) and payload and isinstance(payload[0], Message):
        return payload[0]
    return Parser(policy=compat32).parsestr(_text_of(part), headersonly=True)


def _recipients(blocks: list[Message], *, expired: bool) -> Iterator[Reported]:
    of_recipients = [each for each in blocks if "Final-Recipient" in each or "Original-Recipient" in each]
    for fields in of_recipients[:MAX_RECIPIENTS]:
        event = _ACTIONS.get(_value(fields, "Action").partition(" ")[0].partition("(")[0].lower())
        if event is None:
            continue
        diagnostic = _value(fields, "Diagnostic-Code")
        addresses = (_address(fields, "Original-Recipient"), _address(fields, "Final-Recipient"))
        status = _status(_value(fields, "Status"), diagnostic, expired=expired)
        yield Reported(
            addresses=tuple(dict.fromkeys(filter(None, addresses))),
            event=event,
            status=status,
            diagnostic=diagnostic[:MAX_DIAGNOSTIC] or None,
            bad_address=event is Event.UNDELIVERED
            and status is not None
            and status.startswith("5.")
            and not _NOT_THE_ADDRESS.fullmatch(status),
        )


def _status(given: str, diagnostic: str, *, expired: bool) -> str | None:
    """The most that is known. Exim says 5.0.0 of everything, of a time that ran out too."""
    found = _STATUS.search(given)
    if found is not None and (found[2], found[3]) != ("0", "0"):
        return found[0]
    said = diagnostic.partition(";")[2]
    if (enhanced := _STATUS.search(said)) is not None:
        return enhanced[0]
    if (reply := _REPLY.search(said)) is not None:
        return f"{reply[1]}.0.0"
    if expired:
        return "4.4.7"
    return found and found[0]


def _complaints(blocks: list[Message]) -> Iterator[Reported]:
    [fields, *_] = blocks
    kind = _value(fields, "Feedback-Type").lower()
    if not kind:
        return
    event = Event.COMPLAINT if kind in _COMPLAINTS else Event.IGNORED
    given = [str(each) for name in ("Original-Rcpt-To", "Removal-Recipient") for each in fields.get_all(name, [])]
    addresses = dict.fromkeys(address for each in given if (address := _bare(each)))
    for address in list(addresses)[:MAX_RECIPIENTS]:
        yield Reported(addresses=(address,), event=event, diagnostic=kind[:MAX_DIAGNOSTIC])
    if not addresses:
        yield Reported(addresses=(), event=event, diagnostic=kind[:MAX_DIAGNOSTIC])


def _address(fields: Message, name: str) -> str:
    """Out of `rfc822; ida@example.com`; one that is not ASCII may be coded (RFC 6533, section 3)."""
    kind, _, address = _value(fields, name).rpartition(";")
    address = _bare(address)
    return _CODED.sub(_decoded, address) if kind.strip().lower() == "utf-8" else address


def _bare(address: str) -> str:
    return _line(address).strip().strip("<>").strip()


def _decoded(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF else ""  # noqa: PLR2004  (Unicode's)


def _message_ids(
    mail: Message, returned: Message | None, feedback: list[Message], bounce_address: str, envelope: Iterable[str]
) -> tuple[UUID, ...]:
    """By the address that the report came for, then by what it returns, then by what it replies to."""
    came_for = [*envelope, *(_value(each, "Original-Mail-From") for each in feedback)]
    came_for += [str(each) for name in _ENVELOPE for each in mail.get_all(name, [])]
    quoted = []
    if returned is not None:
        came_for += [_value(returned, "Return-Path")]
        quoted += [_value(returned, "Message-ID")]
    quoted += [_value(mail, "In-Reply-To"), _value(mail, "References"), _value(mail, "X-Original-Message-ID")]
    found = [reported_on(address, bounce_address) for _, address in getaddresses(list(map(_line, came_for)))]
    found += [parse_id(each) for text in quoted for each in _MESSAGE_ID.findall(text)]
    return tuple(dict.fromkeys(each for each in found if each is not None))[:MAX_IDS]
