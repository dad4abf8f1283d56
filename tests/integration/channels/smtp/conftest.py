"""A mail server that asks for STARTTLS, and channels that trust it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.integration.channels.smtp.mailing import KEY, MakeChannel, Senders, account
from tests.integration.channels.smtp_server import Security, SmtpServer, smtp_server
from tests.unit.channels.doubles import NOW
from tidings.channels.base import ChannelContext
from tidings.channels.email.channel import EmailChannel
from tidings.channels.http.transport import Transport
from tidings.domain.account import SmtpAccount
from tidings.settings import Settings


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def server(authority: trustme.CA) -> AsyncIterator[SmtpServer]:
    """Asks for STARTTLS."""
    async with smtp_server(Security.STARTTLS, authority) as server:
        yield server


@pytest.fixture
async def make_channel(
    server: SmtpServer, authority: trustme.CA, transport: Transport, tmp_path: Path
) -> AsyncIterator[MakeChannel]:
    """Channels that may reach loopback unless their HOST is named, and trust `authority`; they end before it does."""
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    async with AsyncExitStack() as channels:

        def make(account: SmtpAccount | Senders | None, **settings: Any) -> EmailChannel:
            opened = () if "host" in settings else ("127.0.0.0/8", "::1/128")
            defaults = {"smtp_ca_file": str(ca_file), "secret_keys": (KEY,), "smtp_allow_cidrs": opened}
            given = Settings(**{**defaults, **settings})
            channel = EmailChannel(
                ChannelContext(
                    settings=given,
                    transport=transport,
                    operators_transport=transport,
                    senders=account if isinstance(account, Senders) else Senders(account),
                    now=lambda: NOW,
                )
            )
            channels.push_async_callback(channel.close)
            return channel

        yield make


@pytest.fixture
def channel(make_channel: MakeChannel, server: SmtpServer) -> EmailChannel:
    return make_channel(account(server))
