"""From a POST to the receiver, every process a real one."""

import asyncio
import itertools
import time
from datetime import UTC, datetime, timedelta

from tests.e2e.gateway import CountingGateway
from tests.e2e.system import System
from tests.eventually import eventually
from tidings.domain.timestamps import utc_now

PHONE = "+4915112345678"


async def all_arrived(gateway: CountingGateway, count: int, *, within: float = 30.0) -> None:
    async def look() -> bool:
        return len(gateway.received) >= count

    await eventually(look, within=within)


async def settled(system: System) -> None:
    """Waits until nothing waits and nothing is on its way."""

    async def look() -> bool:
        for status in ("pending", "processing", "failed"):
            if (await system.call("GET", f"/api/v1/messages?status={status}&limit=1"))["messages"]:
                return False
        return True

    await eventually(look, within=30, every=0.1)


async def count_by_status(system: System, status: str) -> int:
    counted, cursor = 0, ""
    while True:
        page = await system.call("GET", f"/api/v1/messages?status={status}&limit=500{cursor}")
        messages = page["messages"]
        assert isinstance(messages, list)
        counted += len(messages)
        if page["next_cursor"] is None:
            return counted
        cursor = f"&cursor={page['next_cursor']}"


async def test_2000_posted_one_by_one_arrive_exactly_once(system: System, gateway: CountingGateway) -> None:
    await system.start_all()
    numbers = iter(range(2000))

    async def client() -> None:
        for number in numbers:
            await system.post(channel="sms", recipient=PHONE, content=str(number))

    await asyncio.gather(*(client() for _ in range(50)))
    await all_arrived(gateway, 2000)
    await settled(system)
    assert gateway.received == {str(number): 1 for number in range(2000)}
    assert await count_by_status(system, "sent") == 2000


async def test_a_message_is_on_time_and_not_before(system: System, gateway: CountingGateway) -> None:
    await system.start_all(consumers=1)
    # Warm: connections are open, nothing is being started any more.
    await system.post(channel="sms", recipient=PHONE, content="warm-up")
    await all_arrived(gateway, 1)
    due_at = datetime.now(UTC) + timedelta(seconds=3)
    message_id = await system.post(channel="sms", recipient=PHONE, content="on time", due_at=due_at.isoformat())
    await all_arrived(gateway, 2)
    lateness = gateway.arrivals["on time"] - due_at.timestamp()
    assert 0 <= lateness < 5  # how late exactly is what figure 4 of the benchmarks measures
    await system.until_status(message_id, "sent")


async def test_a_cancelled_message_never_arrives(system: System, gateway: CountingGateway) -> None:
    await system.start_all(consumers=1)
    soon = (utc_now() + timedelta(seconds=1)).isoformat()
    message_id = await system.post(channel="sms", recipient=PHONE, content="no", due_at=soon)
    cancelled = await system.call("POST", f"/api/v1/messages/{message_id}/cancel")
    assert (cancelled["status"], cancelled["cancel_reason"]) == ("cancelled", "requested")
    later = (utc_now() + timedelta(seconds=1.5)).isoformat()
    await system.post(channel="sms", recipient=PHONE, content="yes", due_at=later)
    await all_arrived(gateway, 1)
    assert list(gateway.received) == ["yes"]


async def test_a_paced_queue_keeps_its_rhythm_oldest_first(system: System, gateway: CountingGateway) -> None:
    await system.start_all()
    await system.call("PUT", "/api/v1/queues/slow", {"interval_seconds": 3, "batch_size": 2}, expect=201)
    messages = [{"channel": "sms", "recipient": PHONE, "content": str(number), "queue": "slow"} for number in range(6)]
    await system.call("POST", "/api/v1/messages/batch", {"messages": messages}, expect=201)
    await all_arrived(gateway, 6)
    times = [gateway.arrivals[str(number)] for number in range(6)]
    pairs = [times[0:2], times[2:4], times[4:6]]
    for pair in pairs:
        assert abs(pair[1] - pair[0]) < 1.5  # by one claim, not by two
    for before, after in itertools.pairwise(pairs):
        assert abs(min(after) - min(before) - 3) < 1.5


async def test_stop_and_start_take_effect_at_once(system: System, gateway: CountingGateway) -> None:
    await system.start_all()
    await system.start_producer()
    stopped = await system.call("POST", "/api/v1/queues/default/stop")
    assert stopped["active"] is False
    message_id = await system.post(channel="sms", recipient=PHONE, content="held")
    # A poll interval and more: whoever polls now has seen the stop.
    await asyncio.sleep(1.5)
    assert (await system.message(message_id))["status"] == "pending"
    assert not gateway.received
    begun = time.monotonic()
    await system.call("POST", "/api/v1/queues/default/start")
    await all_arrived(gateway, 1)
    assert time.monotonic() - begun < 5  # a second on a machine that has nothing else to do


async def test_echo_prints_and_webhook_posts(system: System) -> None:
    await system.start_api()
    await system.start_producer()
    consumer = await system.start_consumer()
    await system.post(channel="echo", recipient="me", content="hello from echo")
    await consumer.says("hello from echo")


async def test_ready_only_when_a_message_could_be_delivered(system: System) -> None:
    await system.start_api()
    await system.call("GET", "/health/ready", expect=503)
    producer = await system.start_producer()
    await system.call("GET", "/health/ready", expect=503)
    await system.start_consumer()

    async def ready() -> bool:
        async with system.http.get(system.url + "/health/ready") as response:
            return response.status == 200

    await eventually(ready)
    await producer.stop()

    async def unready() -> bool:
        return not await ready()

    await eventually(unready)
