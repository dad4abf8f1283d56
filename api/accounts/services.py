"""The services for accounts, wired together for one process."""

from typing import NamedTuple

from redis.asyncio import Redis

from api.accounts.account_mails import AccountMails
from api.accounts.api_keys import ApiKeys
from api.accounts.credentials import Credentials
from api.accounts.deletions import Deletions
from api.accounts.devices import Devices
from api.accounts.last_use import LastUse
from api.accounts.login_limit import LoginLimit
from api.accounts.logins import Logins
from api.accounts.passwords import Passwords
from api.accounts.proofs import Proofs
from api.accounts.sessions import Sessions
from api.accounts.smtp_accounts import SmtpAccounts
from api.accounts.smtp_trials import SmtpTrials
from api.accounts.tokens import Tokens
from api.accounts.users import Users
from sql.store import Store
from tidings.security.account_links import AccountLinks
from tidings.security.secretbox import SecretBox
from tidings.settings import Settings


class Accounts(NamedTuple):
    """What routes work with."""

    users: Users
    logins: Logins
    api_keys: ApiKeys
    credentials: Credentials
    deletions: Deletions
    proofs: Proofs
    passwords: Passwords
    sessions: Sessions
    last_use: LastUse
    smtp: SmtpAccounts
    trials: SmtpTrials
    sessions_use: LastUse

    async def close(self) -> None:
        """Records what is left to record; before the store closes."""
        await self.proofs.close()
        await self.last_use.close()
        await self.sessions_use.close()
        self.passwords.close()


def open_accounts(settings: Settings, store: Store, redis: Redis, tokens: Tokens) -> Accounts:
    passwords = Passwords()
    last_use, sessions_use = LastUse(store.api_keys), LastUse(store.sessions)
    credentials = Credentials(store, tokens, last_use, sessions_use, default_channels=settings.user_channels)
    limit = LoginLimit(redis, per_email=settings.logins_per_email, per_address=settings.logins_per_address)
    devices = Devices(tokens.key_for(b"tidings: known devices"))
    sessions = Sessions(store.sessions, tokens, credentials)
    logins = Logins(store.users, passwords, sessions, limit, devices)
    mails = AccountMails(store=store, settings=settings)
    links = AccountLinks(settings.secret_keys)
    users = Users(
        store=store.users,
        box=SecretBox(settings.secret_keys),
        passwords=passwords,
        logins=logins,
        limit=limit,
        credentials=credentials,
        mails=mails,
        registration_open=settings.registration == "open",
        settings=settings,
    )
    smtp = SmtpAccounts(store, credentials, settings)
    return Accounts(
        users=users,
        logins=logins,
        api_keys=ApiKeys(store.api_keys, forget=credentials.forget_key),
        credentials=credentials,
        proofs=Proofs(
            users=store.users,
            mails=mails,
            links=links,
            passwords=passwords,
            limit=limit,
            credentials=credentials,
        ),
        deletions=Deletions(store=store, logins=logins, credentials=credentials),
        passwords=passwords,
        sessions=sessions,
        last_use=last_use,
        sessions_use=sessions_use,
        smtp=smtp,
        trials=SmtpTrials(smtp, store, redis, settings),
    )
