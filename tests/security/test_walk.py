"""Every operation, asked with every credential that must not do: it says so, shows nothing and changes nothing.

The wrong user is in tests/integration/api/accounts/test_isolation.py, which walks the same routes.
"""

import aiohttp
import pytest
from aiohttp import web

from api.http.auth import LIMITED_KEY, NOT_ADMIN
from api.http.resources import STORE
from api.openapi.operation import Access, needs_of
from tests.integration.api.accounts.people import admin
from tests.integration.api.accounts.test_isolation import Belongings, ask, everything_but, routes
from tests.security.walk import ALL, LET_IN, STRANGERS, Stranger, Walk
from tidings.domain.ids import new_id

REFUSALS = (NOT_ADMIN, LIMITED_KEY, "this API key has not the scope")


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
async def test_a_credential_that_must_not_do(
    app: web.Application, session: aiohttp.ClientSession, belongings: Belongings, stranger: Stranger
) -> None:
    who = await stranger.make(Walk(app, belongings))
    before, asked = await everything_but(app[STORE], new_id()), 0
    for route, (method, pattern, name) in zip(app.router.routes(), routes(app), strict=True):
        needs = needs_of(route.handler)
        if needs.access is Access.EVERYBODY or (expected := stranger.status(needs)) is LET_IN:
            continue
        for path in belongings.paths(pattern):
            status, said = await ask(session, who, method, path, belongings.body(name))
            assert status == expected, (method, path, said)
            for mark in belongings.marks:
                assert mark not in said.replace(path, ""), (method, path)
            asked += 1
    assert asked > 10
    assert await everything_but(app[STORE], new_id()) == before


@pytest.mark.parametrize("limits", [{"channels": []}, {"queues": []}], ids=["channels", "queues"])
async def test_a_key_that_is_for_nothing_sees_and_changes_nothing(
    app: web.Application, session: aiohttp.ClientSession, belongings: Belongings, limits: dict[str, list[str]]
) -> None:
    """Not even an admin's: no message is shown, cancelled or retried, none is taken, and no queue is switched."""
    program = await (await admin(belongings.ada.api)).key(scopes=ALL, role="admin", **limits)
    messages = {str(each) for each in (belongings.waiting, belongings.cancelled, belongings.sent, belongings.mail)}
    before = await everything_but(app[STORE], new_id())
    for method, pattern, name in routes(app):
        if "api-keys" in pattern:
            continue  # it may make a key that is for nothing
        for path in belongings.paths(pattern):
            status, said = await ask(session, program, method, path, belongings.body(name))
            assert status != 500, (method, path, said)
            assert not any(each in said.replace(path, "") for each in messages), (method, path, said)
            if "{id}" in pattern and "/messages/" in pattern:
                assert status == 404, (method, path, said)
    after = await everything_but(app[STORE], new_id())
    # But for what it may see all of: holds and suppressions are of every queue, and of their own channels.
    assert after == before


async def test_whom_they_are_for_they_let_in(
    app: web.Application, session: aiohttp.ClientSession, belongings: Belongings
) -> None:
    """So that a refusal above was for the right reason."""
    program = await (await admin(belongings.ada.api)).key(scopes=ALL, role="admin")
    for route, (method, pattern, name) in zip(app.router.routes(), routes(app), strict=True):
        if needs_of(route.handler).access is Access.EVERYBODY:
            continue
        for path in belongings.paths(pattern):
            _, said = await ask(session, program, method, path, belongings.body(name))
            assert not any(refusal in said for refusal in REFUSALS), (method, path, said)
