"""Every route of the API."""

from typing import Final

from aiohttp import web

from api.routes import health, messages, queues

ROUTES: Final = (
    web.get("/health", health.stores),
    web.get("/health/live", health.live),
    web.get("/health/ready", health.ready),
    web.post("/api/v1/messages", messages.create),
    web.get("/api/v1/messages", messages.list_page),
    web.post("/api/v1/messages/batch", messages.create_batch),
    web.get("/api/v1/messages/{id}", messages.get),
    web.get("/api/v1/messages/{id}/attempts", messages.attempts),
    web.post("/api/v1/messages/{id}/cancel", messages.cancel),
    web.post("/api/v1/messages/{id}/retry", messages.retry),
    web.get("/api/v1/queues", queues.list_all),
    web.get("/api/v1/queues/{name}", queues.get),
    web.put("/api/v1/queues/{name}", queues.put),
    web.post("/api/v1/queues/{name}/start", queues.start),
    web.post("/api/v1/queues/{name}/stop", queues.stop),
)
