"""Why is it not sent? Each reason with a message that is in that state for real."""

import socket
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest
from aiohttp import web

from api.app import create_app
from api.explain import routes
from api.http.resources import REDIS
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tests.integration.api.client import Api
from tests.integration.consumers.test_consumer import Gateway, consuming, hand_over, holding, keep_sms, until
from tests.reporting import report
from tidings.channels.email.recipient import OPERATORS
from tidings.channels.webhook.recipient import shortened
from tidings.domain.account import SmtpAccount
from tidings.domain.states import HeldReason, Status
from tidings.domain.suppression import SuppressionReason
from tidings.domain.timestamps import utc_now
from tidings.redis import keys
from tidings.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With leases that outlive a test on a busy machine."""
    return msgspec.structs.replace(settings, lease_seconds=300, redis_ttl=900)


async def explain(api: Api, message_id: UUID) -> dict[str, Any]:
    answer = await api.get(f"/api/v1/messages/{message_id}/explain")
    assert answer.status == 200, answer.body
    assert answer.body["summary"].endswith(".")
    return answer.body


async def test_a_message_goes_to_the_destination_that_consumers_name(store: Store) -> None:
    smtp = SmtpAccount(host="mail.example.com", port=587, username="ada", password=None)
    ada = await store.users.create(email="ada@example.com", password_hash="x", smtp=smtp)
    bob = await store.users.create(email="bob@example.com", password_hash="x")
    account = f"email ada@mail.example.com:587 of {ada.id}"
    for channel, user_id, expected, endpoint in (
        ("email", ada.id, account, (account, ada.id)),
        ("email", bob.id, f"email {bob.id}", (f"email {bob.id}", bob.id)),
        ("email", None, f"email {OPERATORS}", (f"email {OPERATORS}", None)),
        ("webhook", ada.id, "webhook example.com", (f"webhook {shortened('https://example.com/in')}", ada.id)),
        ("sms", ada.id, "sms sms", ("sms sms", None)),
        ("pigeon", ada.id, None, None),
    ):
        [message_id] = await keep(store, channel=channel, recipient="https://example.com/in?key=1", user_id=user_id)
        message = await store.messages.get(message_id)
        assert message is not None
        assert await routes._receiver(message, store.users.senders) == (expected, endpoint)


async def until_reason(api: Api, message_id: UUID, reason: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found = await explain(api, message_id)
        return found if found["reason"] == reason else None

    found = await eventually(look)
    assert found is not None
    return found


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture
async def _producer(app: web.Application, api: Api) -> None:
    """The heartbeat of a producer that claims nothing."""
    await app[REDIS].set(keys.PRODUCER_HEARTBEAT, 1, ex=60)


async def test_no_such_message(api: Api) -> None:
    for name in ("0197d7a4-5b3e-7c41-9f0a-2b6c8d1e4f70", "x"):
        assert (await api.get(f"/api/v1/messages/{name}/explain")).status == 404


async def test_sent(api: Api, store: Store, settings: Settings) -> None:
    [message_id] = await keep_sms(store)
    async with consuming(settings, Gateway()) as consumer:
        await hand_over(store, consumer)
        await until(store, message_id, Status.SENT)
    found = await explain(api, message_id)
    assert (found["reason"], found["next"]) == ("sent", None)
    assert found["facts"]["last_try"]["status_code"] == 202


async def test_not_due(api: Api, store: Store) -> None:
    due = utc_now() + timedelta(hours=1)
    [message_id] = await keep(store, due_at=due)
    found = await explain(api, message_id)
    assert found["reason"] == "not_due"
    assert f"{due:%Y-%m-%d %H:%M:%S} UTC" in found["summary"]
    assert moment(found["next"]["at"]) == due


async def test_it_will_expire_before_it_is_due(api: Api, store: Store) -> None:
    now = utc_now()
    [message_id] = await keep(store, due_at=now + timedelta(hours=2), expires_at=now + timedelta(hours=1))
    assert "expires" in (await explain(api, message_id))["next"]["what"]


@pytest.mark.parametrize("hours", [0, 1])
async def test_queue_stopped(api: Api, store: Store, hours: int) -> None:
    [message_id] = await keep(store, due_at=utc_now() + timedelta(hours=hours))
    assert (await api.post("/api/v1/queues/default/stop")).status == 200
    found = await explain(api, message_id)
    assert (found["reason"], found["summary"]) == ("queue_stopped", "Queue default is stopped.")
    assert ("from" in found["next"]["what"]) is bool(hours)
    assert found["facts"]["queue_active"] is False


async def test_no_producer(api: Api, store: Store) -> None:
    [message_id] = await keep(store)
    assert (await explain(api, message_id))["reason"] == "no_producer"


@pytest.mark.usefixtures("_producer")
async def test_no_consumer(app: web.Application, api: Api, store: Store) -> None:
    [message_id] = await keep(store)
    await report(app[REDIS], reported_at=utc_now() - timedelta(seconds=20))
    assert (await explain(api, message_id))["reason"] == "no_consumer"


@pytest.mark.usefixtures("_producer")
async def test_its_turn_has_not_come(api: Api, store: Store, settings: Settings) -> None:
    [waits] = await keep(store, due_at=utc_now() - timedelta(minutes=1))
    [new] = await keep(store)
    async with consuming(settings, Gateway()):
        assert "has been due" in (await until_reason(api, waits, "waiting_for_turn"))["summary"]
        assert (await explain(api, new))["reason"] == "waiting_for_turn"


@pytest.mark.usefixtures("_producer")
async def test_paced(api: Api, store: Store, settings: Settings) -> None:
    await api.put("/api/v1/queues/default", {"interval_seconds": 600, "batch_size": 2})
    first, _, third = await keep(store, 3)
    await store.batches.claim_paced(offers(), batch_size=100)
    queue = await store.queues.get("default")
    assert queue is not None
    assert queue.last_claimed_at is not None
    async with consuming(settings, Gateway()):
        found = await until_reason(api, third, "paced")
    assert moment(found["next"]["at"]) == queue.last_claimed_at + timedelta(seconds=600)
    assert "2 messages go every 600 s" in found["summary"]
    assert (await explain(api, first))["reason"] == "claimed"


@pytest.mark.usefixtures("_producer")
async def test_paced_without_a_number_of_messages(api: Api, store: Store, settings: Settings) -> None:
    await api.put("/api/v1/queues/default", {"interval_seconds": 600})
    await keep(store)
    await store.batches.claim_paced(offers(), batch_size=100)
    [late] = await keep(store)
    async with consuming(settings, Gateway()):
        await until_reason(api, late, "paced")


@pytest.mark.usefixtures("_producer")
async def test_no_room(api: Api, store: Store, settings: Settings) -> None:
    await keep_sms(store, 4)
    async with holding(store, settings, in_flight=2) as consumer:

        async def full() -> bool:
            return not consumer.accepting

        await eventually(full)
        [message_id] = await keep_sms(store)
        found = await until_reason(api, message_id, "waiting_for_room")
        assert "as much as they can" in found["summary"]


@pytest.mark.usefixtures("_producer")
async def test_a_receiver_that_is_sent_too_much(api: Api, store: Store, settings: Settings) -> None:
    gateway = Gateway(*(web.Response(status=429, headers={"Retry-After": "300"}) for _ in range(9)))
    ids = await keep_sms(store, 9)
    async with consuming(settings, gateway) as consumer:
        await hand_over(store, consumer)
        found = await until_reason(api, ids[-1], "held")

        async def with_its_rate() -> bool:
            return "messages a second" in (await explain(api, ids[-1]))["summary"]

        await eventually(with_its_rate)
    assert found["facts"]["tries"] == 0


async def test_claimed_and_not_taken(api: Api, store: Store) -> None:
    [message_id] = await keep(store)
    await store.batches.claim(DEFAULT_CLAIM_LANES, offers(1, "c7"), batch_size=100)
    found = await explain(api, message_id)
    assert (found["reason"], found["facts"]["consumer"]) == ("claimed", "c7")
    assert moment(found["next"]["at"]) == moment(found["facts"]["lease_until"])


async def test_leased(api: Api, store: Store, settings: Settings) -> None:
    message_id, _ = await keep_sms(store, 2)
    gateway = Gateway()
    gateway.hold.clear()
    async with consuming(settings, gateway) as consumer:
        await hand_over(store, consumer)
        found = await explain(api, message_id)
        gateway.hold.set()
    assert (found["reason"], found["facts"]["consumer"], found["facts"]["batch_size"]) == ("leased", consumer.name, 2)
    assert f"Consumer {consumer.name} has it since" in found["summary"]
    assert "attempt 1 of 5" in found["summary"]


@pytest.mark.parametrize("producer", [True, False])
async def test_its_consumer_is_silent(app: web.Application, api: Api, store: Store, producer: bool) -> None:
    [message_id] = await keep(store)
    [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(1, "c1"), batch_size=100)
    await store.batches.take(batch.id, consumer="c1")
    await report(app[REDIS], name="c1")
    assert (await explain(api, message_id))["reason"] == "leased"
    await report(app[REDIS], name="c1", reported_at=utc_now() - timedelta(seconds=20))
    if producer:
        await app[REDIS].set(keys.PRODUCER_HEARTBEAT, 1, ex=60)
    found = await explain(api, message_id)
    assert (found["reason"], found["next"]["at"] is not None) == ("lost", producer)


async def test_its_lease_has_run_out_or_its_batch_is_gone(api: Api, store: Store) -> None:
    [message_id] = await keep(store)
    [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(1, "c1"), batch_size=100)
    await store.batches.take(batch.id, consumer="c1")
    for change in ("UPDATE batches SET lease_until = now() - interval '1 s'", "DELETE FROM batches"):
        async with store.database.pool.acquire() as connection:
            await connection.execute(change)
        assert (await explain(api, message_id))["reason"] == "lost"


async def test_retrying(api: Api, store: Store, settings: Settings) -> None:
    [message_id] = await keep_sms(store)
    async with consuming(settings, Gateway(web.Response(status=503))) as consumer:
        await hand_over(store, consumer)
        message = await until(store, message_id, Status.FAILED)
        found = await explain(api, message_id)
    assert found["reason"] == "retrying"
    assert "Attempt 1 of 5 failed because of: " in found["summary"]
    assert "503" in found["summary"]
    assert moment(found["next"]["at"]) == message.due_at
    assert found["facts"]["last_try"]["status_code"] == 503


async def test_breaker_open(api: Api, store: Store, settings: Settings) -> None:
    ids = await keep_sms(store, 4)
    gateway = Gateway(*(web.Response(status=503) for _ in range(4)))
    async with consuming(
        settings, gateway, breaker_failures=2, breaker_seconds=30, in_flight=2, in_flight_per_destination=2
    ) as consumer:
        await hand_over(store, consumer)
        for message_id in ids[:2]:
            await until(store, message_id, Status.FAILED)
        found = await until_reason(api, ids[3], "breaker_open")
        assert found["facts"]["held_reason"] == "breaker"
        message = await store.messages.get(ids[3])
        assert message is not None
        assert (message.tries, found["facts"]["destination"]) == (0, "sms sms")
        assert moment(found["next"]["at"]) == message.due_at
        assert timedelta(seconds=15) < message.due_at - utc_now() < timedelta(seconds=40)
        # What is due later than that has another reason to wait.
        [tomorrow] = await keep_sms(store, due_at=utc_now() + timedelta(days=1))
        assert (await explain(api, tomorrow))["reason"] == "not_due"


HELD: Final = {
    HeldReason.GATEWAY: ("held", "operator's gateway is held"),
    HeldReason.ACCOUNT: ("held", "login was refused"),
    HeldReason.ENDPOINT_DISABLED: ("held", "said that it is gone"),
    HeldReason.RATE: ("held", "takes no more at present"),
    HeldReason.DISABLED: ("held", "user is disabled"),
    HeldReason.OURS: ("held", "short of something"),
    HeldReason.ROOM: ("waiting_for_room", "no room"),
    HeldReason.BREAKER: ("breaker_open", "failed many times in a row"),
    HeldReason.HOST: ("breaker_open", "failed many times in a row"),
}


@pytest.mark.parametrize("held", HeldReason)
async def test_held(api: Api, store: Store, held: HeldReason) -> None:
    [message_id] = await keep_sms(store)
    async with store.database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE messages SET held_reason = $1, held_since = now(), due_at = now() + interval '1 minute'", held
        )
    found = await explain(api, message_id)
    reason, words = HELD[held]
    assert (found["reason"], found["facts"]["held_reason"]) == (reason, held)
    assert words in found["summary"]
    shown = (await api.get(f"/api/v1/messages/{message_id}")).body
    assert (shown["status"], shown["held_reason"], shown["held_since"]) == (
        "pending",
        held,
        found["facts"]["held_since"],
    )
    assert [m["id"] for m in (await api.get(f"/api/v1/messages?held={held}")).body["messages"]] == [str(message_id)]
    other = HeldReason.RATE if held is HeldReason.ROOM else HeldReason.ROOM
    assert (await api.get(f"/api/v1/messages?held={other}")).body["messages"] == []
    # Whoever wants to may try it now.
    retried = (await api.post(f"/api/v1/messages/{message_id}/retry")).body
    assert (retried["status"], retried["held_reason"], retried["held_since"]) == ("pending", None, None)


@pytest.mark.usefixtures("_producer")
async def test_breaker_open_for_one_that_is_due(api: Api, store: Store, settings: Settings) -> None:
    await keep_sms(store, 2)
    gateway = Gateway(*(web.Response(status=503) for _ in range(2)))
    async with consuming(settings, gateway, breaker_failures=2, breaker_seconds=30) as consumer:
        await hand_over(store, consumer)
        [due] = await keep_sms(store)
        await until_reason(api, due, "breaker_open")
        # As long as another consumer delivers there, the message goes through that one.
        async with consuming(msgspec.structs.replace(settings, consumer_name="well"), Gateway()):
            await until_reason(api, due, "waiting_for_turn")


async def test_rejected(api: Api, store: Store, settings: Settings) -> None:
    [message_id] = await keep_sms(store)
    async with consuming(settings, Gateway(web.Response(status=400, text="no such number"))) as consumer:
        await hand_over(store, consumer)
        await until(store, message_id, Status.CANCELLED)
    found = await explain(api, message_id)
    assert (found["reason"], found["facts"]["last_try"]["status_code"]) == ("rejected", 400)
    assert "400" in found["summary"]


async def test_exhausted(api: Api, store: Store, settings: Settings) -> None:
    [message_id] = await keep_sms(store, max_tries=1)
    async with consuming(settings, Gateway(web.Response(status=503))) as consumer:
        await hand_over(store, consumer)
        await until(store, message_id, Status.CANCELLED)
    found = await explain(api, message_id)
    assert (found["reason"], found["next"]["at"]) == ("exhausted", None)


async def test_expired(api: Api, store: Store) -> None:
    [message_id] = await keep(store, expires_at=utc_now() - timedelta(seconds=1))
    waits = await explain(api, message_id)
    assert (waits["reason"], waits["facts"]["status"]) == ("expired", "pending")
    assert await store.messages.expire(limit=10) == 1
    gone = await explain(api, message_id)
    assert (gone["reason"], gone["facts"]["status"]) == ("expired", "cancelled")


async def test_poison(api: Api, store: Store) -> None:
    [message_id] = await keep(store)
    [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(1, "c1"), batch_size=100)
    await store.batches.take(batch.id, consumer="c1")
    async with store.database.pool.acquire() as connection:
        await connection.execute("UPDATE batches SET lease_until = now() - interval '1 s'")
    seen = await store.batches.expired(limit=10)
    await store.batches.reclaim(seen, max_age=timedelta(minutes=1), recoveries_allowed=1)
    found = await explain(api, message_id)
    assert (found["reason"], found["facts"]["recoveries"]) == ("poison", 1)


async def test_requested(api: Api, store: Store) -> None:
    [message_id] = await keep(store)
    await api.post(f"/api/v1/messages/{message_id}/cancel")
    found = await explain(api, message_id)
    assert (found["reason"], found["summary"]) == ("requested", "Somebody cancelled it.")


async def test_suppressed(api: Api, store: Store) -> None:
    [message_id] = await keep(store, channel="email", recipient="ida@example.com")
    await store.suppressions.put(None, {"ida@example.com": None}, SuppressionReason.BOUNCE)
    found = await explain(api, message_id)
    assert found["reason"] == "suppressed"
    assert found["summary"].startswith("Its recipient takes no more mail of its user: ")


async def test_redis_away(settings: Settings, store: Store) -> None:
    [message_id] = await keep(store)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nowhere = f"redis://127.0.0.1:{taken.getsockname()[1]}"
        async with Api.serving(create_app(msgspec.structs.replace(settings, redis_uri=nowhere))) as api:
            assert (await explain(api, message_id))["reason"] == "redis_away"
