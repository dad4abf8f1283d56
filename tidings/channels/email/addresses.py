"""E-mail addresses: which there are, which everybody's mail servers deliver to, and how a mail names them. Pure.

Wider than RFC 5321 in one thing: periods in a row and before the `@`, which Japanese mobile carriers have given out. A
mail names those in quotes (`"foo..bar"@docomo.ne.jp`), as the grammar wants it and Postfix does.
"""

import re
from email.utils import quote, unquote
from functools import lru_cache
from typing import Final

from tidings.channels.recipient import RecipientError
from tidings.domain.mail_parts import Mailbox
from tidings.settings import Settings

MAX_NAME: Final = 256
"""Characters of a display name."""
MAX_ADDRESS: Final = 320
"""Characters of an address: 64, the `@`, and 255 (RFC 3696, section 3)."""
MAX_TEXT: Final = 1024
"""Characters of an address with its name. Both are checked before anything reads it: that takes more than linear time.
"""

_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_PERIODS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-][A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{0,63}")
"""A local part with periods where RFC 5321 has none."""
_UNDERSCORES: Final = re.compile(r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\Z")
_INTERNAL: Final = re.compile(r"(?:^|\.)(?:local|localhost|test|invalid|onion|arpa)\Z|_|^\[")
"""Domains of a network of one's own, by RFC 6761 and 6762; underscores, which no public name has; and literals."""
_NO_SENDER: Final = re.compile(
    r"(?:^|\.)(?:local|localhost|localdomain|internal|intranet|lan|home\.arpa|test|example|invalid|onion)\Z|^[^.]*\Z|^\["
)
"""Domains that no server elsewhere takes mail from: special ones (RFC 6761, 6762, 8375; ICANN has kept `internal` for
networks of one's own), names without a dot, and literals."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_NAMED: Final = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]+)>")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")


def check_address(address: str) -> str:
    """The address in its normal form, its domain in lower case. Raises RecipientError."""
    _check_length(address, MAX_ADDRESS)
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415  (takes 40 ms)

    if _CONTROL.search(address):
        raise RecipientError("must not contain control characters")
    local, _, domain = address.rpartition("@")
    if local.startswith('"') and local.endswith('"') and _PERIODS.fullmatch(local[1:-1]):
        local = local[1:-1]
    # What the library refuses on principle is left out of what it checks, and put back.
    odd = _PERIODS.fullmatch(local) and not _ATOMS.fullmatch(local)
    own = domain.lower().rstrip(".") if domain.isascii() and _INTERNAL.search(domain.lower()) else None
    if own is not None and (own.startswith("[") or not _UNDERSCORES.match(own)):
        own = None
    try:
        # Host names without a dot too: `root@mailhost` is an address within some deployments.
        checked = validate_email(
            f"{'x' if odd else local}@{domain if own is None else 'example.com'}",
            check_deliverability=False,
            globally_deliverable=False,
            allow_quoted_local=True,
            allow_domain_literal=True,
        )
    except EmailNotValidError as error:
        reason = " ".join(str(error).split())
        raise RecipientError(f"is not an e-mail address: {reason[:1].lower()}{reason[1:]}") from None
    return f"{local if odd else checked.local_part}@{own or checked.domain}"


def require_deliverable(address: str, settings: Settings) -> None:
    """Raises RecipientError for a checked address that only a network of one's own delivers to, where none is there."""
    if settings.email_addresses == "strict" and _INTERNAL.search(address.rpartition("@")[2]):
        raise RecipientError("is an address within a network; EMAIL_ADDRESSES=internal takes those")


def require_sender(address: str, settings: Settings) -> None:
    """Raises RecipientError for a login that would be the sender of mail, and is of a domain that cannot be one.

    What is no address at all, such as `apikey`, never is the sender.
    """
    if settings.email_addresses == "internal":
        return
    try:
        domain = check_address(address).rpartition("@")[2]
    except RecipientError:
        return
    if _NO_SENDER.search(domain):
        raise RecipientError(f"would be the sender, and no server elsewhere takes mail from {domain}: say `from`")


@lru_cache(maxsize=4096)
def on_the_wire(address: str) -> str:
    """The address as SMTP and headers have it: its domain in ASCII, its local part in quotes where it needs them.

    Raises RecipientError.
    """
    local, _, domain = check_address(address).rpartition("@")
    if not domain.isascii():
        from email_validator import validate_email  # noqa: PLC0415

        domain = validate_email(f"x@{domain}", check_deliverability=False, globally_deliverable=False).ascii_domain
    if local.isascii() and not local.startswith('"') and not _ATOMS.fullmatch(local):
        local = f'"{local}"'
    return f"{local}@{domain}"


def _check_length(text: str, most: int) -> None:
    if len(text) > most:
        raise RecipientError(f"is longer than {most} characters")


def parse_mailbox(text: str) -> Mailbox:
    """`ada@example.com`, or `Ada Lovelace <ada@example.com>` with or without quotes. Raises RecipientError."""
    _check_length(text, MAX_TEXT)
    text = text.strip()
    named = _NAMED.fullmatch(text) if text.endswith(">") else None
    if named is None:
        return Mailbox(email=check_address(text))
    name = named["name"].strip()
    if not name or name.count('"') % 2:
        raise RecipientError("is not an e-mail address, nor a name with one in angle brackets")
    return check_mailbox(Mailbox(email=named["address"].strip(), name=unquote(name) if name[0] == '"' else name))


def check_mailbox(mailbox: Mailbox) -> Mailbox:
    """The mailbox with its address in the normal form. Raises RecipientError."""
    if _CONTROL.search(mailbox.name):
        raise RecipientError("has a name with control characters")
    if len(mailbox.name) > MAX_NAME:
        raise RecipientError(f"has a name of more than {MAX_NAME} characters")
    return Mailbox(email=check_address(mailbox.email.strip()), name=" ".join(mailbox.name.split()))


def quoted_name(name: str) -> str:
    """A display name of ASCII as it stands before an address."""
    return name if _PLAIN_NAME.fullmatch(name) else f'"{quote(name)}"'
