"""api/accounts/api_keys_routes.py, api/accounts/api_keys.py, credentials.py and last_use.py: programs with a key."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from api.accounts import api_keys, credentials
from api.accounts.credentials import LIFE_SECONDS, Credentials
from api.accounts.last_use import LastUse
from api.accounts.tokens import Tokens
from api.http.resources import ACCOUNTS, STORE
from sql.store import Store
from tests.clock import Clock
from tests.factories import new_hold
from tests.integration.api.accounts.people import Person, admin, join, operator
from tests.integration.api.client import MESSAGE, Api
from tidings.domain.account import Role
from tidings.domain.errors import StoreUnavailableError
from tidings.domain.suppression import SuppressionReason
from tidings.domain.timestamps import utc_now

KEYS = "/api/v1/api-keys"


async def test_a_key_is_shown_once_and_acts_as_its_user(api: Api) -> None:
    ada = await join(api)
    made = await ada.post(KEYS, {"name": "nightly report"})
    assert (made.status, made.headers["Cache-Control"]) == (201, "no-store")
    program = Person(api=api, credential=made.body["key"])
    assert (await program.get("/api/v1/me")).body["id"] == str(ada.id)
    [listed] = (await ada.get(KEYS)).body["api_keys"]
    assert (listed["name"], listed["revoked_at"]) == ("nightly report", None)
    assert made.body["key"].startswith(listed["prefix"])
    assert made.body["key"] not in str((await ada.get(KEYS)).body)


async def test_nearly_the_key_is_not_the_key(api: Api) -> None:
    program = await (await join(api)).key()
    for wrong in (program.credential[:-1], f"{program.credential}x", f"{program.credential[:21]}{'x' * 43}"):
        assert (await Person(api=api, credential=wrong).get("/api/v1/me")).status == 401


async def test_a_revoked_key_is_no_longer_good(api: Api) -> None:
    ada = await join(api)
    program, other = await ada.key(), await ada.key()
    key_id = (await ada.get(KEYS)).body["api_keys"][0]["id"]
    assert (await program.get("/api/v1/me")).status == 200
    for _ in range(2):
        revoked = await ada.send("DELETE", f"{KEYS}/{key_id}")
        assert (revoked.status, revoked.body["revoked_at"] is None) == (200, False)
    assert [(await who.get("/api/v1/me")).status for who in (program, other, ada)] == [401, 200, 200]


@pytest.mark.parametrize("key_id", [uuid4(), "x", "%00"])
async def test_an_unknown_key(api: Api, key_id: object) -> None:
    assert (await (await join(api)).send("DELETE", f"{KEYS}/{key_id}")).status == 404


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a" * 101, 1])
async def test_a_name_that_cannot_be(api: Api, name: object) -> None:
    answer = await (await join(api)).post(KEYS, {"name": name})
    assert (answer.status, answer.faults) == (422, [(None, "name")])


async def test_only_an_admin_gives_a_key_channels_that_its_user_has_not(api: Api) -> None:
    ada, root = await join(api), await admin(api)
    assert (await ada.post(KEYS, {"name": "sms", "channels": ["sms"]})).status == 403
    assert (await ada.post(KEYS, {"name": "mail", "channels": ["email"]})).body["channels"] == ["email"]
    unknown = await root.post(KEYS, {"name": "sms", "channels": ["pigeon"]})
    assert (unknown.status, unknown.faults) == (422, [(None, "channels")])
    given = await root.post(f"/api/v1/users/{ada.id}/api-keys", {"name": "sms", "channels": ["sms"]})
    assert (given.status, given.body["channels"]) == (201, ["sms"])
    program = Person(api=api, credential=given.body["key"])
    sent = await program.post("/api/v1/messages", MESSAGE)
    assert sent.status == 201
    # It is Ada's message, and she still may not do that herself.
    assert (await ada.get(f"/api/v1/messages/{sent.body['id']}")).status == 200
    assert (await ada.post("/api/v1/messages", MESSAGE)).status == 422
    listed = (await root.get(f"/api/v1/users/{ada.id}/api-keys")).body["api_keys"]
    assert [key["id"] for key in listed[1:]] == [given.body["id"]]
    assert (await root.send("DELETE", f"/api/v1/users/{ada.id}/api-keys/{listed[1]['id']}")).status == 200
    assert (await program.get("/api/v1/me")).status == 401


async def test_keys_of_nobody(api: Api) -> None:
    root = await admin(api)
    for method, body in (("GET", None), ("POST", {"name": "x"})):
        assert (await root.send(method, f"/api/v1/users/{uuid4()}/api-keys", body)).status == 404
        assert (await operator(api).send(method, KEYS, body)).status == 404


async def test_its_last_use_is_noted_in_one_go(app: web.Application, api: Api) -> None:
    ada = await join(api)
    program = await ada.key()
    for _ in range(3):
        await program.get("/api/v1/me")
    [before] = (await ada.get(KEYS)).body["api_keys"]
    assert before["last_used_at"] is None
    await app[ACCOUNTS].last_use.flush()
    [after] = (await ada.get(KEYS)).body["api_keys"]
    assert datetime.fromisoformat(after["last_used_at"]) > datetime.fromisoformat(before["created_at"])


async def test_what_another_process_changes_holds_here_within_seconds(app: web.Application, api: Api) -> None:
    ada = await join(api)
    program = await ada.key()
    store: Store = app[STORE]
    clock = Clock()
    last_use = LastUse(store.api_keys)
    tokens = Tokens(("signs tokens " * 4).encode())
    sessions_use = LastUse(store.sessions)
    elsewhere = Credentials(store, tokens, last_use, sessions_use, default_channels=("email",), clock=clock)
    assert ada.id is not None

    async def seen(credential: str) -> object:
        principal = await elsewhere.principal(credential)
        return principal and principal.role

    assert [await seen(who.credential) for who in (ada, program)] == [Role.USER, Role.USER]
    await store.users.update(ada.id, role=Role.ADMIN)
    [key] = await store.api_keys.list(ada.id)
    await store.api_keys.revoke(ada.id, key.id)
    assert [await seen(who.credential) for who in (ada, program)] == [Role.USER, Role.USER]
    clock.now += LIFE_SECONDS
    assert [await seen(who.credential) for who in (ada, program)] == [Role.ADMIN, None]
    await store.users.update(ada.id, password_hash="changed")
    clock.now += LIFE_SECONDS
    assert await seen(ada.credential) is None
    assert LIFE_SECONDS <= 10
    await last_use.close()
    await sessions_use.close()


async def test_a_use_that_could_not_be_noted_is_noted_later(
    app: web.Application, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await join(api)
    await (await ada.key()).get("/api/v1/me")
    last_use, store = app[ACCOUNTS].last_use, app[STORE].api_keys
    with monkeypatch.context() as broken:

        async def away(_ids: object) -> None:
            raise StoreUnavailableError("away")

        broken.setattr(store, "touch", away)
        await last_use.flush()
    await last_use.close()
    [key] = (await ada.get(KEYS)).body["api_keys"]
    assert key["last_used_at"] is not None


ALL = ["send", "read", "manage", "admin"]
SMTP = {"smtp": {"host": "mail.evil.example", "port": 587}}


@pytest.mark.parametrize(
    ("scopes", "done"),
    [(["send"], "send"), (["read"], "read"), (["manage"], "manage"), (["admin"], "admin"), (ALL, " ".join(ALL))],
)
async def test_a_key_does_what_its_scopes_name(api: Api, scopes: list[str], done: str) -> None:
    ada = await join(api)
    mail = {**MESSAGE, "channel": "email", "recipient": "bob@example.com"}
    message_id = (await ada.post("/api/v1/messages", mail)).body["id"]
    program = await ada.key(scopes=scopes)
    asked = {
        "send": await program.post("/api/v1/messages", mail),
        "read": await program.get(f"/api/v1/messages/{message_id}"),
        "manage": await program.post(f"/api/v1/messages/{message_id}/cancel"),
        "admin": await program.send("PATCH", "/api/v1/me", SMTP),
    }
    assert [scope for scope, answer in asked.items() if answer.status < 300] == done.split()
    refused = [answer for scope, answer in asked.items() if scope not in scopes]
    assert {answer.status for answer in refused} <= {403}
    assert all("scope" in answer.body["detail"] for answer in refused)


async def test_a_key_changes_no_credentials_unless_somebody_says_so(api: Api) -> None:
    """Whoever steals it cannot make it last."""
    for owner in (await join(api), await admin(api)):
        program = await owner.key()
        for method, path, body in (
            ("PATCH", "/api/v1/me", SMTP),
            ("POST", "/api/v1/me/webhook-secret/rotate", None),
            ("POST", KEYS, {"name": "another"}),
            ("GET", KEYS, None),
            ("POST", "/api/v1/users", {"email": "x@example.com", "password": "x" * 12, "role": "admin"}),
        ):
            assert (await program.send(method, path, body)).status == 403, (method, path)


async def test_an_admins_key_is_a_users_unless_somebody_says_so(api: Api) -> None:
    ada, root = await join(api), await admin(api)
    theirs = (await operator(api).post("/api/v1/messages", MESSAGE)).body["id"]
    plain, whole = await root.key(), await root.key(role="admin", scopes=ALL)
    assert [(await who.get("/api/v1/queues")).status for who in (plain, whole)] == [200, 200]
    assert [(await who.get(f"/api/v1/messages/{theirs}")).status for who in (plain, whole)] == [404, 200]
    assert [(await who.post("/api/v1/queues/default/start")).status for who in (plain, whole)] == [403, 200]
    assert (await ada.post(KEYS, {"name": "x", "role": "admin"})).faults == [(None, "role")]
    given = await root.post(f"/api/v1/users/{ada.id}/api-keys", {"name": "x", "role": "admin"})
    assert given.faults == [(None, "role")]
    child = await plain.post(KEYS, {"name": "x", "role": "admin"})
    assert child.status == 403


async def test_a_key_that_a_key_made_has_no_more_than_it_and_ends_with_it(api: Api) -> None:
    ada = await join(api)
    end = utc_now() + timedelta(hours=1)
    limits = {"scopes": ["admin", "read"], "channels": ["email"], "queues": ["default"], "expires_at": end}
    maker = await ada.key(**limits)
    for more in (
        {"scopes": ["send"]},
        {"scopes": ALL},
        {"channels": ["email", "webhook"]},
        {"queues": ["default", "night"]},
    ):
        assert (await maker.post(KEYS, {"name": "child", **more})).status == 403, more
    late = await maker.post(KEYS, {"name": "child", "expires_at": end + timedelta(seconds=1)})
    assert late.faults == [(None, "expires_at")]
    child = await maker.post(KEYS, {"name": "child"})
    assert child.status == 201, child.body
    [made, listed] = (await ada.get(KEYS)).body["api_keys"]
    for name, value in (("scopes", ["read"]), ("channels", ["email"]), ("queues", ["default"])):
        assert listed[name] == child.body[name] == value
    assert (listed["parent_id"], listed["expires_at"]) == (made["id"], made["expires_at"])
    program = Person(api=api, credential=child.body["key"])
    assert (await program.get("/api/v1/me")).status == 200
    await ada.send("DELETE", f"{KEYS}/{made['id']}")
    assert [(await who.get("/api/v1/me")).status for who in (maker, program)] == [401, 401]


async def test_an_expired_key_is_no_longer_good(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, end = await join(api), utc_now() + timedelta(hours=1)
    past = await ada.post(KEYS, {"name": "x", "expires_at": utc_now() - timedelta(seconds=1)})
    assert past.faults == [(None, "expires_at")]
    program = await ada.key(expires_at=end)
    assert (await program.get("/api/v1/me")).status == 200
    # It is in the cache, which has to look at the clock too.
    monkeypatch.setattr(credentials, "utc_now", lambda: end)
    assert (await program.get("/api/v1/me")).status == 401


async def test_a_user_has_so_many_keys_at_most(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "MOST_KEYS", 2)
    ada = await join(api)
    assert [(await ada.post(KEYS, {"name": "x"})).status for _ in range(3)] == [201, 201, 409]


async def everything(who: Person) -> dict[str, Any]:
    """What the lists show: how many of each."""
    found = {}
    for path, name in (
        ("/api/v1/messages", "messages"),
        ("/api/v1/holds", "holds"),
        ("/api/v1/suppressions", "suppressions"),
        ("/api/v1/queues", "queues"),
    ):
        answer = await who.get(path)
        assert answer.status == 200, answer.body
        found[name] = len(answer.body[name])
    return found


@pytest.mark.parametrize(
    ("limits", "seen"),
    [
        ({}, {"messages": 4, "holds": 1, "suppressions": 1, "queues": 2}),
        ({"channels": ["webhook"]}, {"messages": 2, "holds": 1, "suppressions": 0, "queues": 2}),
        ({"channels": ["email"]}, {"messages": 2, "holds": 0, "suppressions": 1, "queues": 2}),
        ({"queues": ["night"]}, {"messages": 2, "holds": 1, "suppressions": 1, "queues": 1}),
        ({"channels": ["email"], "queues": ["night"]}, {"messages": 1, "holds": 0, "suppressions": 1, "queues": 1}),
        ({"channels": []}, {"messages": 0, "holds": 0, "suppressions": 0, "queues": 2}),
        ({"queues": []}, {"messages": 0, "holds": 1, "suppressions": 1, "queues": 0}),
    ],
)
async def test_a_limited_key_sees_and_changes_its_channels_and_queues(
    app: web.Application, api: Api, limits: dict[str, Any], seen: dict[str, int]
) -> None:
    ada, root = await join(api), await admin(api)
    await root.send("PUT", "/api/v1/queues/night", {})
    later = {"content": "x", "due_at": (utc_now() + timedelta(days=1)).isoformat()}
    targets = (
        {"channel": "email", "recipient": "b@example.com"},
        {"channel": "webhook", "recipient": "https://b.test/"},
    )
    wanted = [{**target, **later, "queue": queue} for target in targets for queue in ("default", "night")]
    ids = [(await ada.post("/api/v1/messages", each)).body["id"] for each in wanted]
    hold = new_hold(user_id=ada.id, channel="webhook")
    await app[STORE].holds.put([hold])
    await app[STORE].suppressions.put(ada.id, {"c@example.com": None}, SuppressionReason.MANUAL)
    program = await ada.key(**limits)
    assert await everything(program) == seen
    count = seen["messages"]
    assert [(await program.get(f"/api/v1/messages/{each}")).status for each in ids].count(200) == count
    assert [(await program.post(f"/api/v1/messages/{each}/cancel")).status for each in ids].count(200) == count
    assert (await program.post("/api/v1/messages/retry", {"all": True})).body["count"] == count
    assert (await program.post("/api/v1/messages/cancel", {"all": True})).body["count"] == count
    assert [(await program.post(f"/api/v1/messages/{each}/retry")).status for each in ids].count(200) == count
    assert [(await program.post("/api/v1/messages", each)).status for each in wanted].count(201) == count
    # A hold and a suppression are of every queue.
    released = await program.post(f"/api/v1/holds/{hold.id}/release")
    assert released.status == (403 if "queues" in limits else 200 if seen["holds"] else 404)
    added = await program.post("/api/v1/suppressions", {"address": "d@example.com"})
    assert added.status == (403 if "queues" in limits or not seen["suppressions"] else 201)


async def test_an_admins_limited_key_is_limited_too(api: Api) -> None:
    root = await admin(api)
    await root.send("PUT", "/api/v1/queues/night", {})
    by_queue = await root.key(role="admin", scopes=ALL, queues=["night"])
    by_channel = await root.key(role="admin", scopes=ALL, channels=["email"])
    for who, allowed in ((by_queue, ["night"]), (by_channel, [])):
        switched = {name: (await who.post(f"/api/v1/queues/{name}/stop")).status for name in ("default", "night")}
        assert switched == {name: 200 if name in allowed else 403 for name in switched}
        assert (await who.send("PUT", "/api/v1/queues/new", {})).status == 403
        for path in ("/api/v1/overview", "/api/v1/users", KEYS):
            assert (await who.get(path)).status == 403, path
        mallory = {"email": "m@example.com", "password": "x" * 12, "role": "admin"}
        assert (await who.post("/api/v1/users", mallory)).status == 403
        assert (await who.send("PATCH", "/api/v1/me", SMTP)).status == 403
