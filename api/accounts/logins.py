"""Logging in: an e-mail address and a password for a bearer token."""

from datetime import datetime

from api.accounts.checks import AccountError, check_email
from api.accounts.errors import WrongCredentialsError
from api.accounts.login_limit import LoginLimit
from api.accounts.passwords import Passwords
from api.accounts.sessions import Sessions
from sql.users import UserStore
from tidings.domain.account import Redacted, User


class Login(Redacted, frozen=True, kw_only=True):
    """A login that succeeded."""

    user: User
    token: str
    expires_at: datetime


class Logins:
    """Checks passwords."""

    def __init__(self, users: UserStore, passwords: Passwords, sessions: Sessions, limit: LoginLimit) -> None:
        self._users = users
        self._passwords = passwords
        self._sessions = sessions
        self._limit = limit

    async def admit(self, address: str | None) -> None:
        """Asked before anything is read of a login. Raises TooManyLoginsError where its client has tried too often."""
        await self._limit.check_address(address)

    async def log_in(self, *, email: str, password: str, address: str | None, client: str | None = None) -> Login:
        """A session in exchange for the password; `address` is the client's, `client` what it calls itself.

        Raises WrongCredentialsError, which costs the same for an unknown user, TooManyLoginsError, BusyError.
        """
        known_form = _normal(email)
        await self._limit.count(email=known_form or email, address=address)
        user = await self._users.find_by_email(known_form) if known_form else None
        if not await self._passwords.verify(password, user.password_hash if user else None) or not user:
            raise WrongCredentialsError
        if self._passwords.is_outdated(user.password_hash):
            await self._users.rehash(user.id, old=user.password_hash, new=await self._passwords.hash(password))
        token, expires_at = await self._sessions.begin(user, address=address, client=client)
        return Login(user=user, token=token, expires_at=expires_at)

    async def confirm(self, user: User, password: str, *, address: str | None) -> bool:
        """Whether this is the user's password. Raises TooManyLoginsError, BusyError."""
        await self._limit.count(email=user.email, address=address)
        return await self._passwords.verify(password, user.password_hash)


def _normal(email: str) -> str | None:
    """The address as it would be stored; None for an invalid one."""
    try:
        return check_email(email)
    except AccountError:
        return None
