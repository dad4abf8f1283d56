"""A mail server on a real socket: STARTTLS, AUTH, and what arrived."""

import asyncio
import ssl
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, NamedTuple, Self

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HOST = "127.0.0.1"


class Mail(NamedTuple):
    """One that was accepted."""

    user: str
    sender: str
    recipients: list[str]
    message: EmailMessage


class MailServer:
    """Takes mail from those that it knows; refuses recipients `nobody@…`, and hangs for `slow@…` while told to."""

    def __init__(self, **passwords: str) -> None:
        self.passwords = passwords
        self.received: list[Mail] = []
        self.logins: list[str] = []
        self.slow_arrived = asyncio.Event()
        self.patience = asyncio.Event()
        self._authority = trustme.CA()

    async def __aenter__(self) -> Self:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert(HOST).configure_cert(tls)
        loop = asyncio.get_running_loop()

        def session() -> SMTP:
            return SMTP(
                self,
                require_starttls=True,
                auth_required=True,
                tls_context=tls,
                authenticator=self._authenticate,
                enable_SMTPUTF8=True,
                loop=loop,
            )

        self._server = await loop.create_server(session, HOST, 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.patience.set()
        self._server.close()

    def write_authority(self, file: Path) -> None:
        """The certificate of whoever signed ours."""
        self._authority.cert_pem.write_to_path(str(file))

    def subjects(self) -> list[str]:
        """Of the mail that arrived, in its order."""
        return [mail.message["Subject"] for mail in self.received]

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if any(address.startswith("slow@") for address in envelope.rcpt_tos) and not self.patience.is_set():
            self.slow_arrived.set()
            await self.patience.wait()
            return "451 try again"
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.received.append(Mail(str(session.auth_data), str(envelope.mail_from), envelope.rcpt_tos, message))
        return "250 OK"

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        user = data.login.decode()
        self.logins.append(user)
        good = self.passwords.get(user) == data.password.decode()
        return AuthResult(success=good, auth_data=user)
