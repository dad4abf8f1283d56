"""Users, accounts and mails to test with."""

from typing import Any, Protocol
from uuid import UUID, uuid4

import msgspec

from tests.integration.channels.smtp_server import HOST, PASSWORD, USERNAME, Security, SmtpServer
from tests.unit.channels.doubles import delivery as any_delivery
from tidings.channels.email.channel import EmailChannel
from tidings.domain.account import Sender, SmtpAccount, Tls
from tidings.domain.errors import StoreUnavailableError
from tidings.domain.message import Delivery
from tidings.security.secretbox import Purpose, SecretBox, new_key

USER = UUID(int=7)
KEY = new_key()
BOX = SecretBox([KEY])
RECIPIENT = "reader@example.org"
TLS = {Security.NONE: Tls.NONE, Security.STARTTLS: Tls.STARTTLS, Security.IMPLICIT: Tls.IMPLICIT}


class Senders:
    """Knows one user."""

    def __init__(self, smtp: SmtpAccount | None) -> None:
        self.away = False
        self.sender = Sender(id=USER, email="owner@example.net", smtp=smtp)

    def known(self, user_id: UUID) -> Sender | None:
        return self.sender if user_id == USER else None

    async def get(self, user_id: UUID) -> Sender | None:
        if self.away:
            raise StoreUnavailableError("the user of the message could not be read")
        return self.known(user_id)


class MakeChannel(Protocol):
    def __call__(self, account: SmtpAccount | Senders | None, **settings: Any) -> EmailChannel: ...


def delivery(
    *,
    recipient: str = RECIPIENT,
    subject: str | None = "News",
    content: str = "Hello",
    headers: dict[str, str] | None = None,
    user_id: UUID | None = USER,
) -> Delivery:
    plain = any_delivery(channel="email", recipient=recipient, content=content, headers=headers)
    return msgspec.structs.replace(plain, id=uuid4(), user_id=user_id, subject=subject)


def account(server: SmtpServer, *, host: str = HOST, password: str = PASSWORD, tls: Tls | None = None) -> SmtpAccount:
    sealed = BOX.seal(password, Purpose.SMTP_PASSWORD, USER)
    return SmtpAccount(host=host, port=server.port, username=USERNAME, password=sealed, tls=tls)
