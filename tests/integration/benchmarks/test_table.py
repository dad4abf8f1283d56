"""benchmarks/simulation/table.py: the simulated claim takes what the real one takes, in the same batches"""

import random
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from benchmarks.simulation.table import WaitingTable
from benchmarks.simulation.traffic import Kind, Message, second
from sql.store import Store
from tests.factories import DEFAULT_CLAIM_LANES, new_message, offers
from tidings.domain.message import NewMessage, Priority
from tidings.domain.timestamps import utc_now

KINDS = {priority: Kind(name=priority.name, channel="echo", percent=0, priority=priority) for priority in Priority}


def simulated(message: NewMessage) -> Message:
    made = Message(0, KINDS[message.priority], 0, "echo 0", second(message.due_at))
    made.delivery = msgspec.structs.replace(made.delivery, id=message.id)
    return made


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_order_of_the_real_claim(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    now = utc_now()
    messages = [
        new_message(
            priority=chance.choice(list(Priority)),
            # Whole seconds, so that some are due at the same time and their ids decide; a third is not due yet.
            due_at=now + timedelta(seconds=chance.randint(-40, -1) if chance.random() < 0.66 else 3600),
        )
        for _ in range(120)
    ]
    chance.shuffle(messages)
    await store.messages.insert(messages)
    table = WaitingTable()
    for message in messages:
        table.put(simulated(message), second(message.due_at))
    offered = offers(5)
    await store.batches.claim(DEFAULT_CLAIM_LANES, offered, batch_size=10)
    for offer in offered:
        real = [delivery.id for delivery in await store.batches.take(offer.batch_id, consumer=offer.consumer)]
        assert [message.delivery.id for message in table.claim(second(now), 10)] == real
        assert len(real) == 10


def test_when_the_next_is_due_and_how_far_it_is_behind() -> None:
    table = WaitingTable()
    assert table.next_due(0.0) is None
    assert (table.overdue(0.0), table.behind(0.0)) == (0, 0.0)
    made = Message(0, KINDS[Priority.NORMAL], 0, "echo 0", 100.0)
    table.put(made, 100.0)
    assert table.next_due(40.0) == 60.0
    assert table.claim(99.0, 10) == []
    assert (table.overdue(130.0), table.behind(130.0)) == (1, 30.0)
    assert table.next_due(130.0) == 0.0
    assert table.everything() == [made]
    assert table.claim(130.0, 0) == []
    assert table.claim(130.0, 10) == [made]
    assert table.next_due(130.0) is None
    assert made.delivery.id == UUID(int=0)
