"""Connections to mail servers, kept and reused, a few for each account.

In memory only, for each account that has mail: its concurrency (how many connections it may have), its idle
connections, and whether its login was refused lately. A crash leaves connections that their servers close; which mails
were being sent is known from the batches in Postgres.

Waiting for a slot is not part of an attempt: a server that is slow but works must not use up the attempts of mails that
wait, so the time limit of an attempt begins with its slot. A connection that turns out to have been closed while idle
is replaced within the same attempt, since nothing was sent over it.
"""

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import UUID

from aiosmtplib import SMTPResponse

from tidings.channels.smtp.connection import SmtpConnection, Terms
from tidings.channels.smtp.errors import (
    CLOSING,
    ConnectionLostError,
    PermanentError,
    Phase,
    SmtpError,
    TransientError,
    interrupted,
)
from tidings.channels.smtp.mail import Mail
from tidings.domain.account import SmtpAccount
from tidings.security.secretbox import Purpose, SecretBox

MAILS_PER_CONNECTION: Final = 100
"""Servers commonly close a connection after that many."""

REFUSAL_SECONDS: Final = 60.0
"""How long a refused login is not tried again: servers lock out who repeats a wrong password."""

_BEFORE_MAIL: Final = frozenset({Phase.RSET, Phase.MAIL})
_OPENING: Final = frozenset({Phase.GREETING, Phase.TLS, Phase.EHLO, Phase.AUTH})

Key = tuple[UUID, SmtpAccount]
"""Connections are shared by nothing else: not with other users, nor beyond a change of the password."""


class _AccountState:
    """Connections and waiting deliveries of one account."""

    def __init__(self, key: Key, limit: int) -> None:
        self.owner, self.account = key
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
        self._refusal: PermanentError | None = None
        self._refused_until = 0.0

    async def acquire(self) -> None:
        """Waits for a slot."""
        await self._slots.acquire()
        self._in_use += 1

    def release(self) -> None:
        self._in_use -= 1
        self._slots.release()

    def decrease(self) -> bool:
        """Withholds the caller's slot from now on; False, with no effect, if it is the only one in use."""
        if self._in_use == 1:
            return False
        self._in_use -= 1
        self._withheld += 1
        return True

    def increase(self) -> None:
        """Gives back one slot that was withheld."""
        if self._withheld:
            self._withheld -= 1
            self._slots.release()

    def take_idle(self) -> SmtpConnection | None:
        while self.idle:
            connection = self.idle.pop()
            if connection.reusable:
                return connection
            connection.abort()
        return None

    def refuse(self, refusal: PermanentError, until: float) -> None:
        self._refusal, self._refused_until = refusal, until

    def check_refusal(self, now: float) -> None:
        """Raises PermanentError for REFUSAL_SECONDS after a login was refused."""
        if self._refusal is not None and now < self._refused_until:
            refusal = self._refusal
            raise PermanentError(refusal.phase, f"{refusal.reason} a moment ago", code=refusal.code)

    def unused(self, now: float) -> bool:
        """Whether it can be forgotten."""
        return not self.deliveries and not self.idle and now >= self._refused_until


class SmtpPool:
    """Sends mails, over at most `limit` connections for each account. Create it inside the running event loop."""

    def __init__(
        self, terms: Terms, box: SecretBox, *, limit: int, idle_seconds: float, delivery_timeout: float
    ) -> None:
        self._terms = terms
        self._box = box
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._delivery_timeout = delivery_timeout
        self._accounts: dict[Key, _AccountState] = {}
        self._quitting: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    async def send(self, owner: UUID, account: SmtpAccount, mail: Mail) -> SMTPResponse:
        """Returns the reply that takes the mail. Raises SmtpError or UnsealError."""
        state = self._accounts.get((owner, account)) or self._open((owner, account))
        state.deliveries += 1
        try:
            reply = None
            while reply is None:
                await state.acquire()
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

    async def _send(self, state: _AccountState, mail: Mail) -> SMTPResponse | None:
        """One attempt, in a slot that is released at its end.

        None, with the slot withheld, if the server wants fewer connections than the others hold already.
        """
        reused = state.take_idle()
        connection = reused or SmtpConnection(state.account, self._terms)
        crowded = False
        try:
            async with asyncio.timeout(self._delivery_timeout) as deadline:
                if reused:
                    try:
                        return await reused.send(mail, deadline)
                    except TransientError as failure:
                        if not _was_closed(failure):
                            raise
                    reused.abort()
                    connection = SmtpConnection(state.account, self._terms)
                await self._begin(state, connection)
                return await connection.send(mail, deadline)
        except TimeoutError:
            raise interrupted(connection.phase, "timed out") from None
        except TransientError as failure:
            crowded = failure.code == CLOSING and failure.phase in _OPENING and state.decrease()
            if not crowded:
                raise
            return None
        finally:
            self._return(state, connection, has_slot=not crowded)

    async def _begin(self, state: _AccountState, connection: SmtpConnection) -> None:
        """Connects and, if the account has a password, logs in.

        The first login goes alone, so that a wrong password is tried once and not by all connections at a time.
        """
        clock = asyncio.get_running_loop().time
        state.check_refusal(clock())
        account = state.account
        sealed = account.password
        password = None if sealed is None else self._box.unseal(sealed, Purpose.SMTP_PASSWORD, state.owner)
        await connection.open()
        if password is None:
            return
        async with state.first_login:
            state.check_refusal(clock())
            if not state.login_succeeded:
                try:
                    await connection.log_in(account.username or "", password)
                except PermanentError as failure:
                    state.refuse(failure, clock() + REFUSAL_SECONDS)
                    raise
                state.login_succeeded = True
                return
        await connection.log_in(account.username or "", password)

    def _return(self, state: _AccountState, connection: SmtpConnection, *, has_slot: bool) -> None:
        if not connection.reusable:
            connection.abort()
        elif connection.mails >= MAILS_PER_CONNECTION:
            # Its slot is free once it is closed, so that there is never one too many.
            self._quit(connection, then=state.release)
            state.increase()
            return
        else:
            connection.idle_since = asyncio.get_running_loop().time()
            state.idle.append(connection)
        if has_slot:
            state.release()

    def _quit(self, connection: SmtpConnection, *, then: Callable[[], None] | None = None) -> None:
        quitting = asyncio.get_running_loop().create_task(connection.quit())
        self._quitting.add(quitting)
        quitting.add_done_callback(self._quitting.discard)
        if then is not None:
            quitting.add_done_callback(lambda _: then())

    def _open(self, key: Key) -> _AccountState:
        state = self._accounts[key] = _AccountState(key, self._limit)
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


def _was_closed(failure: SmtpError) -> bool:
    """Whether the connection was closed before the mail began."""
    return failure.phase in _BEFORE_MAIL and (isinstance(failure, ConnectionLostError) or failure.code == CLOSING)
