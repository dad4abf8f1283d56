"""Mails about an account, sent by the operator's SMTP account: messages like any other, of the operator.

Who asks for one is told nothing, and can ask often: an address gets at most `MOST` in an hour, counted in Postgres.
Each link is good for at least as long, so a stranger who asks keeps nobody from having one that works.
"""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from api.accounts.checks import AccountError
from sql.store import Store
from tidings.channels.email.addresses import require_deliverable
from tidings.channels.installed import recipients
from tidings.channels.recipient import RecipientError
from tidings.domain.account import User
from tidings.domain.headers import ACCOUNT_MAIL
from tidings.domain.ids import new_id
from tidings.domain.message import DEFAULT_QUEUE, NewMessage, Priority
from tidings.domain.retry import RetryDefaults
from tidings.domain.timestamps import utc_now
from tidings.security.account_links import LIFE, AccountLink, AccountLinks, LinkKind
from tidings.settings import Settings

CHANNEL: Final = "email"
MOST: Final = 3
"""Mails about one account in an hour."""

_PROOF: Final = """\
Somebody, hopefully you, has made an account with this e-mail address at {host}.

Open this link within three days to show that the address is yours:

{link}

If it was not you, do nothing: no mail goes out in your name.
"""
_KNOWN: Final = """\
Somebody, hopefully you, wanted to make an account with this e-mail address at {host}.

You have one already. If you do not know its password any more, ask for another one:

{ask}

If it was not you, do nothing.
"""
_ANOTHER: Final = """\
Somebody, hopefully you, has asked for another password for your account at {host}.

Open this link within an hour to choose one. It works once:

{link}

If it was not you, do nothing: your password stays as it is.
"""


class AccountMails(msgspec.Struct, frozen=True, kw_only=True):
    """Sends them, where the operator has a mail account and the links lead somewhere."""

    store: Store
    settings: Settings

    @property
    def sent_here(self) -> bool:
        """Whether any are."""
        return self.settings.proves_addresses

    def check(self, email: str) -> None:
        """Raises AccountError where no mail can reach an address from here."""
        try:
            require_deliverable(recipients(CHANNEL).check(email), self.settings)
        except RecipientError as error:
            raise AccountError(str(error)) from None

    async def send_proof(self, user: User) -> bool:
        """Sends the link that proves the address; False where there were too many mails."""
        return await self._send(user, "Is this your e-mail address?", _PROOF, LinkKind.PROOF)

    async def send_known(self, user: User) -> bool:
        """Tells a user that they have an account; False where there were too many mails."""
        return await self._send(user, "You have an account already", _KNOWN, None)

    async def send_password(self, user: User) -> bool:
        """Sends the link that lets a user choose another password; False where there were too many mails."""
        return await self._send(user, "Another password for your account", _ANOTHER, LinkKind.PASSWORD)

    async def _send(self, user: User, subject: str, text: str, kind: LinkKind | None) -> bool:
        message_id = new_id()
        if not await self.store.users.count_mail(user.id, message_id, most=MOST):
            return False
        now, root = utc_now(), self.settings.public_url.rstrip("/")
        link = "" if kind is None else f"{root}/account/{kind}/{self._token(user, kind, now)}"
        content = text.format(host=root, link=link, ask=f"{root}/account/password")
        await self.store.messages.insert(
            [self._message(message_id, user.email, subject, content, now + LIFE[kind or LinkKind.PROOF])]
        )
        return True

    def _token(self, user: User, kind: LinkKind, now: datetime) -> str:
        link = AccountLink(user.id, user.token_version, user.email)
        return AccountLinks(self.settings.secret_keys).sign(kind, link, now)

    def _message(self, message_id: UUID, address: str, subject: str, content: str, expires_at: datetime) -> NewMessage:
        rules = recipients(CHANNEL)
        created_at = datetime.fromtimestamp((message_id.int >> 80) / 1000, UTC)
        retries = RetryDefaults(delays=self.settings.retry_delays, max_tries=self.settings.max_tries)
        return NewMessage(
            id=message_id,
            user_id=None,
            queue=DEFAULT_QUEUE,
            channel=CHANNEL,
            recipient=rules.check(address),
            subject=subject,
            content=content,
            headers={"Auto-Submitted": "auto-generated", ACCOUNT_MAIL: "1"},
            priority=Priority.HIGH,
            max_tries=retries.tries(None, rules.retry_delays),
            due_at=created_at,
            expires_at=expires_at,
            created_at=created_at,
        )
