"""api/audit: what somebody changes is written down with the change, and shown to whom it concerns."""

from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from api.audit.record import MAX_LISTED, MAX_TEXT, bounded
from api.http.resources import STORE
from api.messages import changes
from tests.factories import keep, new_hold
from tests.integration.api.accounts.people import PASSWORD, SMTP, Person, admin, join, operator
from tests.integration.api.client import JSON, Api
from tidings.domain.errors import StoreUnavailableError
from tidings.domain.timestamps import utc_now

AUDIT = "/api/v1/audit"


async def listed(who: Person, query: str = "") -> list[dict[str, Any]]:
    answer = await who.get(f"{AUDIT}{query}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.body["audit"]
    # But for what `join` does.
    return [entry for entry in found if entry["detail"] != {"email_proven": True}]


async def actions(who: Person, query: str = "") -> list[tuple[str, str | None]]:
    """What was done to what, the oldest first."""
    return [(entry["action"], entry["subject"]) for entry in reversed(await listed(who, query))]


async def test_queues(api: Api) -> None:
    root = await admin(api)
    await root.send("PUT", "/api/v1/queues/night", {"interval_seconds": 60, "batch_size": 2})
    await root.send("PUT", "/api/v1/queues/night", {"active": False})
    await root.post("/api/v1/queues/night/start")
    await root.post("/api/v1/queues/default/stop")
    await root.post("/api/v1/queues/default/stop")  # changes nothing
    await root.post("/api/v1/queues/unknown/stop")
    async with aiohttp.ClientSession() as client:
        headers = {"Authorization": f"Bearer {root.credential}"}
        async with client.put(api.url.join(URL("/jobs/start")), headers=headers) as started:
            assert started.status == 200
    assert (await actions(root))[1:] == [
        ("queue.create", "night"),
        ("queue.change", "night"),
        ("queue.start", "night"),
        ("queue.stop", "default"),
        ("queue.start", "default"),
    ]
    made = (await listed(root, "?action=queue.create"))[0]
    assert (made["actor"], made["user_id"], made["address"]) == ("user", str(root.id), "127.0.0.1")
    assert made["session_id"] is not None
    assert made["detail"]["batch_size"] == 2


async def test_accounts_and_keys_without_their_secrets(api: Api) -> None:
    ada, root = await join(api), await admin(api)
    program = await ada.key(name="the shop", scopes=["admin"])
    [key] = (await ada.get("/api/v1/api-keys")).body["api_keys"]
    changed = {"password": "a new " + PASSWORD, "current_password": PASSWORD, "smtp": SMTP}
    secret = (await program.post("/api/v1/me/webhook-secret/rotate")).body["secret"]
    await program.send("PATCH", "/api/v1/me", changed)
    await root.send("PATCH", f"/api/v1/users/{ada.id}", {"role": "admin", "allowed_from": ["@shop.example"]})
    await root.send("DELETE", f"/api/v1/users/{ada.id}/api-keys/{key['id']}")
    entries = await listed(root, f"?user_id={ada.id}")
    assert [entry["action"] for entry in reversed(entries)] == [
        "user.create",
        "key.create",
        "user.rotate_secret",
        "user.change",
        "user.change",
        "key.revoke",
    ]
    revoked, allowed, profile, rotated, created, _ = entries
    assert created["detail"]["scopes"] == ["admin"]
    assert (rotated["key_id"], profile["key_id"], created["key_id"]) == (key["id"], key["id"], None)
    assert profile["detail"] == {"changed": ["password", "smtp"]}
    assert allowed["detail"] == {"role": "admin", "allowed_from": ["@shop.example"]}
    assert (revoked["subject"], revoked["owner"], revoked["user_id"]) == (key["id"], str(ada.id), str(root.id))
    for hidden in (PASSWORD, secret, SMTP["password"], program.credential, ada.credential):
        assert str(hidden) not in str(entries)


async def test_sessions(api: Api) -> None:
    ada = await join(api)
    page = {"Sec-Fetch-Site": "same-origin"}
    entered = await api.send(
        "POST", "/dashboard/session", body={"email": ada.email, "password": PASSWORD}, headers={**JSON, **page}
    )
    cookie = entered.headers["Set-Cookie"].partition(";")[0]
    async with aiohttp.ClientSession() as browser:
        for _ in range(2):
            url = api.url.join(URL("/dashboard/session"))
            async with browser.delete(url, headers={**page, "Cookie": cookie}) as left:
                assert left.status == 204
    await ada.send("DELETE", "/api/v1/me/sessions")
    entries = await listed(operator(api), f"?user_id={ada.id}")
    assert [entry["action"] for entry in entries] == ["sessions.end", "session.end", "user.create"]
    assert entries[1]["subject"] == entries[1]["session_id"]


async def test_messages_in_bulk_with_their_count(
    app: web.Application, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "STEP", 2)
    ada = await join(api)
    await keep(app[STORE], 5, user_id=ada.id, channel="email", due_at=utc_now() + timedelta(days=1))
    for _ in range(2):
        await ada.post("/api/v1/messages/cancel", {"channel": "email"})
    await ada.post("/api/v1/messages/retry", {"cancel_reason": "requested", "limit": 3})
    retried, cancelled, _ = await listed(ada)
    assert (cancelled["action"], cancelled["detail"]["count"]) == ("messages.cancel", 5)
    assert cancelled["detail"]["channel"] == "email"
    assert (retried["action"], retried["detail"]["count"]) == ("messages.retry", 3)


async def test_a_filter_as_long_as_can_be_is_cut(app: web.Application, api: Api) -> None:
    ada, long = await join(api), "x" * 1000
    await keep(app[STORE], user_id=ada.id, recipient=long, due_at=utc_now() + timedelta(days=1))
    assert (await ada.post("/api/v1/messages/cancel", {"recipient": long})).body["count"] == 1
    assert (await listed(ada))[0]["detail"]["recipient"] == f"{'x' * MAX_TEXT}…"


async def test_holds_and_suppressions(app: web.Application, api: Api) -> None:
    ada, root = await join(api), await admin(api)
    hold = new_hold(user_id=ada.id)
    await app[STORE].holds.put([hold])
    await root.post(f"/api/v1/holds/{hold.id}/release")
    for _ in range(2):
        added = await ada.post("/api/v1/suppressions", {"address": "ida@example.com"})
    for _ in range(2):
        await root.send("DELETE", f"/api/v1/suppressions/{added.body['id']}")
    entries = list(reversed(await listed(root, f"?user_id={ada.id}")))[1:]
    assert [(entry["action"], entry["subject"]) for entry in entries] == [
        ("hold.release", str(hold.id)),
        ("suppression.add", added.body["id"]),
        ("suppression.lift", added.body["id"]),
    ]
    assert entries[2]["detail"] == {"address": "ida@example.com", "reason": "manual"}


async def test_users_see_what_concerns_them_and_not_from_where_others_did_it(api: Api) -> None:
    ada, bob, root = await join(api), await join(api, "bob@example.com"), await admin(api)
    await root.send("PATCH", f"/api/v1/users/{ada.id}", {"may_prioritize": True})
    await bob.key()
    by_root, by_ada = await listed(ada)
    assert (by_root["user_id"], by_root["address"], by_root["session_id"]) == (str(root.id), None, None)
    assert (by_ada["user_id"], by_ada["address"]) == (str(ada.id), "127.0.0.1")
    assert await actions(bob) == [("user.create", str(bob.id)), ("key.create", (await listed(bob))[0]["subject"])]
    refused = await ada.get(f"{AUDIT}?user_id={bob.id}")
    assert (refused.status, refused.faults) == (422, [(None, "user_id")])
    assert len(await listed(operator(api))) == 5
    assert (await (await ada.key()).get(AUDIT)).status == 403


async def test_filters_and_pages(api: Api) -> None:
    root = await admin(api)
    began = utc_now()
    for name in ("a", "b", "c"):
        await root.send("PUT", f"/api/v1/queues/{name}", {})
    assert await actions(root, "?subject=b") == [("queue.create", "b")]
    assert len(await listed(root, f"?action=queue.create&created_from={began.timestamp()}")) == 3
    assert await listed(root, f"?action=queue.create&created_until={began.timestamp()}") == []
    first = await root.get(f"{AUDIT}?action=queue.create&limit=2")
    second = await root.get(f"{AUDIT}?action=queue.create&limit=2&cursor={first.body['next_cursor']}")
    subjects = [entry["subject"] for entry in (*first.body["audit"], *second.body["audit"])]
    assert (subjects, second.body["next_cursor"]) == (["c", "b", "a"], None)
    for wrong in ("user_id=x", "action=queue.burn", "colour=red", "created_from=yesterday"):
        assert (await root.get(f"{AUDIT}?{wrong}")).status == 422


async def test_no_change_without_its_entry(app: web.Application, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    root, store = await admin(api), app[STORE]
    hold = new_hold(user_id=root.id)
    await store.holds.put([hold])
    await keep(store, 1, user_id=root.id, due_at=utc_now() + timedelta(days=1))

    async def away(_entry: object) -> None:
        raise StoreUnavailableError("away")

    with monkeypatch.context() as broken:
        broken.setattr(store.audit, "put", away)
        for method, path, body in (
            ("POST", "/api/v1/queues/default/stop", None),
            ("PUT", "/api/v1/queues/new", {}),
            ("POST", f"/api/v1/holds/{hold.id}/release", None),
            ("POST", "/api/v1/messages/cancel", {"all": True}),
            ("POST", "/api/v1/api-keys", {"name": "x"}),
        ):
            assert (await root.send(method, path, body)).status == 503, path
    queues = (await root.get("/api/v1/queues")).body["queues"]
    assert [(queue["name"], queue["active"]) for queue in queues] == [("default", True)]
    assert len((await root.get("/api/v1/holds")).body["holds"]) == 1
    assert (await root.get("/api/v1/api-keys")).body["api_keys"] == []
    assert [each["status"] for each in (await root.get("/api/v1/messages")).body["messages"]] == ["pending"]


def test_long_things_are_cut() -> None:
    said = bounded({"names": ["x" * 1000] * 50, "deep": {"text": "y" * 201}, "count": 5})
    assert said["names"][-1] == "and 30 more"
    assert len(said["names"]) == MAX_LISTED + 1
    assert said["deep"] == {"text": f"{'y' * MAX_TEXT}…"}
    assert said["count"] == 5
