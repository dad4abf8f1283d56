"""Connections of all SMTP accounts: users' go where `SMTP_ALLOW_CIDRS` lets them, the operator's wherever it says.

Two pools, so that no connection of the one kind serves the other.
"""

import ssl
import time
from ipaddress import ip_network
from typing import Final

import msgspec

from tidings.channels.base import ChannelContext
from tidings.channels.email.accounts import Chosen, operators_of
from tidings.channels.smtp.connection import Terms
from tidings.channels.smtp.oauth import AccessTokens
from tidings.channels.smtp.pool import SmtpPool
from tidings.domain.errors import SettingsError
from tidings.security.egress import Egress, smtp_egress
from tidings.security.secretbox import SecretBox
from tidings.settings import Settings

ANYWHERE: Final = Egress(networks=(ip_network("0.0.0.0/0"), ip_network("::/0")))


class SmtpPools:
    """Create it inside the running event loop. Raises SettingsError."""

    def __init__(self, context: ChannelContext) -> None:
        settings = context.settings
        box = SecretBox(settings.secret_keys)
        tokens = AccessTokens(context.transport, box, context.refresh_tokens, clock=time.monotonic)
        limit, idle = settings.smtp_connections_per_account, settings.smtp_idle_seconds
        terms = terms_of(settings)
        self.operators = operators_of(settings)
        self._users = SmtpPool(terms, box, tokens, limit=limit, idle_seconds=idle)
        self._operators = SmtpPool(operators_terms(terms), box, tokens, limit=limit, idle_seconds=idle)

    def of(self, chosen: Chosen) -> SmtpPool:
        """The pool that an account's mail goes by."""
        return self._operators if chosen.is_operators else self._users

    async def close(self) -> None:
        """Closes all connections, after the last mail."""
        await self._users.close()
        await self._operators.close()


def terms_of(settings: Settings) -> Terms:
    """The rules for users' accounts. Raises SettingsError."""
    return Terms(
        tls=_tls(settings),
        egress=smtp_egress(settings),
        allow_plaintext=settings.smtp_allow_plaintext,
        connect_timeout=settings.connect_timeout,
        command_timeout=settings.smtp_command_timeout,
        answer_timeout=settings.smtp_answer_timeout,
        delivery_timeout=settings.smtp_delivery_timeout,
        helo_name=settings.smtp_helo_name,
        mails_per_connection=settings.smtp_mails_per_connection,
    )


def operators_terms(terms: Terms) -> Terms:
    """The rules for the operator's account: whoever sets it decides where it is, and whether it has TLS."""
    return msgspec.structs.replace(terms, egress=ANYWHERE, allow_plaintext=True)


def _tls(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.smtp_ca_file:
        try:
            context.load_verify_locations(settings.smtp_ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"SMTP_CA_FILE: cannot be read: {error}") from None
    return context
