"""Held is not failed: gateways, accounts and endpoints that somebody must see to, with the whole consumer. (A refused
login to a mail server is in tests/unit/consumers/test_delivery.py.)

| what answers | becomes of that message | the others | until |
|---|---|---|---|
| the SMS gateway with 401, 402, 403, 404, 405, 3xx | waits, untried | pending, `gateway` | a probe is taken |
| the SMS gateway with an HTML page and 200 | rejected, unknown | pending, `gateway` | somebody releases it |
| a webhook with 410 | rejected | that user's there: pending, `endpoint_disabled` | somebody releases it |
| a webhook with 404 | failed, tried again | the same | the deploy is over |
"""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from aiohttp import web

from consumers import holds as module
from consumers import limiter
from consumers.consumer import Consumer
from sql.batches import Offer
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, keep, new_hold
from tests.integration.channels.receivers import web_receiver
from tests.integration.consumers.test_consumer import Gateway, consuming, hand_over, until
from tidings.channels.webhook.recipient import shortened
from tidings.domain.ids import new_id
from tidings.domain.message import Message
from tidings.domain.states import CancelReason, HeldReason, Status
from tidings.settings import Settings


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent back comes again soon, and holds are read often."""
    monkeypatch.setattr(limiter, "SHORTEST_RETRY_IN", 0.05)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.05)


async def all_of(store: Store, ids: Sequence[UUID]) -> list[Message]:
    found = [await store.messages.get(message_id) for message_id in ids]
    return [message for message in found if message is not None]


async def no_longer_processing(store: Store, ids: Sequence[UUID]) -> list[Message]:
    """Waits until each of them has come back from its consumer."""

    async def came_back() -> list[Message]:
        messages = await all_of(store, ids)
        waits = any(message.status is Status.PROCESSING for message in messages)
        untouched = any(message.status is Status.PENDING and message.held_reason is None for message in messages)
        return [] if waits or untouched else messages

    return await eventually(came_back)


async def deliver_until(store: Store, consumer: Consumer, ids: Sequence[UUID], status: Status) -> list[Message]:
    """Hands over what is due again and again, until all are in this state."""

    async def there() -> list[Message]:
        await hand_over(store, consumer)
        messages = await all_of(store, ids)
        return messages if {message.status for message in messages} == {status} else []

    return await eventually(there, within=20, every=0.05)


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405, 301])
async def test_what_speaks_of_the_gateway_burns_nothing_and_heals_by_itself(
    store: Store, settings: Settings, status: int
) -> None:
    gateway = Gateway(web.Response(status=status, headers={"Location": "/elsewhere"}))
    async with consuming(settings, gateway, breaker_seconds=0.2, in_flight_per_destination=1) as consumer:
        ids = await keep(store, 20, channel="sms", recipient="+905551111111")
        await hand_over(store, consumer)
        messages = await no_longer_processing(store, ids)
        assert Counter((m.status, m.tries, m.held_reason) for m in messages) == {
            (Status.PENDING, 0, HeldReason.GATEWAY): 20
        }
        assert [held.reason for held in await store.holds.held()] == [HeldReason.GATEWAY]
        [error] = {message.last_error for message in messages if message.last_error}
        assert f"HTTP {status}" in error
        messages = await deliver_until(store, consumer, ids, Status.SENT)
        assert {(message.tries, message.held_reason, message.held_since) for message in messages} == {(1, None, None)}
        assert len(gateway.received) == 21
        assert await store.holds.held() == []
        assert await store.holds.list() == []


async def test_a_gateway_that_answers_with_a_page_is_held_until_somebody_releases_it(
    store: Store, settings: Settings
) -> None:
    gateway = Gateway(web.Response(text="<!doctype html><title>parked</title>", content_type="text/html"))
    async with consuming(settings, gateway, in_flight_per_destination=1) as consumer:
        ids = await keep(store, 5, channel="sms", recipient="+905551111111")
        await hand_over(store, consumer)
        messages = await no_longer_processing(store, ids)
        ended = [message for message in messages if message.status is Status.CANCELLED]
        assert [(m.cancel_reason, m.tries, m.held_reason) for m in ended] == [(CancelReason.REJECTED, 1, None)]
        assert "unknown" in (ended[0].last_error or "")
        others = [message for message in messages if message not in ended]
        assert {(m.status, m.tries, m.held_reason) for m in others} == {(Status.PENDING, 0, HeldReason.GATEWAY)}
        [hold] = await store.holds.list()
        assert (hold.channel, hold.endpoint, hold.user_id, hold.reason) == ("sms", "sms", None, HeldReason.GATEWAY)
        # One that comes later is held too, by a consumer that has only read of it.
    async with consuming(settings, gateway, in_flight_per_destination=1) as consumer:
        [later] = await keep(store, channel="sms", recipient="+905551111111")
        await hand_over(store, consumer)
        assert [m.held_reason for m in await no_longer_processing(store, [later])] == [HeldReason.GATEWAY]
        assert len(gateway.received) == 1
        assert await store.holds.release(hold.id, None) == hold
        assert await store.holds.wake(hold) == 5
        await eventually(lambda: released(consumer))
        waiting = [*(message.id for message in others), later]
        for message_id in waiting:
            assert await store.messages.retry(message_id)
        await deliver_until(store, consumer, waiting, Status.SENT)
        assert len(gateway.received) == 6


async def released(consumer: Consumer) -> bool:
    """Whether a consumer has read that nothing is held any more."""
    return not consumer._holds._known


class Hooks:
    """Says what the test wants to `/gone`, and 200 to the rest."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.answers: Counter[tuple[str, int]] = Counter()

    async def receive(self, request: web.Request) -> web.Response:
        status = self.status if request.path.startswith("/gone") else 200
        self.answers[request.path, status] += 1
        return web.Response(status=status)


async def test_a_webhook_that_is_gone_is_disabled_for_its_user_alone(store: Store, settings: Settings) -> None:
    ada = await store.users.create(email="ada@example.com", password_hash="x")
    bob = await store.users.create(email="bob@example.com", password_hash="x")
    hooks = Hooks(410)
    async with web_receiver(hooks.receive) as url:
        base = url.rpartition("/")[0]
        consumer = await Consumer.start(settings)
        try:
            [first] = await keep(store, channel="webhook", recipient=f"{base}/gone?n=1", user_id=ada.id)
            await hand_over(store, consumer)
            message = await until(store, first, Status.CANCELLED)
            assert (message.cancel_reason, message.tries) == (CancelReason.REJECTED, 1)
            [hold] = await store.holds.list()
            assert (hold.endpoint, hold.user_id) == (shortened(f"{base}/gone"), ada.id)
            assert (hold.reason, hold.last_error) == (HeldReason.ENDPOINT_DISABLED, "HTTP 410 Gone")
            assert await store.holds.list(bob.id) == []
            hooks.status = 200
            held = await keep(store, 3, channel="webhook", recipient=f"{base}/gone?n=2", user_id=ada.id)
            good = await keep(store, 1, channel="webhook", recipient=f"{base}/good", user_id=ada.id)
            good += await keep(store, 1, channel="webhook", recipient=f"{base}/gone", user_id=bob.id)
            await hand_over(store, consumer)
            for message_id in good:
                await until(store, message_id, Status.SENT)
            for message in await no_longer_processing(store, held):
                assert (message.status, message.tries) == (Status.PENDING, 0)
                assert message.held_reason is HeldReason.ENDPOINT_DISABLED
            # Nobody else may release it.
            assert await store.holds.release(hold.id, bob.id) is None
            assert await store.holds.release(hold.id, ada.id) is not None
            assert await store.holds.wake(hold) == 3
            assert await store.holds.wake(hold) == 0
            await eventually(lambda: released(consumer))
            for message_id in held:
                assert await store.messages.retry(message_id)
            await deliver_until(store, consumer, held, Status.SENT)
        finally:
            await consumer.stop()
    assert hooks.answers == {("/gone", 410): 1, ("/gone", 200): 4, ("/good", 200): 1}


async def test_a_deploy_that_answers_404_loses_no_webhook(store: Store, settings: Settings) -> None:
    hooks = Hooks(404)
    async with web_receiver(hooks.receive) as url:
        consumer = await Consumer.start(msgspec.structs.replace(settings, breaker_seconds=0.1))
        try:
            recipient = f"{url.rpartition('/')[0]}/gone"
            ids = await keep(store, 30, channel="webhook", recipient=recipient, max_tries=8, retry_delays=(0.1,) * 7)
            for _ in range(3):
                await hand_over(store, consumer)
                await no_longer_processing(store, ids)
            assert {message.status for message in await all_of(store, ids)} <= {Status.PENDING, Status.FAILED}
            assert await store.holds.list() == []
            hooks.status = 200
            await deliver_until(store, consumer, ids, Status.SENT)
        finally:
            await consumer.stop()


async def test_a_crash_between_hold_and_outcome_sends_nothing_twice(store: Store, settings: Settings) -> None:
    gateway = Gateway()
    [message_id] = await keep(store, channel="sms", recipient="+905551111111")
    # A consumer got a page as its answer, has written the hold, and dies before it records the outcome.
    [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, [Offer(new_id(), "dead")], batch_size=100)
    await store.batches.take(batch.id, consumer="dead")
    hold = new_hold(channel="sms", endpoint="sms", reason=HeldReason.GATEWAY)
    await store.holds.put([hold])
    await store.holds.put([msgspec.structs.replace(hold, id=new_id())])  # by another consumer, at the same time
    assert [each.id for each in await store.holds.list()] == [hold.id]
    async with store.database.pool.acquire() as connection:
        await connection.execute("UPDATE batches SET lease_until = now() - interval '1 s'")
    expired = await store.batches.expired(limit=10)
    assert (await store.batches.reclaim(expired, max_age=timedelta(minutes=1), recoveries_allowed=5)).recovered == 1
    async with consuming(settings, gateway) as consumer:
        await hand_over(store, consumer)

        async def held() -> Message | None:
            [message] = await all_of(store, [message_id])
            return message if message.held_reason else None

        message = await eventually(held)
        assert message is not None
        # Failed, since its consumer was lost; it waits for somebody, and the phone has not rung.
        assert (message.status, message.tries, message.recoveries) == (Status.FAILED, 0, 1)
        assert message.held_reason is HeldReason.GATEWAY
    assert gateway.received == []
