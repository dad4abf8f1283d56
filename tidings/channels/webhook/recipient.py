"""Absolute https URLs, kept as they were given but for what an HTTP request cannot carry.

Plain http is for networks of the operator's own. Ports, and addresses that stand in a URL as they are, are checked here
and again with every connection (`tidings/security/egress.py`).
"""

import re
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv6Address, ip_address
from typing import Final
from uuid import UUID

from yarl import URL

from tidings.channels.recipient import EndpointKey, RecipientError, Recipients
from tidings.domain.account import Sender
from tidings.domain.addresses import Address, is_loopback
from tidings.domain.errors import SettingsError
from tidings.domain.message import Delivery, Message
from tidings.domain.retry import WEBHOOK_DELAYS
from tidings.security.egress import plain_webhook_egress, webhook_egress
from tidings.settings import Settings

MAX_AUTHORITY: Final = 300
"""Letters of a host with its port: names have up to 253. In another alphabet a name takes more than linear time."""
DIGEST: Final = 12
"""Hexadecimal digits of a path's digest that are shown."""
_NOT_IN_PATH = re.compile(r'[^!-~]|["<>\\^`{}]')
_NOT_IN_QUERY = re.compile(r'[^!-~]|["<>\\]')
"""What browsers encode (https://url.spec.whatwg.org/#percent-encoded-bytes), and so what receivers are used to."""
_HERE: Final = ("127.0.0.1", "::1")
"""Where `localhost` and the names below it lead, everywhere (RFC 6761)."""
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
_IN_BRACKETS = re.compile(r"(?:[^@\[\]]*@)?\[(?P<address>[^\[\]]*)\](?::[0-9]*)?")
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
"""By https://url.spec.whatwg.org/#ends-in-a-number-checker."""


class WebhookRecipients(Recipients):
    """The destination is the host, with the port where it is not 443."""

    retry_delays = WEBHOOK_DELAYS

    def normalise(self, recipient: str) -> str:
        _check_authority(recipient.partition("://")[2])
        # yarl, since it is what the request is made with: what is checked here is what is called later.
        try:
            url = URL(recipient)
            host, _ = url.raw_host, url.port  # either may fail
        except ValueError as error:
            raise RecipientError(f"is not a URL: {error}") from None
        if url.scheme not in {"https", "http"} or not host:
            raise RecipientError("must be an absolute https URL")
        if url.user is not None or url.password is not None:
            raise RecipientError("must not contain a user name or password")
        if url.raw_fragment:
            raise RecipientError("must not contain a fragment")
        if ":" not in host:  # with a colon it is an IPv6 address, which yarl has parsed
            if not _HOST_NAME.fullmatch(host):
                raise RecipientError("is not a URL: its host name is malformed")
            if _NUMBER.fullmatch(host) and _address(host) is None:
                # Systems differ in what they take it for: an address in decimal, in octal, shortened, or a name.
                raise RecipientError(f"is not a URL: its host {host} is neither a name nor an address")
        _, _, after_scheme = recipient.partition("://")
        tail = re.sub(r"^[^/?#]*", "", after_scheme).removesuffix("#")
        tail = _encoded(tail if tail.startswith("/") else f"/{tail}")
        return f"{url.origin()}{tail}"

    def seal(self, recipient: str, message_id: UUID, settings: Settings, *, operators: bool = False) -> str:
        """As it is, since it is no secret. Raises RecipientError for what the settings keep closed, as far as that can
        be told without asking for the address of a name, and SettingsError where nothing could sign it."""
        if not (settings.secret_keys or settings.webhook_signing_secret or settings.webhook_unsigned):
            raise SettingsError("SECRET_KEYS: must be set before a webhook can be signed")
        scheme, _, rest = recipient.partition("://")
        refusal = _refusal(f"{scheme}://{rest.partition('/')[0]}", settings, operators=operators)
        if refusal is not None:
            raise RecipientError(refusal)
        return recipient

    def destination(self, message: Message | Delivery, sender: Sender | None) -> str:
        return message.recipient.partition("://")[2].partition("/")[0]

    def endpoint(self, message: Message | Delivery, sender: Sender | None) -> EndpointKey:
        if message.endpoint_id is not None:
            return EndpointKey(f"endpoint {message.endpoint_id}", message.user_id)
        # Without its query, which may differ from message to message.
        return EndpointKey(shortened(message.recipient.partition("?")[0]), message.user_id)


def _check_authority(after_scheme: str) -> None:
    """Raises RecipientError for a host that is too long to be read, and for brackets around what is no IPv6 address.

    yarl makes names of some of those (`[v1.a]`), and cannot write others (`[:::]`).
    """
    authority = re.split(r"[/?#]", after_scheme, maxsplit=1)[0]
    if len(authority) > MAX_AUTHORITY:
        raise RecipientError("is not a URL: its host name is malformed")
    if "[" not in authority and "]" not in authority:
        return
    found = _IN_BRACKETS.fullmatch(authority)
    if found is None or not isinstance(_address(found["address"]), IPv6Address):
        raise RecipientError("is not a URL: its host is no IPv6 address")


@lru_cache(maxsize=4096)
def shortened(url: str) -> str:
    """A URL as operators may see it: its path, which may be a secret as those of Slack and Discord are, is a digest.

    The same URL has the same one, so that reports, logs and `explain` can be compared.
    """
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    return f"{scheme}://{host}/" + (f"…{sha256(url.encode()).hexdigest()[:DIGEST]}" if path else "")


def _encoded(tail: str) -> str:
    """Path and query with each character encoded that an HTTP request cannot carry; every other one stays, encoded or
    not, since a signature may be over just that spelling."""
    path, mark, query = tail.partition("?")
    try:
        return f"{_NOT_IN_PATH.sub(_percent, path)}{mark}{_NOT_IN_QUERY.sub(_percent, query)}"
    except UnicodeEncodeError:
        raise RecipientError("is not valid Unicode text") from None


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode())


def _address(host: str) -> Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _refusal(origin: str, settings: Settings, *, operators: bool) -> str | None:
    """Why nothing may be sent to an origin, to follow "the recipient"; None where it may, or only connecting tells."""
    url = URL(origin, encoded=True)
    host, port = url.raw_host or "", url.port or 0
    egress = webhook_egress(settings)
    if not egress.opens(port):
        return f"names port {port}, which WEBHOOK_ALLOW_PORTS does not open: {', '.join(settings.webhook_allow_ports)}"
    here = _is_here(host)
    if operators and here and settings.loopback_only:
        return None
    address = _address(host)
    if address is not None and (reason := egress.check(host, port)) is not None:
        return _closed(reason)
    if url.scheme == "http":
        own = plain_webhook_egress(settings)
        # Where a name leads is checked with the connection, but not where a proxy makes that.
        named = settings.webhook_allow_cidrs and not settings.egress_proxy
        if not (own.check(host, port) is None if address else named):
            return "must be an https URL; http is for the networks of WEBHOOK_ALLOW_CIDRS"
    if here and address is None:
        reasons = [egress.check(each, port) for each in _HERE]
        return None if None in reasons else _closed(reasons[0])
    return None


def _closed(reason: str | None) -> str:
    article = "an" if reason and reason[0] in "aeiou" else "a"
    return f"names {article} {reason}, which WEBHOOK_ALLOW_CIDRS does not open"


def _is_here(host: str) -> bool:
    return is_loopback(host.rstrip("."))
