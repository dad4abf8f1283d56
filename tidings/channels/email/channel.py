"""E-mail through each user's own SMTP account.

What a mail server refuses of one mail rejects that message. What it refuses of the account (a login, a quota) or of
itself (a greeting, TLS) does not: the next message would meet the same, and the user or the operator can mend it. What
a reply speaks of is decided in tidings/channels/smtp/replies.py. A certificate that cannot be verified is retried:
certificates are renewed, and a man in the middle must not be able to cancel messages.
"""

import asyncio
import ssl
import time
from functools import partial
from typing import Final
from uuid import UUID

import msgspec

from tidings.channels.base import About, Accepted, Channel, ChannelContext, Rejected, Result, Retry
from tidings.channels.email.addresses import on_the_wire
from tidings.channels.email.bounce_address import envelope_sender
from tidings.channels.email.partial import settled
from tidings.channels.email.recipient import EmailRecipients
from tidings.channels.recipient import RecipientError
from tidings.channels.smtp.connection import Terms
from tidings.channels.smtp.errors import OutcomeUnknownError, PermanentError, TransientError, reply_bytes
from tidings.channels.smtp.mail import Mail, MailError, compose
from tidings.channels.smtp.oauth import AccessTokens
from tidings.channels.smtp.pool import SmtpPool
from tidings.channels.smtp.replies import queue_id
from tidings.domain.account import Sender, SmtpAccount, may_send_from
from tidings.domain.budget import ByteBudget
from tidings.domain.errors import SettingsError, StoreUnavailableError, UnsealError
from tidings.domain.mail_parts import KeptMail, Mailbox
from tidings.domain.message import Delivery
from tidings.security.egress import smtp_egress
from tidings.security.secretbox import SecretBox
from tidings.settings import Settings

MAIL_BUDGET: Final = 192 * 1024**2
"""Bytes of large mails in memory at once, per consumer."""
IN_MEMORY: Final = 7
"""Times its size that a large mail takes there while it is composed; then two and a half times, until it is sent."""
IN_THREAD: Final = 256 * 1024
"""Bytes of attachments from which on a mail is composed in a thread."""


class EmailChannel(Channel):
    """Sends from the account's user name if that is an address, else from the user's own."""

    recipients = EmailRecipients()

    def __init__(self, context: ChannelContext) -> None:
        super().__init__(context)
        settings = context.settings
        box = SecretBox(settings.secret_keys)
        self._budget = ByteBudget(MAIL_BUDGET)
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
    def _proofs(self) -> bool:
        return self.context.settings.proves_addresses

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
            own = Mailbox(email=_address(sender, sender.smtp))
        except MailError as error:
            return Rejected(error=str(error))
        if delivery.mail_bytes is None:
            return await self._compose_and_send(delivery, sender, own, None)
        # Bounded in all, since a server takes a large mail slowly; small ones came with their batch.
        size = 0 if delivery.mail is not None else delivery.mail_bytes * IN_MEMORY
        async with self._budget.lend(size):
            return await self._send_kept(delivery, sender, own)

    async def close(self) -> None:
        await self._pool.close()

    async def _send_kept(self, delivery: Delivery, sender: Sender, own: Mailbox) -> Result:
        try:
            kept = delivery.mail or await self.context.mails.get(delivery.id)
        except StoreUnavailableError as error:
            return Retry(error=str(error), about=About.OURSELVES)
        if kept is None:
            return Rejected(error="what belongs to the mail besides its text is gone", about=About.MESSAGE)
        given = kept.parts.sender
        if given is not None and not may_send_from(given.email, sender, proofs=self._proofs):
            return Rejected(error=f"from {given.email}: the account may not send from it (any more)")
        return await self._compose_and_send(delivery, sender, own, kept)

    async def _compose_and_send(
        self, delivery: Delivery, sender: Sender, own: Mailbox, kept: KeptMail | None
    ) -> Result:
        if (kept is None or kept.parts.sender is None) and not may_send_from(own.email, sender, proofs=self._proofs):
            # Held, since it waits for somebody: the address was proven, or there was none to prove, when it came.
            return Retry(error="the user's e-mail address is not proven", about=About.ACCOUNT)
        make = partial(compose, delivery, sender=own, now=self.context.now(), mail=kept)
        try:
            # Not in the event loop where it takes longer than a few milliseconds.
            mail = make() if kept is None or len(kept.files) < IN_THREAD else await asyncio.to_thread(make)
        except MailError as error:
            return Rejected(error=str(error))
        if sender.smtp is None:
            return Retry(error="the user has no SMTP account", about=About.ACCOUNT)
        if bounce_address := self.context.settings.bounce_address:
            mail = msgspec.structs.replace(mail, sender=envelope_sender(bounce_address, delivery.id))
        result = await self._send(sender.id, sender.smtp, mail)
        others_have_it = kept is not None and kept.remaining is not None
        return settled(result, mail, delivery, others_have_it=others_have_it)

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
        return on_the_wire(account.username or "")
    except RecipientError:
        pass
    try:
        return on_the_wire(sender.email)
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
