"""A consumer that stops while a mail server is slow: only what is on its connections is of unknown outcome"""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import trustme
from structlog.testing import capture_logs

from sql.store import Store
from tests.eventually import eventually
from tests.factories import keep
from tests.integration.channels.smtp_server import HOST, PASSWORD, USERNAME, Security, smtp_server
from tests.integration.consumers.test_consumer import Gateway, consuming, hand_over, until
from tidings.domain.account import SmtpAccount
from tidings.domain.ids import new_id
from tidings.domain.states import Status
from tidings.domain.timestamps import utc_now
from tidings.security.secretbox import Purpose, SecretBox, new_key
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
        ids = await keep(store, MAILS, channel="email", recipient="grace@example.org", user_id=user_id)
        # Once some were answered, the destination is given all of its concurrency.
        server.hold = asyncio.Event()
        server.hold.set()

        async def counted() -> Counter[tuple[str, int]]:
            found = [message for message_id in ids if (message := await store.messages.get(message_id))]
            return Counter((message.status.value, message.tries) for message in found)

        async def on_all_connections() -> bool:
            return len(server.mails) == (await counted())["sent", 1] + CONNECTIONS

        with capture_logs() as logs:
            async with consuming(settings, Gateway()) as consumer:
                await hand_over(store, consumer)
                await server.until(lambda: len(server.mails) > 2 * CONNECTIONS)
                server.hold.clear()
                await eventually(on_all_connections)
                sent = len(server.mails) - CONNECTIONS
        server.hold.set()
    assert 0 < sent < MAILS - CONNECTIONS
    assert await counted() == {
        ("sent", 1): sent,
        ("processing", 0): CONNECTIONS,
        ("pending", 0): MAILS - CONNECTIONS - sent,
    }
    assert [entry["deliveries"] for entry in logs if "cut off" in entry["event"]] == [CONNECTIONS]


async def test_mails_that_were_not_sent_at_the_end_of_the_grace_period_are_given_back_too(
    store: Store, for_mail: tuple[Settings, trustme.CA]
) -> None:
    settings, authority = for_mail
    user_id = new_id()
    async with smtp_server(Security.STARTTLS, authority) as server:
        smtp = SmtpAccount(host=HOST, port=server.port)
        await store.users.create(user_id=user_id, email="ada@example.com", password_hash="argon2", smtp=smtp)
        [first] = await keep(store, channel="email", recipient="grace@example.org", user_id=user_id)
        async with consuming(settings, Gateway()) as consumer:
            await hand_over(store, consumer)
            await until(store, first, Status.SENT)
            server.fail("RCPT", *[lambda _: server.notify()] * MAILS)
            ids = await keep(store, MAILS, channel="email", recipient="grace@example.org", user_id=user_id)
            await hand_over(store, consumer)
            await server.until(lambda: server.commands.count("RCPT") > 1)
        assert len(server.mails) == 1
    found = [message for message_id in ids if (message := await store.messages.get(message_id))]
    assert Counter((message.status.value, message.tries, message.recoveries) for message in found) == {
        ("pending", 0, 0): MAILS
    }


async def test_a_mended_account_sends_at_once_what_it_held(store: Store, for_mail: tuple[Settings, trustme.CA]) -> None:
    settings, authority = for_mail
    settings = msgspec.structs.replace(settings, breaker_seconds=300.0)
    box, user_id = SecretBox(settings.secret_keys), new_id()

    def smtp(password: str) -> SmtpAccount:
        sealed = box.seal(password, Purpose.SMTP_PASSWORD, user_id)
        return SmtpAccount(host=HOST, port=server.port, username=USERNAME, password=sealed)

    async with smtp_server(Security.STARTTLS, authority) as server:
        await store.users.create(user_id=user_id, email="a@example.com", password_hash="argon2", smtp=smtp("wrong"))
        ids = await keep(store, 20, channel="email", recipient="grace@example.org", user_id=user_id)

        async def counted() -> Counter[tuple[str, str | None, int]]:
            found = [message for message_id in ids if (message := await store.messages.get(message_id))]
            return Counter((message.status.value, message.held_reason, message.tries) for message in found)

        async def all_held() -> bool:
            return await counted() == {("pending", "account", 0): 20}

        async def all_sent() -> bool:
            await hand_over(store, consumer)
            return await counted() == {("sent", None, 1): 20}

        async with consuming(settings, Gateway()) as consumer:
            await hand_over(store, consumer)
            await eventually(all_held)
            assert server.passwords == ["wrong"]
            await store.users.set_smtp(user_id, smtp(PASSWORD))
            await eventually(all_sent)
    assert len(server.mails) == 20


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


async def test_an_unknown_recipient_takes_no_more_mail_of_its_sender(
    store: Store, for_mail: tuple[Settings, trustme.CA]
) -> None:
    settings, authority = for_mail
    user_id = new_id()
    async with smtp_server(Security.STARTTLS, authority) as server:
        smtp = SmtpAccount(host=HOST, port=server.port)
        await store.users.create(user_id=user_id, email="ada@example.com", password_hash="argon2", smtp=smtp)
        server.fail("RCPT", "550 5.1.1 User unknown", "550 5.7.1 Rejected as spam")
        gone, spam = [
            (await keep(store, channel="email", recipient=f"{name}@bücher.example", user_id=user_id))[0]
            for name in ("Gone", "spam")
        ]
        later = (
            await keep(
                store,
                channel="email",
                recipient="gone@bücher.example",
                user_id=user_id,
                due_at=utc_now() + timedelta(hours=1),
            )
        )[0]
        async with consuming(settings, Gateway()) as consumer:
            await hand_over(store, consumer)
            for message_id in (gone, spam):
                assert (await until(store, message_id, Status.CANCELLED)).cancel_reason == "rejected"
        [suppression] = await store.suppressions.list(user_id, limit=10)
    assert (suppression.address, suppression.reason, suppression.message_id) == ("gone@bücher.example", "bounce", gone)
    assert "550 5.1.1" in (suppression.detail or "")
    waiting = await store.messages.get(later)
    assert waiting is not None
    assert (waiting.status, waiting.cancel_reason) == (Status.CANCELLED, "suppressed")


async def test_mail_whose_account_is_deleted_is_held_and_goes_by_a_new_one_of_that_name(
    store: Store, for_mail: tuple[Settings, trustme.CA]
) -> None:
    settings, authority = for_mail
    user_id = new_id()
    async with smtp_server(Security.STARTTLS, authority) as server:
        smtp = SmtpAccount(name="shop", host=HOST, port=server.port)
        await store.users.create(user_id=user_id, email="ada@example.com", password_hash="argon2")
        await store.smtp_accounts.put(user_id, smtp)
        await store.smtp_accounts.delete(user_id, "shop")
        [message_id] = await keep(store, channel="email", recipient="ida@example.org", user_id=user_id, account="shop")

        async def held() -> bool:
            message = await store.messages.get(message_id)
            assert message is not None
            return (message.status, message.held_reason, message.tries) == (Status.PENDING, "account", 0)

        async def sent() -> bool:
            await hand_over(store, consumer)
            message = await store.messages.get(message_id)
            return message is not None and message.status is Status.SENT

        async with consuming(settings, Gateway()) as consumer:
            await hand_over(store, consumer)
            await eventually(held)
            await store.smtp_accounts.put(user_id, smtp)
            await eventually(sent)
    assert len(server.mails) == 1
