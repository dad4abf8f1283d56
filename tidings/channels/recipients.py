"""Who a message may go to: checked when it is accepted, so that a mistake is told to the one who made it.

Channels of other packages are not imported here: the process that accepts a message needs their names only.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult
from yarl import URL

from tidings.channels.apprise import urls as apprise_urls
from tidings.domain.addresses import is_loopback

CHANNEL_GROUP: Final = "tidings.channels"
"""The entry point group in which a package names its channels."""

OPTIONAL: Final[Mapping[str, str]] = {"tidings.channels.apprise.channel": "apprise"}
"""Modules of channels that come with tidings but need a package that does not, with its name."""

MAX_BYTES: Final = 2048
"""Length of a recipient in UTF-8: enough for any URL in use, and short enough for an index row of Postgres."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PHONE = re.compile(r"\+[0-9 ().\-/]+")
_ENCODED = re.compile(r"(?:[!$&'()*+,;=:@/?\-._~0-9A-Za-z]|%[0-9A-Fa-f]{2})*")
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")


class RecipientError(ValueError):
    """The recipient cannot be one of its channel; the text is one line for the client."""


@cache
def channel_names() -> frozenset[str]:
    """Names of the channels that are installed, found without importing any of them."""
    return frozenset(point.name for point in channel_points())


def channel_points() -> list[EntryPoint]:
    """The entry points of the channels that are installed, each with what it needs."""
    return [
        point
        for point in entry_points(group=CHANNEL_GROUP)
        if point.module not in OPTIONAL or find_spec(OPTIONAL[point.module])
    ]


def check_recipient(channel: str, recipient: str) -> str:
    """Returns the recipient in its normal form, which is what is kept.

    sms: E.164. webhook: an absolute https URL. email: an address without a name. apprise: an Apprise URL. Other
    channels: any text of one line. Raises RecipientError.
    """
    recipient = recipient.strip()
    if not recipient:
        raise RecipientError("must not be empty")
    if _CONTROL.search(recipient):
        raise RecipientError("must not contain control characters")
    check = _CHECKS.get(channel)
    normal = check(recipient) if check else recipient
    try:
        size = len(normal.encode())
    except UnicodeEncodeError:
        raise RecipientError("is not valid Unicode text") from None
    if size > MAX_BYTES:
        raise RecipientError(f"is longer than {MAX_BYTES} bytes")
    return normal


def _phone_number(recipient: str) -> str:
    if not _PHONE.fullmatch(recipient):
        raise RecipientError("must be a phone number with '+' and the country code, such as +905551111111")
    try:
        number = phonenumbers.parse(recipient)
    except NumberParseException as error:
        raise RecipientError(f"is not a phone number: {str(error).removeprefix(f'({error.error_type}) ')}") from None
    # Possible, not valid: the lists of assigned ranges age, and a number that the gateway would reach must not be
    # refused for them.
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        raise RecipientError("is not a phone number: its length does not fit its country")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _webhook_url(recipient: str) -> str:
    # yarl, since it is what the request is made with: what is checked here is what is called later.
    try:
        url = URL(recipient)
        host = url.raw_host
    except ValueError as error:
        raise RecipientError(f"is not a URL: {error}") from None
    if url.scheme not in {"https", "http"} or not host:
        raise RecipientError("must be an absolute https URL")
    if url.user is not None or url.password is not None:
        raise RecipientError("must not contain a user name or password")
    if url.raw_fragment:
        raise RecipientError("must not contain a fragment")
    if ":" not in host and not _HOST_NAME.fullmatch(host):  # with a colon it is an IPv6 address, which yarl has parsed
        raise RecipientError("is not a URL: its host name is malformed")
    if url.scheme == "http" and not is_loopback(host):
        raise RecipientError("must be an https URL; http is for loopback hosts only")
    # A path and query that are encoded already stay letter for letter, or a signature within them may break: yarl takes
    # back encodings that it finds needless.
    _, _, after_scheme = recipient.partition("://")
    tail = re.sub(r"^[^/?#]*", "", after_scheme).removesuffix("#")
    if not _ENCODED.fullmatch(tail):
        tail = url.raw_path_qs
    return f"{url.origin()}{tail}" if tail.startswith("/") else f"{url.origin()}/{tail}"


def _apprise_url(recipient: str) -> str:
    try:
        return apprise_urls.check(recipient)
    except apprise_urls.AppriseUrlError as error:
        raise RecipientError(str(error)) from None


def _email_address(recipient: str) -> str:
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415  (takes 40 ms)

    try:
        # Host names without a dot too: `root@mailhost` is an address within some deployments.
        return validate_email(recipient, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError as error:
        reason = " ".join(str(error).split())
        raise RecipientError(f"is not an e-mail address: {reason[:1].lower()}{reason[1:]}") from None


_CHECKS: Final[Mapping[str, Callable[[str], str]]] = {
    "sms": _phone_number,
    "webhook": _webhook_url,
    "email": _email_address,
    "apprise": _apprise_url,
}
