"""One connection to the mail server of an account: opened, logged in, and used for mail after mail.

A crash after the final dot leaves a mail whose outcome is unknown here: the server may have taken it, and it is sent
again. A transaction without its final dot is no mail (RFC 5321, section 4.1.1.4).

Where it may go, and what it may send without TLS, is decided by the address that the socket is connected to.
"""

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Final, cast

import aiosmtplib
import msgspec
from aiosmtplib import SMTPException, SMTPResponse, SMTPResponseException, SMTPTimeoutError

from tidings.channels.base import About
from tidings.channels.smtp.auth import MOST_CHALLENGES, WRONG_MECHANISM, Login, Mechanism, mechanisms, none_offered
from tidings.channels.smtp.dial import dial
from tidings.channels.smtp.errors import (
    CONNECTION_LOST,
    ConnectionLostError,
    PermanentError,
    SmtpError,
    TransientError,
    interrupted,
    refusal,
)
from tidings.channels.smtp.mail import Mail
from tidings.channels.smtp.replies import CLOSING, Phase
from tidings.domain.account import SmtpAccount, Tls
from tidings.security.egress import Egress

QUIT_SECONDS: Final = 1.0

_POSITIVE: Final = 2
_NEGATIVE: Final = (4, 5)
_START_INPUT: Final = 354
_CHALLENGE: Final = 334
_NO_EHLO: Final = frozenset({500, 501, 502, 504})
"""Replies of servers that know HELO alone, or take no EHLO from this name."""
_OF_RECIPIENT: Final = frozenset({About.MESSAGE, About.ENDPOINT})
"""What a refusal speaks of that the server may not have for the next recipient."""
_MAILMAX: Final = re.compile(r"\bMAILMAX=([1-9][0-9]{0,8})\b", re.IGNORECASE)
"""In the extension LIMITS (RFC 9422): how many mails a session may carry."""
_TLS_HINTS: Final = {
    "UNSUPPORTED_PROTOCOL": "the server speaks TLS 1.0 or 1.1 only; 1.2 or newer is needed",
    "TLSV1_ALERT_PROTOCOL_VERSION": "the server takes no version of TLS that is spoken here (1.2 or newer)",
    "WRONG_VERSION_NUMBER": "what the server sends is not TLS: this port may want STARTTLS",
    "RECORD_LAYER_FAILURE": "what the server sends is not TLS: this port may want STARTTLS",
}


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that all connections share."""

    tls: ssl.SSLContext
    egress: Egress
    allow_plaintext: bool
    connect_timeout: float
    command_timeout: float
    """Of the greeting, of TLS and of the reply to each command."""
    answer_timeout: float
    """Of the reply to a whole mail. A server that filters is slow here, and a mail that times out has probably been
    taken and will be sent again; RFC 5321, section 4.5.3.2.6, asks for ten minutes for that reason."""
    delivery_timeout: float
    """Of one attempt, from its slot to the end of the mail."""
    helo_name: str = ""
    """Empty: our side's address."""
    mails_per_connection: int = 100


class SmtpConnection:
    """Not safe for two mails at once. After a failure it may be used again only if it is `reusable`."""

    def __init__(self, account: SmtpAccount, terms: Terms) -> None:
        self._account = account
        self._terms = terms
        self._smtp: aiosmtplib.SMTP | None = None
        self._encrypted = False
        self._between_mails = False
        self._unfinished = False
        self._answered = False
        self.phase = Phase.CONNECT
        self.mails = 0
        """Begun, on this connection."""
        self.most_mails = terms.mails_per_connection
        """Less where the server says so."""
        self.idle_since = 0.0

    @property
    def reusable(self) -> bool:
        """Whether another mail may use it: only if one has before, which is after the login."""
        return self._between_mails and self.is_connected

    @property
    def is_connected(self) -> bool:
        return self._smtp is not None and self._smtp.is_connected

    @property
    def answers(self) -> bool:
        """Whether its last command was answered, so that it can be ended by another one."""
        return self.is_connected and self._answered

    async def open(self) -> None:
        """Connects, with TLS unless the account may do without. Raises SmtpError."""
        host, port = self._account.host, self._account.port
        peer = await dial(host, port, egress=self._terms.egress, timeout=self._terms.connect_timeout)
        tls = self._account.wanted_tls
        smtp = self._smtp = aiosmtplib.SMTP(
            hostname=host,
            sock=peer,
            use_tls=tls is Tls.IMPLICIT,
            start_tls=False,
            tls_context=self._terms.tls,
            local_hostname=self._terms.helo_name or _literal(peer),
            timeout=self._terms.command_timeout,
        )
        loopback = _is_loopback(peer)
        with self._during(Phase.GREETING):
            await smtp.connect()
        self._encrypted = tls is Tls.IMPLICIT
        await self._hello()
        if not self._encrypted:
            await self._start_tls(loopback=loopback)

    async def log_in(self, login: Login) -> None:
        """Raises SmtpError, whose text and answer repeat nothing of what was sent."""
        offered = self._connected.server_auth_methods
        usable = mechanisms(login, offered, encrypted=self._encrypted)
        if not usable:
            raise TransientError(Phase.AUTH, none_offered(login, offered), about=About.ACCOUNT)
        for mechanism in usable:
            try:
                await self._prove(mechanism, login)
            except SmtpError as failure:
                if failure.code not in WRONG_MECHANISM or mechanism is usable[-1]:
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
        except SmtpError as failure:
            # A refused recipient says nothing of the session; any other refusal may, and the next mail would meet it.
            refused = failure.code is not None and failure.code // 100 in _NEGATIVE and failure.code != CLOSING
            self._between_mails = failure.phase is Phase.RCPT and refused
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
        """Ready for a command: whatever it has received was asked for."""
        smtp = self._smtp
        if smtp is None or smtp.protocol is None or not smtp.is_connected:
            raise interrupted(self.phase, CONNECTION_LOST)
        if smtp.protocol._buffer:  # noqa: SLF001  (the library would take it for the reply to the next command)
            smtp.close()
            raise interrupted(self.phase, "the server replies twice to one command")
        return smtp

    async def _hello(self) -> None:
        smtp = self._connected
        with self._during(Phase.EHLO):
            reply = await smtp.execute_command(b"EHLO", (smtp.local_hostname or "").encode())
            if reply.code in _NO_EHLO and smtp.is_connected:
                await smtp.helo()
                return
        if reply.code // 100 != _POSITIVE:
            raise refusal(Phase.EHLO, reply.code, reply.message)
        smtp.last_ehlo_response = reply
        if limit := _MAILMAX.search(smtp.esmtp_extensions.get("limits", "")):
            self.most_mails = min(self.most_mails, int(limit[1]))

    async def _start_tls(self, *, loopback: bool) -> None:
        smtp = self._connected
        none_wanted = self._account.wanted_tls is Tls.NONE
        if none_wanted and (loopback or self._terms.allow_plaintext):
            return
        if not smtp.supports_extension("starttls"):
            if loopback:
                return
            hint = "; SMTP_ALLOW_PLAINTEXT is not set" if none_wanted else ""
            raise TransientError(Phase.TLS, f"the server does not offer STARTTLS{hint}", about=About.HOST)
        with self._during(Phase.TLS):
            await smtp.starttls()
        self._encrypted = True
        await self._hello()

    async def _prove(self, mechanism: Mechanism, login: Login) -> None:
        smtp = self._connected
        first = [] if mechanism.initial is None else [mechanism.initial(login)]
        with self._during(Phase.AUTH):
            reply = await smtp.execute_command(b"AUTH", mechanism.name.encode(), *first)
            for number in range(MOST_CHALLENGES):
                if reply.code != _CHALLENGE:
                    break
                reply = await self._connected.execute_command(mechanism.respond(login, reply.message, number))
        if reply.code == _CHALLENGE:
            raise interrupted(Phase.AUTH, "the server asks without end")
        if reply.code // 100 != _POSITIVE:
            raise refusal(Phase.AUTH, reply.code, reply.message)

    async def _transact(self, mail: Mail, deadline: asyncio.Timeout) -> SMTPResponse:
        smtp = self._connected
        if mail.smtputf8 and not smtp.supports_extension("smtputf8"):
            raise PermanentError(
                Phase.MAIL,
                "the server takes no address with letters outside ASCII (SMTPUTF8)",
                about=About.MESSAGE,
            )
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
                lost = isinstance(failure, ConnectionLostError) or failure.code == CLOSING
                if lost or failure.of_session or failure.about not in _OF_RECIPIENT:
                    raise
                mail.refused[recipient] = failure
        if len(mail.refused) == len(mail.recipients):
            # One that may be taken later is worth another attempt for all.
            raise min(mail.refused.values(), key=lambda failure: isinstance(failure, PermanentError))

    async def _data(self, data: bytes, deadline: asyncio.Timeout) -> SMTPResponse:
        protocol = self._connected.protocol
        if protocol is None:
            raise interrupted(Phase.DATA, CONNECTION_LOST)
        with self._during(Phase.DATA):
            protocol.write(data)
        answer_by = asyncio.get_running_loop().time() + self._terms.answer_timeout
        # In the moment in which it is over, the next wait ends by it.
        if not deadline.expired():
            deadline.reschedule(max(deadline.when() or 0, answer_by))
        # Awaited before the loop runs again, so that an early reply is not missed.
        with self._during(Phase.END_OF_DATA):
            return await protocol.read_response(timeout=self._terms.answer_timeout)

    async def _command(self, phase: Phase, *words: bytes, wanted: int | None = None) -> SMTPResponse:
        self.phase = phase
        smtp = self._connected
        with self._during(phase):
            reply = await smtp.execute_command(*words)
        if reply.code != wanted if wanted else reply.code // 100 != _POSITIVE:
            raise refusal(phase, reply.code, reply.message)
        return reply

    @contextmanager
    def _during(self, phase: Phase) -> Iterator[None]:
        """Turns the library's exceptions into a SmtpError of this phase."""
        self.phase, self._answered = phase, False
        try:
            yield
            self._answered = True
        except SMTPResponseException as error:
            if error.code < 0 or error.code == _CHALLENGE:  # the library's own codes
                raise interrupted(phase, "what the server replies is not SMTP") from None
            self._answered = True
            raise refusal(phase, error.code, error.message) from None
        except (SMTPException, OSError) as error:
            # `from None`: the library's texts and causes may repeat what was sent.
            cause = error if isinstance(error, ssl.SSLError) else error.__cause__
            if isinstance(cause, ssl.SSLError) and phase in {Phase.GREETING, Phase.TLS}:
                raise ConnectionLostError(Phase.TLS, f"failed: {_tls_reason(cause)}", about=About.HOST) from None
            if isinstance(error, SMTPTimeoutError):
                raise interrupted(phase, "timed out") from None
            hint = "; the server may speak no TLS of 1.2 or newer" if phase is Phase.TLS else ""
            raise interrupted(phase, f"{_reason(cause)}{hint}") from None


def _reason(cause: BaseException | None) -> str:
    if isinstance(cause, OSError) and cause.errno:
        return f"{CONNECTION_LOST} ({os.strerror(cause.errno)})"
    return CONNECTION_LOST


def _tls_reason(error: ssl.SSLError) -> str:
    reason = getattr(error, "verify_message", None) or error.reason
    hint = _TLS_HINTS.get(reason or "")
    return f"{hint} ({reason})" if hint else str(reason)


def _is_loopback(peer: socket.socket) -> bool:
    """Whether the server is on this machine, by the address that the socket is connected to."""
    return ip_address(peer.getpeername()[0].partition("%")[0]).is_loopback


def _literal(peer: socket.socket) -> str:
    """Our side's address as EHLO names it where no host name is known for certain (RFC 5321, section 4.1.4)."""
    address = peer.getsockname()[0].partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
