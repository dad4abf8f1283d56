"""The dashboard's routes. Not among them is `/`, which programs ask too: `api.compat.messaging_server`."""

from typing import Final

from aiohttp import web

from api.dashboard import pages, session

ROUTES: Final = (
    web.get("/dashboard/session", session.get),
    web.post("/dashboard/session", session.log_in),
    web.delete("/dashboard/session", session.log_out),
    web.get("/dashboard/static/{name:.+}", pages.file),
)
