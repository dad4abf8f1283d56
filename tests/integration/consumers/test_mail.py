"""A consumer that stops while a mail server is slow: only what is on its connections is of unknown outcome"""

import asyncio
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import trustme
from structlog.testing import capture_logs

from sql.store import Store
from tests.factories import keep
from tests.integration.channels.smtp_server import HOST, Security, smtp_server
from tests.integration.consumers.test_consumer import Gateway, consuming, hand_over, until
from tidings.domain.account import SmtpAccount
from tidings.domain.ids import new_id
from tidings.domain.states import Status
from tidings.security.secretbox import new_key
from tidings.settings import Settings

CONNECTIONS = 3
MAILS = 40


@pytest.fixture
def for_mail(settings: Settings, tmp_path: Path) -> tuple[Settings, trustme.CA]:
    """Settings that give up soon, and the authority that they trust."""
    authority = trustme.CA()
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    changed = msgspec.structs.replace(
        settings,
        secret_keys=(new_key(),),
        smtp_ca_file=str(file),
        smtp_connections_per_account=CONNECTIONS,
        connect_timeout=1.0,
        delivery_timeout=1.0,
        grace_seconds=1.0,
    )
    return changed, authority


async def test_mails_that_wait_for_a_connection_are_given_back_untried(
    store: Store, for_mail: tuple[Settings, trustme.CA]
) -> None:
    settings, authority = for_mail
    user_id = new_id()
    async with smtp_server(Security.STARTTLS, authority) as server:
        smtp = SmtpAccount(host=HOST, port=server.port)
        await store.users.create(user_id=user_id, email="ada@example.com", password_hash="argon2", smtp=smtp)
        before = await keep(store, CONNECTIONS, channel="email", recipient="grace@example.org", user_id=user_id)
        with capture_logs() as logs:
            async with consuming(settings, Gateway()) as consumer:
                await hand_over(store, consumer)
                for message_id in before:
                    await until(store, message_id, Status.SENT)
                server.hold = asyncio.Event()
                server.mails.clear()
                ids = await keep(store, MAILS, channel="email", recipient="grace@example.org", user_id=user_id)
                await hand_over(store, consumer)
                await server.until(lambda: len(server.mails) == CONNECTIONS)
        server.hold.set()
    found = [message for message_id in ids if (message := await store.messages.get(message_id))]
    assert Counter((message.status.value, message.tries) for message in found) == {
        ("processing", 0): CONNECTIONS,
        ("pending", 0): MAILS - CONNECTIONS,
    }
    assert [entry["deliveries"] for entry in logs if "cut off" in entry["event"]] == [CONNECTIONS]


async def test_greylisted_recipients_hold_up_no_other_mail(store: Store, for_mail: tuple[Settings, trustme.CA]) -> None:
    settings, authority = for_mail
    user_id = new_id()
    async with smtp_server(Security.STARTTLS, authority) as server:
        smtp = SmtpAccount(host=HOST, port=server.port)
        await store.users.create(user_id=user_id, email="ada@example.com", password_hash="argon2", smtp=smtp)
        server.fail("RCPT", *["451 4.7.1 Greylisted"] * MAILS)
        grey = await keep(store, MAILS, channel="email", recipient="grace@example.org", user_id=user_id)
        async with consuming(settings, Gateway(), breaker_failures=2) as consumer:
            await hand_over(store, consumer)
            for message_id in grey:
                # Each was tried: none was held back by what the others met.
                assert (await until(store, message_id, Status.FAILED)).tries == 1
            assert consumer._dispatcher.limiter.breakers() == []
            [good] = await keep(store, channel="email", recipient="linus@example.org", user_id=user_id)
            await hand_over(store, consumer)
            await until(store, good, Status.SENT)
