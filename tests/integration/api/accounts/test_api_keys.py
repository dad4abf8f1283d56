"""api/accounts/api_keys_routes.py, api/accounts/api_keys.py, credentials.py and last_use.py: programs with a key."""

from datetime import datetime
from uuid import uuid4

import pytest
from aiohttp import web

from api.accounts.credentials import LIFE_SECONDS, Credentials
from api.accounts.last_use import LastUse
from api.accounts.tokens import Tokens
from api.http.resources import ACCOUNTS, STORE
from sql.store import Store
from tests.clock import Clock
from tests.integration.api.accounts.people import Person, admin, join, operator
from tests.integration.api.client import MESSAGE, Api
from tidings.domain.account import Role
from tidings.domain.errors import StoreUnavailableError

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


async def test_only_an_admin_gives_a_key_its_channels(api: Api) -> None:
    ada, root = await join(api), await admin(api)
    assert (await ada.post(KEYS, {"name": "sms", "channels": ["sms"]})).status == 403
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
    assert [key["id"] for key in listed] == [given.body["id"]]
    assert (await root.send("DELETE", f"/api/v1/users/{ada.id}/api-keys/{listed[0]['id']}")).status == 200
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
    elsewhere = Credentials(store, tokens, last_use, default_channels=("email",), clock=clock)
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
