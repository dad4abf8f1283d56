"""The application: middlewares around a table of routes, and the resources that they share."""

from aiohttp import web

from api import auth, body, resources
from api.problems import problems
from api.routes import ROUTES, health
from tidings.settings import Settings


def create_app(settings: Settings) -> web.Application:
    """The control API. Raises SettingsError where it would be open to other machines without a key."""
    app = web.Application(
        middlewares=[problems, auth.authentication(settings, public=health.PUBLIC)],
        client_max_size=body.MAX_BYTES,
    )
    app[resources.SETTINGS] = settings
    app.cleanup_ctx.extend([resources.store, resources.redis, resources.intake])
    app.add_routes(ROUTES)
    return app
