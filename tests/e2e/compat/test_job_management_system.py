"""Job Management System, as its clients know it."""

import asyncio
from typing import Any

import pytest

from tests.e2e.compat.client import Client
from tests.e2e.gateway import CountingGateway
from tests.e2e.system import System
from tests.e2e.test_delivery import PHONE
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_stopped_job_started_sends_and_lists_with_the_providers_id(
    system: System, client: Client, gateway: CountingGateway
) -> None:
    assert (await client.get("/messages/sent")).json == []
    stopped = await client.put("/jobs/stop")
    assert (stopped.status, stopped.text, stopped.content_type) == (200, "OK", "text/plain")
    message_id = await system.post(channel="sms", recipient=PHONE, content="job")
    await asyncio.sleep(0.3)
    assert not gateway.received
    started = await client.put("/jobs/start")
    assert (started.status, started.text) == (200, "OK")

    async def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await client.get("/messages/sent")).json
        return found

    [sent] = await eventually(listed)
    stored = await system.message(message_id)
    assert stored["provider_message_id"] is not None
    assert sent == {
        "id": message_id,
        "content": "job",
        "recipient_phone_number": PHONE,
        "status": "sent",
        "message_received_id": stored["provider_message_id"],
    }


async def test_health(client: Client) -> None:
    check = await client.get("/health-check")
    assert (check.status, check.json) == (
        200,
        {
            "status": "healthy",
            "services": {
                "postgres": {"Name": "postgres", "Status": "healthy"},
                "redis": {"Name": "redis", "Status": "healthy"},
            },
        },
    )
    alive = await client.get("/health-alive")
    assert (alive.status, alive.json) == (200, {"health": "ok"})


async def test_metrics_tell_what_waits(system: System, client: Client) -> None:
    await client.put("/jobs/stop")
    for _ in range(3):
        await system.post(channel="sms", recipient=PHONE, content="waits")
    answer = await client.get("/metrics")
    assert (answer.status, answer.content_type) == (200, "text/plain")
    metrics = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert metrics['tidings_messages_waiting{queue="default"}'] == "3.0"
    assert metrics['tidings_messages_processing{queue="default"}'] == "0.0"
    assert float(metrics["process_resident_memory_bytes"]) > 0
    await client.put("/jobs/start")

    async def nothing_waits() -> bool:
        return '\ntidings_messages_waiting{queue="default"} 0.0\n' in (await client.get("/metrics")).text

    await eventually(nothing_waits)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/jobs/start", 405),
        ("PUT", "/jobs/pause", 404),
        ("POST", "/messages/sent", 405),
        ("GET", "/messages/sent?limit=x", 400),
        ("POST", "/health-check", 405),
    ],
)
async def test_errors(client: Client, method: str, path: str, status: int) -> None:
    answer = await client.send(method, path)
    assert (answer.status, list(answer.json)) == (status, ["error"])
