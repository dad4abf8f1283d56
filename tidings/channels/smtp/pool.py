"""Connections to mail servers, kept and reused, a few for each account.

In memory only, for each account that has mail: its concurrency (how many connections it may have), its idle
connections, and whether its login was refused lately. A crash leaves connections that their servers close; which mails
were being sent is known from the batches in Postgres.

Waiting for a slot is not part of an attempt: a server that is slow but works must not use up the attempts of mails that
wait, so the time limit of an attempt begins with its slot. What a used connection refuses before a recipient is named,
or loses before the final dot, is tried once over a new one within the same attempt: servers end sessions after so many
mails, or some idle time, and each says so in its own way.
"""

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import UUID

from aiosmtplib import SMTPResponse

from tidings.channels.base import About
from tidings.channels.smtp.auth import Login
from tidings.channels.smtp.connection import SmtpConnection, Terms
from tidings.channels.smtp.errors import (
    ConnectionLostError,
    OutcomeUnknownError,
    SmtpError,
    TransientError,
    interrupted,
)
from tidings.channels.smtp.learned import Learned
from tidings.channels.smtp.mail import Mail
from tidings.channels.smtp.oauth import AccessTokens
from tidings.channels.smtp.replies import CLOSING, OPENING, Phase
from tidings.domain.account import Sealed, SmtpAccount
from tidings.security.secretbox import Purpose, SecretBox

REFUSAL_SECONDS: Final = 60.0
"""How long a refused login is not tried again: servers lock out who repeats a wrong password."""

_REFUSED: Final = 5
"""The first digit of a code that is meant to last."""
_OF_SESSION: Final = frozenset({Phase.RSET, Phase.MAIL, Phase.DATA})
_COUNTED: Final = frozenset({Phase.MAIL, Phase.DATA})
"""Where servers say that a session has carried enough."""
Key = tuple[UUID, UUID | SmtpAccount]
"""Connections are shared by nothing else: not with other users, nor beyond a change of the password. An account's id is
another one then; a refresh token that its server has replaced is no such change."""


class _AccountState:
    """Connections and waiting deliveries of one account."""

    def __init__(self, owner: UUID, account: SmtpAccount, limit: int) -> None:
        self.owner, self.account = owner, account
        self.deliveries = 0
        """Those that wait for a slot or have one."""
        self.idle: list[SmtpConnection] = []
        """The last used comes last and is used first, so that those in excess grow old and are closed."""
        self.first_login = asyncio.Lock()
        self.login_succeeded = False
        self._slots = asyncio.Semaphore(limit)
        self._in_use = 0
        self._withheld = 0
        """Slots that the server does not want to be used."""
        self.learned = Learned()
        self._refusal: TransientError | None = None
        self._refused_until = 0.0

    async def acquire(self) -> None:
        """Waits for a slot."""
        await self._slots.acquire()
        self._in_use += 1

    def release(self) -> None:
        self._in_use -= 1
        self._slots.release()

    def decrease(self, now: float) -> bool:
        """Withholds the caller's slot for a while; False, with no effect, if it is the only one in use."""
        if self._in_use == 1:
            return False
        self._in_use -= 1
        self._withheld += 1
        self.learned.decreased(now)
        return True

    def increase(self, now: float) -> None:
        """Gives back one slot that was withheld, where that is long enough ago."""
        if self._withheld and self.learned.may_increase(now):
            self._withheld -= 1
            self._slots.release()

    def take_idle(self) -> SmtpConnection | None:
        while self.idle:
            connection = self.idle.pop()
            if connection.reusable:
                return connection
            connection.abort()
        return None

    def refuse(self, refusal: TransientError, until: float) -> None:
        self._refusal, self._refused_until = refusal, until

    def check_refusal(self, now: float) -> None:
        """Raises TransientError for REFUSAL_SECONDS after a login was refused."""
        if self._refusal is not None and now < self._refused_until:
            refusal = self._refusal
            raise TransientError(
                refusal.phase, f"{refusal.reason} a moment ago", about=refusal.about, code=refusal.code
            )

    def unused(self, now: float) -> bool:
        """Whether it can be forgotten."""
        known = now < self._refused_until or self.learned.lasts(now)
        return not self.deliveries and not self.idle and not known


class SmtpPool:
    """Sends mails, over at most `limit` connections for each account. Create it inside the running event loop."""

    def __init__(self, terms: Terms, box: SecretBox, tokens: AccessTokens, *, limit: int, idle_seconds: float) -> None:
        self._terms = terms
        self._box = box
        self._tokens = tokens
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._accounts: dict[Key, _AccountState] = {}
        self._quitting: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    async def send(self, owner: UUID, account: SmtpAccount, mail: Mail) -> SMTPResponse:
        """Returns the reply that takes the mail. Raises SmtpError or UnsealError.

        Raises CancelledError only if the server may have taken the mail.
        """
        state = self._accounts.get((owner, account.id or account)) or self._open(owner, account)
        state.deliveries += 1
        # Waiting has an end, since what is in flight must end so that its consumer can stop.
        until = asyncio.get_running_loop().time() + self._terms.delivery_timeout + self._terms.answer_timeout
        try:
            reply = None
            while reply is None:
                await self._acquire(state, until)
                reply = await self._send(state, mail)
            return reply
        finally:
            state.deliveries -= 1

    async def close(self) -> None:
        """Closes all connections, after the last mail."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for state in self._accounts.values():
            while state.idle:
                self._quit(state.idle.pop())
        self._accounts.clear()
        if self._quitting:
            await asyncio.wait(set(self._quitting))

    async def _acquire(self, state: _AccountState, until: float) -> None:
        """Waits for a slot."""
        try:
            async with asyncio.timeout_at(until):
                await state.acquire()
        except TimeoutError:
            raise TransientError(Phase.CONNECT, "no connection to the server became free", about=About.PACE) from None
        except asyncio.CancelledError:
            raise _cut_off(Phase.CONNECT) from None

    async def _send(self, state: _AccountState, mail: Mail) -> SMTPResponse | None:
        """One attempt, in a slot that is released at its end.

        None, with the slot withheld, if the server wants fewer connections than the others hold already.
        """
        now = asyncio.get_running_loop().time
        connection = state.take_idle()
        withheld = again = False
        try:
            async with asyncio.timeout(self._terms.delivery_timeout) as deadline:
                if connection is not None:
                    try:
                        return await connection.send(mail, deadline)
                    except SmtpError as failure:
                        if not _speaks_of_session(failure):
                            raise
                        # 421 alone is how idle connections are ended too.
                        counted = failure.of_session or (
                            failure.phase in _COUNTED and failure.code not in {None, CLOSING}
                        )
                        spent = connection.mails - 1 if counted else 0
                    await _replace(connection)
                else:
                    spent = 0
                connection = SmtpConnection(state.account, self._terms)
                await self._begin(state, connection)
                reply = await connection.send(mail, deadline)
                if spent:
                    state.learned.session_ended(spent, now())
                return reply
        except TimeoutError:
            phase = Phase.CONNECT if connection is None else connection.phase
            raise interrupted(phase, "timed out") from None
        except asyncio.CancelledError:
            if connection is not None and connection.phase is Phase.END_OF_DATA:
                raise
            raise _cut_off(Phase.CONNECT if connection is None else connection.phase) from None
        except TransientError as failure:
            again = failure.crowded or (failure.code == CLOSING and failure.phase in OPENING)
            withheld = (again or failure.about is About.PACE) and state.decrease(now())
            if not (again and withheld):
                raise
            return None
        finally:
            self._return(state, connection, has_slot=not withheld)

    async def _begin(self, state: _AccountState, connection: SmtpConnection) -> None:
        """Connects and, if the account has a password or an OAuth login, logs in.

        The first login goes alone, so that a wrong password is tried once and not by all connections at a time.
        """
        state.check_refusal(asyncio.get_running_loop().time())
        account = state.account
        if account.password is None and account.clear_password is None and account.oauth is None:
            await connection.open()
            return
        try:
            login = await self._login(state)
        except TransientError as failure:
            if failure.about is About.ACCOUNT:
                state.refuse(failure, asyncio.get_running_loop().time() + REFUSAL_SECONDS)
            raise
        await connection.open()
        if state.login_succeeded:
            await self._log_in(state, connection, login)
            return
        async with state.first_login:
            state.check_refusal(asyncio.get_running_loop().time())
            await self._log_in(state, connection, login)
            state.login_succeeded = True

    async def _login(self, state: _AccountState) -> Login:
        account, username = state.account, state.account.username or ""
        if account.oauth is not None:
            return Login(username, await self._tokens.get(account, state.owner), is_token=True)
        if account.clear_password is not None:
            return Login(username, account.clear_password)
        return Login(username, self._box.unseal(account.password or Sealed(b""), Purpose.SMTP_PASSWORD, state.owner))

    async def _log_in(self, state: _AccountState, connection: SmtpConnection, login: Login) -> None:
        account = state.account
        for last in (account.oauth is None, True):
            try:
                await connection.log_in(login)
            except TransientError as failure:
                if failure.about is not About.ACCOUNT or failure.code is None or failure.code // 100 != _REFUSED:
                    raise
                # An access token may be revoked before its time.
                if account.oauth is not None and self._tokens.forget(account, login.secret) and not last:
                    login = await self._login(state)
                    continue
                state.refuse(failure, asyncio.get_running_loop().time() + REFUSAL_SECONDS)
                raise
            else:
                return

    def _return(self, state: _AccountState, connection: SmtpConnection | None, *, has_slot: bool) -> None:
        now = asyncio.get_running_loop().time()
        state.increase(now)
        most = state.learned.most_mails(now)
        if connection is not None and connection.reusable and connection.mails < min(connection.most_mails, most):
            connection.idle_since = now
            state.idle.append(connection)
        elif connection is not None and connection.answers:
            # Its slot is free once it is closed, so that there is never one too many.
            self._quit(connection, then=state.release if has_slot else None)
            return
        elif connection is not None:
            connection.abort()
        if has_slot:
            state.release()

    def _quit(self, connection: SmtpConnection, *, then: Callable[[], None] | None = None) -> None:
        quitting = asyncio.get_running_loop().create_task(connection.quit())
        self._quitting.add(quitting)
        quitting.add_done_callback(self._quitting.discard)
        if then is not None:
            quitting.add_done_callback(lambda _: then())

    def _open(self, owner: UUID, account: SmtpAccount) -> _AccountState:
        limit = min(self._limit, account.max_connections or self._limit)
        state = self._accounts[owner, account.id or account] = _AccountState(owner, account, limit)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(self._idle_seconds, self._sweep)
        return state

    def _sweep(self) -> None:
        """Closes what was idle for long, and forgets accounts without mail."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for key, state in list(self._accounts.items()):
            while state.idle and now - state.idle[0].idle_since >= self._idle_seconds:
                self._quit(state.idle.pop(0))
            if state.unused(now):
                del self._accounts[key]
        self._sweeper = loop.call_later(self._idle_seconds / 2, self._sweep) if self._accounts else None


def _speaks_of_session(failure: SmtpError) -> bool:
    """Whether a mail that a used connection did not take is to be tried over a new one: it cannot have been taken."""
    if isinstance(failure, OutcomeUnknownError):
        return False
    if isinstance(failure, ConnectionLostError) or failure.code == CLOSING or failure.of_session:
        return True
    return failure.phase in _OF_SESSION and failure.code is not None


def _cut_off(phase: Phase) -> TransientError:
    """In place of a cancellation (as a consumer stops) before the final dot: the mail is nowhere, and can go back."""
    if (task := asyncio.current_task()) is not None:
        task.uncancel()
    return TransientError(phase, "cut off before the mail was sent", about=About.OURSELVES)


async def _replace(connection: SmtpConnection) -> None:
    """Closes a connection before the one that takes its place is opened."""
    if connection.is_connected:
        await connection.quit()
    else:
        connection.abort()
