"""What the earlier systems did wrong, each with a test that fails where it comes back.

Those of Distributed Mail Queue Service are in `mail_queue/`.
"""

import asyncio
import itertools
import signal
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from http import HTTPStatus

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from sql.store import Store
from tests.e2e.compat.client import Client
from tests.e2e.compat.moody_gateway import DROP, HANG, MoodyGateway
from tests.e2e.compat.running import fresh_system
from tests.e2e.compat.test_message_scheduler import times_printed, until_printed
from tests.e2e.system import Process, System
from tests.e2e.test_delivery import PHONE
from tests.eventually import eventually
from tests.factories import DEFAULT_CLAIM_LANES, offers
from tidings.domain.timestamps import utc_now
from tidings.embedded import EmbeddedStores
from tidings.observability.reports import Depth

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK = {
    "CONNECT_TIMEOUT": "1",
    "DELIVERY_TIMEOUT": "1.5",
    "GRACE_SECONDS": "2",
    "LEASE_SECONDS": "1.5",
    "LEASE_RENEWAL_SECONDS": "0.5",
    "RECONCILE_SECONDS": "0.3",
    "RETRY_DELAYS": "0.5",
    "MAX_TRIES": "50",
}
"""So that nobody waits for long."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway() -> AsyncIterator[MoodyGateway]:
    async with MoodyGateway() as running:
        yield running
        running.let_go()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(
    stores: EmbeddedStores, template_database: str, gateway: MoodyGateway, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("system")
    async with fresh_system(stores, template_database, folder, WEBHOOK_URL=gateway.url, **QUICK) as fresh:
        # Two of each, as in every deployment of the originals where it went wrong.
        await asyncio.gather(fresh.start_api(), fresh.start_producer(), fresh.start_producer())
        yield fresh


@pytest_asyncio.fixture(loop_scope="module")
async def consumers(system: System, gateway: MoodyGateway) -> AsyncIterator[list[Process]]:
    """Two of them, those of the test before where they still run, and the queue as it is at first."""
    await system.call("PUT", "/api/v1/queues/default", {"active": True})
    gateway.reset()
    running = {process.name: process for process in system.processes("consumers") if process.running}
    for name in {"c1", "c2"} - running.keys():
        running[name] = await system.start_consumer(name)
    for name in running.keys() - {"c1", "c2"}:
        await running.pop(name).stop()
    yield [running["c1"], running["c2"]]
    gateway.let_go()


async def post(system: System, content: str, **fields: object) -> str:
    return await system.post(channel="sms", recipient=PHONE, content=content, **fields)


async def hanging(system: System, gateway: MoodyGateway, content: str) -> str:
    """A message that the gateway has, and does not answer before it lets go; its id."""
    gateway.set_moods(content, [HANG])
    message_id = await post(system, content)
    await arrived(gateway, content)
    return message_id


async def arrived(gateway: MoodyGateway, *contents: str, within: float = 10.0) -> None:
    async def look() -> bool:
        return gateway.received.keys() >= set(contents)

    await eventually(look, within=within)


async def pace(system: System, *, seconds: float, messages: int | None = 2) -> None:
    await system.call("PUT", "/api/v1/queues/default", {"interval_seconds": seconds, "batch_size": messages})


async def cancel_rest(system: System) -> None:
    """Ends what a test left waiting."""
    for status in ("pending", "failed"):
        page = await system.call("GET", f"/api/v1/messages?status={status}&limit=500")
        messages = page["messages"]
        assert isinstance(messages, list)
        for message in messages:
            async with system.http.post(f"{system.url}/api/v1/messages/{message['id']}/cancel"):
                pass


# Messaging Server


async def test_messaging_server_replicas_and_overlapping_ticks_sent_twice(
    system: System, gateway: MoodyGateway, consumers: list[Process]
) -> None:
    # A gateway that has answered lately is given more than one delivery at a time.
    before = [f"before {number}" for number in range(20)]
    for content in before:
        await post(system, content)
    await arrived(gateway, *before)
    # Each delivery takes longer than a tick.
    gateway.delay = 0.7
    try:
        await pace(system, seconds=0.3)
        begun = time.time()
        contents = [f"tick {number}" for number in range(10)]
        for content in contents:
            await post(system, content)
        await arrived(gateway, *contents)
    finally:
        gateway.delay = 0
    await asyncio.sleep(0.5)
    assert {content: gateway.received[content] for content in contents} == dict.fromkeys(contents, 1)
    # Two a tick, the first tick at once. Each is compared with the beginning and not with the one before it: a machine
    # that is slow for a moment makes some of them late, and none early.
    for number, arrived_at in enumerate(sorted(gateway.arrivals[content] for content in contents)):
        assert arrived_at > begun + 0.3 * (number // 2 - 1)


async def test_messaging_server_two_failing_messages_blocked_the_queue(
    system: System, gateway: MoodyGateway, consumers: list[Process]
) -> None:
    await pace(system, seconds=0.3)
    for content in ("fails 1", "fails 2"):
        gateway.set_moods(content, itertools.repeat(500))
        await post(system, content)
    contents = [f"behind {number}" for number in range(4)]
    for content in contents:
        await post(system, content)
    await arrived(gateway, *contents, within=5)
    await cancel_rest(system)


# message-sending-system


async def test_message_sending_system_a_crash_left_rows_in_processing(
    system: System, gateway: MoodyGateway, consumers: list[Process]
) -> None:
    message_id = await hanging(system, gateway, "crash")
    assert (await system.message(message_id))["status"] == "processing"
    for consumer in consumers:
        await consumer.kill()
    await system.start_consumer("c3")
    assert (await system.until_status(message_id, "sent"))["recoveries"] == 1


async def test_message_sending_system_a_redis_error_after_a_delivery_marked_it_failed(
    system: System, gateway: MoodyGateway, consumers: list[Process]
) -> None:
    message_id = await hanging(system, gateway, "delivered")
    async with Redis.from_url(system.settings.redis_uri) as redis:
        await redis.config_set("maxmemory", 1)
        try:
            gateway.let_go()
            sent = await system.until_status(message_id, "sent")
        finally:
            await redis.config_set("maxmemory", 0)
        assert await redis.exists(f"sent:{message_id}") == 0
    assert (sent["tries"], sent["last_error"]) == (1, None)
    assert gateway.received["delivered"] == 1


@pytest.mark.parametrize(("answer", "outcome"), [(200, "sent 1"), (400, "cancelled 1"), (404, "sent 1")])
async def test_message_sending_system_the_status_of_the_gateway_was_ignored(
    system: System, gateway: MoodyGateway, consumers: list[Process], answer: int, outcome: str
) -> None:
    content = f"answered {answer}"
    gateway.set_moods(content, [answer])
    ends, tries = outcome.split()
    message = await system.until_status(await post(system, content), ends)
    assert message["tries"] == int(tries)


async def test_message_sending_system_a_hanging_gateway_blocked_worker_stop_and_shutdown(
    system: System, client: Client, gateway: MoodyGateway, consumers: list[Process]
) -> None:
    gateway.set_moods("hangs", itertools.repeat(HANG))
    hanging = await post(system, "hangs")
    await arrived(gateway, "hangs")
    contents = [f"beside {number}" for number in range(5)]
    for content in contents:
        await post(system, content)
    # Each time that the hanging one runs out of time, the others may wait for a place: the original waited for ever.
    await arrived(gateway, *contents, within=20)
    begun = time.monotonic()
    assert (await client.post("/messages/worker/stop")).status == 200
    assert time.monotonic() - begun < 5
    assert (await asyncio.gather(*(consumer.stop() for consumer in consumers))) == [0, 0]
    assert time.monotonic() - begun < 10
    assert (await system.message(hanging))["status"] == "failed"
    await cancel_rest(system)


# Job Management System


@pytest.mark.parametrize("mood", [DROP, 429, 500, 503])
async def test_job_management_system_a_failure_was_marked_as_sent(
    system: System, client: Client, gateway: MoodyGateway, consumers: list[Process], mood: int
) -> None:
    content = f"fails with {mood}"
    gateway.set_moods(content, [mood, mood])
    message_id = await post(system, content)
    await arrived(gateway, content)
    # A gateway that takes no more at present costs no attempt.
    paced = mood == HTTPStatus.TOO_MANY_REQUESTS
    await system.until_status(message_id, "pending" if paced else "failed")
    assert message_id not in (await client.get("/messages/sent")).text
    tries = (await system.until_status(message_id, "sent"))["tries"]
    # One that is dropped on a kept connection goes out once more on a fresh one, in the same attempt.
    assert tries in ({1} if paced else {2, 3} if mood == DROP else {3})
    assert message_id in (await client.get("/messages/sent")).text


async def test_job_management_system_an_empty_queue_left_the_job_stuck(
    system: System, gateway: MoodyGateway, consumers: list[Process]
) -> None:
    await pace(system, seconds=0.2)
    for content in ("after nothing", "after nothing again"):
        # Several ticks with nothing to do.
        await asyncio.sleep(0.7)
        await post(system, content)
        await arrived(gateway, content, within=1.5)


async def test_job_management_system_a_stop_during_a_run_was_undone_at_its_end(
    system: System, client: Client, gateway: MoodyGateway, consumers: list[Process]
) -> None:
    gateway.set_moods("under way", [HANG])
    running = await post(system, "under way")
    await arrived(gateway, "under way")
    assert (await client.put("/jobs/stop")).status == 200
    gateway.let_go()
    await system.until_status(running, "sent")
    held = await post(system, "held")
    # Longer than a poll of the producers.
    await asyncio.sleep(1.3)
    assert (await system.message(held))["status"] == "pending"
    await client.put("/jobs/start")
    await system.until_status(held, "sent")


async def test_job_management_system_after_a_failure_the_rest_of_the_batch_stayed_claimed(
    system: System, gateway: MoodyGateway, consumers: list[Process]
) -> None:
    gateway.set_moods("0", itertools.repeat(500))
    messages = [{"channel": "sms", "recipient": PHONE, "content": str(number)} for number in range(5)]
    answer = await system.call("POST", "/api/v1/messages/batch", {"messages": messages}, expect=201)
    ids = answer["ids"]
    assert isinstance(ids, list)
    for message_id in ids[1:]:
        await system.until_status(message_id, "sent", within=5)
    await cancel_rest(system)


# Message Scheduler System


async def test_message_scheduler_a_paused_scheduler_printed_twice(
    system: System, client: Client, consumers: list[Process]
) -> None:
    slow, quick = consumers
    await quick.stop()
    slow.signal(signal.SIGSTOP)
    try:
        answer = await client.post("/echoAtTime", {"time": 1, "message": "printed once"})
        message_id = answer.headers["Location"].rpartition("/")[2]
        await system.until_status(message_id, "processing")
        await system.start_consumer("c3")
        await until_printed(system, "printed once")
    finally:
        slow.signal(signal.SIGCONT)
    # Now it comes to the batch that it was given.
    await slow.says("a batch that is no longer ours")
    await system.until_status(message_id, "sent")
    assert times_printed(system, "printed once") == 1


async def test_message_scheduler_had_no_id_no_cancel_no_history(
    system: System, client: Client, consumers: list[Process]
) -> None:
    soon = (utc_now() + timedelta(seconds=0.7)).isoformat()
    cancelled, printed = [
        (await client.post("/echoAtTime", {"time": soon, "message": text})).headers["Location"]
        for text in ("taken back", "left alone")
    ]
    assert cancelled != printed
    assert (await client.post(f"{cancelled}/cancel")).json["status"] == "cancelled"
    await until_printed(system, "left alone")
    assert times_printed(system, "taken back") == 0
    await system.until_status(printed.rpartition("/")[2], "sent")
    [attempt] = (await client.get(f"{printed}/attempts")).json["attempts"]
    assert attempt["outcome"] == "accepted"


async def test_message_scheduler_fetched_all_that_was_due_at_once(system: System, consumers: list[Process]) -> None:
    await asyncio.gather(*(consumer.stop() for consumer in consumers))
    messages = [{"channel": "echo", "recipient": "log", "content": "one of many"}] * 1000
    for _ in range(3):
        await system.call("POST", "/api/v1/messages/batch", {"messages": messages}, expect=201)
    store = await Store.connect(system.settings.postgres_uri, process="test", lease_seconds=10)
    try:
        # What a consumer has room for, in slots of a hundred each, and no more.
        claimed = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(2), batch_size=100)
        assert [batch.size for batch in claimed] == [100, 100]
        assert await store.queues.depths(limit=5000) == {"default": Depth(due=2800, later=0, processing=200)}
    finally:
        await store.close()
