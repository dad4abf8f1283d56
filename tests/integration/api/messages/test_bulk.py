"""Cancelling and retrying many at once."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from api.messages import changes
from sql import changes as sql_changes
from sql.changes import ChangeStore
from sql.lists import MessageFilter
from sql.store import Store
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, keep, new_message, offers
from tests.integration.api.client import Api
from tidings.domain.audit import Action, Actor, AuditEntry
from tidings.domain.ids import new_id
from tidings.domain.states import CancelReason, Status
from tidings.domain.timestamps import utc_now

CANCEL = "/api/v1/messages/cancel"
RETRY = "/api/v1/messages/retry"


async def states(store: Store, ids: list[UUID]) -> list[Status]:
    messages = [await store.messages.get(message_id) for message_id in ids]
    return [message.status for message in messages if message is not None]


async def make(store: Store, message_id: UUID, change: str) -> None:
    """Brings a message to a state by way of `processing`, as a consumer would."""
    async with store.database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE messages SET status = 'processing', batch_id = gen_random_uuid() WHERE id = $1", message_id
        )
        await connection.execute(f"UPDATE messages SET batch_id = NULL, {change} WHERE id = $1", message_id)


async def test_what_waits_in_a_queue_is_cancelled(api: Api, store: Store) -> None:
    assert (await api.put("/api/v1/queues/night", {})).status == 201
    others = await keep(store, 2)
    wanted = await keep(store, 3, queue="night")
    answer = await api.post(CANCEL, {"queue": "night"})
    assert (answer.status, answer.body) == (200, {"count": 3, "more": False})
    assert await states(store, wanted) == [Status.CANCELLED] * 3
    assert await states(store, others) == [Status.PENDING] * 2
    message = await store.messages.get(wanted[0])
    assert message is not None
    assert message.cancel_reason is CancelReason.REQUESTED
    assert (await api.post(CANCEL, {"queue": "night"})).body == {"count": 0, "more": False}


FILTERS: tuple[tuple[dict[str, Any], list[int]], ...] = (
    ({"channel": "webhook"}, [1]),
    ({"recipient": "somebody else"}, [2]),
    ({"status": "failed"}, [3]),
    ({"status": "pending"}, [0, 1, 2]),
    ({"channel": "echo", "recipient": "somebody"}, [0, 3]),
    ({"created_from": "2099-01-01T00:00:00Z"}, []),
    ({"created_until": 978307200}, []),
    ({"created_from": 0, "created_until": "2099-01-01T00:00:00Z"}, [0, 1, 2, 3]),
    ({"all": True}, [0, 1, 2, 3]),
)


async def test_each_filter(api: Api, store: Store) -> None:
    for filters, chosen in FILTERS:
        made = [new_message(), new_message(channel="webhook"), new_message(recipient="somebody else"), new_message()]
        await store.messages.insert(made)
        ids = [message.id for message in made]
        await make(store, ids[3], "status = 'failed', tries = 1")
        answer = await api.post(CANCEL, filters)
        assert (answer.status, answer.body) == (200, {"count": len(chosen), "more": False}), filters
        found = await states(store, ids)
        assert [index for index, status in enumerate(found) if status is Status.CANCELLED] == chosen, filters
        async with store.database.pool.acquire() as connection:
            await connection.execute("DELETE FROM messages")


async def test_what_is_meant_must_be_said(api: Api, store: Store) -> None:
    ids = await keep(store, 2)
    for path, body, field in ((CANCEL, {}, "all"), (RETRY, {}, "all"), (RETRY, {"status": "pending"}, "status")):
        answer = await api.post(path, body)
        assert (answer.status, answer.faults) == (422, [(None, field)])
    assert await states(store, ids) == [Status.PENDING] * 2


async def test_more_than_the_limit_is_said_to_be_there(api: Api, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "STEP", 40)
    ids = await keep(store, 120)
    counts = [(await api.post(CANCEL, {"all": True, "limit": 100})).body for _ in range(3)]
    assert counts == [{"count": 100, "more": True}, {"count": 20, "more": False}, {"count": 0, "more": False}]
    assert set(await states(store, ids)) == {Status.CANCELLED}


async def test_what_is_on_its_way_is_not_called_back(api: Api, store: Store) -> None:
    ids = await keep(store, 10)
    [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=4)
    answer = await api.post(CANCEL, {"all": True})
    assert answer.body == {"count": 6, "more": False}
    found = await states(store, ids)
    assert found.count(Status.PROCESSING) == batch.size == 4


async def test_claims_and_cancellations_side_by_side_take_each_message_once(api: Api, store: Store) -> None:
    ids = await keep(store, 400)

    async def claim() -> int:
        batches = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(4), batch_size=25)
        return sum(batch.size for batch in batches)

    async def cancel() -> int:
        count: int = (await api.post(CANCEL, {"all": True, "limit": 100})).body["count"]
        return count

    claimed, cancelled, more = await asyncio.gather(claim(), cancel(), claim())
    found = await states(store, ids)
    assert found.count(Status.PROCESSING) == claimed + more
    assert found.count(Status.CANCELLED) == cancelled
    assert cancelled > 0


async def test_what_failed_and_what_was_cancelled_is_retried(api: Api, store: Store) -> None:
    exhausted, rejected, waits, due, sent = ids = await keep(store, 5)
    await make(store, exhausted, "status = 'cancelled', cancel_reason = 'exhausted', tries = 5")
    await make(store, rejected, "status = 'cancelled', cancel_reason = 'rejected', tries = 1")
    await make(store, waits, "status = 'failed', tries = 2, due_at = now() + interval '1 hour'")
    await make(store, due, "status = 'failed', tries = 1, due_at = now() - interval '1 second'")
    await make(store, sent, "status = 'sent', sent_at = now()")
    assert (await api.post(RETRY, {"cancel_reason": "exhausted"})).body == {"count": 1, "more": False}
    message = await store.messages.get(exhausted)
    assert message is not None
    assert (message.status, message.tries, message.cancel_reason) == (Status.PENDING, 0, None)
    assert (await api.post(RETRY, {"all": True})).body == {"count": 2, "more": False}
    assert await states(store, ids) == [Status.PENDING, Status.PENDING, Status.FAILED, Status.FAILED, Status.SENT]
    retried = await store.messages.get(waits)
    assert retried is not None
    assert (retried.tries, retried.due_at <= utc_now() + timedelta(seconds=1)) == (2, True)
    # Nothing is left to do, however often it is asked.
    assert (await api.post(RETRY, {"all": True})).body == {"count": 0, "more": False}


async def test_what_is_retried_wakes_the_producer(api: Api, store: Store) -> None:
    [message_id] = await keep(store)
    await store.messages.cancel(message_id)
    told: asyncio.Queue[str] = asyncio.Queue()
    connection = await store.database.listen({"tidings_turns": told.put_nowait})
    try:
        assert (await api.post(RETRY, {"all": True})).body["count"] == 1
        seconds, due, turns = (await asyncio.wait_for(told.get(), 5)).split()
    finally:
        await connection.close()
    assert (float(seconds), turns) == (0, "1:default:0")
    assert abs(float(due) - utc_now().timestamp()) < 60


CHANGES = "/api/v1/changes/"


async def ended(api: Api, path: str) -> dict[str, Any]:
    """What a change says of itself once it is not running."""

    async def look() -> dict[str, Any] | None:
        body: dict[str, Any] = (await api.get(path)).body
        return None if body["state"] == "running" else body

    found = await eventually(look)
    assert found is not None
    return found


@pytest.mark.parametrize("whose", ["everybody's", "a user's"])
async def test_a_change_that_nobody_waits_for_says_how_far_it_is(
    api: Api, store: Store, monkeypatch: pytest.MonkeyPatch, whose: str
) -> None:
    monkeypatch.setattr(changes, "STEP", 40)
    ids = await keep(store, 120)
    filters = {"all": True} if whose == "everybody's" else {"recipient": "somebody"}
    answer = await api.post(CANCEL, {**filters, "wait": False})
    assert (answer.status, answer.body["action"]) == (202, "cancel")
    assert answer.headers["Location"] == CHANGES + answer.body["id"]
    done = await ended(api, answer.headers["Location"])
    assert (done["state"], done["count"]) == ("done", 120)
    assert set(await states(store, ids)) == {Status.CANCELLED}
    retried = await api.post(RETRY, {**filters, "wait": False})
    assert (await ended(api, retried.headers["Location"]))["count"] == 120
    assert set(await states(store, ids)) == {Status.PENDING}


async def test_a_change_is_stopped_between_two_steps(api: Api, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "STEP", 10)
    await keep(store, 100)
    renew = store.changes.renew
    stopped: list[str] = []

    async def slow(self: ChangeStore, change_id: UUID, count: int) -> bool:
        if count == 30 and not stopped:
            stopped.append((await api.post(f"{CHANGES}{change_id}/stop")).body["state"])
        return await renew.__func__(self, change_id, count)  # type: ignore[attr-defined, no-any-return]

    monkeypatch.setattr(ChangeStore, "renew", slow)
    answer = await api.post(CANCEL, {"all": True, "wait": False})
    done = await ended(api, answer.headers["Location"])
    assert (stopped, done["state"], done["count"]) == (["running"], "stopped", 30)


async def test_what_is_being_cancelled_is_not_claimed_until_it_is_through(api: Api, store: Store) -> None:
    ada, bob = new_id(), new_id()
    await store.queues.put("night", active=True, interval_seconds=0, batch_size=None)
    await keep(store, 5, user_id=ada)
    await keep(store, 5, user_id=bob)
    await keep(store, 5, queue="night", user_id=ada)
    every = [*DEFAULT_CLAIM_LANES, *((priority, "night") for priority in range(3))]

    async def claimed() -> int:
        batches = await store.batches.claim(every, offers(), batch_size=100)
        await store.batches.release([batch.id for batch in batches])
        return sum(batch.size for batch in batches)

    told: asyncio.Queue[str] = asyncio.Queue()
    connection = await store.database.listen({"tidings_queues": told.put_nowait})
    try:
        for wanted, left in (
            (MessageFilter(queue="night"), 10),
            (MessageFilter(user_id=ada), 5),
            (MessageFilter(user_id=ada, queue="default"), 10),
            (MessageFilter(), 0),
        ):
            change = await store.changes.begin("cancel", wanted, user_id=None)
            assert await claimed() == left
            await store.changes.end(change, 0)
            # The producers look again.
            await asyncio.wait_for(told.get(), 5)
            assert await claimed() == 15
    finally:
        await connection.close()


async def test_who_dies_holds_nothing_for_long_and_says_that_it_was_interrupted(
    api: Api, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_changes, "HELD_FOR", timedelta(seconds=0.3))
    await keep(store, 5)
    change = await store.changes.begin("cancel", MessageFilter(), user_id=None)
    assert await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=10) == []

    async def claims() -> bool:
        return bool(await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=10))

    assert await eventually(claims)
    assert (await api.get(f"{CHANGES}{change}")).body["state"] == "running"
    monkeypatch.setattr(sql_changes, "SILENT_AFTER", timedelta())
    assert (await api.get(f"{CHANGES}{change}")).body["state"] == "interrupted"
    assert (await api.get(f"{CHANGES}{new_id()}")).status == 404


async def test_a_process_that_ends_interrupts_its_changes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "STEP", 1)
    await keep(store, 500)
    entry = AuditEntry(
        id=new_id(),
        actor=Actor.OPERATOR,
        user_id=None,
        key_id=None,
        session_id=None,
        address=None,
        action=Action.MESSAGES_CANCEL,
        subject=None,
        owner=None,
        detail={},
        created_at=utc_now(),
    )
    running = changes.Changes(store)
    wanted = MessageFilter()
    change = await running.start(changes.Change("cancel", wanted, store.changes.cancelling(wanted), entry))

    async def begun() -> bool:
        found = await store.changes.get(change)
        return found is not None and found.count > 0

    await eventually(begun)
    await running.close()
    found = await store.changes.get(change)
    assert found is not None
    assert (found.state, 0 < found.count < 500) == ("interrupted", True)
    assert await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=10)
