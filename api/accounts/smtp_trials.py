"""A mail to oneself through one of one's SMTP accounts, to see whether it works.

State: one counter in Redis for each user, gone after an hour. While Redis is away nothing is tried: each trial opens a
connection to where somebody says. This is the one place of the API that speaks to mail servers, by the code and the
rules by which consumers do.
"""

import asyncio
from typing import Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.accounts.smtp_accounts import SmtpAccounts
from api.accounts.smtp_errors import TooManyTrialsError, TrialsBusyError
from api.accounts.smtp_schemas import TrialAnswer
from api.http.problems import Fault, InvalidError
from sql.smtp_tokens import StoredTokens
from sql.store import Store
from tidings.channels.email.accounts import Chosen, NoAccountError, sender_of
from tidings.redis import keys
from tidings.settings import Settings

PER_HOUR: Final = 20
"""Of one user."""
AT_ONCE: Final = 4
"""Of this process; each ends within half a minute."""
HOUR_SECONDS: Final = 3600


class SmtpTrials:
    """Tries accounts."""

    def __init__(self, accounts: SmtpAccounts, store: Store, redis: Redis, settings: Settings) -> None:
        self._accounts = accounts
        self._store = store
        self._redis = redis
        self._settings = settings
        self._running = asyncio.Semaphore(AT_ONCE)

    async def run(self, user_id: UUID, name: str | None) -> TrialAnswer:
        """Sends the user a mail by the account of that name, or the default one.

        Where that went well, mail that the account held is due. Raises NoSuchAccountError, InvalidError,
        TooManyTrialsError, TrialsBusyError.
        """
        from tidings.channels.email.trial import try_account  # noqa: PLC0415  (no other request needs it)

        account, sender = (await self._accounts.get(user_id, name)).account, await self._accounts.sender(user_id)
        chosen = Chosen(user_id, account)
        try:
            own = sender_of(chosen, sender)
        except NoAccountError as error:
            raise InvalidError([Fault(field="from", detail=str(error))]) from None
        if self._running.locked():
            raise TrialsBusyError
        async with self._running:
            await self._count(user_id)
            tokens = StoredTokens(self._store.smtp_accounts)
            trial = await try_account(chosen, own, sender.email, settings=self._settings, refresh_tokens=tokens)
        if trial.error is None:
            await self._store.smtp_accounts.works(user_id)
        return TrialAnswer(
            works=trial.error is None,
            phase=trial.phase,
            status_code=trial.status_code,
            answer=trial.answer,
            error=trial.error,
            seconds=round(trial.seconds, 3),
            recipient=sender.email,
        )

    async def _count(self, user_id: UUID) -> None:
        counter = keys.smtp_trials(user_id)
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.set(counter, 0, ex=HOUR_SECONDS, nx=True)
                pipe.incr(counter)
                pipe.ttl(counter)
                _, count, seconds = await pipe.execute()
        except (RedisError, OSError):
            raise TrialsBusyError from None
        if count > PER_HOUR:
            raise TooManyTrialsError(max(int(seconds), 1))
