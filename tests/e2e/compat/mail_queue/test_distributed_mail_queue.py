"""Distributed Mail Queue Service, as its clients know it."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.compat.client import Client
from tests.e2e.compat.mail_queue.user import PASSWORD, User, data, error, registration, subjects
from tests.eventually import eventually
from tests.integration.channels.smtp_server import HOST, USERNAME, SmtpServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENQUEUE = "/api/v1/task/enqueue"
QUEUE = "/api/v1/task/queue"
FAILED = "/api/v1/task/queue/fail"
MAIL = {"recipient_email": "recipient@example.com", "subject": "Example Subject", "body": "Example Body Content"}


async def test_from_the_registration_to_the_mail(client: Client, mail_server: SmtpServer) -> None:
    registered = await client.post("/api/v1/register", registration("First@Example.com", mail_server.port))
    assert data(registered, 201) == "user registered successfully"
    login = data(await client.post("/api/v1/login", {"email": "first@example.com", "password": PASSWORD}))
    first = User(client.with_headers(Authorization=f"Bearer {login['token']}"), login["id"])
    profile = data(await first.client.get(f"/api/v1/user/{first.id}"))
    assert profile == {
        "id": first.id,
        "email": "First@example.com",
        "smtp_host": HOST,
        "smtp_port": mail_server.port,
        "smtp-username": USERNAME,
    }
    assert await first.tasks() == {}
    task_id = await first.enqueue("Grüße", body="Schöne Grüße,\nund mehr.")
    assert await first.until_status(task_id, 2) == {
        "task_id": task_id,
        "status": 2,
        "try_count": 1,
        "recipient_email": "recipient@example.com",
        "subject": "Grüße",
        "body": "Schöne Grüße,\nund mehr.",
    }
    [mail] = [mail for mail in mail_server.mails if mail.message["Subject"] == "Grüße"]
    assert (mail.login, mail.sender, mail.recipients) == (USERNAME, USERNAME, ["recipient@example.com"])
    assert mail.message["From"] == USERNAME
    assert mail.message.get_content_type() == "text/plain"
    assert mail.content.strip() == "Schöne Grüße,\nund mehr."


async def test_names_with_underscores_are_taken_too(client: Client, mail_server: SmtpServer) -> None:
    body = registration("underscore@example.com", mail_server.port)
    body["smtp_username"], body["smtp_password"] = body.pop("smtp-username"), body.pop("smtp-password")
    data(await client.post("/api/v1/register", body), 201)
    login = data(await client.post("/api/v1/login", {"email": "underscore@example.com", "password": PASSWORD}))
    signed_in = client.with_headers(Authorization=f"Bearer {login['token']}")
    assert data(await signed_in.get(f"/api/v1/user/{login['id']}"))["smtp-username"] == USERNAME


async def test_a_mail_for_later_is_scheduled_and_on_time(user: User, mail_server: SmtpServer) -> None:
    # As the documents of the original write it: without an offset.
    moment = (datetime.now(UTC) + timedelta(seconds=2)).replace(microsecond=0)
    task_id = await user.enqueue("Later", scheduled_at=moment.strftime("%Y-%m-%dT%H:%M:%S"))
    assert (await user.tasks())[task_id]["status"] == 5
    assert time.time() < moment.timestamp()
    await user.until_status(task_id, 2)
    assert 0 <= time.time() - moment.timestamp() < 2
    assert subjects(mail_server).count("Later") == 1


@pytest.mark.parametrize("scheduled_at", ["2024-04-15T12:00:00", "", None])
async def test_the_past_and_nothing_are_now(user: User, scheduled_at: str | None) -> None:
    await user.until_status(await user.enqueue("Now", scheduled_at=scheduled_at), 2)


async def test_an_offset_is_honoured(user: User) -> None:
    in_an_hour = (datetime.now(UTC) + timedelta(hours=1)).replace(tzinfo=None)
    task_id = await user.enqueue("UTC", scheduled_at=in_an_hour.isoformat())
    assert (await user.tasks())[task_id]["status"] == 5
    # The same numbers, two hours to the east: an hour ago.
    await user.until_status(await user.enqueue("East", scheduled_at=f"{in_an_hour.isoformat()}+02:00"), 2)


async def test_what_cannot_be_delivered_is_listed_as_failed(user: User, mail_server: SmtpServer) -> None:
    mail_server.fail("RCPT", "550 5.1.1 No such mailbox")
    task_id = await user.enqueue("Refused", recipient="nobody@example.com")
    await user.until_status(task_id, 4)
    failed = await user.tasks(FAILED)
    assert (failed[task_id]["status"], failed[task_id]["try_count"]) == (4, 1)
    assert all(task["status"] in {3, 4} for task in failed.values())


async def test_a_server_that_does_not_know_the_account_uses_up_no_try(client: Client, mail_server: SmtpServer) -> None:
    stranger = await User.joins(client, "stranger@example.com", mail_server.port, **{"smtp-password": "another"})
    asked = len(mail_server.passwords)
    task_id = await stranger.enqueue("Not mine")

    async def is_asked_again() -> bool:
        return len(mail_server.passwords) > asked

    await eventually(is_asked_again)
    task = await stranger.until_status(task_id, 5)
    assert task["try_count"] == 0
    assert list(await stranger.tasks(FAILED)) == []
    assert "Not mine" not in subjects(mail_server)


async def test_the_queue_comes_in_pages(client: Client, mail_server: SmtpServer) -> None:
    pages = await User.joins(client, "pages@example.com", mail_server.port)
    ids = [await pages.enqueue(f"Page {number}") for number in range(3)]
    first = await pages.client.get(f"{QUEUE}?limit=2")
    assert [task["task_id"] for task in data(first)["tasks"]] == ids[:0:-1]
    following = first.headers["Link"].partition(">")[0].lstrip("<")
    assert list(await pages.tasks(following)) == ids[:1]


async def test_health(client: Client) -> None:
    live = await client.get("/healthz/live")
    assert (live.status, live.json.keys()) == (200, {"server", "version", "build_information", "message"})
    ping = await client.get("/healthz/ping")
    assert (ping.status, ping.json) == (200, {"message": "pong"})


async def test_an_address_registers_once(client: Client, user: User, mail_server: SmtpServer) -> None:
    error(await client.post("/api/v1/register", registration("USER@example.com", mail_server.port)), 409)


async def test_a_wrong_password_and_an_unknown_user_are_answered_alike(client: Client, user: User) -> None:
    wrong = await client.post("/api/v1/login", {"email": "user@example.com", "password": "not the password"})
    unknown = await client.post("/api/v1/login", {"email": "no@example.com", "password": PASSWORD})
    assert error(wrong, 401) == error(unknown, 401)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "no address"}, "email"),
        ({"password": "short"}, "password"),
        ({"smtp_host": ""}, "smtp_host"),
        ({"smtp_host": "a host"}, "smtp_host"),
        ({"smtp_port": 0}, "smtp_port"),
        ({"smtp_port": "587"}, "smtp_port"),
        ({"smtp-username": None}, "smtp-username"),
        ({"smtp-password": "a\r\nb"}, "smtp-password"),
    ],
)
async def test_a_registration_with_one_field_wrong(client: Client, changes: dict[str, Any], field: str) -> None:
    body = registration("wrong@example.com", 587, **changes)
    assert field in error(await client.post("/api/v1/register", body), 400)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"recipient_email": "no address"}, "recipient_email"),
        ({"subject": ""}, "subject"),
        ({"subject": "a\r\nBcc: everybody@example.com"}, "subject"),
        ({"body": ""}, "body"),
        ({"body": "\0"}, "body"),
        ({"scheduled_at": "tomorrow"}, "scheduled_at"),
        ({"scheduled_at": "2200-01-01T00:00:00"}, "scheduled_at"),
    ],
)
async def test_a_mail_with_one_field_wrong(user: User, changes: dict[str, Any], field: str) -> None:
    assert field in error(await user.client.post(ENQUEUE, {**MAIL, **changes}), 400)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/v1/user/1"), ("POST", ENQUEUE), ("GET", QUEUE), ("GET", FAILED)]
)
async def test_nothing_without_a_good_token(client: Client, user: User, method: str, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = await client.send(method, path, **headers)
        error(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("other", ["1", "not-an-id", "018f0000-0000-7000-8000-000000000000"])
async def test_another_id_is_not_for_a_user(user: User, other: str) -> None:
    error(await user.client.get(f"/api/v1/user/{other}"), 403)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/v1/register", "{", 400),
        ("POST", "/api/v1/register", "", 400),
        ("POST", "/api/v1/login", '{"email": "user@example.com"}', 400),
        ("POST", "/api/v1/login", f'{{"email": "{"x" * 1024**2}"}}', 413),
        ("GET", "/api/v1/login", None, 405),
        ("GET", "/api/v1/task/nothing", None, 404),
        ("DELETE", QUEUE, None, 405),
        ("GET", f"{QUEUE}?limit=x", None, 400),
        ("POST", "/healthz/live", None, 405),
        ("GET", "/healthz/dead", None, 404),
    ],
)
async def test_errors(user: User, method: str, path: str, body: str | None, status: int) -> None:
    error(await user.client.send(method, path, data=body, **{"Content-Type": "application/json"}), status)
