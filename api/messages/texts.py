"""Text messages at the door: the number, the encoding and its parts, and whether a gateway takes them.

State: all gateways, as this process knows them, at most 2 s old. No message costs a query for them.
"""

from functools import lru_cache

import msgspec
from msgspec import UNSET

from api.http.principal import Principal
from api.messages.mail import Faults
from api.messages.schemas import MessageRequest
from sql.gateways import KnownGateways
from tidings.channels.installed import recipients
from tidings.channels.recipient import MAX_BYTES, RecipientError
from tidings.channels.sms.directory import GatewayDirectory
from tidings.channels.sms.parts import parts, smart
from tidings.channels.sms.recipient import SHORT_CODE, SmsRecipients, plain_number
from tidings.settings import Settings

LONGEST_KNOWN = 64
"""Letters of a number that is kept in memory."""


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """What a text message is made of, checked."""

    recipient: str
    content: str
    gateway: str | None
    sender: str | None
    parts: int
    faults: Faults


class Texts:
    """Reads text messages out of requests."""

    def __init__(self, known: KnownGateways, settings: Settings) -> None:
        self._known = known
        self._settings = settings
        self._recipients = SmsRecipients(settings.default_region)
        # A number costs 10 µs, a fifth of a request, and the same receivers come again and again.
        self._number = lru_cache(maxsize=4096)(self._recipients.check)

    async def of(self, request: MessageRequest, principal: Principal) -> Text | None:
        """None for another message than a text message."""
        if not isinstance(recipients(request.channel), SmsRecipients):
            return None
        return self.read(request, principal, await self._known.fresh())

    def read(self, request: MessageRequest, principal: Principal, directory: GatewayDirectory) -> Text:
        """With these gateways."""
        faults: Faults = {}
        for name in ("headers", "subject"):
            if getattr(request, name):
                faults[name] = f"is not for channel {request.channel}"
        sender = _sender(request, faults)
        named = None if request.gateway is UNSET else request.gateway
        recipient = self._recipient(request.recipient, principal, directory, faults)
        content = request.content if isinstance(request.content, str) else ""
        wants_smart = self._settings.sms_smart_encoding if request.smart_encoding is UNSET else request.smart_encoding
        if wants_smart:
            content = smart(content)
        text = Text(
            recipient=recipient, content=content, gateway=named, sender=sender, parts=parts(content), faults=faults
        )
        if not faults:
            self._check_gateway(text, principal, directory)
        return text

    def _recipient(self, text: str, principal: Principal, directory: GatewayDirectory, faults: Faults) -> str:
        if len(text) <= MAX_BYTES:
            short = plain_number(text.strip())
            if SHORT_CODE.fullmatch(short) and directory.fitting(principal.user_id, short):
                return short
        try:
            return self._number(text) if len(text) <= LONGEST_KNOWN else self._recipients.check(text)
        except RecipientError as error:
            faults["recipient"] = str(error)
            return text

    def _check_gateway(self, text: Text, principal: Principal, directory: GatewayDirectory) -> None:
        user_id, sender, named, faults = principal.user_id, text.sender, text.gateway, text.faults
        usable = directory.open_to(user_id)
        if not usable and sender is None and named is None:
            return
        if directory.fitting(user_id, text.recipient, sender, named):
            return
        if named is not None and not any(named in {gateway.key, gateway.name} for gateway in usable):
            faults["gateway"] = "is not among yours"
        elif sender is not None and not any(sender in gateway.senders for gateway in usable):
            faults["from"] = "is not among what your gateways let a message be from"
        elif named is not None or sender is not None:
            faults["recipient"] = "is no number that this gateway takes, or not with this sender"
        elif not self._settings.webhook_url:
            faults["recipient"] = "is no number that one of your gateways takes"


def _sender(request: MessageRequest, faults: Faults) -> str | None:
    if request.from_ is UNSET:
        return None
    if isinstance(request.from_, str):
        return request.from_
    faults["from"] = "of a text message is a number or a name"
    return None
