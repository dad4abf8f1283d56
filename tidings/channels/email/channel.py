"""E-mail through SMTP accounts: users' own, and the operator's.

What a mail server refuses of one mail rejects that message. What it refuses of the account (a login, a quota) or of
itself (a greeting, TLS) does not: the next message would meet the same, and the user or the operator can mend it. What
a reply speaks of is decided in tidings/channels/smtp/replies.py. A certificate that cannot be verified is retried:
certificates are renewed, and a man in the middle must not be able to cancel messages.
"""

import asyncio
from functools import partial
from typing import Final

import msgspec

from tidings.channels.base import About, Accepted, Channel, ChannelContext, Rejected, Result, Retry
from tidings.channels.email.accounts import (
    Chosen,
    NoAccountError,
    choose,
    goes_by_operators,
    may_be_from,
    own_account,
    owns_address,
    sender_of,
)
from tidings.channels.email.addresses import check_address
from tidings.channels.email.bounce_address import envelope_sender
from tidings.channels.email.partial import settled
from tidings.channels.email.pools import SmtpPools
from tidings.channels.email.recipient import EmailRecipients
from tidings.channels.smtp.errors import OutcomeUnknownError, PermanentError, TransientError, reply_bytes
from tidings.channels.smtp.mail import Mail, MailError, compose
from tidings.channels.smtp.replies import queue_id
from tidings.domain.account import Sender
from tidings.domain.budget import ByteBudget
from tidings.domain.errors import StoreUnavailableError, UnsealError
from tidings.domain.mail_parts import KeptMail, Mailbox
from tidings.domain.message import Delivery

MAIL_BUDGET: Final = 192 * 1024**2
"""Bytes of large mails in memory at once, per consumer."""
IN_MEMORY: Final = 7
"""Times its size that a large mail takes there while it is composed; then two and a half times, until it is sent."""
IN_THREAD: Final = 256 * 1024
"""Bytes of attachments from which on a mail is composed in a thread."""


class EmailChannel(Channel):
    """Sends by the account that the message or its user has chosen, or by the operator's."""

    recipients = EmailRecipients()

    def __init__(self, context: ChannelContext) -> None:
        super().__init__(context)
        self._budget = ByteBudget(MAIL_BUDGET)
        self._pools = SmtpPools(context)

    @property
    def places_per_destination(self) -> int:
        return self.context.settings.smtp_connections_per_account

    def per_hour(self, delivery: Delivery) -> int | None:
        """As the account says that it goes by."""
        sender = self._sender(delivery)
        if sender is None or goes_by_operators(delivery.account, delivery.user_id, sender):
            return None
        account = own_account(delivery.account, sender)
        return None if account is None else account.per_hour

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
        if sender is None and delivery.user_id is not None:
            return Rejected(error="the user of the message is gone")
        try:
            chosen = choose(delivery.account, delivery.user_id, sender, self._pools.operators)
            own = sender_of(chosen, sender)
        except NoAccountError as error:
            return Retry(error=str(error), about=About.ACCOUNT)
        outgoing = _Outgoing(delivery, sender, chosen, own)
        if delivery.mail_bytes is None:
            return await self._compose_and_send(outgoing, None)
        # Bounded in all, since a server takes a large mail slowly; small ones came with their batch.
        size = 0 if delivery.mail is not None else delivery.mail_bytes * IN_MEMORY
        async with self._budget.lend(size):
            return await self._send_kept(outgoing)

    async def close(self) -> None:
        await self._pools.close()

    async def _send_kept(self, outgoing: "_Outgoing") -> Result:
        delivery = outgoing.delivery
        try:
            kept = delivery.mail or await self.context.mails.get(delivery.id)
        except StoreUnavailableError as error:
            return Retry(error=str(error), about=About.OURSELVES)
        if kept is None:
            return Rejected(error="what belongs to the mail besides its text is gone", about=About.MESSAGE)
        given = kept.parts.sender
        if given is not None and not may_be_from(given.email, outgoing.sender, outgoing.chosen):
            return Rejected(error=f"from {given.email}: the account may not send from it (any more)")
        return await self._compose_and_send(outgoing, kept)

    async def _compose_and_send(self, outgoing: "_Outgoing", kept: KeptMail | None) -> Result:
        delivery, chosen = outgoing.delivery, outgoing.chosen
        if (kept is None or kept.parts.sender is None) and not owns_address(chosen, outgoing.sender):
            # Held, since it waits for somebody: the address was proven, or there was none to prove, when it came.
            return Retry(error="the user's e-mail address is not proven", about=About.ACCOUNT)
        make = partial(
            compose, delivery, sender=outgoing.own, reply_to=chosen.reply_to, now=self.context.now(), mail=kept
        )
        try:
            # Not in the event loop where it takes longer than a few milliseconds.
            mail = make() if kept is None or len(kept.files) < IN_THREAD else await asyncio.to_thread(make)
        except MailError as error:
            return Rejected(error=str(error))
        if bounce_address := self.context.settings.bounce_address:
            mail = msgspec.structs.replace(mail, sender=envelope_sender(bounce_address, delivery.id))
        result = await self._send(chosen, mail)
        others_have_it = kept is not None and kept.remaining is not None
        result = settled(result, mail, delivery, others_have_it=others_have_it)
        unknown = [to for to, failure in mail.refused.items() if failure.no_mailbox]
        return msgspec.structs.replace(result, unknown=tuple(map(check_address, unknown))) if unknown else result

    async def _send(self, chosen: Chosen, mail: Mail) -> Result:
        try:
            reply = await self._pools.of(chosen).send(chosen.owner, chosen.account, mail)
        except UnsealError as error:
            return Retry(error=str(error), about=About.OURSELVES)
        except PermanentError as failure:
            return Rejected(error=str(failure), status_code=failure.code, answer=failure.answer, about=failure.about)
        except TransientError as failure:
            return Retry(
                error=str(failure),
                delay=failure.delay,
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


class _Outgoing(msgspec.Struct, frozen=True):
    """A delivery with the account that it goes by."""

    delivery: Delivery
    sender: Sender | None
    """None: the operator."""
    chosen: Chosen
    own: Mailbox
    """Whom it is from where it does not say."""
