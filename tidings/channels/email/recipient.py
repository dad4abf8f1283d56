"""E-mail addresses, without names."""

from tidings.channels.recipient import EndpointKey, RecipientError, Recipients
from tidings.domain.account import Sender
from tidings.domain.message import Delivery, Message
from tidings.domain.retry import EMAIL_DELAYS


class EmailRecipients(Recipients):
    """The destination is the sender's SMTP account, through which all their mail goes.

    Two users may name the same server and user name, and only one of them be let in: they share nothing.
    """

    retry_delays = EMAIL_DELAYS

    def normalise(self, recipient: str) -> str:
        from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415  (takes 40 ms)

        try:
            # Host names without a dot too: `root@mailhost` is an address within some deployments.
            return validate_email(recipient, check_deliverability=False, globally_deliverable=False).normalized
        except EmailNotValidError as error:
            reason = " ".join(str(error).split())
            raise RecipientError(f"is not an e-mail address: {reason[:1].lower()}{reason[1:]}") from None

    def destination(self, message: Message | Delivery, sender: Sender | None) -> str:
        if sender is None or sender.smtp is None:
            return str(message.user_id)
        return f"{sender.smtp.username or ''}@{sender.smtp.host}:{sender.smtp.port} of {sender.id}"

    def endpoint(self, message: Message | Delivery, sender: Sender | None) -> EndpointKey:
        return EndpointKey(self.destination(message, sender), message.user_id)
