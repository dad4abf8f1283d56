"""Which scope each operation declares: the table, so that a new route is put into it by hand."""

from api.app import create_app
from api.openapi.operation import Access, needs_of
from tests.integration.api.accounts.test_isolation import routes
from tidings.domain.api_key import Scope
from tidings.settings import Settings

SENDING = {
    "POST /api/v1/messages",
    "POST /api/v1/messages/batch",
    "POST /api/v1/events",
    "POST /api/v1/endpoints/{endpoint_id}/test",
    "POST /messages",
    "POST /api/v1/task/enqueue",
    "POST /echoAtTime",
}
MANAGING = {
    "POST /api/v1/messages/cancel",
    "POST /api/v1/messages/retry",
    "POST /api/v1/changes/{change_id}/stop",
    "POST /api/v1/messages/{id}/cancel",
    "POST /api/v1/messages/{id}/retry",
    "POST /api/v1/holds/{hold_id}/release",
    "POST /api/v1/endpoints",
    "PATCH /api/v1/endpoints/{endpoint_id}",
    "DELETE /api/v1/endpoints/{endpoint_id}",
    "POST /api/v1/endpoints/{endpoint_id}/disable",
    "POST /api/v1/endpoints/{endpoint_id}/enable",
    "POST /api/v1/endpoints/{endpoint_id}/recover",
    "POST /api/v1/endpoints/{endpoint_id}/replay",
    "POST /api/v1/events/{event_id}/replay",
    "PUT /api/v1/events/reading",
    "POST /api/v1/bounces",
    "POST /api/v1/suppressions",
    "DELETE /api/v1/suppressions/{suppression_id}",
    "PUT /api/v1/queues/{name}",
    "POST /api/v1/queues/{name}/start",
    "POST /api/v1/queues/{name}/stop",
    "POST /api/v1/messaging",
    "POST /messages/worker/{action}",
    "PUT /jobs/start",
    "PUT /jobs/stop",
}
ABOUT_ACCOUNTS = ("/api/v1/me/", "/api/v1/users", "/api/v1/api-keys", "/api/v1/audit", "/api/v1/gateway")


def expected(name: str) -> Scope:
    method, _, path = name.partition(" ")
    if name == "GET /api/v1/me/quota":  # a program may see how much it may send
        return Scope.READ
    if path.startswith(ABOUT_ACCOUNTS) or path.endswith("/secret/rotate") or name == "PATCH /api/v1/me":
        return Scope.ADMIN
    if name in SENDING:
        return Scope.SEND
    if name in MANAGING:
        return Scope.MANAGE
    assert method == "GET", f"{name}: say here which scope it needs"
    return Scope.READ


def test_the_scope_of_every_operation() -> None:
    app, found = create_app(Settings()), set()
    for route, (_, _, name) in zip(app.router.routes(), routes(app), strict=True):
        needs = needs_of(route.handler)
        if needs.access is not Access.EVERYBODY:
            assert needs.scope is expected(name), name
            found.add(name)
    assert found >= SENDING | MANAGING


def test_what_concerns_a_whole_account_is_not_for_a_limited_key() -> None:
    """But for making a key, which then has the same limits."""
    app = create_app(Settings())
    for route, (_, pattern, name) in zip(app.router.routes(), routes(app), strict=True):
        needs = needs_of(route.handler)
        if needs.scope is Scope.ADMIN:
            assert needs.whole or (name == f"POST {pattern}" and pattern.endswith("/api-keys")), name
