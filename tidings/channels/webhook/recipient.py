"""Absolute https URLs."""

import re

from yarl import URL

from tidings.channels.recipient import EndpointKey, RecipientError, Recipients
from tidings.domain.account import Sender
from tidings.domain.addresses import is_loopback
from tidings.domain.message import Delivery, Message

_ENCODED = re.compile(r"(?:[!$&'()*+,;=:@/?\-._~0-9A-Za-z]|%[0-9A-Fa-f]{2})*")
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")


class WebhookRecipients(Recipients):
    """The destination is the host, with the port where it is not 443."""

    def normalise(self, recipient: str) -> str:
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
        if ":" not in host and not _HOST_NAME.fullmatch(
            host
        ):  # with a colon it is an IPv6 address, which yarl has parsed
            raise RecipientError("is not a URL: its host name is malformed")
        if url.scheme == "http" and not is_loopback(host):
            raise RecipientError("must be an https URL; http is for loopback hosts only")
        # A path and query that are encoded already stay letter for letter, or a signature within them may break: yarl
        # takes back encodings that it finds needless.
        _, _, after_scheme = recipient.partition("://")
        tail = re.sub(r"^[^/?#]*", "", after_scheme).removesuffix("#")
        if not _ENCODED.fullmatch(tail):
            tail = url.raw_path_qs
        return f"{url.origin()}{tail}" if tail.startswith("/") else f"{url.origin()}/{tail}"

    def destination(self, message: Message | Delivery, sender: Sender | None) -> str:
        return message.recipient.partition("://")[2].partition("/")[0]

    def endpoint(self, message: Message | Delivery, sender: Sender | None) -> EndpointKey:
        # Without its query, which may differ from message to message, and is where secrets are.
        return EndpointKey(message.recipient.partition("?")[0], message.user_id)
