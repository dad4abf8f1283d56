"""Every route of the API.

A handler declares who may use it, what it reads and what it returns, in a decorator: `api/openapi/operation.py` shows
how. One that declares nothing cannot be routed. The order here is that of the document.
"""

from typing import Final

from aiohttp import web

from api.accounts import api_keys_routes as api_keys
from api.accounts import deletions_routes as deletions
from api.accounts import me_routes as me
from api.accounts import proofs_routes as proofs
from api.accounts import routes as accounts
from api.accounts import sessions_routes as sessions
from api.accounts import smtp_routes as smtp
from api.accounts import users_routes as users
from api.audit import routes as audit
from api.bounces import routes as bounces
from api.endpoints import replays
from api.endpoints import routes as endpoints
from api.events import reading_routes as event_reading
from api.events import routes as events
from api.explain import routes as explain
from api.gateways import routes as gateways
from api.health import routes as health
from api.holds import routes as holds
from api.messages import bulk, changes
from api.messages import routes as messages
from api.openapi import routes as reference
from api.overview import routes as overview
from api.queues import routes as queues
from api.quotas import routes as quotas
from api.suppressions import routes as suppressions

ROUTES: Final = (
    web.post("/api/v1/messages", messages.create),
    web.get("/api/v1/messages", messages.list_page),
    web.post("/api/v1/messages/batch", messages.create_batch),
    web.post("/api/v1/messages/cancel", bulk.cancel),
    web.post("/api/v1/messages/retry", bulk.retry),
    # Not `batch`, `cancel` or `retry`, which know POST only, and say so.
    web.get("/api/v1/messages/{id:[0-9A-Fa-f-]{36}}", messages.get),
    web.get("/api/v1/messages/{id}/attempts", messages.attempts),
    web.get("/api/v1/messages/{id}/explain", explain.get),
    web.post("/api/v1/messages/{id}/cancel", messages.cancel),
    web.post("/api/v1/messages/{id}/retry", messages.retry),
    web.get("/api/v1/changes/{change_id}", changes.get),
    web.post("/api/v1/changes/{change_id}/stop", changes.stop),
    web.get("/api/v1/endpoints", endpoints.list_page),
    web.post("/api/v1/endpoints", endpoints.create),
    web.get("/api/v1/endpoints/{endpoint_id}", endpoints.get),
    web.patch("/api/v1/endpoints/{endpoint_id}", endpoints.change),
    web.delete("/api/v1/endpoints/{endpoint_id}", endpoints.delete),
    web.post("/api/v1/endpoints/{endpoint_id}/disable", endpoints.disable),
    web.post("/api/v1/endpoints/{endpoint_id}/enable", endpoints.enable),
    web.post("/api/v1/endpoints/{endpoint_id}/secret/rotate", endpoints.rotate_secret),
    web.post("/api/v1/endpoints/{endpoint_id}/test", replays.try_out),
    web.post("/api/v1/endpoints/{endpoint_id}/recover", replays.recover),
    web.post("/api/v1/endpoints/{endpoint_id}/replay", replays.replay),
    web.post("/api/v1/events", events.create),
    web.get("/api/v1/events", event_reading.list_after),
    web.get("/api/v1/events/stream", event_reading.events, allow_head=False),
    web.get("/api/v1/events/reading", event_reading.get),
    web.put("/api/v1/events/reading", event_reading.put),
    web.get("/api/v1/events/{event_id}", events.get),
    web.post("/api/v1/events/{event_id}/replay", events.replay),
    web.get("/api/v1/holds", holds.list_all),
    web.post("/api/v1/holds/{hold_id}/release", holds.release),
    web.get("/api/v1/gateways", gateways.list_own),
    web.post("/api/v1/gateways", gateways.create),
    web.get("/api/v1/gateway-presets", gateways.presets),
    web.get("/api/v1/gateways/{gateway_id}", gateways.get),
    web.patch("/api/v1/gateways/{gateway_id}", gateways.change),
    web.delete("/api/v1/gateways/{gateway_id}", gateways.delete),
    web.post("/api/v1/bounces", bounces.take),
    web.get("/api/v1/suppressions", suppressions.list_page),
    web.post("/api/v1/suppressions", suppressions.add),
    web.delete("/api/v1/suppressions/{suppression_id}", suppressions.lift),
    web.get("/api/v1/overview", overview.get),
    web.get("/api/v1/overview/events", overview.events, allow_head=False),
    web.get("/api/v1/queues", queues.list_all),
    web.get("/api/v1/queues/{name}", queues.get),
    web.put("/api/v1/queues/{name}", queues.put),
    web.post("/api/v1/queues/{name}/start", queues.start),
    web.post("/api/v1/queues/{name}/stop", queues.stop),
    web.post("/api/v1/accounts", accounts.register),
    web.post("/api/v1/tokens", accounts.log_in),
    web.get("/api/v1/me", me.get),
    web.patch("/api/v1/me", me.change),
    web.get("/api/v1/me/quota", quotas.get_own),
    web.post("/api/v1/me/webhook-secret/rotate", me.rotate_webhook_secret),
    web.post("/api/v1/me/proof", proofs.send_proof),
    web.post("/api/v1/password-resets", proofs.ask_for_password),
    web.post("/api/v1/me/delete", deletions.delete_own),
    web.get("/api/v1/deletions/{deletion_id}", deletions.get),
    web.put("/api/v1/me/smtp", smtp.put_default),
    web.post("/api/v1/me/smtp/test", smtp.try_default),
    web.get("/api/v1/me/smtp-accounts", smtp.list_own),
    web.post("/api/v1/me/smtp-accounts", smtp.create),
    web.put("/api/v1/me/smtp-accounts/{name}", smtp.put),
    web.delete("/api/v1/me/smtp-accounts/{name}", smtp.delete),
    web.post("/api/v1/me/smtp-accounts/{name}/test", smtp.try_out),
    web.get("/api/v1/me/sessions", sessions.list_own),
    web.delete("/api/v1/me/sessions", sessions.end_all),
    web.delete("/api/v1/me/sessions/{session_id}", sessions.end_own),
    web.get("/api/v1/api-keys", api_keys.list_own),
    web.post("/api/v1/api-keys", api_keys.create_own),
    web.delete("/api/v1/api-keys/{key_id}", api_keys.revoke_own),
    web.get("/api/v1/users", users.list_page),
    web.post("/api/v1/users", users.create),
    web.get("/api/v1/users/{id}", users.get),
    web.patch("/api/v1/users/{id}", users.change),
    web.delete("/api/v1/users/{id}", deletions.delete_user),
    web.post("/api/v1/users/{id}/disable", users.disable),
    web.post("/api/v1/users/{id}/enable", users.enable),
    web.get("/api/v1/users/{id}/quota", quotas.get),
    web.put("/api/v1/users/{id}/quota", quotas.put),
    web.get("/api/v1/users/{id}/api-keys", api_keys.list_of_user),
    web.post("/api/v1/users/{id}/api-keys", api_keys.create_for_user),
    web.delete("/api/v1/users/{id}/api-keys/{key_id}", api_keys.revoke_of_user),
    web.get("/api/v1/audit", audit.list_page),
    web.get("/health", health.stores),
    web.get("/health/live", health.live),
    web.get("/health/ready", health.ready),
    web.get("/openapi.json", reference.get),
)
