"""Accounts that are deleted: what waits is cancelled, nothing personal stays anywhere, also after a kill in between."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from producer.accounts import AccountMaintenance
from sql import deletions
from sql.store import Store
from tests.factories import keep, new_hold
from tests.integration.api.accounts.people import PASSWORD, SMTP, Person, join, operator
from tests.integration.api.client import JSON, Api
from tests.integration.consumers.test_consumer import Gateway, consuming, hand_over, until
from tidings.domain.mail_parts import KeptMail, MailParts
from tidings.domain.states import CancelReason, Status
from tidings.domain.suppression import SuppressionReason
from tidings.domain.timestamps import utc_now
from tidings.settings import Settings

MARK = "xyzzy"
"""In everything that is personal of the user."""
AT_ONCE = timedelta(0)


def maintenance(store: Store, *, settled: timedelta = AT_ONCE) -> AccountMaintenance:
    return AccountMaintenance(store, every=1, retention=timedelta(0), settled=settled)


async def everything(store: Store) -> str:
    """All that Postgres keeps, as text, but for the audit log, which has a time of its own."""
    async with store.database.pool.acquire() as connection:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'audit'"
        )
        found: list[str] = []
        for table in tables:
            rows = await connection.fetch(f'SELECT "{table["tablename"]}"::text AS row FROM "{table["tablename"]}"')
            found += [f"{table['tablename']}: {row['row']}" for row in rows]
        return "\n".join(found)


async def belongings(store: Store, ada: Person) -> list[UUID]:
    """Everything that a user can leave behind; returns messages that were sent, tried and cancelled, and that wait."""
    await ada.send("PATCH", "/api/v1/me", {"smtp": {**SMTP, "username": MARK, "host": f"{MARK}.example.com"}})
    await ada.post("/api/v1/me/webhook-secret/rotate")
    await ada.post("/api/v1/api-keys", {"name": MARK})
    personal: dict[str, Any] = {
        "user_id": ada.id,
        "recipient": f"{MARK}@example.com",
        "content": MARK,
        "subject": MARK,
        "headers": {"X-Name": MARK},
    }
    mail = KeptMail(parts=MailParts(html=MARK), files=MARK.encode())
    ids = [
        *await keep(store, 3, **personal),
        *await keep(store, channel="email", mail=mail, mail_bytes=5, **personal),
        *await keep(store, due_at=utc_now() + timedelta(days=9), **personal),
    ]
    await store.messages.cancel(ids[1])
    async with store.database.transaction() as connection:
        for change in (
            "status = 'processing', batch_id = gen_random_uuid()",
            f"status = 'sent', batch_id = NULL, sent_at = now(), tries = 1, provider_message_id = '{MARK}'",
            f"last_error = '{MARK}', receipt_detail = '{MARK}'",
        ):
            await connection.execute(f"UPDATE messages SET {change} WHERE id = $1", ids[0])
        await connection.execute(
            "INSERT INTO attempts (message_id, try, batch_id, consumer, started_at, duration, outcome, error, answer)"
            f" VALUES ($1, 1, gen_random_uuid(), 'c', now(), 1, 'accepted', '{MARK}', '{MARK}')",
            ids[0],
        )
    await ada.post(
        "/api/v1/messages", {"channel": "webhook", "recipient": f"https://{MARK}.example.com/", "content": "x"}
    )
    headers = {"Authorization": f"Bearer {ada.credential}", "Idempotency-Key": MARK, **JSON}
    message = {"channel": "webhook", "recipient": "https://example.com/", "content": "x"}
    assert (await ada.api.send("POST", "/api/v1/messages", body=message, headers=headers)).status == 201
    await store.suppressions.put(ada.id, {f"{MARK}@example.com": MARK}, SuppressionReason.BOUNCE)
    await store.holds.put([new_hold(user_id=ada.id, endpoint=f"https://{MARK}.example.com/")])
    return ids


async def progress(api: Api, location: str) -> dict[str, object]:
    answer = await api.get(location)
    assert answer.status == 200, answer.body
    return answer.body


async def test_nothing_personal_stays(api: Api, store: Store) -> None:
    ada, bob = await join(api, f"{MARK}@example.com"), await join(api, "bob@example.com")
    ids = await belongings(store, ada)
    [others] = await keep(store, user_id=bob.id, content="of bob")
    assert MARK in await everything(store)
    asked = await operator(api).send("DELETE", f"/api/v1/users/{ada.id}")
    assert (asked.status, asked.body["finished_at"]) == (202, None)
    assert (await ada.get("/api/v1/me")).status == 401
    await maintenance(store).delete()
    left = await everything(store)
    assert [line for line in left.splitlines() if MARK in line] == []
    messages = [await store.messages.get(message_id) for message_id in ids]
    assert [(m.status, m.cancel_reason) for m in messages if m is not None] == [
        (Status.SENT, None),
        *[(Status.CANCELLED, CancelReason.DELETED)] * 4,
    ]
    done = await progress(api, asked.headers["Location"])
    assert done["finished_at"] is not None
    # Besides the one that somebody cancelled, and the mail that its recipient takes no more.
    assert (done["cancelled"], done["erased"]) == (4, 7)
    assert (await operator(api).get(f"/api/v1/users/{ada.id}")).status == 404
    kept = await store.messages.get(others)
    assert kept is not None
    assert (kept.status, kept.content) == (Status.PENDING, "of bob")
    # Nobody makes an empty message of it again, and the address is free.
    assert await store.messages.retry(ids[2]) is None
    assert (await operator(api).post(f"/api/v1/messages/{ids[2]}/retry")).status == 409
    await operator(api).post("/api/v1/messages/retry", {"all": True})
    again = await store.messages.get(ids[2])
    assert again is not None
    assert (again.status, again.cancel_reason) == (Status.CANCELLED, CancelReason.DELETED)
    explained = await operator(api).get(f"/api/v1/messages/{ids[2]}/explain")
    assert explained.body["reason"] == "deleted"
    await join(api, f"{MARK}@example.com")


async def test_it_may_be_asked_for_again_and_again(api: Api, store: Store) -> None:
    ada = await join(api)
    path = f"/api/v1/users/{ada.id}"
    first, second = await asyncio.gather(*(operator(api).send("DELETE", path) for _ in range(2)))
    assert first.status == second.status == 202
    assert first.headers["Location"] == second.headers["Location"]
    assert (await operator(api).post(f"{path}/enable")).status == 409
    await maintenance(store).delete()
    after = await operator(api).send("DELETE", path)
    assert (after.status, after.headers["Location"]) == (202, first.headers["Location"])
    assert after.body["finished_at"] is not None
    await maintenance(store).forget()
    assert (await api.get(first.headers["Location"])).status == 404


async def test_oneself_with_the_password(api: Api, store: Store) -> None:
    ada = await join(api)
    refused = await ada.post("/api/v1/me/delete", {"current_password": "a wrong one"})
    assert refused.faults == [(None, "current_password")]
    asked = await ada.post("/api/v1/me/delete", {"current_password": PASSWORD})
    assert asked.status == 202
    assert (await ada.get("/api/v1/me")).status == 401
    await maintenance(store).delete()
    assert (await progress(api, asked.headers["Location"]))["finished_at"] is not None
    assert (await operator(api).post("/api/v1/me/delete", {"current_password": "x"})).status == 404


async def test_what_is_on_its_way_ends_first(api: Api, store: Store, settings: Settings) -> None:
    ada = await join(api)
    gateway = Gateway()
    gateway.hold.clear()
    async with consuming(settings, gateway) as consumer:
        [flying] = await keep(store, user_id=ada.id, channel="sms", recipient="+4915112345678", content=MARK)
        [waiting] = await keep(store, user_id=ada.id, content=MARK, due_at=utc_now() + timedelta(days=1))
        await hand_over(store, consumer)
        asked = await operator(api).send("DELETE", f"/api/v1/users/{ada.id}")
        for _ in range(2):
            await maintenance(store).delete()
        assert (await progress(api, asked.headers["Location"]))["finished_at"] is None
        await until(store, waiting, Status.CANCELLED)
        gateway.hold.set()
        sent = await until(store, flying, Status.SENT)
        assert sent.content == MARK
        await maintenance(store).delete()
        await maintenance(store).delete()
        assert (await progress(api, asked.headers["Location"]))["finished_at"] is not None
    assert MARK not in await everything(store)


async def test_a_message_that_still_came_is_found(api: Api, store: Store) -> None:
    ada = await join(api)
    await keep(store, 2, user_id=ada.id, content=MARK)
    asked = await operator(api).send("DELETE", f"/api/v1/users/{ada.id}")
    await maintenance(store, settled=timedelta(hours=1)).delete()
    # By a process that has not heard of it.
    await keep(store, user_id=ada.id, content=MARK)
    await maintenance(store).delete()
    assert (await progress(api, asked.headers["Location"]))["finished_at"] is not None
    assert MARK not in await everything(store)


async def test_it_goes_on_after_a_kill(api: Api, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletions, "MESSAGES_AT_ONCE", 3)
    ada = await join(api)
    await keep(store, 10, user_id=ada.id, content=MARK)
    asked = await operator(api).send("DELETE", f"/api/v1/users/{ada.id}")
    location = asked.headers["Location"]
    deletion_id = UUID(location.rpartition("/")[2])
    # Two pieces, and no more: the process is gone.
    for _ in range(2):
        await store.database.one("erase_messages", id=deletion_id, limit=3)
    halfway = await progress(api, location)
    assert (halfway["erased"], halfway["finished_at"]) == (6, None)
    await maintenance(store).delete()
    done = await progress(api, location)
    assert done["erased"] == 10
    assert done["finished_at"] is not None
    assert MARK not in await everything(store)


async def test_two_producers_at_once_do_no_harm(api: Api, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletions, "MESSAGES_AT_ONCE", 3)
    ada = await join(api)
    await keep(store, 20, user_id=ada.id, content=MARK)
    asked = await operator(api).send("DELETE", f"/api/v1/users/{ada.id}")
    await asyncio.gather(maintenance(store).delete(), maintenance(store).delete())
    done = await progress(api, asked.headers["Location"])
    assert done["erased"] == 20
    assert done["finished_at"] is not None
    assert MARK not in await everything(store)


async def test_only_an_admin_deletes_others(api: Api) -> None:
    ada, bob = await join(api), await join(api, "bob@example.com")
    assert (await bob.send("DELETE", f"/api/v1/users/{ada.id}")).status == 403
    assert (await api.get("/api/v1/deletions/none")).status == 404
