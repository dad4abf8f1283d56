"""The users whom mail is handed in for: whether an account is there that it could go by, and may be from whom it says.

State: users cached for `LIFE_SECONDS`, so that mail costs no query for this; what would be refused is read again first.
So an account that was just set is known at once, and one that was just deleted for a few seconds more: mail that was
accepted in them is held.
"""

from typing import Final
from uuid import UUID

from msgspec import UNSET

from api.accounts.recent import Recent
from api.http.principal import Principal
from api.messages.mail import Faults
from api.messages.schemas import MailboxRequest, MessageRequest
from tidings.channels.email.accounts import (
    NO_OPERATORS,
    Chosen,
    NoAccountError,
    ReadSenders,
    choose,
    may_be_from,
    opened,
    operators_of,
    owns_address,
)
from tidings.channels.email.addresses import parse_mailbox
from tidings.channels.installed import recipients
from tidings.channels.recipient import RecipientError
from tidings.domain.account import Sender
from tidings.settings import Settings

LIFE_SECONDS: Final = 5.0
MOST: Final = 10_000

UNPROVEN: Final = (
    "is missing: your e-mail address is not proven, so mail goes out only from addresses that an admin allows;"
    " POST /api/v1/me/proof sends the link that proves it, or an admin says that it is yours"
)
NO_ACCOUNT: Final = "there is no SMTP account that your mail could go by; PUT /api/v1/me/smtp sets one"


class MailSenders:
    """Finds the faults of mail that its account has to do with."""

    def __init__(self, read: ReadSenders, settings: Settings) -> None:
        self._read = opened(read, settings)
        self._operators = operators_of(settings)
        self._known: Recent[UUID, Sender] = Recent(life=LIFE_SECONDS, most=MOST)

    async def faults(self, request: MessageRequest, principal: Principal) -> Faults:
        """None for another message than a mail."""
        if not recipients(request.channel).takes_mail_parts:
            return {}
        user_id = principal.user_id
        if user_id is None:
            return self._faults(request, None, None)
        # Whom it may be from is a right that may have been withdrawn a moment ago.
        known = self._known.get(user_id) if request.from_ is UNSET else None
        if known is not None and not self._faults(request, user_id, known):
            return {}
        sender = (await self._read([user_id])).get(user_id)
        if sender is not None:
            self._known.put(user_id, sender)
        return self._faults(request, user_id, sender)

    def _faults(self, request: MessageRequest, user_id: UUID | None, sender: Sender | None) -> Faults:
        name = None if request.account is UNSET else request.account
        try:
            chosen = choose(name, user_id, sender, self._operators)
        except NoAccountError as error:
            if name is not None:
                return {"account": f"is not among yours: {error}"}
            if user_id is None:
                return {"channel": f"is not open: {NO_OPERATORS}"}
            return (
                {"account": "is needed: none of yours is the default"}
                if sender and sender.others
                else {"channel": NO_ACCOUNT}
            )
        if request.from_ is not UNSET:
            return _from_faults(request.from_, sender, chosen)
        return {} if owns_address(chosen, sender) else {"from": UNPROVEN}


def _from_faults(given: str | MailboxRequest, sender: Sender | None, chosen: Chosen) -> Faults:
    try:
        address = parse_mailbox(given).email if isinstance(given, str) else given.email
    except RecipientError:
        return {}  # which is found where the mail is read
    if may_be_from(address, sender, chosen):
        return {}
    return {"from": f"{address} is not among your addresses; an admin can allow it"}
