"""A system for the tests of a file, with a mail server that it trusts, and somebody who has an account at both."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import trustme

from tests.e2e.compat.client import Client
from tests.e2e.compat.mail_queue.user import User
from tests.e2e.compat.running import fresh_system
from tests.e2e.system import System
from tests.integration.channels.smtp_server import Security, SmtpServer, smtp_server
from tidings.embedded import EmbeddedStores
from tidings.security.secretbox import new_key


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def environ() -> dict[str, str]:
    """Settings that a file wants besides."""
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mail_server(authority: trustme.CA) -> AsyncIterator[SmtpServer]:
    async with smtp_server(Security.STARTTLS, authority) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(
    stores: EmbeddedStores,
    template_database: str,
    authority: trustme.CA,
    environ: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[System]:
    """Trusts mail servers of the authority."""
    folder = tmp_path_factory.mktemp("system")
    authority_file = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(authority_file))
    async with fresh_system(
        stores,
        template_database,
        folder,
        SECRET_KEYS=new_key(),
        SMTP_CA_FILE=str(authority_file),
        SMTP_ALLOW_CIDRS="127.0.0.0/8",
        LOGINS_PER_EMAIL="0",
        LOGINS_PER_ADDRESS="0",
        RETRY_DELAYS="0.3",
        **environ,
    ) as fresh:
        await fresh.start_all(consumers=1)
        yield fresh


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def user(client: Client, mail_server: SmtpServer) -> User:
    return await User.joins(client, "user@example.com", mail_server.port)
