"""`SCHEDULER_INTERVAL` and `SCHEDULER_BATCH_SIZE`, as deployments of the earlier systems have set them."""

import asyncio

from tests.e2e.gateway import CountingGateway
from tests.e2e.system import System
from tests.e2e.test_delivery import PHONE, all_arrived


async def test_the_default_queue_is_paced_at_the_first_start_and_runs_at_once(
    system: System, gateway: CountingGateway
) -> None:
    await asyncio.gather(system.start_api(), system.start_producer(SCHEDULER_INTERVAL="120"), system.start_consumer())
    messages = [{"channel": "sms", "recipient": PHONE, "content": str(number)} for number in range(5)]
    await system.call("POST", "/api/v1/messages/batch", {"messages": messages}, expect=201)
    await all_arrived(gateway, 2, within=5)
    await system.start_producer(SCHEDULER_INTERVAL="1")
    await asyncio.sleep(1.5)
    assert gateway.received == {"0": 1, "1": 1}
    queue = await system.call("GET", "/api/v1/queues/default")
    assert (queue["interval_seconds"], queue["batch_size"]) == (120, 2)
