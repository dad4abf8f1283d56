"""The operator's SMTP account, as the settings `SMTP_URL` and `SMTP_FROM` write it. Pure.

No error repeats anything of a URL, which holds a password.
"""

import re
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from tidings.domain.account import IMPLICIT_TLS_PORT, OPERATORS_ACCOUNT, SmtpAccount, Tls
from tidings.domain.mail_parts import Mailbox

SUBMISSION_PORT: Final = 587

_FORM: Final = "must be like smtp://user:password@host:587 or smtps://user:password@host, each part percent-encoded"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_MAILBOX: Final = re.compile(r'(?:"?(?P<name>[^"<>\x00-\x1f\x7f]{1,256}?)"?\s*)?<(?P<address>[^<>]+)>')
_ADDRESS: Final = re.compile(r"[^\s@<>\"\x00-\x1f\x7f]{1,64}@[^\s@<>\"\x00-\x1f\x7f]{1,255}")


def parse_smtp_url(url: str) -> SmtpAccount:
    """Raises ValueError.

    `smtps` is TLS from the first byte, at port 465 where none is named. `smtp` is STARTTLS, at 587 where none is named,
    but at port 465, and where `?tls=` says `implicit`, `starttls` or `none`.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True) if parts.query else []
    except ValueError:
        raise ValueError(_FORM) from None
    implicit = parts.scheme == "smtps"
    if parts.scheme not in {"smtp", "smtps"} or not host or parts.path not in {"", "/"} or parts.fragment:
        raise ValueError(_FORM)
    if any(name != "tls" for name, _ in query) or len(query) > 1:
        raise ValueError("has a query of other things than tls")
    tls = Tls.IMPLICIT if implicit else None
    if query:
        if implicit or query[0][1] not in set(Tls):
            raise ValueError("may have ?tls=implicit, ?tls=starttls or ?tls=none, after smtp://")
        tls = Tls(query[0][1])
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if _CONTROL.search(username + password) or bool(username) != bool(password):
        raise ValueError("must have a user name and a password, or neither")
    return SmtpAccount(
        name=OPERATORS_ACCOUNT,
        host=host,
        port=port or (IMPLICIT_TLS_PORT if tls is Tls.IMPLICIT else SUBMISSION_PORT),
        username=username or None,
        clear_password=password or None,
        tls=tls,
    )


def parse_smtp_from(text: str) -> Mailbox:
    """From `mail@example.com` or `Example <mail@example.com>`. Raises ValueError."""
    named = _MAILBOX.fullmatch(text.strip())
    address = named["address"].strip() if named else text.strip()
    if not _ADDRESS.fullmatch(address):
        raise ValueError("must be like mail@example.com or Example <mail@example.com>")
    return Mailbox(email=address, name=(named["name"] or "").strip() if named else "")


def operators_account(smtp_url: str, smtp_from: str) -> SmtpAccount | None:
    """The account with whom its mail is from; None where there is none. Raises ValueError."""
    if not smtp_url:
        return None
    account = parse_smtp_url(smtp_url)
    if not smtp_from and not _ADDRESS.fullmatch(account.username or ""):
        raise ValueError("SMTP_FROM: must say whom mail is from where the user name of SMTP_URL is no address")
    return msgspec.structs.replace(account, sender=parse_smtp_from(smtp_from or account.username or ""))
