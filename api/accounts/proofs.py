"""That an e-mail address is its user's, and another password for who has lost theirs: both by a link in a mail.

In play: a few tasks in memory, so that an answer takes as long for an unknown address as for a known one. A crash loses
them, and with them mails that nobody was promised: who waits for one asks again.
"""

import asyncio
from typing import Final

import structlog

from api.accounts.account_mails import AccountMails
from api.accounts.checks import AccountError, check_email, password_faults
from api.accounts.credentials import Credentials
from api.accounts.errors import (
    BusyError,
    LinkOverError,
    NoMailsHereError,
    ProvenAlreadyError,
    TooManyMailsError,
)
from api.accounts.login_limit import LoginLimit
from api.accounts.passwords import Passwords
from api.http.problems import InvalidError
from sql.database import AWAY
from sql.users import UserStore
from tidings.domain.account import User
from tidings.domain.errors import describe
from tidings.domain.timestamps import utc_now
from tidings.security.account_links import AccountLink, AccountLinks, LinkKind

log = structlog.get_logger(__name__)

AT_ONCE: Final = 100
"""Requests for another password that are being looked into; more are refused for the moment."""


class Proofs:
    """Sends links, and does what they are for."""

    def __init__(
        self,
        *,
        users: UserStore,
        mails: AccountMails,
        links: AccountLinks,
        passwords: Passwords,
        limit: LoginLimit,
        credentials: Credentials,
    ) -> None:
        self._users = users
        self._mails = mails
        self._links = links
        self._passwords = passwords
        self._limit = limit
        self._credentials = credentials
        self._tasks: set[asyncio.Task[None]] = set()

    async def send_again(self, user: User) -> None:
        """Sends the link that proves an address. Raises NoMailsHereError, ProvenAlreadyError, TooManyMailsError."""
        if user.proven_at is not None:
            raise ProvenAlreadyError
        if not self._mails.sent_here:
            raise NoMailsHereError
        if not await self._mails.send_proof(user):
            raise TooManyMailsError

    async def admit(self, address: str | None) -> None:
        """Asked before anything is read of a request. Raises TooManyLoginsError."""
        await self._limit.check_address(address, kind="registration")

    async def ask_for_password(self, email: str, *, address: str | None) -> None:
        """Sends the link for another password to whoever has this e-mail address; `address` is the client's.

        Returns before it is known whether anybody has. Raises NoMailsHereError, TooManyLoginsError, BusyError.
        """
        if not self._mails.sent_here:
            raise NoMailsHereError
        await self._limit.count_registration(address)
        if len(self._tasks) >= AT_ONCE:
            raise BusyError
        task = asyncio.create_task(self._send_password(email), name="another password")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def read(self, kind: LinkKind, token: str) -> AccountLink:
        """Raises LinkOverError for a link that is not whole, or over."""
        link = self._links.read(kind, token, utc_now())
        if link is None:
            raise LinkOverError
        return link

    async def prove(self, token: str) -> User:
        """The address is its user's: they have the mail. Raises LinkOverError."""
        link = self.read(LinkKind.PROOF, token)
        user = await self._users.prove(link.user_id, link.address)
        if user is None:
            raise LinkOverError
        self._credentials.forget_user(user.id)
        return user

    async def set_password(self, token: str, password: str) -> User:
        """Another password, with which every session ends. Raises LinkOverError, InvalidError, BusyError."""
        link = self.read(LinkKind.PASSWORD, token)
        if faults := password_faults(password, link.address):
            raise InvalidError(faults)
        known = await self._users.get(link.user_id)
        if known is None or known.token_version != link.token_version:
            raise LinkOverError
        user = await self._users.reset_password(
            link.user_id,
            address=link.address,
            token_version=link.token_version,
            password_hash=await self._passwords.hash(password),
        )
        if user is None:
            raise LinkOverError
        self._credentials.forget_user(user.id)
        self._credentials.forget_keys_of(user.id)
        return user

    async def close(self) -> None:
        """Lets the tasks end."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _send_password(self, email: str) -> None:
        try:
            user = await self._users.find_by_email(check_email(email))
            if user is not None and user.disabled_at is None:
                await self._mails.send_password(user)
        except AccountError:
            # An address that nobody can have.
            return
        except AWAY as error:
            log.warning("a link for another password was not sent", error=describe(error))
