"""SMTP accounts of users: made, replaced, deleted."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from api.accounts.checks import smtp_faults
from api.accounts.credentials import Credentials
from api.accounts.errors import NoSecretKeysError, NoSuchUserError
from api.accounts.smtp_errors import AccountTakenError, NoSuchAccountError, TooManyAccountsError
from api.accounts.smtp_schemas import AccountRequest
from api.http.problems import Fault, InvalidError
from sql.smtp_accounts import KeptAccount, Put
from sql.store import Store
from tidings.channels.email.addresses import check_mailbox, parse_mailbox
from tidings.channels.recipient import RecipientError
from tidings.domain.account import OPERATORS_ACCOUNT, OAuth, Sealed, Sender, SmtpAccount, Tls, may_send_from
from tidings.domain.errors import SettingsError
from tidings.domain.mail_parts import Mailbox
from tidings.security.secretbox import Purpose, SecretBox
from tidings.settings import Settings


class SmtpAccounts:
    """The accounts of all users."""

    def __init__(self, store: Store, credentials: Credentials, settings: Settings) -> None:
        self._store = store
        self._credentials = credentials
        self._settings = settings
        self._box = SecretBox(settings.secret_keys)

    async def list(self, user_id: UUID) -> Sequence[KeptAccount]:
        """A user's, the default first."""
        return await self._store.smtp_accounts.list(user_id)

    async def get(self, user_id: UUID, name: str | None) -> KeptAccount:
        """The one of that name, or the default one. Raises NoSuchAccountError."""
        for kept in await self.list(user_id):
            if kept.is_default if name is None else kept.account.name == name:
                return kept
        raise NoSuchAccountError

    async def default_name(self, user_id: UUID) -> str | None:
        """The name of the default account; None where there is none."""
        return next((kept.account.name for kept in await self.list(user_id) if kept.is_default), None)

    async def put(
        self, user_id: UUID, name: str, wanted: AccountRequest, *, replace: bool, is_default: bool | None
    ) -> KeptAccount:
        """Keeps an account as a whole.

        Raises InvalidError, AccountTakenError, TooManyAccountsError, NoSecretKeysError, NoSuchUserError.
        """
        sender = await self.sender(user_id)
        account, faults = self._account(name, wanted, sender)
        if faults:
            raise InvalidError(faults)
        put = await self._store.smtp_accounts.put(user_id, account, is_default=is_default, replace=replace)
        if put is Put.NO_USER:
            raise NoSuchUserError
        if put is Put.TAKEN:
            raise AccountTakenError
        if put is Put.TOO_MANY:
            raise TooManyAccountsError
        self._credentials.forget_user(user_id)
        return await self.get(user_id, name)

    async def delete(self, user_id: UUID, name: str) -> KeptAccount:
        """Returns what is deleted; mail that was to go by it is held. Raises NoSuchAccountError."""
        deleted = await self._store.smtp_accounts.delete(user_id, name)
        if deleted is None:
            raise NoSuchAccountError
        self._credentials.forget_user(user_id)
        return deleted

    async def sender(self, user_id: UUID) -> Sender:
        """Raises NoSuchUserError."""
        sender = (await self._store.users.senders([user_id])).get(user_id)
        if sender is None:
            raise NoSuchUserError
        return sender

    def _account(self, name: str, wanted: AccountRequest, sender: Sender) -> tuple[SmtpAccount, Sequence[Fault]]:
        faults = _faults(name, wanted, self._settings)
        mailbox = None
        if wanted.from_ is not None:
            try:
                given = wanted.from_
                mailbox = (
                    parse_mailbox(given)
                    if isinstance(given, str)
                    else check_mailbox(Mailbox(email=given.email, name=given.name))
                )
            except RecipientError as error:
                faults.append(Fault(field="from", detail=str(error)))
        oauth = None
        if not faults and wanted.oauth is not None:
            secret = wanted.oauth.client_secret
            oauth = OAuth(
                token_url=wanted.oauth.token_url,
                client_id=wanted.oauth.client_id,
                client_secret=None if secret is None else self._seal(secret, sender.id),
                refresh_token=self._seal(wanted.oauth.refresh_token, sender.id),
            )
        account = SmtpAccount(
            name=name,
            host=wanted.host.lower(),
            port=wanted.port,
            username=wanted.username or None,
            password=self._seal(wanted.password, sender.id) if wanted.password and not faults else None,
            oauth=oauth,
            tls=wanted.tls if isinstance(wanted.tls, Tls) else Tls.NONE if wanted.tls is False else None,
            sender=mailbox,
            per_hour=wanted.per_hour,
            max_connections=wanted.max_connections,
        )
        if mailbox is not None and not may_send_from(mailbox.email, sender, account):
            detail = f"{mailbox.email} is not among your addresses; an admin can allow it"
            faults.append(Fault(field="from", detail=detail))
        return account, faults

    def _seal(self, secret: str, owner: UUID) -> Sealed:
        try:
            return self._box.seal(secret, Purpose.SMTP_PASSWORD, owner)
        except SettingsError:
            raise NoSecretKeysError from None


def _faults(name: str, wanted: AccountRequest, settings: Settings) -> list[Fault]:
    """What is wrong with an account that types cannot say."""
    has_from = wanted.from_ is not None
    if wanted.oauth is None:
        found = smtp_faults(wanted, settings, has_from=has_from)
    else:
        # In place of the password.
        with_password = msgspec.structs.replace(wanted, password=wanted.oauth.client_id)
        found = smtp_faults(with_password, settings, has_from=has_from)
        if wanted.password:
            found.append(Fault(field="password", detail="cannot be given with oauth"))
    faults = [msgspec.structs.replace(each, field=(each.field or "").removeprefix("smtp.")) for each in found]
    if name == OPERATORS_ACCOUNT:
        faults.append(Fault(field="name", detail=f"{OPERATORS_ACCOUNT} is that of the operator's account"))
    return faults
