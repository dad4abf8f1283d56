"""What a message passes on its way in: its recipients still take mail of its user; the link to unsubscribe is added.

The one place where suppressions are looked up: one query a request, of however many messages. A mail that is handed in
in the very moment in which its recipient unsubscribes may still go out.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from aiohttp import web

from api.http.auth import principal
from api.http.problems import Fault, InvalidError
from api.http.resources import STORE
from tidings.channels.installed import recipients
from tidings.domain.errors import SettingsError
from tidings.domain.message import Message, NewMessage
from tidings.domain.suppression import Suppression, SuppressionReason, same_address
from tidings.security.unsubscribe_tokens import UnsubscribeTokens, Unsubscribing
from tidings.settings import Settings

MAIL: Final = "email"
"""The channel whose addresses suppressions are about, in all queues."""
LINK: Final = "List-Unsubscribe"
ONE_CLICK: Final = "List-Unsubscribe-Post"
ONE_CLICK_VALUE: Final = "List-Unsubscribe=One-Click"
MAX_LINK: Final = 900
"""Letters, so that the header fits into a line of a mail."""

WHY: Final[Mapping[SuppressionReason, str]] = {
    SuppressionReason.BOUNCE: "a mail server said that there is no such address",
    SuppressionReason.COMPLAINT: "its reader called a mail spam",
    SuppressionReason.UNSUBSCRIBE: "its reader unsubscribed",
    SuppressionReason.MANUAL: "it was put on your list",
}


async def require_wanted(request: web.Request, message: NewMessage) -> None:
    """Raises InvalidError where a recipient takes no more mail of the message's user."""
    if faults := await unwanted(request, {None: message}):
        raise InvalidError(faults)


async def unwanted(request: web.Request, messages: Mapping[int | None, NewMessage]) -> list[Fault]:
    """The faults of those whose recipients take no more mail of theirs, by their index in a batch."""
    addresses = [
        (index, field, same_address(address))
        for index, message in messages.items()
        for field, address in mail_addresses(message)
    ]
    if not addresses:
        return []
    wanted = list({address for _, _, address in addresses})
    found = await request.app[STORE].suppressions.among(principal(request).user_id, wanted)
    return [
        Fault(index=index, field=field, detail=refusal(found[address]))
        for index, field, address in addresses
        if address in found
    ]


async def refusal_to_retry(request: web.Request, message: Message) -> str | None:
    """Why a mail is not sent again; None where its recipient is not to blame."""
    if not any(mail_addresses(message)):
        return None
    address = same_address(message.recipient)
    found = await request.app[STORE].suppressions.among(message.user_id, [address])
    return refusal(found[address]) if address in found else None


def mail_addresses(message: NewMessage) -> Iterator[tuple[str, str]]:
    """Field and address of each recipient of a mail; nothing for another message."""
    if not recipients(message.channel).takes_mail_parts:
        return
    yield "recipient", message.recipient
    if message.mail is not None:
        yield from (("cc", each.email) for each in message.mail.parts.cc)
        yield from (("bcc", each.email) for each in message.mail.parts.bcc)


def refusal(suppression: Suppression) -> str:
    """Why a mail is not taken, and what to do where that is a mistake."""
    since = f"{suppression.since:%Y-%m-%d %H:%M} UTC"
    return (
        f"{suppression.address} takes no more mail of yours since {since}: {WHY[suppression.reason]}; "
        f"DELETE /api/v1/suppressions/{suppression.id} lifts it"
    )


def with_link(message: NewMessage, wanted: bool, settings: Settings) -> NewMessage:
    """The message with the headers of RFC 8058 where it is to have them.

    Raises InvalidError where it cannot.
    """
    if not wanted:
        return message
    headers = message.headers or {}
    link = ""
    if not recipients(message.channel).takes_mail_parts:
        fault = "is for e-mail"
    elif not settings.public_url:
        fault = "needs PUBLIC_URL, which is not set here"
    elif len(list(mail_addresses(message))) > 1:
        fault = "is for a mail to one recipient: a link is one reader's own"
    elif any(name.lower() in {LINK.lower(), ONE_CLICK.lower()} for name in headers):
        fault = f"adds {LINK}, which headers has already"
    else:
        fault, link = _link(message, settings)
    if fault:
        raise InvalidError([Fault(field="unsubscribe", detail=fault)])
    return msgspec.structs.replace(message, headers={**headers, LINK: f"<{link}>", ONE_CLICK: ONE_CLICK_VALUE})


def _link(message: NewMessage, settings: Settings) -> tuple[str, str]:
    """What is wrong, or the link."""
    unsubscribing = Unsubscribing(message.user_id, message.id, same_address(message.recipient))
    try:
        token = UnsubscribeTokens(settings.secret_keys).sign(unsubscribing)
    except SettingsError:
        return "needs SECRET_KEYS, which are not set here", ""
    link = f"{settings.public_url.rstrip('/')}/unsubscribe/{token}"
    return ("makes a link that is too long, of so long an address", "") if len(link) > MAX_LINK else ("", link)
