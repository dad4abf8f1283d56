"""One connection to the mail server of an account: opened, logged in, and used for mail after mail.

A crash after the final dot leaves a mail whose outcome is unknown here: the server may have taken it, and it is sent
again. A transaction without its final dot is no mail (RFC 5321, section 4.1.1.4).

Where it may go, and what it may send without TLS, is decided by the address that the socket is connected to.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Final, cast

import aiosmtplib
import msgspec
from aiosmtplib import SMTPException, SMTPResponse, SMTPResponseException

from tidings.channels.smtp.dial import dial
from tidings.channels.smtp.errors import (
    CLOSING,
    ConnectionLostError,
    OutcomeUnknownError,
    PermanentError,
    Phase,
    SmtpError,
    TransientError,
    interrupted,
    refusal,
)
from tidings.channels.smtp.mail import Mail
from tidings.domain.account import SmtpAccount
from tidings.security.egress import Egress

IMPLICIT_TLS_PORT: Final = 465
"""RFC 8314, section 3.3."""

ANSWER_SECONDS: Final = 60.0
"""How long the reply to a whole mail is awaited at least. A server that filters is slow here, and a mail that times out
has probably been taken and will be sent again; RFC 5321, section 4.5.3.2.6, asks for ten minutes for that reason."""

QUIT_SECONDS: Final = 1.0

_POSITIVE: Final = 2
_START_INPUT: Final = 354
_WRONG_MECHANISM: Final = frozenset({500, 501, 502, 503, 504, 534, 538})
"""Replies that refuse the mechanism, not the login (RFC 4954, section 6)."""

_MECHANISMS: Final = ("PLAIN", "LOGIN", "CRAM-MD5")
"""With TLS the simple ones first: servers that keep no password in clear can only refuse CRAM-MD5; some offer it."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that all connections share."""

    tls: ssl.SSLContext
    egress: Egress
    allow_plaintext: bool
    connect_timeout: float
    delivery_timeout: float
    """Of one attempt, from its slot on."""


class SmtpConnection:
    """Not safe for two mails at once. After a failure it may be used again only if it is `reusable`."""

    def __init__(self, account: SmtpAccount, terms: Terms) -> None:
        self._account = account
        self._terms = terms
        self._smtp: aiosmtplib.SMTP | None = None
        self._encrypted = False
        self._between_mails = False
        self._unfinished = False
        self.phase = Phase.CONNECT
        self.mails = 0
        """Begun, on this connection."""
        self.idle_since = 0.0

    @property
    def reusable(self) -> bool:
        """Whether another mail may use it: only if one has before, which is after the login."""
        return self._between_mails and self._smtp is not None and self._smtp.is_connected

    async def open(self) -> None:
        """Connects, with TLS unless the account may do without. Raises SmtpError."""
        host, port = self._account.host, self._account.port
        peer = await dial(host, port, egress=self._terms.egress, timeout=self._terms.connect_timeout)
        implicit = port == IMPLICIT_TLS_PORT
        smtp = self._smtp = aiosmtplib.SMTP(
            hostname=host,
            sock=peer,
            use_tls=implicit,
            start_tls=False,
            tls_context=self._terms.tls,
            local_hostname=_literal(peer),
            timeout=None,
        )
        loopback = _is_loopback(peer)
        with self._during(Phase.GREETING):
            await smtp.connect()
        self._encrypted = implicit
        await self._hello()
        if not implicit:
            await self._start_tls(loopback=loopback)

    async def log_in(self, username: str, password: str) -> None:
        """Raises SmtpError, whose text and answer repeat nothing of what was sent."""
        smtp = self._connected
        offered = {name.upper() for name in smtp.server_auth_methods}
        # Without TLS, the one that does not show the password.
        order = _MECHANISMS if self._encrypted else tuple(reversed(_MECHANISMS))
        mechanisms = [name for name in order if name in offered]
        if not mechanisms:
            raise PermanentError(Phase.AUTH, "the server offers no way of logging in that is known here")
        for mechanism in mechanisms:
            log_in = {"PLAIN": smtp.auth_plain, "LOGIN": smtp.auth_login, "CRAM-MD5": smtp.auth_crammd5}[mechanism]
            try:
                with self._during(Phase.AUTH):
                    await log_in(username, password)
            except SmtpError as failure:
                if failure.code not in _WRONG_MECHANISM or mechanism == mechanisms[-1]:
                    raise
            else:
                return

    async def send(self, mail: Mail, deadline: asyncio.Timeout) -> SMTPResponse:
        """Returns the reply that takes the mail. Postpones `deadline` when only that reply is missing.

        Raises SmtpError.
        """
        self.phase = Phase.MAIL
        self._between_mails = False
        self.mails += 1
        try:
            reply = await self._transact(mail, deadline)
        except (ConnectionLostError, OutcomeUnknownError):
            raise
        except SmtpError:
            self._between_mails = True
            raise
        self._between_mails = True
        return reply

    async def quit(self) -> None:
        """Sends QUIT and closes, within QUIT_SECONDS."""
        if self._smtp is not None and self._smtp.is_connected:
            with suppress(SMTPException, OSError):  # a TimeoutError is an OSError
                async with asyncio.timeout(QUIT_SECONDS):
                    await self._smtp.quit()
        self.abort()

    def abort(self) -> None:
        """Closes at once."""
        if self._smtp is None:
            return
        transport = cast("asyncio.WriteTransport | None", self._smtp.transport)
        self._smtp.close()
        if transport is not None:
            # Closing alone waits for the server to read what was written, or to end TLS.
            transport.abort()

    @property
    def _connected(self) -> aiosmtplib.SMTP:
        if self._smtp is None or not self._smtp.is_connected:
            raise ConnectionLostError(self.phase, "the connection was lost")
        return self._smtp

    async def _hello(self) -> None:
        with self._during(Phase.EHLO):
            await self._connected.ehlo()

    async def _start_tls(self, *, loopback: bool) -> None:
        account, smtp = self._account, self._connected
        if account.plaintext and (loopback or self._terms.allow_plaintext):
            return
        if not smtp.supports_extension("starttls"):
            if loopback:
                return
            hint = "; SMTP_ALLOW_PLAINTEXT is not set" if account.plaintext else ""
            raise TransientError(Phase.TLS, f"the server does not offer STARTTLS{hint}")
        with self._during(Phase.TLS):
            await smtp.starttls()
        self._encrypted = True
        await self._hello()

    async def _transact(self, mail: Mail, deadline: asyncio.Timeout) -> SMTPResponse:
        smtp = self._connected
        if mail.smtputf8 and not smtp.supports_extension("smtputf8"):
            raise PermanentError(Phase.MAIL, "the server takes no address with letters outside ASCII (SMTPUTF8)")
        if self._unfinished:
            await self._command(Phase.RSET, b"RSET")
            self._unfinished = False
        options = [b"SIZE=%d" % mail.size] if smtp.supports_extension("size") else []
        if mail.smtputf8:
            options += [b"SMTPUTF8", b"BODY=8BITMIME"]
        await self._command(Phase.MAIL, b"MAIL", b"FROM:<%b>" % mail.sender.encode(), *options)
        self._unfinished = True
        await self._name_recipients(mail)
        await self._command(Phase.DATA, b"DATA", wanted=_START_INPUT)
        reply = await self._data(mail.data, deadline)
        # The final dot ends a transaction, taken or not: no RSET is needed (RFC 5321, section 4.1.1.4).
        self._unfinished = False
        if reply.code // 100 != _POSITIVE:
            raise refusal(Phase.END_OF_DATA, reply.code, reply.message)
        return reply

    async def _name_recipients(self, mail: Mail) -> None:
        """Those that are refused are in `mail.refused` then. Raises SmtpError where all of them are."""
        mail.refused.clear()
        for recipient in mail.recipients:
            try:
                await self._command(Phase.RCPT, b"RCPT", b"TO:<%b>" % recipient.encode())
            except SmtpError as failure:
                if isinstance(failure, ConnectionLostError) or failure.code == CLOSING:
                    raise
                mail.refused[recipient] = failure
        if len(mail.refused) == len(mail.recipients):
            # One that may be taken later is worth another attempt for all.
            raise min(mail.refused.values(), key=lambda failure: isinstance(failure, PermanentError))

    async def _data(self, data: bytes, deadline: asyncio.Timeout) -> SMTPResponse:
        protocol = self._connected.protocol
        if protocol is None:
            raise ConnectionLostError(Phase.DATA, "the connection was lost")
        with self._during(Phase.DATA):
            protocol.write(data)
        # Awaited before the loop runs again, so that an early reply is not missed.
        answer_by = asyncio.get_running_loop().time() + ANSWER_SECONDS
        deadline.reschedule(max(deadline.when() or 0, answer_by))
        with self._during(Phase.END_OF_DATA):
            return await protocol.read_response()

    async def _command(self, phase: Phase, *words: bytes, wanted: int | None = None) -> SMTPResponse:
        smtp = self._connected
        with self._during(phase):
            reply = await smtp.execute_command(*words)
        if reply.code != wanted if wanted else reply.code // 100 != _POSITIVE:
            raise refusal(phase, reply.code, reply.message)
        return reply

    @contextmanager
    def _during(self, phase: Phase) -> Iterator[None]:
        """Turns the library's exceptions into a SmtpError of this phase."""
        self.phase = phase
        try:
            yield
        except SMTPResponseException as error:
            if error.code < 0:  # the library's own code
                raise interrupted(phase, "what the server replies is not SMTP") from None
            raise refusal(phase, error.code, error.message) from None
        except (SMTPException, OSError) as error:
            # `from None`: the library's texts and causes may repeat what was sent.
            cause = error if isinstance(error, ssl.SSLError) else error.__cause__
            if isinstance(cause, ssl.SSLError) and phase in {Phase.GREETING, Phase.TLS}:
                reason = getattr(cause, "verify_message", None) or cause.reason
                raise ConnectionLostError(Phase.TLS, f"failed: {reason}") from None
            raise interrupted(phase, _reason(cause)) from None


def _reason(cause: BaseException | None) -> str:
    if isinstance(cause, OSError) and cause.errno:
        return f"the connection was lost ({os.strerror(cause.errno)})"
    return "the connection was lost"


def _is_loopback(peer: socket.socket) -> bool:
    """Whether the server is on this machine, by the address that the socket is connected to."""
    return ip_address(peer.getpeername()[0].partition("%")[0]).is_loopback


def _literal(peer: socket.socket) -> str:
    """Our side's address as EHLO names it where no host name is known for certain (RFC 5321, section 4.1.4)."""
    address = peer.getsockname()[0].partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
