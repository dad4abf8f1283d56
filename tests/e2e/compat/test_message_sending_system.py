"""message-sending-system, as its clients know it."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.e2e.compat.client import Answer, Client
from tests.e2e.gateway import CountingGateway
from tests.e2e.system import System
from tests.eventually import eventually
from tidings.domain.timestamps import utc_now

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE = "+905551112233"


def message(content: str = "Content", phone: str = PHONE) -> dict[str, str]:
    return {"content": content, "recipient_phone_number": phone}


def success(answer: Answer) -> Any:
    assert (answer.status, answer.json["status"]) == (200, 200)
    return answer.json["success"]


async def test_ten_messages_posted_are_sent_and_listed(client: Client, gateway: CountingGateway) -> None:
    assert success(await client.get("/messages")) == []
    rows = [success(await client.post("/messages", message(f"Content {number}"))) for number in range(10)]
    assert rows[0].keys() == {"id", "content", "recipient_phone_number", "status", "created_at", "sent_at"}
    assert {(row["recipient_phone_number"], row["status"], row["sent_at"]) for row in rows} == {(PHONE, "unsent", None)}

    async def listed() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = success(await client.get("/messages"))
        return found if len(found) == 10 else None

    sent = await eventually(listed)
    assert sent is not None
    assert {row["id"]: row["content"] for row in sent} == {row["id"]: row["content"] for row in rows}
    assert {row["status"] for row in sent} == {"sent"}
    times = [datetime.fromisoformat(row["sent_at"]) for row in sent]
    assert times == sorted(times, reverse=True)
    assert abs((utc_now() - times[0]).total_seconds()) < 30
    assert gateway.received == {f"Content {number}": 1 for number in range(10)}


async def test_the_list_is_by_time_of_sending_not_of_posting(system: System, client: Client) -> None:
    later = await system.post(channel="sms", recipient=PHONE, content="first in", due_at=utc_now().timestamp() + 1.2)
    sooner = await system.post(channel="sms", recipient=PHONE, content="last in")
    await system.until_status(later, "sent")
    assert [row["id"] for row in success(await client.get("/messages?limit=2"))] == [later, sooner]


async def test_the_status_of_a_delivery_by_both_ids(system: System, client: Client) -> None:
    row = success(await client.post("/messages", message("recorded")))
    sent = await system.until_status(row["id"], "sent")
    async with Redis.from_url(system.settings.redis_uri) as redis:
        assert str(sent["provider_message_id"]) in str(await redis.get(f"sent:{row['id']}"))
        assert row["id"] in str(await redis.get(f"sent:provider:{sent['provider_message_id']}"))
        assert 0 < await redis.ttl(f"sent:provider:{sent['provider_message_id']}") <= 300


async def test_stop_holds_back_and_start_lets_go(system: System, client: Client, gateway: CountingGateway) -> None:
    assert success(await client.post("/messages/worker/stop")) == "OK"
    assert success(await client.post("/messages/worker/stop")) == "OK"
    row = success(await client.post("/messages", message("held back")))
    await asyncio.sleep(0.3)
    assert "held back" not in gateway.received
    assert success(await client.post("/messages/worker/start")) == "OK"
    await system.until_status(row["id"], "sent")


async def test_status(client: Client) -> None:
    answer = await client.get("/status")
    assert (answer.status, answer.json.keys()) == (200, {"name", "version"})


async def test_1000_characters_and_an_international_prefix_are_taken(client: Client) -> None:
    row = success(await client.post("/messages", message("ü" * 1000, "00905551112233")))
    assert row["recipient_phone_number"] == PHONE


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (message("x" * 1001), "content"),
        (message(""), "content"),
        (message(phone="12"), "recipient_phone_number"),
        (message(phone="5551112233"), "recipient_phone_number"),
        ({"content": "Content"}, "recipient_phone_number"),
        ({**message(), "content": 5}, "content"),
    ],
)
async def test_what_is_wrong_is_400_and_names_the_field(client: Client, body: object, field: str) -> None:
    answer = await client.post("/messages", body)
    assert (answer.status, answer.json["status"]) == (400, 400)
    assert answer.json["fail"].keys() == {"msg", "reason"}
    assert field in answer.json["fail"]["reason"]


@pytest.mark.parametrize(
    ("method", "path", "data", "status"),
    [
        ("POST", "/messages", "{", 422),
        ("POST", "/messages", "", 422),
        ("POST", "/messages", f'{{"content": "{"x" * 1024**2}"}}', 413),
        ("POST", "/messages/worker/pause", None, 400),
        ("GET", "/messages/worker/start", None, 405),
        ("GET", "/messages?limit=501", None, 400),
        ("GET", "/messages/nothing", None, 404),
        ("DELETE", "/messages", None, 405),
        ("POST", "/status", None, 405),
    ],
)
async def test_errors(client: Client, method: str, path: str, data: str | None, status: int) -> None:
    answer = await client.send(method, path, data=data, **{"Content-Type": "application/json"})
    assert (answer.status, answer.json["status"]) == (status, status)
    assert answer.json.keys() == {"status", "fail"}
    assert answer.json["fail"].keys() == {"msg", "reason"}
