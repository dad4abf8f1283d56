"""Users: registered or made, their profile, what is sent in their name, and what they may do."""

import asyncio
import secrets
from base64 import b64encode
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET

from api.accounts.checks import AccountError, allowed_from, channel_faults, check_email, password_faults, smtp_faults
from api.accounts.credentials import Credentials
from api.accounts.errors import EmailInUseError, NoSecretKeysError, NoSuchUserError, RegistrationClosedError
from api.accounts.login_limit import LoginLimit
from api.accounts.logins import Logins
from api.accounts.passwords import Passwords
from api.accounts.schemas import NewSmtpAccount, NewUser, ProfileChange, Registration, UserChange, given
from api.http.problems import Fault, InvalidError
from sql.users import UserStore
from tidings.domain.account import Redacted, Sealed, SmtpAccount, Tls, User
from tidings.domain.errors import EmailTakenError, SettingsError
from tidings.domain.ids import new_id
from tidings.domain.secrets import SIGNING_SECRET_PREFIX
from tidings.security.secretbox import Purpose, SecretBox

SIGNING_KEY_BYTES: Final = 32


class NewSecret(Redacted, frozen=True, kw_only=True):
    """A signing secret that was just made."""

    secret: str
    previous_until: datetime


class Users(msgspec.Struct, frozen=True, kw_only=True):
    """All accounts."""

    store: UserStore
    box: SecretBox
    passwords: Passwords
    logins: Logins
    limit: LoginLimit
    credentials: Credentials
    registration_open: bool

    async def admit(self, address: str | None) -> None:
        """Asked before anything is read of a registration. Raises RegistrationClosedError, TooManyLoginsError."""
        if not self.registration_open:
            raise RegistrationClosedError
        await self.limit.check_address(address, kind="registration")

    async def register(self, wanted: Registration, *, address: str | None) -> User:
        """Registers an account; `address` is the client's.

        Raises RegistrationClosedError, InvalidError, EmailInUseError, NoSecretKeysError, TooManyLoginsError, BusyError.
        """
        if not self.registration_open:
            raise RegistrationClosedError
        await self.limit.count_registration(address)
        return await self.create(NewUser(email=wanted.email, password=wanted.password, smtp=wanted.smtp))

    async def create(self, wanted: NewUser) -> User:
        """An account as an admin wants it. Raises as `register` does, but whether registration is open or not."""
        email, faults = _email(wanted.email)
        faults += [*password_faults(wanted.password), *smtp_faults(wanted.smtp), *channel_faults(wanted.channels)]
        if faults:
            raise InvalidError(faults)
        user_id = new_id()
        smtp = self._sealed(wanted.smtp, user_id)
        try:
            user = await self.store.create(
                user_id=user_id,
                email=email,
                password_hash=await self.passwords.hash(wanted.password),
                role=wanted.role,
                channels=wanted.channels,
                smtp=smtp,
            )
        except EmailTakenError:
            raise EmailInUseError from None
        self.credentials.joined()
        return user

    async def get(self, user_id: UUID) -> User:
        """Raises NoSuchUserError."""
        return _existing(await self.store.get(user_id))

    async def page(self, *, after: UUID | None, limit: int) -> list[User]:
        """Up to `limit` users that came after the given one, oldest first."""
        return await self.store.page(after=after, limit=limit)

    async def change(self, user_id: UUID, wanted: ProfileChange, *, address: str | None) -> User:
        """What users change of their own account; `address` is the client's.

        A new e-mail address or password needs the present password. A new password makes every bearer
        token void. Raises InvalidError, EmailInUseError, NoSecretKeysError, TooManyLoginsError, BusyError.
        """
        email, password, smtp = given(wanted.email), given(wanted.password), given(wanted.smtp)
        faults = [*smtp_faults(smtp), *([] if password is None else password_faults(password))]
        if email is not None:
            email, more = _email(email)
            faults += more
        changes_login = email is not None or password is not None
        if changes_login and wanted.current_password is None:
            faults.append(Fault(field="current_password", detail="is needed for a new e-mail address or password"))
        if faults:
            raise InvalidError(faults)
        user = await self.get(user_id)
        if changes_login and not await self.logins.confirm(user, wanted.current_password or "", address=address):
            raise InvalidError([Fault(field="current_password", detail="is wrong")])
        if changes_login:
            password_hash = None if password is None else await self.passwords.hash(password, known=True)
            user = await self._update(user_id, email=email, password_hash=password_hash)
        if wanted.smtp is not UNSET:
            user = self._changed(await self.store.set_smtp(user_id, self._sealed(smtp, user_id)))
        return user

    async def rotate_webhook_secret(self, user_id: UUID) -> NewSecret:
        """A new signing secret; the one before signs too for a while. Raises NoSecretKeysError."""
        secret = f"{SIGNING_SECRET_PREFIX}{b64encode(secrets.token_bytes(SIGNING_KEY_BYTES)).decode()}"
        until = await self.store.rotate_webhook_secret(user_id, self._seal(secret, Purpose.WEBHOOK_SECRET, user_id))
        if until is None:
            raise NoSuchUserError
        self.credentials.forget_user(user_id)
        return NewSecret(secret=secret, previous_until=until)

    async def allow(self, user_id: UUID, wanted: UserChange) -> User:
        """What an admin changes of a user. Raises InvalidError, NoSuchUserError."""
        # In a thread: a thousand of them take a fifth of a second.
        addresses, faults = await asyncio.to_thread(allowed_from, given(wanted.allowed_from) or ())
        if faults := [*channel_faults(given(wanted.channels)), *faults]:
            raise InvalidError(faults)
        user = await self.get(user_id)
        if wanted.role is not UNSET or wanted.may_prioritize is not UNSET:
            user = await self._update(user_id, role=given(wanted.role), may_prioritize=given(wanted.may_prioritize))
        if wanted.channels is not UNSET:
            user = self._changed(await self.store.set_channels(user_id, wanted.channels))
        if wanted.allowed_from is not UNSET:
            user = self._changed(await self.store.set_allowed_from(user_id, addresses))
        return user

    async def _update(self, user_id: UUID, **values: Any) -> User:
        try:
            return self._changed(await self.store.update(user_id, **values))
        except EmailTakenError:
            raise EmailInUseError from None

    def _changed(self, user: User | None) -> User:
        self.credentials.forget_user(_existing(user).id)
        return _existing(user)

    def _sealed(self, smtp: NewSmtpAccount | None, owner: UUID) -> SmtpAccount | None:
        if smtp is None:
            return None
        return SmtpAccount(
            host=smtp.host.lower(),
            port=smtp.port,
            username=smtp.username or None,
            password=self._seal(smtp.password, Purpose.SMTP_PASSWORD, owner) if smtp.password else None,
            tls=_tls(smtp.tls),
        )

    def _seal(self, secret: str, purpose: Purpose, owner: UUID) -> Sealed:
        try:
            return self.box.seal(secret, purpose, owner)
        except SettingsError:
            raise NoSecretKeysError from None


def _tls(wanted: Tls | bool | None) -> Tls | None:
    if isinstance(wanted, Tls):
        return wanted
    return Tls.NONE if wanted is False else None


def _email(email: str) -> tuple[str, list[Fault]]:
    try:
        return check_email(email), []
    except AccountError as error:
        return email, [Fault(field="email", detail=str(error))]


def _existing(user: User | None) -> User:
    if user is None:
        raise NoSuchUserError
    return user
