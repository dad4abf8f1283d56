"""sql/suppressions.py"""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from sql import suppressions
from sql.lists import MessageFilter
from sql.store import Store
from tests.factories import changed, keep
from tidings.domain.ids import new_id
from tidings.domain.states import CancelReason, Status
from tidings.domain.suppression import SuppressionReason
from tidings.domain.timestamps import utc_now

ADA, BOB = new_id(), new_id()
LATER = utc_now() + timedelta(days=1)


async def keep_mail(store: Store, recipient: str, *, count: int = 1, **changes: Any) -> list[UUID]:
    values = {"user_id": ADA, "channel": "email", "recipient": recipient, "due_at": LATER, **changes}
    return await keep(store, count, **values)


async def status_of(store: Store, message_id: UUID) -> tuple[Status, CancelReason | None]:
    message = await store.messages.get(message_id)
    assert message is not None
    return message.status, message.cancel_reason


@pytest.mark.parametrize("owner", [ADA, None], ids=["user", "operator"])
async def test_a_list_is_its_owners_alone(store: Store, owner: UUID | None) -> None:
    other = BOB if owner is not None else ADA
    assert await store.suppressions.put(owner, {"ida@example.com": "why"}, SuppressionReason.MANUAL) == {
        "ida@example.com"
    }
    found = await store.suppressions.among(owner, ["ida@example.com", "grace@example.com"])
    assert {address: (each.user_id, each.reason, each.detail) for address, each in found.items()} == {
        "ida@example.com": (owner, SuppressionReason.MANUAL, "why")
    }
    assert await store.suppressions.among(other, ["ida@example.com"]) == {}


async def test_the_first_reason_stays(store: Store) -> None:
    message_id = new_id()
    await store.suppressions.put(ADA, {"ida@example.com": None}, SuppressionReason.BOUNCE, message_id=message_id)
    assert await store.suppressions.put(ADA, {"ida@example.com": None}, SuppressionReason.COMPLAINT) == set()
    [kept] = await store.suppressions.list(ADA, limit=10)
    assert (kept.reason, kept.message_id) == (SuppressionReason.BOUNCE, message_id)


async def test_the_same_addresses_from_both_sides_at_once(store: Store) -> None:
    addresses = [f"{number}@example.com" for number in range(50)]
    forward = dict.fromkeys(addresses)
    backward = dict.fromkeys(reversed(addresses))
    puts = [store.suppressions.put(ADA, each, SuppressionReason.BOUNCE) for each in (forward, backward) * 3]
    new = await asyncio.gather(*puts)
    assert sum(map(len, new)) == 50


async def test_pages_and_filters(store: Store) -> None:
    for owner in (ADA, BOB, None):
        for number in range(3):
            reason = SuppressionReason.BOUNCE if number else SuppressionReason.UNSUBSCRIBE
            await store.suppressions.put(owner, {f"{number}@example.com": None}, reason)
    everybodys = await store.suppressions.list(None, limit=100)
    assert [each.user_id for each in everybodys] == [None] * 3 + [BOB] * 3 + [ADA] * 3
    first = await store.suppressions.list(ADA, limit=2)
    rest = await store.suppressions.list(ADA, limit=2, before=first[-1].id)
    assert [each.address for each in (*first, *rest)] == ["2@example.com", "1@example.com", "0@example.com"]
    left = await store.suppressions.list(None, reason=SuppressionReason.UNSUBSCRIBE, limit=100)
    assert {each.address for each in left} == {"0@example.com"}
    assert len(await store.suppressions.list(None, address="1@example.com", limit=100)) == 3
    assert len(await store.suppressions.list(BOB, address="1@example.com", limit=100)) == 1


async def test_lifting(store: Store) -> None:
    await store.suppressions.put(ADA, {"ida@example.com": None}, SuppressionReason.BOUNCE)
    [kept] = await store.suppressions.list(ADA, limit=1)
    assert await store.suppressions.lift(kept.id, BOB) is None
    assert await store.suppressions.lift(kept.id, ADA) == kept
    assert await store.suppressions.lift(kept.id, None) is None


async def test_what_waits_for_the_address_is_cancelled(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppressions, "CANCELLED_AT_ONCE", 2)
    mine = await keep_mail(store, "Ida@Example.com", count=3)
    mine += await keep_mail(store, "ida@example.com", count=2)
    others = [
        *await keep_mail(store, "ida@example.com", user_id=BOB),
        *await keep_mail(store, "ida@example.com", user_id=None),
        *await keep_mail(store, "idas@example.com"),
        *await keep_mail(store, "ida@example.com", channel="echo"),
    ]
    await store.suppressions.put(ADA, {"ida@example.com": None}, SuppressionReason.BOUNCE)
    assert {await status_of(store, each) for each in mine} == {(Status.CANCELLED, CancelReason.SUPPRESSED)}
    assert {await status_of(store, each) for each in others} == {(Status.PENDING, None)}


async def test_the_operators_own_mail_is_cancelled_too(store: Store) -> None:
    [mine] = await keep_mail(store, "ida@example.com", user_id=None)
    await store.suppressions.put(None, {"ida@example.com": None}, SuppressionReason.COMPLAINT)
    assert await status_of(store, mine) == (Status.CANCELLED, CancelReason.SUPPRESSED)


async def test_a_retry_does_not_pass_by_the_list(store: Store) -> None:
    [suppressed] = await keep_mail(store, "Ida@Example.com")
    [other] = await keep_mail(store, "grace@example.com")
    await store.suppressions.put(ADA, {"ida@example.com": None}, SuppressionReason.BOUNCE)
    await store.messages.cancel(other)
    assert await store.messages.retry(suppressed) is None
    assert await changed(store.changes.retrying(MessageFilter(), None)) == 1
    assert (await status_of(store, suppressed))[0] is Status.CANCELLED
    [kept] = await store.suppressions.list(ADA, limit=1)
    await store.suppressions.lift(kept.id, ADA)
    assert await changed(store.changes.retrying(MessageFilter(), CancelReason.SUPPRESSED)) == 1
    assert (await status_of(store, suppressed))[0] is Status.PENDING


async def plan(store: Store, name: str, **arguments: Any) -> str:
    queries = store.database.queries
    ordered = [arguments[each] for each in queries.driver_adapter.var_sorted[name]]
    async with store.database.pool.acquire() as connection:
        rows = await connection.fetch(f"EXPLAIN {getattr(queries, name).sql}", *ordered)
    return "\n".join(row[0] for row in rows)


async def test_cancelling_reads_the_mail_for_the_address_alone(store: Store) -> None:
    text = await plan(store, "cancel_suppressed", user_id=ADA, addresses=["ida@example.com"], limit=10)
    assert "lower" in text
    assert "Seq Scan" not in text


@pytest.mark.parametrize("owner", [ADA, None], ids=["user", "operator"])
async def test_the_door_reads_one_index(store: Store, owner: UUID | None) -> None:
    text = await plan(store, "find_suppressions", user_id=owner, addresses=["ida@example.com"])
    assert "Index Scan using suppressions_once" in text
    assert "Filter" not in text
