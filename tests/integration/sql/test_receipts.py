"""sql/receipts.py"""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from sql.receipts import Joined, Kept, NewReceipt
from sql.store import Store
from tests.factories import keep, sent_by
from tidings.domain.ids import new_id
from tidings.domain.message import Message
from tidings.domain.states import Receipt, Status
from tidings.domain.timestamps import utc_now

ADA, BOB = new_id(), new_id()
DELIVERED, UNDELIVERED = Receipt.DELIVERED, Receipt.UNDELIVERED
EVERY = 1000


def report(provider_message_id: str = "SM1", receipt: Receipt = DELIVERED, **changes: Any) -> NewReceipt:
    return NewReceipt(
        **{"gateway": "twilio", "provider_message_id": provider_message_id, "receipt": receipt, **changes}
    )


async def shown(store: Store, message_id: UUID) -> Message:
    message = await store.messages.get(message_id)
    assert message is not None
    return message


async def receipt_of(store: Store, message_id: UUID) -> tuple[Receipt | None, str | None]:
    message = await shown(store, message_id)
    return message.receipt, message.receipt_detail


async def age(store: Store, by: timedelta = timedelta(days=1)) -> None:
    """The early receipts came so much earlier, and are due."""
    async with store.database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE early_receipts SET received_at = received_at - $1::interval, due_at = now()", by
        )


async def early(store: Store) -> list[str]:
    async with store.database.pool.acquire() as connection:
        rows = await connection.fetch("SELECT provider_message_id FROM early_receipts ORDER BY 1")
    return [row[0] for row in rows]


async def test_a_receipt_stands_beside_the_status(store: Store) -> None:
    [message_id, other] = await keep(store, 2, user_id=ADA, channel="sms")
    await sent_by(store, message_id, "twilio", "SM1")
    await sent_by(store, other, "twilio", "SM2")
    before = utc_now() - timedelta(seconds=5)
    assert await store.receipts.record([report(detail="30003 handset unreachable", receipt=UNDELIVERED)]) == [
        Kept.CHANGED
    ]
    message = await shown(store, message_id)
    assert (message.status, message.receipt, message.receipt_detail) == (
        Status.SENT,
        UNDELIVERED,
        "30003 handset unreachable",
    )
    assert message.receipt_at is not None
    assert message.receipt_at > before
    assert await receipt_of(store, other) == (None, None)


@pytest.mark.parametrize(
    ("channel", "came", "stands"),
    [
        ("sms", [DELIVERED, UNDELIVERED], DELIVERED),
        ("sms", [UNDELIVERED, DELIVERED], DELIVERED),
        ("webhook", [DELIVERED, UNDELIVERED], DELIVERED),
        ("email", [DELIVERED, UNDELIVERED], UNDELIVERED),
        ("email", [UNDELIVERED, DELIVERED], UNDELIVERED),
        ("sms", [UNDELIVERED, UNDELIVERED], UNDELIVERED),
        ("email", [DELIVERED, DELIVERED], DELIVERED),
    ],
)
@pytest.mark.parametrize("together", [True, False], ids=["in one group", "one after the other"])
async def test_which_of_two_stands(
    channel: str, came: list[Receipt], stands: Receipt, together: bool, store: Store
) -> None:
    [message_id] = await keep(store, channel=channel)
    await sent_by(store, message_id, "twilio", "SM1")
    receipts = [NewReceipt(message_id=message_id, receipt=each, detail=each) for each in came]
    groups = [receipts] if together else [[each] for each in receipts]
    kept = [each for group in groups for each in await store.receipts.record(group)]
    assert await receipt_of(store, message_id) == (stands, stands)
    if together:
        assert sorted(kept) == [Kept.CHANGED, Kept.KNOWN]
    else:
        assert kept == [Kept.CHANGED, Kept.KNOWN if came[0] is stands else Kept.CHANGED]


async def test_a_retry_of_a_message_begins_without_its_receipt(store: Store) -> None:
    [message_id] = await keep(store, channel="email", due_at=utc_now() + timedelta(days=1))
    await store.receipts.record([NewReceipt(message_id=message_id, receipt=UNDELIVERED, detail="5.1.1")])
    await store.messages.cancel(message_id)
    again = await store.messages.retry(message_id)
    assert again is not None
    assert (again.receipt, again.receipt_at, again.receipt_detail) == (None, None, None)


async def test_the_same_again_keeps_its_first_time(store: Store) -> None:
    [message_id] = await keep(store, channel="sms")
    await sent_by(store, message_id, "twilio", "SM1")
    await store.receipts.record([report(detail="first")])
    first = await shown(store, message_id)
    assert await store.receipts.record([report(detail="again"), report(detail="again")]) == [Kept.KNOWN] * 2
    assert await shown(store, message_id) == first


async def test_a_gateway_reports_of_its_own_messages_alone(store: Store) -> None:
    adas, bobs, operators, elsewhere = [
        (await keep(store, user_id=user_id, channel="sms"))[0] for user_id in (ADA, BOB, ADA, ADA)
    ]
    await sent_by(store, adas, "me/twilio", "SM1")
    await sent_by(store, bobs, "me/twilio", "SM1")
    await sent_by(store, operators, "twilio", "SM1")
    await sent_by(store, elsewhere, None, "SM1")
    everything = (adas, bobs, operators, elsewhere)

    async def receipts() -> list[Receipt | None]:
        return [(await receipt_of(store, each))[0] for each in everything]

    assert await store.receipts.record([report(gateway="me/twilio", owner=new_id())]) == [Kept.EARLY]
    assert await receipts() == [None] * 4
    assert await store.receipts.record([report(gateway="me/twilio", owner=BOB)]) == [Kept.CHANGED]
    assert await receipts() == [None, DELIVERED, None, None]
    assert await store.receipts.record([report(receipt=UNDELIVERED)]) == [Kept.CHANGED]
    assert await receipts() == [None, DELIVERED, UNDELIVERED, None]
    await age(store)
    assert await store.receipts.join(limit=EVERY) == Joined(looked_at=1, joined=0, changed=0)
    assert await receipts() == [None, DELIVERED, UNDELIVERED, None]


async def test_what_comes_before_the_outcome_is_joined_once_it_is_there(store: Store) -> None:
    [message_id] = await keep(store, user_id=ADA, channel="sms")
    assert await store.receipts.record([report(receipt=UNDELIVERED, detail="x"), report("SM9")]) == [Kept.EARLY] * 2
    assert await store.receipts.join(limit=EVERY) == Joined(looked_at=2, joined=0, changed=0)
    assert await store.receipts.join(limit=EVERY) == Joined(looked_at=0, joined=0, changed=0), "not due yet"
    await sent_by(store, message_id, "twilio", "SM1")
    await age(store)
    assert await store.receipts.join(limit=EVERY) == Joined(looked_at=2, joined=1, changed=1)
    assert await receipt_of(store, message_id) == (UNDELIVERED, "x")
    assert await early(store) == ["SM9"]


async def test_an_early_one_undoes_nothing(store: Store) -> None:
    [message_id] = await keep(store, channel="sms")
    await store.receipts.record([report(receipt=UNDELIVERED)])
    await sent_by(store, message_id, "twilio", "SM1")
    assert await store.receipts.record([report()]) == [Kept.CHANGED]
    assert await store.receipts.join(limit=EVERY) == Joined(looked_at=1, joined=1, changed=0)
    assert await receipt_of(store, message_id) == (DELIVERED, None)


@pytest.mark.parametrize("came", [[DELIVERED, UNDELIVERED], [UNDELIVERED, DELIVERED]])
@pytest.mark.parametrize("together", [True, False], ids=["in one group", "one after the other"])
async def test_of_two_early_ones_delivered_stands(came: list[Receipt], together: bool, store: Store) -> None:
    [message_id] = await keep(store, channel="sms")
    receipts = [report(receipt=each) for each in came]
    for group in [receipts] if together else [[each] for each in receipts]:
        assert await store.receipts.record(group) == [Kept.EARLY] * len(group)
    await sent_by(store, message_id, "twilio", "SM1")
    await store.receipts.join(limit=EVERY)
    assert await receipt_of(store, message_id) == (DELIVERED, None)


async def test_a_message_that_was_made_long_ago_is_found_by_joining(store: Store) -> None:
    created_at = utc_now() - timedelta(days=30)
    await store.maintenance.make_partitions(created_at, created_at)
    old = UUID(int=int(created_at.timestamp() * 1000) << 80 | 7 << 76 | 2 << 62 | 1)
    await keep(store, id=old, created_at=created_at, channel="sms")
    await sent_by(store, old, "twilio", "SM1")
    assert await store.receipts.record([report()]) == [Kept.EARLY]
    assert await store.receipts.join(limit=EVERY) == Joined(looked_at=1, joined=1, changed=1)
    assert await receipt_of(store, old) == (DELIVERED, None)


async def test_an_id_that_a_gateway_gives_again_is_that_of_the_newest(store: Store) -> None:
    first, second = await keep(store, 2, channel="sms")
    await sent_by(store, second, "twilio", "1")
    await sent_by(store, first, "twilio", "1")
    await store.receipts.record([report("1")])
    assert await receipt_of(store, second) == (DELIVERED, None)
    assert await receipt_of(store, first) == (None, None)


async def test_what_nobody_asks_for_is_dropped(store: Store) -> None:
    await store.receipts.record([report(f"old-{number}") for number in range(3)])
    await age(store)
    await store.receipts.record([report(f"new-{number}") for number in range(3)])
    user = await store.users.create(email="ada@example.org", password_hash="-")
    await store.receipts.record([report("other", owner=user.id, gateway="me/other")])
    assert await store.receipts.forget(utc_now() - timedelta(hours=1), most=10) == 3
    assert await store.receipts.forget(utc_now() - timedelta(hours=1), most=2) == 1
    left = await early(store)
    assert ("other" in left, len(left)) == (True, 3)
    await store.receipts.record([report("of a user who is gone", owner=new_id(), gateway="me/other")])
    assert await store.receipts.forget(utc_now() - timedelta(hours=1), most=2) == 1
    assert await early(store) == left


async def test_many_at_once_from_both_sides(store: Store) -> None:
    """The same messages in both orders: nobody waits for the other in a circle, and each has changed once."""
    ids = await keep(store, 40, channel="sms")
    for number, message_id in enumerate(ids):
        await sent_by(store, message_id, "twilio", f"SM{number}")
    reports = [report(f"SM{number}") for number in range(80)]
    groups = [reports, reports[::-1]] * 3
    kept = [each for group in await asyncio.gather(*map(store.receipts.record, groups)) for each in group]
    assert kept.count(Kept.CHANGED) == 40
    assert kept.count(Kept.KNOWN) == 40 * 5
    assert len(await early(store)) == 40


@pytest.mark.parametrize("query", ["record_receipts", "join_receipts"])
async def test_messages_are_found_by_the_index_of_gateways(query: str, store: Store) -> None:
    statement = getattr(store.database.queries, query).sql
    reported = [[None], [None], ["twilio"], ["SM1"], ["delivered"], [None], utc_now()]
    async with store.database.pool.acquire() as connection:
        arguments = reported if query == "record_receipts" else [10, utc_now()]
        rows = await connection.fetch(f"EXPLAIN {statement}", *arguments)
    plan = "\n".join(row[0] for row in rows)
    assert "messages_at_gateway" in plan, plan
    assert "Seq Scan on messages" not in plan, plan


async def test_a_message_without_a_gateway_costs_nothing(store: Store) -> None:
    async def size_after_sending(gateway: str | None) -> int:
        await keep(store, 4000, channel="sms")
        async with store.database.pool.acquire() as connection:
            await connection.execute(
                "UPDATE messages SET status = 'processing', batch_id = id WHERE status = 'pending'"
            )
            await connection.execute(
                "UPDATE messages SET status = 'sent', batch_id = NULL, sent_at = now(), gateway = $1,"
                " provider_message_id = 'SM' || id WHERE status = 'processing'",
                gateway,
            )
            found = await connection.fetchval(
                "SELECT sum(pg_relation_size(indexrelid)) FROM pg_index"
                " WHERE pg_get_indexdef(indexrelid) LIKE '%_messages_at_gateway %'"
            )
        return int(found)

    empty = await size_after_sending(None)
    assert await size_after_sending(None) == empty
    assert empty < await size_after_sending("twilio") < empty + 4000 * 50
