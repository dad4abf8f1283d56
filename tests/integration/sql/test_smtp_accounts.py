"""sql/smtp_accounts.py, and what keeps the default account and the columns of `users` alike"""

import asyncio
from datetime import timedelta
from itertools import takewhile
from uuid import UUID

import asyncpg
import msgspec
import pytest

from sql import migrate as migrating
from sql.migrate import migrations
from sql.smtp_accounts import MAX_ACCOUNTS, Put
from sql.store import Store
from tests.factories import keep
from tidings.domain.account import OAuth, Sealed, SmtpAccount, Tls, User
from tidings.domain.ids import new_id
from tidings.domain.mail_parts import Mailbox
from tidings.domain.states import HeldReason
from tidings.domain.timestamps import utc_now

FIRST = SmtpAccount(name="first", host="one.example", port=587, username="ada", password=Sealed(b"sealed"))
SECOND = SmtpAccount(
    name="second",
    host="two.example",
    port=465,
    tls=Tls.IMPLICIT,
    username="ada@two.example",
    oauth=OAuth(
        token_url="https://login.example/token",
        client_id="tidings",
        client_secret=Sealed(b"hush"),
        refresh_token=Sealed(b"refresh"),
    ),
    sender=Mailbox(email="shop@two.example", name="The shop"),
    per_hour=100,
    max_connections=2,
)


@pytest.fixture
async def ada(store: Store) -> User:
    return await store.users.create(email="ada@example.com", password_hash="argon2")


async def mirrored(store: Store, user_id: UUID) -> SmtpAccount | None:
    user = await store.users.get(user_id)
    assert user is not None
    return user.smtp


def plain(account: SmtpAccount | None) -> SmtpAccount | None:
    """Without its id."""
    return None if account is None else msgspec.structs.replace(account, id=None)


async def names(store: Store, user_id: UUID) -> list[tuple[str, bool]]:
    return [(kept.account.name, kept.is_default) for kept in await store.smtp_accounts.list(user_id)]


async def test_accounts_are_kept_whole_and_the_first_is_the_default(store: Store, ada: User) -> None:
    assert await store.smtp_accounts.put(ada.id, FIRST) is Put.CREATED
    assert await store.smtp_accounts.put(ada.id, SECOND) is Put.CREATED
    kept = await store.smtp_accounts.list(ada.id)
    assert [plain(each.account) for each in kept] == [FIRST, SECOND]
    assert await names(store, ada.id) == [("first", True), ("second", False)]
    sender = (await store.users.senders([ada.id]))[ada.id]
    assert (plain(sender.smtp), [plain(each) for each in sender.others]) == (FIRST, [SECOND])


async def test_another_default_takes_the_place_of_the_one_before(store: Store, ada: User) -> None:
    for account in (FIRST, SECOND):
        await store.smtp_accounts.put(ada.id, account)
    await store.smtp_accounts.put(ada.id, SECOND, is_default=True)
    assert await names(store, ada.id) == [("second", True), ("first", False)]
    # A process that knows of one account only sees that one.
    old = await mirrored(store, ada.id)
    assert old is not None
    assert (old.host, old.port, old.username, old.password) == ("two.example", 465, "ada@two.example", None)
    assert await store.smtp_accounts.delete(ada.id, "second") is not None
    assert await mirrored(store, ada.id) is None
    assert await names(store, ada.id) == [("first", False)]
    assert await store.smtp_accounts.delete(ada.id, "second") is None


async def test_what_an_older_process_writes_is_the_default_account(store: Store, ada: User) -> None:
    old = msgspec.structs.replace(FIRST, name="default", host="old.example")
    await store.users.set_smtp(ada.id, old)
    [kept] = await store.smtp_accounts.list(ada.id)
    assert (plain(kept.account), kept.is_default) == (old, True)
    # In the place of the default one, whatever that is called: its login, and nothing else of it.
    await store.smtp_accounts.put(ada.id, SECOND, is_default=True)
    await store.users.set_smtp(ada.id, old)
    [second, _] = await store.smtp_accounts.list(ada.id)
    expected = msgspec.structs.replace(SECOND, host=old.host, port=old.port, tls=None, username=old.username)
    assert plain(second.account) == msgspec.structs.replace(expected, oauth=None, password=old.password)
    await store.users.set_smtp(ada.id, None)
    assert await names(store, ada.id) == [("default", False)]
    # There is one of the name already.
    await store.users.set_smtp(ada.id, FIRST)
    assert await names(store, ada.id) == [("default", True)]


async def test_an_account_that_came_with_its_user_is_the_default(store: Store) -> None:
    bob = await store.users.create(email="bob@example.com", password_hash="argon2", smtp=FIRST)
    [kept] = await store.smtp_accounts.list(bob.id)
    assert (plain(kept.account), kept.is_default) == (msgspec.structs.replace(FIRST, name="default"), True)


async def test_each_change_is_another_account_but_a_new_refresh_token_is_not(store: Store, ada: User) -> None:
    await store.smtp_accounts.put(ada.id, SECOND)
    [first] = await store.smtp_accounts.list(ada.id)
    assert first.account.id is not None
    await store.smtp_accounts.rotate(first.account.id, Sealed(b"another's"), Sealed(b"lost"))
    assert await store.smtp_accounts.refresh_token(first.account.id) == b"refresh"
    await store.smtp_accounts.rotate(first.account.id, Sealed(b"refresh"), Sealed(b"new"))
    assert await store.smtp_accounts.refresh_token(first.account.id) == b"new"
    await store.smtp_accounts.put(ada.id, SECOND)
    [replaced] = await store.smtp_accounts.list(ada.id)
    assert replaced.account.id != first.account.id
    assert await store.smtp_accounts.refresh_token(first.account.id) is None


async def test_bounds(store: Store, ada: User) -> None:
    assert await store.smtp_accounts.put(new_id(), FIRST) is Put.NO_USER
    for number in range(MAX_ACCOUNTS):
        await store.smtp_accounts.put(ada.id, msgspec.structs.replace(FIRST, name=f"{number}"))
    assert await store.smtp_accounts.put(ada.id, SECOND) is Put.TOO_MANY
    assert await store.smtp_accounts.put(ada.id, msgspec.structs.replace(FIRST, name="0"), replace=False) is Put.TAKEN
    assert await store.smtp_accounts.put(ada.id, msgspec.structs.replace(FIRST, name="0")) is Put.REPLACED


async def test_changes_at_the_same_time_leave_one_default(store: Store, ada: User) -> None:
    accounts = [msgspec.structs.replace(FIRST, name=f"{number}") for number in range(8)]
    await asyncio.gather(
        *(store.smtp_accounts.put(ada.id, account, is_default=True) for account in accounts),
        *(store.users.set_smtp(ada.id, account) for account in accounts),
    )
    [default] = [each.account for each in await store.smtp_accounts.list(ada.id) if each.is_default]
    old = await mirrored(store, ada.id)
    assert old is not None
    assert (old.host, old.username, old.password) == (default.host, default.username, default.password)


async def test_consumers_hear_of_each_change(store: Store, ada: User) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    listener = await store.database.listen({"tidings_users": heard.put_nowait})
    try:
        await store.smtp_accounts.put(ada.id, FIRST)
        assert await asyncio.wait_for(heard.get(), timeout=10) == str(ada.id)
        await store.smtp_accounts.put(ada.id, SECOND)
        assert await asyncio.wait_for(heard.get(), timeout=10) == str(ada.id)
        await store.smtp_accounts.delete(ada.id, "second")
        assert await asyncio.wait_for(heard.get(), timeout=10) == str(ada.id)
        await store.smtp_accounts.works(ada.id)
        assert await asyncio.wait_for(heard.get(), timeout=10) == str(ada.id)
    finally:
        await listener.close()


async def test_a_user_goes_with_their_accounts(store: Store, ada: User) -> None:
    for account in (FIRST, SECOND):
        await store.smtp_accounts.put(ada.id, account)
    async with store.database.pool.acquire() as connection:
        await connection.execute("DELETE FROM users WHERE id = $1", ada.id)
    assert await store.smtp_accounts.list(ada.id) == []


async def test_accounts_of_before_are_there_after_the_migration(
    postgres_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations()
    before = list(takewhile(lambda migration: migration.name != "0019_smtp_accounts", known))
    connection = await asyncpg.connect(postgres_uri)
    try:
        await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        with monkeypatch.context() as patch:
            patch.setattr(migrating, "migrations", lambda: before)
            await migrating.migrate(postgres_uri)
        await connection.execute(
            "INSERT INTO users (id, email, password_hash, smtp_host, smtp_port, smtp_username, smtp_password, smtp_tls)"
            " VALUES ($1, 'ada@example.com', 'x', 'old.example', 465, 'ada', 'sealed', 'implicit'),"
            " ($2, 'bob@example.com', 'x', NULL, NULL, NULL, NULL, NULL)",
            UUID(int=1),
            UUID(int=2),
        )
        assert await migrating.migrate(postgres_uri) == [migration.name for migration in known[len(before) :]]
    finally:
        await connection.close()
    store = await Store.connect(postgres_uri, process="test", lease_seconds=10)
    try:
        [kept] = await store.smtp_accounts.list(UUID(int=1))
        assert kept.is_default
        assert plain(kept.account) == SmtpAccount(
            host="old.example", port=465, username="ada", password=Sealed(b"sealed"), tls=Tls.IMPLICIT
        )
        assert await store.smtp_accounts.list(UUID(int=2)) == []
    finally:
        await store.close()


@pytest.mark.parametrize("reason", [HeldReason.ACCOUNT, HeldReason.RATE])
async def test_a_change_wakes_mail_that_its_account_or_the_rate_of_it_held(
    store: Store, ada: User, reason: HeldReason
) -> None:
    await store.smtp_accounts.put(ada.id, SECOND)
    [held] = await keep(store, channel="email", recipient="ida@example.com", user_id=ada.id)
    later = utc_now() + timedelta(minutes=10)
    async with store.database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE messages SET held_reason = $2, held_since = now(), due_at = $3 WHERE id = $1",
            held,
            reason,
            later,
        )
    await store.smtp_accounts.put(ada.id, msgspec.structs.replace(SECOND, per_hour=1000))
    message = await store.messages.get(held)
    assert message is not None
    assert message.due_at < later - timedelta(minutes=9)
