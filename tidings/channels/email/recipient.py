"""The recipient of a mail, and what else the API checks of it."""

from collections.abc import Mapping
from uuid import UUID

from tidings.channels.email.addresses import check_address, require_deliverable
from tidings.channels.recipient import EndpointKey, Recipients
from tidings.channels.smtp.headers import check_mail_headers
from tidings.domain.account import Sender
from tidings.domain.message import Delivery, Message
from tidings.domain.retry import EMAIL_DELAYS
from tidings.settings import Settings


class EmailRecipients(Recipients):
    """The destination is the sender's SMTP account, through which all their mail goes.

    Two users may name the same server and user name, and only one of them be let in: they share nothing.
    """

    retry_delays = EMAIL_DELAYS

    max_content_bytes = 1024**2
    takes_mail_parts = True

    def normalise(self, recipient: str) -> str:
        return check_address(recipient)

    def seal(self, recipient: str, message_id: UUID, settings: Settings) -> str:
        """The recipient as it is: an address is no secret. Raises RecipientError where this deployment has no such."""
        require_deliverable(recipient, settings)
        return recipient

    def check_headers(self, headers: Mapping[str, str]) -> None:
        check_mail_headers(headers)

    def destination(self, message: Message | Delivery, sender: Sender | None) -> str:
        if sender is None or sender.smtp is None:
            return str(message.user_id)
        return f"{sender.smtp.username or ''}@{sender.smtp.host}:{sender.smtp.port} of {sender.id}"

    def endpoint(self, message: Message | Delivery, sender: Sender | None) -> EndpointKey:
        return EndpointKey(self.destination(message, sender), message.user_id)
