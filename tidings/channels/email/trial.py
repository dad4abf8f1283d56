"""One mail to oneself through an SMTP account, to see how far it comes: connect, log in, send.

Bounded in time by itself; nothing is kept, neither a connection nor the mail.
"""

import time
from typing import Final

import msgspec

from tidings.channels.base import RefreshTokens
from tidings.channels.email.accounts import Chosen
from tidings.channels.email.pools import operators_terms, terms_of
from tidings.channels.http.client import HttpClient
from tidings.channels.smtp.connection import Terms
from tidings.channels.smtp.errors import SmtpError, reply_bytes
from tidings.channels.smtp.mail import MailError, compose
from tidings.channels.smtp.oauth import AccessTokens
from tidings.channels.smtp.pool import SmtpPool
from tidings.channels.smtp.replies import Phase
from tidings.domain.errors import UnsealError
from tidings.domain.ids import new_id
from tidings.domain.mail_parts import Mailbox
from tidings.domain.message import DEFAULT_QUEUE, Delivery
from tidings.domain.timestamps import utc_now
from tidings.security.egress import webhook_egress
from tidings.security.secretbox import SecretBox
from tidings.settings import Settings

CONNECT_SECONDS: Final = 5.0
COMMAND_SECONDS: Final = 10.0
BEFORE_ANSWER_SECONDS: Final = 20.0
ANSWER_SECONDS: Final = 10.0
MAX_ANSWER: Final = 1000
"""Characters of a reply that are shown."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """How it ended."""

    phase: Phase
    error: str | None = None
    """None: the server took the mail."""
    status_code: int | None = None
    answer: str = ""
    seconds: float


async def try_account(
    chosen: Chosen, own: Mailbox, recipient: str, *, settings: Settings, refresh_tokens: RefreshTokens
) -> Trial:
    """Sends a mail from `own` to `recipient`; within about half a minute. Raises SettingsError."""
    terms = terms_of(settings)
    if chosen.is_operators:
        terms = operators_terms(terms)
    box = SecretBox(settings.secret_keys)
    transport = HttpClient(settings, egress=webhook_egress(settings))
    tokens = AccessTokens(transport, box, refresh_tokens, clock=time.monotonic)
    pool = SmtpPool(_quick(terms), box, tokens, limit=1, idle_seconds=COMMAND_SECONDS)
    try:
        return await _send(pool, chosen, own, recipient)
    finally:
        await pool.close()
        await transport.close()


async def _send(pool: SmtpPool, chosen: Chosen, own: Mailbox, recipient: str) -> Trial:
    now = utc_now()
    delivery = Delivery(
        id=new_id(),
        user_id=None,
        queue=DEFAULT_QUEUE,
        channel="email",
        recipient=recipient,
        subject="A test of your SMTP account",
        content=f"This mail was sent to test the SMTP account {chosen.account.name!r}. It works.\n",
        headers=None,
        max_tries=1,
        due_at=now,
        expires_at=None,
        created_at=now,
        batch_id=new_id(),
        tries=0,
        recoveries=0,
    )
    began = time.monotonic()
    try:
        mail = compose(delivery, sender=own, reply_to=chosen.reply_to, now=now)
        reply = await pool.send(chosen.owner, chosen.account, mail)
    except (MailError, UnsealError) as error:
        return Trial(phase=Phase.CONNECT, error=str(error), seconds=time.monotonic() - began)
    except SmtpError as failure:
        return Trial(
            phase=failure.phase,
            error=failure.reason,
            status_code=failure.code,
            answer=_shown(failure.answer),
            seconds=time.monotonic() - began,
        )
    return Trial(
        phase=Phase.END_OF_DATA,
        status_code=reply.code,
        answer=_shown(reply_bytes(reply.code, reply.message)),
        seconds=time.monotonic() - began,
    )


def _quick(terms: Terms) -> Terms:
    return msgspec.structs.replace(
        terms,
        connect_timeout=min(terms.connect_timeout, CONNECT_SECONDS),
        command_timeout=min(terms.command_timeout, COMMAND_SECONDS),
        answer_timeout=min(terms.answer_timeout, ANSWER_SECONDS),
        delivery_timeout=min(terms.delivery_timeout, BEFORE_ANSWER_SECONDS),
    )


def _shown(answer: bytes) -> str:
    return answer.decode("utf-8", "replace")[:MAX_ANSWER]
