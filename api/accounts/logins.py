"""Logging in: an e-mail address and a password for a bearer token."""

from datetime import datetime

import msgspec

from api.accounts.checks import AccountError, check_email
from api.accounts.devices import Devices
from api.accounts.errors import WrongCredentialsError
from api.accounts.login_limit import Attempt, LoginLimit, digest_of
from api.accounts.passwords import Passwords
from api.accounts.sessions import Sessions
from sql.users import UserStore
from tidings.domain.account import Redacted, User


class Login(Redacted, frozen=True, kw_only=True):
    """A login that succeeded."""

    user: User
    token: str
    expires_at: datetime
    device: str = ""
    """For the browser to keep (`api.accounts.devices`)."""


class Logins:
    """Checks passwords."""

    def __init__(
        self, users: UserStore, passwords: Passwords, sessions: Sessions, limit: LoginLimit, devices: Devices
    ) -> None:
        self._users = users
        self._passwords = passwords
        self._sessions = sessions
        self._limit = limit
        self._devices = devices

    async def admit(self, address: str | None, *, device: str | None = None) -> None:
        """Asked before anything is read of a login. Raises TooManyLoginsError where its client has tried too often."""
        await self._limit.check_address(address, device=self._devices.read(device))

    async def log_in(
        self,
        *,
        email: str,
        password: str,
        address: str | None,
        client: str | None = None,
        device: str | None = None,
    ) -> Login:
        """A session in exchange for the password; `address` is the client's, `client` what it calls itself.

        `device` is what its cookie holds (`api.accounts.devices`).

        Raises WrongCredentialsError, which costs the same for an unknown user, TooManyLoginsError, BusyError.
        """
        known_device = self._devices.read(device)
        await self._limit.count_address(address, device=known_device)
        known_form = _normal(email)
        attempt = await self._limit.count_name(known_form or email, address, device=known_device)
        user = await self._users.find_by_email(known_form) if known_form else None
        if not await self._verify(attempt, password, user) or not user:
            raise WrongCredentialsError
        if self._passwords.is_outdated(user.password_hash):
            new = await self._passwords.hash(password, known=True)
            await self._users.rehash(user.id, old=user.password_hash, new=new)
        token, expires_at = await self._sessions.begin(user, address=address, client=client)
        device = self._devices.issue(digest_of(known_form or email))
        return Login(user=user, token=token, expires_at=expires_at, device=device)

    async def confirm(self, user: User, password: str, *, address: str | None) -> bool:
        """Whether this is the user's password. Raises TooManyLoginsError, BusyError."""
        await self._limit.count_address(address)
        attempt = await self._limit.count_name(user.email, address)
        return await self._verify(msgspec.structs.replace(attempt, known=True), password, user)

    async def _verify(self, attempt: Attempt, password: str, user: User | None) -> bool:
        right = False
        checked = False
        try:
            right = await self._passwords.verify(password, user.password_hash if user else None, known=attempt.known)
            checked = True
        finally:
            # What was not checked, as too many wait, is no failure either.
            if right or not checked:
                await self._limit.give_back(attempt, succeeded=right)
        return right


def _normal(email: str) -> str | None:
    """The address as it would be stored; None for an invalid one."""
    try:
        return check_email(email)
    except AccountError:
        return None
