"""The audit log: kept with the change that it is about, read by one user without anybody else's, forgotten by age."""

from datetime import timedelta
from uuid import UUID

import pytest

from sql.audit import AuditFilter
from sql.store import Store
from tidings.domain.audit import Action, Actor, AuditEntry
from tidings.domain.ids import new_id
from tidings.domain.timestamps import utc_now


def new_entry(**changes: object) -> AuditEntry:
    values = {"id": new_id(), "actor": Actor.USER, "action": Action.QUEUE_STOP, "created_at": utc_now()}
    return AuditEntry(**{**values, **changes})  # type: ignore[arg-type]


async def listed(store: Store, user_id: UUID | None = None, **wanted: object) -> list[AuditEntry]:
    return list(await store.audit.list(AuditFilter(user_id=user_id, **wanted), before=None, limit=10))  # type: ignore[arg-type]


async def test_it_comes_back_as_it_was_written(store: Store) -> None:
    entry = new_entry(
        user_id=new_id(),
        key_id=new_id(),
        session_id=new_id(),
        address="192.0.2.7",
        subject="default",
        owner=new_id(),
        detail={"pace": [1, None], "name": "ü"},
    )
    await store.audit.put(entry)
    assert await listed(store) == [entry]


async def test_a_user_has_what_they_did_and_what_was_done_to_theirs(store: Store) -> None:
    ada, root = new_id(), new_id()
    did = new_entry(user_id=ada)
    suffered = new_entry(user_id=root, owner=ada)
    by_operator = new_entry(actor=Actor.OPERATOR, owner=ada)
    for each in (did, suffered, by_operator, new_entry(user_id=root), new_entry(actor=Actor.OPERATOR)):
        await store.audit.put(each)
    assert await listed(store, ada) == [by_operator, suffered, did]
    assert len(await listed(store)) == 5
    page = await store.audit.list(AuditFilter(user_id=ada), before=suffered.id, limit=10)
    assert page == [did]


async def stop_and_record(store: Store, entry: AuditEntry, error: Exception | None) -> None:
    async with store.database.together():
        await store.queues.set_active("default", active=False)
        await store.audit.put(entry)
        assert entry in await listed(store)
        if error is not None:
            raise error


async def test_together_is_all_or_nothing(store: Store) -> None:
    lost, kept = new_entry(), new_entry()
    with pytest.raises(RuntimeError, match="in between"):
        await stop_and_record(store, lost, RuntimeError("in between"))
    queue = await store.queues.get("default")
    assert queue is not None
    assert (queue.active, await listed(store)) == (True, [])
    await stop_and_record(store, kept, None)
    queue = await store.queues.get("default")
    assert queue is not None
    assert (queue.active, await listed(store)) == (False, [kept])


async def test_what_is_old_is_forgotten(store: Store) -> None:
    old, young = new_entry(), new_entry()
    for each in (old, young):
        await store.audit.put(each)
    async with store.database.transaction() as connection:
        statement = "UPDATE audit SET id = uuid_from_time(now() - interval '2 days') WHERE id = $1"
        await connection.execute(statement, old.id)
    await store.audit.forget(utc_now() - timedelta(days=1))
    assert await listed(store) == [young]
