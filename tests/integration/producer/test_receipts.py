"""producer/receipts.py: early receipts find their messages, or are dropped."""

from datetime import timedelta

import pytest

from producer import receipts as module
from producer.receipts import ReceiptMaintenance
from sql.receipts import NewReceipt
from sql.store import Store
from tests.factories import keep, sent_by
from tidings.domain.states import Receipt
from tidings.domain.timestamps import utc_now


def report(number: int) -> NewReceipt:
    return NewReceipt(gateway="twilio", provider_message_id=f"SM{number}", receipt=Receipt.DELIVERED)


async def test_all_that_are_due_are_joined_in_one_round(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "JOIN_AT_ONCE", 2)
    ids = await keep(store, 5, channel="sms")
    await store.receipts.record([report(number) for number in range(7)])
    for number, message_id in enumerate(ids):
        await sent_by(store, message_id, "twilio", f"SM{number}")
    maintenance = ReceiptMaintenance(store.receipts)
    await maintenance.join()
    assert maintenance.joined == 5
    messages = [await store.messages.get(message_id) for message_id in ids]
    assert {message.receipt for message in messages if message} == {Receipt.DELIVERED}
    await maintenance.join()
    assert maintenance.joined == 5


async def test_what_belongs_to_nothing_is_dropped_after_a_day(store: Store) -> None:
    await store.receipts.record([report(number) for number in range(2)])
    async with store.database.pool.acquire() as connection:
        await connection.execute(
            "UPDATE early_receipts SET received_at = $1 WHERE provider_message_id = 'SM0'",
            utc_now() - module.KEPT - timedelta(seconds=1),
        )
    maintenance = ReceiptMaintenance(store.receipts)
    await maintenance.forget()
    assert maintenance.dropped == 1
    [message_id] = await keep(store, channel="sms")
    await sent_by(store, message_id, "twilio", "SM1")
    await maintenance.join()
    assert maintenance.joined == 1
