"""api/accounts/sessions_routes.py and sessions.py: a logout ends a session, and whoever holds its token has nothing."""

from typing import Any

import aiohttp
import jwt
import msgspec
import pytest
from aiohttp import web
from yarl import URL

from api.accounts import sessions
from api.accounts.credentials import LIFE_SECONDS, Credentials
from api.accounts.errors import WrongCredentialsError
from api.accounts.last_use import LastUse
from api.http.resources import ACCOUNTS, STORE, TOKENS
from sql.store import Store
from tests.clock import Clock
from tests.integration.api.accounts.people import PASSWORD, Person, admin, join, log_in, operator
from tests.integration.api.client import JSON, Api

SESSIONS = "/api/v1/me/sessions"
ME = "/api/v1/me"
ADA = {"email": "ada@example.com", "password": PASSWORD}
PAGE = {"Sec-Fetch-Site": "same-origin"}


async def listed(who: Person) -> list[dict[str, Any]]:
    answer = await who.get(SESSIONS)
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.body["sessions"]
    return found


async def alive(*people: Person) -> list[bool]:
    return [(await who.get(ME)).status == 200 for who in people]


async def test_logins_are_listed_the_newest_first(api: Api) -> None:
    ada = await join(api)
    answer = await api.post("/api/v1/tokens", ADA, **{"User-Agent": "a browser " + "x" * 300})
    browser = msgspec.structs.replace(ada, credential=answer.body["token"])
    first, second = await listed(browser)
    assert (first["current"], second["current"]) == (True, False)
    assert (first["address"], first["client"]) == ("127.0.0.1", ("a browser " + "x" * 300)[:200])
    assert first["expires_at"] == answer.body["expires_at"]
    page = await browser.get(f"{SESSIONS}?limit=1")
    rest = await browser.get(f"{SESSIONS}?cursor={page.body['next_cursor']}")
    assert [page.body["sessions"][0]["id"], rest.body["sessions"][0]["id"]] == [first["id"], second["id"]]


async def test_one_is_ended_at_once_and_the_others_go_on(api: Api) -> None:
    ada, stolen = await join(api), await log_in(api, "ada@example.com")
    program = await ada.key()
    assert await alive(ada, stolen, program) == [True, True, True]
    session_id = (await listed(stolen))[0]["id"]
    ended = await ada.send("DELETE", f"{SESSIONS}/{session_id}")
    assert (ended.status, ended.body["id"], ended.body["current"]) == (200, session_id, False)
    assert await alive(ada, stolen, program) == [True, False, True]
    assert [each["current"] for each in await listed(ada)] == [True]
    for wrong in (session_id, "x", "%00"):
        assert (await ada.send("DELETE", f"{SESSIONS}/{wrong}")).status == 404


async def test_logging_out_everywhere(api: Api) -> None:
    ada, elsewhere, bob = await join(api), await log_in(api, "ada@example.com"), await join(api, "bob@example.com")
    program = await ada.key()
    ended = await ada.send("DELETE", SESSIONS)
    assert (ended.status, ended.body) == (200, {"count": 2})
    assert await alive(ada, elsewhere, program, bob) == [False, False, True, True]
    assert len(await listed(await log_in(api, "ada@example.com"))) == 1


async def test_a_new_password_ends_them(app: web.Application, api: Api) -> None:
    ada, root = await join(api), await admin(api)
    changed = {"password": "another " + PASSWORD, "current_password": PASSWORD}
    assert (await ada.send("PATCH", ME, changed)).status == 200
    assert await listed(await log_in(api, "ada@example.com", "another " + PASSWORD)) != []
    # From the command line too.
    assert root.id is not None
    await app[STORE].users.update(root.id, password_hash="changed")
    assert await app[STORE].sessions.page(root.id, before=None, limit=10) == []


async def test_logging_out_of_the_dashboard_ends_the_session(api: Api) -> None:
    await join(api)
    answer = await api.send("POST", "/dashboard/session", body=ADA, headers={**JSON, **PAGE})
    held = answer.headers["Set-Cookie"].partition(";")[0]
    copied = Person(api=api, credential=held.partition("=")[2])
    assert await alive(copied) == [True]
    foreign = await api.send("DELETE", "/dashboard/session", headers={"Sec-Fetch-Site": "cross-site", "Cookie": held})
    assert foreign.status == 403
    assert await alive(copied) == [True]
    async with aiohttp.ClientSession() as browser:
        headers = {**PAGE, "Cookie": held}
        for _ in range(2):
            async with browser.delete(api.url.join(URL("/dashboard/session")), headers=headers) as left:
                assert left.status == 204
                assert left.headers["Set-Cookie"].startswith('tidings_session=""')
    assert await alive(copied) == [False]


async def test_it_ends_in_other_processes_within_seconds(app: web.Application, api: Api) -> None:
    ada, store, clock = await join(api), app[STORE], Clock()
    used = [LastUse(store.api_keys), LastUse(store.sessions)]
    elsewhere = Credentials(store, app[TOKENS], *used, default_channels=(), clock=clock)
    assert await elsewhere.principal(ada.credential) is not None
    await ada.send("DELETE", f"{SESSIONS}/{(await listed(ada))[0]['id']}")
    assert await alive(ada) == [False]
    clock.now += LIFE_SECONDS
    assert await elsewhere.principal(ada.credential) is None
    for each in used:
        await each.close()


async def test_a_token_from_before_there_were_sessions_ends_with_all(app: web.Application, api: Api) -> None:
    ada = await join(api)
    claims = jwt.decode(ada.credential, options={"verify_signature": False})
    del claims["jti"]
    old = msgspec.structs.replace(ada, credential=jwt.encode(claims, "signs tokens " * 4, "HS256"))
    assert await alive(old) == [True]
    assert (await old.send("DELETE", SESSIONS)).body == {"count": 1}
    assert await alive(old, ada) == [False, False]


async def test_a_login_with_a_password_that_is_being_changed_begins_none(app: web.Application, api: Api) -> None:
    ada, store = await join(api), app[STORE]
    assert ada.id is not None
    user = await store.users.get(ada.id)
    assert user is not None
    await store.users.update(ada.id, password_hash="changed")
    with pytest.raises(WrongCredentialsError):
        await app[ACCOUNTS].sessions.begin(user, address=None, client=None)
    assert await store.sessions.page(ada.id, before=None, limit=10) == []


async def test_the_oldest_end_where_there_are_too_many(
    app: web.Application, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MOST_SESSIONS", 2)
    people = [await join(api), *[await log_in(api, "ada@example.com") for _ in range(2)]]
    assert await alive(*people) == [False, True, True]


async def test_the_operator_has_none(api: Api) -> None:
    for method in ("GET", "DELETE"):
        assert (await operator(api).send(method, SESSIONS)).status == 404


async def test_what_is_over_is_forgotten(app: web.Application, api: Api) -> None:
    ada, store = await join(api), app[STORE]
    await log_in(api, "ada@example.com")
    [newest, _] = await listed(ada)
    async with store.database.transaction() as connection:
        await connection.execute("UPDATE sessions SET expires_at = now() WHERE id = $1", newest["id"])
    assert len(await listed(ada)) == 1
    await store.sessions.forget()
    assert await count(store) == 1


async def test_its_last_use_is_recorded(app: web.Application, api: Api) -> None:
    ada = await join(api)
    assert (await listed(ada))[0]["last_used_at"] is None
    await app[ACCOUNTS].sessions_use.flush()
    assert (await listed(ada))[0]["last_used_at"] is not None


async def count(store: Store) -> int:
    async with store.database.pool.acquire() as connection:
        found: int = await connection.fetchval("SELECT count(*) FROM sessions")
        return found
