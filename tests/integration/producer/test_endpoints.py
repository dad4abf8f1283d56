"""producer/endpoints.py: who is notified of a disabled endpoint, and how long events are kept; their deletion too."""

from datetime import timedelta
from uuid import UUID, uuid4

import msgspec

from producer.endpoints import EndpointMaintenance
from producer.status_events import StatusEvents
from sql.endpoints import Seen
from sql.events import FanOut
from sql.lists import MessageFilter
from sql.store import Store
from tests.factories import keep
from tidings.cli.secrets import rotate
from tidings.domain.account import Sealed
from tidings.domain.endpoint import Endpoint, NewEvent
from tidings.domain.ids import new_id, time_of
from tidings.domain.message import Message
from tidings.domain.timestamps import utc_now
from tidings.security.secretbox import Purpose, SecretBox, new_key
from tidings.settings import Settings

SEALED = Sealed(b"sealed")


async def make(store: Store, user_id: UUID | None, *, secret: Sealed = SEALED, **changes: object) -> Endpoint:
    now = utc_now()
    values = {"id": new_id(), "user_id": user_id, "url": "https://example.com/in", "created_at": now, "updated_at": now}
    made = await store.endpoints.create(Endpoint(**{**values, "secret": secret, **changes}))  # type: ignore[arg-type]
    assert made is not None
    return made


async def emit(store: Store, user_id: UUID | None) -> UUID:
    event_id = new_id()
    event = NewEvent(id=event_id, user_id=user_id, type="a.b", payload='"mine"', created_at=time_of(event_id))
    await store.events.post(event, FanOut(queue="default", due_at=utc_now(), max_tries=5))
    return event_id


async def gone(store: Store, endpoint: Endpoint) -> None:
    now = utc_now()
    seen = Seen(endpoint.id, failed_from=now, failed_until=now, error="HTTP 410 Gone", gone=True)
    await store.endpoints.record_health([seen], disable_after=timedelta(0))


async def messages(store: Store) -> list[Message]:
    return list((await store.messages.page(MessageFilter(user_id=None), before=None, limit=100)).messages)


async def test_an_owner_is_notified_once_by_mail_and_by_event(store: Store, settings: Settings) -> None:
    user = await store.users.create(email="ada@example.com", password_hash="argon2")
    dead = await make(store, user.id, customer="acme")
    # One that takes all types takes what users send; what tidings itself tells goes to those that name it.
    await make(store, user.id)
    watcher = await make(store, user.id, event_types=("endpoint.*",))
    await make(store, None, event_types=("endpoint.disabled",))
    await gone(store, dead)
    endpoints = EndpointMaintenance(
        store, msgspec.structs.replace(settings, smtp_url="smtp://a%40example.com:b@mail.example.com")
    )
    for _ in range(2):
        await endpoints.notify()
    await StatusEvents(store, settings).fan_out()
    mail, event = sorted(await messages(store), key=lambda message: message.channel)
    assert (mail.user_id, mail.recipient) == (None, "ada@example.com")
    assert all(text in mail.content for text in (dead.url, "410 Gone", f"{dead.id}/recover"))
    assert (event.endpoint_id, event.user_id) == (watcher.id, user.id)
    told = msgspec.json.decode(event.content)
    assert (told["type"], told["data"]["endpoint_id"]) == ("endpoint.disabled", str(dead.id))


async def test_without_a_mail_account_an_event_is_all(store: Store, settings: Settings) -> None:
    user = await store.users.create(email="ada@example.com", password_hash="argon2")
    await gone(store, await make(store, user.id))
    await EndpointMaintenance(store, settings).notify()
    await StatusEvents(store, settings).fan_out()
    assert await messages(store) == []


async def test_an_event_is_kept_as_long_as_a_message_of_it(store: Store, settings: Settings) -> None:
    await make(store, None)
    wanted, other = await emit(store, None), uuid4()
    async with store.database.pool.acquire() as connection:
        # As if they were a year old; the message is not.
        old = await connection.fetchval("SELECT uuid_from_time(now() - interval '365 days')")
        await connection.execute("UPDATE events SET id = $1 WHERE id = $2", old, wanted)
        await connection.execute("UPDATE messages SET event_id = $1", old)
        await connection.execute(
            "INSERT INTO events (id, type, payload, created_at) VALUES (uuid_from_time($1), 'a', '1', $1)",
            utc_now() - timedelta(days=364),
        )
    kept = await emit(store, None)
    await EndpointMaintenance(store, settings).forget()
    async with store.database.pool.acquire() as connection:
        assert {row["id"] for row in await connection.fetch("SELECT id FROM events")} == {old, kept}
        await connection.execute("DELETE FROM messages")
        await EndpointMaintenance(store, settings).forget()
        assert {row["id"] for row in await connection.fetch("SELECT id FROM events")} == {kept}
    assert await store.events.get(other) is None


async def test_nothing_is_left_of_a_deleted_user(store: Store) -> None:
    user = await store.users.create(email="ada@example.com", password_hash="argon2")
    await make(store, user.id)
    await emit(store, user.id)
    await keep(store, user_id=user.id)
    deletion = await store.deletions.request(user.id)
    assert deletion is not None
    assert await store.deletions.go_on(deletion.id, settled=timedelta(0))
    async with store.database.pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM events") == 0
        assert await connection.fetchval("SELECT count(*) FROM endpoints") == 0
        assert await connection.fetchval("SELECT count(*) FROM messages WHERE event_id IS NOT NULL") == 0
    assert {(message.content, message.headers) for message in await messages(store)} == {("", None)}


async def test_secrets_of_endpoints_come_under_the_newest_key(store: Store) -> None:
    old, new = new_key(), new_key()
    endpoint_id = new_id()

    def seal(secret: str, purpose: Purpose) -> Sealed:
        return SecretBox([old]).seal(secret, purpose, endpoint_id)

    secret = seal("first", Purpose.WEBHOOK_SECRET)
    await make(store, None, id=endpoint_id, secret=secret, sealed=seal("{}", Purpose.ENDPOINT))
    await store.endpoints.rotate(endpoint_id, seal("second", Purpose.WEBHOOK_SECRET), until=utc_now())
    await rotate(store, SecretBox([new, old]))
    kept = await store.endpoints.get(endpoint_id)
    assert kept is not None
    assert kept.sealed is not None
    assert kept.previous_secret is not None
    newest = SecretBox([new])
    assert [
        newest.unseal(each, Purpose.WEBHOOK_SECRET, endpoint_id) for each in (kept.secret, kept.previous_secret)
    ] == [
        "second",
        "first",
    ]
    assert newest.unseal(kept.sealed, Purpose.ENDPOINT, endpoint_id) == "{}"
