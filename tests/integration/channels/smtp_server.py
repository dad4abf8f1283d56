"""A real mail server on loopback, with TLS and logins, that fails where it is told to."""

import asyncio
import email
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from enum import StrEnum, auto
from typing import Any, cast

import msgspec
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HOST = "127.0.0.1"
USERNAME = "sender@example.com"
PASSWORD = "correct horse battery staple"


class Security(StrEnum):
    """How a server does TLS."""

    NONE = auto()
    STARTTLS = auto()
    IMPLICIT = auto()


class Received(msgspec.Struct, frozen=True):
    """A mail that was taken."""

    sender: str
    recipients: list[str]
    raw: bytes
    login: str | None
    connection: int

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=SMTP_POLICY)

    @property
    def content(self) -> str:
        """The text, with the line ends of Python."""
        text: str = self.message.get_content()
        return text.replace("\r\n", "\n")


Fault = Callable[["_Conversation"], None] | str
"""A reply instead of the right one, or something else that happens instead."""


def drop(conversation: "_Conversation") -> None:
    """Closes the connection without a word."""
    conversation.drop()


class SmtpServer:
    """Takes mails from whoever logs in; `faults` are used up, one for each time that their phase is reached."""

    def __init__(self, security: Security, tls: ssl.SSLContext | None) -> None:
        self.security = security
        self.tls = tls
        self.port = 0
        self.smtputf8 = True
        self.mechanisms = {"PLAIN", "LOGIN"}
        self.mails: list[Received] = []
        self.commands: list[str] = []
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.passwords: list[str] = []
        self.allowed: int | None = None
        """Connections at a time; further ones are greeted with 421."""
        self.hold: asyncio.Event | None = None
        """Where given, no mail is answered before it is set."""
        self.changed = asyncio.Condition()
        self._faults: dict[str, deque[Fault | None]] = {}
        self._conversations: set[_Conversation] = set()
        self._server: asyncio.Server | None = None
        self._notices: set[asyncio.Task[None]] = set()

    def fail(self, phase: str, *faults: Fault | None) -> None:
        """None for a time at which all goes well."""
        self._faults[phase] = deque(faults)

    def fault(self, phase: str) -> Fault | None:
        faults = self._faults.get(phase)
        return faults.popleft() if faults else None

    def drop_all(self) -> None:
        """Closes every connection, as a server does that was restarted."""
        for conversation in list(self._conversations):
            conversation.drop()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until something that the server counts is as it should be."""
        async with self.changed:
            await self.changed.wait_for(condition)

    async def start(self) -> None:
        tls = self.tls if self.security is Security.IMPLICIT else None
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Conversation(self), HOST, 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.drop_all()
        await self.until(lambda: self.open == 0)
        await self._server.wait_closed()

    def opened(self, conversation: "_Conversation") -> int:
        self._conversations.add(conversation)
        self.connections += 1
        self.open += 1
        welcome = sum(not other.surplus for other in self._conversations)
        conversation.surplus = self.allowed is not None and welcome > self.allowed
        self.most_open = max(self.most_open, self.open)
        return self.connections

    def closed(self, conversation: "_Conversation") -> None:
        if conversation in self._conversations:
            self._conversations.discard(conversation)
            self.open -= 1
            self.notify()

    def notify(self) -> None:
        async def notify() -> None:
            async with self.changed:
                self.changed.notify_all()

        task = asyncio.get_running_loop().create_task(notify())
        self._notices.add(task)
        task.add_done_callback(self._notices.discard)


def _unless_failed(command: str) -> Callable[["_Conversation", str], Awaitable[None]]:
    async def run(self: "_Conversation", arg: str) -> None:
        if not await self._failed(command):
            await getattr(SMTP, f"smtp_{command}")(self, arg)

    return run


class _Conversation(SMTP):
    """One connection."""

    def __init__(self, server: SmtpServer) -> None:
        self.counts = server
        self.number = 0
        self.surplus = False
        """Beyond what the server allows at a time."""
        self.login: str | None = None
        self._raw_transport: asyncio.Transport | None = None
        super().__init__(
            self,
            hostname="mail.test",
            enable_SMTPUTF8=server.smtputf8,
            tls_context=server.tls if server.security is Security.STARTTLS else None,
            require_starttls=server.security is Security.STARTTLS,
            auth_require_tls=server.security is Security.STARTTLS,
            auth_exclude_mechanism={"PLAIN", "LOGIN"} - server.mechanisms,
            authenticator=self._authenticate_anybody,
        )

    def drop(self) -> None:
        assert self._raw_transport is not None
        # `abort` fails on a TLS transport that is closed already.
        if not self._raw_transport.is_closing():
            self._raw_transport.abort()
        # Not left to `connection_lost`, which never comes where TLS has failed.
        self.counts.closed(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._raw_transport is None:
            self._raw_transport = cast("asyncio.Transport", transport)
            self.number = self.counts.opened(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.counts.closed(self)

    async def _handle_client(self) -> None:
        if self.surplus:
            self.counts.fail("greeting", "421 4.7.0 Too many connections")
        if not await self._failed("greeting"):
            await super()._handle_client()

    smtp_EHLO = _unless_failed("EHLO")  # noqa: N815
    smtp_STARTTLS = _unless_failed("STARTTLS")  # noqa: N815
    smtp_AUTH = _unless_failed("AUTH")  # noqa: N815
    smtp_RSET = _unless_failed("RSET")  # noqa: N815
    smtp_MAIL = _unless_failed("MAIL")  # noqa: N815
    smtp_RCPT = _unless_failed("RCPT")  # noqa: N815
    smtp_DATA = _unless_failed("DATA")  # noqa: N815

    async def handle_DATA(self, _server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        fault = self.counts.fault("end of data")
        if isinstance(fault, str):
            return fault
        content = envelope.original_content
        assert content is not None
        assert envelope.mail_from is not None
        self.counts.mails.append(
            Received(envelope.mail_from, envelope.rcpt_tos, content, self.login, self.number),
        )
        self.counts.notify()
        if fault is not None:
            fault(self)
        if self.counts.hold is not None:
            await self.counts.hold.wait()
        return f"250 2.0.0 Ok: queued as Q{len(self.counts.mails)}"

    def _authenticate_anybody(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.counts.passwords.append(data.password.decode())
        self.login = data.login.decode()
        right = (self.login, self.counts.passwords[-1]) == (USERNAME, PASSWORD)
        return AuthResult(success=right, handled=False)

    async def _failed(self, phase: str) -> bool:
        self.counts.commands.append(phase)
        fault = self.counts.fault(phase)
        if fault is None:
            return False
        if isinstance(fault, str):
            await self.push(fault)
            if phase == "greeting" or fault.startswith("421"):
                assert self.transport is not None
                self.transport.close()
        else:
            fault(self)
        return True


@asynccontextmanager
async def smtp_server(security: Security, authority: trustme.CA, *names: str) -> AsyncIterator[SmtpServer]:
    """A server whose certificate is for `names`, or for the address that it listens on."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or (HOST,))).configure_cert(tls)
    server = SmtpServer(security, None if security is Security.NONE else tls)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
