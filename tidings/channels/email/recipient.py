"""The recipient of a mail, and what else the API checks of it."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from tidings.channels.email.accounts import goes_by_operators, own_account
from tidings.channels.email.addresses import check_address, require_deliverable
from tidings.channels.recipient import EndpointKey, Recipients
from tidings.channels.smtp.headers import check_mail_headers
from tidings.domain.account import DEFAULT_ACCOUNT, Sender
from tidings.domain.message import Delivery, Message
from tidings.domain.retry import EMAIL_DELAYS
from tidings.settings import Settings

OPERATORS: Final = "the operator's account"
"""The destination of what goes by it."""


class EmailRecipients(Recipients):
    """The destination is the SMTP account that the mail goes by.

    Two users may name the same server and user name, and only one of them be let in: they share nothing.
    """

    retry_delays = EMAIL_DELAYS

    max_content_bytes = 1024**2
    takes_mail_parts = True

    def normalise(self, recipient: str) -> str:
        return check_address(recipient)

    def seal(self, recipient: str, message_id: UUID, settings: Settings, *, operators: bool = False) -> str:
        """The recipient as it is: an address is no secret. Raises RecipientError where this deployment has no such."""
        require_deliverable(recipient, settings)
        return recipient

    def check_headers(self, headers: Mapping[str, str]) -> None:
        check_mail_headers(headers)

    def destination(self, message: Message | Delivery, sender: Sender | None) -> str:
        if goes_by_operators(message.account, message.user_id, sender):
            return OPERATORS
        account = None if sender is None else own_account(message.account, sender)
        if sender is None or account is None:
            return str(message.user_id)
        named = "" if account.name == DEFAULT_ACCOUNT else f" as {account.name}"
        return f"{account.username or ''}@{account.host}:{account.port} of {sender.id}{named}"

    def endpoint(self, message: Message | Delivery, sender: Sender | None) -> EndpointKey:
        by_operators = goes_by_operators(message.account, message.user_id, sender)
        return EndpointKey(self.destination(message, sender), None if by_operators else message.user_id)
