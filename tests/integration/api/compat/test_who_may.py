"""api/compat, where there are accounts: each system's routes need a credential, and a user has the user's own."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from argon2.profiles import CHEAPEST

from api.accounts import services
from api.accounts.passwords import Passwords
from api.app import create_app
from api.compat import systems
from api.openapi.operation import Access, needs_of
from sql.store import Store
from tests.e2e.compat.client import Answer, Client
from tests.factories import DEFAULT_CLAIM_LANES, keep, offers
from tidings.domain.message import Outcome
from tidings.domain.states import Status
from tidings.domain.timestamps import utc_now
from tidings.settings import Settings

OPERATORS_KEY = "the key of the operator"
PASSWORD = "a password of the account"


@pytest_asyncio.fixture
async def client(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setattr(services, "Passwords", partial(Passwords, CHEAPEST))
    app = create_app(msgspec.structs.replace(settings, api_key=OPERATORS_KEY))
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield Client(session, str(server.make_url("/")).rstrip("/"))


@pytest.fixture
def operator(client: Client) -> Client:
    return client.with_headers(Authorization=f"Bearer {OPERATORS_KEY}")


async def member(operator: Client, email: str, **fields: Any) -> tuple[Client, UUID]:
    """A user whom the operator makes, logged in, and their id."""
    made = await operator.post("/api/v1/users", {"email": email, "password": PASSWORD, **fields})
    assert made.status == 201, made
    login = await operator.post("/api/v1/login", {"email": email, "password": PASSWORD})
    token = login.json["data"]["token"]
    return operator.with_headers(Authorization=f"Bearer {token}"), UUID(made.json["id"])


async def keep_sent(store: Store, content: str, user_id: UUID | None) -> None:
    """A text message that was sent."""
    await keep(store, channel="sms", recipient="+905551112233", content=content, user_id=user_id)
    [batch] = await store.batches.claim(DEFAULT_CLAIM_LANES, offers(), batch_size=1)
    [delivery] = await store.batches.take(batch.id, consumer="consumer")
    outcome = Outcome(message_id=delivery.id, batch_id=batch.id, status=Status.SENT, tries=1, sent_at=utc_now())
    await store.batches.record([outcome], closed=[batch.id], consumer="consumer")


def shape(answer: Answer) -> set[str]:
    """The form of an error: the names in it, or that it is text."""
    return {"text"} if answer.content_type == "text/plain" else set(answer.json)


def concrete(route: web.RouteDef) -> str:
    return route.path.replace("{action}", "start").replace("{id}", "018f0000-0000-7000-8000-000000000000")


SHAPES = {
    "/api/v1/messaging": {"error"},
    "/api/v1/list": {"error"},
    "/messages": {"status", "fail"},
    "/messages/worker/{action}": {"status", "fail"},
    "/jobs/start": {"error"},
    "/jobs/stop": {"error"},
    "/messages/sent": {"error"},
    "/metrics": {"error"},
    "/api/v1/user/{id}": {"error", "status"},
    "/api/v1/task/enqueue": {"error", "status"},
    "/api/v1/task/queue": {"error", "status"},
    "/api/v1/task/queue/fail": {"error", "status"},
    "/echoAtTime": {"text"},
}


async def test_every_route_wants_a_credential_in_its_systems_words(client: Client) -> None:
    asked = set()
    for route in systems.ROUTES:
        if needs_of(route.handler).access is Access.EVERYBODY:
            continue
        for headers in ({}, {"Authorization": "Bearer nonsense"}):
            answer = await client.send(route.method, concrete(route), **headers)
            assert (answer.status, shape(answer)) == (401, SHAPES[route.path]), route
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        asked.add(route.path)
    assert asked == set(SHAPES)


async def test_what_is_public() -> None:
    public = {route.path for route in systems.ROUTES if needs_of(route.handler).access is Access.EVERYBODY}
    assert public == {
        "/",
        "/status",
        "/health-check",
        "/health-alive",
        "/healthz/live",
        "/healthz/ping",
        "/api/v1/register",
        "/api/v1/login",
    }


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/messaging", {"action": "stop"}),
        ("POST", "/messages/worker/stop", None),
        ("PUT", "/jobs/stop", None),
        ("GET", "/metrics", None),
    ],
)
async def test_control_is_for_an_admin(operator: Client, store: Store, method: str, path: str, body: object) -> None:
    user, _ = await member(operator, "user@example.com")
    assert (await user.send(method, path, json=body)).status == 403
    queue = await store.queues.get("default")
    assert queue is not None
    assert queue.active
    admin, _ = await member(operator, "admin@example.com", role="admin")
    assert (await admin.send(method, path, json=body)).status in {200, 202}


async def test_a_list_shows_a_user_the_users_own_and_the_operator_all(operator: Client, store: Store) -> None:
    ada, adas_id = await member(operator, "ada@example.com")
    ben, bens_id = await member(operator, "ben@example.com")
    for content, owner in (("Ada's", adas_id), ("Ben's", bens_id), ("nobody's", None)):
        await keep_sent(store, content, owner)

    async def contents(client: Client) -> list[list[str]]:
        first = [message["Content"] for message in (await client.get("/api/v1/list")).json]
        second = [row["content"] for row in (await client.get("/messages")).json["success"]]
        third = [message["content"] for message in (await client.get("/messages/sent")).json]
        return [first, second, third]

    assert await contents(ada) == [["Ada's"]] * 3
    assert await contents(ben) == [["Ben's"]] * 3
    assert await contents(operator) == [["nobody's", "Ben's", "Ada's"]] * 3
    [bens] = (await ben.get("/api/v1/list")).json
    # Another user's message is no place to go on from.
    assert (await ada.get(f"/api/v1/list?before={bens['Id']}")).status == 400


async def test_text_messages_and_printing_are_for_those_who_have_the_channel(operator: Client) -> None:
    user, _ = await member(operator, "user@example.com")
    message = {"content": "x", "recipient_phone_number": "+905551112233"}
    echo = {"time": 1, "message": "x"}
    refused = await user.post("/messages", message)
    assert refused.status == 400
    assert "channel" in refused.json["fail"]["reason"]
    assert (await user.post("/echoAtTime", echo)).status == 400
    sender, _ = await member(operator, "sender@example.com", channels=["sms", "echo"])
    assert (await sender.post("/messages", message)).status == 200
    assert (await sender.post("/echoAtTime", echo)).status == 200


async def test_the_operator_has_no_account_to_send_mail_with(operator: Client) -> None:
    mail = {"recipient_email": "a@example.com", "subject": "x", "body": "x"}
    assert (await operator.post("/api/v1/task/enqueue", mail)).status == 401
    assert (await operator.get("/api/v1/task/queue")).status == 401


async def test_an_admin_sees_any_user_or_that_there_is_none(operator: Client) -> None:
    _, user_id = await member(operator, "user@example.com")
    shown = await operator.get(f"/api/v1/user/{user_id}")
    assert shown.json["data"] == {
        "id": str(user_id),
        "email": "user@example.com",
        "smtp_host": None,
        "smtp_port": None,
        "smtp-username": None,
    }
    for other in ("1", "018f0000-0000-7000-8000-000000000000"):
        answer = await operator.get(f"/api/v1/user/{other}")
        assert (answer.status, answer.json["status"]) == (404, 404)
