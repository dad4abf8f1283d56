"""The headers of a mail: which of them a message may carry, and each as lines that every server takes.

Written here and not by `EmailMessage`, which reads what it is given as a header before it writes it: up to Python
3.11.9 and 3.12.4 (CVE-2024-6923) the subject `=?utf-8?q?a=0ABcc:_b@example.com?=` goes out as a header `Bcc`, and a
long word of ASCII becomes encoded-words.

ASCII stays as it is. Other letters become encoded-words (RFC 2047), but never in addresses, ids and URLs, where section
5 forbids them: of an address only the name is encoded, JSON has escapes, and the rest is refused.
"""

import json
import re
from collections.abc import Iterable, Mapping
from email.charset import SHORTEST, Charset
from email.header import Header
from email.utils import encode_rfc2231, getaddresses, quote
from typing import Final

from tidings.channels.email.addresses import on_the_wire, quoted_name
from tidings.channels.recipient import RecipientError
from tidings.domain.headers import HeaderError, check_headers

LINE: Final = 76
LONGEST_LINE: Final = 998
"""Characters of a line, without its end (RFC 5322, section 2.1.1)."""

_SERVERS: Final = "mail servers write it"
_OURS: Final = "it is written when the mail is sent"
RESERVED: Final[Mapping[str, str]] = {
    "from": "use the field from",
    "sender": "use the field from",
    "to": "use the field recipient",
    "cc": "use the field cc",
    "bcc": "use the field bcc",
    "subject": "use the field subject",
    "date": _OURS,
    "message-id": _OURS,
    "mime-version": _OURS,
    "content-type": "use the fields html and attachments",
    "return-path": _SERVERS,
    "delivered-to": _SERVERS,
    "apparently-to": _SERVERS,
    "domainkey-signature": _SERVERS,
}
"""Headers that a message cannot carry, in lower case, with what to do instead."""
RESERVED_PREFIXES: Final[Mapping[str, str]] = {
    "content-": "use the fields html and attachments",
    "mime-": _OURS,
    "received": _SERVERS,
    "resent-": _SERVERS,
    "dkim-": _SERVERS,
    "arc-": _SERVERS,
    "authentication-results": _SERVERS,
}
TRACES: Final = frozenset({"traceparent", "tracestate"})
"""A trace's context, which is for programs: it stays behind without a word."""

_ADDRESSES: Final = frozenset(
    {
        "reply-to",
        "errors-to",
        "disposition-notification-to",
        "return-receipt-to",
        "x-confirm-reading-to",
        "mail-followup-to",
        "mail-reply-to",
    }
)
_NO_WORDS: Final = frozenset(
    {"in-reply-to", "references", "archived-at", "feedback-id", "auto-submitted", "precedence", "original-message-id"}
)
"""Ids, tokens and URLs; so are all that begin with `List-`."""
_LONGEST_NAME: Final = "Disposition-Notification-To"
"""Of the headers that have addresses: what a first line leaves room for."""
_UTF8: Final = Charset("utf-8")
_UTF8.header_encoding = SHORTEST  # other packages change the default of all
_ENCODED_WORD: Final = re.compile(r"=\?[^?]*\?[bq]\?", re.IGNORECASE)
_WORD: Final = re.compile(r"[ \t]*[^ \t]+")
_NAMED_ID: Final = re.compile(r"(?P<name>[^<>]*)(?P<id><[\x21-\x7e]+>)")


def check_mail_headers(headers: Mapping[str, str]) -> None:
    """Raises HeaderError for what cannot go out as it was given."""
    check_headers(headers)
    seen: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if (instead := reserved(lower)) is not None:
            raise HeaderError(f"{name!r} cannot be set here: {instead}")
        if lower in seen:
            raise HeaderError(f"{seen[lower]!r} and {name!r} are the same header")
        seen[lower] = name
        fold(name, value)


def reserved(lower: str) -> str | None:
    """What to do instead of giving the header of this name, in lower case; None where it may be given."""
    if lower in RESERVED:
        return RESERVED[lower]
    return next((instead for prefix, instead in RESERVED_PREFIXES.items() if lower.startswith(prefix)), None)


def fold(name: str, value: str) -> str:
    """A header's value as lines of ASCII, from which a reader gets what was given. Raises HeaderError."""
    lower = name.lower()
    # Unicode knows more ends of lines than ASCII does; no reader would get them.
    value = " ".join(value.splitlines()).strip(" \t")
    words = not (lower in _NO_WORDS or lower in _ADDRESSES or lower.startswith("list-"))
    if value.isascii() and not (words and _ENCODED_WORD.search(value)):
        folded = _folded(name, value)
        if folded is not None:
            return folded
        if lower != "subject":
            raise HeaderError(_too_long(name))
    if lower in _ADDRESSES:
        return _addresses(name, value)
    if lower == "list-id" and (named := _NAMED_ID.fullmatch(value)):
        return f"{encoded(named['name'].strip(), name)}\r\n {named['id']}"
    if not words:
        raise HeaderError(f"the value of {name!r} must be ASCII")
    return _escaped(name, value) or encoded(value, name)


def encoded(text: str, name: str = "") -> str:
    """Encoded-words, in lines of a header."""
    return Header(text, _UTF8, maxlinelen=LINE, header_name=name).encode(linesep="\r\n")


def mailbox(name: str, address: str) -> str:
    """A name, if there is one, and an address that is `on_the_wire`."""
    if not name:
        return address
    words = not name.isascii() or _ENCODED_WORD.search(name)
    return f"{encoded(name, _LONGEST_NAME) if words else quoted_name(name)} <{address}>"


def joined(name: str, mailboxes: Iterable[str]) -> str:
    """A list of mailboxes, folded between them."""
    text = ""
    for each in mailboxes:
        if not text:
            text = each
            continue
        line = len(text.rpartition("\r\n")[2]) + (0 if "\r\n" in text else len(name) + 2)
        text += f", {each}" if line + 2 + len(each.partition("\r\n")[0]) < LINE else f",\r\n {each}"
    return text


def parameter(name: str, value: str) -> str:
    """A parameter of a MIME header (RFC 2045, and RFC 2231 where it takes more than ASCII)."""
    if value.isascii() and not _ENCODED_WORD.search(value):
        return f'{name}="{quote(value)}"'
    return f"{name}*={encode_rfc2231(value, 'utf-8')}"


def _folded(name: str, value: str) -> str | None:
    """In one line if it fits, else folded between words; None where a word is longer than a line may be."""
    if len(name) + 2 + len(value) <= LONGEST_LINE:
        return value
    lines = [""]
    for word in _WORD.findall(value):
        prefix = len(name) + 2 if len(lines) == 1 else 0
        if lines[-1] and prefix + len(lines[-1]) + len(word) > LINE:
            lines.append("")
            prefix = 0
        lines[-1] += word
        if prefix + len(lines[-1]) > LONGEST_LINE:
            return None
    return "\r\n".join(lines)


def _addresses(name: str, value: str) -> str:
    """Encodes the names of addresses and not the addresses, which a reader could not answer then."""
    mailboxes = []
    for display_name, address in getaddresses([value]):
        try:
            wire = on_the_wire(address)
        except RecipientError as error:
            raise HeaderError(f"an address in {name!r} {error}") from None
        if not wire.isascii():
            raise HeaderError(f"the address in {name!r} is not ASCII")
        mailboxes.append(mailbox(display_name, wire))
    return joined(name, mailboxes)


def _escaped(name: str, value: str) -> str | None:
    """JSON, as some relays take it in a header, with escapes for what is not ASCII; None for what is no JSON."""
    if value[:1] not in "[{":
        return None
    try:
        json.loads(value)
    except ValueError:
        return None
    # Outside ASCII there are only letters within strings.
    folded = _folded(name, "".join(c if c.isascii() else json.dumps(c)[1:-1] for c in value))
    if folded is None:
        raise HeaderError(_too_long(name))
    return folded


def _too_long(name: str) -> str:
    return f"the value of {name!r} has a word that is longer than a line may be, {LONGEST_LINE} characters"
