"""A stream of overviews ends for whoever may not see it any more."""

import aiohttp
from aiohttp import web

from api.http.resources import FEED
from tests.eventually import eventually
from tests.integration.api.accounts.people import admin, operator
from tests.integration.api.client import Api


async def test_who_is_no_admin_any_more_sees_no_more(app: web.Application, api: Api) -> None:
    root = await admin(api)
    await admin(api, "another@example.com")
    app[FEED]._every = 0.02
    headers = {"Authorization": f"Bearer {root.credential}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(api.url / "api/v1/overview/events") as response,
    ):
        assert response.status == 200
        assert await response.content.readuntil(b"\n\n")
        assert (await operator(api).send("PATCH", f"/api/v1/users/{root.id}", {"role": "user"})).status == 200

        async def ended() -> bool:
            return not app[FEED].listeners

        await eventually(ended)
        while await response.content.readany():
            pass
        assert response.content.at_eof()
