"""The application: middlewares around a table of routes, and the resources that they share."""

import socket

from aiohttp import web

from api.accounts import proofs_routes
from api.accounts.tokens import Tokens, signing_key
from api.compat import systems
from api.compat.system import in_their_format
from api.dashboard import pages as dashboard
from api.http import auth, body, headers, peer, resources
from api.http.problems import problems
from api.http.tracing import traced
from api.messages.changes import changes
from api.metrics import ApiMetrics
from api.openapi.document import DOCUMENT, Document
from api.openapi.operation import MAX_BYTES
from api.quotas import door
from api.receipts import acknowledgements
from api.receipts import routes as receipts
from api.routes import ROUTES
from api.suppressions import unsubscribe
from api.swagger import pages as swagger
from tidings.domain.budget import ByteBudget
from tidings.observability import tracing
from tidings.settings import Settings


def create_app(settings: Settings) -> web.Application:
    """The control API.

    Raises SettingsError where it would be open to other machines without `SECRET_KEY`.
    """
    metrics = ApiMetrics(socket.gethostname())
    app = web.Application(
        middlewares=[
            metrics.counted,
            in_their_format(systems.SYSTEMS),
            problems,
            body.plain,
            auth.authentication(settings),
            door.changes_counted,
        ],
        client_max_size=MAX_BYTES,
    )
    app[resources.SETTINGS] = settings
    app[resources.METRICS] = metrics
    app[peer.PEERS] = peer.Peers(settings)
    app[body.LARGE_BODIES] = ByteBudget(body.LARGE_BYTES)
    headers.on_answers(app, settings)
    if (spans := tracing.spans()) is not None:
        app.middlewares.insert(1, traced(spans))
    app[resources.TOKENS] = Tokens(signing_key(settings))
    app.cleanup_ctx.extend([resources.store, resources.redis, resources.accounts, resources.quotas, resources.intake])
    app.cleanup_ctx.extend([resources.metrics, changes, resources.overviews])
    app.on_shutdown.append(resources.end_streams)
    app.on_response_prepare.append(door.put_fields)
    for routes in (
        ROUTES,
        unsubscribe.ROUTES,
        acknowledgements.ROUTES,
        receipts.ROUTES,
        proofs_routes.PAGES,
        dashboard.ROUTES,
        swagger.ROUTES,
        systems.ROUTES,
    ):
        app.add_routes(body.expecting(routes))
    app[DOCUMENT] = Document(app.router)
    return app
