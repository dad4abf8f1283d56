"""Messaging Server, as its clients know it."""

import asyncio
from typing import Any

import pytest

from tests.e2e.compat.client import Client
from tests.e2e.gateway import CountingGateway
from tests.e2e.system import System
from tests.e2e.test_delivery import PHONE
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTROL = "/api/v1/messaging"
LIST = "/api/v1/list"


async def test_what_waits_is_sent_after_a_start_and_then_listed(
    system: System, client: Client, gateway: CountingGateway
) -> None:
    assert (await client.get(LIST)).json == []
    stopped = await client.post(CONTROL, {"action": "STOP"})
    assert (stopped.status, stopped.json) == (202, {"status": "stop requested"})
    ids = [await system.post(channel="sms", recipient=PHONE, content=f"hello {number}") for number in range(3)]
    await asyncio.sleep(0.3)
    assert not gateway.received
    started = await client.post(CONTROL, {"action": "Start"})
    assert (started.status, started.json) == (201, {"status": "scheduler started"})
    again = await client.post(CONTROL, {"action": "start"})
    assert (again.status, again.json) == (200, {"status": "scheduler already running"})

    async def listed() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = (await client.get(LIST)).json
        return found if len(found) == len(ids) else None

    messages = await eventually(listed)
    assert messages is not None
    assert sorted(messages, key=lambda message: ids.index(message["Id"])) == [
        {"Id": message_id, "Content": f"hello {number}", "Phone": PHONE, "Status": True}
        for number, message_id in enumerate(ids)
    ]
    assert gateway.received == {"hello 0": 1, "hello 1": 1, "hello 2": 1}


async def test_the_list_comes_in_pages(system: System, client: Client, gateway: CountingGateway) -> None:
    for number in range(3):
        message_id = await system.post(channel="sms", recipient=PHONE, content=f"page {number}")
        await system.until_status(message_id, "sent")
    whole = (await client.get(LIST)).json
    assert [message["Content"] for message in whole[:3]] == ["page 2", "page 1", "page 0"]
    pages: list[dict[str, Any]] = []
    path: str | None = f"{LIST}?limit=2"
    while path is not None:
        answer = await client.get(path)
        assert len(answer.json) <= 2
        pages += answer.json
        path = answer.headers["Link"].partition(">")[0].lstrip("<") if "Link" in answer.headers else None
    assert pages == whole


async def test_the_index_for_programs_and_for_people(client: Client) -> None:
    program = await client.get("/", Accept="application/json")
    assert (program.status, program.json) == (200, {"message": "messaging-server", "status": "ok"})
    assert (await client.get("/")).json == program.json
    browser = await client.get("/", Accept="text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
    assert (browser.status, browser.content_type) == (200, "text/html")
    assert "Content-Security-Policy" in browser.headers
    assert "<title>tidings</title>" in browser.text


async def test_health(client: Client) -> None:
    health = await client.get("/health")
    assert (health.status, health.json) == (200, {"message": "healthy", "status": "ok"})


@pytest.mark.parametrize("action", ["restart", "", " start", "ſtart"])
async def test_another_action(client: Client, action: str) -> None:
    answer = await client.post(CONTROL, {"action": action})
    assert (answer.status, answer.json) == (400, {"error": "invalid action, must be 'start' or 'stop'"})


async def test_the_type_of_the_body_is_no_matter(client: Client) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.send("POST", CONTROL, data='{"action": "start"}', **form)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path", "data", "status"),
    [
        ("POST", CONTROL, "{", 400),
        ("POST", CONTROL, "", 400),
        ("POST", CONTROL, '{"action": 5}', 400),
        ("POST", CONTROL, f'{{"action": "{"x" * 1024**2}"}}', 413),
        ("GET", CONTROL, None, 405),
        ("GET", f"{CONTROL}/now", None, 404),
        ("DELETE", LIST, None, 405),
        ("GET", f"{LIST}?limit=0", None, 400),
        ("GET", f"{LIST}?before=1", None, 400),
        ("POST", "/", None, 405),
    ],
)
async def test_errors(client: Client, method: str, path: str, data: str | None, status: int) -> None:
    answer = await client.send(method, path, data=data, **{"Content-Type": "application/json"})
    assert (answer.status, list(answer.json)) == (status, ["error"])
    assert answer.json["error"]
    assert ("Allow" in answer.headers) == (status == 405)
