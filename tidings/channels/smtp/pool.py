"""Connections to mail servers, kept and reused, a few for each account.

In play, all in memory: for each account that has mail, its places (how many connections it may have), its idle
connections, and whether its login was refused lately. A crash leaves connections that their servers close; which mails
were on their way is known from the batches in Postgres.

Waiting for a place is not part of a try: a server that is slow and works must not use up the tries of those who wait.
The time limit of a try begins with its place. A connection that turns out to have been closed while it was idle is
replaced within the same try, since nothing has happened over it.
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
from tidings.domain.account import Sealed, SmtpAccount

MAILS_PER_CONNECTION: Final = 100
"""Servers commonly end a connection after that many."""

REFUSAL_SECONDS: Final = 60.0
"""How long a refused login is taken at its word: servers shut out whoever tries a wrong password again and again."""

_BEFORE_MAIL: Final = frozenset({Phase.RSET, Phase.MAIL})
_OPENING: Final = frozenset({Phase.GREETING, Phase.TLS, Phase.EHLO, Phase.AUTH})

Unseal = Callable[[UUID, Sealed], str]
"""The password in clear, of an owner and as it is kept. May raise UnsealError."""

Key = tuple[UUID, SmtpAccount]
"""Whose connections these are: nobody gets those of others, or keeps those of a password that was changed since."""


class _Line:
    """One account."""

    def __init__(self, key: Key, limit: int) -> None:
        self.owner, self.account = key
        self.visitors = 0
        """Deliveries that wait for a place or have one."""
        self.idle: list[SmtpConnection] = []
        """The one that was used last comes last, and is used first: what is too many grows old and is closed."""
        self.first_login = asyncio.Lock()
        self.proven = False
        """A login has succeeded."""
        self._places = asyncio.Semaphore(limit)
        self._in_use = 0
        self._given_up = 0
        """Places that the server does not want to be used."""
        self._refusal: PermanentError | None = None
        self._refused_until = 0.0

    async def enter(self) -> None:
        """Waits for a place."""
        await self._places.acquire()
        self._in_use += 1

    def leave(self) -> None:
        self._in_use -= 1
        self._places.release()

    def give_up_place(self) -> bool:
        """Does without the place that one has from now on, unless it is the only one in use."""
        if self._in_use == 1:
            return False
        self._in_use -= 1
        self._given_up += 1
        return True

    def widen(self) -> None:
        """Tries again with a place that was given up."""
        if self._given_up:
            self._given_up -= 1
            self._places.release()

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
        """Raises what a login was refused with, as long as that counts."""
        if self._refusal is not None and now < self._refused_until:
            refusal = self._refusal
            raise PermanentError(refusal.phase, f"{refusal.reason} a moment ago", code=refusal.code)

    def idle_for_good(self, now: float) -> bool:
        """Whether nothing is lost with it."""
        return not self.visitors and not self.idle and now >= self._refused_until


class SmtpPool:
    """Sends mails, over at most `limit` connections for each account. Create it inside the running event loop."""

    def __init__(
        self, terms: Terms, unseal: Unseal, *, limit: int, idle_seconds: float, delivery_timeout: float
    ) -> None:
        self._terms = terms
        self._unseal = unseal
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._delivery_timeout = delivery_timeout
        self._lines: dict[Key, _Line] = {}
        self._farewells: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    async def send(self, owner: UUID, account: SmtpAccount, mail: Mail) -> SMTPResponse:
        """The reply that takes the mail. Raises SmtpError, or UnsealError."""
        line = self._lines.get((owner, account)) or self._open((owner, account))
        line.visitors += 1
        try:
            reply = None
            while reply is None:
                await line.enter()
                reply = await self._send(line, mail)
            return reply
        finally:
            line.visitors -= 1

    async def close(self) -> None:
        """Closes all connections, after the last mail."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for line in self._lines.values():
            while line.idle:
                self._part(line.idle.pop())
        self._lines.clear()
        if self._farewells:
            await asyncio.wait(set(self._farewells))

    async def _send(self, line: _Line, mail: Mail) -> SMTPResponse | None:
        """One try, in a place that is given back at its end.

        None, without the place, where the server wants fewer connections than the others hold already.
        """
        reused = line.take_idle()
        connection = reused or SmtpConnection(line.account, self._terms)
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
                    connection = SmtpConnection(line.account, self._terms)
                await self._begin(line, connection)
                return await connection.send(mail, deadline)
        except TimeoutError:
            raise interrupted(connection.phase, "timed out") from None
        except TransientError as failure:
            crowded = failure.code == CLOSING and failure.phase in _OPENING and line.give_up_place()
            if not crowded:
                raise
            return None
        finally:
            self._put_back(line, connection, has_place=not crowded)

    async def _begin(self, line: _Line, connection: SmtpConnection) -> None:
        """Connects and, where the account has a password, logs in.

        The first login goes alone, so that a wrong password is tried once and not by all at the same time.
        """
        clock = asyncio.get_running_loop().time
        line.check_refusal(clock())
        account = line.account
        password = None if account.password is None else self._unseal(line.owner, account.password)
        await connection.open()
        if password is None:
            return
        async with line.first_login:
            line.check_refusal(clock())
            if not line.proven:
                try:
                    await connection.log_in(account.username or "", password)
                except PermanentError as failure:
                    line.refuse(failure, clock() + REFUSAL_SECONDS)
                    raise
                line.proven = True
                return
        await connection.log_in(account.username or "", password)

    def _put_back(self, line: _Line, connection: SmtpConnection, *, has_place: bool) -> None:
        if not connection.reusable:
            connection.abort()
        elif connection.mails >= MAILS_PER_CONNECTION:
            # Its place is free when it is closed, so that there is never one too many.
            self._part(connection, then=line.leave)
            line.widen()
            return
        else:
            connection.idle_since = asyncio.get_running_loop().time()
            line.idle.append(connection)
        if has_place:
            line.leave()

    def _part(self, connection: SmtpConnection, *, then: Callable[[], None] | None = None) -> None:
        farewell = asyncio.get_running_loop().create_task(connection.quit())
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)
        if then is not None:
            farewell.add_done_callback(lambda _: then())

    def _open(self, key: Key) -> _Line:
        line = self._lines[key] = _Line(key, self._limit)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(self._idle_seconds, self._sweep)
        return line

    def _sweep(self) -> None:
        """Closes what was idle for long, and forgets accounts without mail."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for key, line in list(self._lines.items()):
            while line.idle and now - line.idle[0].idle_since >= self._idle_seconds:
                self._part(line.idle.pop(0))
            if line.idle_for_good(now):
                del self._lines[key]
        self._sweeper = loop.call_later(self._idle_seconds / 2, self._sweep) if self._lines else None


def _was_closed(failure: SmtpError) -> bool:
    """Whether a connection had been closed before the mail came to it."""
    return failure.phase in _BEFORE_MAIL and (isinstance(failure, ConnectionLostError) or failure.code == CLOSING)
