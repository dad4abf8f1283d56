"""The walk of every operation, with credentials that must not do.

Each kind of stranger is a row of `STRANGERS`: how its credential is made, and the status that an operation answers it
with, by what the operation declares. Another kind is another row.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, NamedTuple

from aiohttp import web

from api.http.resources import STORE
from api.openapi.operation import Access, Needs
from tests.integration.api.accounts.people import Person, admin, log_in
from tests.integration.api.accounts.test_isolation import ADAS_ADDRESS, Belongings
from tidings.domain.api_key import Scope
from tidings.domain.timestamps import utc_now

ALL: Final = list(Scope)
KEYS: Final = "/api/v1/api-keys"
LET_IN: Final = None
"""Past authentication: what comes then depends on the thing that is asked for."""


class Walk(NamedTuple):
    """Whom a stranger is made beside."""

    app: web.Application
    belongings: Belongings


class Stranger(NamedTuple):
    """A kind of credential."""

    make: Callable[[Walk], Awaitable[Person]]
    status: Callable[[Needs], int | None]
    """That of an operation that asks for a credential."""


async def nobody(walk: Walk) -> Person:
    return Person(api=walk.belongings.ada.api, credential="")


async def forger(walk: Walk) -> Person:
    return Person(api=walk.belongings.ada.api, credential="tdg_0123456789abcdef_guess")


async def revoked_key(walk: Walk) -> Person:
    program = await walk.belongings.ada.key(name="revoked", scopes=ALL)
    await _revoke(walk.belongings.ada, "revoked")
    return program


async def revoked_parents_key(walk: Walk) -> Person:
    """A key that a key made, whose own maker was revoked."""
    parent = await walk.belongings.ada.key(name="parent", scopes=ALL)
    child = await (await parent.key(scopes=ALL)).key(scopes=ALL)
    assert (await child.get("/api/v1/me")).status == 200
    await _revoke(walk.belongings.ada, "parent")
    return child


async def expired_key(walk: Walk) -> Person:
    ada = walk.belongings.ada
    program = await ada.key(name="expired", scopes=ALL, expires_at=utc_now() + timedelta(days=1))
    async with walk.app[STORE].database.transaction() as connection:
        await connection.execute("UPDATE api_keys SET expires_at = now() WHERE name = 'expired'")
    return program


async def ended_session(walk: Walk) -> Person:
    person = await log_in(walk.belongings.ada.api, ADAS_ADDRESS)
    [current] = [each["id"] for each in (await person.get("/api/v1/me/sessions")).body["sessions"] if each["current"]]
    await walk.belongings.ada.send("DELETE", f"/api/v1/me/sessions/{current}")
    return person


async def session_before_a_logout_everywhere(walk: Walk) -> Person:
    person = await log_in(walk.belongings.ada.api, ADAS_ADDRESS)
    await person.send("DELETE", "/api/v1/me/sessions")
    return person


async def users_key(walk: Walk) -> Person:
    """Of an admin, and still a user's: nobody said otherwise."""
    return await (await admin(walk.belongings.ada.api)).key(scopes=ALL)


async def key_of_no_channel(walk: Walk) -> Person:
    return await (await admin(walk.belongings.ada.api)).key(scopes=ALL, role="admin", channels=[])


async def key_of_no_queue(walk: Walk) -> Person:
    return await (await admin(walk.belongings.ada.api)).key(scopes=ALL, role="admin", queues=[])


def key_of(*scopes: Scope) -> Callable[[Walk], Awaitable[Person]]:
    async def made(walk: Walk) -> Person:
        return await (await admin(walk.belongings.ada.api)).key(scopes=list(scopes), role="admin")

    return made


async def _revoke(owner: Person, name: str) -> None:
    [key] = [key["id"] for key in (await owner.get(KEYS)).body["api_keys"] if key["name"] == name]
    assert (await owner.send("DELETE", f"{KEYS}/{key}")).status == 200


def unknown(_needs: Needs) -> int | None:
    return 401


def without(*scopes: Scope) -> Callable[[Needs], int | None]:
    """Refused but for these scopes."""
    return lambda needs: LET_IN if needs.scope in scopes else 403


STRANGERS: Final = {
    "no credential": Stranger(nobody, unknown),
    "a forged key": Stranger(forger, unknown),
    "a revoked key": Stranger(revoked_key, unknown),
    "the key of a revoked key": Stranger(revoked_parents_key, unknown),
    "an expired key": Stranger(expired_key, unknown),
    "an ended session": Stranger(ended_session, unknown),
    "a session after a logout everywhere": Stranger(session_before_a_logout_everywhere, unknown),
    "an admin's key as a user": Stranger(users_key, lambda needs: 403 if needs.access is Access.ADMINS else LET_IN),
    "a key that only sends": Stranger(key_of(Scope.SEND), without(Scope.SEND)),
    "a key that only reads": Stranger(key_of(Scope.READ), without(Scope.READ)),
    "a key that only manages": Stranger(key_of(Scope.MANAGE), without(Scope.MANAGE)),
    "a key for accounts alone": Stranger(key_of(Scope.ADMIN), without(Scope.ADMIN)),
    "a key of no channel": Stranger(key_of_no_channel, lambda needs: 403 if needs.whole else LET_IN),
    "a key of no queue": Stranger(key_of_no_queue, lambda needs: 403 if needs.whole else LET_IN),
}
