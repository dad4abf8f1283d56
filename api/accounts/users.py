"""Users: registered or made, their profile, what is sent in their name, and what they may do."""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET

from api.accounts.account_mails import AccountMails
from api.accounts.checks import (
    MIN_PASSWORD_OF_OLDER,
    AccountError,
    allowed_from,
    channel_faults,
    check_email,
    length_faults,
    likeness_faults,
    password_faults,
    smtp_faults,
)
from api.accounts.credentials import Credentials
from api.accounts.errors import (
    BeingDeletedError,
    EmailInUseError,
    LastAdminLeftError,
    NoSecretKeysError,
    NoSuchUserError,
    RegistrationClosedError,
)
from api.accounts.login_limit import LoginLimit
from api.accounts.logins import Logins
from api.accounts.passwords import Passwords
from api.accounts.schemas import NewSmtpAccount, NewUser, ProfileChange, Registration, UserChange, given
from api.http.problems import Fault, InvalidError
from sql.users import UserStore
from tidings.domain.account import Redacted, Sealed, SmtpAccount, Tls, User
from tidings.domain.errors import EmailTakenError, LastAdminError, SettingsError
from tidings.domain.ids import new_id
from tidings.domain.secrets import SIGNING_SECRET_PREFIX
from tidings.security.secretbox import Purpose, SecretBox
from tidings.settings import Settings

SIGNING_KEY_BYTES: Final = 32


class NewSecret(Redacted, frozen=True, kw_only=True):
    """A signing secret that was just made."""

    secret: str
    previous_until: datetime


class Registered(msgspec.Struct, frozen=True):
    """What became of a registration."""

    user: User | None
    """None: there was such an account already."""
    mailed: bool
    """Whether the rest is said in a mail to its address."""


class Users(msgspec.Struct, frozen=True, kw_only=True):
    """All accounts."""

    store: UserStore
    box: SecretBox
    passwords: Passwords
    logins: Logins
    limit: LoginLimit
    credentials: Credentials
    mails: AccountMails
    registration_open: bool
    settings: Settings

    async def admit(self, address: str | None) -> None:
        """Asked before anything is read of a registration. Raises RegistrationClosedError, TooManyLoginsError."""
        if not self.registration_open:
            raise RegistrationClosedError
        await self.limit.check_address(address, kind="registration")

    async def register(self, wanted: Registration, *, address: str | None) -> "Registered":
        """Registers an account; `address` is the client's.

        Where mails are sent, the client is told the same whether the account is new, or there was one already, which is
        nobody else's business. Raises RegistrationClosedError, InvalidError, NoSecretKeysError, TooManyLoginsError,
        BusyError, and where no mails are sent EmailInUseError.
        """
        await self._admit(address)
        faults = password_faults(wanted.password, wanted.email)
        if not self.mails.sent_here:
            return Registered(await self._create(_new(wanted), faults), mailed=False)
        try:
            user = await self._create(_new(wanted), [*faults, *self._unreachable(wanted.email)])
        except EmailInUseError:
            known = await self.store.find_by_email(check_email(wanted.email))
            if known is not None:
                await self.mails.send_known(known)
            return Registered(None, mailed=True)
        await self.mails.send_proof(user)
        return Registered(user, mailed=True)

    async def register_as_before(self, wanted: Registration, *, address: str | None) -> User:
        """Registers an account for a client of an older interface, which is told at once whether it is new, and whose
        users have passwords of their own kind. Its address has to be proven all the same, where mails are sent.

        Raises as `register` does, and EmailInUseError.
        """
        await self._admit(address)
        faults = length_faults(wanted.password, least=MIN_PASSWORD_OF_OLDER)
        user = await self._create(_new(wanted), faults or likeness_faults(wanted.password, wanted.email))
        if self.mails.sent_here:
            await self.mails.send_proof(user)
        return user

    async def create(self, wanted: NewUser) -> User:
        """An account as an admin wants it, who knows whose the address is. Raises InvalidError, EmailInUseError,
        NoSecretKeysError, BusyError."""
        return await self._create(wanted, password_faults(wanted.password, wanted.email), proven=True)

    async def _admit(self, address: str | None) -> None:
        if not self.registration_open:
            raise RegistrationClosedError
        await self.limit.count_registration(address)

    def _unreachable(self, email: str) -> list[Fault]:
        normal, faults = _email(email)
        if faults:
            # Those are told anyway.
            return []
        try:
            self.mails.check(normal)
        except AccountError as error:
            return [Fault(field="email", detail=str(error))]
        return []

    async def _create(self, wanted: NewUser, faults: Sequence[Fault], *, proven: bool = False) -> User:
        email, found = _email(wanted.email)
        found += [*faults, *smtp_faults(wanted.smtp, self.settings), *channel_faults(wanted.channels)]
        if found:
            raise InvalidError(found)
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
                proven=proven,
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
        has_from = smtp is not None and await self._has_from(user_id)
        faults = smtp_faults(smtp, self.settings, has_from=has_from)
        if email is not None:
            email, more = _email(email)
            faults += more
        if wanted.revoke_keys and password is None:
            faults.append(Fault(field="revoke_keys", detail="goes with a new password"))
        changes_login = email is not None or password is not None
        if changes_login and wanted.current_password is None:
            faults.append(Fault(field="current_password", detail="is needed for a new e-mail address or password"))
        if faults:
            raise InvalidError(faults)
        user = await self.get(user_id)
        if changes_login:
            user = await self._change_login(user, email, password, wanted, address=address)
        if wanted.smtp is not UNSET:
            user = self._changed(await self.store.set_smtp(user_id, self._sealed(smtp, user_id)))
        return user

    async def _has_from(self, user_id: UUID) -> bool:
        """Whether the default account says whom its mail is from, which stays when its login changes."""
        sender = (await self.store.senders([user_id])).get(user_id)
        return sender is not None and sender.smtp is not None and sender.smtp.sender is not None

    async def _change_login(
        self, user: User, email: str | None, password: str | None, wanted: ProfileChange, *, address: str | None
    ) -> User:
        if password is not None and (faults := password_faults(password, user.email, email or "")):
            raise InvalidError(faults)
        if not await self.logins.confirm(user, wanted.current_password or "", address=address):
            raise InvalidError([Fault(field="current_password", detail="is wrong")])
        if email is not None and password is None and likeness_faults(wanted.current_password or "", email):
            raise InvalidError([Fault(field="email", detail="is in the password; choose another password first")])
        changed = await self._update(
            user.id,
            email=email,
            password_hash=None if password is None else await self.passwords.hash(password, known=True),
            revoke_keys=wanted.revoke_keys,
        )
        if wanted.revoke_keys:
            self.credentials.forget_keys_of(user.id)
        if changed.proven_at is None and email is not None and self.mails.sent_here:
            await self.mails.send_proof(changed)
        return changed

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
        if wanted.email_proven is not UNSET:
            user = self._changed(await (self.store.prove if wanted.email_proven else self.store.doubt)(user_id))
        if wanted.allowed_from is not UNSET:
            user = self._changed(await self.store.set_allowed_from(user_id, addresses))
        return user

    async def disable(self, user_id: UUID) -> User:
        """Ends all that a user can do; their messages wait. Raises NoSuchUserError, LastAdminLeftError."""
        try:
            return self._changed(await self.store.disable(user_id))
        except LastAdminError:
            raise LastAdminLeftError from None

    async def enable(self, user_id: UUID) -> User:
        """Lets a user act again, and their messages go. Raises NoSuchUserError, BeingDeletedError."""
        user = await self.store.enable(user_id)
        if user is None:
            await self.get(user_id)
            raise BeingDeletedError
        return self._changed(user)

    async def _update(self, user_id: UUID, **values: Any) -> User:
        try:
            return self._changed(await self.store.update(user_id, **values))
        except EmailTakenError:
            raise EmailInUseError from None
        except LastAdminError:
            raise LastAdminLeftError from None

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


def _new(wanted: Registration) -> NewUser:
    return NewUser(email=wanted.email, password=wanted.password, smtp=wanted.smtp)


def _email(email: str) -> tuple[str, list[Fault]]:
    try:
        return check_email(email), []
    except AccountError as error:
        return email, [Fault(field="email", detail=str(error))]


def _existing(user: User | None) -> User:
    if user is None:
        raise NoSuchUserError
    return user
