"""E-mail through each user's own SMTP account.

What a mail server refuses of one mail rejects that message. What it refuses of the account (a login, a quota) or of
itself (a greeting, TLS) does not: the next message would meet the same, and the user or the operator can mend it. What
a reply speaks of is decided in tidings/channels/smtp/replies.py. A certificate that cannot be verified is retried:
certificates are renewed, and a man in the middle must not be able to cancel messages.
"""

import ssl
import time
from uuid import UUID

from tidings.channels.base import About, Accepted, Channel, ChannelContext, Rejected, Result, Retry
from tidings.channels.email.recipient import EmailRecipients
from tidings.channels.recipient import RecipientError
from tidings.channels.smtp.connection import Terms
from tidings.channels.smtp.errors import OutcomeUnknownError, PermanentError, TransientError, reply_bytes
from tidings.channels.smtp.mail import Mail, MailError, compose, mailbox
from tidings.channels.smtp.oauth import AccessTokens
from tidings.channels.smtp.pool import SmtpPool
from tidings.channels.smtp.replies import queue_id
from tidings.domain.account import Sender, SmtpAccount
from tidings.domain.errors import SettingsError, StoreUnavailableError, UnsealError
from tidings.domain.message import Delivery
from tidings.security.egress import smtp_egress
from tidings.security.secretbox import SecretBox
from tidings.settings import Settings


class EmailChannel(Channel):
    """Sends from the account's user name if that is an address, else from the user's own."""

    recipients = EmailRecipients()

    def __init__(self, context: ChannelContext) -> None:
        super().__init__(context)
        settings = context.settings
        box = SecretBox(settings.secret_keys)
        self._pool = SmtpPool(
            Terms(
                tls=_tls(settings),
                egress=smtp_egress(settings),
                allow_plaintext=settings.smtp_allow_plaintext,
                connect_timeout=settings.connect_timeout,
                command_timeout=settings.smtp_command_timeout,
                answer_timeout=settings.smtp_answer_timeout,
                delivery_timeout=settings.smtp_delivery_timeout,
                helo_name=settings.smtp_helo_name,
                mails_per_connection=settings.smtp_mails_per_connection,
            ),
            box,
            AccessTokens(context.transport, box, clock=time.monotonic),
            limit=settings.smtp_connections_per_account,
            idle_seconds=settings.smtp_idle_seconds,
        )

    @property
    def places_per_destination(self) -> int:
        return self.context.settings.smtp_connections_per_account

    @property
    def time_limit(self) -> float:
        """As long as an attempt may take, after a wait for a connection that may take as long."""
        settings = self.context.settings
        return 2 * (settings.smtp_delivery_timeout + settings.smtp_answer_timeout)

    async def deliver(self, delivery: Delivery) -> Result:
        try:
            sender = None if delivery.user_id is None else await self.context.senders.get(delivery.user_id)
        except StoreUnavailableError as error:
            return Retry(error=str(error), about=About.OURSELVES)
        if sender is None:
            return Rejected(error="the message has no user, through whose SMTP account it could go out")
        if sender.smtp is None:
            return Retry(error="the user has no SMTP account", about=About.ACCOUNT)
        try:
            mail = compose(delivery, sender=_address(sender, sender.smtp), now=self.context.now())
        except MailError as error:
            return Rejected(error=str(error))
        return await self._send(sender.id, sender.smtp, mail)

    async def close(self) -> None:
        await self._pool.close()

    async def _send(self, owner: UUID, account: SmtpAccount, mail: Mail) -> Result:
        try:
            reply = await self._pool.send(owner, account, mail)
        except UnsealError as error:
            return Retry(error=str(error), about=About.OURSELVES)
        except PermanentError as failure:
            return Rejected(error=str(failure), status_code=failure.code, answer=failure.answer, about=failure.about)
        except TransientError as failure:
            return Retry(
                error=str(failure),
                unanswered=isinstance(failure, OutcomeUnknownError),
                status_code=failure.code,
                answer=failure.answer,
                about=failure.about,
            )
        return Accepted(
            provider_message_id=queue_id(reply.message),
            status_code=reply.code,
            answer=reply_bytes(reply.code, reply.message),
        )


def _address(sender: Sender, account: SmtpAccount) -> str:
    try:
        return mailbox(account.username or "")
    except RecipientError:
        pass
    try:
        return mailbox(sender.email)
    except RecipientError as error:
        raise MailError(f"the user's own address {error}") from None


def _tls(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.smtp_ca_file:
        try:
            context.load_verify_locations(settings.smtp_ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"SMTP_CA_FILE: cannot be read: {error}") from None
    return context
