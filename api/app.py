"""The application: middlewares around a table of routes, and the resources that they share."""

from aiohttp import web

from api import auth, body, resources
from api.accounts.tokens import Tokens, signing_key
from api.compat import systems
from api.compat.system import in_their_words
from api.problems import problems
from api.routes import ROUTES, accounts, health
from tidings.settings import Settings


def create_app(settings: Settings) -> web.Application:
    """The control API. Raises SettingsError where it would be open to other machines without `SECRET_KEY`."""
    app = web.Application(
        middlewares=[
            in_their_words(systems.SYSTEMS),
            problems,
            auth.authentication(settings, public=health.PUBLIC | accounts.PUBLIC | systems.PUBLIC),
        ],
        client_max_size=body.MAX_BYTES,
    )
    app[resources.SETTINGS] = settings
    app[resources.TOKENS] = Tokens(signing_key(settings))
    app.cleanup_ctx.extend([resources.store, resources.redis, resources.accounts, resources.intake])
    app.add_routes(ROUTES)
    app.add_routes(systems.ROUTES)
    return app
