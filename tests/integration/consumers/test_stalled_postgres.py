"""Postgres is stalled for longer than a lease: nobody can renew, and nobody can take a batch away."""

import asyncio

from sql.store import Store
from tests.eventually import eventually
from tests.integration.consumers.test_consumer import Gateway, batches_left, consuming, hand_over, keep_sms, until
from tidings.domain.states import Status
from tidings.settings import Settings


async def test_what_was_not_started_meanwhile_is_given_back(store: Store, settings: Settings) -> None:
    ids = await keep_sms(store, 4)
    gateway = Gateway()
    gateway.hold.clear()
    async with consuming(settings, gateway, in_flight=2, in_flight_per_destination=2) as consumer:
        over = asyncio.create_task(hand_over(store, consumer))

        async def in_line() -> bool:
            return len(gateway.received) == consumer._dispatcher.limiter.waiting == 2

        await eventually(in_line)
        [batch] = consumer._leases._open.values()
        batch.held_until = 0.0
        gateway.hold.set()
        await over

        async def closed() -> bool:
            return await batches_left(store) == 0

        async def line_has_moved() -> bool:
            return consumer._dispatcher.limiter.waiting == 0

        await eventually(line_has_moved)
        # Renewed by then, for all we know: the batch must come to its end, not stay with us.
        await consumer._leases.renew()
        await eventually(closed)
    assert len(gateway.received) == 2
    for message_id, status in zip(ids, (Status.SENT, Status.SENT, Status.PENDING, Status.PENDING), strict=True):
        await until(store, message_id, status)
